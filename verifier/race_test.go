//go:build race

package verifier

// slowdown is what the race detector may cost.
const slowdown = 20
