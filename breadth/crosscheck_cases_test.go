package breadth_test

import (
	"context"
	"testing"

	"github.com/trustcheck/trustcheck/breadth"
)

// What the random roles of crosscheck_test.go once found, each beside a neighbour that
// comes out the other way.

func trustIn(host, subject string) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": map[string]any{"Federated": "arn:aws:iam::123456789012:oidc-provider/" + host},
		"Condition": map[string]any{"StringLike": map[string]any{host + ":sub": subject}},
	}}}
}

func TestMendedDisagreementsStayMended(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	app := map[string]any{"repository": "acme/app"}
	hidden := map[string]any{"environments": map[string]any{"production": map[string]any{"protected": true}}, "protected_branches": []string{"main"}}
	told := func(facts map[string]any, template ...string) map[string]any {
		all := map[string]any{"subject_template": template}
		for name, fact := range facts {
			all[name] = fact
		}
		return all
	}
	release := map[string]any{"protected_branches": []string{"release/*"}, "protected_tags": []string{"*"}}
	for _, one := range []struct {
		name, host, subject string
		scope, facts        map[string]any
		attacker            string
		wanted              breadth.Verdict
	}{
		{"a told template that looks like the default is lost", gitHub, "repo:acme/app:environment:*", app, told(hidden, "repo", "environment"), breadth.Developer, breadth.Broad},
		{"a protected environment is open", gitHub, "repo:acme/app:environment:production", app, told(hidden, "repo", "environment"), breadth.Developer, breadth.Tight},
		{"a star protects what lies deeper", gitHub, "repo:acme/app:ref:refs/heads/release/1/*", app, release, breadth.Developer, breadth.Broad},
		{"a star protects nothing", gitHub, "repo:acme/app:ref:refs/heads/release/1", app, release, breadth.Developer, breadth.Tight},
		{
			"a star of GitLab stops at a slash", "gitlab.com", "project_path:acme/app:ref_type:branch:ref:release/1/*",
			map[string]any{"project_path": "acme/app"}, release, breadth.Developer, breadth.Tight,
		},
		{"who takes a name over keeps its settings", gitHub, "repository:acme/app:*", app, told(nil, "repo", "context"), breadth.Recycler, breadth.Broad},
		{"what nobody can be is somebody's", gitHub, "repository:acme:*", app, told(nil, "repo", "context"), breadth.Recycler, breadth.Tight},
		{"a workflow's name holds what a star is for", gitHub, "repo:acme@*/app:environment:production", app, told(hidden, "repo", "context"), breadth.Sibling, breadth.Broad},
	} {
		t.Run(one.name, func(t *testing.T) {
			breadth.Thin(t)
			scope, err := breadth.ReadScope(marshal(t, one.scope))
			if err != nil {
				t.Fatal(err)
			}
			facts, err := breadth.ReadFacts(marshal(t, one.facts))
			if err != nil {
				t.Fatal(err)
			}
			result, err := analyser.Analyse(context.Background(), breadth.Subject{
				Limits: patient, Role: awsRole(t, bundle, trustIn(one.host, one.subject)), Scope: scope, Facts: facts, Now: testNow,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Attackers[one.attacker]; got != one.wanted {
				t.Errorf("%s: want %s, got %s, %q", one.attacker, one.wanted, got, result.Why)
			}
		})
	}
}

// What nobody can do today whoever takes over a name perhaps can: to say tight takes a proof.
func TestDeadRolePerhapsHidesItsRecycler(t *testing.T) {
	t.Parallel()
	result := analysedGoogle(t, "assertion.sub.startsWith('repository:acme/app:')", `{"subject_template":["repo","context"]}`)
	if result.Verdict != breadth.Dead || result.Attackers[breadth.Recycler] == breadth.Tight {
		t.Errorf("want a dead role that is not tight for a recycler, got %s, %v", result.Verdict, result.Attackers)
	}
}

// What a role looks for anywhere in a text is its own: a witness does not have that very id or
// account.
func TestWitnessesAreNotWhatTheRoleNames(t *testing.T) {
	t.Parallel()
	for condition, not := range map[string][2]string{
		`assertion.actor.contains('deploy-bot')`:                                       {"actor", "deploy-bot"},
		`assertion.actor.endsWith('deploy-bot')`:                                       {"actor", "deploy-bot"},
		`assertion.actor.startsWith('deploy-bot')`:                                     {"actor", "deploy-bot"},
		`assertion.actor.matches('deploy-bot[a-z]*')`:                                  {"actor", "deploy-bot"},
		`assertion.actor.matches('deploy-bot') || assertion.repository == 'acme/app'`:  {"actor", "deploy-bot"},
		`assertion.repository_id.contains('34')`:                                       {"repository_id", "34"},
		`assertion.repository_id.endsWith('34')`:                                       {"repository_id", "34"},
		`assertion.repository_id.matches('[0-9]*34') && assertion.repository != 'a/b'`: {"repository_id", "34"},
	} {
		t.Run(condition, func(t *testing.T) {
			result := analysedGoogle(t, condition, "")
			if token := result.Tokens[breadth.Outsider]; token == nil || token.Claims[not[0]] == not[1] {
				t.Errorf("want an outsider's token with another %s than %s, got %s, %+v", not[0], not[1], result.Verdict, token)
			}
		})
	}
}

// analysedGoogle is what comes of a role whose whole pool may use it under a condition, and that
// means acme/app.
func analysedGoogle(t *testing.T, condition, facts string) *breadth.Result {
	t.Helper()
	const pool = "projects/123456789012/locations/global/workloadIdentityPools/ci"
	bundle := openBundle(t)
	subject := breadth.Subject{Limits: patient, Now: testNow}
	subject.Role = preparedRole(t, bundle, "gcp", string(marshal(t, map[string]any{
		"provider": map[string]any{
			"name": pool + "/providers/ci", "attributeCondition": condition,
			"oidc":             map[string]any{"issuerUri": "https://" + gitHub, "allowedAudiences": []string{"v"}},
			"attributeMapping": map[string]any{"google.subject": "assertion.sub"},
		},
		"iamPolicy": map[string]any{"bindings": []any{map[string]any{
			"role":    "roles/iam.workloadIdentityUser",
			"members": []string{"principalSet://iam.googleapis.com/" + pool + "/*"},
		}}},
	})))
	var err error
	if subject.Scope, err = breadth.ReadScope([]byte(`{"repository":"acme/app"}`)); err != nil {
		t.Fatal(err)
	}
	if subject.Facts, err = breadth.ReadFacts([]byte(facts)); err != nil {
		t.Fatal(err)
	}
	result, err := breadth.New(bundle).Analyse(context.Background(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
