package cel

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	_ "github.com/open-policy-agent/opa/v1/features/wasm"
	"github.com/open-policy-agent/opa/v1/rego"
)

// TestWasmAnswersDifferently asks the same in Wasm, whose regular expressions,
// numbers and texts are another implementation.
func TestWasmAnswersDifferently(t *testing.T) {
	exprs := append(append([]string{}, documented...), traps...)
	programs := make([]*Program, len(exprs))
	for i, expr := range exprs {
		p, err := translateFor(expr, pkgOf(i))
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		programs[i] = p
	}
	wasm, err := rego.New(rego.Query("data.trustcheck.generated"), rego.Compiler(compileRules(t, programs)),
		rego.Target("wasm")).PrepareForEval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r := prepare(t, programs)
	for _, input := range claimSets(rand.New(rand.NewPCG(5, 5)), 30) {
		value, err := ast.ValueFromReader(bytes.NewReader([]byte(input)))
		if err != nil {
			t.Fatal(err)
		}
		want := r.ask(t, len(programs), input)
		for i, got := range evalRules(t, wasm, len(programs), value) {
			if len(want[i].undecided) != len(got.undecided) || len(got.undecided) == 0 && !got.equal(want[i].answer) {
				t.Errorf("%s of %s: Wasm %v, want %v", exprs[i], input, got.answer, want[i].answer)
			}
		}
	}
}
