package batch

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// Lint answers lines of `lint --batch`.
type Lint struct {
	check    *Check
	analyser *breadth.Analyser
	now      func() time.Time
}

// NewLint returns an answerer that analyses roles as the bundle decides them.
func NewLint(bundle *bundles.Bundle, folder string, now func() time.Time) *Lint {
	return &Lint{check: NewCheck(bundle, folder, now), analyser: breadth.New(bundle), now: now}
}

var lintMembers = []string{"id", "platform", "role", "context", "issuer", "issuer_model", "scope", "facts", "now"}

type lintLine struct {
	ID          json.RawMessage `json:"id"`
	Platform    string          `json:"platform"`
	Role        json.RawMessage `json:"role"`
	Context     map[string]any  `json:"context"`
	Issuer      string          `json:"issuer"`
	IssuerModel string          `json:"issuer_model"`
	Scope       json.RawMessage `json:"scope"`
	Facts       json.RawMessage `json:"facts"`
	Now         *instant        `json:"now"`
}

type linted struct {
	ID        json.RawMessage            `json:"id"`
	Verdict   breadth.Verdict            `json:"verdict"`
	Attackers map[string]breadth.Verdict `json:"attackers"`
	Attacker  string                     `json:"attacker"`
	Witness   map[string]any             `json:"witness"`
	Findings  []breadth.Finding          `json:"findings"`
	RestsOn   []string                   `json:"rests_on"`
	Scope     *breadth.Scope             `json:"scope"`
	RoleError string                     `json:"role_error,omitempty"`
}

// Answer analyses the role of one line.
func (l *Lint) Answer(ctx context.Context, number json.RawMessage, line []byte) (any, error) {
	var asked lintLine
	if err := decode(line, &asked, lintMembers); err != nil {
		return nil, err
	}
	id := called(asked.ID, number)
	if !given(asked.Role) {
		return nil, errors.New("role: want the platform's own document, got nothing")
	}
	if asked.Platform != "" {
		if err := l.check.bundle.Knows(asked.Platform); err != nil {
			return nil, err
		}
	}
	subject, err := l.subject(asked)
	if err != nil {
		return nil, err
	}
	ready := l.check.prepare(ctx, checkLine{Platform: asked.Platform, Role: asked.Role, Context: asked.Context})
	if errors.Is(ready.err, platform.ErrSeveral) {
		return nil, ready.err
	}
	if ready.err != nil {
		return unreadable(id, ready.err), nil
	}
	subject.Role = ready.role
	if subject.Document, err = trustcheck.ReadDocument("role", asked.Role); err != nil {
		return nil, err
	}
	result, err := l.analyser.Analyse(ctx, subject)
	if err != nil {
		return nil, err
	}
	answer := linted{
		ID: id, Verdict: result.Verdict, Attackers: result.Attackers, Attacker: result.Attacker,
		Findings: result.Findings, RestsOn: result.RestsOn, Scope: result.Scope, RoleError: ready.role.Refused,
	}
	if result.Witness != nil {
		answer.Witness = result.Witness.Claims
	}
	if answer.RestsOn == nil {
		answer.RestsOn = []string{}
	}
	return answer, nil
}

// subject reads what the line says beside the role.
func (l *Lint) subject(asked lintLine) (breadth.Subject, error) {
	subject := breadth.Subject{
		Issuer: asked.Issuer, Model: asked.IssuerModel, Context: asked.Context, Now: l.now(),
	}
	if asked.Now != nil {
		subject.Now = asked.Now.Time
	}
	if subject.Issuer == "" {
		subject.Issuer = ConfiguredIssuer(asked.Context)
	}
	var err error
	if given(asked.Scope) {
		if subject.Scope, err = breadth.ReadScope(asked.Scope); err != nil {
			return subject, err
		}
	}
	if given(asked.Facts) {
		subject.Facts, err = breadth.ReadFacts(asked.Facts)
	}
	return subject, err
}

func given(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

// ConfiguredIssuer is the issuer that Vault's auth method is set to, where it names one.
func ConfiguredIssuer(context map[string]any) string {
	config, ok := context["config"].(map[string]any)
	if !ok {
		return ""
	}
	for _, member := range []string{"bound_issuer", "oidc_discovery_url"} {
		if text, ok := config[member].(string); ok && text != "" {
			return text
		}
	}
	if text, ok := config["jwks_url"].(string); ok {
		if keys, err := url.Parse(text); err == nil && keys.Host != "" {
			return keys.Scheme + "://" + keys.Host
		}
	}
	return ""
}

// unreadable is the answer for what the platform could not even read.
func unreadable(id json.RawMessage, err error) linted {
	attackers := map[string]breadth.Verdict{}
	for _, name := range breadth.Attackers() {
		attackers[name] = breadth.None
	}
	return linted{
		ID: id, Verdict: breadth.Dead, Attackers: attackers, RestsOn: []string{}, RoleError: err.Error(),
		Findings: []breadth.Finding{{Rule: "dead-role", Severity: "info", Message: "nobody gets in: the role cannot be read: " + err.Error()}},
	}
}
