package breadth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

const gitHub = "token.actions.githubusercontent.com"

// either returns one of the values.
func either[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// mintGitHub is a token as GitHub's documents describe it, written apart from the model.
func mintGitHub(r *rand.Rand) map[string]any {
	owner := either(r, "acme", "acme", "acme", "evil", "acme-evil", "Acme-x", "acmex", "x-acme")
	name := either(r, "app", "app", "app-x", "appx", "x", "main", "acme")
	ownerID, id := "12", "34"
	if owner != "acme" {
		ownerID = either(r, "13", "120", "112")
	}
	if owner != "acme" || name != "app" {
		id = either(r, "35", "340", "134")
	}
	kind := either(r, "branch", "branch", "branch", "tag", "pull")
	short := either(r, "main", "main", "x", "main-x", "v1", "x@12/y", "acme/app", "release/1", "MAIN", "maın")
	ref, event := "refs/heads/"+short, either(r, "push", "workflow_dispatch")
	switch kind {
	case "tag":
		ref = "refs/tags/" + short
	case "pull":
		ref, event = "refs/pull/1/merge", "pull_request"
	}
	context := "ref:" + ref
	if kind == "pull" {
		context = "pull_request"
	}
	environment := either(r, "", "", "prod", "production", "ref:refs/heads/main", "/app:ref:refs/heads/main", "x")
	escaped := func(text string) string { return strings.ReplaceAll(text, ":", "%3A") }
	if environment != "" {
		context = "environment:" + escaped(environment)
	}
	workflow := either(r, "ci", "deploy", "acme/app", "repo:acme/app")
	called := either(r, owner+"/"+name, "evil/x", "acme/ci", "acme/app") + "/.github/workflows/" + either(r, "ci.yml", "deploy.yml") + "@" + either(r, ref, "refs/tags/v1", "refs/heads/main")
	repo := owner + "/" + name
	if r.IntN(3) == 0 {
		repo = fmt.Sprintf("%s@%s/%s@%s", owner, ownerID, name, id)
	}
	values := map[string]string{
		"repo": "repo:" + repo, "context": context, "ref": "ref:" + ref, "environment": "environment:" + escaped(environment),
		"workflow": "workflow:" + escaped(workflow), "job_workflow_ref": "job_workflow_ref:" + escaped(called),
		"repository": "repository:" + owner + "/" + name, "repository_owner": "repository_owner:" + owner,
		"repository_id": "repository_id:" + id, "repository_owner_id": "repository_owner_id:" + ownerID,
	}
	template := []string{"repo", "context"}
	if r.IntN(3) == 0 && (owner != "acme" || name != "app") {
		template = nil
		keys := []string{"repo", "context", "ref", "environment", "workflow", "job_workflow_ref", "repository", "repository_owner", "repository_id", "repository_owner_id"}
		for range 1 + r.IntN(3) {
			template = append(template, either(r, keys...))
		}
	}
	var parts []string
	for _, key := range template {
		parts = append(parts, values[key])
	}
	claims := map[string]any{
		"iss": "https://" + gitHub, "sub": strings.Join(parts, ":"), "aud": either(r, "sts.amazonaws.com", "x"),
		"iat": testNow.Unix(), "nbf": testNow.Unix() - 5, "exp": testNow.Unix() + 300, "jti": "1",
		"repository": owner + "/" + name, "repository_id": id, "repository_owner": owner, "repository_owner_id": ownerID,
		"ref": ref, "ref_type": map[string]string{"tag": "tag"}[kind], "ref_protected": fmt.Sprint(ref == "refs/heads/main"),
		"actor": either(r, "mallory", "acme"), "actor_id": "7", "event_name": event, "workflow": workflow,
		"job_workflow_ref": called, "runner_environment": "github-hosted", "head_ref": "", "base_ref": "", "sha": strings.Repeat("0", 40),
	}
	if kind != "tag" {
		claims["ref_type"] = "branch"
	}
	if environment != "" {
		claims["environment"] = environment
	}
	return claims
}

// randomTrust is a trust policy of statements that people and mistakes write.
func randomTrust(r *rand.Rand) map[string]any {
	subjects := []string{
		"repo:acme/app:ref:refs/heads/main", "repo:acme/app:*", "repo:acme/*", "repo:acme*", "repo:acme/app*", "repo:*/app:ref:refs/heads/main",
		"repo:*:ref:refs/heads/main", "*:pull_request", "repo:acme/*:ref:refs/heads/main", "repo:acme@12/app@34:*", "repo:*@12/*", "repo:acme@*/app@*:ref:refs/heads/main",
		"repo:acme/app:environment:prod*", "environment:prod:*", "repository_owner:acme:*", "repository_owner_id:12:*", "*repository_id:34*", "*", "repo:????/app:*",
		"job_workflow_ref:acme/ci/*", "repo:acme/app:ref:refs/heads/*", "*acme/app*", "repo:acme/app:environment:*:ref:refs/heads/main", "repo:ACME/app:ref:refs/heads/main",
	}
	condition := func() (string, string, any) {
		operator := either(r, "", "", "", "ForAllValues:", "ForAnyValue:") + either(r, "StringLike", "StringLike", "StringEquals", "StringEqualsIgnoreCase", "StringNotLike", "StringNotEquals") + either(r, "", "", "", "IfExists")
		key, values := "sub", subjects
		switch r.IntN(8) {
		case 0:
			key, values = "repository_owner_id", []string{"12", "1*", "*2"}
		case 1:
			key, values = "repository", []string{"acme/app", "acme/*", "acme*", "*/app"}
		case 2:
			key, values = "ref", []string{"refs/heads/main", "refs/heads/*", "refs/*"}
		case 3:
			key, values = either(r, "environment", "event_name", "repository_owner"), []string{"prod", "production", "prod*", "acme"}
		case 4:
			key, values = "job_workflow_ref", []string{"acme/ci/.github/workflows/ci.yml@*", "acme/*", "*@refs/heads/main"}
		}
		if r.IntN(12) == 0 {
			return "Null", gitHub + ":" + key, either(r, "true", "false")
		}
		wanted := []any{either(r, values...)}
		if r.IntN(3) == 0 {
			wanted = append(wanted, either(r, values...))
		}
		return operator, gitHub + ":" + key, wanted
	}
	var statements []any
	for i := range 1 + r.IntN(3) {
		conditions := map[string]any{}
		for range 1 + r.IntN(3) {
			operator, key, wanted := condition()
			if conditions[operator] == nil {
				conditions[operator] = map[string]any{}
			}
			conditions[operator].(map[string]any)[key] = wanted
		}
		statements = append(statements, map[string]any{
			"Effect": either(r, "Allow", map[bool]string{true: "Allow", false: "Deny"}[i == 0]), "Condition": conditions,
			"Principal": map[string]any{"Federated": "arn:aws:iam::123456789012:oidc-provider/" + gitHub},
			"Action":    either(r, "sts:AssumeRoleWithWebIdentity", "sts:*"),
		})
	}
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

func awsRole(t testing.TB, bundle *bundles.Bundle, policy map[string]any) *bundles.Role {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", marshal(t, policy))
	if err != nil {
		t.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, "aws", nil)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// TestTightTrustAdmitsNoToken holds verdicts against tokens that are minted apart from the
// model and asked of the role itself.
func TestTightTrustAdmitsNoToken(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	r := rand.New(rand.NewPCG(9, 1))
	verdicts := map[breadth.Verdict]int{}
	for range rounds(t, "BREADTH_ROLES", 25) {
		policy := randomTrust(r)
		role := awsRole(t, bundle, policy)
		if role.Refused != "" {
			continue
		}
		wanted := either(r, map[string]any{"repository": "acme/app"}, map[string]any{"repository_owner": "acme"},
			map[string]any{"repository": "acme/app", "repository_id": "34", "repository_owner_id": "12"})
		scope, err := breadth.ReadScope(marshal(t, wanted))
		if err != nil {
			t.Fatal(err)
		}
		result, err := analyser.Analyse(context.Background(), breadth.Subject{
			Role: role, Issuer: "https://" + gitHub, Scope: scope, Now: testNow, Limits: breadth.Limits{Deadline: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
		verdicts[result.Verdict]++
		if strings.Contains(strings.Join(result.Why, " "), "bug of trustcheck") {
			t.Errorf("the analysis and the role disagree: %q\n%s", result.Why, marshal(t, policy))
		}
		if result.Verdict == breadth.Broad || result.Verdict == breadth.Undecided {
			continue
		}
		for range rounds(t, "BREADTH_TOKENS", 150) {
			claims := mintGitHub(r)
			inside := true
			for name, value := range wanted {
				inside = inside && claims[name] == value
			}
			if result.Verdict == breadth.Tight && inside {
				continue
			}
			text, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			read, _, err := verifier.ReadClaims(text)
			if err != nil {
				t.Fatal(err)
			}
			decision := bundle.Decide(context.Background(), role, bundles.Input{Claims: read.Value, Now: testNow})
			if decision.Verdict == trustcheck.Allow {
				t.Fatalf("%s under %v, and admits %s\n%s", result.Verdict, wanted, text, marshal(t, policy))
			}
		}
	}
	t.Log(verdicts)
}
