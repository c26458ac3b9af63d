// Command regenerate writes the sample tokens of testdata/tokens anew, with a key
// that is made for the run and forgotten after it:
//
//	go run ./internal/mint/regenerate
//
// Claims come out the same every time; keys and signatures never do.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/trustcheck/trustcheck/internal/mint"
)

// moment is the time at which the samples are used, 2026-01-15T12:00:00Z. They
// are valid for half an hour on both sides of it.
const moment = 1768478400

const keyID = "throwaway-do-not-trust"

// A sample becomes NAME.jwt and NAME.claims.json.
type sample struct {
	name, shape string
	overrides   []string
}

func samples() []sample {
	return []sample{
		{"gitlab", "gitlab", nil},
		{"gitlab-unprotected", "gitlab", []string{"ref=feature/login", "user_login=bob", "user_access_level=developer", "job_id=303", "pipeline_id=575"}},
		{"gitlab-v1", "gitlab-v1", nil},
		{"gitlab-v2", "gitlab-v2", nil},
		// GitHub's tokens live five minutes; this one as long as the others.
		{"github", "github", []string{fmt.Sprintf("exp=%d", moment+30*60)}},
	}
}

func (s sample) claims() (map[string]any, error) {
	var overrides []mint.Override
	for _, text := range s.overrides {
		o, err := mint.ParseOverride(text)
		if err != nil {
			return nil, err
		}
		overrides = append(overrides, o)
	}
	return mint.Claims(s.shape, overrides, time.Unix(moment, 0).Add(-30*time.Minute))
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("regenerate: ")
	dir := flag.String("dir", filepath.Join("testdata", "tokens"), "where the samples are")
	flag.Parse()
	if err := regenerate(*dir); err != nil {
		log.Fatal(err)
	}
}

func regenerate(dir string) error {
	key, err := mint.NewKey("RS256")
	if err != nil {
		return err
	}
	key.ID = keyID
	files, err := render(key)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// render returns every file by its name.
func render(key mint.Key) (map[string][]byte, error) {
	jwks, err := mint.JWKS(key)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"jwks.json": jwks}
	for _, s := range samples() {
		claims, err := s.claims()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		token, err := mint.Sign(key, "", "", claims)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		text, err := indent(claims)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		files[s.name+".jwt"] = []byte(token + "\n")
		files[s.name+".claims.json"] = text
	}
	return files, nil
}

func indent(claims map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(claims); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
