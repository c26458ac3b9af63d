package verifier

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestOddKeySpoilsTheSet puts one odd key before a good one: the good one must
// serve and the odd one must not, with a warning that says why.
func TestOddKeySpoilsTheSet(t *testing.T) {
	good := newSigner(t, "EdDSA", "good")
	odd := map[string]signer{}
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		odd[alg] = newSigner(t, alg, "odd")
	}
	text := func(s signer, name string) string { return s.jwk(nil)[name].(string) }
	decoded := func(s signer, name string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(text(s, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	n, x, y := decoded(odd["RS256"], "n"), decoded(odd["ES256"], "x"), decoded(odd["ES256"], "y")
	even := append([]byte{}, n...)
	even[len(even)-1] &^= 1
	tooLarge := new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 8192), 0, 1).Bytes()
	type m = map[string]any
	for _, row := range []struct {
		name, alg string
		override  m
		warning   string
	}{
		{"as it is", "RS256", m{}, ""},
		{"as it is", "ES256", m{}, ""},
		{"as it is", "EdDSA", m{}, ""},
		{"alg absent", "RS256", m{"alg": nil}, ""},
		{"use absent", "RS256", m{"use": nil}, ""},
		{"verify", "RS256", m{"key_ops": []string{"verify"}}, ""},
		{"unknown member", "ES256", m{"x5t": 7, "x5c": []int{1}, "exp": 1, "other": m{"a": 1}}, ""},
		{"use enc", "RS256", m{"use": "enc"}, `use is "enc"`},
		{"use empty", "RS256", m{"use": ""}, "use is"},
		{"use list", "RS256", m{"use": []string{"sig"}}, "use is not a text"},
		{"encrypt", "RS256", m{"key_ops": []string{"encrypt"}}, "key_ops"},
		{"no operation", "RS256", m{"key_ops": []string{}}, "key_ops"},
		{"operation twice", "RS256", m{"key_ops": []string{"verify", "verify"}}, "key_ops"},
		{"operation text", "RS256", m{"key_ops": "verify"}, "key_ops is not a list"},
		{"alg of another type", "RS256", m{"alg": "ES256"}, "does not fit"},
		{"alg of another curve", "ES384", m{"alg": "ES256"}, "does not fit"},
		{"alg for encryption", "RS256", m{"alg": "RSA-OAEP"}, "no asymmetric signature algorithm"},
		{"alg symmetric", "RS256", m{"alg": "HS256"}, "no asymmetric signature algorithm"},
		{"alg none", "RS256", m{"alg": "none"}, "no asymmetric signature algorithm"},
		{"alg number", "RS256", m{"alg": 256}, "alg is not a text"},
		{"kid number", "RS256", m{"kid": 7}, "kid is not a text"},
		{"kid long", "RS256", m{"kid": strings.Repeat("k", MaxKeyID+1)}, "kid of 1025 bytes"},
		{"kty absent", "RS256", m{"kty": nil}, "kty is missing"},
		{"kty unknown", "RS256", m{"kty": "AKP"}, "unknown kty"},
		{"kty in other case", "RS256", m{"kty": "rsa"}, "unknown kty"},
		{"kty null", "RS256", m{"kty": json.RawMessage("null")}, "kty is not a text"},
		{"kty of another", "ES256", m{"kty": "OKP", "alg": nil}, "unknown curve"},
		{"Kty too", "RS256", m{"Kty": "oct"}, "but for the case"},
		{"n absent", "RS256", m{"n": nil}, "n is missing"},
		{"n number", "RS256", m{"n": 7}, "n is not a text"},
		{"n padded", "RS256", m{"n": text(odd["RS256"], "n") + "=="}, "base64url"},
		{"n 1024", "RS256", m{"n": b64(n[:128])}, "1024 bits"},
		{"n 2047", "RS256", m{"n": b64(append([]byte{n[0] & 0x7f}, n[1:]...))}, "bits"},
		{"n 8193", "RS256", m{"n": b64(tooLarge)}, "8193 bits"},
		{"n even", "RS256", m{"n": b64(even)}, "even"},
		{"n with a leading zero", "RS256", m{"n": b64(append([]byte{0}, n...))}, ""},
		{"e absent", "RS256", m{"e": nil}, "e is missing"},
		{"e 1", "RS256", m{"e": b64([]byte{1})}, "exponent"},
		{"e 2", "RS256", m{"e": b64([]byte{2})}, "exponent"},
		{"e even", "RS256", m{"e": b64([]byte{1, 0, 0})}, "exponent"},
		{"e 0", "RS256", m{"e": ""}, "exponent"},
		{"e huge", "RS256", m{"e": b64([]byte{1, 0, 0, 0, 1})}, "exponent"},
		{"private RSA", "RS256", m{"d": "AQAB"}, "private key"},
		{"private prime", "RS256", m{"p": "AQAB"}, "private key"},
		{"private EC", "ES256", m{"d": "AQAB"}, "private key"},
		{"private OKP", "EdDSA", m{"d": "AQAB"}, "private key"},
		{"private null", "ES256", m{"d": json.RawMessage("null")}, "private key"},
		{"symmetric", "RS256", m{"kty": "oct", "k": "AQAB"}, "symmetric"},
		{"crv unknown", "ES256", m{"crv": "P-255", "alg": nil}, "unknown curve"},
		{"crv secp256k1", "ES256", m{"crv": "secp256k1", "alg": nil}, "unknown curve"},
		{"crv of another size", "ES256", m{"crv": "P-384", "alg": nil}, "coordinates"},
		{"crv absent", "ES256", m{"crv": nil}, "crv is missing"},
		{"y absent", "ES256", m{"y": nil}, "y is missing"},
		{"x short", "ES256", m{"x": b64(x[1:])}, "coordinates"},
		{"x long", "ES256", m{"x": b64(append([]byte{0}, x...))}, "coordinates"},
		{"off the curve", "ES256", m{"x": b64(y), "y": b64(x)}, "not on the curve"},
		{"zero point", "ES256", m{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}, "not on the curve"},
		{"Ed448", "EdDSA", m{"crv": "Ed448", "alg": nil}, "unknown curve"},
		{"X25519", "EdDSA", m{"crv": "X25519", "alg": nil}, "unknown curve"},
		{"Ed25519 short", "EdDSA", m{"x": b64(make([]byte, 31))}, "31 bytes"},
		{"Ed25519 text", "EdDSA", m{"x": "not base64url!"}, "base64url"},
	} {
		t.Run(row.name+" "+row.alg, func(t *testing.T) {
			s := odd[row.alg]
			keys := parseJWKS(t, s.jwk(row.override), good.jwk(nil))
			v := newVerifier(t, keys, nil)
			wantCodes(t, verifyOne(t, v, good.sign(good.header(), goodClaims())))
			err := verifyOne(t, v, s.sign(s.header(), goodClaims()))
			warnings := strings.Join(keys.Warnings(), "\n")
			if row.warning == "" {
				wantCodes(t, err)
				if warnings != "" {
					t.Errorf("got warnings %q", warnings)
				}
				return
			}
			if got := codes(t, err); len(got) != 1 || got[0] != AlgorithmMismatch && got[0] != UnknownKey {
				t.Errorf("got %v", got)
			}
			if !strings.Contains(warnings, row.warning) {
				t.Errorf("got warnings %q, want %q", warnings, row.warning)
			}
			if len(keys.Keys()) != 1 {
				t.Errorf("got %d usable keys, want 1", len(keys.Keys()))
			}
		})
	}
	for _, entry := range []string{"null", "7", `"x"`, "[]", "{}", `{"kty":"OKP","kty":"OKP"}`, "{\"kid\":\"\xff\"}", `{"a":{"b":1,"b":2}}`, `{"n":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`} {
		keys, err := ParseJWKS([]byte(strings.Replace(string(jwksText(good.jwk(nil))), "[", "["+entry+",", 1)))
		if err != nil || len(keys.Keys()) != 1 || len(keys.Warnings()) != 1 {
			t.Errorf("%s: %v, %v", entry, err, keys)
		}
	}
}

