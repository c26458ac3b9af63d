//go:build !race

package breadth

// Thinned is by how much long tests do less under the race detector.
const Thinned = 1
