package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The tables of this file list hostile tokens beside twins that differ in one
// thing and are admitted: a row without codes must pass.

func TestSerializationIsNotCompact(t *testing.T) {
	s := newSigner(t, "ES256", "k")
	v := newVerifier(t, parseJWKS(t, s.jwk(nil)), nil)
	good := s.sign(s.header(), goodClaims())
	p := strings.Split(good, ".")
	for _, row := range []struct {
		name, token string
		want        []string
	}{
		{"as it is", good, nil},
		{"empty", "", []string{NotAJWT}},
		{"one part", p[0], []string{NotAJWT}},
		{"two parts", p[0] + "." + p[1], []string{NotAJWT}},
		{"four parts", good + ".", []string{NotAJWT}},
		{"five parts", good + "..", []string{Encrypted}},
		{"garbage", "a.b.c", []string{BadEncoding, BadEncoding, BadEncoding}},
		{"two dots", "..", []string{BadJSON, BadJSON}},
		{"flattened", fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2]), []string{UnsupportedSerialization}},
		{"general", fmt.Sprintf(` {"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2]), []string{UnsupportedSerialization}},
		{"leading space", " " + good, []string{BadEncoding}},
		{"trailing line end", good + "\n", []string{BadEncoding}},
		{"line end inside", good[:20] + "\r\n" + good[20:], []string{BadEncoding}},
		{"space inside", good[:len(p[0])+5] + " " + good[len(p[0])+5:], []string{BadEncoding}},
		{"em space", good[:20] + "\u2003" + good[20:], []string{BadEncoding}},
		{"padded header", p[0] + "=." + p[1] + "." + p[2], []string{BadEncoding}},
		{"padded signature", good + "==", []string{BadEncoding}},
		{"standard alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(p[0]+"."+p[1]) + "." + p[2][:84] + "+/", []string{BadEncoding}},
		{"no signature", p[0] + "." + p[1] + ".", []string{BadSignature}},
		{"no payload", p[0] + ".." + p[2], []string{BadJSON}},
		{"no header", "." + p[1] + "." + p[2], []string{BadJSON}},
		{"truncated signature", good[:len(good)-2], []string{BadSignature}},
		{"longer signature", good + "AAAA", []string{BadSignature}},
		{"bearer", "Bearer " + good, []string{BadEncoding}},
		{"NUL", good + "\x00", []string{BadEncoding}},
	} {
		t.Run(row.name, func(t *testing.T) { wantCodes(t, verifyOne(t, v, row.token), row.want...) })
	}

	// Trailing bits: 64 bytes are 86 characters, the last of which has 4 spare
	// bits.
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	varied := good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1])
	wantCodes(t, verifyOne(t, v, varied), BadEncoding)
}

func TestJSONIsReadLeniently(t *testing.T) {
	s := newSigner(t, "EdDSA", "k")
	v := newVerifier(t, parseJWKS(t, s.jwk(nil)), nil)
	claims := func(members ...string) string { return goodClaims(members...) }
	nested := func(depth int) string {
		return claims(`"n":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1))
	}
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":0`, i)
		}
		return claims(`"m":{` + b.String()[1:] + "}")
	}
	digits := func(n int) string { return claims(`"n":` + strings.Repeat("7", n)) }
	good := claims()
	for _, row := range []struct {
		name, payload string
		want          []string
	}{
		{"as it is", good, nil},
		{"white space", " \t\r\n" + strings.ReplaceAll(good, ":", " : ") + "\n", []string{WrongIssuer, WrongAudience}},
		{"white space around", " \t\r\n" + good + "\n", nil},
		{"byte order mark", "\ufeff" + good, []string{ByteOrderMark}},
		{"trailing", good + "x", []string{TrailingData}},
		{"trailing NUL", good + "\x00", []string{TrailingData}},
		{"two objects", good + good, []string{TrailingData}},
		{"trailing comma", good[:len(good)-1] + ",}", []string{BadJSON}},
		{"comment", good[:len(good)-1] + "/**/}", []string{BadJSON}},
		{"unquoted", `{iss:1}`, []string{BadJSON}},
		{"single quotes", `{'iss':1}`, []string{BadJSON}},
		{"list", "[" + good + "]", []string{NotAnObject}},
		{"null", "null", []string{NotAnObject}},
		{"text", `"` + "x" + `"`, []string{NotAnObject}},
		{"nothing", " ", []string{BadJSON}},
		{"truncated", good[:len(good)-1], []string{BadJSON}},
		{"literal", claims(`"a":True`), []string{BadJSON}},
		{"literal twin", claims(`"a":true,"b":false,"c":null`), nil},
		{"NaN", claims(`"a":NaN`), []string{BadJSON}},
		{"leading zero", claims(`"a":01`), []string{BadJSON}},
		{"plus", claims(`"a":+1`), []string{BadJSON}},
		{"bare point", claims(`"a":1.`), []string{BadJSON}},
		{"bare exponent", claims(`"a":1e`), []string{BadJSON}},
		{"hexadecimal", claims(`"a":0x10`), []string{BadJSON}},
		{"numbers", claims(`"a":[0,-0,1.50,-2.5E+3,1e-2]`), nil},
		{"control character", claims("\"a\":\"\t\""), []string{BadJSON}},
		{"escaped control character", claims(`"a":"\t\u0000"`), nil},
		{"bad escape", claims(`"a":"\x"`), []string{BadJSON}},
		{"short escape", claims(`"a":"\u12"`), []string{BadJSON}},
		{"escapes", claims(`"a":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"`), nil},
		{"lone high surrogate", claims(`"a":"\ud83d"`), []string{LoneSurrogate}},
		{"lone low surrogate", claims(`"a":"\ude00"`), []string{LoneSurrogate}},
		{"swapped surrogates", claims(`"a":"\ude00\ud83d"`), []string{LoneSurrogate}},
		{"surrogate and escape", claims(`"a":"\ud83d\u0041"`), []string{LoneSurrogate}},
		{"surrogate in a name", claims(`"\ud83d":1`), []string{LoneSurrogate}},
		{"not UTF-8", claims("\"a\":\"\xff\""), []string{BadUTF8}},
		{"not UTF-8 after an escape", claims("\"a\":\"\\n\xff\""), []string{BadUTF8}},
		{"overlong", claims("\"a\":\"\xc0\xaf\""), []string{BadUTF8}},
		{"surrogate in UTF-8", claims("\"a\":\"\xed\xa0\x80\""), []string{BadUTF8}},
		{"not UTF-8 in a name", claims("\"\xff\":1"), []string{BadUTF8}},
		{"UTF-8", claims(`"ä":"ü€😀"`), nil},
		{"twice", claims(`"a":1,"a":1`), []string{DuplicateMember}},
		{"twice, escaped", claims(`"ab":1,"\u0061b":1`), []string{DuplicateMember}},
		{"twice, deep", claims(`"a":[{"b":{"c":1,"c":1}}]`), []string{DuplicateMember}},
		{"once each", claims(`"a":[{"b":{"c":1}},{"b":{"c":1}}]`), nil},
		{"twice exp", `{"exp":1,` + good[1:], []string{DuplicateMember}},
		{"twice among many", claims(`"m":{"x":1` + manyMembers(100) + `,"y7":1}`), []string{DuplicateMember}},
		{"many", claims(`"m":{"x":1` + manyMembers(100) + `}`), nil},
		{"ISS", claims(`"ISS":"https://evil.example.com"`), []string{AmbiguousClaim}},
		{"iſs", claims(`"iſs":"x"`), []string{AmbiguousClaim}},
		{"iß", claims(`"iß":"x"`), []string{AmbiguousClaim}},
		{"ſub, escaped", claims(`"\u017fub":"x"`), []string{AmbiguousClaim}},
		{"Exp", claims(`"Exp":99999999999`), []string{AmbiguousClaim}},
		{"AUD", claims(`"AUD":"x"`), []string{AmbiguousClaim}},
		{"NBF alone", claims("-nbf", `"NBF":1`), []string{AmbiguousClaim}},
		{"jTi", claims(`"jTi":"x"`), []string{AmbiguousClaim}},
		{"iat2", claims(`"iat2":"x","isss":1,"i":2,"is":3,"":4`), nil},
		{"ISS inside", claims(`"act":{"ISS":"x"}`), nil},
		{"depth 32", nested(32), nil},
		{"depth 33", nested(33), []string{TooDeep}},
		{"depth 5000", claims(`"n":` + strings.Repeat("[", 5000)), []string{TooDeep}},
		{"1000 members", members(1000 - 9), nil},
		{"1001 members", members(1001 - 9), []string{TooManyMembers}},
		{"64 digits", digits(64), nil},
		{"65 digits", digits(65), []string{NumberTooLong}},
		{"10000 digits", digits(10000), []string{NumberTooLong}},
		{"huge exponent", claims(`"n":1e999999999`), []string{NumberTooBig}},
		{"exponent 10000", claims(`"n":1e-10000`), []string{NumberTooBig}},
		{"exponent 9999", claims(`"n":[1e-9999,1e+9999,1e00009999]`), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			start := time.Now()
			wantCodes(t, verifyOne(t, v, s.sign(s.header(), row.payload)), row.want...)
			if took := time.Since(start); took > slowdown*50*time.Millisecond {
				t.Errorf("took %v", took)
			}
			// What the strict reader admits is JSON to others too.
			if row.want == nil && !json.Valid([]byte(row.payload)) {
				t.Error("admitted, but encoding/json does not take it for JSON")
			}
		})
	}
	wantCodes(t, verifyOne(t, v, s.sign(s.header(), claims(`"a":"`+strings.Repeat("x", MaxToken)+`"`))), TooLarge)
}

