package gcp_test

import (
	"testing"

	"github.com/trustcheck/trustcheck/internal/platformtest"
	"github.com/trustcheck/trustcheck/policies/platform/gcp"
)

func TestCaseHasAnotherAnswer(t *testing.T) {
	platformtest.Run(t, "gcp", platformtest.Read(t, "cases"))
}

func TestOddClaimStopsTheEvaluation(t *testing.T) {
	platformtest.Damage(t, "gcp", platformtest.Read(t, "cases"))
}

func TestSchemaRefusesWhatIsStored(t *testing.T) {
	platformtest.Fits(t, gcp.Schema, platformtest.Read(t, "cases"))
}

func TestOddMemberStopsTheEvaluation(t *testing.T) {
	platformtest.Maul(t, "gcp", platformtest.Read(t, "cases"))
}
