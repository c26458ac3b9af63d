package language

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// glob is the RE2 of a pattern of stars and question marks.
func glob(s string) string {
	s = regexp.QuoteMeta(s)
	s = strings.ReplaceAll(s, `\*`, ".*")
	return `(?s:` + strings.ReplaceAll(s, `\?`, ".") + `)`
}

func anyOf(patterns ...string) string { return `\A(?:` + strings.Join(patterns, "|") + `)\z` }

func each(n int, format string) []string {
	patterns := make([]string, n)
	for i := range patterns {
		patterns[i] = glob(strings.ReplaceAll(format, "#", fmt.Sprintf("%d", i+1)))
	}
	return patterns
}

// letters repeats a format with ever other Han characters.
func letters(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, rune(0x4e00+2*i))
	}
	return b.String()
}

// worst are the patterns that cost most; those with limit set have no
// automaton of 20,000 states.
var worst = []struct {
	name, pattern string
	limit         bool
}{
	{"stars4", anyOf(glob("*a*a*a*b*")), false},
	{"stars100", anyOf(glob(strings.Repeat("*a", 100) + "*")), false},
	{"stars100end", anyOf(glob(strings.Repeat("*a", 100))), false},
	{"marks8", anyOf(glob("*a" + strings.Repeat("?", 8))), false},
	{"marks12", anyOf(glob("*a" + strings.Repeat("?", 12))), false},
	{"marks16", anyOf(glob("*a" + strings.Repeat("?", 16))), true},
	{"literal2000", anyOf(glob(strings.Repeat("abcdefghij", 200))), false},
	{"exact50", anyOf(each(50, "project-#")...), false},
	{"prefixes50", anyOf(each(50, "project-#/*")...), false},
	{"suffixes50", anyOf(each(50, "*/project-#")...), false},
	{"infixes50", anyOf(each(50, "*project-#*")...), false},
	{"triples50", anyOf(each(50, "prefix*infix#*suffix")...), false},
	{"triples200", anyOf(each(200, "prefix*infix#*suffix")...), false},
	{"classes20", `\A` + strings.Repeat(`[a-m\d_][^x]\pL`, 7) + `\z`, false},
	{"counted", `\A[a-z]{1,100}/[a-z]{1,100}\z`, false},
	{"folded30", `(?i)\A(?:` + strings.Repeat("kiss|sky|task|", 10) + `main)\z`, false},
	{"boundary", `\bmain\b`, false},
	{"nth10", `\A(a|b)*a(a|b){10}\z`, false},
	{"nth14", `\A(a|b)*a(a|b){14}\z`, true},
	{"nested", `\A(?:(?:a?b?){30}){30}\z`, false},
	{"quests", `(?:a?b?c?d?.?){200}x`, false},
	{"alternatives3000", anyOf(each(3000, "p*w#*s")...), false},
	{"negated5000", letters(5000, "[^%c]"), true},
	{"negatedStars1000", letters(1000, ".*[^%c]") + `\z`, true},
	{"letters2000", letters(2000, "%c"), false},
	{"literalMillion", strings.Repeat("abcdefgh", 1<<17), true},
	{"counted1000", `\A(?:` + strings.Repeat(".?", 25) + `){1000}\z`, true},
	{"marksEach", `\A` + strings.Repeat(`(?:.?.?ab|..cd|.*..e)`, 12) + `\z`, true},
	{"unicode", `\A(?:\pL|\pN){50}\p{Greek}*\P{Lu}+\z`, false},
}

func BenchmarkWorst(b *testing.B) {
	for _, w := range worst {
		b.Run(w.name, func(b *testing.B) {
			var states, classes int
			for b.Loop() {
				l, err := limits.Compile(b.Context(), w.pattern)
				if errors.Is(err, ErrLimit) != w.limit {
					b.Fatal(err)
				}
				if err == nil {
					states, classes = l.States(), l.Alphabet().Size()
				}
			}
			b.ReportMetric(float64(states), "states")
			b.ReportMetric(float64(classes), "classes")
		})
	}
}

