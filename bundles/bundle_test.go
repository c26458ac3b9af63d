package bundles_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

func TestTry(t *testing.T) {
	b, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := trustcheck.ReadDocument("role.json", []byte(`{
  "role_type": "jwt",
  "user_claim": "user_login",
  "bound_audiences": "https://vault.example.com",
  "bound_claims_type": "glob",
  "bound_claims": {
    "project_path": "acme/*",
    "ref_protected": "true"
  },
  "bound_clams": {}
}`))
	if err != nil {
		t.Fatal(err)
	}
	role, err := b.Prepare(context.Background(), doc, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	claims, _, err := verifier.ReadClaims([]byte(`{"iss":"i","sub":"s","aud":"https://vault.example.com","exp":1700000300,"iat":1700000000,"user_login":"alice","project_path":"acme/infra","ref_protected":"false"}`))
	if err != nil {
		t.Fatal(err)
	}
	d := b.Decide(context.Background(), role, bundles.Input{Claims: claims.Value, Now: time.Unix(1700000000, 0)})
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	enc.Encode(d)
	t.Log(role.Refused, role.Warnings)
}
