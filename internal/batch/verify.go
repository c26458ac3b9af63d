package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

// remembered is how many verifiers, and how many roles, are kept ready between lines.
const remembered = 1024

// Verify answers lines of `verify --batch`.
type Verify struct {
	// Folder is where paths of key sets are relative to.
	Folder string
	// Now is asked for lines that give no time.
	Now func() time.Time

	verifiers *lru.Cache[string, *verifier.Verifier]
}

// NewVerify returns an answerer whose key set paths are relative to folder.
func NewVerify(folder string, now func() time.Time) *Verify {
	verifiers, _ := lru.New[string, *verifier.Verifier](remembered)
	return &Verify{Folder: folder, Now: now, verifiers: verifiers}
}

// BadKeySet is the code of "could not tell" where the key set of a line cannot be read.
const BadKeySet = "bad_key_set"

// badKeySet is the error for a key set that cannot be read as one.
type badKeySet struct{ err error }

func (b *badKeySet) Error() string { return "jwks: " + b.err.Error() }

// trusted are the members of a line that say whose tokens are good.
type trusted struct {
	Token    string          `json:"token"`
	Issuer   string          `json:"issuer"`
	Audience oneOrMany       `json:"audience"`
	JWKS     json.RawMessage `json:"jwks"`
	Now      *instant        `json:"now"`
	Algs     []string        `json:"algs"`
	Leeway   *json.Number    `json:"leeway_s"`
}

var verifyMembers = []string{"id", "token", "issuer", "audience", "jwks", "now", "algs", "leeway_s"}

type verifyLine struct {
	ID json.RawMessage `json:"id"`
	trusted
}

type verified struct {
	ID      json.RawMessage          `json:"id"`
	Valid   *bool                    `json:"valid"`
	Claims  json.RawMessage          `json:"claims,omitempty"`
	Reasons []trustcheck.TokenReason `json:"reasons,omitempty"`
}

// Answer verifies the token of one line.
func (v *Verify) Answer(ctx context.Context, number json.RawMessage, line []byte) (any, error) {
	var asked verifyLine
	if err := decode(line, &asked, verifyMembers); err != nil {
		return nil, err
	}
	id := called(asked.ID, number)
	ready, err := v.verifier(asked.trusted)
	if unreadable := (*badKeySet)(nil); errors.As(err, &unreadable) {
		return verified{ID: id, Reasons: []trustcheck.TokenReason{{Code: BadKeySet, Message: err.Error()}}}, nil
	}
	if err != nil {
		return nil, err
	}
	valid, invalid := true, false
	token, err := ready.Verify(ctx, asked.Token, asked.at(v.Now))
	if refused := (*verifier.Refusal)(nil); errors.As(err, &refused) {
		return verified{ID: id, Valid: &invalid, Reasons: refused.Reasons}, nil
	}
	if err != nil {
		return verified{ID: id, Reasons: []trustcheck.TokenReason{{Code: bundles.IssuerUnavailable, Message: err.Error()}}}, nil
	}
	return verified{ID: id, Valid: &valid, Claims: token.Claims.Text}, nil
}

func (t trusted) at(clock func() time.Time) time.Time {
	if t.Now != nil {
		return t.Now.Time
	}
	return clock()
}

// verifier returns the verifier of a line; equal ones are made once.
func (v *Verify) verifier(asked trusted) (*verifier.Verifier, error) {
	key := fmt.Sprintf("%q %q %q %v %s", asked.Issuer, asked.Audience, asked.Algs, asked.Leeway, asked.JWKS)
	if ready, ok := v.verifiers.Get(key); ok {
		return ready, nil
	}
	config := verifier.Config{Issuer: asked.Issuer, Audiences: asked.Audience, Algorithms: asked.Algs}
	if asked.Leeway != nil {
		leeway, err := time.ParseDuration(asked.Leeway.String() + "s")
		if err != nil {
			return nil, fmt.Errorf("leeway_s: want seconds, got %s", asked.Leeway)
		}
		config.Leeway = &leeway
	}
	keys, err := v.keys(asked.JWKS)
	if err != nil {
		return nil, err
	}
	config.Keys = keys
	ready, err := verifier.New(config)
	if err != nil {
		return nil, err
	}
	v.verifiers.Add(key, ready)
	return ready, nil
}

// keys reads a key set that is given whole, or as the path of a file.
func (v *Verify) keys(given json.RawMessage) (*verifier.JWKS, error) {
	var path string
	if json.Unmarshal(given, &path) != nil {
		if len(given) == 0 {
			return nil, errors.New("jwks: want a key set or the path of a file, got nothing")
		}
		return parseKeys(given)
	}
	if strings.TrimSpace(path) == "" {
		return nil, errors.New("jwks: want a key set or the path of a file, got an empty text")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(v.Folder, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	return parseKeys(text)
}

func parseKeys(text []byte) (*verifier.JWKS, error) {
	keys, err := verifier.ParseJWKS(text)
	if err != nil {
		return nil, &badKeySet{err: err}
	}
	return keys, nil
}
