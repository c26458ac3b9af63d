package gate_test

import (
	"testing"

	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// BenchmarkCheck is a decision without HTTP: one role, RS256, no cache.
func BenchmarkCheck(b *testing.B) {
	issuer := gatetest.NewIssuer(b)
	g := gatetest.New(b, issuer, nil)
	token := issuer.Token(b)
	b.ReportAllocs()
	for b.Loop() {
		if answer := g.Check(b.Context(), gate.Question{Role: "deploy", Credentials: gate.Bearer(token)}); answer.Code != gate.Allowed {
			b.Fatal(answer.Code)
		}
	}
}