func TestKeySetOfAnotherShapeIsTaken(t *testing.T) {
	good := string(jwksText(newSigner(t, "EdDSA", "k").jwk(nil)))
	entries := func(n int) string { return `{"keys":[` + strings.Repeat("{},", n-1) + "{}]}" }
	for text, ok := range map[string]bool{
		good: true, `{"keys":[]}`: true, " " + good + "\n": true, `{"a":[],"keys":[],"KEYS":7}`: true, entries(MaxKeys): true,
		"": false, "null": false, "[]": false, "{}": false, `{"keys":{}}`: false, `{"keys":null}`: false, `{"KEYS":[]}`: false,
		`{"keys":[],"keys":[]}`: false, good + "x": false, good + good: false, good[:len(good)-1]: false, "\ufeff" + good: false,
		entries(MaxKeys + 1): false, `{"keys":[],"a":"` + strings.Repeat("x", MaxJWKS) + `"}`: false,
		`{"kty":"OKP"}`: false, `{"keys":[` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "]}": false,
	} {
		if _, err := ParseJWKS([]byte(text)); (err == nil) != ok {
			t.Errorf("%.60q: got %v", text, err)
		} else if err != nil && len(err.Error()) > 120 {
			t.Errorf("%.60q: a long error: %v", text, err)
		}
	}
	if _, err := ReadJWKSFile("no-such-file.json"); err == nil {
		t.Error("a missing file was read")
	}
}

