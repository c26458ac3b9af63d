package breadth_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
)

// exampleRole prepares a Vault role that binds a project's path.
func exampleRole(bundle *bundles.Bundle, path string) *bundles.Role {
	text := fmt.Sprintf(`{"role_type":"jwt","user_claim":"user_email","bound_audiences":["https://vault.example.com"],
		"bound_claims_type":"glob","bound_claims":{"project_path":%q,"ref_protected":"true"}}`, path)
	document, err := trustcheck.ReadDocument("deploy.json", []byte(text))
	if err != nil {
		log.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), document, "vault", nil)
	if err != nil {
		log.Fatal(err)
	}
	return role
}

func ExampleAnalyser_Analyse() {
	ctx := context.Background()
	bundle, err := bundles.Open(ctx, bundles.Options{})
	if err != nil {
		log.Fatal(err)
	}
	scope, err := breadth.ReadScope([]byte(`{"namespace_path":"acme"}`))
	if err != nil {
		log.Fatal(err)
	}
	result, err := breadth.New(bundle).Analyse(ctx, breadth.Subject{
		Role: exampleRole(bundle, "acme*"), Issuer: "https://gitlab.com", Scope: scope,
		Now: time.Unix(1_800_000_000, 0), Detail: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Verdict, result.Attacker, result.Witness.Claims["project_path"])
	fmt.Println(result.Regions[0].String())
	fmt.Println(result.Profile)
	// Output:
	// broad outsider acme-evil/x
	// namespace_path acme*, project any, ref any, aud https://vault.example.com, ref_protected true, user_email any but null
	// namespace_path acme*, project unbounded, aud exactly https://vault.example.com, ref_protected exactly true
}

func ExampleAnalyser_Compare() {
	ctx := context.Background()
	bundle, err := bundles.Open(ctx, bundles.Options{})
	if err != nil {
		log.Fatal(err)
	}
	before := breadth.Subject{Role: exampleRole(bundle, "acme/app")}
	after := breadth.Subject{Role: exampleRole(bundle, "acme/*"), Issuer: "https://gitlab.com", Now: time.Unix(1_800_000_000, 0)}
	change, err := breadth.New(bundle).Compare(ctx, before, after)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(change.Verdict, change.Admitted.Attacker, change.Admitted.Token.Claims["project_path"])
	fmt.Println(change.Refused == nil, change.Broader)
	// Output:
	// broadened sibling acme/x
	// true [namespace_path: exactly acme → acme or below project: exactly app → unbounded]
}
