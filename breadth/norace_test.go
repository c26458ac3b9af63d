//go:build !race

package breadth_test

// thinned is by how much long tests do less under the race detector.
const thinned = 1
