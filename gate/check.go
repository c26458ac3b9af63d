package gate

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

// The gate's own objections to a token, beside those of package verifier.
const (
	// MissingID says that a single-use role met a token without jti.
	MissingID = "missing_jti"
	// Spent says that a single-use role has admitted the token before.
	Spent = "replayed"
)

// Question is one request for admission.
type Question struct {
	// Role is the operator's choice, from a route; it is never read from what
	// the caller controls.
	Role        string
	Credentials Credentials
	// Face names the protocol for the log.
	Face string
	// Method and Path are of the request to be admitted, for the log, where
	// they are known from somebody who may be believed.
	Method string
	Path   string
}

// Answer is what a gate says to a question.
type Answer struct {
	// ID names the answer in the log and to the caller.
	ID   string
	Code Code
	Role string
	// Token is set when Code is Allowed.
	Token *verifier.Token
	// Decision is the operator's: it quotes claims and conditions and must not
	// reach the caller. An admission has no reasons in it: see [Gate.Explain].
	// Nil where no role was asked.
	Decision *trustcheck.Decision

	// verified is the token, admitted or not, for the log.
	verified *verifier.Token
}

// Check answers a question, counts and logs it.
func (g *Gate) Check(ctx context.Context, q Question) *Answer {
	start := g.now()
	answer := &Answer{ID: rand.Text(), Role: q.Role}
	role := g.roles[q.Role]
	switch {
	case role == nil:
		answer.Code, answer.Role = UnknownRole, ""
	case ctx.Err() != nil:
		answer.Code = Abandoned
	case g.inFlight.Add(1) > g.concurrency:
		answer.Code = Overloaded
		g.inFlight.Add(-1)
	default:
		g.decideSafely(ctx, role, q.Credentials, start, answer)
		if answer.Code.Failed() && ctx.Err() != nil {
			answer.Code = Abandoned
		}
	}
	elapsed := g.now().Sub(start)
	g.count(role, answer, elapsed)
	g.record(ctx, q, answer, elapsed)
	return answer
}

// decideSafely gives its place back and turns a panic into a failure of ours,
// whatever server it would have brought down.
func (g *Gate) decideSafely(ctx context.Context, role *route, credentials Credentials, now time.Time, answer *Answer) {
	defer g.inFlight.Add(-1)
	defer func() {
		if recovered := recover(); recovered != nil {
			answer.Code, answer.Token = EvaluationFailed, nil
			answer.Decision = &trustcheck.Decision{Role: &role.Role.Role.Ref, Bundle: g.bundle.Digest()}
			failed(answer.Decision, panicText(recovered))
		}
	}()
	g.decide(ctx, role, credentials, now, answer)
}

// panicText tells what the runtime says of a panic; other values may hold
// anything, a token even.
func panicText(recovered any) string {
	if fault, ok := recovered.(runtime.Error); ok {
		return "panic: " + fault.Error()
	}
	return fmt.Sprintf("panic: a %T", recovered)
}

// decide verifies, decides and, for a single-use role, spends the token.
func (g *Gate) decide(ctx context.Context, role *route, credentials Credentials, now time.Time, answer *Answer) {
	if credentials.Fault != "" {
		answer.Code = credentials.Fault
		return
	}
	token, err := g.verify(ctx, credentials.Token, now)
	if err != nil {
		g.refuse(role, credentials.Token, err, answer)
		return
	}
	answer.verified = token
	answer.Decision = &trustcheck.Decision{Verdict: trustcheck.Allow, PlatformVerdict: trustcheck.Allow, Role: &role.Role.Role.Ref,
		Token: token.Ref(), Reasons: []trustcheck.Reason{}, Bundle: g.bundle.Digest()}
	if answer.Code = g.judge(ctx, role, token, now, answer.Decision); answer.Code == Allowed && role.SingleUse {
		answer.Code = g.spend(ctx, token, now, answer.Decision)
	}
	if answer.Code == Allowed {
		answer.Token = token
	}
}

