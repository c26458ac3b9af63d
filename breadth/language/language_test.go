package language

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var limits Limits

func compile(t testing.TB, pattern string) *Language {
	t.Helper()
	l, err := limits.Compile(t.Context(), pattern)
	if err != nil {
		t.Fatalf("%q: %v", pattern, err)
	}
	return l
}

// words returns all strings over the letters with at most n of them.
func words(letters string, n int) []string {
	all := []string{""}
	for from := 0; n > 0; n-- {
		to := len(all)
		for _, w := range all[from:to] {
			for _, r := range letters {
				all = append(all, w+string(r))
			}
		}
		from = to
	}
	return all
}

// sameMembers fails unless l holds just the words that want says.
func sameMembers(t *testing.T, name string, l *Language, words []string, want func(s string) bool) {
	t.Helper()
	for _, s := range words {
		if got := l.Contains(s); got != want(s) {
			t.Fatalf("%s: %q: got %v", name, s, got)
		}
	}
}

func TestMatchIsThatOfPackageRegexp(t *testing.T) {
	texts := slices.Concat(words("ab\n", 5), words("aA_ -é\n", 3), words("xK\u212ask\u017f", 3),
		[]string{"\ufffd", "\ud7ff", "\ue000", "\U0010ffff", "a\xff", "\x00"})
	for _, p := range []string{
		``, `a`, `^`, `$`, `^$`, `^a`, `a$`, `^a$`, `\Aa\z`, `^a|b$`, `^(a|b)$`, `a.b`, `(?s)a.b`, `(?s)^a.*b$`, `(?s)^.+$`, `(?s)^(.|a)*.{2,}$`, `(?s)b.+\z`,
		`(?m)^a`, `(?m)a$`, `(?m)^a$`, `(?m)^$`, `(?m)$^`, `(?m)a$\n^b`, `\ba`, `a\b`, `\ba\b`, `\Ba`, `a\B`, `\B`, `\b`,
		`\b\B`, `^\b`, `\b$`, `(?m)\b$`, `(?i)k`, `(?i)ſ`, `(?i)[k-s]`, `[^a]`, `[^\n]`, `\w`, `\W`, `\s`, `\pL`, `\PL`, `\x{FFFD}`,
		`[\x{D800}-\x{DFFF}]`, `[\x{D7FF}-\x{E000}]`, `^[^\x{D800}-\x{DFFF}]$`, `[^\x00-\x{10FFFF}]`, `a*`, `(a*)*`, `(a|b)*?b`, `a{2,3}`, `^a{2,3}$`,
		`(?U)a+b`, `(|a)+b`, `(a|)(b|)`, `(?:^a|b)*$`, `(?m)(^a\n?)+\z`, `(?i:a)b`, `^(?:a|^b)`, `\z`, `\z\A`, `a\Ab`, `a\z|b`, `[[:word:]]\b[[:^word:]]`,
	} {
		re := regexp.MustCompile(p)
		sameMembers(t, p, compile(t, p), texts, re.MatchString)
	}
}

func TestAlternationEscapesAnchor(t *testing.T) {
	if l := compile(t, `^a|b$`); !l.Contains("ax") || !l.Contains("xb") || l.Contains("xa") {
		t.Error("^a|b$ is anchored on one side of each alternative")
	}
	if l := compile(t, `^(?:a|b)$`); l.Contains("ax") || l.Contains("xb") || !l.Contains("a") {
		t.Error("^(?:a|b)$ is anchored")
	}
}

func TestBadPatternIsAnError(t *testing.T) {
	for _, p := range []string{`(`, `a**`, `\pX`, `(?=a)`, "\xff"} {
		if _, err := limits.Compile(t.Context(), p); err == nil {
			t.Errorf("%q: no error", p)
		}
	}
}

