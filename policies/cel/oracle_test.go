package cel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"testing"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// googleEnv is the environment of Google's conditions in these tests.
func googleEnv(pkg string) Env {
	return Env{
		Variables: []Variable{
			{Name: "assertion", Ref: "input.claims"},
			{Name: "attribute", Ref: "input.attribute"},
			{Name: "google", Ref: "input.google"},
		},
		Functions: Google,
		Package:   pkg,
	}
}

func stringsEnv(pkg string) Env {
	env := googleEnv(pkg)
	env.Functions = Strings
	env.Variables = append(env.Variables, Variable{Name: "claims", Ref: "input.claims"})
	return env
}

// oracle is cel-go, with Google's extract implemented a second time.
var oracle = sync.OnceValues(func() (*celgo.Env, error) {
	m := celgo.MapType(celgo.StringType, celgo.DynType)
	return celgo.NewEnv(ext.Strings(),
		celgo.Variable("assertion", m), celgo.Variable("attribute", m), celgo.Variable("google", m), celgo.Variable("claims", m),
		celgo.Function("extract", celgo.MemberOverload("string_extract_string",
			[]*celgo.Type{celgo.StringType, celgo.StringType}, celgo.StringType, celgo.BinaryBinding(oracleExtract))))
})

func oracleExtract(value, template ref.Val) ref.Val {
	v, t := []byte(value.(types.String)), []byte(template.(types.String))
	open := bytes.IndexByte(t, '{')
	shut := open + bytes.IndexByte(t[open:], '}')
	prefix, suffix := t[:open], t[shut+1:]
	from := bytes.Index(v, prefix)
	if from < 0 {
		return types.String("")
	}
	v = v[from+len(prefix):]
	if len(suffix) == 0 {
		return types.String(v)
	}
	to := bytes.Index(v, suffix)
	if to < 0 {
		return types.String("")
	}
	return types.String(v[:to])
}

// answer is what an expression came to: a JSON value, or an error.
type answer struct {
	value  any
	failed bool
}

func (a answer) String() string {
	if a.failed {
		return "error"
	}
	b, err := json.Marshal(a.value)
	if err != nil {
		return fmt.Sprintf("%#v", a.value)
	}
	return string(b)
}

func (a answer) equal(b answer) bool {
	return a.failed == b.failed && reflect.DeepEqual(a.value, b.value)
}

func askOracle(t testing.TB, expr string) func(input map[string]any) answer {
	t.Helper()
	env, err := oracle()
	if err != nil {
		t.Fatal(err)
	}
	tree, issues := env.Compile(expr)
	if issues.Err() != nil {
		t.Fatalf("cel-go refuses %s: %v", expr, issues.Err())
	}
	program, err := env.Program(tree)
	if err != nil {
		t.Fatal(err)
	}
	return func(input map[string]any) answer {
		out, _, err := program.Eval(map[string]any{
			"assertion": input["claims"], "claims": input["claims"], "attribute": input["attribute"], "google": input["google"],
		})
		if err != nil {
			return answer{failed: true}
		}
		return answer{value: native(out)}
	}
}

// native makes of a CEL value what encoding/json would have made of it.
func native(v ref.Val) any {
	switch v := v.(type) {
	case types.Bool:
		return bool(v)
	case types.String:
		return string(v)
	case types.Int:
		return float64(v)
	case types.Uint:
		return float64(v)
	case types.Double:
		return float64(v)
	case types.Null:
		return nil
	case traits.Lister:
		out := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			out = append(out, native(it.Next()))
		}
		return out
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			out[string(key.(types.String))] = native(v.Get(key))
		}
		return out
	}
	return fmt.Sprintf("%T", v)
}

// doubles reads JSON with every number a double, ints with whole ones as ints.
func doubles(t testing.TB, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func ints(t testing.TB, text string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return whole(v).(map[string]any)
}

func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			panic(err)
		}
		return f
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// rules is a number of programs that are asked together, by their place.
type rules struct{ strict, lax rego.PreparedEvalQuery }

func compileRules(t testing.TB, programs []*Program) *ast.Compiler {
	t.Helper()
	modules := map[string]*ast.Module{"cel.rego": ast.MustParseModule(Library())}
	for i, p := range programs {
		m, err := ast.ParseModule(fmt.Sprintf("%d.rego", i), p.Source)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Source)
		}
		modules[fmt.Sprintf("%d.rego", i)] = m
	}
	compiler := ast.NewCompiler().WithStrict(true).WithCapabilities(ast.CapabilitiesForThisVersion())
	if compiler.Compile(modules); compiler.Failed() {
		first := compiler.Errors[0]
		var i int
		if _, err := fmt.Sscanf(first.Location.File, "%d.rego", &i); err == nil {
			t.Log(programs[i].Source)
		}
		t.Fatal(compiler.Errors)
	}
	return compiler
}

// pkgOf names the package of the i-th program asked together.
func pkgOf(i int) string { return fmt.Sprintf(`trustcheck.generated["p%d"]`, i) }

func prepare(t testing.TB, programs []*Program) rules {
	t.Helper()
	compiler := compileRules(t, programs)
	query := func(strict bool) rego.PreparedEvalQuery {
		q, err := rego.New(rego.Query("data.trustcheck.generated"), rego.Compiler(compiler),
			rego.StrictBuiltinErrors(strict)).PrepareForEval(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	return rules{strict: query(true), lax: query(false)}
}

// regoAnswer is an answer with the reasons to leave it undecided.
type regoAnswer struct {
	answer
	undecided []any
}

func (r rules) ask(t testing.TB, n int, input string) []regoAnswer {
	t.Helper()
	value, err := ast.ValueFromReader(bytes.NewReader([]byte(input)))
	if err != nil {
		t.Fatal(err)
	}
	strict := evalRules(t, r.strict, n, value)
	lax := evalRules(t, r.lax, n, value)
	if !reflect.DeepEqual(strict, lax) {
		t.Fatalf("strict and lax builtin errors differ for %s:\n%v\n%v", input, strict, lax)
	}
	return strict
}

func evalRules(t testing.TB, q rego.PreparedEvalQuery, n int, input ast.Value) []regoAnswer {
	t.Helper()
	rs, err := q.Eval(context.Background(), rego.EvalParsedInput(input))
	if err != nil {
		t.Fatal(err)
	}
	got := rs[0].Expressions[0].Value.(map[string]any)
	out := make([]regoAnswer, n)
	for i := range out {
		p, _ := got[fmt.Sprintf("p%d", i)].(map[string]any)
		v, ok := p["value"]
		out[i].failed, out[i].value = !ok, floats(v)
		out[i].undecided, ok = p["undecided"].([]any)
		if !ok {
			t.Fatalf("program %d has no undecided", i)
		}
	}
	return out
}

func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			panic(err)
		}
		return f
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}