// manyMembers has members x0 and y0 to y(n-1), with a leading comma.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"y%d":1`, i)
	}
	return b.String()
}

func TestHeaderTalksTheVerifierRound(t *testing.T) {
	s := newSigner(t, "RS256", "k")
	evil := newSigner(t, "RS256", "evil")
	embedded, err := json.Marshal(evil.jwk(nil))
	if err != nil {
		t.Fatal(err)
	}
	server := newKeyServer(t)
	server.serve(evil.jwk(nil))
	v := newVerifier(t, parseJWKS(t, s.jwk(nil)), nil)
	long := strings.Repeat("k", MaxKeyID)
	named := newVerifier(t, parseJWKS(t, s.jwk(map[string]any{"kid": long})), nil)
	for _, row := range []struct {
		name, header string
		want         []string
	}{
		{"as it is", `{"alg":"RS256","kid":"k"}`, nil},
		{"typ", `{"alg":"RS256","kid":"k","typ":"at+jwt","cty":"x","other":{"a":[1]}}`, nil},
		{"typ number", `{"alg":"RS256","kid":"k","typ":1}`, []string{BadHeader}},
		{"none", `{"alg":"none","kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"None", `{"alg":"None","kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"no alg", `{"kid":"k"}`, []string{MissingAlgorithm}},
		{"null alg", `{"alg":null,"kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"list alg", `{"alg":["RS256"],"kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"empty alg", `{"alg":"","kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"lower alg", `{"alg":"rs256","kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"padded alg", `{"alg":"RS256 ","kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"HS256", `{"alg":"HS256","kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"ES256K", `{"alg":"ES256K","kid":"k"}`, []string{UnsupportedAlgorithm}},
		{"another of the type", `{"alg":"PS256","kid":"k"}`, []string{AlgorithmMismatch}},
		{"another type", `{"alg":"ES256","kid":"k"}`, []string{AlgorithmMismatch}},
		{"two algs", `{"alg":"none","alg":"RS256","kid":"k"}`, []string{DuplicateMember}},
		{"Alg", `{"alg":"RS256","Alg":"none","kid":"k"}`, []string{AmbiguousHeader}},
		{"Kelvin id", `{"alg":"RS256","kid":"k","Kid":"k"}`, []string{AmbiguousHeader}},
		{"crit", `{"alg":"RS256","kid":"k","crit":["exp"],"exp":1}`, []string{CriticalHeader}},
		{"crit empty", `{"alg":"RS256","kid":"k","crit":[]}`, []string{CriticalHeader}},
		{"crit null", `{"alg":"RS256","kid":"k","crit":null}`, []string{CriticalHeader}},
		{"b64 and crit", `{"alg":"RS256","kid":"k","b64":false,"crit":["b64"]}`, []string{CriticalHeader, UnencodedPayload}},
		{"b64", `{"alg":"RS256","kid":"k","b64":true}`, []string{UnencodedPayload}},
		{"kid number", `{"alg":"RS256","kid":1}`, []string{BadKeyID}},
		{"kid null", `{"alg":"RS256","kid":null}`, []string{BadKeyID}},
		{"kid list", `{"alg":"RS256","kid":["k"]}`, []string{BadKeyID}},
		{"kid path", `{"alg":"RS256","kid":"../../dev/null"}`, []string{UnknownKey}},
		{"kid SQL", `{"alg":"RS256","kid":"' OR 1=1 --"}`, []string{UnknownKey}},
		{"kid empty", `{"alg":"RS256","kid":""}`, []string{UnknownKey}},
		{"kid in other case", `{"alg":"RS256","kid":"K"}`, []string{UnknownKey}},
		{"kid 1025", `{"alg":"RS256","kid":"` + long + `k"}`, []string{BadKeyID}},
		{"header 4 KiB", `{"alg":"RS256","kid":"k","x":"` + strings.Repeat("x", MaxHeader) + `"}`, []string{TooLarge}},
		{"no kid", `{"alg":"RS256"}`, nil},
		{"not JSON", `{"alg":"RS256","kid":"k"`, []string{BadJSON}},
		{"not an object", `"RS256"`, []string{NotAnObject}},
	} {
		t.Run(row.name, func(t *testing.T) {
			wantCodes(t, verifyOne(t, v, s.sign(row.header, goodClaims())), row.want...)
		})
	}
	wantCodes(t, verifyOne(t, named, s.sign(`{"alg":"RS256","kid":"`+long+`"}`, goodClaims())))

	// A key that the token brings along signs nothing, and none is fetched.
	for _, parameter := range []string{`"jwk":` + string(embedded), `"jku":"` + server.URL + `/keys"`, `"x5u":"` + server.URL + `/keys"`} {
		for _, kid := range []string{`"kid":"k",`, ``} {
			header := `{"alg":"RS256",` + kid + parameter + `}`
			wantCodes(t, verifyOne(t, v, evil.sign(header, goodClaims())), BadSignature)
			wantCodes(t, verifyOne(t, v, s.sign(header, goodClaims())))
		}
		wantCodes(t, verifyOne(t, v, evil.sign(`{"alg":"RS256","kid":"evil",`+parameter+`}`, goodClaims())), UnknownKey)
	}
	if n := server.requests.Load(); n != 0 {
		t.Errorf("the token's own URL was asked %d times", n)
	}
	// The public key is no shared secret.
	rsaOnly := newVerifier(t, parseJWKS(t, s.jwk(nil)), func(c *Config) { c.Algorithms = []string{"RS256"} })
	wantCodes(t, verifyOne(t, rsaOnly, s.sign(`{"alg":"RS384","kid":"k"}`, goodClaims())), UnsupportedAlgorithm)
	wantCodes(t, verifyOne(t, rsaOnly, s.sign(`{"alg":"RS256","kid":"k"}`, goodClaims())))
}

func TestClaimsTalkTheVerifierRound(t *testing.T) {
	s := newSigner(t, "EdDSA", "k")
	keys := parseJWKS(t, s.jwk(nil))
	with := func(leeway time.Duration, change func(*Config)) *Verifier {
		return newVerifier(t, keys, func(c *Config) {
			c.Leeway = &leeway
			if change != nil {
				change(c)
			}
		})
	}
	exact, lenient := with(0, nil), with(30*time.Second, nil)
	longest := with(MaxLeeway, nil)
	limited := with(30*time.Second, func(c *Config) { c.MaxLifetime, c.MaxAge = time.Hour, 10*time.Minute })
	two := with(0, func(c *Config) { c.Audiences = []string{"other", testAudience} })
	slash := with(0, func(c *Config) { c.Issuer = testIssuer + "/" })
	for _, row := range []struct {
		v     *Verifier
		claim string
		want  []string
	}{
		{exact, `"iss":"https://gitlab.example.com"`, nil},
		{exact, `"iss":"https://gitlab.example.com/"`, []string{WrongIssuer}},
		{slash, `"iss":"https://gitlab.example.com/"`, nil},
		{slash, `"iss":"https://gitlab.example.com"`, []string{WrongIssuer}},
		{exact, `"iss":"https://gitlab.example.com:443"`, []string{WrongIssuer}},
		{exact, `"iss":"https://GITLAB.example.com"`, []string{WrongIssuer}},
		{exact, `"iss":"https://gitlab.example.com "`, []string{WrongIssuer}},
		{exact, `"iss":"https://gitlab.example.com\u0000"`, []string{WrongIssuer}},
		{exact, `"iss":"https:\/\/gitlab.example.com"`, nil},
		{exact, `"iss":"https://g\u0456tlab.example.com"`, []string{WrongIssuer}},
		{exact, `"iss":["https://gitlab.example.com"]`, []string{BadIssuer}},
		{exact, `"iss":null`, []string{BadIssuer}},
		{exact, `-iss`, []string{MissingIssuer}},

		{exact, `"sub":7`, []string{BadSubject}},
		{exact, `"sub":null`, []string{BadSubject}},
		{exact, `-sub`, nil},

		{exact, `"aud":["x","https://vault.example.com"]`, nil},
		{two, `"aud":["x","https://vault.example.com"]`, nil},
		{two, `"aud":"other"`, nil},
		{exact, `"aud":"other"`, []string{WrongAudience}},
		{exact, `"aud":["https://vault.example.com/"]`, []string{WrongAudience}},
		{exact, `"aud":"x https://vault.example.com"`, []string{WrongAudience}},
		{exact, `"aud":"x,https://vault.example.com"`, []string{WrongAudience}},
		{exact, `"aud":""`, []string{WrongAudience}},
		{exact, `"aud":[]`, []string{BadAudience}},
		{exact, `"aud":["https://vault.example.com",7]`, []string{BadAudience}},
		{exact, `"aud":[["https://vault.example.com"]]`, []string{BadAudience}},
		{exact, `"aud":{"https://vault.example.com":1}`, []string{BadAudience}},
		{exact, `"aud":null`, []string{BadAudience}},
		{exact, `"aud":true`, []string{BadAudience}},
		{exact, `-aud`, []string{MissingAudience}},

		{exact, `"exp":1800000000`, []string{Expired}},
		{exact, `"exp":1800000001`, nil},
		{exact, `"exp":1800000000.0000000001`, nil},
		{exact, `"exp":1.8000000001e9`, nil},
		{exact, `"exp":1.8e9`, []string{Expired}},
		{exact, `"exp":18000000010e-1`, nil},
		{lenient, `"exp":1799999971`, nil},
		{lenient, `"exp":1799999970.5`, nil},
		{lenient, `"exp":1799999970`, []string{Expired}},
		{longest, `"exp":1799999701`, nil},
		{longest, `"exp":1799999700`, []string{Expired}},
		{exact, `"exp":0`, []string{Expired}},
		{exact, `"exp":-0`, []string{Expired}},
		{exact, `"exp":253402300799`, nil},
		{exact, `"exp":253402300799.5`, []string{BadTime}},
		{exact, `"exp":253402300800`, []string{BadTime}},
		{exact, `"exp":1e300`, []string{BadTime}},
		{exact, `"exp":9223372036854775807`, []string{BadTime}},
		{exact, `"exp":18446744073709551617`, []string{BadTime}},
		{exact, `"exp":1800003600000`, []string{BadTime}},
		{exact, `"exp":-1`, []string{BadTime}},
		{exact, `"exp":"1800003600"`, []string{BadTime}},
		{exact, `"exp":true`, []string{BadTime}},
		{exact, `"exp":null`, []string{BadTime}},
		{exact, `"exp":[1800003600]`, []string{BadTime}},
		{exact, `-exp`, []string{MissingExpiry}},

		{exact, `"nbf":1800000000`, nil},
		{exact, `"nbf":1800000000.000000001`, []string{NotYetValid}},
		{exact, `"nbf":1800000001`, []string{NotYetValid}},
		{lenient, `"nbf":1800000030`, nil},
		{lenient, `"nbf":1800000031`, []string{NotYetValid}},
		{longest, `"nbf":1800000300`, nil},
		{longest, `"nbf":1800000301`, []string{NotYetValid}},
		{exact, `"nbf":1e300`, []string{BadTime}},
		{exact, `"nbf":1e19`, []string{BadTime}},
		{exact, `"nbf":9223372036854775808`, []string{BadTime}},
		{exact, `"nbf":18446744073709551616`, []string{BadTime}},
		{exact, `"nbf":` + strings.Repeat("9", 50), []string{BadTime}},
		{exact, `"nbf":"0"`, []string{BadTime}},
		{exact, `"nbf":null`, []string{BadTime}},
		{exact, `-nbf`, nil},
		{exact, `"nbf":0`, nil},
		{exact, `"nbf":1e-400`, nil},

		{exact, `"iat":1800000001`, []string{IssuedInFuture}},
		{lenient, `"iat":1800000030`, nil},
		{lenient, `"iat":1800000031`, []string{IssuedInFuture}},
		{exact, `"iat":"x"`, []string{BadTime}},
		{exact, `-iat`, nil},
		{limited, `-iat`, []string{MissingIssuedAt}},
		{limited, `"iat":1800000000`, nil},
		{limited, `"iat":1799999999`, []string{LifetimeTooLong}},
		{limited, `"iat":1799999370,"exp":1800000001`, nil},
		{limited, `"iat":1799999369,"exp":1800000001`, []string{TooOld}},

		{exact, `"_claim_names":{"groups":"src"},"_claim_sources":{"src":{"endpoint":"http://127.0.0.1:1/"}}`, nil},
		{exact, `"nonce":7`, []string{Disagreement}},
		{exact, `"nonce":"7"`, nil},
	} {
		t.Run(row.claim, func(t *testing.T) {
			// One row may set two claims.
			claims := row.claim
			if i := strings.Index(claims, `,"exp":`); i > 0 {
				claims = goodClaims("-exp", claims[:i], claims[i+1:])
			} else {
				claims = goodClaims(claims)
			}
			token, err := row.v.Verify(t.Context(), s.sign(s.header(), claims), testNow)
			wantCodes(t, err, row.want...)
			if (token == nil) != (err != nil) {
				t.Errorf("got token %v with error %v", token, err)
			}
		})
	}
}

func TestOnlyTheFirstFaultIsReported(t *testing.T) {
	s, other := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "k")
	v := newVerifier(t, parseJWKS(t, s.jwk(nil)), func(c *Config) { c.Algorithms = []string{"ES256"} })
	claims := goodClaims(`"aud":"x"`, `"exp":1`, `"nbf":1900000000`, `"iat":"x"`, `"sub":1`, `"a":1,"a":2`, `"NBF":1`)
	wantCodes(t, verifyOne(t, v, other.sign(other.header(), claims)),
		DuplicateMember, AmbiguousClaim, BadSubject, WrongAudience, Expired, NotYetValid, BadTime, BadSignature)
	wantCodes(t, verifyOne(t, v, other.sign(`{"alg":"none","crit":1,"kid":2}`, goodClaims("-exp"))),
		UnsupportedAlgorithm, CriticalHeader, BadKeyID, MissingExpiry)
	wantCodes(t, verifyOne(t, v, "e30.e30."),
		MissingAlgorithm, MissingIssuer, MissingAudience, MissingExpiry)
}

// TestRefusalTellsTheToken puts a secret into every place of a token; no
// error may show it.
func TestRefusalTellsTheToken(t *testing.T) {
	const secret = "s3cr3t"
	s := newSigner(t, "EdDSA", "k")
	v := newVerifier(t, parseJWKS(t, s.jwk(nil)), nil)
	for _, token := range []string{
		secret, secret + "." + secret + "." + secret, `{"` + secret + `":1}`,
		s.sign(`{"alg":"`+secret+`","kid":"`+secret+`","crit":["`+secret+`"],"typ":["`+secret+`"]}`, goodClaims()),
		s.sign(`{"alg":"EdDSA","kid":"`+secret+`"}`, goodClaims()),
		s.sign(s.header(), goodClaims(`"iss":"`+secret+`"`, `"aud":["`+secret+`"]`, `"exp":"`+secret+`"`, `"`+secret+`":1,"`+secret+`":2`)),
		s.sign(s.header(), goodClaims(`"`+secret+`":}`)),
		s.sign(s.header(), goodClaims(`"nonce":{"`+secret+`":1}`)),
		s.sign(s.header(), goodClaims(`"_claim_names":{"a":"`+secret+`"}`)),
	} {
		_, err := v.Verify(t.Context(), token, testNow)
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("got %v, want a refusal", err)
		}
		if text := fmt.Sprint(err, refusal.Reasons); strings.Contains(text, secret) || strings.Contains(text, token) {
			t.Errorf("the error tells: %s", text)
		}
	}
}

func TestCodesAreNotTabulated(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range Codes() {
		if seen[c.Code] || c.Meaning == "" || strings.ToLower(c.Code) != c.Code || strings.ContainsAny(c.Code, " -") {
			t.Errorf("%+v", c)
		}
		seen[c.Code] = true
	}
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, c := range Codes() {
		fmt.Fprintf(&table, "//\t%-25s %s\n", c.Code, c.Meaning)
	}
	if !strings.Contains(string(source), "//\n"+table.String()+"package verifier\n") {
		t.Errorf("the table in doc.go is not that of Codes; want\n%s", table.String())
	}
}

func TestBareClaimsLoseTheirValue(t *testing.T) {
	for _, row := range []struct {
		text, want string
		codes      []string
	}{
		{`{"a":1}`, `{"a":1}`, nil},
		{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`, []string{DuplicateMember}},
		{`{"a":{"x":1},"a":{"y":2}}`, `{"a":{"y":2}}`, []string{DuplicateMember}},
		{`{"a":"\ud800"}`, `{"a":"�"}`, []string{LoneSurrogate}},
		{"{\"a\":\"x\xff\xfey\"}", `{"a":"x��y"}`, []string{BadUTF8}},
		{`{"ISS":"x","iss":"y"}`, `{"ISS":"x","iss":"y"}`, []string{AmbiguousClaim}},
		{`{"n":1.10,"m":9007199254740993,"o":-0,"p":2E+1}`, `{"n":1.10,"m":9007199254740993,"o":-0,"p":2E+1}`, nil},
		{`{}`, `{}`, nil},
	} {
		claims, reasons, err := ReadClaims([]byte(row.text))
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		var got []string
		for _, r := range reasons {
			got = append(got, r.Code)
		}
		if !slices.Equal(got, row.codes) || string(claims.Text) != row.text {
			t.Errorf("%s: got %v, want %v", row.text, got, row.codes)
		}
		if want := ast.MustParseTerm(row.want).Value; claims.Value.Compare(want) != 0 {
			t.Errorf("%s: got %v, want %v", row.text, claims.Value, want)
		}
	}
	claims, _, err := ReadClaims([]byte(`{"n":1.10}`))
	if err != nil {
		t.Fatal(err)
	}
	if n := claims.Value.Get(ast.StringTerm("n")).Value.(ast.Number); n != "1.10" {
		t.Errorf("got %s, want the spelling 1.10", n)
	}
	for text, code := range map[string]string{
		"": BadJSON, "[]": NotAnObject, "{": BadJSON, `{} {}`: TrailingData, "\ufeff{}": ByteOrderMark,
		`{"a":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + "}": TooDeep,
		`{"a":"` + strings.Repeat("x", MaxToken) + `"}`:                   TooLarge,
	} {
		_, _, err := ReadClaims([]byte(text))
		if got := codes(t, err); !slices.Equal(got, []string{code}) {
			t.Errorf("%.20q: got %v, want %s", text, got, code)
		}
	}
}

func TestInspectionHidesTheParts(t *testing.T) {
	s := newSigner(t, "EdDSA", "k")
	u, reasons := ReadToken(s.sign(`{"alg":"HS256","kid":"k"}`, goodClaims(`"a":1,"a":2`)))
	if len(reasons) != 2 || u.Algorithm != "HS256" || u.KeyID != "k" || u.Claims.Value == nil || len(u.SHA256) != 64 {
		t.Errorf("got %+v, %v", u, reasons)
	}
	u, reasons = ReadToken("x")
	if len(reasons) != 1 || u.Claims.Value != nil || u.Header.Value != nil {
		t.Errorf("got %+v, %v", u, reasons)
	}
}

func TestSetAsksTheWrongIssuer(t *testing.T) {
	a, b := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "k")
	second := func(c *Config) { c.Issuer = "https://token.actions.example.com" }
	set, err := NewSet(newVerifier(t, parseJWKS(t, a.jwk(nil)), nil), newVerifier(t, parseJWKS(t, b.jwk(nil)), second))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(s signer, claims string) error {
		_, err := set.Verify(t.Context(), s.sign(s.header(), claims), testNow)
		return err
	}
	wantCodes(t, verify(a, goodClaims()))
	wantCodes(t, verify(b, goodClaims(`"iss":"https://token.actions.example.com"`)))
	wantCodes(t, verify(b, goodClaims()), BadSignature)
	wantCodes(t, verify(a, goodClaims(`"iss":"https://token.actions.example.com"`)), BadSignature)
	wantCodes(t, verify(a, goodClaims(`"iss":"https://evil.example.com"`)), WrongIssuer)
	wantCodes(t, verify(a, goodClaims(`"iss":7`)), BadIssuer)
	wantCodes(t, verify(a, goodClaims("-iss")), MissingIssuer)
	_, err = set.Verify(t.Context(), "x", testNow)
	wantCodes(t, err, NotAJWT)

	if _, err := NewSet(); err == nil {
		t.Error("a set of no issuers")
	}
	twin := newVerifier(t, parseJWKS(t, a.jwk(nil)), nil)
	if _, err := NewSet(twin, twin); err == nil {
		t.Error("a set with an issuer twice")
	}
}

func TestDangerousConfigurationIsTaken(t *testing.T) {
	keys := parseJWKS(t, newSigner(t, "EdDSA", "k").jwk(nil))
	d := func(d time.Duration) *time.Duration { return &d }
	for name, change := range map[string]func(*Config){
		"":             func(*Config) {},
		"issuer":       func(c *Config) { c.Issuer = "" },
		"audiences":    func(c *Config) { c.Audiences = nil },
		"audiences: ":  func(c *Config) { c.Audiences = []string{"x", ""} },
		"algorithms":   func(c *Config) { c.Algorithms = []string{"RS256", "none"} },
		"algorithms: ": func(c *Config) { c.Algorithms = []string{"HS256"} },
		"leeway":       func(c *Config) { c.Leeway = d(MaxLeeway + 1) },
		"leeway: ":     func(c *Config) { c.Leeway = d(-1) },
		"lifetime":     func(c *Config) { c.MaxLifetime = -1 },
		"age":          func(c *Config) { c.MaxAge = -1 },
		"keys":         func(c *Config) { c.Keys = nil },
	} {
		c := Config{Issuer: testIssuer, Audiences: []string{testAudience}, Keys: keys}
		change(&c)
		if _, err := New(c); (err == nil) != (name == "") || err != nil && !strings.Contains(err.Error(), strings.TrimSuffix(name, ": ")) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