// TestTokenWithoutKidPicksAnyKey is OpenID's rp-id_token-kid-absent-single-jwks
// and -multiple-jwks.
func TestTokenWithoutKidPicksAnyKey(t *testing.T) {
	rsa1, rsa2 := newSigner(t, "RS256", "rsa1"), newSigner(t, "RS256", "rsa2")
	ec, ed := newSigner(t, "ES256", "ec"), newSigner(t, "EdDSA", "ed")
	token := rsa1.sign(`{"alg":"RS256"}`, goodClaims())
	one := newVerifier(t, parseJWKS(t, ec.jwk(nil), rsa1.jwk(nil), ed.jwk(nil), rsa2.jwk(map[string]any{"use": "enc"})), nil)
	wantCodes(t, verifyOne(t, one, token))
	ps := newVerifier(t, parseJWKS(t, rsa1.jwk(nil), rsa2.jwk(map[string]any{"alg": "PS256"})), nil)
	wantCodes(t, verifyOne(t, ps, token))
	several := newVerifier(t, parseJWKS(t, rsa1.jwk(nil), rsa2.jwk(nil)), nil)
	wantCodes(t, verifyOne(t, several, token), AmbiguousKey)
	none := newVerifier(t, parseJWKS(t, ec.jwk(nil), ed.jwk(nil)), nil)
	wantCodes(t, verifyOne(t, none, token), NoUsableKey)
	empty := newVerifier(t, parseJWKS(t), nil)
	wantCodes(t, verifyOne(t, empty, token), NoUsableKey)
	wantCodes(t, verifyOne(t, empty, rsa1.sign(rsa1.header(), goodClaims())), NoUsableKey)
	// A key without kid serves tokens without one only.
	unnamed := newVerifier(t, parseJWKS(t, rsa1.jwk(map[string]any{"kid": nil})), nil)
	wantCodes(t, verifyOne(t, unnamed, token))
	wantCodes(t, verifyOne(t, unnamed, rsa1.sign(rsa1.header(), goodClaims())), UnknownKey)
}

func TestKidTwice(t *testing.T) {
	a, b, ec := newSigner(t, "RS256", "k"), newSigner(t, "RS256", "k"), newSigner(t, "ES256", "k")
	keys := parseJWKS(t, a.jwk(nil), b.jwk(nil), ec.jwk(nil))
	v := newVerifier(t, keys, nil)
	for _, s := range []signer{a, b, ec} {
		wantCodes(t, verifyOne(t, v, s.sign(s.header(), goodClaims())))
	}
	other := newSigner(t, "RS256", "k")
	wantCodes(t, verifyOne(t, v, other.sign(other.header(), goodClaims())), BadSignature)
	if w := keys.Warnings(); len(w) != 1 || !strings.Contains(w[0], "kid of another RSA key") {
		t.Errorf("got warnings %q, want one about the two RSA keys", w)
	}
}

// TestBombTakesLong bounds what a hostile set or token can cost. The best of
// three runs counts, since others use the machine too.
func TestBombTakesLong(t *testing.T) {
	s := newSigner(t, "RS256", "k")
	token := s.sign(s.header(), goodClaims())
	large := new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(5), 8189), 0, 1)
	slow := s.jwk(map[string]any{"n": b64(large.Bytes()), "e": b64([]byte{0x7f, 0xff, 0xff, 0xff})})
	fill := func(key map[string]any, n int) []byte {
		keys := make([]any, n)
		for i := range keys {
			keys[i] = key
		}
		return jwksText(keys...)
	}
	point := newSigner(t, "ES512", "k").jwk(nil)
	sets := map[string][]byte{
		"one kid for slow keys": fill(slow, MaxKeys),
		"a few slow keys":       fill(slow, maxTried),
		"points":                fill(point, MaxKeys),
		"huge modulus":          jwksText(s.jwk(map[string]any{"n": strings.Repeat("_", MaxJWKS-1000)})),
		"huge exponent":         jwksText(s.jwk(map[string]any{"e": strings.Repeat("_", MaxJWKS-1000)})),
		"filled":                fill(s.jwk(map[string]any{"x5c": strings.Repeat("x", 7000)}), MaxKeys),
		"deep":                  []byte(`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,"keys":[]}`),
		"deep key":              []byte(`{"keys":[` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + `]}`),
		"many members":          []byte(`{"keys":[{"a":1` + manyMembers(40000) + `}]}`),
		"empty names":           []byte(`{"keys":[{` + strings.Repeat(`"":1,`, 100000) + `"":1}]}`),
	}
	for name, text := range sets {
		best := time.Hour
		for range 3 {
			start := time.Now()
			set, err := ParseJWKS(text)
			if err == nil {
				if err := verifyOne(t, newVerifier(t, set, nil), token); err == nil {
					t.Errorf("%s: taken", name)
				}
			}
			best = min(best, time.Since(start))
		}
		if limit := slowdown * 50 * time.Millisecond; best > limit {
			t.Errorf("%s: took %v, want at most %v", name, best, limit)
		}
	}
}

