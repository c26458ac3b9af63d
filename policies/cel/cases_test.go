package cel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/util"

	"cel.dev/cel-go/common/types"
)

// TestConditionOutcome holds conditions to what a trial with cel-go gave.
// Reject with "error" is an error, with "false" a plain no.
func TestConditionOutcome(t *testing.T) {
	for _, c := range []struct{ expr, claims, want string }{
		{`assertion.ref_protected == true`, `{"ref_protected": "true"}`, "false"},
		{`assertion.ref_protected == true`, `{"ref_protected": true}`, "true"},
		{`assertion.ref_protected != true`, `{"ref_protected": "true"}`, "true"},
		{`assertion.namespace_id == 72`, `{"namespace_id": "72"}`, "false"},
		{`assertion.namespace_id == 72`, `{"namespace_id": 72}`, "true"},
		{`assertion.nope == 'x' || assertion.ref == 'main'`, `{"ref": "main"}`, "true"},
		{`assertion.nope == 'x' && assertion.ref == 'main'`, `{"ref": "main"}`, "error"},
		{`assertion.nope == 'x' && assertion.ref == 'main'`, `{"ref": "dev"}`, "false"},
		{`assertion.nope != 'x'`, `{}`, "error"},
		{`!(assertion.nope == 'x')`, `{}`, "error"},
		{`!(assertion.nope == 'x')`, `{"nope": "y"}`, "true"},
		{`!has(assertion.nope) || assertion.nope == 'x'`, `{}`, "true"},
		{`has(assertion.environment)`, `{"environment": null}`, "true"},
		{`has(assertion.environment)`, `{}`, "false"},
		{`assertion.environment.startsWith('prod')`, `{"environment": null}`, "error"},
		{`assertion.environment.startsWith('prod')`, `{"environment": "production"}`, "true"},
		{`assertion.sub.matches('acme')`, `{"sub": "repo:evil/acme-x:ref"}`, "true"},
		{`assertion.sub.matches('^repo:acme/')`, `{"sub": "x\nrepo:acme/"}`, "false"},
		{`assertion.sub.matches('(?m)^repo:acme/')`, `{"sub": "x\nrepo:acme/"}`, "true"},
		{`assertion.sub.matches('main$')`, `{"sub": "main\n"}`, "false"},
		{`'g' in assertion.groups_direct`, `{}`, "error"},
		{`'g' in assertion.groups_direct`, `{"groups_direct": "g"}`, "error"},
		{`'g' in assertion.groups_direct`, `{"groups_direct": ["g"]}`, "true"},
		{`assertion.aud == 'a'`, `{"aud": ["a"]}`, "false"},
		{`'a' in assertion.aud`, `{"aud": "a"}`, "error"},
		{`'a' in assertion.aud`, `{"aud": ["b", "a"]}`, "true"},
		{`assertion.sub.extract('repo:{r}:') == 'a/b'`, `{"sub": "repo:a/b:ref:x:y"}`, "true"},
		{`assertion.sub.extract('{r}/') == ''`, `{"sub": "nothing"}`, "true"},
		{`assertion.sub.split(':')[5] == 'a'`, `{"sub": "a:b"}`, "error"},
		{`assertion.sub.split(':')[1] == 'b'`, `{"sub": "a:b"}`, "true"},
		{`'b' in assertion.sub.split(':')`, `{"sub": "a:b:c"}`, "true"},
		{`'b' in assertion.sub.split(':')`, `{"sub": "a:bb:c"}`, "false"},
		{`'b' in assertion.sub.split('::')`, `{"sub": "a:::b"}`, "false"},
		{`'' in assertion.sub.split(':')`, `{"sub": ""}`, "true"},
		{`'b' in assertion.sub.split(':')`, `{"sub": ["b"]}`, "error"},
		{`[assertion.sub, 'b'].join('/') == 'a/b'`, `{"sub": "a"}`, "true"},
		{`[assertion.sub, 'b'].join('/') == 'a/b'`, `{"sub": 1}`, "error"},
		{`assertion.sub in [assertion.ref, 'x']`, `{"sub": "a", "ref": "a"}`, "true"},
		{`assertion.sub in [assertion.ref, 'x']`, `{"sub": "x"}`, "error"},
		{`assertion.sub == ['a']`, `{"sub": "a"}`, "false"},
		{`assertion.sub == ['a']`, `{"sub": ["a"]}`, "true"},
		{`assertion.sub < 'b'`, `{"sub": "azzz"}`, "true"},
		{`assertion.sub < 'b'`, `{"sub": "b"}`, "false"},
		{`'b' <= assertion.sub`, `{"sub": "b"}`, "true"},
		{`assertion.sub < 'é'`, `{"sub": "z"}`, "true"},
		{`assertion.sub < 'b'`, `{"sub": 1}`, "error"},
		{`assertion.flag`, `{"flag": true}`, "true"},
		{`assertion.flag`, `{"flag": "true"}`, `"true"`},
		{`attribute.repo == 'a/b'`, `{"repository": "a/b"}`, "error"},
		{`assertion.runner_id`, `{"runner_id": 1}`, "1"},
		{`assertion.sub.size() == 1`, `{"sub": "é"}`, "true"},
		{`size(assertion.sub)`, `{"sub": "` + strings.Repeat("é", 65) + `"}`, "65"},
		{`assertion.user_identities.all(i, i.extern_uid == 'u')`, `{"user_identities": []}`, "true"},
		{`assertion.user_identities.all(i, i.extern_uid == 'u')`, `{}`, "error"},
		{`assertion.user_identities.all(i, i.extern_uid == 'u')`, `{"user_identities": [{}, {"extern_uid": "v"}]}`, "false"},
		{`string(assertion.runner_id)`, `{"runner_id": "7"}`, `"7"`},
		{`string(assertion.runner_id)`, `{"runner_id": 12270840}`, "undecided"},
		{`assertion.job_config.map(k, k)`, `{"job_config": {"a": 1, "b": 2}}`, "undecided"},
		{`assertion.job_config.map(k, k)`, `{"job_config": {"a": 1}}`, `["a"]`},
		{`assertion.n + assertion.m`, `{"n": 1, "m": 2}`, "3"},
		{`assertion.n + assertion.m`, `{"n": 1, "m": 2.5}`, "undecided"},
		{`assertion.n - assertion.m`, `{"n": 900000000000000, "m": -900000000000000}`, "1800000000000000"},
		{`assertion.n - assertion.m`, `{"n": 9007199254740991, "m": -9007199254740991}`, "undecided"},
		{`assertion.groups.exists(g, string(g) == 'x')`, `{"groups": ["x", 1]}`, "undecided"},
	} {
		p, err := Translate(c.expr, googleEnv(pkgOf(0)))
		if err != nil {
			t.Fatalf("%s: %v", c.expr, err)
		}
		input := `{"claims": ` + c.claims + `, "attribute": {}, "google": {}}`
		got := prepare(t, []*Program{p}).ask(t, 1, input)[0]
		is := got.String()
		if len(got.undecided) > 0 {
			is = "undecided"
		}
		if is != c.want {
			t.Errorf("%s of %s: got %s, want %s", c.expr, c.claims, is, c.want)
		}
	}
}

