// Package trustcheck names the nouns that every other package of this module
// speaks of: roles, decisions and their reasons. It holds data only; it imports
// nothing but the standard library and decides nothing.
//
// The work is done elsewhere: package verifier turns a compact JWT into a
// verified token, package policies holds the Rego in which every decision is
// made, and package bundles asks it.
package trustcheck

import (
	"encoding/json"
	"time"
)

// Verdict is the answer of a relying party, as far as it can be known.
type Verdict string

// The three verdicts. Undecided is never to be treated as Allow.
const (
	Allow     Verdict = "allow"
	Deny      Verdict = "deny"
	Undecided Verdict = "undecided"
)

// Status tells how one condition came out.
type Status string

// A condition that cannot be read or evaluated is Unknown, never Failed or
// Satisfied: an unknown condition cannot rescue a role, nor may it vanish.
const (
	Satisfied Status = "satisfied"
	Failed    Status = "failed"
	Unknown   Status = "unknown"
)

// RoleRef says which role a decision is about and where it stands.
type RoleRef struct {
	Name     string `json:"name"`
	Platform string `json:"platform"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// TokenRef describes a token without revealing it. SHA256 is the hexadecimal
// digest of the compact serialization.
type TokenRef struct {
	Issuer   string     `json:"issuer,omitempty"`
	Subject  string     `json:"subject,omitempty"`
	Audience []string   `json:"audience,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	SHA256   string     `json:"sha256,omitempty"`
}

// Reason is one condition of a role and what a token made of it.
//
// Wanted and Got keep the JSON type and the spelling that they came with. Got
// is nil when the claim is absent and the text null when it is null.
type Reason struct {
	Stage    string          `json:"stage,omitempty"`
	Claim    string          `json:"claim,omitempty"`
	Operator string          `json:"operator,omitempty"`
	Wanted   json.RawMessage `json:"wanted,omitempty"`
	Got      json.RawMessage `json:"got,omitempty"`
	Status   Status          `json:"status"`
	// Way counts the alternatives of the stage from 1; 0 where it has only one.
	Way     int    `json:"way,omitempty"`
	Refuses bool   `json:"refuses,omitempty"`
	Message string `json:"message,omitempty"`
	// Source is the member of the role document that holds the condition,
	// Line its line in the role's file.
	Source string `json:"source,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
}

// TokenReason is an objection to a token, with a code that does not change
// between versions. Its message never holds the token itself.
type TokenReason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Decision is the answer for one token and one role, with every reason.
type Decision struct {
	Verdict Verdict  `json:"verdict"`
	Role    *RoleRef `json:"role,omitempty"`
	// Stage names where a refusal or an undecided answer ends: "verification"
	// for our own verifier, otherwise the platform's own first stage that did
	// not pass; empty when everything passed.
	Stage           string        `json:"stage"`
	Token           *TokenRef     `json:"token,omitempty"`
	Reasons         []Reason      `json:"reasons"`
	TokenReasons    []TokenReason `json:"token_reasons,omitempty"`
	PlatformVerdict Verdict       `json:"platform_verdict,omitempty"`
	Assumed         []string      `json:"assumed,omitempty"`
	Warnings        []string      `json:"warnings,omitempty"`
	Bundle          string        `json:"bundle,omitempty"`
}
