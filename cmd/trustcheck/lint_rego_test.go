package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written writes a file of Rego into a folder of its own.
func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRequiredRuleClosesABroadRole(t *testing.T) {
	const scope = `--scope={"namespace_path":"acme"}`
	for name, c := range map[string]struct {
		allow string
		code  int
		says  string
	}{
		"a rule that closes it":   {`match.within("namespace_path", "acme")`, exitYes, "tight"},
		"a rule that does not":    {`match.equals("ref_protected", "true")`, exitNo, "acme-evil"},
		"a rule that is not read": {`input.claims.user_email == input.claims.user_login`, exitYes, "ours.rego:5 is not understood"},
		"a rule that admits none": {`input.claims.ref_protected == true`, exitYes, "ours.rego:5: no token"},
	} {
		t.Run(name, func(t *testing.T) {
			rules := written(t, "ours.rego", "package trustcheck.rules.ours\n\nimport data.trustcheck.match\n\nallow if "+c.allow+"\n\nother if match.present(\"sub\")\n")
			code, out, errors := lintIn(t, "acme*", scope, "--rules", rules, "--require", "ours")
			if code != c.code || !strings.Contains(out+errors, c.says) {
				t.Errorf("want exit code %d and %q, got %d with\n%s%s", c.code, c.says, code, out, errors)
			}
		})
	}
}

func TestLintNamesTheLinesOfRego(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		code int
		says []string
	}{
		"tight":      {`input.claims.project_path == "acme/app"`, exitYes, []string{"role: tight"}},
		"broad":      {`startswith(input.claims.project_path, "acme")`, exitNo, []string{"acme-evil"}},
		"dead":       {`input.claims.project_path == 7`, exitYes, []string{"role: dead", "role.rego:3"}},
		"undecided":  {`input.claims.project_path == input.claims.user_login`, exitYes, []string{"role: undecided", "role.rego:3 is not understood"}},
		"never true": {`input.now < 5`, exitYes, []string{"role: dead", "role.rego:3: never true"}},
	} {
		t.Run(name, func(t *testing.T) {
			role := written(t, "role.rego", "package trustcheck.roles.role\n\nallow if "+c.body+"\n")
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), []string{"lint", role, "--issuer", "https://gitlab.com"},
				streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
			for _, says := range c.says {
				if code != c.code || !strings.Contains(stdout.String(), says) {
					t.Errorf("want exit code %d and %q, got %d with\n%s%s", c.code, says, code, &stdout, &stderr)
				}
			}
		})
	}
}
