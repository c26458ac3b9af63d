package bundles_test

import (
	"syscall"
	"testing"
)

// measureCPU reports processor time per operation beside wall time, which says little on a
// machine that others use too.
func measureCPU(b *testing.B) {
	b.Helper()
	start := processorTime(b)
	b.Cleanup(func() {
		b.ReportMetric(float64(processorTime(b)-start)/float64(b.N), "cpu-ns/op")
	})
}

func processorTime(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