// The mapping makes the condition true of any repository.
func TestTautologyAdmitsAnyRepository(t *testing.T) {
	mapping, err := Translate(`assertion.repository`, googleEnv(pkgOf(1)))
	if err != nil {
		t.Fatal(err)
	}
	env := googleEnv(pkgOf(0))
	env.Variables[1].Ref = `{"repository": ` + mapping.Entry + `}`
	env.Variables[1].Members = map[string]*Program{"repository": mapping}
	p, err := Translate(`attribute.repository == assertion.repository`, env)
	if err != nil {
		t.Fatal(err)
	}
	if want := present(Place{Path: []string{"assertion", "repository"}}); !reflect.DeepEqual(p.True, want) {
		t.Errorf("true when %s", asJSON(t, p.True))
	}
	r := prepare(t, []*Program{p, mapping})
	if got := r.ask(t, 2, `{"claims": {"repository": "evil/x"}}`)[0]; got.value != true {
		t.Errorf("got %v, want true", got)
	}
	if got := r.ask(t, 2, `{"claims": {}}`)[0]; !got.failed {
		t.Errorf("without the claim: got %v, want an error", got)
	}
}

// A mapping with a default must reach the formula with both of its branches.
func TestMappedAttributeKeepsItsDefault(t *testing.T) {
	mapping, err := Translate(`has(assertion.environment) ? assertion.environment : 'none'`, googleEnv(pkgOf(1)))
	if err != nil {
		t.Fatal(err)
	}
	env := googleEnv(pkgOf(0))
	env.Variables[1].Members = map[string]*Program{"environment": mapping}
	for condition, want := range map[string][3]verdict{ // of no environment, "none", "production"
		`attribute.environment == 'none'`:               {yes, yes, no},
		`attribute.environment != 'production'`:         {yes, yes, no},
		`attribute.environment.startsWith('prod')`:      {no, no, yes},
		`attribute.environment in ['production', 'x']`:  {no, no, yes},
		`has(attribute.environment)`:                    {yes, yes, yes},
		`attribute.other == 'x' || !has(attribute.foo)`: {yes, yes, yes},
		`attribute.other == 'x'`:                        {no, no, no},
	} {
		p, err := Translate(condition, env)
		if err != nil {
			t.Fatal(err)
		}
		for i, claims := range []map[string]any{{}, {"environment": "none"}, {"environment": "production"}} {
			if got := p.True.ask(map[string]any{"assertion": claims}); got != want[i] {
				t.Errorf("%s of %v: got %d, want %d", condition, claims, got, want[i])
			}
		}
	}
}

