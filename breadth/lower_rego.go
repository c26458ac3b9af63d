package breadth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/cel"
)

// maxWays bounds how many ways the bodies of an `allow` may come to.
const maxWays = 64

// written is a role's stages, with stages that are read off the user's own rules in place of
// the conditions that these allow: a stage for each, the bodies of `allow` as its ways.
func (a *analysis) written(role *bundles.Role, context map[string]any) ([]bundles.Stage, error) {
	stages, err := role.Stages()
	if err != nil {
		return nil, err
	}
	var all []bundles.Stage
	for _, stage := range stages {
		if len(stage.Ways) != 1 || len(stage.Refusals) > 0 {
			all = append(all, stage)
			continue
		}
		var kept []bundles.Condition
		var read []bundles.Stage
		for _, condition := range stage.Ways[0].Conditions {
			switch condition.Test {
			case "role":
				read = append(read, a.writtenStages(a.regoReader(role, context), condition, "data.trustcheck.roles", condition.Role)...)
			case "rule":
				read = append(read, a.writtenStages(a.regoReader(role, context), condition, "data.trustcheck.rules", condition.Rule)...)
			default:
				kept = append(kept, condition)
			}
		}
		if len(kept) > 0 || len(read) == 0 {
			stage.Ways = []bundles.Way{{Conditions: kept}}
			all = append(all, stage)
		}
		all = append(all, read...)
	}
	return all, nil
}

// writtenStages are what `allow` of a package asks, and that its evaluation does not fail.
func (a *analysis) writtenStages(r *regoReader, condition bundles.Condition, below, name string) []bundles.Stage {
	path := ast.MustParseRef(below).Append(ast.StringTerm(name)).Append(ast.StringTerm("allow"))
	condition.Name = r.digest
	ways := r.ways(path)
	a.rego, a.readsNow = true, a.readsNow || r.readsNow
	stage := bundles.Stage{Name: "rules", Ways: []bundles.Way{}}
	for _, way := range ways {
		if !way.never() {
			stage.Ways = append(stage.Ways, bundles.Way{Conditions: conditionsOf(condition, way)})
		}
	}
	if r.steps > maxSteps || a.ctx.Err() != nil || len(stage.Ways) > maxWays {
		condition.Message = "its rules come to more cases than can be followed"
		stage.Ways = []bundles.Way{{Conditions: []bundles.Condition{condition}}}
		return []bundles.Stage{stage}
	}
	if len(stage.Ways) == 0 {
		condition.Test, condition.Message = "never", r.whyNever(path)
		stage.Ways = []bundles.Way{{Conditions: []bundles.Condition{condition}}}
	}
	stages := []bundles.Stage{stage}
	if len(r.failures) > 0 {
		condition.Source = "whether " + condition.Source + " can be evaluated"
		fine := anyHolds(fails(anyHolds(r.failures...)), perhaps(""))
		stages = append(stages, bundles.Stage{Name: "rules", Ways: []bundles.Way{{Conditions: conditionsOf(condition, fine)}}})
	}
	return stages
}

// regoReader knows of the input what the subject says. Without a context nothing is known of
// it: whoever asks may give one.
func (a *analysis) regoReader(role *bundles.Role, context map[string]any) *regoReader {
	r := &regoReader{
		ctx: a.ctx, compiler: role.Rules(), rules: map[string]regoValue{},
		touched: map[*ast.Rule]bool{}, answers: map[string]regoValue{}, users: map[string]bool{}, over: map[string]place{},
	}
	sum := sha256.New()
	for _, file := range slices.Sorted(maps.Keys(r.compiler.Modules)) {
		module := r.compiler.Modules[file]
		path := module.Package.Path.String()
		r.users[file] = strings.HasPrefix(path, "data.trustcheck.roles") || strings.HasPrefix(path, "data.trustcheck.rules")
		if r.users[file] {
			fmt.Fprintf(sum, "%q\n", module)
		}
	}
	r.digest = hex.EncodeToString(sum.Sum(nil))
	if !a.Now.IsZero() {
		r.now = bundles.Seconds(a.Now)
	}
	if len(context) > 0 {
		if value, err := ast.InterfaceToValue(context); err == nil {
			r.context, _ = value.(ast.Object)
		}
	}
	return r
}

// ways is when a rule is true: one formula for each of its bodies where they stand side by
// side, else one.
func (r *regoReader) ways(path ast.Ref) []claimFormula {
	rules := r.compiler.GetRulesExact(path)
	if !slices.ContainsFunc(rules, r.touches) || slices.ContainsFunc(rules, func(rule *ast.Rule) bool {
		return rule.Else != nil || len(rule.Head.Args) > 0 || len(rule.Head.Ref()) > 1 || rule.Head.Value == nil ||
			rule.Head.Value.Value.Compare(ast.Boolean(!rule.Default)) != 0
	}) {
		value, _ := r.rule(path)
		return []claimFormula{equalValues(value, known(ast.Boolean(true)))}
	}
	var all []claimFormula
	for _, rule := range rules {
		if !rule.Default {
			all = append(all, r.solve(rule.Body, nil, func(*regoScope) claimFormula { return alwaysHolds }))
		}
	}
	return all
}

// whyNever names the first expression of each body that holds of no token.
func (r *regoReader) whyNever(path ast.Ref) string {
	var places []string
	for _, rule := range r.compiler.GetRulesExact(path) {
		for i, expr := range rule.Body {
			upTo := r.solve(rule.Body[:i+1], nil, func(*regoScope) claimFormula { return alwaysHolds })
			if upTo.never() {
				places = append(places, r.where(expr.Location))
				break
			}
		}
	}
	if len(places) == 0 {
		return "no token makes it true"
	}
	return strings.Join(slices.Compact(places), " and ") + ": never true"
}

// conditionsOf takes a conjunction apart; each part shows where it was written.
func conditionsOf(condition bundles.Condition, f claimFormula) []bundles.Condition {
	parts := []claimFormula{f}
	if f.Op == cel.All && len(f.Of) > 0 {
		parts = f.Of
	}
	all := make([]bundles.Condition, len(parts))
	for i, part := range parts {
		one := condition
		if part.Source != "" {
			one.Source = part.Source
		}
		if !part.doubtful() {
			one.Name = ""
		}
		part.Source = ""
		part.unprefixed(one.Source + ": ")
		text, err := json.Marshal(map[string]any{"true": part})
		if err != nil {
			one.Analysis, one.Message = "unknown", err.Error()
		} else {
			one.Analysis, one.Formula = "formula", text
		}
		all[i] = one
	}
	return all
}

// doubtful reports whether something of a formula is not understood. Two such formulas say the
// same only where all that was written is the same.
func (f *claimFormula) doubtful() bool {
	return f.Op == cel.Unknown || slices.ContainsFunc(f.Of, func(of claimFormula) bool { return of.doubtful() })
}

// unprefixed takes the place away from reasons that are told with it anyway.
func (f *claimFormula) unprefixed(place string) {
	f.Reason = strings.TrimPrefix(f.Reason, place)
	for i := range f.Of {
		f.Of[i].unprefixed(place)
	}
}
