package gate_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/internal/mint"
	"github.com/trustcheck/trustcheck/verifier"
)

// newGate makes a gate for one issuer and one Vault role. The keys are a file's
// here; verifier.NewRemote fetches them.
func newGate(jwks []byte) (*gate.Gate, error) {
	keys, err := verifier.ParseJWKS(jwks)
	if err != nil {
		return nil, err
	}
	tokens, err := verifier.New(verifier.Config{
		Issuer:    "https://gitlab.example.com",
		Audiences: []string{"https://deploy.example.com"},
		Keys:      keys,
	})
	if err != nil {
		return nil, err
	}
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		return nil, err
	}
	doc, err := trustcheck.ReadDocument("deploy.json", []byte(`{
		"role_type": "jwt",
		"user_claim": "user_login",
		"bound_audiences": "https://deploy.example.com",
		"bound_claims": {"project_path": "acme/infra", "ref_protected": "true"}
	}`))
	if err != nil {
		return nil, err
	}
	role, err := bundle.Prepare(context.Background(), doc, "vault", nil)
	if err != nil {
		return nil, err
	}
	return gate.New(gate.Config{
		Tokens:   tokens,
		Bundle:   bundle,
		Roles:    map[string]gate.Role{"deploy": {Role: role, SingleUse: true}},
		Identity: map[string]string{"X-Ci-Project": "project_path"},
	})
}

// job mints the token of a CI job, as the issuer would.
func job(key mint.Key, claims ...string) string {
	overrides := []mint.Override{}
	for _, claim := range append(claims, "iss=https://gitlab.example.com", "aud=https://deploy.example.com") {
		override, err := mint.ParseOverride(claim)
		if err != nil {
			panic(err)
		}
		overrides = append(overrides, override)
	}
	all, err := mint.Claims("gitlab", overrides, time.Now())
	if err != nil {
		panic(err)
	}
	token, err := mint.Sign(key, "", "", all)
	if err != nil {
		panic(err)
	}
	return token
}

func Example() {
	key, err := mint.NewKey("RS256")
	if err != nil {
		panic(err)
	}
	jwks, err := mint.JWKS(key)
	if err != nil {
		panic(err)
	}
	g, err := newGate(jwks)
	if err != nil {
		panic(err)
	}

	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, _ := gate.FromContext(r.Context())
		fmt.Fprintf(w, "deployed for %s, %s by %s", r.Header.Get("X-Ci-Project"), answer.Decision.Verdict, answer.Role)
	})
	server := httptest.NewServer(g.Middleware("deploy")(handler))
	defer server.Close()

	protected := job(key)
	for _, token := range []string{protected, protected, job(key, "ref_protected=false"), ""} {
		request, _ := http.NewRequest(http.MethodPost, server.URL, nil)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		if body, _ := io.ReadAll(response.Body); response.StatusCode == http.StatusOK {
			fmt.Println(response.StatusCode, string(body))
		} else {
			fmt.Println(response.StatusCode, response.Header.Get("WWW-Authenticate"))
		}
		response.Body.Close()
	}
	// Output:
	// 200 deployed for acme/infra, allow by deploy
	// 401 Bearer realm="trustcheck", error="invalid_token", error_description="replayed"
	// 403 Bearer realm="trustcheck", error="insufficient_scope"
	// 401 Bearer realm="trustcheck"
}

// An operator asks why a token was refused; the caller is never told.
func ExampleGate_Explain() {
	key, err := mint.NewKey("ES256")
	if err != nil {
		panic(err)
	}
	jwks, err := mint.JWKS(key)
	if err != nil {
		panic(err)
	}
	g, err := newGate(jwks)
	if err != nil {
		panic(err)
	}
	decision, err := g.Explain(context.Background(), "deploy", job(key, "project_path=mallory/infra"))
	if err != nil {
		panic(err)
	}
	fmt.Println(decision.Verdict, decision.Stage)
	for _, reason := range decision.Reasons {
		if reason.Status == trustcheck.Failed {
			fmt.Printf("%s:%d %s: want %s, got %s\n", reason.File, reason.Line, reason.Claim, reason.Wanted, reason.Got)
		}
	}
	// Output:
	// deny bound_claims
	// deploy.json:5 project_path: want "acme/infra", got "mallory/infra"
}