func TestOutsideSubsetIsRefusedInPlace(t *testing.T) {
	for _, c := range []struct {
		expr         string
		line, column int
		reason       string
	}{
		{`assertion.ref == 'x' && assertion.sub.lowerAscii() == 'y'`, 1, 49, "lowerAscii is not known to be available"},
		{"assertion.ref == 'x' &&\n assertion.n + 1 == 2", 2, 14, "arithmetic that depends on whether a claim is an int or a double"},
		{`timestamp(assertion.x) < timestamp('2020-01-01T00:00:00Z')`, 1, 10, "timestamp is not translated"},
		{`type(assertion.x) == string`, 1, 5, "type is not translated"},
		{`double(assertion.x) > 1.5`, 1, 7, "double is not translated"},
		{`string(1)`, 1, 7, "string() of int"},
		{`b'x' == b'x'`, 1, 1, "literal of type bytes"},
		{`{1: 'x'}[1] == 'x'`, 1, 2, "a map is translated when its keys are texts"},
		{`{'a': 1, 'a': 2}.a == 2`, 1, 10, `key "a" twice`},
		{`4 / 2 == 2`, 1, 3, "division"},
		{`1.5 + 1.5 == 3.0`, 1, 5, "arithmetic on double"},
		{`assertion.sub.matches('\\C')`, 1, 23, `pattern with \C`},
		{`assertion.sub.extract(assertion.t) == ''`, 1, 32, "extract with a template that is not a literal"},
		{`[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))`, 1, 41, "macros nested deeper than 3"},
		{`assertion == google.Missing{}`, 0, 0, ""},
	} {
		_, err := Translate(c.expr, googleEnv("p"))
		if c.reason == "" {
			var bad *Invalid
			if !errors.As(err, &bad) {
				t.Errorf("%s: got %v, want it invalid", c.expr, err)
			}
			continue
		}
		want := &Unsupported{Line: c.line, Column: c.column, Reason: c.reason}
		if !reflect.DeepEqual(err, want) {
			t.Errorf("%s:\n got %v\nwant %v", c.expr, err, want)
		}
	}
}

