package cel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// author writes random expressions that type-check, or nearly always do.
type author struct {
	*rand.Rand
	vars []string // of macros
}

func (a *author) pick(of ...string) string { return of[a.IntN(len(of))] }

func (a *author) any(depth int) string {
	if depth <= 0 {
		if len(a.vars) > 0 && a.IntN(2) == 0 {
			return a.pick(a.vars...)
		}
		if a.IntN(6) == 0 {
			return a.pick(`attribute.repository`, `google.groups`, `google.subject`, `attribute.nope`, `assertion`)
		}
		return "assertion." + a.pick("sub", "ref", "aud", "flag", "n", "m", "null_claim", "empty", "nope", "nope2", "groups_direct",
			"job_config", "user_identities", "ref_type", "runner_id", "submods", "namespace_id", "environment", "ref_protected")
	}
	d := depth - 1
	switch a.IntN(11) {
	case 0:
		return fmt.Sprintf("(%s ? %s : %s)", a.bool(d), a.any(d), a.any(d))
	case 1:
		return fmt.Sprintf("%s[%s]", a.any(d), a.pick("0", "1", "'x'", "'url'", "-1", a.any(0)))
	case 2:
		return a.any(d) + "." + a.pick("x", "url", "extern_uid", "images")
	case 3:
		return a.list(d) + "[" + a.int(d) + "]"
	case 4:
		return "(" + a.any(d) + " " + a.pick("+", "-") + " " + a.any(d) + ")"
	case 5:
		return "dyn(" + a.pick(a.bool(d), a.string(d), a.int(d), a.list(d), "null", "1.5", "1.0", "{'a': "+a.any(d)+"}") + ")"
	case 6:
		return "{'main': " + a.any(d) + ", 'b': " + a.any(d) + "}[" + a.string(d) + "]"
	}
	return a.any(0)
}

func (a *author) text(depth int) string {
	if a.IntN(2) == 0 {
		return a.any(depth)
	}
	return a.string(depth)
}

func (a *author) string(depth int) string {
	if depth <= 0 {
		return a.pick(`'acme'`, `'main'`, `''`, `'é'`, `'/'`, `':'`, `'acme/'`, `'a'`, `'x\n'`, `'true'`, `"72"`, `r'\d'`, `'😀'`, `'url'`)
	}
	d := depth - 1
	switch a.IntN(8) {
	case 0:
		return fmt.Sprintf("(%s + %s)", a.string(d), a.text(d))
	case 1:
		return fmt.Sprintf("%s.extract('%s')", a.text(d), a.pick("{x}", "acme/{x}", "{x}/", "repo:{x}:", "é{x}", "{x}{", "a{x}a"))
	case 2:
		return fmt.Sprintf("%s.join(%s)", a.list(d), a.pick("", `','`, a.string(d)))
	case 3:
		return "string(" + a.pick(a.any(d), a.bool(d), a.string(d)) + ")"
	case 4:
		return fmt.Sprintf("(%s ? %s : %s)", a.bool(d), a.string(d), a.string(d))
	}
	return a.string(0)
}

func (a *author) int(depth int) string {
	if depth <= 0 {
		return a.pick("0", "1", "2", "-1", "72", "9223372036854775807")
	}
	d := depth - 1
	switch a.IntN(6) {
	case 0:
		return "size(" + a.pick(a.any(d), a.string(d), a.list(d)) + ")"
	case 1:
		return fmt.Sprintf("(%s %s %s)", a.int(d), a.pick("+", "-", "*"), a.int(d))
	case 2:
		return "int(" + a.pick(a.any(d), a.string(d), a.int(d)) + ")"
	case 3:
		return a.any(d) + ".size()"
	}
	return a.int(0)
}

// inside writes with one more variable in sight.
func (a *author) inside(write func(v string) string) string {
	v := a.pick("x", "y", "g")
	a.vars = append(a.vars, v)
	defer func() { a.vars = a.vars[:len(a.vars)-1] }()
	return write(v)
}

func (a *author) over(depth int) string {
	if a.IntN(3) > 0 {
		return a.pick("assertion.groups_direct", "assertion.aud", "assertion.user_identities", "assertion.job_config", a.any(depth))
	}
	return a.list(depth)
}

func (a *author) list(depth int) string {
	if depth <= 0 {
		return a.pick(`['a', 'acme']`, `['main']`, `['']`, `[assertion.ref, 'x']`, `['x', 'y', 'z']`)
	}
	d := depth - 1
	switch a.IntN(7) {
	case 0:
		return fmt.Sprintf("%s.split(%s)", a.text(d), a.pick("'/'", "':'", "''", a.string(d)))
	case 1:
		over := a.over(d)
		return a.inside(func(v string) string { return fmt.Sprintf("%s.filter(%s, %s)", over, v, a.bool(d)) })
	case 2:
		over := a.over(d)
		return a.inside(func(v string) string { return fmt.Sprintf("%s.map(%s, %s)", over, v, a.string(d)) })
	case 3:
		over := a.over(d)
		return a.inside(func(v string) string { return fmt.Sprintf("%s.map(%s, %s, %s)", over, v, a.bool(d), a.any(d)) })
	case 4:
		return fmt.Sprintf("(%s + %s)", a.list(d), a.list(d))
	case 5:
		return fmt.Sprintf("[%s, %s]", a.any(d), a.any(d))
	}
	return a.list(0)
}

