package azure_test

import (
	"testing"

	"github.com/trustcheck/trustcheck/internal/platformtest"
	"github.com/trustcheck/trustcheck/policies/platform/azure"
)

func TestCaseHasAnotherAnswer(t *testing.T) {
	platformtest.Run(t, "azure", platformtest.Read(t, "cases"))
}

func TestOddClaimStopsTheEvaluation(t *testing.T) {
	platformtest.Damage(t, "azure", platformtest.Read(t, "cases"))
}

func TestSchemaRefusesWhatIsStored(t *testing.T) {
	platformtest.Fits(t, azure.Schema, platformtest.Read(t, "cases"))
}

func TestOddMemberStopsTheEvaluation(t *testing.T) {
	platformtest.Maul(t, "azure", platformtest.Read(t, "cases"))
}
