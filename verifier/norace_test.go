//go:build !race

package verifier

const slowdown = 1
