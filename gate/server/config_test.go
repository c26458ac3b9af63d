package server_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
	"github.com/trustcheck/trustcheck/gate/server"
)

const good = `issuers:
  - issuer: https://gitlab.example.com
    audiences: ["https://vault.example.com"]
    jwks: jwks.json
    leeway: 30s
roles:
  - name: deploy
    path: roles/deploy.json
listeners:
  - address: 127.0.0.1:0
    routes:
      - path: /auth/{role}
        face: nginx
      - path: /v1/check
        face: check
        roles: [deploy]
  - address: 127.0.0.1:0
    envoy_grpc: {}
admin:
  address: 127.0.0.1:0
`

func TestMistakeInTheConfigurationIsServed(t *testing.T) {
	opened := func(text string) error {
		path := write(t, "gate.yaml", text, "roles/deploy.json", gatetest.RoleText, "roles/bad.json", "{\n \"role_type\": 7}", "jwks.json", `{"keys":[]}`, "empty.pem", "")
		s, err := open(t, path, io.Discard)
		if err == nil {
			s.Close()
		}
		return err
	}
	if err := opened(good); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, old, new, want string }{
		{"unknown member", "    leeway: 30s", "    leway: 30s", "gate.yaml:2: issuers.0: additionalProperties 'leway' not allowed"},
		{"unknown member on top", "admin:", "admins:", "gate.yaml:1: additionalProperties 'admins' not allowed"},
		{"member twice", "    leeway: 30s", "    leeway: 30s\n    leeway: 40s", "gate.yaml:6: issuers.0.leeway: is given twice, first in line 5"},
		{"not YAML", "roles:", "roles: [", "gate.yaml:"},
		{"wrong type", "leeway: 30s", "leeway: 30", "gate.yaml:5: issuers.0.leeway: expected string, but got number"},
		{"bad duration", "leeway: 30s", "leeway: 30 seconds", "gate.yaml:5: issuers.0.leeway: does not match"},
		{"long leeway", "leeway: 30s", "leeway: 1h", "gate.yaml:2: issuers.0: verifier: leeway: want 0 to 5m0s, got 1h0m0s"},
		{"no audience", `["https://vault.example.com"]`, "[]", "gate.yaml:3: issuers.0.audiences: minimum 1 items required"},
		{"unknown face", "face: nginx", "face: apache", "gate.yaml:13: listeners.0.routes.0.face: value must be one of"},
		{"unknown role", "roles: [deploy]", "roles: [admin]", `gate.yaml:16: listeners.0.routes.1.roles.0: no role "admin" is configured`},
		{"no role", "/auth/{role}", "/auth", "gate.yaml:12: listeners.0.routes.0: want one of {role} in the path, role and, for face check, roles"},
		{"two ways to the role", "face: nginx", "face: nginx\n        role: deploy", "gate.yaml:12: listeners.0.routes.0: want one of"},
		{"role of the client's choice", "face: nginx", "face: envoy", "gate.yaml:12: listeners.0.routes.0.path: {role} stands in the path that envoy's client chooses"},
		{"choice for a proxy", "face: check", "face: traefik", "gate.yaml:16: listeners.0.routes.1.roles: want them for face check only"},
		{"half a segment", "/auth/{role}", "/auth/x{role}", "gate.yaml:12: listeners.0.routes.0.path: want at most one whole segment {role}"},
		{"another wildcard", "/auth/{role}", "/auth/{name}", "gate.yaml:12: listeners.0.routes.0.path: want at most one whole segment {role}"},
		{"path twice", "/v1/check", "/auth/{role}", "gate.yaml:14: listeners.0.routes.1.path: is given twice"},
		{"cluster admin", "face: nginx", "face: kubernetes\n        kubernetes: {groups: [\"system:masters\"]}", "gate.yaml:14: listeners.0.routes.0.kubernetes: want a group or prefix outside system:"},
		{"no such role file", "roles/deploy.json", "roles/deploi.json", "gate.yaml:7: roles.0: stat "},
		{"bad role", "roles/deploy.json", "roles/bad.json", "gate.yaml:7: roles.0: "},
		{"one name for several", "path: roles/deploy.json", "path: roles/deploy.json\n  - name: deploy\n    path: roles/deploy.json", `a second role "deploy"`},
		{"no keys", "jwks: jwks.json", "jwks: none.json", "gate.yaml:2: issuers.0: "},
		{"plain http", "jwks: jwks.json", "jwks: http://gitlab.example.com/keys", "gate.yaml:2: issuers.0: keys: want an https URL"},
		{"no certificate", "    envoy_grpc: {}", "    envoy_grpc: {}\n    tls: {certificate: empty.pem, key: empty.pem}", "gate.yaml:19: listeners.1.tls: tls: "},
		{"both kinds", "    envoy_grpc: {}", "    envoy_grpc: {}\n    routes: [{path: /, face: nginx, role: deploy}]", "gate.yaml:17: listeners.1: "},
		{"bad address", "admin:\n  address: 127.0.0.1:0", "admin:\n  address: 127.0.0.1:99999", "gate.yaml:20: admin.address: listen"},
		{"alias", `["https://vault.example.com"]`, `&a ["https://vault.example.com"]`, "gate.yaml:3: issuers.0.audiences: want no anchors and aliases"},
		{"number that is none", "leeway: 30s", "leeway: 0x1e", "gate.yaml:5: issuers.0.leeway: want a text, a JSON number"},
		{"identity over a cookie", "admin:", "identity: {Cookie: sub}\nadmin:", "gate.yaml:19: identity: Cookie: want a name that begins with X-"},
		{"deadline that the policies do not keep", "admin:", "limits: {evaluation: 2s}\nadmin:", "gate.yaml:19: limits.evaluation: want at most 1s, got 2s"},
		{"second document", "admin:", "---\nadmin:", "want one YAML document, got another"},
	} {
		text := strings.Replace(good, test.old, test.new, 1)
		if text == good {
			t.Fatalf("%s: changes nothing", test.name)
		}
		err := opened(text)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: want %q, got %v", test.name, test.want, err)
		}
	}
	if _, err := server.ParseConfig("gate.yaml", nil); err == nil || err.Error() != "gate.yaml:1: want a configuration, got an empty file" {
		t.Errorf("got %v", err)
	}
}

