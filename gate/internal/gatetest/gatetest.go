// Package gatetest has an issuer, roles and a gate for the tests of package gate
// and those below it.
package gatetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/internal/mint"
	"github.com/trustcheck/trustcheck/verifier"
)

// Audience is whom tokens are for.
const Audience = "https://vault.example.com"

// RoleText is a Vault role that admits acme/infra on protected refs: tokens as
// [Issuer.Token] makes them.
const RoleText = `{"role_type": "jwt", "user_claim": "user_login", "bound_audiences": "` + Audience + `",
 "bound_claims": {"project_path": "acme/infra", "ref_protected": "true"}}`

// Issuer is a GitLab that runs here.
type Issuer struct {
	*httptest.Server
	// Requests counts what it was asked, Down makes it answer 503, and while Hold
	// is locked it does not answer.
	Requests atomic.Int64
	Down     atomic.Bool
	Hold     sync.RWMutex
	key      mint.Key
}

// NewIssuer starts an issuer.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	key, err := mint.NewKey("RS256")
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{key: key}
	var handler atomic.Pointer[http.Handler]
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.Requests.Add(1)
		i.Hold.RLock()
		defer i.Hold.RUnlock()
		if i.Down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		(*handler.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	issuing, err := mint.Handler(i.URL, time.Now, key)
	if err != nil {
		t.Fatal(err)
	}
	handler.Store(&issuing)
	return i
}

// Token mints a token that RoleText admits, but for the claims given, which are
// written as for trustcheck token mint.
func (i *Issuer) Token(t testing.TB, claims ...string) string {
	return i.TokenAt(t, time.Now(), claims...)
}

// TokenAt mints a token at another time.
func (i *Issuer) TokenAt(t testing.TB, now time.Time, claims ...string) string {
	t.Helper()
	all, err := mint.Claims("gitlab", overrides(t, append([]string{"iss=" + i.URL, "aud=" + Audience}, claims...)), now)
	if err != nil {
		t.Fatal(err)
	}
	return i.Sign(t, "", all)
}

// Without mints a token that lacks a claim.
func (i *Issuer) Without(t testing.TB, claim string) string {
	t.Helper()
	all, err := mint.Claims("gitlab", append(overrides(t, []string{"iss=" + i.URL, "aud=" + Audience}), mint.Without(claim)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return i.Sign(t, "", all)
}

// UnderKey mints a token that names another key.
func (i *Issuer) UnderKey(t testing.TB, kid string) string {
	t.Helper()
	all, err := mint.Claims("gitlab", overrides(t, []string{"iss=" + i.URL, "aud=" + Audience}), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return i.Sign(t, kid, all)
}

// Sign signs any claims, under another kid if one is given.
func (i *Issuer) Sign(t testing.TB, kid string, claims map[string]any) string {
	t.Helper()
	token, err := mint.Sign(i.key, "", kid, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// overrides lets a later claim replace an earlier one of the same name.
func overrides(t testing.TB, claims []string) []mint.Override {
	t.Helper()
	var all []mint.Override
	for i, claim := range claims {
		override, err := mint.ParseOverride(claim)
		if err != nil {
			t.Fatal(err)
		}
		replaced := false
		for _, later := range claims[i+1:] {
			name, _, _ := strings.Cut(later, "=")
			replaced = replaced || strings.TrimSuffix(name, ":") == override.Claim
		}
		if !replaced {
			all = append(all, override)
		}
	}
	return all
}

// Verifier returns what verifies the issuer's tokens by fetching its keys.
func (i *Issuer) Verifier(t testing.TB) *verifier.Verifier {
	t.Helper()
	remote, err := verifier.NewRemote(verifier.RemoteConfig{Issuer: i.URL, Network: verifier.Network{AllowPrivateNetwork: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remote.Close)
	v, err := verifier.New(verifier.Config{Issuer: i.URL, Audiences: []string{Audience}, Keys: remote})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Bundle opens the policies.
func Bundle(t testing.TB) *bundles.Bundle {
	t.Helper()
	bundle, err := bundles.Open(context.Background(), bundles.Options{Deadline: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// Role prepares a role from JSON text; unknown are members whose value nobody
// knows, by JSON pointer.
func Role(t testing.TB, bundle *bundles.Bundle, text string, unknown ...string) *bundles.Role {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, pointer := range unknown {
		doc.Unknown = map[string]string{pointer: "set by a variable"}
	}
	role, err := bundle.Prepare(context.Background(), doc, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// New makes a gate for the issuer with the roles deploy, once (single use) and
// undecided; change may alter its configuration.
func New(t testing.TB, issuer *Issuer, change func(*gate.Config)) *gate.Gate {
	t.Helper()
	bundle := Bundle(t)
	deploy := Role(t, bundle, RoleText)
	config := gate.Config{
		Tokens: issuer.Verifier(t), Bundle: bundle,
		Roles: map[string]gate.Role{
			"deploy":    {Role: deploy},
			"once":      {Role: deploy, SingleUse: true},
			"undecided": {Role: Role(t, bundle, strings.Replace(RoleText, `"true"`, "null", 1), "/bound_claims/ref_protected")},
		},
		Identity: map[string]string{"X-Ci-Project": "project_path", "X-Ci-Environment": "environment"},
		// Tests share their machine with other tests.
		Deadline: 10 * time.Second, KeyWait: 5 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	g, err := gate.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}
