package verifier

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// seeds are tokens of every kind: good, hostile, and no tokens at all.
func seeds(s signer) []string {
	good := s.sign(s.header(), gitlabClaims())
	return []string{
		good, s.sign(s.header(), goodClaims()), "", "..", "e30.e30.", good + ".", "{}",
		s.sign(`{"alg":"none"}`, goodClaims()), s.sign(`{"alg":"EdDSA","kid":"k","crit":["b64"],"b64":false}`, goodClaims()),
		s.sign(s.header(), goodClaims(`"exp":1e300`, `"nbf":-0.0e0`, `"iat":1.5E9`)),
		s.sign(s.header(), goodClaims(`"a":{"b":[1,{"c":"\ud83d\ude00\u017f"}],"b":2}`, `"iſs":1`)),
		s.sign(s.header(), goodClaims(`"aud":["x","`+testAudience+`"]`)),
		s.sign(s.header(), "\ufeff"+goodClaims()+" x"), strings.Repeat("a", MaxToken+1),
	}
}

// FuzzReadToken: nothing panics, what is admitted is an object that
// encoding/json reads as the same value, and reasons have known codes.
func FuzzReadToken(f *testing.F) {
	for _, seed := range seeds(newSigner(f, "EdDSA", "k")) {
		f.Add(seed)
	}
	known := make(map[string]bool)
	for _, c := range Codes() {
		known[c.Code] = true
	}
	f.Fuzz(func(t *testing.T, compact string) {
		token, reasons := ReadToken(compact)
		for _, r := range reasons {
			if !known[r.Code] || r.Message == "" {
				t.Errorf("reason %+v", r)
			}
		}
		if len(reasons) > 0 {
			return
		}
		if strings.Count(compact, ".") != 2 || strings.TrimSpace(compact) != compact {
			t.Errorf("admitted %q", compact)
		}
		for _, part := range []Claims{token.Header, token.Claims} {
			d := json.NewDecoder(strings.NewReader(string(part.Text)))
			d.UseNumber()
			var value map[string]any
			if err := d.Decode(&value); err != nil {
				t.Fatalf("%q: %v", part.Text, err)
			}
			same, err := ast.InterfaceToValue(value)
			if err != nil || same.Compare(part.Value) != 0 {
				t.Errorf("%q: read as %v, by encoding/json as %v (%v)", part.Text, part.Value, same, err)
			}
		}
	})
}

// FuzzReadClaims: what bare claims are read as is what encoding/json makes of
// them, and whatever is not read has a reason.
func FuzzReadClaims(f *testing.F) {
	for _, seed := range []string{gitlabClaims(), `{"a":1,"a":2}`, `{"\ud800":"\ud800"}`, "{\"a\":\"\xff\xfe\"}", `[]`, `{"a":[{},[],"",0,-0,1e5,true,null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		claims, _, err := ReadClaims(text)
		var refusal *Refusal
		if err != nil {
			if !errors.As(err, &refusal) || len(refusal.Reasons) != 1 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		var value map[string]any
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%q: read, but encoding/json says %v", text, err)
		}
		same, err := ast.InterfaceToValue(value)
		if err != nil || same.Compare(claims.Value) != 0 {
			t.Errorf("%q: read as %v, by encoding/json as %v (%v)", text, claims.Value, same, err)
		}
	})
}

// FuzzReadJWKS: nothing panics, keys are within bounds, and a second reading
// gives the same keys.
func FuzzReadJWKS(f *testing.F) {
	for _, alg := range []string{"RS256", "ES256", "ES512", "EdDSA"} {
		s := newSigner(f, alg, "k")
		f.Add(jwksText(s.jwk(nil)))
		f.Add(jwksText(map[string]any{"kty": "oct", "k": "AAAA"}, nil, s.jwk(map[string]any{"alg": nil, "d": "x"}), 7))
	}
	f.Add([]byte(`{"keys":[],"keys":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := ParseJWKS(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Errorf("%q is no JSON", text)
		}
		keys := set.Keys()
		if len(keys) > MaxKeys || len(keys) == 0 && len(set.Warnings()) == 0 {
			t.Errorf("%d keys, warnings %q", len(keys), set.Warnings())
		}
		for _, k := range keys {
			if len(k.Thumbprint) != 43 || len(k.KeyID) > MaxKeyID {
				t.Errorf("%+v", k)
			}
		}
	})
}

// FuzzVerify changes signed tokens and signs changed claims: only what was
// signed is admitted, and what is admitted holds what was configured.
func FuzzVerify(f *testing.F) {
	s := newSigner(f, "EdDSA", "k")
	v := newVerifier(f, parseJWKS(f, s.jwk(nil)), nil)
	for _, seed := range seeds(s) {
		f.Add(seed, false)
	}
	for _, claims := range []string{goodClaims(), gitlabClaims(), goodClaims(`"exp":1.8e9`), goodClaims(`"nbf":1e-400`), `{"iss":1}`} {
		f.Add(claims, true)
	}
	signed := make(map[string]bool)
	for _, seed := range seeds(s) {
		signed[seed] = true
	}
	f.Fuzz(func(t *testing.T, text string, sign bool) {
		if sign {
			text = s.sign(s.header(), text)
		}
		token, err := v.Verify(t.Context(), text, testNow)
		if err != nil {
			if len(codes(t, err)) == 0 {
				t.Errorf("%q: refused without a reason", text)
			}
			if r := (*Refusal)(nil); errors.As(err, &r) && r.Has(Disagreement) && len(r.Reasons) > 1 {
				t.Errorf("%q: go-oidc was asked though %v", text, err)
			}
			return
		}
		if !sign && !signed[text] {
			t.Fatalf("%q was never signed", text)
		}
		if token.Issuer != testIssuer || !token.Expires.Add(DefaultLeeway).After(testNow) || token.Claims.Value.Len() < 3 {
			t.Errorf("%q: admitted as %+v", text, token)
		}
	})
}
