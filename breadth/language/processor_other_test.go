//go:build !unix

package language

import (
	"testing"
	"time"
)

var began = time.Now()

// processorTime is, for want of anything better, the time since the tests began.
func processorTime(*testing.T) time.Duration { return time.Since(began) }
