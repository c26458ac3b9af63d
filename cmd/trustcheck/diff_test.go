package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// diffOf runs diff on two folders with these files, by path; BASE's are below base.
func diffOf(t *testing.T, base, head map[string]string, arguments ...string) (code int, out, errors string) {
	t.Helper()
	folder := t.TempDir()
	for side, files := range map[string]map[string]string{"base": base, "head": head} {
		if err := os.MkdirAll(filepath.Join(folder, side), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			path := filepath.Join(folder, side, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(folder)
	return diffRun(t, append([]string{"base", "head"}, arguments...)...)
}

func diffRun(t *testing.T, arguments ...string) (code int, out, errors string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), append([]string{"diff", "--now", "2026-11-20T12:00:00Z"}, arguments...),
		streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func vaultText(claims string) string {
	return `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims_type":"glob","bound_claims":` + claims + `}`
}

func awsStatement(host, condition string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
		"Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/%s"},"Condition":%s}`, host, condition)
}

const githubHost = "token.actions.githubusercontent.com"

// awsText is a trust policy of statements, each with the subjects of GitHub's that it takes.
func awsText(subjects ...string) string {
	var statements []string
	for _, subject := range subjects {
		statements = append(statements, awsStatement(githubHost, `{"StringLike":{"`+githubHost+`:sub":`+subject+`}}`))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func awsFrom(network, subject string) string {
	return `{"Version":"2012-10-17","Statement":[` + awsStatement(githubHost,
		`{"StringEquals":{"`+githubHost+`:sub":"`+subject+`"},"IpAddress":{"aws:SourceIp":"`+network+`"}}`) + `]}`
}

func TestDiffTellsWhatAChangeComesTo(t *testing.T) {
	const mine = `{"project_path":"acme/app","ref":"main"}`
	for name, c := range map[string]struct {
		before, after string
		arguments     []string
		code          int
		says          []string
		silent        string
	}{
		"statements in another order": {awsText(`"repo:acme/a:*"`, `["repo:acme/b:*","repo:acme/c:*"]`), awsText(`["repo:acme/c:*","repo:acme/b:*"]`, `"repo:acme/a:*"`),
			nil, exitYes, []string{": equivalent\n"}, "rests on"},
		"a list respelled": {vaultText(`{"project_path":["acme/a","acme/b"],"ref":"main"}`), vaultText(`{"ref":["main"],"project_path":["acme/b","acme/a"]}`),
			nil, exitYes, []string{"equivalent"}, "newly"},
		"a star behind the branch": {vaultText(mine), vaultText(`{"project_path":"acme/app","ref":"main*"}`),
			nil, exitNo, []string{": broadened\n", "ref=mainx", "every such token with namespace_path acme, project app, ref main?*", "and no others", "broader: ref: exactly main → main*"}, "newly refused"},
		"the star taken away": {vaultText(`{"project_path":"acme/app","ref":"main*"}`), vaultText(mine),
			nil, exitYes, []string{": narrowed\n", "newly refused", "narrower: ref: main* → exactly main"}, "newly admitted"},
		"refusals that fail": {vaultText(`{"project_path":"acme/app","ref":"main*"}`), vaultText(mine),
			[]string{"--fail-on", "refused"}, exitNo, []string{"narrowed"}, ""},
		"one branch for another": {vaultText(mine), vaultText(`{"project_path":"acme/app","ref":"prod"}`),
			nil, exitNo, []string{": changed\n", "newly admitted", "newly refused", "ref: exactly main → exactly prod"}, ""},
		"inside the scope, and only broad fails": {vaultText(mine), vaultText(`{"project_path":"acme/app"}`),
			[]string{"--fail-on", "broad"}, exitYes, []string{"broadened", `inside {"project_path":"acme/app"}`}, ""},
		"outside the scope, and only broad fails": {vaultText(`{"project_path":"acme/*"}`), vaultText(`{"project_path":"acme*"}`),
			[]string{"--fail-on", "broad"}, exitNo, []string{"acme-evil", `outside {"project_path":"acme/*"}`}, ""},
		"an id dropped": {vaultText(`{"project_path":"acme/app","project_id":"7"}`), vaultText(`{"project_path":"acme/app"}`),
			nil, exitNo, []string{"broadened", "whoever takes over the name acme"}, ""},
		"a network that is not looked into": {awsFrom("10.0.0.0/8", "repo:acme/a:ref:refs/heads/main"), awsFrom("10.0.0.0/9", "repo:acme/a:ref:refs/heads/main"),
			nil, exitUndecided, []string{": undecided\n", "cannot be told whether it admits more: ", "aws:SourceIp"}, "newly"},
		"undecided, let pass": {awsFrom("10.0.0.0/8", "repo:acme/a:ref:refs/heads/main"), awsFrom("10.0.0.0/9", "repo:acme/a:ref:refs/heads/main"),
			[]string{"--fail-on", "admitted"}, exitYes, []string{"undecided"}, ""},
		"the same network": {awsFrom("10.0.0.0/8", "repo:acme/a:ref:refs/heads/main"), strings.Replace(awsFrom("10.0.0.0/8", "repo:acme/a:ref:refs/heads/main"), "StringEquals", "StringLike", 1),
			nil, exitYes, []string{"equivalent"}, ""},
		"another issuer let in beside the first": {awsText(`"repo:acme/a:*"`), `{"Version":"2012-10-17","Statement":[` +
			awsStatement(githubHost, `{"StringLike":{"`+githubHost+`:sub":"repo:acme/a:*"}}`) + "," + awsStatement("gitlab.com", `{"StringLike":{"gitlab.com:sub":"project_path:*"}}`) + `]}`,
			nil, exitNo, []string{"broadened", "anyone who can get an account at gitlab.com"}, ""},
		"an issuer's flag that is not the role's": {awsText(`"repo:acme/a:*"`), awsText(`"repo:acme/*"`),
			[]string{"--issuer", "https://gitlab.com"}, exitNo, []string{"broadened"}, ""},
		"a role that Vault does not store": {vaultText(mine), `{"role_type":"jwt","user_claim":"sub"}`,
			[]string{"--fail-on", "refused"}, exitNo, []string{"narrowed", "HEAD's is one that vault refuses to store"}, "newly admitted"},
		"a role that Vault did not store": {`{"role_type":"jwt","user_claim":"sub"}`, vaultText(mine),
			nil, exitNo, []string{"broadened", "BASE's is one that vault refuses to store"}, "newly refused"},
		"let pass": {vaultText(mine), vaultText(`{"project_path":"acme/app","ref":"main*"}`),
			[]string{"--fail-on", "none"}, exitYes, []string{"broadened"}, ""},
		"no such level": {vaultText(mine), vaultText(mine), []string{"--fail-on", "high"}, exitMisused, []string{"want admitted"}, ""},
		"no JSON":       {vaultText(mine), "{", nil, exitMisused, []string{"role.json:1"}, "equivalent"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errors := diffOf(t, map[string]string{"role.json": c.before}, map[string]string{"role.json": c.after}, c.arguments...)
			if code != c.code {
				t.Errorf("want exit code %d, got %d", c.code, code)
			}
			for _, says := range c.says {
				if !strings.Contains(out+errors, says) {
					t.Errorf("want %q", says)
				}
			}
			if c.silent != "" && strings.Contains(out, c.silent) {
				t.Errorf("want nothing of %q", c.silent)
			}
			if t.Failed() {
				t.Logf("%s%s", out, errors)
			}
		})
	}
}

func TestDiffPairsNoRolesThatAreNotOne(t *testing.T) {
	one, other := vaultText(`{"project_path":"acme/app"}`), vaultText(`{"project_path":"acme/other"}`)
	aws := awsText(`"repo:acme/a:*"`)
	for name, c := range map[string]struct {
		base, head map[string]string
		code       int
		says       []string
	}{
		"added":          {map[string]string{"a.json": one}, map[string]string{"a.json": one, "b.json": other}, exitNo, []string{"b.json:1: b: added", "newly admitted", "2 roles: 1 added, 1 equivalent"}},
		"added, dead":    {map[string]string{"a.json": one}, map[string]string{"a.json": one, "b.json": vaultText(`{"project_path":"acme"}`)}, exitYes, []string{"b: added", "nobody gets in"}},
		"removed":        {map[string]string{"a.json": one, "b.json": other}, map[string]string{"b.json": other}, exitYes, []string{"base/a.json:1: a: removed", "newly refused", "2 roles: 1 removed, 1 equivalent"}},
		"other platform": {map[string]string{"a.json": one}, map[string]string{"a.json": aws}, exitNo, []string{"base/a.json:1: a: removed", "head/a.json:1: a: added"}},
		"moved":          {map[string]string{"old/a.json": one}, map[string]string{"new/a.json": one}, exitYes, []string{"equivalent"}},
		"the same name in two folders": {
			map[string]string{"x/a.json": one, "y/a.json": other}, map[string]string{"x/a.json": one, "y/a.json": other},
			exitYes, []string{"2 roles: 2 equivalent"},
		},
		"swapped between two folders": {
			map[string]string{"x/a.json": one, "y/a.json": other}, map[string]string{"x/a.json": other, "y/a.json": one},
			exitNo, []string{"2 roles: 2 changed"},
		},
		"no way to tell them apart": {
			map[string]string{"a.json": one}, map[string]string{"a.yaml": "[" + named("deploy", one) + "," + named("deploy", other) + "]"},
			exitMisused, []string{"at /0", "at /1"},
		},
		"no role on either side": {map[string]string{"a.json": "{}"}, map[string]string{}, exitNoInput, []string{"no role found"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errors := diffOf(t, c.base, c.head)
			if code != c.code {
				t.Errorf("want exit code %d, got %d", c.code, code)
			}
			for _, says := range c.says {
				if !strings.Contains(out+errors, says) {
					t.Errorf("want %q", says)
				}
			}
			if t.Failed() {
				t.Logf("%s%s", out, errors)
			}
		})
	}
}

// named puts a name into a role.
func named(name, role string) string { return `{"name":"` + name + `",` + role[1:] }

func TestDiffPairsTwoFilesWhateverTheirNames(t *testing.T) {
	code, out, errors := diffOf(t, map[string]string{"before.json": vaultText(`{"project_path":"acme/app"}`)}, map[string]string{"after.json": vaultText(`{"project_path":"acme/app"}`)})
	if code != exitNo || !strings.Contains(out, "removed") {
		t.Errorf("want two roles of two directories apart, got exit code %d with\n%s%s", code, out, errors)
	}
	code, out, errors = diffRun(t, "base/before.json", "head/after.json")
	if code != exitYes || !strings.Contains(out, "equivalent") {
		t.Errorf("want the roles of two files compared, got exit code %d with\n%s%s", code, out, errors)
	}
	code, out, errors = diffRun(t, "base/before.json", "head/none.json")
	if code != exitMisused || !strings.Contains(errors, "none.json") {
		t.Errorf("want a missing file refused, got exit code %d with\n%s%s", code, out, errors)
	}
}

func TestDiffReadsBothSidesOfAPlan(t *testing.T) {
	side := func(subject string) map[string]any {
		return map[string]any{"name": "deploy", "assume_role_policy": awsText(`"` + subject + `"`)}
	}
	plan := func(before, after any) string {
		text, err := json.Marshal(map[string]any{
			"format_version": "1.2", "terraform_version": "1.9.0",
			"resource_changes": []any{map[string]any{
				"address": "aws_iam_role.deploy", "mode": "managed", "type": "aws_iam_role", "name": "deploy",
				"change": map[string]any{"actions": []string{"update"}, "before": before, "after": after, "after_unknown": map[string]any{}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Chdir(t.TempDir())
	for name, c := range map[string]struct {
		plan string
		code int
		says string
	}{
		"broadened": {plan(side("repo:acme/a:ref:refs/heads/main"), side("repo:acme/a:ref:refs/heads/*")), exitNo, "deploy: broadened"},
		"the same":  {plan(side("repo:acme/a:*"), side("repo:acme/a:*")), exitYes, "deploy: equivalent"},
		"created":   {plan(nil, side("repo:acme/a:*")), exitNo, "deploy: added"},
		"destroyed": {plan(side("repo:acme/a:*"), nil), exitYes, "deploy: removed"},
		"no plan":   {vaultText(`{"project_path":"acme/app"}`), exitMisused, "want a Terraform plan"},
	} {
		if err := os.WriteFile("plan.json", []byte(c.plan), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errors := diffRun(t, "plan.json"); code != c.code || !strings.Contains(out+errors, c.says) {
			t.Errorf("%s: want exit code %d and %q, got %d with\n%s%s", name, c.code, c.says, code, out, errors)
		}
	}
}

func TestDiffTakesNoLevelOfLint(t *testing.T) {
	role := map[string]string{"a.json": vaultText(`{"project_path":"acme/app"}`)}
	diffOf(t, role, role)
	if err := os.WriteFile(".trustcheck.yaml", []byte("fail_on: high\nissuer: https://gitlab.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errors := diffRun(t, "base", "head"); code != exitYes {
		t.Errorf("want lint's fail_on passed over, got exit code %d with\n%s%s", code, out, errors)
	}
}

func TestDiffPrintsStableJSON(t *testing.T) {
	mine := vaultText(`{"project_path":"acme/app","ref":"main"}`)
	_, out, _ := diffOf(t, map[string]string{"a.json": mine, "b.json": mine},
		map[string]string{"a.json": vaultText(`{"project_path":"acme/app","ref":"main*"}`), "c.json": mine}, "--format", "json")
	var all []map[string]any
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	var verdicts []any
	for _, one := range all {
		verdicts = append(verdicts, one["verdict"])
		for _, member := range []string{"role", "base", "verdict", "admitted", "refused", "broader", "narrower", "why", "rests_on", "scope", "issuer", "issuer_model"} {
			if _, ok := one[member]; !ok {
				t.Errorf("want a member %s in %v", member, one)
			}
		}
	}
	if fmt.Sprint(verdicts) != "[broadened added removed]" {
		t.Errorf("want broadened, added and removed, got %v", verdicts)
	}
	admitted, _ := all[0]["admitted"].(map[string]any)
	for _, member := range []string{"attacker", "who", "token", "inside", "regions", "complete"} {
		if _, ok := admitted[member]; !ok {
			t.Errorf("want a member %s in %v", member, admitted)
		}
	}
	if all[1]["base"] != nil || all[0]["refused"] != nil {
		t.Errorf("want null where there is nothing, got %v and %v", all[1]["base"], all[0]["refused"])
	}
}
