//go:build race

package breadth

// Thinned is by how much long tests do less under the race detector: it slows them tenfold,
// and finds nothing in what one goroutine does. They run in full without it.
const Thinned = 10
