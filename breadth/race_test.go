//go:build race

package breadth_test

// thinned is by how much long tests do less under the race detector, which slows them
// tenfold; they run in full without it.
const thinned = 3