func TestPublishedSchemaIsAnother(t *testing.T) {
	text, err := os.ReadFile("schema.json")
	if err != nil || !bytes.Equal(text, server.Schema()) {
		t.Errorf("want the schema that the program checks with, got %d bytes, %v", len(server.Schema()), err)
	}
}

func TestREADMEShowsAConfigurationThatIsNone(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```yaml\n")[1:]
	for i, block := range blocks {
		blocks[i], _, _ = strings.Cut(block, "```")
	}
	whole := blocks[0]
	config, err := server.ParseConfig("README.md", []byte(whole))
	if err != nil || len(config.Listeners) != 3 {
		t.Errorf("got %v", err)
	}
	replay := blocks[len(blocks)-1]
	if !strings.HasPrefix(replay, "replay:") {
		t.Fatalf("want the replay store last, got %s", replay)
	}
	if config, err := server.ParseConfig("README.md", []byte(whole+replay)); err != nil || config.Replay.Redis == nil {
		t.Errorf("got %v", err)
	}
}

func FuzzConfiguration(f *testing.F) {
	f.Add(good)
	f.Add("issuers: [&a b, *a]")
	f.Add("? [a]\n: b")
	f.Fuzz(func(t *testing.T, text string) {
		if config, err := server.ParseConfig("gate.yaml", []byte(text)); err == nil && len(config.Issuers) == 0 {
			t.Error("a configuration without an issuer")
		} else if err != nil && !strings.HasPrefix(err.Error(), "gate.yaml") {
			t.Errorf("an error without its place: %v", err)
		}
	})
}
