package bundles

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/trustcheck/trustcheck"
)

// Input is what a decision is about, beside the role.
type Input struct {
	// Claims are the token's payload as the verifier read it.
	Claims ast.Object
	// Duplicates says that the claims' text had a member twice; Claims holds the last.
	Duplicates bool
	// Context is what the platform knows beside role and token; see the table in the
	// README. It may be nil.
	Context map[string]any
	// Now is the time of the question.
	Now time.Time
}

// Decide answers for one token with every condition. It never fails: what cannot be
// evaluated is undecided, with stage "evaluation" and the reason evaluation_failed.
func (b *Bundle) Decide(ctx context.Context, role *Role, in Input) *trustcheck.Decision {
	decision := &trustcheck.Decision{
		Role:     &role.Ref,
		Reasons:  []trustcheck.Reason{},
		Warnings: role.Warnings,
		Bundle:   b.digest,
	}
	result, err := b.ask(ctx, role.engine.answer, role, in)
	if err == nil {
		err = role.read(result, in.Claims, decision)
	}
	if err != nil {
		decision.Verdict, decision.Stage = trustcheck.Undecided, "evaluation"
		decision.Reasons = append(decision.Reasons, trustcheck.Reason{
			Stage: "evaluation", Status: trustcheck.Unknown, Message: "evaluation_failed: " + err.Error(),
		})
	}
	return decision
}

// Allow answers as Decide does, but stops at the first failure and gives no reasons:
// false for a denial and for an undecided answer alike. An error means that the
// evaluation failed.
func (b *Bundle) Allow(ctx context.Context, role *Role, in Input) (bool, error) {
	result, err := b.ask(ctx, role.engine.allow, role, in)
	if err != nil {
		return false, err
	}
	allowed, ok := result.(ast.Boolean)
	return ok && bool(allowed), nil
}

// ask evaluates within the deadline and turns a panic into an error.
func (b *Bundle) ask(ctx context.Context, question rego.PreparedEvalQuery, role *Role, in Input) (result ast.Value, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("the evaluator panicked: %v", recovered)
		}
	}()
	input, err := b.input(role, in)
	if err != nil {
		return nil, err
	}
	// A cancellation of our own spares a goroutine for each evaluation.
	cancel := topdown.NewCancel()
	defer time.AfterFunc(b.deadline, cancel.Cancel).Stop()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	if err := b.evaluated(ctx, role, input, cancel); err != nil {
		return nil, err
	}
	return b.eval(ctx, question, input, cancel)
}

func (b *Bundle) eval(ctx context.Context, question rego.PreparedEvalQuery, input ast.Value, cancel topdown.Cancel) (ast.Value, error) {
	results, err := question.Eval(ctx,
		rego.EvalParsedInput(input),
		rego.EvalExternalCancel(cancel),
		rego.EvalInterQueryBuiltinValueCache(b.values),
		rego.EvalMetrics(metrics.NoOp()),
	)
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, errors.New("the policies gave no answer")
	}
	return results[0].Expressions[0].Value.(*ast.Term).Value, nil
}

// input builds what every rule reads, without a JSON round trip.
func (b *Bundle) input(role *Role, in Input) (ast.Object, error) {
	context := in.Context
	if context == nil {
		context = map[string]any{}
	}
	if header, ok := context["header"].(map[string]any); ok && header["alg"] != nil && context["alg"] == nil {
		context = maps.Clone(context)
		context["alg"] = header["alg"]
	}
	surroundings, err := ast.InterfaceToValue(context)
	if err != nil {
		return nil, fmt.Errorf("read the context: %w", err)
	}
	members := [][2]*ast.Term{
		ast.Item(ast.StringTerm("role"), ast.NewTerm(role.prepared)),
		ast.Item(ast.StringTerm("claims"), ast.NewTerm(in.Claims)),
		ast.Item(ast.StringTerm("context"), ast.NewTerm(surroundings)),
		ast.Item(ast.StringTerm("now"), ast.NewTerm(Seconds(in.Now))),
		ast.Item(ast.StringTerm("now_ns"), ast.NewTerm(nanoseconds(in.Now))),
	}
	if in.Duplicates {
		members = append(members, ast.Item(ast.StringTerm("duplicate_members"), ast.BooleanTerm(true)))
	}
	if role.platform.ClaimsInput != nil {
		members = append(members, role.platform.ClaimsInput(in.Claims, context)...)
	}
	return ast.NewObject(members...), nil
}

