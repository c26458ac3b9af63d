package gcp_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	_ "github.com/open-policy-agent/opa/v1/features/wasm"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/internal/platformtest"
	"github.com/trustcheck/trustcheck/policies"
	"github.com/trustcheck/trustcheck/policies/platform/gcp"
)

// stock compiles the policies and what the roles generated as an OPA of its own would.
func stock(t *testing.T, generated map[string]string) *ast.Compiler {
	t.Helper()
	texts, err := policies.Modules()
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(texts, generated)
	texts["asked.rego"] = asked
	modules := map[string]*ast.Module{}
	for file, text := range texts {
		modules[file] = ast.MustParseModule(text)
	}
	compiler := ast.NewCompiler().WithStrict(true)
	if compiler.Compile(modules); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	return compiler
}

// asked has the tests of this platform alone: the judge reaches those of every other.
const asked = `package asked

import data.trustcheck.platform.gcp

statuses := [gcp.test(condition.name, condition) | some condition in input.role.conditions; condition.test == "platform"]

open := [told | some condition in input.role.conditions; condition.test == "platform"; told := gcp.tells(condition)]`

// prepared is a case's document with the modules that it generates; nil where it is refused.
func prepared(t *testing.T, known platformtest.Case) (map[string]any, map[string]string) {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", known.Role)
	if err != nil {
		t.Fatal(err)
	}
	ready, err := gcp.Platform().Prepare(doc, known.Context)
	if err != nil || known.Want.RoleError != "" {
		return nil, nil
	}
	return map[string]any{
		"platform": "gcp", "document": ready.Document, "context": orEmpty(known.Context), "unknown": append([]string{}, ready.Unknown...), "require": []any{},
	}, ready.Generated
}

func orEmpty(context map[string]any) map[string]any {
	if context == nil {
		return map[string]any{}
	}
	return context
}

// TestStockOPADiffers asks the policies with the generated rules in them, without our program
// around: prepared entrypoint, then decision.
func TestStockOPADiffers(t *testing.T) {
	cases := platformtest.Read(t, "cases")
	all := map[string]string{}
	for _, known := range cases {
		_, generated := prepared(t, known)
		maps.Copy(all, generated)
	}
	compiler := stock(t, all)
	prepare := ready(t, compiler, "data.trustcheck.trust.prepared", "rego")
	decide := ready(t, compiler, "data.trustcheck.trust.decision", "rego")
	wasm := ready(t, compiler, "data.asked", "wasm")
	native := ready(t, compiler, "data.asked", "rego")
	for _, known := range cases {
		document, _ := prepared(t, known)
		if document == nil || known.ClaimsText != "" {
			continue // what is refused, and what only our reader of numbers knows
		}
		role := answer(t, prepare, value(t, document))
		input := ast.NewObject(
			ast.Item(ast.StringTerm("role"), ast.NewTerm(role)),
			ast.Item(ast.StringTerm("claims"), ast.NewTerm(known.Input(t).Claims)),
			ast.Item(ast.StringTerm("context"), ast.NewTerm(value(t, orEmpty(known.Context)))),
			ast.Item(ast.StringTerm("now"), ast.IntNumberTerm(int(known.Now))),
		)
		decision := answer(t, decide, input).(ast.Object)
		verdict := string(decision.Get(ast.StringTerm("verdict")).Value.(ast.String))
		stage := string(decision.Get(ast.StringTerm("stage")).Value.(ast.String))
		if verdict != string(known.Want.Verdict) || stage != known.Want.Stage {
			t.Errorf("%s %s: stock OPA says %s at %q, want %s at %q", known.ID, known.Title, verdict, stage, known.Want.Verdict, known.Want.Stage)
		}
		if got, want := answer(t, wasm, input), answer(t, native, input); got.Compare(want) != 0 {
			t.Errorf("%s %s: Wasm says %v, want %v", known.ID, known.Title, got, want)
		}
	}
}

// Built-ins that OPA's Wasm has itself; every other one is the host's. Those of OPA 1.22 that
// this platform uses.
var inWasm = []string{
	"abs", "and", "array.concat", "array.flatten", "array.slice", "base64.encode", "ceil", "concat", "contains", "count", "div", "endswith", "eq", "equal",
	"floor", "gt", "gte", "indexof", "internal.member_2", "internal.member_3", "is_array", "is_boolean", "is_number", "is_object", "is_string",
	"lower", "lt", "lte", "minus", "mul", "neq", "object.get", "object.keys", "object.union", "object.union_n", "or", "plus",
	"regex.is_valid", "regex.match", "rem", "replace", "split", "startswith", "substring", "sum", "to_number", "trim_left", "trim_right", "trim_space",
	"trim_suffix", "type_name", "upper",
}

func TestWasmNeedsTheHost(t *testing.T) {
	all := map[string]string{}
	for _, known := range platformtest.Read(t, "cases") {
		_, generated := prepared(t, known)
		maps.Copy(all, generated)
	}
	texts, err := policies.Modules()
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(texts, all)
	texts["asked.rego"] = asked
	built := &bundle.Bundle{Data: map[string]any{}}
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		built.Modules = append(built.Modules, bundle.ModuleFile{URL: file, Path: file, Raw: []byte(texts[file]), Parsed: ast.MustParseModule(texts[file])})
	}
	compiler := compile.New().WithTarget(compile.TargetPlan).WithBundle(built).WithEntrypoints("asked/statuses", "asked/open").WithRegoAnnotationEntrypoints(false)
	if err := compiler.Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	var plan ir.Policy
	if err := json.Unmarshal(compiler.Bundle().PlanModules[0].Raw, &plan); err != nil {
		t.Fatal(err)
	}
	if len(plan.Static.BuiltinFuncs) < 10 {
		t.Fatalf("the plan has %d built-ins, want those of the tests", len(plan.Static.BuiltinFuncs))
	}
	for _, function := range plan.Static.BuiltinFuncs {
		if !slices.Contains(inWasm, function.Name) {
			t.Errorf("%s is the host's", function.Name)
		}
	}
}

func ready(t *testing.T, compiler *ast.Compiler, question, target string) rego.PreparedEvalQuery {
	t.Helper()
	query, err := rego.New(rego.Query(question), rego.Compiler(compiler), rego.Target(target),
		rego.StrictBuiltinErrors(target == "rego")).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func answer(t *testing.T, query rego.PreparedEvalQuery, input ast.Value) ast.Value {
	t.Helper()
	results, err := query.Eval(t.Context(), rego.EvalParsedInput(input))
	if err != nil || len(results) != 1 {
		t.Fatalf("%v, %v", results, err)
	}
	found, err := ast.InterfaceToValue(results[0].Expressions[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func value(t *testing.T, plain any) ast.Value {
	t.Helper()
	text, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	found, err := ast.ValueFromReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
