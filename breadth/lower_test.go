package breadth

import (
	"testing"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

func TestEveryStatementIsMeant(t *testing.T) {
	model, err := issuer.ModelOf(issuer.GitHub)
	if err != nil {
		t.Fatal(err)
	}
	way := func(subject string) bundles.Way {
		return bundles.Way{Conditions: []bundles.Condition{{Test: "in", Reads: "claim", Key: "sub", Values: []any{subject}}}}
	}
	stage := bundles.Stage{Ways: []bundles.Way{way("repo:acme/a:ref:refs/heads/main"), way("repo:acme/b:pull_request")}}
	want := `{"any_of":[{"repository":"acme/a"},{"repository":"acme/b"}]}`
	if got := infer([]bundles.Stage{stage}, &model.Names).String(); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	stage.Ways[1] = bundles.Way{}
	if got := infer([]bundles.Stage{stage}, &model.Names).Circles; len(got) != 0 {
		t.Errorf("a statement that names nobody: got %v", got)
	}
}
