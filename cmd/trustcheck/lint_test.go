package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lintIn runs lint in a folder with one role that binds this project path.
func lintIn(t *testing.T, path string, arguments ...string) (code int, out, errors string) {
	t.Helper()
	folder := t.TempDir()
	if path != "" {
		role := `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims_type":"glob","bound_claims":{"project_path":"` + path + `"}}`
		if err := os.WriteFile(filepath.Join(folder, "deploy.json"), []byte(role), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), append([]string{"lint", folder}, arguments...),
		streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestLintExitsAsContracted(t *testing.T) {
	const scope = `--scope={"namespace_path":"acme"}`
	for name, c := range map[string]struct {
		path      string
		arguments []string
		code      int
		says      string
	}{
		"broad":                   {"acme*", []string{scope}, exitNo, "acme-evil"},
		"broad, and let pass":     {"acme*", []string{scope, "--fail-on", "none"}, exitYes, "acme-evil"},
		"tight":                   {"acme/*", []string{scope}, exitYes, "tight"},
		"tight, with advice":      {"acme/*", []string{scope, "--fail-on", "low"}, exitNo, "tight"},
		"no role":                 {"", nil, exitNoInput, "no role found"},
		"undecided":               {"acme/app", []string{`--scope={"project_path":"acme/app","ref_protected":"true","ref":"main"}`, "--fail-on", "undecided", "--issuer-model", "generic"}, exitUndecided, "undecided"},
		"undecided, let pass":     {"acme/app", []string{`--scope={"project_path":"acme/app","ref_protected":"true","ref":"main"}`, "--issuer-model", "generic"}, exitYes, "undecided"},
		"no such level":           {"acme/*", []string{"--fail-on", "severe"}, exitMisused, "severe"},
		"scope that is no scope":  {"acme/*", []string{`--scope={"namespace_path":5}`}, exitMisused, "namespace_path"},
		"a claim misspelt":        {"acme/*", []string{`--scope={"project_pth":"acme/app"}`}, exitMisused, "did you mean project_path?"},
		"another issuer's claim":  {"acme/*", []string{`--scope={"any_of":[{"namespace_path":"acme"},{"repository_owner":"acme"}]}`}, exitYes, "tight"},
		"whoever is at an issuer": {"*", []string{`--scope={"issuer":"https://gitlab.acme.example"}`, "--issuer", "https://gitlab.acme.example"}, exitYes, "medium: anyone"},
		"facts that are none":     {"acme/*", []string{`--facts={"protected_branches":"main"}`}, exitMisused, "protected_branches"},
		"no such component":       {"acme/*", []string{`--facts={"subject_template":["project_path","environment"]}`}, exitMisused, "deployment_tier, environment_protected,"},
		"components out of order": {"acme/*", []string{`--facts={"subject_template":["ref","project_path"]}`}, exitMisused, "project_path or project_id first"},
		"JSON":                    {"acme*", []string{scope, "--format", "json"}, exitNo, `"rule": "open-to-lookalikes"`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errors := lintIn(t, c.path, c.arguments...)
			if code != c.code || !strings.Contains(out+errors, c.says) {
				t.Errorf("want exit code %d and %q, got %d with\n%s%s", c.code, c.says, code, out, errors)
			}
		})
	}
}

func TestWrongFilesOfFactsAndScopesAreNotNamed(t *testing.T) {
	for flag, files := range map[string]map[string]string{
		"--facts": {`{"protected_branches":"main"}`: `: facts: protected_branches: want a list of texts, got "main"`, "{\n\"environments\":}": ":2: facts: want an object: "},
		"--scope": {`{"namespace_path":5}`: ": scope: namespace_path: want", "{\n\n": ": scope: want an object: "},
	} {
		for text, says := range files {
			file := filepath.Join(t.TempDir(), "known.json")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, _, errors := lintIn(t, "acme/*", flag, file); code != exitMisused || !strings.Contains(errors, file+says) {
				t.Errorf("%s %s: want exit code %d and %q, got %d with %s", flag, text, exitMisused, file+says, code, errors)
			}
		}
	}
}
