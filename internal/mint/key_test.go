package mint

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func newKey(t *testing.T, alg string) Key {
	t.Helper()
	key, err := NewKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// verify checks a token against a key set alone and returns its header and
// payload.
func verify(t *testing.T, token string, jwks []byte) (jose.Header, map[string]any) {
	t.Helper()
	var algs []jose.SignatureAlgorithm
	for _, alg := range Algorithms() {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	jws, err := jose.ParseSignedCompact(token, algs)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(set)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeJSON(string(payload))
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header, got.(map[string]any)
}

func TestTokenDoesNotVerify(t *testing.T) {
	want := claims(t, "gitlab", "note=<&>")
	for _, alg := range Algorithms() {
		key := newKey(t, alg)
		token, err := Sign(key, "", "", want)
		if err != nil {
			t.Fatal(err)
		}
		jwks, err := JWKS(newKey(t, "ES256"), key)
		if err != nil {
			t.Fatal(err)
		}
		header, got := verify(t, token, jwks)
		if header.Algorithm != alg || header.KeyID != key.ID || header.ExtraHeaders["typ"] != "JWT" {
			t.Errorf("%s: header %+v", alg, header)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", alg, got, want)
		}
	}
}

func TestKeySignsWithWhatItCannot(t *testing.T) {
	rsa, es := newKey(t, "RS256"), newKey(t, "ES256")
	if _, err := Sign(rsa, "PS384", "", claims(t, "gitlab")); err != nil {
		t.Errorf("RSA key, PS384: %v", err)
	}
	for _, alg := range []string{"RS256", "ES384", "EdDSA"} {
		if _, err := Sign(es, alg, "", claims(t, "gitlab")); err == nil || !strings.Contains(err.Error(), "sign with "+alg) {
			t.Errorf("ES256 key, %s: %v", alg, err)
		}
	}
	const want = `unknown algorithm "HS256", want one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`
	if _, err := Sign(rsa, "HS256", "", nil); err == nil || err.Error() != want {
		t.Errorf("HS256: %v", err)
	}
	if _, err := NewKey("none"); err == nil {
		t.Error("a key for none")
	}
}

func TestAnotherKeyIDIsNotWritten(t *testing.T) {
	key := newKey(t, "EdDSA")
	token, err := Sign(key, "", "elsewhere", claims(t, "gitlab"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	if got := jws.Signatures[0].Header.KeyID; got != "elsewhere" {
		t.Errorf("kid %q", got)
	}
}

func TestPrivateHalfIsShown(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		key := newKey(t, alg)
		jwks, err := JWKS(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{`"d"`, `"p"`, `"q"`} {
			if strings.Contains(string(jwks), member) {
				t.Errorf("%s: the key set has %s", alg, member)
			}
		}
		want := alg + " key " + key.ID
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(format, key); got != want {
				t.Errorf("%s of %s key shows more than its name", format, alg)
			}
		}
	}
}
