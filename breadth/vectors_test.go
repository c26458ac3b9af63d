package breadth_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

// TestRegoAnswersAsTheAnalysisReads runs the vectors of every role through the very
// policies: one wrong answer and the analysis is about another role than the gate's.
func TestRegoAnswersAsTheAnalysisReads(t *testing.T) {
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	asked := 0
	check := func(name string, subject breadth.Subject) {
		vectors, err := analyser.Vectors(context.Background(), subject)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, vector := range vectors {
			asked++
			got := decide(t, bundle, subject.Role, vector.Claims)
			if vector.Allow && got != trustcheck.Allow || vector.Deny && got == trustcheck.Allow {
				t.Errorf("%s: %s: allow %t, deny %t, got %s for %s", name, vector.Shows, vector.Allow, vector.Deny, got, marshal(t, vector.Claims))
			}
		}
	}
	for _, one := range readSamples(t) {
		subject := one.subject(t, bundle)
		if subject.Role.Refused == "" {
			check(one.Name, subject)
		}
	}
	r := rand.New(rand.NewPCG(uint64(number(t, "BREADTH_SEED", 7)), 3))
	for range rounds(t, "BREADTH_ROLES", 20) {
		s := randomSetting(r)
		text := marshal(t, s.role)
		check(string(text), breadth.Subject{Limits: patient, Role: vaultRole(t, bundle, text), Issuer: "https://gitlab.com", Now: testNow})
	}
	if asked < 400 {
		t.Errorf("only %d vectors", asked)
	}
	t.Logf("%d vectors", asked)
}
