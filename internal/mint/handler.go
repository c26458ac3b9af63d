package mint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Handler serves a local issuer: its discovery document (OpenID Connect Discovery
// 1.0, section 4), its keys, and POST /token, which mints. Paths lie below the
// path of the issuer's URL. now is asked at every minting.
//
// A request to /token is JSON, every member optional:
//
//	{"shape": "gitlab", "claims": ["ref=main", "runner_id:=5"], "without": ["sha"], "kid": "…"}
//
// and the answer {"token": "…", "claims": {…}}; what is wrong with a request is
// told as {"error": "…"}. kid chooses among the keys, the first by default. Only
// a client on this machine is answered, and no browser: a page must not mint.
func Handler(issuerURL string, now func() time.Time, keys ...Key) (http.Handler, error) {
	u, err := url.Parse(issuerURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("issuer %q: want an http or https URL without query or fragment", issuerURL)
	}
	if len(keys) == 0 {
		return nil, errors.New("an issuer needs a key, got none")
	}
	jwks, err := JWKS(keys...)
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(issuerURL, "/")
	discovery, err := json.MarshalIndent(map[string]any{
		"issuer":                                issuerURL,
		"jwks_uri":                              base + "/oauth/discovery/keys",
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": algorithms(keys),
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the discovery document: %w", err)
	}
	m := minter{issuer: u, text: issuerURL, now: now, keys: keys}
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/openid-configuration", static(discovery))
	mux.Handle("GET /oauth/discovery/keys", static(jwks))
	mux.Handle("POST /token", m)
	return http.StripPrefix(strings.TrimSuffix(u.Path, "/"), mux), nil
}

func algorithms(keys []Key) []string {
	var algs []string
	for _, k := range keys {
		if !slices.Contains(algs, k.Algorithm) {
			algs = append(algs, k.Algorithm)
		}
	}
	return algs
}

func static(body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
}

// minter answers POST /token.
type minter struct {
	issuer *url.URL
	text   string
	now    func() time.Time
	keys   []Key
}

// An order is the body of a request to /token.
type order struct {
	Shape   string   `json:"shape"`
	Claims  []string `json:"claims"`
	Without []string `json:"without"`
	KID     string   `json:"kid"`
}

// Orders are a few hundred bytes.
const maxOrder = 64 << 10

func (m minter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !fromLoopback(r.RemoteAddr) {
		answer(w, http.StatusForbidden, map[string]any{"error": "tokens are minted for clients on this machine only"})
		return
	}
	// Every browser names the page's origin in a POST.
	if r.Header.Get("Origin") != "" {
		answer(w, http.StatusForbidden, map[string]any{"error": "tokens are not minted for web pages"})
		return
	}
	o, err := readOrder(http.MaxBytesReader(w, r.Body, maxOrder))
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "read the request: " + err.Error()})
		return
	}
	token, claims, err := m.mint(o)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusOK, map[string]any{"token": token, "claims": claims})
}

func fromLoopback(addr string) bool {
	a, err := netip.ParseAddrPort(addr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func readOrder(body io.Reader) (order, error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	var o order
	if err := d.Decode(&o); errors.Is(err, io.EOF) {
		return order{}, nil
	} else if err != nil {
		return order{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return order{}, errors.New("more follows after the object")
	}
	return o, nil
}

func (m minter) mint(o order) (token string, claims map[string]any, err error) {
	if o.Shape == "" {
		o.Shape = "gitlab"
	}
	var overrides []Override
	for _, s := range o.Claims {
		override, err := ParseOverride(s)
		if err != nil {
			return "", nil, err
		}
		overrides = append(overrides, override)
	}
	for _, claim := range o.Without {
		overrides = append(overrides, Without(claim))
	}
	key, err := m.key(o.KID)
	if err != nil {
		return "", nil, err
	}
	claims, err = Claims(o.Shape, m.ownIssuer(o.Shape, overrides), m.now())
	if err != nil {
		return "", nil, err
	}
	token, err = Sign(key, "", "", claims)
	return token, claims, err
}

// ownIssuer makes this issuer the token's unless the order names another. A
// CI_JOB_JWT names its issuer by host alone.
func (m minter) ownIssuer(shape string, overrides []Override) []Override {
	if slices.ContainsFunc(overrides, func(o Override) bool { return o.Claim == "iss" }) {
		return overrides
	}
	iss := m.text
	if shape == "gitlab-v1" {
		iss = m.issuer.Hostname()
	}
	return append(overrides, Override{Claim: "iss", Value: iss})
}

func (m minter) key(kid string) (Key, error) {
	if kid == "" {
		return m.keys[0], nil
	}
	var have []string
	for _, k := range m.keys {
		if k.ID == kid {
			return k, nil
		}
		have = append(have, k.ID)
	}
	return Key{}, fmt.Errorf("no key %q, want one of %s", kid, strings.Join(have, ", "))
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	text, err := marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"write the answer"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
