package aws_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies"
	"github.com/trustcheck/trustcheck/policies/platform/aws"
)

// A stock OPA takes the errors of built-ins as undefined. Nothing of ours may rest on that, nor
// on its opposite.
func TestStockOPAGivesTheSameAnswers(t *testing.T) {
	ctx := context.Background()
	prepare, decision := stock(t, "data.trustcheck.trust.prepared"), stock(t, "data.trustcheck.trust.decision")
	for _, known := range readCases(t) {
		doc, err := trustcheck.ReadDocument("role.json", known.Role)
		if err != nil {
			t.Fatal(err)
		}
		ready, err := aws.Platform().Prepare(doc, known.Context)
		if err != nil {
			continue
		}
		surroundings := known.Context
		if surroundings == nil {
			surroundings = map[string]any{}
		}
		role := ask(ctx, t, prepare, map[string]any{
			"platform": "aws", "document": ready.Document, "context": surroundings, "unknown": []any{}, "require": []any{},
		})
		errors, _ := role["role_errors"].([]any)
		if known.Want.RoleError != "" {
			if len(errors) == 0 || !strings.Contains(errors[0].(string), known.Want.RoleError) {
				t.Errorf("%s: role errors %v, want %s", known.ID, errors, known.Want.RoleError)
			}
			continue
		}
		var claims any
		decoder := json.NewDecoder(strings.NewReader(string(known.Claims)))
		decoder.UseNumber()
		if err := decoder.Decode(&claims); err != nil {
			t.Fatal(err)
		}
		got := ask(ctx, t, decision, map[string]any{"role": role, "claims": claims, "context": surroundings, "now": known.Now})
		if got["verdict"] != string(known.Want.Verdict) {
			t.Errorf("%s %s: %v, want %s", known.ID, known.Title, got["verdict"], known.Want.Verdict)
		}
	}
}

func stock(t *testing.T, question string) rego.PreparedEvalQuery {
	t.Helper()
	modules, err := policies.Modules()
	if err != nil {
		t.Fatal(err)
	}
	options := []func(*rego.Rego){rego.Query(question), rego.StrictBuiltinErrors(false)}
	for file, text := range modules {
		options = append(options, rego.Module(file, text))
	}
	query, err := rego.New(options...).PrepareForEval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func ask(ctx context.Context, t *testing.T, query rego.PreparedEvalQuery, input map[string]any) map[string]any {
	t.Helper()
	results, err := query.Eval(ctx, rego.EvalInput(input))
	if err != nil || len(results) != 1 {
		t.Fatalf("%v, %v", results, err)
	}
	return results[0].Expressions[0].Value.(map[string]any)
}