func TestForeignFunctionIsUnsupportedNotInvalid(t *testing.T) {
	for expr, want := range map[string]string{
		`claims.sub.find('a') == 'a'`:                  "1:16: function find",
		`claims.?sub.orValue('x') == 'x'`:              "1:7: _?._ is not translated",
		`pb.Auth{display_name: claims.sub} == null`:    "1:8: message pb.Auth",
		`quantity(claims.sub).isGreaterThan(claims.x)`: "1:35: function isGreaterThan",
	} {
		_, err := Translate(expr, stringsEnv("p"))
		var no *Unsupported
		if !errors.As(err, &no) || no.Error() != want {
			t.Errorf("%s: got %v, want %s", expr, err, want)
		}
	}
	if _, err := Translate(`claims.sub.lowerAscii() == 'a'`, stringsEnv("p")); err != nil {
		t.Error(err)
	}
}

func TestInvalidExpressionIsRefused(t *testing.T) {
	for _, expr := range []string{
		``, `assertion.`, `'x' == 1`, `1 == 1.0`, `"x" && false`, `nope == 1`, `assertion.sub.find('x') == 'x'`,
		`assertion.sub.extract('nothing') == ''`, `assertion.sub.extract('{a}{b}') == ''`,
		`'` + strings.Repeat("x", maxBytes) + `' == 'x'`,
		strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300),
	} {
		_, err := Translate(expr, googleEnv("p"))
		var bad *Invalid
		if !errors.As(err, &bad) || bad.Line < 1 || bad.Column < 1 || bad.Reason == "" {
			t.Errorf("%.60s: got %v, want it invalid", expr, err)
		}
	}
}

func TestResultOfAnotherTypeIsInvalid(t *testing.T) {
	for _, c := range []struct {
		expr  string
		want  Result
		valid bool
	}{
		{`assertion.sub == 'x'`, Bool, true}, {`assertion.flag`, Bool, true}, {`'x'`, Bool, false},
		{`assertion.sub`, String, true}, {`assertion.sub + 'x'`, String, true}, {`assertion.sub == 'x'`, String, false},
		{`assertion.sub.split('/')`, Any, true},
	} {
		env := googleEnv("p")
		env.Result = c.want
		if _, err := Translate(c.expr, env); (err == nil) != c.valid {
			t.Errorf("%s as %d: %v", c.expr, c.want, err)
		}
	}
}

// TestLargeExpressionIsBounded: what is too much is refused, and what is
// admitted stays within reach of OPA's compiler.
func TestLargeExpressionIsBounded(t *testing.T) {
	long := strings.Repeat(`assertion.a == 'x' || `, 600) + `true`
	if p, err := Translate(long, googleEnv(pkgOf(0))); err != nil {
		t.Error(err)
	} else {
		prepare(t, []*Program{p})
	}
	items := strings.TrimSuffix(strings.Repeat(`'a',`, 65), ",")
	wide := `[` + items + `].all(x, [` + items + `].all(y, x == y))`
	for _, expr := range []string{
		wide,
		`'a'` + strings.Repeat(` + 'a'`, 200) + ` == assertion.x`,
		strings.Repeat(`assertion.a == 'x' ? true : `, 100) + `false`,
		strings.Repeat(`!`, 120) + `assertion.flag`,
		strings.Repeat(`assertion.a || `, 1080) + `true`,
	} {
		_, err := Translate(expr, googleEnv("p"))
		var no *Unsupported
		var bad *Invalid
		if !errors.As(err, &no) && !errors.As(err, &bad) {
			t.Logf("%.40s… is admitted", expr)
		}
	}
	if _, err := Translate(wide, googleEnv("p")); err == nil {
		t.Error("65 × 65 rounds are admitted")
	}
	if p, err := Translate(strings.Repeat(`(assertion.a ? assertion.b == 'x' : `, 30)+`true`+strings.Repeat(`)`, 30)+` == true`, googleEnv("p")); err != nil {
		t.Error(err)
	} else if n := p.True.size(); n > maxFormula {
		t.Errorf("formula of %d nodes", n)
	}
}

