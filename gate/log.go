package gate

import (
	"context"
	"log/slog"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
)

// record writes one line for a decision. It holds the fields below and the
// claims that the operator chose of a verified token, nothing else: never the
// token, whose digest stands for it, and of an unverified token no claim.
func (g *Gate) record(ctx context.Context, q Question, answer *Answer, elapsed time.Duration) {
	level := slog.LevelInfo
	if answer.Code.Failed() {
		level = slog.LevelWarn
	}
	if g.log == nil || !g.log.Enabled(ctx, level) {
		return
	}
	fields := make([]slog.Attr, 0, 16)
	fields = append(fields, slog.String("decision_id", answer.ID), slog.String("code", string(answer.Code)),
		slog.String("role", answer.Role), slog.String("face", q.Face), slog.Int64("duration_us", elapsed.Microseconds()))
	if q.Method != "" {
		fields = append(fields, slog.String("method", q.Method))
	}
	if q.Path != "" {
		fields = append(fields, slog.String("path", q.Path))
	}
	if answer.Decision != nil {
		fields = append(fields, decisionFields(answer.Decision)...)
	}
	if answer.verified != nil {
		fields = append(fields, g.chosen(answer.verified.Claims.Value)...)
	}
	g.log.LogAttrs(ctx, level, "decision", fields...)
}

func decisionFields(decision *trustcheck.Decision) []slog.Attr {
	fields := []slog.Attr{slog.String("verdict", string(decision.Verdict)), slog.String("bundle", decision.Bundle)}
	if decision.Stage != "" {
		fields = append(fields, slog.String("stage", decision.Stage))
	}
	if token := decision.Token; token != nil {
		fields = append(fields, slog.String("token_sha256", token.SHA256))
		if token.Issuer != "" {
			fields = append(fields, slog.String("issuer", token.Issuer))
		}
	}
	var codes, conditions []string
	for _, reason := range decision.TokenReasons {
		codes = append(codes, reason.Code)
	}
	for _, reason := range decision.Reasons {
		if reason.Status != trustcheck.Satisfied {
			conditions = append(conditions, condition(reason))
		}
	}
	if codes != nil {
		fields = append(fields, slog.Any("token_reasons", codes))
	}
	if conditions != nil {
		fields = append(fields, slog.Any("conditions", conditions))
	}
	return fields
}

// condition names a condition by its place in the role, not by what came.
func condition(reason trustcheck.Reason) string {
	switch {
	case reason.Source != "":
		return reason.Source
	case reason.Claim != "":
		return reason.Claim
	case reason.Stage == stageEvaluation:
		return reason.Message
	}
	return reason.Stage
}

func (g *Gate) chosen(claims ast.Object) []slog.Attr {
	var fields []any
	for _, name := range g.logClaims {
		if term := claims.Get(ast.StringTerm(name)); term != nil {
			if plain, err := ast.JSON(term.Value); err == nil {
				fields = append(fields, slog.Any(name, plain))
			}
		}
	}
	if fields == nil {
		return nil
	}
	return []slog.Attr{slog.Group("claims", fields...)}
}
