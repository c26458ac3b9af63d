package breadth_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
)

// globClaims is a role of Vault's with patterns for claims.
func globClaims(claims string) string {
	return `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims_type":"glob","bound_claims":` + claims + `}`
}

const githubHost = "token.actions.githubusercontent.com"

// githubTrust is a trust policy with one statement for GitHub's tokens for each condition.
func githubTrust(conditions ...string) string {
	var statements []string
	for _, condition := range conditions {
		statements = append(statements, `{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/`+
			githubHost+`"},"Condition":`+strings.ReplaceAll(condition, "host:", githubHost+":")+`}`)
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func preparedRole(t testing.TB, bundle *bundles.Bundle, platform, text string) *bundles.Role {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, platform, nil)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// regionsOf is what a difference says of its regions, in words.
func regionsOf(d *breadth.Difference) string {
	if d == nil {
		return ""
	}
	var all []string
	for i := range d.Regions {
		all = append(all, d.Regions[i].String())
	}
	return strings.Join(all, "; ")
}

func TestChangeIsTakenForAnother(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for name, c := range map[string]struct {
		platform, before, after string
		verdict                 breadth.Relation
		admits, refuses         string
	}{
		"a list respelled": {"vault", globClaims(`{"project_path":"acme/app","ref":["main","x"]}`), globClaims(`{"ref":["x","main"],"project_path":["acme/app"]}`),
			breadth.Equivalent, "", ""},
		"a star in the branch": {"vault", globClaims(`{"project_path":"acme/app","ref":"main"}`), globClaims(`{"project_path":"acme/app","ref":"main*"}`),
			breadth.Broadened, "namespace_path acme, project app, ref main?*, aud v", ""},
		"the type of the ref dropped": {"vault", globClaims(`{"project_path":"mygroup/app","ref":"main","ref_type":"branch"}`), globClaims(`{"project_path":"mygroup/app","ref":"main"}`),
			breadth.Broadened, "namespace_path mygroup, project app, ref main, aud v, with ref tag", ""},
		"one subject for its parts": {"vault", globClaims(`{"project_path":"acme/app","ref":"main","ref_type":"branch"}`), globClaims(`{"sub":"project_path:acme/app:ref_type:branch:ref:main"}`),
			breadth.Narrowed, "", "namespace_path acme"},
		"paths for subjects": {"vault", globClaims(`{"project_path":["a/*","b/*"]}`), globClaims(`{"sub":["project_path:b/*","project_path:a/*"]}`),
			breadth.Narrowed, "", "project_id any"},
		"a slash forgotten": {"vault", globClaims(`{"project_path":"acme/*"}`), globClaims(`{"project_path":"acme*"}`),
			breadth.Broadened, "namespace_path acme*", ""},
		"an id dropped": {"vault", globClaims(`{"project_path":"acme/app","project_id":"7"}`), globClaims(`{"project_path":"acme/app"}`),
			breadth.Broadened, "project_id any", ""},
		"one branch for another": {"vault", globClaims(`{"project_path":"acme/app","ref":"main"}`), globClaims(`{"project_path":"acme/app","ref":"prod"}`),
			breadth.Changed, "ref prod", "ref main"},
		"statements in another order": {"aws", githubTrust(`{"StringLike":{"host:sub":"repo:o/a:*"}}`, `{"StringLike":{"host:sub":["repo:o/b:*","repo:o/c:*"]}}`),
			githubTrust(`{"StringLike":{"host:sub":["repo:o/c:*","repo:o/b:*"]}}`, `{"StringLike":{"host:sub":"repo:o/a:*"}}`), breadth.Equivalent, "", ""},
		"statements made one": {"aws", githubTrust(`{"StringLike":{"host:sub":"repo:o/a:*"}}`, `{"StringLike":{"host:sub":"repo:o/b:*"}}`),
			githubTrust(`{"StringLike":{"host:sub":["repo:o/a:*","repo:o/b:*"]}}`), breadth.Equivalent, "", ""},
		"another operator for the same": {"aws", githubTrust(`{"StringLike":{"host:aud":"sts","host:sub":"repo:o/a:ref:refs/heads/main"}}`),
			githubTrust(`{"StringEquals":{"host:aud":["sts"],"host:sub":["repo:o/a:ref:refs/heads/main"]}}`), breadth.Equivalent, "", ""},
		"an audience more": {"aws", githubTrust(`{"StringEquals":{"host:aud":"sts","host:sub":"repo:o/a:ref:refs/heads/main"}}`),
			githubTrust(`{"StringEquals":{"host:aud":["sts","x"],"host:sub":"repo:o/a:ref:refs/heads/main"}}`), breadth.Broadened, "aud x", ""},
		"an audience fewer": {"aws", githubTrust(`{"StringEquals":{"host:aud":["sts","x"],"host:sub":"repo:o/a:ref:refs/heads/main"}}`),
			githubTrust(`{"StringEquals":{"host:aud":"sts","host:sub":"repo:o/a:ref:refs/heads/main"}}`), breadth.Narrowed, "", "aud x"},
		"the same network": {"aws", githubTrust(`{"StringLike":{"host:sub":"repo:o/a:ref:refs/heads/main"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`),
			githubTrust(`{"StringEquals":{"host:sub":"repo:o/a:ref:refs/heads/main"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), breadth.Equivalent, "", ""},
		"another network": {"aws", githubTrust(`{"StringEquals":{"host:sub":"repo:o/a:ref:refs/heads/main"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`),
			githubTrust(`{"StringEquals":{"host:sub":"repo:o/a:ref:refs/heads/main"},"IpAddress":{"aws:SourceIp":"10.0.0.0/9"}}`), breadth.Unclear, "", ""},
		"a network more, beside a wider subject": {"aws", githubTrust(`{"StringEquals":{"host:sub":"repo:o/a:ref:refs/heads/main"}}`),
			githubTrust(`{"StringLike":{"host:sub":"repo:o/a:*"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), breadth.Unclear, "", ""},
		"a statement for another issuer": {"aws", githubTrust(`{"StringLike":{"host:sub":"repo:o/a:*"}}`),
			strings.Replace(githubTrust(`{"StringLike":{"host:sub":"repo:o/a:*"}}`, `{"StringLike":{"gitlab.com:sub":"project_path:*"}}`),
				"oidc-provider/"+githubHost+`"},"Condition":{"StringLike":{"gitlab`, `oidc-provider/gitlab.com"},"Condition":{"StringLike":{"gitlab`, 1),
			breadth.Broadened, "namespace_path any, project any, ref any", ""},
	} {
		t.Run(name, func(t *testing.T) {
			breadth.Thin(t)
			before, after := preparedRole(t, bundle, c.platform, c.before), preparedRole(t, bundle, c.platform, c.after)
			subject := func(role *bundles.Role) breadth.Subject {
				return breadth.Subject{Role: role, Now: testNow, Limits: patient}
			}
			change, err := analyser.Compare(context.Background(), subject(before), subject(after))
			if err != nil {
				t.Fatal(err)
			}
			if change.Verdict != c.verdict || (change.Admitted == nil) != (c.admits == "") || (change.Refused == nil) != (c.refuses == "") ||
				!strings.Contains(regionsOf(change.Admitted), c.admits) || !strings.Contains(regionsOf(change.Refused), c.refuses) {
				t.Errorf("want %s, admitting %q and refusing %q, got %s, %q and %q because %q",
					c.verdict, c.admits, c.refuses, change.Verdict, regionsOf(change.Admitted), regionsOf(change.Refused), change.Why)
			}
			checkDifference(t, name+" admitted", bundle, after, before, change.Admitted)
			checkDifference(t, name+" refused", bundle, before, after, change.Refused)
		})
	}
}

// checkDifference asks both roles about the token on which they are said to differ.
func checkDifference(t *testing.T, about string, bundle *bundles.Bundle, accepts, refuses *bundles.Role, difference *breadth.Difference) {
	t.Helper()
	if difference == nil {
		return
	}
	if got := decide(t, bundle, accepts, difference.Token.Claims); got != trustcheck.Allow {
		t.Errorf("%s: want the token allowed, got %s: %s", about, got, marshal(t, difference.Token.Claims))
	}
	if got := decide(t, bundle, refuses, difference.Token.Claims); got != trustcheck.Deny {
		t.Errorf("%s: want the token denied, got %s: %s", about, got, marshal(t, difference.Token.Claims))
	}
}

// altered is a role with a claim or two of it dropped, added or bound to something else.
func altered(r *rand.Rand, role map[string]any) map[string]any {
	next := maps.Clone(role)
	bound, _ := role["bound_claims"].(map[string]any)
	bound = maps.Clone(bound)
	names := slices.Sorted(maps.Keys(bound))
	if r.IntN(3) == 0 && len(names) > 1 {
		delete(bound, pick(r, names))
	}
	other, _ := randomRole(r)["bound_claims"].(map[string]any)
	for claim, value := range other {
		if _, has := bound[claim]; has || r.IntN(3) == 0 {
			bound[claim] = value
		}
	}
	next["bound_claims"] = bound
	return next
}

// respelled is the same role with its lists turned around, and single values in lists.
func respelled(role map[string]any) map[string]any {
	next := maps.Clone(role)
	bound := map[string]any{}
	was, _ := role["bound_claims"].(map[string]any)
	for claim, value := range was {
		if list, ok := value.([]any); ok {
			list = slices.Clone(list)
			slices.Reverse(list)
			bound[claim] = append(list, list[0])
		} else {
			bound[claim] = []any{value}
		}
	}
	next["bound_claims"] = bound
	return next
}

func TestRandomChangeIsTakenForAnother(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	r := rand.New(rand.NewPCG(uint64(number(t, "BREADTH_SEED", 1)), 2))
	verdicts := map[breadth.Relation]int{}
	for range rounds(t, "BREADTH_ROLES", 25) {
		s := randomSetting(r)
		scope, err := breadth.ReadScope(marshal(t, s.scope))
		if err != nil {
			t.Fatal(err)
		}
		facts, err := breadth.ReadFacts(marshal(t, s.facts))
		if err != nil {
			t.Fatal(err)
		}
		compare := func(before, after *bundles.Role) *breadth.Change {
			subject := breadth.Subject{Role: before, Issuer: "https://gitlab.com", Scope: scope, Facts: facts, Now: testNow, Limits: patient}
			other := subject
			other.Role = after
			change, err := analyser.Compare(context.Background(), subject, other)
			if err != nil {
				t.Fatal(err)
			}
			return change
		}
		next := altered(r, s.role)
		before, after := vaultRole(t, bundle, marshal(t, s.role)), vaultRole(t, bundle, marshal(t, next))
		about := fmt.Sprintf("%s → %s scope %s facts %s", marshal(t, s.role), marshal(t, next), marshal(t, s.scope), marshal(t, s.facts))
		if change := compare(before, vaultRole(t, bundle, marshal(t, respelled(s.role)))); change.Verdict != breadth.Equivalent {
			t.Errorf("respelled: want equivalent, got %s because %q: %s", change.Verdict, change.Why, marshal(t, s.role))
		}
		change := compare(before, after)
		verdicts[change.Verdict]++
		checkDifference(t, about, bundle, after, before, change.Admitted)
		checkDifference(t, about, bundle, before, after, change.Refused)
		if change.Verdict == breadth.Unclear {
			t.Logf("undecided %s: %q", about, change.Why)
		}
		if len(change.Why) > 0 {
			continue
		}
		gitlab := newGitLab(r, s)
		for range rounds(t, "BREADTH_TOKENS", 150) {
			claims := gitlab.mint()
			was, is := decide(t, bundle, before, claims), decide(t, bundle, after, claims)
			if change.Admitted == nil && is == trustcheck.Allow && was == trustcheck.Deny {
				t.Fatalf("called %s, newly accepts %s\n%s", change.Verdict, marshal(t, claims), about)
			}
			if change.Refused == nil && len(change.WhyRefused) == 0 && was == trustcheck.Allow && is == trustcheck.Deny {
				t.Fatalf("called %s, newly refuses %s\n%s", change.Verdict, marshal(t, claims), about)
			}
		}
	}
	t.Log(verdicts)
}
