package vault_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/carrier"
	"github.com/trustcheck/trustcheck/verifier"
)

const files = "../../../carrier/testdata/same/vault"

func open(t *testing.T) *bundles.Bundle {
	t.Helper()
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// roles prepares the Vault roles of one file.
func roles(t *testing.T, bundle *bundles.Bundle, file string, text []byte) []*bundles.Role {
	t.Helper()
	docs, err := carrier.Read(file, text)
	if err != nil {
		t.Fatal(err)
	}
	var found []*bundles.Role
	for _, doc := range docs {
		if _, err := bundle.Platform("", doc); err != nil {
			continue
		}
		role, err := bundle.Prepare(context.Background(), doc, "", nil)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if role.Refused != "" {
			t.Fatalf("%s: refused: %s", file, role.Refused)
		}
		found = append(found, role)
	}
	return found
}

// conditions spells what a role asks, without where it stands. The provider writes a list
// for every bound claim, so one wanted value is a list of one.
func conditions(t *testing.T, role *bundles.Role) string {
	t.Helper()
	stages, err := role.Stages()
	if err != nil {
		t.Fatal(err)
	}
	for s := range stages {
		for w := range stages[s].Ways {
			for c := range stages[s].Ways[w].Conditions {
				condition := &stages[s].Ways[w].Conditions[c]
				if text, ok := condition.Wanted.(string); ok {
					condition.Wanted = []any{text}
				}
			}
		}
	}
	text, err := json.MarshalIndent(stages, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCarrierChangesTheRole(t *testing.T) {
	bundle := open(t)
	paths, err := filepath.Glob(filepath.Join(files, "*"))
	if err != nil || len(paths) < 7 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	want, first := "", ""
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// The comma in the sample is split in Terraform only; without it all are one role.
		plain := strings.NewReplacer(",release/*", "", `["main", "release/*"]`, `["main"]`).Replace(string(text))
		found := roles(t, bundle, path, []byte(plain))
		if len(found) != 1 {
			t.Errorf("%s holds %d roles, want 1", path, len(found))
			continue
		}
		got := conditions(t, found[0])
		if want == "" {
			want, first = got, path
		} else if got != want {
			t.Errorf("%s asks\n%s\n%s asks\n%s", path, got, first, want)
		}
	}
}

const resource = `resource "vault_jwt_auth_backend_role" "deploy" {
  role_name      = "deploy"
  role_type      = "jwt"
  user_claim     = "sub"
  bound_claims   = { %s }
  %s
}
`

func TestCommaIsSplitAsTheProviderSplits(t *testing.T) {
	bundle := open(t)
	for _, known := range []struct {
		claims, option, ref string
		want                trustcheck.Verdict
	}{
		{`ref = "main, release"`, "", "release", trustcheck.Allow},
		{`ref = "main, release"`, "", "main, release", trustcheck.Deny},
		{`ref = "main, release"`, "disable_bound_claims_parsing = true", "main, release", trustcheck.Allow},
		{`ref = "main, release"`, "disable_bound_claims_parsing = true", "release", trustcheck.Deny},
		{`ref = "a,"`, "", "", trustcheck.Allow},
		{`ref = "v*,main"`, `bound_claims_type = "glob"`, "v1", trustcheck.Allow},
		{`ref = 22.0`, "", "22", trustcheck.Allow},
		{`ref = true`, "", "true", trustcheck.Allow},
	} {
		text := strings.Replace(strings.Replace(resource, "%s", known.claims, 1), "%s", known.option, 1)
		role := roles(t, bundle, "main.tf", []byte(text))[0]
		if verdict := decide(t, bundle, role, known.ref).Verdict; verdict != known.want {
			t.Errorf("%s %s with ref %q: %s, want %s", known.claims, known.option, known.ref, verdict, known.want)
		}
	}
}

func decide(t *testing.T, bundle *bundles.Bundle, role *bundles.Role, ref string) *trustcheck.Decision {
	t.Helper()
	text, err := json.Marshal(map[string]any{"sub": "u", "iat": 1700000000, "exp": 1700000300, "ref": ref})
	if err != nil {
		t.Fatal(err)
	}
	claims, _, err := verifier.ReadClaims(text)
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Decide(context.Background(), role, bundles.Input{Claims: claims.Value, Now: time.Unix(1700000000, 0)})
}

func TestUnknownValueIsGuessed(t *testing.T) {
	bundle := open(t)
	for _, known := range []struct {
		claims, option string
		want           trustcheck.Verdict
	}{
		{`ref = var.ref`, "", trustcheck.Undecided},
		{"ref = \"main\"\n sub = var.who", "", trustcheck.Undecided},
		{"ref = \"other\"\n sub = var.who", "", trustcheck.Deny},
		{`ref = "ma*"`, `bound_claims_type = var.who`, trustcheck.Undecided},
		{`ref = "ma*"`, `bound_claims_type = "string"` + "\n bound_subject = var.who", trustcheck.Deny},
	} {
		text := strings.Replace(strings.Replace(resource, "%s", known.claims, 1), "%s", known.option, 1) + "variable \"ref\" {}\nvariable \"who\" {}\n"
		role := roles(t, bundle, "main.tf", []byte(text))[0]
		decision := decide(t, bundle, role, "main")
		if decision.Verdict != known.want {
			t.Errorf("%s: %s, want %s", known.claims, decision.Verdict, known.want)
		}
		if !slices.ContainsFunc(decision.Reasons, func(reason trustcheck.Reason) bool {
			return reason.Status == trustcheck.Unknown && strings.Contains(reason.Message, "vault_jwt_auth_backend_role.deploy")
		}) {
			t.Errorf("%s: no reason names the resource: %+v", known.claims, decision.Reasons)
		}
	}
}

func TestMisspeltFieldIsSilent(t *testing.T) {
	bundle := open(t)
	role := roles(t, bundle, "role.json", []byte(`{"role_type":"jwt","user_claim":"sub","bound_subject":"u","bound_clams":{"a":"b"}}`))[0]
	if !slices.ContainsFunc(role.Warnings, func(warning string) bool {
		return strings.Contains(warning, "bound_clams") && strings.Contains(warning, "bound_claims")
	}) {
		t.Errorf("%q", role.Warnings)
	}
}

// The name of a bound address would be looked up by Vault; nothing here may.
func TestBoundHostNameIsLookedUp(t *testing.T) {
	bundle := open(t)
	role := roles(t, bundle, "role.json", []byte(`{"role_type":"jwt","user_claim":"sub","bound_subject":"u","token_bound_cidrs":["gitlab.example.com:443"]}`))[0]
	claims, _, err := verifier.ReadClaims([]byte(`{"sub":"u","iat":1700000000,"exp":1700000300}`))
	if err != nil {
		t.Fatal(err)
	}
	for remote, want := range map[string]trustcheck.Verdict{"10.0.0.1": trustcheck.Undecided, "evil.example.com:443": trustcheck.Undecided} {
		decision := bundle.Decide(context.Background(), role, bundles.Input{
			Claims: claims.Value, Now: time.Unix(1700000000, 0), Context: map[string]any{"remote_addr": remote},
		})
		if decision.Verdict != want {
			t.Errorf("%s: %s, want %s", remote, decision.Verdict, want)
		}
	}
}