// pattern makes a random pattern over few letters.
func pattern(r *rand.Rand, depth int) string {
	atoms := []string{"a", "b", "A", "_", "-", ".", "é", `\n`, "[ab]", "[^a]", `\w`, `\W`, "^", "$", `\b`, `\B`, `\A`, `\z`, "(?m:^)", "(?m:$)", "(?s:.)", "(?i:a)", "(?s:.*)"}
	if depth == 0 {
		return atoms[r.IntN(len(atoms))]
	}
	sub := func() string { return pattern(r, r.IntN(depth)) }
	switch r.IntN(7) {
	case 0:
		return "(" + sub() + ")*"
	case 1:
		return "(?:" + sub() + ")?"
	case 2:
		return "(?:" + sub() + "|" + sub() + ")"
	case 3:
		return fmt.Sprintf("(?:%s){%d,%d}", sub(), r.IntN(2), 2)
	default:
		return sub() + sub()
	}
}

func TestRandomPatternsMatchAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := slices.Concat(words("ab\n", 4), words("aA_-é\n", 3))
	for range 1500 {
		p := pattern(r, 5)
		sameMembers(t, p, compile(t, p), texts, regexp.MustCompile(p).MatchString)
	}
}

func TestBooleansAgreeWithBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	texts := words("ab\n_", 4)
	for range 400 {
		p, q := pattern(r, 4), pattern(r, 4)
		a, b := compile(t, p), compile(t, q)
		name := p + " with " + q
		union, err1 := limits.Union(t.Context(), a, b)
		both, err2 := limits.Intersect(t.Context(), a, b)
		minus, err3 := limits.Minus(t.Context(), a, b)
		subset, err4 := limits.Subset(t.Context(), a, b)
		common, found, err5 := limits.Common(t.Context(), a, b)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		sameMembers(t, name, union, texts, func(s string) bool { return a.Contains(s) || b.Contains(s) })
		sameMembers(t, name, both, texts, func(s string) bool { return a.Contains(s) && b.Contains(s) })
		sameMembers(t, name, minus, texts, func(s string) bool { return a.Contains(s) && !b.Contains(s) })
		sameMembers(t, name, a.Complement(), texts, func(s string) bool { return !a.Contains(s) })
		if subset != minus.Empty() {
			t.Errorf("%s: subset %v, difference empty %v", name, subset, minus.Empty())
		}
		if found == both.Empty() || found && !both.Contains(common) {
			t.Errorf("%s: common member %q %v", name, common, found)
		}
		if s, ok := both.Shortest(); ok && s != common {
			t.Errorf("%s: shortest %q, common %q", name, s, common)
		}
		again, _ := limits.Union(t.Context(), both, minus)
		if !again.Equal(a) {
			t.Errorf("%s: the parts of a make another language", name)
		}
		if a.Equal(b) != (subset && union.Equal(b) && union.Equal(a)) {
			t.Errorf("%s: equality differs from inclusion", name)
		}
	}
}

func TestShortestIsShortest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	texts := words("ab\n_x", 4) // ascending in length
	for range 400 {
		p := pattern(r, 4)
		l := compile(t, p)
		s, ok := l.Shortest()
		if ok != !l.Empty() || ok && !l.Contains(s) {
			t.Fatalf("%s: shortest %q %v", p, s, ok)
		}
		i := slices.IndexFunc(texts, l.Contains)
		if i >= 0 && len([]rune(texts[i])) < len([]rune(s)) {
			t.Fatalf("%s: %q is shorter than %q", p, texts[i], s)
		}
		if d := l.Distances()[l.Start()]; ok && d != len([]rune(s)) || !ok && d != -1 {
			t.Fatalf("%s: distance %d of %q", p, d, s)
		}
	}
}

func TestExamplesReadWell(t *testing.T) {
	for p, want := range map[string]string{
		`(?s)^mygroup.*/app$`: "mygroup/app", `^[^/]+/[^/]+$`: "x/x", `^[a-w]{3}$`: "aaa", `^\W$`: "-", `^[A-Z]\d$`: "A0", `^[^\x00-\x7f]$`: "é",
	} {
		if s, _ := compile(t, p).Shortest(); s != want {
			t.Errorf("%s: got %q, want %q", p, s, want)
		}
	}
	evil, wild := compile(t, `^evil`), compile(t, `(?s)^.*/app$`)
	if s, ok, err := limits.Example(t.Context(), wild, None(), evil); s != "evil/app" || !ok || err != nil {
		t.Errorf("got %q %v %v", s, ok, err)
	}
	if s, ok, err := limits.Example(t.Context(), None(), evil); ok || err != nil {
		t.Errorf("example of nothing: %q %v", s, err)
	}
}

