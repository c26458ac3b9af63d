package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/platform"
	"github.com/trustcheck/trustcheck/verifier"
)

// Check answers lines of `check --batch`.
type Check struct {
	bundle *bundles.Bundle
	verify *Verify
	roles  *lru.Cache[string, prepared]
}

// prepared is a role made ready, or why it cannot be.
type prepared struct {
	role *bundles.Role
	err  error
}

// NewCheck returns an answerer that decides by bundle; key set paths are relative to
// folder.
func NewCheck(bundle *bundles.Bundle, folder string, now func() time.Time) *Check {
	roles, _ := lru.New[string, prepared](remembered)
	return &Check{bundle: bundle, verify: NewVerify(folder, now), roles: roles}
}

var checkMembers = append([]string{"platform", "role", "context", "claims", "claims_text"}, verifyMembers...)

type checkLine struct {
	ID         json.RawMessage `json:"id"`
	Platform   string          `json:"platform"`
	Role       json.RawMessage `json:"role"`
	Context    map[string]any  `json:"context"`
	Claims     json.RawMessage `json:"claims"`
	ClaimsText *string         `json:"claims_text"`
	trusted
}

type decided struct {
	ID              json.RawMessage          `json:"id"`
	Verdict         trustcheck.Verdict       `json:"verdict"`
	Stage           string                   `json:"stage"`
	Reasons         []trustcheck.Reason      `json:"reasons"`
	TokenReasons    []trustcheck.TokenReason `json:"token_reasons,omitempty"`
	PlatformVerdict trustcheck.Verdict       `json:"platform_verdict,omitempty"`
	Assumed         []string                 `json:"assumed"`
	Warnings        []string                 `json:"warnings,omitempty"`
}

type refused struct {
	ID        json.RawMessage `json:"id"`
	RoleError string          `json:"role_error"`
}

// Answer decides about one line.
func (c *Check) Answer(ctx context.Context, number json.RawMessage, line []byte) (any, error) {
	var asked checkLine
	if err := decode(line, &asked, checkMembers); err != nil {
		return nil, err
	}
	id := called(asked.ID, number)
	if len(asked.Role) == 0 {
		return nil, errors.New("role: want the platform's own document, got nothing")
	}
	if asked.Platform != "" {
		if err := c.bundle.Knows(asked.Platform); err != nil {
			return nil, err
		}
	}
	ready := c.prepare(ctx, asked)
	if errors.Is(ready.err, platform.ErrSeveral) {
		return nil, ready.err
	}
	if ready.err != nil {
		return refused{ID: id, RoleError: ready.err.Error()}, nil
	}
	if ready.role.Refused != "" {
		return refused{ID: id, RoleError: ready.role.Refused}, nil
	}
	decision, err := c.decide(ctx, asked, ready.role)
	if err != nil {
		return nil, err
	}
	answer := decided{
		ID: id, Verdict: decision.Verdict, Stage: decision.Stage, Reasons: decision.Reasons,
		TokenReasons: decision.TokenReasons, PlatformVerdict: decision.PlatformVerdict,
		Assumed: decision.Assumed, Warnings: decision.Warnings,
	}
	if answer.Assumed == nil {
		answer.Assumed = []string{}
	}
	return answer, nil
}

func (c *Check) decide(ctx context.Context, asked checkLine, role *bundles.Role) (*trustcheck.Decision, error) {
	now := asked.at(c.verify.Now)
	if asked.Token != "" {
		if asked.Claims != nil || asked.ClaimsText != nil {
			return nil, errors.New("token: want a token or claims, got both")
		}
		tokens, err := c.verify.verifier(asked.trusted)
		if unreadable := (*badKeySet)(nil); errors.As(err, &unreadable) {
			return c.bundle.DecideToken(ctx, nil, err, asked.Token, role, asked.Context, now), nil
		}
		if err != nil {
			return nil, err
		}
		return c.bundle.Admit(ctx, tokens, asked.Token, role, asked.Context, now), nil
	}
	text := []byte(asked.Claims)
	if asked.ClaimsText != nil {
		text = []byte(*asked.ClaimsText)
	}
	if len(text) == 0 {
		return nil, errors.New("want claims, claims_text or token, got none of them")
	}
	claims, objections, err := verifier.ReadClaims(text)
	if err != nil {
		return nil, err
	}
	decision := c.bundle.Decide(ctx, role, bundles.Input{
		Claims: claims.Value, Duplicates: hasDuplicates(objections), Context: asked.Context, Now: now,
	})
	decision.TokenReasons = objections
	return decision, nil
}

func hasDuplicates(objections []trustcheck.TokenReason) bool {
	return slices.ContainsFunc(objections, func(objection trustcheck.TokenReason) bool {
		return objection.Code == verifier.DuplicateMember
	})
}

// prepare makes a role ready; equal roles in equal surroundings are prepared once.
func (c *Check) prepare(ctx context.Context, asked checkLine) prepared {
	key := asked.Platform + "\n" + string(asked.Role) + "\n" + c.surroundings(asked.Context)
	if ready, ok := c.roles.Get(key); ok {
		return ready
	}
	doc, err := trustcheck.ReadDocument("role", bytes.TrimSpace(asked.Role))
	if err != nil {
		return prepared{err: err}
	}
	if name, ok := asked.Context["role_name"].(string); ok {
		doc.Name = name
	}
	role, err := c.bundle.Prepare(ctx, doc, asked.Platform, asked.Context)
	ready := prepared{role: role, err: err}
	c.roles.Add(key, ready)
	return ready
}

// surroundings spells the part of the context that shapes the role.
func (c *Check) surroundings(context map[string]any) string {
	if len(context) == 0 {
		return ""
	}
	shaping := maps.Clone(context)
	for _, key := range c.bundle.PerToken() {
		delete(shaping, key)
	}
	text, err := json.Marshal(shaping)
	if err != nil {
		return ""
	}
	return string(text)
}
