//go:build !race

package language

// slowdown is what the race detector costs this package, at most.
const slowdown = 1