func TestNoneAndAll(t *testing.T) {
	if !None().Empty() || None().Everything() || !All().Everything() || All().Empty() {
		t.Error("none or all")
	}
	if !compile(t, `(?s).*`).Equal(All()) || !compile(t, ``).Equal(All()) || !compile(t, `a\Ab`).Equal(None()) {
		t.Error("equal languages differ")
	}
	if compile(t, `^.*$`).Everything() {
		t.Error("a line is not everything: newlines are not in .")
	}
	if u, _ := limits.Union(t.Context()); !u.Empty() {
		t.Error("union of nothing")
	}
	if i, _ := limits.Intersect(t.Context()); !i.Everything() {
		t.Error("intersection of nothing")
	}
	q := compile(t, `(?s)^a.*$`)
	if s := q.Walk(q.Start(), "a"); !q.Universal(s) || q.Dead(s) {
		t.Error("after the prefix")
	}
	if s := q.Walk(q.Start(), "b"); !q.Dead(s) || q.Universal(s) {
		t.Error("after another letter")
	}
}

func TestExactIsExact(t *testing.T) {
	for _, values := range [][]string{nil, {""}, {"main"}, {"main", "maint", "develop", "", "main"}, {"é", "日本", "a\U0010ffff"}} {
		l, err := limits.Exact(t.Context(), values...)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Compact(slices.Sorted(slices.Values(values)))
		got, ok := l.Values(len(want))
		if !ok || !slices.Equal(got, want) {
			t.Errorf("%q: got %q %v", values, got, ok)
		}
		if len(want) > 0 {
			if _, ok := l.Values(len(want) - 1); ok {
				t.Errorf("%q: as many as %d values", values, len(want)-1)
			}
		}
		quoted := []string{}
		for _, v := range values {
			quoted = append(quoted, regexp.QuoteMeta(v))
		}
		if p := `\A(?:` + strings.Join(quoted, "|") + `)\z`; len(values) > 0 && !compile(t, p).Equal(l) {
			t.Errorf("%q: differs from %s", values, p)
		}
	}
}

func TestFinite(t *testing.T) {
	for p, want := range map[string]int{
		`^[ab]{0,2}$`: 7, `^[ab]c?$`: 4, `^(?i:k)$`: 3, `^a*$`: -1, `a`: -1, `a\Ab`: 0, `^(a|b*c)\z`: -1,
	} {
		l := compile(t, p)
		values, ok := l.Values(100)
		if ok != (want >= 0) || ok && len(values) != want || l.Finite() != ok {
			t.Errorf("%s: %q %v, finite %v", p, values, ok, l.Finite())
		}
	}
	if dot := compile(t, `(?s)^.$`); !dot.Finite() {
		t.Error("one letter is finite")
	} else if _, ok := dot.Values(1000); ok {
		t.Error("any letter is more than 1000 values")
	} else if all, ok := dot.Values(2_000_000); !ok || len(all) != 0x110000-0x800 {
		t.Errorf("%d scalar values", len(all))
	}
}

func TestCommonPrefixAndSuffix(t *testing.T) {
	for p, want := range map[string][2]string{
		`(?s)^group/.*:main$`: {"group/", ":main"}, `^(abc|abd)$`: {"ab", ""}, `^(xc|yc)$`: {"", "c"}, `^main$`: {"main", "main"},
		`^(ab)+$`: {"ab", "ab"}, `^aa+$`: {"aa", "aa"}, `^(a|ba)$`: {"", "a"}, `^(aab|ab)$`: {"a", "ab"}, `a`: {"", ""}, `a\Ab`: {"", ""}, `^$`: {"", ""}, `^[ab]c$`: {"", "c"}, `^(?i)ka$`: {"", ""},
	} {
		l := compile(t, p)
		if got := [2]string{l.CommonPrefix(), l.CommonSuffix()}; got != want {
			t.Errorf("%s: got %q, want %q", p, got, want)
		}
	}
}