func BenchmarkAllOfInfixes(b *testing.B) {
	for _, n := range []int{6, 8, 10, 14} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var languages []*Language
			for i := range n {
				languages = append(languages, compile(b, fmt.Sprintf("word%c", 'a'+i)))
			}
			for b.Loop() {
				if _, err := limits.Intersect(b.Context(), languages...); errors.Is(err, ErrLimit) != (n > 10) {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestWorstPatternsEndInTime(t *testing.T) {
	if slowdown > 1 {
		t.Skip("one goroutine's work of minutes under the race detector; it is run without it")
	}
	for _, w := range worst {
		start := processorTime(t)
		_, err := limits.Compile(t.Context(), w.pattern)
		if w.limit && !errors.Is(err, ErrLimit) || !w.limit && err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		if spent := processorTime(t) - start; spent > 3*time.Second {
			t.Errorf("%s: %v", w.name, spent)
		}
	}
}

// constructions are all that can fail, on languages that they cannot shortcut.
func constructions(t *testing.T) map[string]func(ctx context.Context, l Limits) error {
	a, b := compile(t, `\A(?:a|bc)*x[a-y]{20}\z`), compile(t, `(?s)\A.*x.{4}\z`)
	values := strings.Fields(strings.Repeat("main develop release ", 20))
	return map[string]func(ctx context.Context, l Limits) error{
		"compile":   func(ctx context.Context, l Limits) error { _, err := l.Compile(ctx, `(?s)^.*x.{4}$`); return err },
		"exact":     func(ctx context.Context, l Limits) error { _, err := l.Exact(ctx, values...); return err },
		"union":     func(ctx context.Context, l Limits) error { _, err := l.Union(ctx, a, b); return err },
		"intersect": func(ctx context.Context, l Limits) error { _, err := l.Intersect(ctx, a, b); return err },
		"minus":     func(ctx context.Context, l Limits) error { _, err := l.Minus(ctx, a, b); return err },
		"subset":    func(ctx context.Context, l Limits) error { _, err := l.Subset(ctx, a, b.Complement()); return err },
		"common":    func(ctx context.Context, l Limits) error { _, _, err := l.Common(ctx, a, b); return err },
		"example":   func(ctx context.Context, l Limits) error { _, _, err := l.Example(ctx, a, b); return err },
		"between":   func(ctx context.Context, l Limits) error { _, err := l.Between(ctx, b, "a", "b"); return err },
		"around":    func(ctx context.Context, l Limits) error { _, err := l.Around(ctx, b, "a", "b"); return err },
		"extract":   func(ctx context.Context, l Limits) error { _, err := l.Extracting(ctx, b, "a", "b"); return err },
		"split":     func(ctx context.Context, l Limits) error { _, err := l.Splitting(ctx, b, "/", 1); return err },
		"replace":   func(ctx context.Context, l Limits) error { _, err := l.Replacing(ctx, b, LowerASCII()); return err },
		"some":      func(ctx context.Context, l Limits) error { _, err := l.Some(ctx, b); return err },
		"every":     func(ctx context.Context, l Limits) error { _, err := l.Every(ctx, b); return err },
		"smtlib":    func(ctx context.Context, l Limits) error { _, err := l.SMTLIB(ctx, b, "b"); return err },
	}
}

func TestPastTheLimitIsAnError(t *testing.T) {
	for name, construct := range constructions(t) {
		if err := construct(t.Context(), limits); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := construct(t.Context(), Limits{States: 2}); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: got %v, want %v", name, err, ErrLimit)
		}
	}
}

func TestPastTheDeadlineIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, construct := range constructions(t) {
		if err := construct(ctx, limits); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
}

func TestDeadlineEndsLongWork(t *testing.T) {
	for _, p := range []string{
		`\A(a|b)*a(a|b){30}\z`, `\A(?:(?:a?b?){30}){30}\z`, `(?:\pL?\pN?.?){300}\z`,
		`\A(?:` + strings.Repeat(`.*a.*b.*c.*d|`, 300) + `x)\z`,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		start := processorTime(t)
		_, err := Limits{States: 1 << 30}.Compile(ctx, p)
		cancel()
		if spent := processorTime(t) - start; spent > slowdown*500*time.Millisecond || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v after %v", p, err, spent)
		}
	}
}