func (a *author) bool(depth int) string {
	if depth <= 0 {
		return a.pick("true", "false", "assertion.flag", "has(assertion.nope)", "has(assertion.ref)", "assertion.ref == 'main'", a.any(0))
	}
	d := depth - 1
	switch a.IntN(17) {
	case 0, 1:
		return fmt.Sprintf("(%s && %s)", a.bool(d), a.bool(d))
	case 2, 3:
		return fmt.Sprintf("(%s || %s)", a.bool(d), a.bool(d))
	case 4:
		return "!" + a.bool(d)
	case 5:
		return fmt.Sprintf("(%s %s %s)", a.any(d), a.pick("==", "!="), a.pick(a.any(d), a.string(d), a.int(d), "null", "true", "1.5"))
	case 6:
		return fmt.Sprintf("(%s %s %s)", a.any(d), a.pick("<", "<=", ">", ">="), a.pick(a.any(d), a.string(d), a.int(d), "1.5"))
	case 7:
		return fmt.Sprintf("%s.%s(%s)", a.text(d), a.pick("startsWith", "endsWith", "contains"), a.string(d))
	case 8:
		return fmt.Sprintf("%s.matches('%s')", a.text(d), a.pick("acme", "^acme/", "main$", ".", "(?i)MAIN", "(", "^$", "a|b"))
	case 9:
		return fmt.Sprintf("(%s in %s)", a.pick(a.any(d), a.string(d)), a.pick(a.any(d), a.list(d)))
	case 10:
		return fmt.Sprintf("has(%s.%s)", a.any(d), a.pick("x", "url", "extern_uid"))
	case 11, 12:
		over := a.over(d)
		return a.inside(func(v string) string {
			return fmt.Sprintf("%s.%s(%s, %s)", over, a.pick("all", "exists"), v, a.bool(d))
		})
	case 13:
		over := a.over(d)
		return a.inside(func(v string) string { return fmt.Sprintf("%s.exists_one(%s, %s)", over, v, a.bool(d)) })
	case 14:
		return fmt.Sprintf("(%s ? %s : %s)", a.bool(d), a.bool(d), a.bool(d))
	case 15:
		return fmt.Sprintf("(%s == %s)", a.string(d), a.string(d))
	}
	return "bool(" + a.any(d) + ")"
}

// TestRandomExpressionDiffersFromCEL asks random expressions of random tokens.
// Those that cel-go itself refuses, and those that are refused, do not count.
func TestRandomExpressionDiffersFromCEL(t *testing.T) {
	const rounds, perRound = 4, 60
	if testing.Short() {
		t.Skip("takes a while")
	}
	asked, undecided, written, refused := 0, 0, 0, 0
	for round := range rounds {
		r := rand.New(rand.NewPCG(11, uint64(round)))
		var exprs []string
		for len(exprs) < perRound {
			a := &author{Rand: r}
			expr := a.pick(a.bool(4), a.bool(4), a.bool(3), a.any(4), a.string(3))
			_, err := Translate(expr, googleEnv("p"))
			var bad *Invalid
			var no *Unsupported
			switch {
			case errors.As(err, &bad):
				continue
			case errors.As(err, &no):
				refused++
			case err != nil:
				t.Fatalf("%s: %v", expr, err)
			default:
				exprs = append(exprs, expr)
			}
			written++
		}
		n, u := differ(t, exprs, claimSets(r, 25))
		asked, undecided = asked+n, undecided+u
	}
	t.Logf("%d expressions, %.1f %% refused; %d answers, %.1f %% undecided",
		written, 100*float64(refused)/float64(written), asked, 100*float64(undecided)/float64(asked))
}

// FuzzTranslate wants of any text whatever: a typed refusal, or a module that
// compiles under strict checking and agrees with cel-go.
func FuzzTranslate(f *testing.F) {
	for _, expr := range append(append([]string{}, documented...), traps...) {
		f.Add(expr)
	}
	r := rand.New(rand.NewPCG(3, 5))
	for range 50 {
		f.Add((&author{Rand: r}).bool(4))
	}
	inputs := claimSets(r, 4)
	f.Fuzz(func(t *testing.T, expr string) {
		_, err := translateFor(expr, "p")
		var bad *Invalid
		var no *Unsupported
		switch {
		case errors.As(err, &bad), errors.As(err, &no):
			return
		case err != nil:
			t.Fatal(err)
		}
		if env, _ := oracle(); env != nil {
			if _, issues := env.Compile(expr); issues.Err() != nil && strings.Contains(expr, "claims.") {
				t.Skip("valid only with optional values")
			}
		}
		differ(t, []string{expr}, inputs)
	})
}

const benchmarked = `(assertion.ref == 'main' || assertion.ref.startsWith('release-')) && assertion.ref_protected == 'true' && assertion.namespace_path == 'acme'`

func BenchmarkTranslate(b *testing.B) {
	for b.Loop() {
		if _, err := Translate(benchmarked, googleEnv("p")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	p, err := Translate(benchmarked, googleEnv(pkgOf(0)))
	if err != nil {
		b.Fatal(err)
	}
	query := prepare(b, []*Program{p}).strict
	input := ast.MustParseTerm(`{"claims": ` + plainClaims + `}`).Value
	for b.Loop() {
		if _, err := query.Eval(b.Context(), rego.EvalParsedInput(input)); err != nil {
			b.Fatal(err)
		}
	}
}
