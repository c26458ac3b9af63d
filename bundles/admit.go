package bundles

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/verifier"
)

// StageVerification is where a decision ends when the token itself is refused, or when it
// could not be told whether it is good.
const StageVerification = "verification"

// IssuerUnavailable is the code for a token that could not be verified because its issuer's
// keys were not to be had. Nothing is known against the token.
const IssuerUnavailable = "issuer_unavailable"

// TokenVerifier tells a good token from a bad one; verifier.Verifier and verifier.Set do.
type TokenVerifier interface {
	Verify(ctx context.Context, compact string, now time.Time) (*verifier.Token, error)
}

// Admit verifies a token and decides about it. A refused token is denied, with the
// verdict that the platform alone would give beside it; a token that could not be
// verified is undecided.
func (b *Bundle) Admit(ctx context.Context, tokens TokenVerifier, compact string, role *Role, context map[string]any, now time.Time) *trustcheck.Decision {
	token, err := tokens.Verify(ctx, compact, now)
	return b.DecideToken(ctx, token, err, compact, role, context, now)
}

// DecideToken decides about the outcome of one verification, for those who ask about
// several roles and verify once.
func (b *Bundle) DecideToken(ctx context.Context, token *verifier.Token, verification error, compact string, role *Role, context map[string]any, now time.Time) *trustcheck.Decision {
	if verification == nil {
		decision := b.Decide(ctx, role, Input{Claims: token.Claims.Value, Context: withHeader(context, token.Header.Value, token.Algorithm), Now: now})
		decision.Token = token.Ref()
		decision.PlatformVerdict = decision.Verdict
		return decision
	}
	unverified, _ := verifier.ReadToken(compact)
	decision := &trustcheck.Decision{Role: &role.Ref, Reasons: []trustcheck.Reason{}, Bundle: b.digest, Warnings: role.Warnings}
	if unverified.Claims.Value != nil && unverified.Header.Value != nil {
		decision = b.Decide(ctx, role, Input{Claims: unverified.Claims.Value, Context: withHeader(context, unverified.Header.Value, unverified.Algorithm), Now: now})
		decision.PlatformVerdict = decision.Verdict
	}
	decision.Token = &trustcheck.TokenRef{SHA256: unverified.SHA256}
	decision.Stage = StageVerification
	decision.Verdict, decision.TokenReasons = refusal(verification)
	return decision
}

// refusal tells a bad token, which is a denial, from one of which nothing is known.
func refusal(verification error) (trustcheck.Verdict, []trustcheck.TokenReason) {
	if refused := (*verifier.Refusal)(nil); errors.As(verification, &refused) {
		return trustcheck.Deny, refused.Reasons
	}
	return trustcheck.Undecided, []trustcheck.TokenReason{{Code: IssuerUnavailable, Message: verification.Error()}}
}

// withHeader adds what the token's header says to the context, unless that is given.
func withHeader(context map[string]any, header ast.Object, algorithm string) map[string]any {
	full := maps.Clone(context)
	if full == nil {
		full = map[string]any{}
	}
	if _, given := full["header"]; !given && header != nil {
		full["header"] = header
	}
	if _, given := full["alg"]; !given {
		full["alg"] = algorithm
	}
	return full
}
