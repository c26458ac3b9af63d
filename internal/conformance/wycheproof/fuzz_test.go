package wycheproof

import (
	"encoding/json"
	"io/fs"
	"testing"

	vectors "github.com/c2sp/wycheproof"

	"github.com/trustcheck/trustcheck/verifier"
)

// FuzzVerifySignature starts from every vector. Nothing may panic, and no text
// that is not among the vectors may verify: a compact token has one spelling.
func FuzzVerifySignature(f *testing.F) {
	known := make(map[string]bool)
	for _, file := range []string{"signature", "key", "crypto", "encryption"} {
		content, err := fs.ReadFile(vectors.TestVectors, "json_web_"+file+"_test.json")
		if err != nil {
			f.Fatal(err)
		}
		var document struct {
			Groups []group `json:"testGroups"`
		}
		if err := json.Unmarshal(content, &document); err != nil {
			f.Fatal(err)
		}
		for _, g := range document.Groups {
			keys := g.Public
			if keys == nil {
				keys = g.Private
			}
			set := `{"keys":[` + string(keys) + `]}`
			for _, row := range g.Tests {
				token := text(row.JWS)
				if row.JWE != nil {
					token = text(row.JWE)
				}
				f.Add([]byte(set), token)
				f.Add([]byte(keys), token)
				known[token] = true
			}
		}
	}
	f.Fuzz(func(t *testing.T, jwks []byte, token string) {
		verifier.ReadToken(token)
		set, err := verifier.ParseJWKS(jwks)
		if err != nil {
			return
		}
		if _, err := set.VerifySignature(t.Context(), token); err == nil && !known[token] {
			t.Errorf("verified, but no vector: %q with %s", token, jwks)
		}
	})
}
