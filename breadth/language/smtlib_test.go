package language

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

func TestSMTLIBOfASmallLanguage(t *testing.T) {
	got, err := limits.SMTLIB(t.Context(), compile(t, `^ab*$`), "l")
	const want = `(define-fun l.0 () RegLan (re.range "\u{61}" "\u{61}"))
(define-fun l.1 () RegLan (re.range "\u{62}" "\u{62}"))
(define-fun l.2 () RegLan (re.* l.1))
(define-fun l.3 () RegLan (re.++ l.0 l.2))
(define-fun l () RegLan l.3)
`
	if err != nil || got != want {
		t.Errorf("got %s %v", got, err)
	}
	if got, err := limits.SMTLIB(t.Context(), None(), "n"); err != nil || got != "(define-fun n () RegLan re.none)\n" {
		t.Errorf("got %s %v", got, err)
	}
}

// TestSolverAgrees asks the solver that TRUSTCHECK_SMT names ("cvc5" or "z3")
// whether it finds a string on which this package is wrong.
func TestSolverAgrees(t *testing.T) {
	solver := os.Getenv("TRUSTCHECK_SMT")
	if solver == "" {
		t.Skip("TRUSTCHECK_SMT names no solver")
	}
	limit := map[string]string{"cvc5": "--tlimit-per=500", "z3": "-t:500"}[solver]
	var script strings.Builder
	var wanted, asked []string
	script.WriteString("(set-logic ALL)\n(declare-const x String)\n")
	scalars, err := limits.SMTLIB(t.Context(), All(), "scalars")
	if err != nil {
		t.Fatal(err)
	}
	script.WriteString(scalars + "(assert (str.in_re x scalars))\n") // no surrogates
	ask := func(question, want, assertion string) {
		fmt.Fprintf(&script, "(push 1)\n(assert %s)\n(check-sat)\n(pop 1)\n", assertion)
		wanted, asked = append(wanted, want), append(asked, question)
	}
	r := rand.New(rand.NewPCG(11, 12))
	texts := words("ab_\n", 3)
	for i := range 20 {
		p, q := pattern(r, 3), pattern(r, 3)
		a, b := compile(t, p), compile(t, q)
		both, err1 := limits.Intersect(t.Context(), a, b)
		either, err2 := limits.Union(t.Context(), a, b)
		split, err3 := limits.Splitting(t.Context(), a, "_", 0)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		for name, l := range map[string]*Language{"a": a, "b": b, "both": both, "either": either, "neither": either.Complement(), "split": split} {
			text, err := limits.SMTLIB(t.Context(), l, fmt.Sprint(name, i))
			if err != nil {
				t.Fatal(err)
			}
			script.WriteString(text)
		}
		in := func(s, name string) string { return fmt.Sprintf("(str.in_re %s %s%d)", s, name, i) }
		name := p + " with " + q
		for range 5 {
			text := texts[r.IntN(len(texts))]
			want := map[bool]string{true: "sat", false: "unsat"}[regexp.MustCompile(p).MatchString(text)]
			literal := `"` + strings.ReplaceAll(text, "\n", `\u{a}`) + `"`
			ask(fmt.Sprintf("%s matches %q", p, text), want, in(literal, "a"))
		}
		ask("intersection "+name, "unsat", fmt.Sprintf("(distinct (and %s %s) %s)", in("x", "a"), in("x", "b"), in("x", "both")))
		ask("union "+name, "unsat", fmt.Sprintf("(distinct (or %s %s) %s)", in("x", "a"), in("x", "b"), in("x", "either")))
		ask("complement "+name, "unsat", fmt.Sprintf("(and %s %s)", in("x", "either"), in("x", "neither")))
		ask("split "+p, "unsat", fmt.Sprintf(`(and (str.contains x "_") (distinct %s %s))`,
			in("x", "split"), in(`(str.substr x 0 (str.indexof x "_" 0))`, "a")))
		ask("empty "+name, map[bool]string{true: "unsat", false: "sat"}[both.Empty()], in("x", "both"))
	}
	cmd := exec.CommandContext(t.Context(), solver, "--incremental", limit, "--strings-exp", "-")
	if solver == "z3" {
		cmd = exec.CommandContext(t.Context(), solver, limit, "-in")
	}
	cmd.Stdin = strings.NewReader(script.String())
	out, _ := cmd.CombinedOutput() // z3 exits with 1 after an unknown
	answers := strings.Fields(string(out))
	if len(answers) != len(wanted) {
		t.Fatalf("%d answers to %d questions: %.500s", len(answers), len(wanted), out)
	}
	agreed := 0
	for i, answer := range answers {
		switch {
		case answer == wanted[i]:
			agreed++
		case answer == "sat" || answer == "unsat":
			t.Errorf("%s: %s says %s, want %s", asked[i], solver, answer, wanted[i])
		}
	}
	t.Logf("%s agrees on %d of %d questions and is silent on the others", solver, agreed, len(wanted))
	if agreed == 0 {
		t.Error("no answers")
	}
}
