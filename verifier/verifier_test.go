package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

const (
	testIssuer   = "https://gitlab.example.com"
	testAudience = "https://vault.example.com"
)

var testNow = time.Unix(1_800_000_000, 0)

// signer is a throw-away key of a test.
type signer struct {
	alg     string
	kid     string
	private crypto.Signer
}

func newSigner(t testing.TB, alg, kid string) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer{alg, kid, key}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk returns the public key, with members overridden or, where nil, removed.
func (s signer) jwk(override map[string]any) map[string]any {
	m := map[string]any{"alg": s.alg, "use": "sig"}
	if s.kid != "" {
		m["kid"] = s.kid
	}
	switch public := s.private.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		m["kty"], m["crv"], m["x"], m["y"] = "EC", public.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(public)
	}
	for name, value := range override {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return m
}

func jwksText(keys ...any) []byte {
	if keys == nil {
		keys = []any{}
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return text
}

func parseJWKS(t testing.TB, keys ...any) *JWKS {
	t.Helper()
	set, err := ParseJWKS(jwksText(keys...))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sign signs header and payload exactly as given.
func (s signer) sign(header, payload string) string {
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	return signed + "." + b64(s.signature(signed))
}

func (s signer) signature(signed string) []byte {
	a, _ := algorithmNamed(s.alg)
	if a.hash == 0 {
		sig, err := s.private.Sign(rand.Reader, []byte(signed), crypto.Hash(0))
		if err != nil {
			panic(err)
		}
		return sig
	}
	h := a.hash.New()
	h.Write([]byte(signed))
	sum := h.Sum(nil)
	if key, ok := s.private.(*ecdsa.PrivateKey); ok {
		r, t, err := ecdsa.Sign(rand.Reader, key, sum)
		if err != nil {
			panic(err)
		}
		size := (key.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), t.FillBytes(make([]byte, size))...)
	}
	var opts crypto.SignerOpts = a.hash
	if a.pss {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
	}
	sig, err := s.private.Sign(rand.Reader, sum, opts)
	if err != nil {
		panic(err)
	}
	return sig
}

func (s signer) header() string {
	if s.kid == "" {
		return fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, s.alg)
	}
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"JWT"}`, s.alg, s.kid)
}

// goodClaims are claims that nothing is wrong with at testNow. Each override is
// a member "name":value that replaces the one of that name, or, starting with a
// minus, a name to leave out.
func goodClaims(override ...string) string {
	names := []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "ref"}
	values := map[string]string{
		"iss": fmt.Sprintf("%q", testIssuer), "aud": fmt.Sprintf("%q", testAudience),
		"sub": `"project_path:acme/app:ref_type:branch:ref:main"`,
		"exp": "1800003600", "nbf": "1799999995", "iat": "1800000000", "jti": `"c82d9b"`, "ref": `"main"`,
	}
	var extra []string
	for _, o := range override {
		if name, remove := strings.CutPrefix(o, "-"); remove {
			delete(values, name)
			continue
		}
		var name, value = o, ""
		if i := strings.Index(o, `":`); i > 0 {
			name, value = o[1:i], o[i+2:]
		}
		if _, ok := values[name]; ok {
			values[name] = value
			continue
		}
		extra = append(extra, o)
	}
	var members []string
	for _, name := range names {
		if value, ok := values[name]; ok {
			members = append(members, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(append(members, extra...), ",") + "}"
}

func newVerifier(t testing.TB, keys KeySource, change func(*Config)) *Verifier {
	t.Helper()
	c := Config{Issuer: testIssuer, Audiences: []string{testAudience}, Keys: keys}
	if change != nil {
		change(&c)
	}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// codes returns the codes of a refusal; it fails the test for any other error.
func codes(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("want a Refusal, got %T: %v", err, err)
	}
	var list []string
	for _, r := range refusal.Reasons {
		list = append(list, r.Code)
	}
	return list
}

func TestGoodTokenOfEachAlgorithmIsTaken(t *testing.T) {
	for _, alg := range Algorithms() {
		t.Run(alg, func(t *testing.T) {
			s := newSigner(t, alg, "k1")
			v := newVerifier(t, parseJWKS(t, s.jwk(nil)), nil)
			compact := s.sign(s.header(), goodClaims())
			token, err := v.Verify(t.Context(), compact, testNow)
			if err != nil {
				t.Fatal(err)
			}
			if token.Issuer != testIssuer || token.Algorithm != alg || token.KeyID != "k1" ||
				token.Audience[0] != testAudience || !token.Expires.Equal(time.Unix(1800003600, 0)) {
				t.Errorf("got %+v", token)
			}
			tampered := compact[:len(compact)-8] + "AAAAAAAA"
			if got := codes(t, func() error { _, err := v.Verify(t.Context(), tampered, testNow); return err }()); len(got) != 1 || got[0] != BadSignature {
				t.Errorf("tampered: got %v, want %s", got, BadSignature)
			}
		})
	}
}