// TestModuleNeedsNothingFromItsHost builds all translatable expressions to
// Wasm, and lists the built-ins they call: all are OPA's own in Wasm, and none
// reads a clock, the network or chance.
func TestModuleNeedsNothingFromItsHost(t *testing.T) {
	var programs []*Program
	files := map[string]string{"cel.rego": Library()}
	for _, expr := range append(append([]string{}, documented...), traps...) {
		p, err := translateFor(expr, pkgOf(len(programs)))
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		files[fmt.Sprintf("p%d.rego", len(programs))] = p.Source
		programs = append(programs, p)
	}
	var policy ir.Policy
	build(t, compile.TargetPlan, files, func(b []byte) {
		if err := util.UnmarshalJSON(b, &policy); err != nil {
			t.Fatal(err)
		}
	})
	for _, fn := range policy.Static.BuiltinFuncs {
		if !wasmHas[fn.Name] {
			t.Errorf("%s is not among the built-ins of OPA's Wasm", fn.Name)
		}
	}
	build(t, compile.TargetWasm, files, func(b []byte) {
		if len(b) == 0 {
			t.Error("no Wasm")
		}
	})
}

// wasmHas are built-ins that OPA's Wasm runtime has itself (OPA's documentation,
// "Policy Reference", column "Wasm support": native).
var wasmHas = map[string]bool{
	"abs": true, "array.concat": true, "array.slice": true, "ceil": true, "concat": true, "contains": true, "count": true,
	"endswith": true, "equal": true, "eq": true, "floor": true, "gt": true, "gte": true, "indexof": true, "internal.member_2": true,
	"is_array": true, "is_boolean": true, "is_number": true, "is_object": true, "is_string": true, "lt": true, "lte": true,
	"minus": true, "mul": true, "neq": true, "object.get": true, "plus": true, "regex.is_valid": true, "regex.match": true,
	"split": true, "startswith": true, "substring": true, "to_number": true, "trim_left": true, "trim_space": true, "type_name": true,
}

func build(t *testing.T, target string, files map[string]string, read func([]byte)) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var entries []string
	for i := range len(files) - 1 {
		entries = append(entries, fmt.Sprintf("trustcheck/generated/p%d/value", i), fmt.Sprintf("trustcheck/generated/p%d/undecided", i))
	}
	capabilities := ast.CapabilitiesForThisVersion()
	capabilities.AllowNet = []string{}
	c := compile.New().WithTarget(target).WithPaths(dir).WithEntrypoints(entries...).
		WithCapabilities(capabilities).WithRegoVersion(ast.RegoV1)
	if err := c.Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	b := c.Bundle()
	switch target {
	case compile.TargetWasm:
		read(b.WasmModules[0].Raw)
	default:
		read(b.PlanModules[0].Raw)
	}
}