// TestKeyForWhichAnybodyCanSign shows of every listed point that it needs no
// private key: one fixed signature fits some of any hundred messages. So the key
// is not used; one that somebody made is.
func TestKeyForWhichAnybodyCanSign(t *testing.T) {
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1 // R is the neutral point, S is 0
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		x, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		fits := false
		for i := range 100 {
			fits = fits || ed25519.Verify(x, fmt.Appendf(nil, "message %d", i), forged)
		}
		if !fits {
			t.Errorf("%s: no forgery found, the point does not belong on the list", text)
		}
		if _, err := parseJWK(fmt.Appendf(nil, `{"kty":"OKP","crv":"Ed25519","x":%q}`, b64(x))); err == nil || !strings.Contains(err.Error(), "small order") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// TestFaultyGeneratorIsTrusted: a modulus that is a power of 65537 modulo the
// small primes is refused, one that is not modulo a single prime is not.
func TestFaultyGeneratorIsTrusted(t *testing.T) {
	product := big.NewInt(1)
	for p := int64(3); p <= 167; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	weak := new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), product)
	weak.Add(weak, new(big.Int).Lsh(product, 1800))
	if !roca(weak) {
		t.Error("the form of the faulty generator is not recognised")
	}
	// The powers of 65537 modulo 11 are 1 and 10.
	step := new(big.Int).Quo(product, big.NewInt(11))
	honest := new(big.Int).Set(weak)
	for r := int64(1); r == 1 || r == 10 || r == 0; {
		honest.Add(honest, step)
		r = new(big.Int).Mod(honest, big.NewInt(11)).Int64()
	}
	if roca(honest) {
		t.Error("an honest modulus is taken for one of the faulty generator")
	}
}

// TestThumbprint is the example of RFC 7638 section 3.1 and that of RFC 8037
// appendix A.3.
func TestThumbprint(t *testing.T) {
	for jwk, want := range map[string]string{
		`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
	} {
		set, err := ParseJWKS(fmt.Appendf(nil, `{"keys":[%s]}`, jwk))
		if err != nil || len(set.Keys()) != 1 {
			t.Fatalf("%v %v", err, set.Warnings())
		}
		if got := set.Keys()[0].Thumbprint; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestExamplesOfTheRFCs verifies the signatures printed in RFC 7515 appendix A
// and RFC 8037 appendix A, and refuses the unsecured A.5 and the JSON A.6.
func TestExamplesOfTheRFCs(t *testing.T) {
	const joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	for _, row := range []struct{ name, jwk, token, want string }{
		{"RFC 7515 A.2",
			`{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`,
			"eyJhbGciOiJSUzI1NiJ9." + joe + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw", ""},
		{"RFC 7515 A.3",
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"eyJhbGciOiJFUzI1NiJ9." + joe + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", ""},
		{"RFC 7515 A.4",
			`{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`,
			"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn", ""},
		{"RFC 7515 A.5", `{}`, "eyJhbGciOiJub25lIn0." + joe + ".", UnsupportedAlgorithm},
		{"RFC 7515 A.7", `{}`, `{"payload":"` + joe + `","protected":"eyJhbGciOiJFUzI1NiJ9","signature":""}`, UnsupportedSerialization},
		{"RFC 7515 E", `{}`, "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.", UnsupportedAlgorithm + ", " + CriticalHeader},
		{"RFC 8037 A.4",
			`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", ""},
	} {
		set, err := ParseJWKS([]byte(`{"keys":[` + row.jwk + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		payload, err := set.VerifySignature(t.Context(), row.token)
		switch {
		case row.want == "" && (err != nil || len(payload) == 0):
			t.Errorf("%s: %v", row.name, err)
		case row.want != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+row.want)):
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}