// Seconds is input.now: Unix time with as many decimals as it needs.
func Seconds(now time.Time) ast.Number {
	if now.Nanosecond() == 0 {
		return ast.Number(strconv.FormatInt(now.Unix(), 10))
	}
	exact := new(big.Rat).SetFrac64(int64(now.Nanosecond()), 1e9)
	return ast.Number(exact.Add(exact, new(big.Rat).SetInt64(now.Unix())).FloatString(9))
}

// nanoseconds is exact for every year: beyond 2262 they leave int64.
func nanoseconds(now time.Time) ast.Number {
	if now.Year() > 1678 && now.Year() < 2262 {
		return ast.Number(strconv.FormatInt(now.UnixNano(), 10))
	}
	whole := new(big.Int).Mul(big.NewInt(now.Unix()), big.NewInt(1e9))
	return ast.Number(whole.Add(whole, big.NewInt(int64(now.Nanosecond()))).String())
}

// read takes over what trustcheck.trust.answer says. What is said of each condition
// whatever the token is known since the role was prepared; the answer adds how it came out.
func (r *Role) read(result ast.Value, claims ast.Object, decision *trustcheck.Decision) error {
	object, ok := result.(ast.Object)
	if !ok {
		return errors.New("the answer is not an object")
	}
	decision.Verdict = trustcheck.Verdict(text(object, "verdict"))
	decision.Stage = text(object, "stage")
	decision.Assumed = texts(object, "assumed")
	statuses := texts(object, "statuses")
	if all := text(object, "all"); all != "" {
		statuses = slices.Repeat([]string{all}, len(r.conditions))
	}
	if len(statuses) != len(r.conditions) {
		return fmt.Errorf("the answer has %d conditions, the role %d", len(statuses), len(r.conditions))
	}
	parts, _ := value(object, "parts").(ast.Object)
	told, _ := value(object, "told").(ast.Object)
	decision.Reasons = make([]trustcheck.Reason, 0, len(statuses)+12)
	for i, known := range r.conditions {
		came := partStatuses(parts, i)
		for p, part := range known.parts {
			status := string(trustcheck.Satisfied)
			if p < len(came) {
				status = came[p]
			}
			decision.Reasons = append(decision.Reasons, part.with(status, claims))
		}
		if !known.covered {
			decision.Reasons = append(decision.Reasons, tell(known.with(statuses[i], claims), told, i))
		}
	}
	return nil
}

// partStatuses are those of the parts of condition i, none where the whole is satisfied.
func partStatuses(parts ast.Object, i int) []string {
	if parts == nil || parts.Len() == 0 {
		return nil
	}
	found := parts.Get(ast.IntNumberTerm(i))
	if found == nil {
		return nil
	}
	return textsOf(found.Value)
}

// with completes what is known of a condition by its status and by what the token brought.
func (c *condition) with(status string, claims ast.Object) trustcheck.Reason {
	reason := c.reason
	reason.Status = trustcheck.Status(status)
	if reason.Status == trustcheck.Satisfied && !reason.Refuses {
		reason.Message = ""
	}
	for _, path := range c.paths {
		if found, err := claims.Find(path); err == nil {
			reason.Got = spell(found)
		}
	}
	return reason
}

// tell puts in what the platform tells of condition i once there is a token.
func tell(reason trustcheck.Reason, told ast.Object, i int) trustcheck.Reason {
	if told == nil || told.Len() == 0 {
		return reason
	}
	found := told.Get(ast.IntNumberTerm(i))
	if found == nil {
		return reason
	}
	said, ok := found.Value.(ast.Object)
	if !ok {
		return reason
	}
	reason.Got = nil
	if got := value(said, "got"); got != nil {
		reason.Got = spell(got)
	}
	if message := text(said, "message"); message != "" && (reason.Refuses || reason.Status != trustcheck.Satisfied) {
		reason.Message = message
	}
	return reason
}

// spell writes a value as JSON, numbers as they were spelled.
func spell(found ast.Value) json.RawMessage {
	switch found := found.(type) {
	case ast.Number:
		return json.RawMessage(found)
	case ast.Boolean:
		return json.RawMessage(strconv.FormatBool(bool(found)))
	case ast.Null:
		return json.RawMessage("null")
	}
	plain, err := ast.JSON(found)
	if err != nil {
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // conditions are full of && and <
	if encoder.Encode(plain) != nil {
		return nil
	}
	return bytes.TrimSpace(text.Bytes())
}