func TestRefinedTablesStepAlike(t *testing.T) {
	a, b := compile(t, `^repo:[a-z]+%3A\d$`), compile(t, `(?i)^k.*`)
	m := Morphism{':': "%3A", 'k': ""}
	alphabet := Refine([]*Language{a, b}, ':', 'k')
	for _, l := range []*Language{a, b} {
		plain, mapped := l.Table(alphabet, nil), l.Table(alphabet, m)
		for _, s := range []string{"repo:a%3A1", "repo", "k日", "Kx", ":1", "\u212a:"} {
			q, p := l.Start(), l.Start()
			for _, r := range s {
				q, p = plain.Step(q, alphabet.Class(r)), mapped.Step(p, alphabet.Class(r))
			}
			if q != l.Walk(l.Start(), s) || p != l.Walk(l.Start(), m.Apply(s)) {
				t.Errorf("%q: state %d, mapped %d", s, q, p)
			}
		}
	}
}

func TestRefiningAlphabetsTellApartWhatOthersDo(t *testing.T) {
	var all []*Alphabet
	for _, p := range []string{`[a-c]`, `[a-b]|d`, `[ac]`, `[^b]`, `(?i)k`, `\d`, `[\x{D000}-\x{E000}]`, `(?s).`, `[\x{10FFFF}]`} {
		all = append(all, compile(t, p).Alphabet())
	}
	for _, a := range slices.Clone(all) {
		for _, b := range all[:5] {
			all = append(all, a.meet(b))
		}
	}
	for i, a := range all {
		for j, b := range all {
			want := true
			within := map[int]int{}
			for _, r := range "\x00abcdekK09\u212a\ucfff\ud000\ud7ff\ue000\ue001\U0010fffe\U0010ffff" {
				class, known := within[a.Class(r)]
				within[a.Class(r)] = b.Class(r)
				want = want && (!known || class == b.Class(r))
			}
			if a.Refines(b) != want {
				t.Errorf("%d, %d: want %t", i, j, want)
			}
		}
	}
}

func TestAlphabetsHoldEveryScalarOnce(t *testing.T) {
	a := Refine([]*Language{compile(t, `\pL`), compile(t, `[\x{D7FF}\x{E000}]`), compile(t, `(?i)k`)}, 'x', 0x10FFFF)
	var letters int
	for c := range a.Size() {
		if a.Class(a.Representative(c)) != c {
			t.Errorf("class %d: representative %q of another", c, a.Representative(c))
		}
		for _, r := range a.Ranges(c) {
			letters += int(r.Hi-r.Lo) + 1
			for _, x := range []rune{r.Lo, r.Hi} {
				if a.Class(x) != c || surrogateMin <= x && x < surrogateEnd {
					t.Errorf("class %d: %U", c, x)
				}
			}
		}
	}
	if letters != 0x110000-0x800 {
		t.Errorf("%d letters", letters)
	}
}

func TestLanguagesAreMinimal(t *testing.T) {
	for p, want := range map[string]int{
		`(?s)^a.*b.*$`: 4, `(?s)\A(?:.*x.*|.*y.*)\z`: 2, `(a|b)(c|d)`: 3, `^(aa|ab|ba|bb)$`: 4, `a*`: 1,
	} {
		if l := compile(t, p); l.States() != want {
			t.Errorf("%s: %d states, want %d", p, l.States(), want)
		}
	}
}

// moore counts the states that no word tells apart, slowly.
func moore(d *draft) int {
	width := d.alphabet.Size()
	group := make([]int, len(d.accept))
	for q, a := range d.accept {
		if a {
			group[q] = 1
		}
	}
	for groups := 0; ; {
		number := make(map[string]int)
		finer := make([]int, len(group))
		for q := range group {
			key := fmt.Sprint(group[q])
			for _, to := range d.next[q*width : (q+1)*width] {
				key += fmt.Sprint(",", group[to])
			}
			if _, ok := number[key]; !ok {
				number[key] = len(number)
			}
			finer[q] = number[key]
		}
		group = finer
		if len(number) == groups {
			return groups
		}
		groups = len(number)
	}
}

