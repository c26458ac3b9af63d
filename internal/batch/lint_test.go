package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/bundles"
)

// TestLintAnswersEveryLine holds the shape that others script against.
func TestLintAnswersEveryLine(t *testing.T) {
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const role = `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims_type":"glob","bound_claims":{"project_path":"%s"}}`
	const trust = `{"RoleName":"a","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},` +
		`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:*"}}}]}}`
	line := func(id, path, rest string) string {
		return `{"id":` + id + `,"platform":"vault","role":` + strings.ReplaceAll(role, "%s", path) + `,"issuer":"https://gitlab.com"` + rest + `}`
	}
	in := strings.Join([]string{
		line(`"broad"`, "acme*", `,"scope":{"namespace_path":"acme"},"note":"lines may carry notes"`),
		line(`"tight"`, "acme/*", `,"scope":{"namespace_path":"acme"},"facts":{"protected_branches":["main"]}`),
		`{"id":"refused","platform":"vault","role":{"role_type":"jwt","user_claim":"sub"}}`,
		`{"id":"unreadable","platform":"vault","role":{"role_type":"jwt","bound_clams":{}}}`,
		line(`"scope"`, "acme/*", `,"scope":{"namespace_path":5}`),
		line(`"misspelt"`, "acme/*", `,"scpoe":{}`),
		`not JSON`,
		`{"id":"listed","role":{"Roles":[` + trust + `]},"scope":{"repository":"acme/app"}}`,
		`{"id":"several","role":{"Roles":[` + trust + `,` + trust + `]}}`,
	}, "\n")
	var out bytes.Buffer
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	if err := Run(context.Background(), strings.NewReader(in), &out, NewLint(bundle, ".", now)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 9 {
		t.Fatalf("want 9 answers, got %d: %s", len(lines), out.String())
	}
	for i, want := range []struct{ id, verdict, attacker, inError string }{
		{"broad", "broad", "outsider", ""}, {"tight", "tight", "", ""}, {"refused", "dead", "", ""},
		{"unreadable", "dead", "", ""}, {"scope", "", "", "namespace_path"}, {"misspelt", "", "", "scope"}, {"", "", "", "JSON"},
		{"listed", "broad", "outsider", ""}, {"several", "", "", "want one role, got 2"},
	} {
		var got struct {
			ID        any
			Verdict   string
			Attacker  string
			Attackers map[string]string
			Witness   map[string]any
			Findings  []map[string]string
			RestsOn   []string `json:"rests_on"`
			RoleError string   `json:"role_error"`
			Error     string
		}
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		if want.id != "" && got.ID != want.id || got.Verdict != want.verdict || got.Attacker != want.attacker || !strings.Contains(got.Error, want.inError) {
			t.Errorf("want %+v, got %s", want, lines[i])
		}
		if want.verdict == "" {
			continue
		}
		if (got.Witness != nil) != (want.verdict == "broad") || len(got.Attackers) != 7 || got.Findings == nil || got.RestsOn == nil {
			t.Errorf("%s: witness, attackers, findings or rests_on amiss: %s", want.id, lines[i])
		}
		if (got.RoleError != "") != (want.verdict == "dead") {
			t.Errorf("%s: role_error %q", want.id, got.RoleError)
		}
	}
}
