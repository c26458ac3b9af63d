package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// keys are made anew for each oracle; their kid is the key's kind.
type keys struct {
	rsa     *rsa.PrivateKey
	ec      map[string]*ecdsa.PrivateKey // by alg: ES256, ES384, ES512
	ed25519 ed25519.PrivateKey
	pems    []any // of all public keys, as jwt_validation_pubkeys takes them
	jwks    *httptest.Server
}

func newKeys() (*keys, error) {
	k := &keys{ec: map[string]*ecdsa.PrivateKey{}}
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if _, k.ed25519, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	public := map[string]any{"rsa": k.rsa.Public(), "ed25519": k.ed25519.Public()}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if k.ec[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			return nil, err
		}
		public[strings.ToLower(alg)] = k.ec[alg].Public()
	}
	var set jose.JSONWebKeySet
	for kid, key := range public {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, err
		}
		k.pems = append(k.pems, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: kid})
	}
	k.serve(set)
	return k, nil
}

// serve offers the key set on loopback, at every path that ends in /jwks, and a
// discovery document for the server itself. Connections are not kept: one that
// idles would keep a clock from ending.
func (k *keys) serve(set jose.JSONWebKeySet) {
	mux := http.NewServeMux()
	answer := func(v func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v())
		}
	}
	mux.HandleFunc("/jwks", answer(func() any { return set }))
	mux.HandleFunc("/.well-known/openid-configuration", answer(func() any {
		return map[string]any{"issuer": k.jwks.URL, "jwks_uri": k.jwks.URL + "/jwks", "authorization_endpoint": k.jwks.URL + "/authorize", "token_endpoint": k.jwks.URL + "/token"}
	}))
	k.jwks = httptest.NewUnstartedServer(mux)
	k.jwks.Config.SetKeepAlivesEnabled(false)
	k.jwks.Start()
}

// sourced returns the config with its key source replaced by ours of the same
// kind; with none, static keys.
func (k *keys) sourced(config map[string]any) map[string]any {
	c := maps.Clone(config)
	if c == nil {
		c = map[string]any{}
	}
	ours := map[string]any{
		"oidc_discovery_url":     k.jwks.URL,
		"jwks_url":               k.jwks.URL + "/jwks",
		"jwks_pairs":             []any{map[string]any{"jwks_url": k.jwks.URL + "/jwks"}},
		"jwt_validation_pubkeys": k.pems,
	}
	sources := 0
	for field, source := range ours {
		if given(c[field]) {
			c[field] = source
			sources++
		}
	}
	if sources == 0 {
		c["jwt_validation_pubkeys"] = k.pems
	}
	return c
}

// given says that a field of a config holds something.
func given(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// sign makes a compact token over the payload as it is spelled. header's "alg"
// chooses the key; an alg that no public key can bear is signed with a random
// secret.
func (k *keys) sign(header map[string]any, payload []byte) (string, error) {
	h := maps.Clone(header)
	alg, _ := h["alg"].(string)
	raw, err := encode(h)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(raw) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := k.signature(alg, []byte(input))
	if err != nil {
		return "", fmt.Errorf("sign with %q: %w", alg, err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func (k *keys) signature(alg string, input []byte) ([]byte, error) {
	hash, digest := digestOf(alg, input)
	switch alg {
	case "EdDSA":
		return ed25519.Sign(k.ed25519, input), nil
	case "RS256", "RS384", "RS512":
		return rsa.SignPKCS1v15(rand.Reader, k.rsa, hash, digest)
	case "PS256", "PS384", "PS512":
		return rsa.SignPSS(rand.Reader, k.rsa, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES256", "ES384", "ES512":
		key := k.ec[alg]
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		n := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...), nil
	case "none":
		return nil, nil
	}
	mac := hmac.New(sha256.New, []byte(rand.Text()))
	mac.Write(input)
	return mac.Sum(nil), nil
}

func digestOf(alg string, input []byte) (crypto.Hash, []byte) {
	hash := crypto.SHA256
	switch {
	case strings.HasSuffix(alg, "384"):
		hash = crypto.SHA384
	case strings.HasSuffix(alg, "512"):
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write(input)
	return hash, h.Sum(nil)
}

// kidOf is the kid under which the key for alg stands in our key set.
func kidOf(alg string) string {
	switch {
	case strings.HasPrefix(alg, "ES"):
		return strings.ToLower(alg)
	case alg == "EdDSA":
		return "ed25519"
	}
	return "rsa"
}