func TestMinimisingKeepsTheLanguage(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	alphabet := alone([]rune("ab"))
	for range 3000 {
		n := 1 + r.IntN(30)
		random := &draft{alphabet: alphabet}
		for q := range n {
			random.accept = append(random.accept, r.IntN(6) == 0)
			for range alphabet.Size() {
				random.next = append(random.next, State(min(n-1, q+1, r.IntN(n+10))))
			}
		}
		row := func(q State, to []State) error {
			copy(to, random.next[int(q)*len(to):])
			return nil
		}
		l, err := explore(limits.meter(t.Context()), alphabet, 0, row, func(q State) bool { return random.accept[q] })
		if err != nil {
			t.Fatal(err)
		}
		reached := random.reached()
		if l.States() != moore(reached) {
			t.Fatalf("%d states of %d, want %d", l.States(), n, moore(reached))
		}
		for range 50 {
			q, p := State(0), l.Start()
			for range r.IntN(20) {
				letter := rune("abc"[r.IntN(3)])
				q, p = random.next[int(q)*alphabet.Size()+alphabet.Class(letter)], l.Step(p, letter)
			}
			if random.accept[q] != l.Accepting(p) {
				t.Fatal("another language")
			}
		}
	}
}

// reached leaves out the states that the start does not reach.
func (d *draft) reached() *draft {
	width := d.alphabet.Size()
	number := map[State]State{0: 0}
	order := []State{0}
	out := &draft{alphabet: d.alphabet}
	for i := 0; i < len(order); i++ {
		q := int(order[i])
		for _, to := range d.next[q*width : (q+1)*width] {
			if _, ok := number[to]; !ok {
				number[to] = State(len(order))
				order = append(order, to)
			}
			out.next = append(out.next, number[to])
		}
		out.accept = append(out.accept, d.accept[q])
	}
	return out
}

func FuzzCompile(f *testing.F) {
	for _, p := range []string{`(?m)^a|b$`, `(?i)\bk\B.`, `(?s)\A(?:a.*|.*b)\z`, `[^\pL]{2,3}`} {
		f.Add(p, "ak\nb")
	}
	f.Fuzz(func(t *testing.T, p, text string) {
		if len(p) > 60 {
			t.Skip()
		}
		re, err := regexp.Compile(p)
		l, lerr := Limits{States: 2000}.Compile(context.Background(), p)
		if err != nil || lerr != nil {
			if err != nil && lerr == nil {
				t.Fatalf("%q: compiles, but should not: %v", p, err)
			}
			return
		}
		if got, want := l.Contains(text), re.MatchString(text); got != want {
			t.Fatalf("%q on %q: got %v, want %v", p, text, got, want)
		}
		if s, ok := l.Shortest(); ok && !re.MatchString(s) {
			t.Fatalf("%q: shortest %q does not match", p, s)
		}
		if s, ok := l.Complement().Shortest(); ok && re.MatchString(s) {
			t.Fatalf("%q: %q matches", p, s)
		}
	})
}

func TestFiniteLanguagesAgreeWithBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	texts := slices.Sorted(slices.Values(words("ab_", 4)))
	few := compile(t, `^[ab_]{0,4}\z`)
	for range 400 {
		p := pattern(r, 4)
		l, err := limits.Intersect(t.Context(), few, compile(t, p))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !l.Contains(s) })
		got, ok := l.Values(len(want))
		if !ok || !l.Finite() || !slices.Equal(got, want) {
			t.Fatalf("%s: got %q %v, want %q", p, got, ok, want)
		}
		if _, ok := l.Values(len(want) - 1); ok {
			t.Errorf("%s: as many as %d values", p, len(want)-1)
		}
		var prefix, suffix string
		if len(want) > 0 {
			prefix, suffix = want[0], want[0]
		}
		for _, s := range want {
			for !strings.HasPrefix(s, prefix) {
				prefix = prefix[:len(prefix)-1]
			}
			for !strings.HasSuffix(s, suffix) {
				suffix = suffix[1:]
			}
		}
		if got := l.CommonPrefix(); got != prefix {
			t.Errorf("%s: prefix %q of %q", p, got, want)
		}
		if got := l.CommonSuffix(); got != suffix {
			t.Errorf("%s: suffix %q of %q", p, got, want)
		}
	}
}
