package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

var tokens = filepath.Join("..", "..", "..", "testdata", "tokens")

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tokens, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// verify returns the payload of a sample once its signature is verified against
// the committed key set.
func verify(t *testing.T, name string) []byte {
	t.Helper()
	jws, err := jose.ParseSignedCompact(strings.TrimSpace(string(read(t, name+".jwt"))), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got := jws.Signatures[0].Header.KeyID; got != keyID {
		t.Errorf("%s: kid %q, want %q", name, got, keyID)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(read(t, "jwks.json"), &set); err != nil {
		t.Fatal(err)
	}
	keys := set.Key(keyID)
	if len(keys) != 1 || !keys[0].IsPublic() {
		t.Fatalf("jwks.json: want one public key %s, got %d", keyID, len(keys))
	}
	payload, err := jws.Verify(keys[0])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return payload
}

func TestSampleDriftsFromItsToken(t *testing.T) {
	for _, s := range samples() {
		committed := decode(t, read(t, s.name+".claims.json"))
		if payload := decode(t, verify(t, s.name)); !reflect.DeepEqual(payload, committed) {
			t.Errorf("%s: the token says\n%v\nand the claims beside it\n%v", s.name, payload, committed)
		}
		fresh, err := s.claims()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fresh, committed) {
			t.Errorf("%s: regenerate would write\n%v\nnot\n%v", s.name, fresh, committed)
		}
	}
}

func TestSampleIsNotAsItsIssuerMintsIt(t *testing.T) {
	want := map[string][2]string{
		"gitlab":             {issuer.GitLab, "id_tokens"},
		"gitlab-unprotected": {issuer.GitLab, "id_tokens"},
		"gitlab-v1":          {issuer.GitLab, "CI_JOB_JWT"},
		"gitlab-v2":          {issuer.GitLab, "CI_JOB_JWT_V2"},
		"github":             {issuer.GitHub, "classic"},
	}
	for _, s := range samples() {
		claims := decode(t, read(t, s.name+".claims.json"))
		name, generation := issuer.Recognise(claims)
		if got := [2]string{name, generation}; got != want[s.name] {
			t.Errorf("%s: recognised as %q, want %q", s.name, got, want[s.name])
		}
		for _, w := range issuer.Check(name, claims) {
			t.Errorf("%s: %v", s.name, w)
		}
	}
}

func TestSampleIsNotValidAtTheMoment(t *testing.T) {
	for _, s := range samples() {
		claims := decode(t, read(t, s.name+".claims.json"))
		for claim, want := range map[string]int64{"iat": moment - 1800, "exp": moment + 1800} {
			got, err := claims[claim].(json.Number).Int64()
			if err != nil || got != want {
				t.Errorf("%s: %s is %v, want %d", s.name, claim, claims[claim], want)
			}
		}
	}
}

// A token of GitLab 18.9 without an environment has 33 claims. Its size is not
// held: acme/infra and small ids make the sample 1.7 KB, where real names and ids
// make 1.9.
func TestGitLabSampleLacksAClaim(t *testing.T) {
	if n := len(decode(t, read(t, "gitlab.claims.json"))); n != 33 {
		t.Errorf("%d claims, want 33", n)
	}
}

func TestUnprotectedDiffersInMoreThanItsRun(t *testing.T) {
	protected, unprotected := decode(t, read(t, "gitlab.claims.json")), decode(t, read(t, "gitlab-unprotected.claims.json"))
	for _, claim := range []string{"iss", "aud", "project_id", "project_path", "namespace_id", "namespace_path", "job_project_id"} {
		if protected[claim] != unprotected[claim] {
			t.Errorf("%s: %v and %v", claim, protected[claim], unprotected[claim])
		}
	}
	if protected["ref_protected"] != "true" || unprotected["ref_protected"] != "false" {
		t.Errorf("ref_protected: %v and %v", protected["ref_protected"], unprotected["ref_protected"])
	}
}

// Every file in the folder is written by the command or is its README.
func TestStrayFileAmongTheSamples(t *testing.T) {
	dir := t.TempDir()
	if err := regenerate(dir); err != nil {
		t.Fatal(err)
	}
	list := func(dir string) (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "README.md" {
				names = append(names, e.Name())
			}
		}
		return names
	}
	if got, want := list(tokens), list(dir); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPrivateKeyIsCommitted(t *testing.T) {
	for _, member := range decode(t, read(t, "jwks.json"))["keys"].([]any) {
		for _, private := range []string{"d", "p", "q", "k"} {
			if _, ok := member.(map[string]any)[private]; ok {
				t.Errorf("jwks.json has a member %q", private)
			}
		}
	}
}
