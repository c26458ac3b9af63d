package cel

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// claimSets are tokens of GitLab's and GitHub's shape that got damaged: claims
// dropped, emptied, retyped and exchanged.
func claimSets(r *rand.Rand, n int) []string {
	out := []string{`{"claims": {}, "attribute": {}, "google": {}}`}
	for len(out) < n {
		claims := damaged(r)
		input := map[string]any{"claims": claims, "attribute": map[string]any{}, "google": map[string]any{}}
		if v, ok := claims["repository"]; ok && r.IntN(2) == 0 {
			input["attribute"] = map[string]any{"repository": v, "repository_owner": "acme"}
			input["google"] = map[string]any{"subject": claims["sub"], "groups": []any{"acme/admins", "x"}}
		}
		b, err := json.Marshal(input)
		if err != nil {
			panic(err)
		}
		out = append(out, string(b))
	}
	return out
}

func damaged(r *rand.Rand) map[string]any {
	claims := map[string]any{}
	if err := json.Unmarshal([]byte(plainClaims), &claims); err != nil {
		panic(err)
	}
	names := make([]string, 0, len(claims))
	for name := range claims {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch r.IntN(12) {
		case 0, 1:
			delete(claims, name)
		case 2:
			claims[name] = oddValues[r.IntN(len(oddValues))]
		case 3:
			claims[name] = claims[names[r.IntN(len(names))]]
		case 4:
			claims[name] = texts[r.IntN(len(texts))]
		}
	}
	return claims
}

const plainClaims = `{
	"sub": "repo:acme/infra:ref:refs/heads/main", "aud": ["a", "b"], "iss": "https://gitlab.example.com",
	"repository": "acme/infra", "repository_owner": "acme", "repository_owner_id": "1342004", "actor": "acme",
	"ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true",
	"namespace_id": "72", "namespace_path": "acme", "project_id": "20", "project_path": "acme/infra",
	"environment": "production", "environment_protected": "true", "pipeline_source": "push", "event_name": "push",
	"groups_direct": ["acme/admins", "acme", "x"], "user_identities": [{"provider": "saml", "extern_uid": "u"}],
	"runner_id": 12270840, "runner_environment": "gitlab-hosted", "user_login": "alice", "user_email": "a@acme.example",
	"user_access_level": null, "null_claim": null, "flag": true, "n": 1, "m": 2.5, "empty": "", "nope2": [],
	"email": "a@acme.example", "email_verified": true, "iat": 1700000000, "nbf": 1700000000, "exp": 1700003600,
	"job_workflow_ref": "acme/ci/.github/workflows/deploy.yml@refs/heads/main", "job_config": {"url": "gitlab.example.com/acme/x", "sha": "abc"},
	"submods": {"a": {"image": "x"}, "images": ["x", "y"], "container": {"image_digest": "sha256:abc"}},
	"swname": "CONFIDENTIAL_SPACE", "roles": "a,b", "hd": "example.com", "arn": "arn:aws:sts::1:assumed-role/r/s"
}`

var texts = []string{
	"", "a", "main", "dev", "acme", "acme/infra", "evil/acme", "é", "aéa/éb", "\n", "repo:acme/x:ref", "x\nrepo:acme/", "main\n",
	"project_path:acme/infra:ref_type:branch:ref:main", "true", "false", "1", "72", "-007", "+5", "1.5", "u", "url", "^a", "(", "😀:b",
	" A b ", "KſK", "refs/heads/main", "release-1", "9223372036854775808", "ref", "x",
}

var oddValues = []any{
	nil, true, false, 0, 1, 2, -1, 1.5, 12270840, "", []any{}, []any{"a"}, []any{"acme/admins"}, []any{1, "a", nil}, map[string]any{},
	map[string]any{"x": "y"}, map[string]any{"url": 1, "sha": nil}, []any{[]any{"a"}}, []any{map[string]any{"extern_uid": "v"}},
	[]any{true, false}, "true", 1e21, 0.1, []any{"acme/x", "acme/y"}, []any{"a", "a"}, json.RawMessage("-0"),
}

// translateFor takes the environment by the variables that an expression uses.
func translateFor(expr, pkg string) (*Program, error) {
	if strings.Contains(expr, "claims.") {
		return Translate(expr, stringsEnv(pkg))
	}
	return Translate(expr, googleEnv(pkg))
}

// differ asks Rego and cel-go the same questions and returns how many answers
// were undecided.
func differ(t *testing.T, exprs, inputs []string) (asked, undecided int) {
	t.Helper()
	var programs []*Program
	var oracles []func(map[string]any) answer
	for i, expr := range exprs {
		p, err := translateFor(expr, pkgOf(i))
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		programs, oracles = append(programs, p), append(oracles, askOracle(t, expr))
	}
	r := prepare(t, programs)
	for _, input := range inputs {
		inDoubles, inInts := doubles(t, input), ints(t, input)
		for i, got := range r.ask(t, len(programs), input) {
			asked++
			if len(got.undecided) > 0 {
				undecided++
				continue
			}
			d, n := oracles[i](inDoubles), oracles[i](inInts)
			if !got.equal(d) || !got.equal(n) {
				t.Fatalf("%s\nof %s\nrego %v, cel-go with doubles %v, with ints %v\n%s", exprs[i], input, got.answer, d, n, programs[i].Source)
			}
			checkFormulas(t, exprs[i], programs[i], inDoubles, got.answer)
		}
	}
	return asked, undecided
}

func TestRegoDiffersFromCEL(t *testing.T) {
	inputs := claimSets(rand.New(rand.NewPCG(7, 1)), 40)
	for _, set := range []struct {
		name  string
		exprs []string
		share float64 // refused or undecided at most
	}{
		{"documented", documented, 0.05},
		{"traps", traps, 0.10},
	} {
		t.Run(set.name, func(t *testing.T) {
			var exprs []string
			for _, expr := range set.exprs {
				_, err := translateFor(expr, "p")
				var refused *Unsupported
				switch {
				case err == nil:
					exprs = append(exprs, expr)
				case errors.As(err, &refused):
					t.Logf("refused: %s: %v", expr, err)
				default:
					t.Fatalf("%s: %v", expr, err)
				}
			}
			asked, undecided := differ(t, exprs, inputs)
			refused := 1 - float64(len(exprs))/float64(len(set.exprs))
			t.Logf("%d expressions, %.1f %% refused; %d answers, %.1f %% undecided",
				len(set.exprs), 100*refused, asked, 100*float64(undecided)/float64(asked))
			if refused > set.share {
				t.Errorf("%.1f %% refused", 100*refused)
			}
			if share := float64(undecided) / float64(asked); share > set.share {
				t.Errorf("%.1f %% undecided", 100*share)
			}
		})
	}
}