// verify verifies without waiting if it can. Tokens that name a key nobody knows
// yet wait for the issuer, in places of their own: whoever makes such tokens up
// while the issuer is slow must not take the others' places.
func (g *Gate) verify(ctx context.Context, compact string, now time.Time) (*verifier.Token, error) {
	token, err := g.tokens.Verify(g.atOnce, compact, now)
	if !errors.Is(err, context.Canceled) {
		return token, err
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > max(g.concurrency/4, 1) {
		return nil, err
	}
	ctx, done := context.WithTimeout(ctx, g.keyWait)
	defer done()
	return g.tokens.Verify(ctx, compact, now)
}

// refuse tells a bad token from one of which nothing is known.
func (g *Gate) refuse(role *route, compact string, verification error, answer *Answer) {
	decision := &trustcheck.Decision{Verdict: trustcheck.Undecided, Stage: bundles.StageVerification, Role: &role.Role.Role.Ref,
		Token: &trustcheck.TokenRef{SHA256: digest(compact)}, Reasons: []trustcheck.Reason{}, Bundle: g.bundle.Digest()}
	answer.Decision = decision
	if refused := (*verifier.Refusal)(nil); errors.As(verification, &refused) {
		answer.Code, decision.Verdict, decision.TokenReasons = InvalidToken, trustcheck.Deny, refused.Reasons
		return
	}
	answer.Code = IssuerUnavailable
	decision.TokenReasons = []trustcheck.TokenReason{{Code: bundles.IssuerUnavailable, Message: verification.Error()}}
}

// judge asks whether the role admits the token and, where it does not, why.
func (g *Gate) judge(ctx context.Context, role *route, token *verifier.Token, now time.Time, decision *trustcheck.Decision) Code {
	in := bundles.Input{Claims: token.Claims.Value, Context: surroundings(role.Context, token), Now: now}
	bounded, done := g.withDeadline(ctx)
	defer done()
	allowed, err := g.bundle.Allow(bounded, role.Role.Role, in)
	switch {
	case err != nil:
		failed(decision, err.Error())
		return EvaluationFailed
	case allowed:
		return Allowed
	}
	ref := decision.Token
	*decision = *g.bundle.Decide(bounded, role.Role.Role, in)
	decision.Token, decision.PlatformVerdict = ref, decision.Verdict
	switch {
	case decision.Verdict == trustcheck.Deny:
		return Denied
	case decision.Verdict == trustcheck.Undecided && decision.Stage != stageEvaluation:
		return Undecided
	case decision.Verdict == trustcheck.Allow:
		failed(decision, "the two ways of asking disagree")
	}
	return EvaluationFailed
}

// stageEvaluation is where a decision ends that could not be evaluated.
const stageEvaluation = "evaluation"

func failed(decision *trustcheck.Decision, message string) {
	decision.Verdict, decision.PlatformVerdict, decision.Stage = trustcheck.Undecided, trustcheck.Undecided, stageEvaluation
	decision.Reasons = []trustcheck.Reason{{Stage: stageEvaluation, Status: trustcheck.Unknown, Message: "evaluation_failed: " + message}}
}

// surroundings adds what the token's header says to what is known of the role.
func surroundings(known map[string]any, token *verifier.Token) map[string]any {
	full := make(map[string]any, len(known)+2)
	maps.Copy(full, known)
	if _, given := full["header"]; !given {
		// The reader's own value: the policies read it as it is.
		full["header"] = token.Header.Value
	}
	if _, given := full["alg"]; !given {
		full["alg"] = token.Algorithm
	}
	return full
}

// spend admits a token once.
func (g *Gate) spend(ctx context.Context, token *verifier.Token, now time.Time, decision *trustcheck.Decision) Code {
	id := tokenID(token.Claims.Value)
	if id == "" {
		return object(decision, InvalidToken, MissingID, "claims: no jti, or none that is a text; the role admits a token once and needs it")
	}
	first, err := g.replay.First(ctx, replayKey(token.Issuer, id), until(token.Expires, now))
	switch {
	case err != nil:
		decision.Verdict = trustcheck.Undecided
		return object(decision, ReplayUnavailable, string(ReplayUnavailable), err.Error())
	case !first:
		return object(decision, Replayed, Spent, "the token has been admitted before, and the role admits a token once")
	}
	return Allowed
}

// tokenID returns jti where it is a text.
func tokenID(claims ast.Object) string {
	term := claims.Get(ast.StringTerm("jti"))
	if term == nil {
		return ""
	}
	id, _ := term.Value.(ast.String)
	return string(id)
}

// object notes why an admission became none.
func object(decision *trustcheck.Decision, code Code, reason, message string) Code {
	if decision.Verdict == trustcheck.Allow {
		decision.Verdict = trustcheck.Deny
	}
	decision.Stage = "replay"
	decision.TokenReasons = append(decision.TokenReasons, trustcheck.TokenReason{Code: reason, Message: message})
	return code
}

// until is when a token is sure to be refused for its age: whatever leeway its
// verifier has, MaxLeeway is more. A duration ends after 292 years.
func until(expires, now time.Time) time.Time {
	return now.Add(min(expires.Sub(now), math.MaxInt64-2*verifier.MaxLeeway) + verifier.MaxLeeway)
}

// Explain decides as Check does and gives every reason, for an operator: it
// spends no token, counts nothing and logs nothing. An unknown role is an error.
func (g *Gate) Explain(ctx context.Context, role, compact string) (*trustcheck.Decision, error) {
	known := g.roles[role]
	if known == nil {
		return nil, errors.New("no such role")
	}
	return g.bundle.Admit(ctx, g.tokens, compact, known.Role.Role, known.Context, g.now()), nil
}

func digest(compact string) string {
	sum := sha256.Sum256([]byte(compact))
	return hex.EncodeToString(sum[:])
}
