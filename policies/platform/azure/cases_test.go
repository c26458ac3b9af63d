package azure_test

import (
	"testing"

	"github.com/trustcheck/trustcheck/internal/platformtest"
)

func TestCaseHasAnotherAnswer(t *testing.T) {
	platformtest.Run(t, "azure", platformtest.Read(t, "cases"))
}

func TestOddClaimStopsTheEvaluation(t *testing.T) {
	platformtest.Damage(t, "azure", platformtest.Read(t, "cases"))
}
