package wycheproof

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	vectors "github.com/c2sp/wycheproof"

	"github.com/trustcheck/trustcheck/verifier"
)

// vector is one row of a file.
type vector struct {
	ID      int             `json:"tcId"`
	Comment string          `json:"comment"`
	JWS     json.RawMessage `json:"jws"`
	JWE     json.RawMessage `json:"jwe"`
	Result  string          `json:"result"`
	Flags   []string        `json:"flags"`
}

type group struct {
	Comment string          `json:"comment"`
	Type    string          `json:"type"`
	Public  json.RawMessage `json:"public"`
	Private json.RawMessage `json:"private"`
	Tests   []vector        `json:"tests"`
}

func read(t *testing.T, file string) []group {
	t.Helper()
	text, err := fs.ReadFile(vectors.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		NumberOfTests int     `json:"numberOfTests"`
		Groups        []group `json:"testGroups"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range document.Groups {
		n += len(g.Tests)
	}
	if n != document.NumberOfTests || n == 0 {
		t.Fatalf("%s: read %d rows, want %d", file, n, document.NumberOfTests)
	}
	return document.Groups
}

// keySet returns the keys as an issuer would publish them. Where a group has
// only a private or symmetric key, that is what is published.
func (g group) keySet(t *testing.T) *verifier.JWKS {
	t.Helper()
	key := g.Public
	if key == nil {
		key = g.Private
	}
	var probe struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(key, &probe); err != nil {
		t.Fatal(err)
	}
	if probe.Keys == nil {
		key = json.RawMessage(`{"keys":[` + string(key) + `]}`)
	}
	set, err := verifier.ParseJWKS(key)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// symmetric says whether the group is about shared secrets only, which no
// issuer publishes and no verifier here takes: all its rows must be refused.
func (g group) symmetric(t *testing.T) bool {
	t.Helper()
	if g.Public != nil {
		return false
	}
	type key struct {
		Type string `json:"kty"`
	}
	var one struct {
		key
		Keys []key `json:"keys"`
	}
	if err := json.Unmarshal(g.Private, &one); err != nil {
		t.Fatal(err)
	}
	if one.Keys == nil {
		return one.Type == "oct"
	}
	return !slices.ContainsFunc(one.Keys, func(k key) bool { return k.Type != "oct" })
}

// text returns the token as it came: a compact one, or the text of a JSON
// serialization.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// check holds every row of a file against the verifier. An asymmetric row must
// come out as labelled; a row about shared secrets or encryption must be
// refused, whatever its label. An exception whose row comes out as labelled is
// an error too.
func check(t *testing.T, file string, asymmetric int, exceptions map[int]string) {
	unused := maps.Clone(exceptions)
	for _, g := range read(t, file) {
		set := g.keySet(t)
		for _, row := range g.Tests {
			token, want := text(row.JWS), row.Result == "valid"
			if row.JWE != nil {
				token, want = text(row.JWE), false
			} else if g.symmetric(t) {
				want = false
			} else {
				asymmetric--
			}
			_, err := set.VerifySignature(t.Context(), token)
			if got := err == nil; got == want {
				continue
			}
			if unused[row.ID] == "" {
				t.Errorf("%s %d (%s: %s): want %s, got %v; keys: %q", file, row.ID, g.Comment, row.Comment, row.Result, err, set.Warnings())
			}
			delete(unused, row.ID)
		}
	}
	for id, reason := range unused {
		t.Errorf("%s %d came out as labelled; it was an exception because %s", file, id, reason)
	}
	if asymmetric != 0 {
		t.Errorf("%s: %d asymmetric rows more than were met", file, asymmetric)
	}
}

func TestSignatureVectors(t *testing.T) {
	const (
		oneAlgorithm = "its key says alg PS256 and its header PS384; RFC 7520 figure 3 has no alg, and rows such as 338 (key PS512, header PS256, flag WrongPrimitive) are labelled invalid for this very difference"
		misspelt     = "its key says alg ES521, which is no algorithm (RFC 7518 section 3.1 has ES512); RFC 7520 figure 1 has no alg"
	)
	check(t, "json_web_signature_test.json", 361, map[int]string{
		346: oneAlgorithm,
		347: misspelt,
		350: oneAlgorithm,
		351: misspelt,
	})
}

// TestExceptionsDifferInMoreThanAlg takes the doubtful alg away from the keys of
// the exceptions, as RFC 7520 has them: then they verify.
func TestExceptionsDifferInMoreThanAlg(t *testing.T) {
	n := 0
	for _, g := range read(t, "json_web_signature_test.json") {
		for _, row := range g.Tests {
			if row.ID < 345 || row.ID > 351 || g.symmetric(t) {
				continue
			}
			var key map[string]any
			if err := json.Unmarshal(g.Public, &key); err != nil {
				t.Fatal(err)
			}
			delete(key, "alg")
			bare, err := json.Marshal(map[string]any{"keys": []any{key}})
			if err != nil {
				t.Fatal(err)
			}
			set, err := verifier.ParseJWKS(bare)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := set.VerifySignature(t.Context(), text(row.JWS)); err != nil {
				t.Errorf("%d (%s): %v", row.ID, row.Comment, err)
			}
			n++
		}
	}
	if n != 6 {
		t.Errorf("met %d examples of RFC 7520, want 6", n)
	}
}

func TestKeyVectors(t *testing.T) {
	check(t, "json_web_key_test.json", 12, nil)
}

func TestCryptoVectors(t *testing.T) {
	check(t, "json_web_crypto_test.json", 30, nil)
}

// TestEncryptionVectors: a JWE is refused, however well it is made.
func TestEncryptionVectors(t *testing.T) {
	check(t, "json_web_encryption_test.json", 0, nil)
}

// TestVectorsAsClaims sends every row through the strict reader that stands
// before all policies: nothing may panic or take long.
func TestVectorsAsClaims(t *testing.T) {
	for _, file := range []string{"signature", "key", "crypto", "encryption"} {
		for _, g := range read(t, "json_web_"+file+"_test.json") {
			for _, row := range g.Tests {
				raw := row.JWS
				if raw == nil {
					raw = row.JWE
				}
				start := time.Now()
				if _, reasons := verifier.ReadToken(text(raw)); len(reasons) == 0 {
					// Their payloads are texts such as "Test", no claims.
					t.Errorf("%s %d: read as claims", file, row.ID)
				}
				if took := time.Since(start); took > 50*time.Millisecond {
					t.Errorf("%s %d: took %v", file, row.ID, took)
				}
			}
		}
	}
}
