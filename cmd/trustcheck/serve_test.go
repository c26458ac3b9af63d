package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck/gate/server"
	"github.com/trustcheck/trustcheck/internal/mint"
)

const gateConfig = `issuers:
  - {issuer: "https://gitlab.example.com", audiences: ["https://vault.example.com"], jwks: jwks.json}
rules: [rules]
require: [hours]
roles:
  - path: roles
listeners:
  - address: 127.0.0.1:0
    routes: [{path: /v1/check, face: check, roles: [json, terraform, kubernetes]}]
`

// gateFolder writes a configuration with a role in three carriers and a rule of the
// user's own, and returns the configuration's path.
func gateFolder(t *testing.T, config string) string {
	t.Helper()
	key, err := mint.NewKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := mint.JWKS(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"gate.yaml":             config,
		"jwks.json":             string(jwks),
		"rules/hours.rego":      "package trustcheck.rules.hours\n\ndefault allow := false\n\nallow if input.now > 0\n",
		"roles/json.json":       `{"role_type": "jwt", "user_claim": "sub", "bound_audiences": "https://vault.example.com"}`,
		"roles/kubernetes.yaml": "role_type: jwt\nuser_claim: sub\nbound_audiences: https://vault.example.com\n",
		"roles/main.tf": `resource "vault_jwt_auth_backend_role" "this" {
  role_name       = "terraform"
  role_type       = "jwt"
  user_claim      = "sub"
  bound_audiences = ["https://vault.example.com"]
}
`,
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "gate.yaml")
}

func TestServeStartsOnAMistake(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"twin without mistake", "", "", ""},
		{"unknown member", "roles:\n", "rolls: 1\nroles:\n", "gate.yaml:1: additionalProperties 'rolls' not allowed"},
		{"role that is not there", "terraform,", "terraforming,", `gate.yaml:9: listeners.0.routes.0.roles.1: no role "terraforming" is configured`},
		{"rule that is not there", "[hours]", "[days]", "require days: no rule trustcheck.rules.days.allow was loaded"},
	} {
		var out, told bytes.Buffer
		path := gateFolder(t, strings.Replace(gateConfig, test.old, test.new, 1))
		code := run(t.Context(), []string{"serve", "--check", "--config", path}, streams{in: strings.NewReader(""), out: &out, err: &told})
		if want := map[bool]int{true: exitYes, false: exitMisused}[test.want == ""]; code != want || !strings.Contains(told.String(), test.want) {
			t.Errorf("%s: want exit %d and %q, got %d: %s%s", test.name, want, test.want, code, out.String(), told.String())
		}
	}
}

func TestServeWithoutConfiguration(t *testing.T) {
	var out, told bytes.Buffer
	if code := run(t.Context(), []string{"serve"}, streams{in: strings.NewReader(""), out: &out, err: &told}); code != exitMisused || !strings.Contains(told.String(), "want --config") {
		t.Errorf("got %d: %s", code, told.String())
	}
	if code := run(t.Context(), []string{"serve", "--schema"}, streams{in: strings.NewReader(""), out: &out, err: &told}); code != exitYes || !bytes.Equal(out.Bytes(), server.Schema()) {
		t.Errorf("--schema: got %d and %d bytes", code, out.Len())
	}
}
