//go:build !race

package breadth_test

// thinned is by how much random tests do less under the race detector.
const thinned = 1
