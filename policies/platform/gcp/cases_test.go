package gcp_test

import (
	"testing"

	"github.com/trustcheck/trustcheck/internal/platformtest"
)

func TestCaseHasAnotherAnswer(t *testing.T) {
	platformtest.Run(t, "gcp", platformtest.Read(t, "cases"))
}

func TestOddClaimStopsTheEvaluation(t *testing.T) {
	platformtest.Damage(t, "gcp", platformtest.Read(t, "cases"))
}
