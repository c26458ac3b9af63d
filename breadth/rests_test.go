package breadth_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

func TestProofHidesTheRuleThatItRestsOn(t *testing.T) {
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	const (
		github   = `{"role_type":"jwt","user_claim":"sub","bound_audiences":["x"],"bound_claims_type":"glob","bound_claims":{"sub":"repo:acme/*:ref:refs/heads/main"}}`
		settings = `{"subject_template":["repo","context"],"protected_branches":["main"],"environments":null,`
		main     = `{"repository_owner":"acme","ref":"refs/heads/main"}`
	)
	for _, test := range []struct {
		name, issuer, role, scope, facts string
		verdict                          breadth.Verdict
		rests, needed                    []string
	}{
		{
			"a colon that GitHub escapes", "https://github.example.com/_services/token", github, main, settings + `"issuer_version":"3.19"}`,
			breadth.Tight, []string{"a colon in a value is written %3A", "git refs hold no colon"}, []string{"issuer_version"},
		},
		{
			"the release that did not escape it", "https://github.example.com/_services/token", github, main, settings + `"issuer_version":"3.18"}`,
			breadth.Broad, nil, nil,
		},
		{
			"a star before the ref", "https://gitlab.com",
			`{"role_type":"jwt","user_claim":"sub","bound_audiences":["x"],"bound_claims_type":"glob","bound_claims":{"sub":"project_path:acme/*:ref_type:branch:ref:main"}}`,
			`{"namespace_path":"acme","ref":"main","ref_type":"branch"}`, ``,
			breadth.Tight, []string{"git refs hold no colon", "paths of groups and projects hold"}, nil,
		},
		{
			"the claims by themselves", "https://gitlab.com",
			`{"role_type":"jwt","user_claim":"sub","bound_audiences":["x"],"bound_claims_type":"glob","bound_claims":{"project_path":"acme/*","ref":"main","ref_type":"branch"}}`,
			`{"namespace_path":"acme","ref":"main","ref_type":"branch"}`, ``,
			breadth.Tight, []string{}, nil,
		},
		{
			"a fact of several", "https://gitlab.com",
			`{"role_type":"jwt","user_claim":"sub","bound_audiences":["x"],"bound_claims":{"job_project_path":"acme/app","ref":"main"}}`,
			`{"project_path":"acme/app"}`, `{"fork_pipelines":"fork","protected_branches":["main"],"registration":"open","issuer_version":"18.9"}`,
			breadth.Tight, []string{}, []string{"fork_pipelines"},
		},
		{
			"one of two facts that each do", "https://gitlab.com",
			`{"role_type":"jwt","user_claim":"sub","bound_audiences":["x"],"bound_claims":{"project_path":"acme/app","ref":"main","ref_type":"branch","environment":"production"}}`,
			`{"any_of":[{"project_path":"acme/app","ref_protected":"true"},{"project_path":"acme/app","environment_protected":"true"}]}`,
			`{"protected_branches":["main"],"environments":{"production":{"protected":true}}}`,
			breadth.Tight, []string{}, []string{"protected_branches"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := trustcheck.ReadDocument("role.json", []byte(test.role))
			if err != nil {
				t.Fatal(err)
			}
			subject := breadth.Subject{Issuer: test.issuer, Limits: patient, Now: time.Unix(1_800_000_000, 0)}
			if strings.Contains(test.issuer, "github") {
				subject.Model = "github"
			}
			if subject.Role, err = bundle.Prepare(context.Background(), doc, "vault", nil); err != nil {
				t.Fatal(err)
			}
			if subject.Scope, err = breadth.ReadScope([]byte(test.scope)); err != nil {
				t.Fatal(err)
			}
			if subject.Facts, err = breadth.ReadFacts([]byte(test.facts)); err != nil {
				t.Fatal(err)
			}
			result, err := analyser.Analyse(context.Background(), subject)
			if err != nil {
				t.Fatal(err)
			}
			if result.Verdict != test.verdict {
				t.Fatalf("want %s, got %s: %v", test.verdict, result.Verdict, result.Why)
			}
			found := []string{}
			var needed []string
			for _, on := range result.RestsOn {
				if rule, _, relaxed := strings.Cut(on, ": else "); relaxed {
					found = append(found, rule)
				}
				if fact, given := strings.CutPrefix(on, "the fact "); given {
					name, _, _ := strings.Cut(fact, ":")
					needed = append(needed, name)
				}
			}
			if test.rests != nil && !slices.EqualFunc(found, test.rests, strings.HasPrefix) {
				t.Errorf("want the rules %q, got %q", test.rests, found)
			}
			if !slices.Equal(needed, test.needed) {
				t.Errorf("want the facts %q, got %q", test.needed, needed)
			}
		})
	}
}