func TestFormulaOfDocumentedConditions(t *testing.T) {
	for expr, want := range map[string]string{
		`assertion.repository_owner == 'acme'`: `{"op":"test","test":{"path":["assertion","repository_owner"],"values":["acme"]}}`,
		`assertion.project_path.startsWith('acme/') && assertion.ref in ['main', 'dev']`: `{"op":"all","of":[` +
			`{"op":"test","test":{"path":["assertion","project_path"],"language":{"prefix":"acme/"}}},` +
			`{"op":"test","test":{"path":["assertion","ref"],"values":["main","dev"]}}]}`,
		`!(assertion.environment == 'dev')`: `{"op":"all","of":[` +
			`{"op":"test","test":{"path":["assertion","environment"],"present":true}},` +
			`{"op":"not","of":[{"op":"test","test":{"path":["assertion","environment"],"values":["dev"]}}]}]}`,
		`assertion.sub.matches('acme/')`:                    `{"op":"test","test":{"path":["assertion","sub"],"language":{"pattern":"acme/"}}}`,
		`assertion.sub.extract('repo:{owner}/') == 'a'`:     `{"op":"test","test":{"path":["assertion","sub"],"through":[{"func":"extract","args":["repo:","/"]}],"values":["a"]}}`,
		`assertion.project_path.split('/')[1] == 'a'`:       `{"op":"test","test":{"path":["assertion","project_path"],"through":[{"func":"split","args":["/"],"index":1}],"values":["a"]}}`,
		`['a/', 'b/'].exists(p, assertion.x.startsWith(p))`: `{"op":"any","of":[{"op":"test","test":{"path":["assertion","x"],"language":{"prefix":"a/"}}},{"op":"test","test":{"path":["assertion","x"],"language":{"prefix":"b/"}}}]}`,
		`assertion.groups.exists(g, g.startsWith('a/'))`:    `{"op":"some","of":[{"op":"test","test":{"path":["g#1"],"language":{"prefix":"a/"}}}],"over":{"path":["assertion","groups"]},"var":"g#1"}`,
		`assertion.actor == assertion.owner`:                `{"op":"compare","compare":{"left":{"path":["assertion","actor"]},"right":{"path":["assertion","owner"]},"how":"equals"}}`,
		`has(assertion.environment) ? assertion.environment == 'p' : true`: `{"op":"any","of":[` +
			`{"op":"all","of":[{"op":"test","test":{"path":["assertion","environment"],"present":true}},{"op":"test","test":{"path":["assertion","environment"],"values":["p"]}}]},` +
			`{"op":"not","of":[{"op":"test","test":{"path":["assertion","environment"],"present":true}}]}]}`,
		`'a' in assertion.sub.split('/')`:       `{"op":"test","test":{"path":["assertion","sub"],"language":{"pattern":"\\A(?:(?s:.*)/)?a(?:/(?s:.*))?\\z"}}}`,
		`[assertion.o, 'a'].join('/') == 'x/a'`: `{"op":"test","test":{"path":null,"parts":[{"place":{"path":["assertion","o"]}},{"text":"/"},{"text":"a"}],"values":["x/a"]}}`,
		`assertion.sub < 'ab'`:                  `{"op":"test","test":{"path":["assertion","sub"],"language":{"pattern":"\\A(?:[\\x{0}-\\x{60}](?s:.*)|a(?:[\\x{0}-\\x{61}](?s:.*))?)?\\z"}}}`,
		`true`:                                  `{"op":"all"}`,
	} {
		p, err := Translate(expr, googleEnv("p"))
		if err != nil {
			t.Fatal(err)
		}
		if got := asJSON(t, p.True); got != want {
			t.Errorf("%s:\n got %s\nwant %s", expr, got, want)
		}
	}
}

// TestMostDocumentedConditionsAreAnalysed counts the documented conditions
// whose formula has an unknown part.
func TestMostDocumentedConditionsAreAnalysed(t *testing.T) {
	conditions, unknown := 0, 0
	for _, expr := range documented {
		checked, err := check(expr, stringsEnv("p"))
		if err != nil {
			checked, err = check(expr, googleEnv("p"))
		}
		if err != nil || checked.GetType(checked.Expr().ID()).Kind() != types.BoolKind {
			continue
		}
		p, err := translateFor(expr, "p")
		if err != nil {
			t.Fatal(err)
		}
		conditions++
		if strings.Contains(asJSON(t, p.True), `"unknown"`) {
			unknown++
			t.Logf("unknown: %s: %s", expr, asJSON(t, p.True))
		}
	}
	t.Logf("%d of %d documented conditions have an unknown part", unknown, conditions)
	if unknown*5 > conditions {
		t.Errorf("%d of %d documented conditions have an unknown part", unknown, conditions)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
