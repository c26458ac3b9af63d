package mint

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// serve starts an issuer below a path, as GitHub's enterprise issuers are.
func serve(t *testing.T, path string, keys ...Key) (issuerURL string) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	issuerURL = server.URL + path
	var err error
	handler, err = Handler(issuerURL, func() time.Time { return now }, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return issuerURL
}

func place(t *testing.T, url, body string) (status int, answer map[string]any) {
	t.Helper()
	response, err := http.Post(url+"/token", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return response.StatusCode, answer
}

// go-oidc finds the keys through discovery and verifies what was minted, with
// every shape whose iss is a URL.
func TestRelyingPartyCannotUseTheIssuer(t *testing.T) {
	for _, path := range []string{"", "/acme-inc"} {
		url := serve(t, path, newKey(t, "RS256"), newKey(t, "ES256"))
		provider, err := oidc.NewProvider(context.Background(), url)
		if err != nil {
			t.Fatal(err)
		}
		verifier := provider.Verifier(&oidc.Config{SkipClientIDCheck: true, Now: func() time.Time { return now }})
		for _, shape := range []string{"gitlab", "gitlab-v2", "github", "github-immutable"} {
			status, answer := place(t, url, `{"shape":"`+shape+`"}`)
			if status != http.StatusOK {
				t.Fatalf("%s: %v", shape, answer)
			}
			token, err := verifier.Verify(context.Background(), answer["token"].(string))
			if err != nil {
				t.Errorf("%s: %v", shape, err)
				continue
			}
			if token.Subject != answer["claims"].(map[string]any)["sub"] {
				t.Errorf("%s: sub %q", shape, token.Subject)
			}
		}
	}
}

func TestOrderIsNotFollowed(t *testing.T) {
	rs, es := newKey(t, "RS256"), newKey(t, "ES256")
	url := serve(t, "", rs, es)
	for _, tt := range []struct {
		body, claim string
		want        any
	}{
		{``, "iss", url},
		{`{}`, "project_path", "acme/infra"},
		{`{"claims":["ref=x","runner_id:=\"5\""]}`, "runner_id", "5"},
		{`{"claims":["iss=https://elsewhere.example"]}`, "iss", "https://elsewhere.example"},
		{`{"shape":"gitlab-v1"}`, "iss", "127.0.0.1"},
		{`{"without":["sha"]}`, "sha", nil},
	} {
		status, answer := place(t, url, tt.body)
		if status != http.StatusOK {
			t.Errorf("%s: %v", tt.body, answer)
			continue
		}
		if got := answer["claims"].(map[string]any)[tt.claim]; got != tt.want {
			t.Errorf("%s: %s is %v, want %v", tt.body, tt.claim, got, tt.want)
		}
	}
	_, answer := place(t, url, `{"kid":"`+es.ID+`"}`)
	jwks, err := JWKS(es)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, answer["token"].(string), jwks)
}

func TestBadOrderIsNotTold(t *testing.T) {
	url := serve(t, "", newKey(t, "EdDSA"))
	for body, want := range map[string]string{
		`{"shape":"gitlap"}`:      `unknown shape "gitlap"`,
		`{"claims":["ref"]}`:      `want claim=value`,
		`{"claim":["ref=main"]}`:  `unknown field "claim"`,
		`{} {}`:                   `more follows`,
		`[`:                       `read the request`,
		`{"kid":"x"}`:             `no key "x"`,
		`{"without":["nothing"]}`: `nothing to take away`,
		`{"claims":["` + strings.Repeat("a", maxOrder) + `=b"]}`: `too large`,
	} {
		status, answer := place(t, url, body)
		if message, _ := answer["error"].(string); status != http.StatusBadRequest || !strings.Contains(message, want) {
			t.Errorf("%.60s: %d %v, want %s", body, status, answer, want)
		}
	}
}

func TestStrangerIsMintedFor(t *testing.T) {
	handler, err := Handler("http://127.0.0.1:8200", func() time.Time { return now }, newKey(t, "EdDSA"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from, origin string
		want         int
	}{
		{"127.0.0.1:5000", "", http.StatusOK},
		{"[::1]:5000", "", http.StatusOK},
		{"[::ffff:127.0.0.1]:5000", "", http.StatusOK},
		{"192.0.2.7:5000", "", http.StatusForbidden},
		{"10.0.0.7:5000", "", http.StatusForbidden},
		{"", "", http.StatusForbidden},
		{"127.0.0.1:5000", "https://evil.example", http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodPost, "/token", nil)
		r.RemoteAddr = tt.from
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("from %q, origin %q: %d, want %d", tt.from, tt.origin, w.Code, tt.want)
		}
	}
}

func TestIssuerThatNobodyCouldUse(t *testing.T) {
	key, clock := newKey(t, "EdDSA"), func() time.Time { return now }
	for _, url := range []string{"", "gitlab.example.com", "ftp://a.example", "https://", "https://a.example?b", "https://a.example#b", "://"} {
		if _, err := Handler(url, clock, key); err == nil {
			t.Errorf("%q serves", url)
		}
	}
	if _, err := Handler("http://127.0.0.1:1", clock); err == nil {
		t.Error("serves without a key")
	}
	if _, err := Handler("http://127.0.0.1:1/", clock, key); err != nil {
		t.Error(err)
	}
}
