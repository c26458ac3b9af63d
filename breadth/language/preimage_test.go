package language

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// extract is what Extracting inverts.
func extract(s, prefix, suffix string) string {
	_, rest, found := strings.Cut(s, prefix)
	if !found {
		return ""
	}
	if suffix == "" {
		return rest
	}
	value, _, found := strings.Cut(rest, suffix)
	if !found {
		return ""
	}
	return value
}

func TestExtractAsGoogleDocumentsIt(t *testing.T) {
	const s = "projects/_/buckets/acme-orders-aaa/objects/data_lake/orders/order_date=2019-11-03/aef87g87ae0876"
	for _, c := range []struct{ prefix, suffix, want string }{
		{"/order_date=", "/", "2019-11-03"}, {"buckets/", "/", "acme-orders-aaa"}, {"/orders/", "order_date", ""},
		{"", "/objects/data_lake", "projects/_/buckets/acme-orders-aaa"}, {"orders/", "", "order_date=2019-11-03/aef87g87ae0876"}, {"", "", s}, {"/orders/", "/order_date=", ""},
	} {
		if got := extract(s, c.prefix, c.suffix); got != c.want {
			t.Errorf("{%s}{}{%s}: got %q, want %q", c.prefix, c.suffix, got, c.want)
		}
		x, err := limits.Exact(t.Context(), c.want)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := limits.Extracting(t.Context(), x, c.prefix, c.suffix); err != nil || !l.Contains(s) {
			t.Errorf("{%s}{}{%s}: does not extract %q: %v", c.prefix, c.suffix, c.want, err)
		}
	}
}

func TestPreimagesAgreeWithTheFunctions(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	texts := slices.Concat(words("ab:A", 5), words("ab", 8))
	affixes := []string{"", "a", "b", "ab", "aa", "aab", "aba", ":", "::", "abab"}
	for range 150 {
		p := pattern(r, 4)
		x := compile(t, p)
		affix := func() string { return affixes[r.IntN(len(affixes))] }
		prefix, suffix, index := affix(), affix(), r.IntN(3)
		morphism := Morphism{':': "%3A", 'a': affix(), 'b': affix()}
		check := func(what string, want func(s string) bool) func(l *Language, err error) {
			return func(l *Language, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				sameMembers(t, what+" "+p+" "+prefix+" "+suffix, l, texts, want)
			}
		}
		check("between", func(s string) bool { return x.Contains(prefix + s + suffix) })(
			limits.Between(t.Context(), x, prefix, suffix))
		check("around", func(s string) bool {
			return len(s) >= len(prefix+suffix) && strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix) &&
				x.Contains(s[len(prefix):len(s)-len(suffix)])
		})(limits.Around(t.Context(), x, prefix, suffix))
		check("extracting", func(s string) bool { return x.Contains(extract(s, prefix, suffix)) })(
			limits.Extracting(t.Context(), x, prefix, suffix))
		check("splitting", func(s string) bool {
			pieces := strings.Split(s, prefix)
			return index < len(pieces) && x.Contains(pieces[index])
		})(limits.Splitting(t.Context(), x, prefix, index))
		check("replacing", func(s string) bool { return x.Contains(morphism.Apply(s)) })(
			limits.Replacing(t.Context(), x, morphism))
		check("lower", func(s string) bool { return x.Contains(strings.ToLower(s)) })(
			limits.Replacing(t.Context(), x, LowerASCII()))
	}
}

func TestLowerASCIILeavesOthersAlone(t *testing.T) {
	if got := LowerASCII().Apply("ÄZa\u212a"); got != "Äza\u212a" {
		t.Errorf("got %q", got)
	}
}

func TestListsQuantifyOverElements(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	elements := words("ab", 2)
	for range 100 {
		p := pattern(r, 4)
		x := compile(t, p)
		some, err1 := limits.Some(t.Context(), x)
		every, err2 := limits.Every(t.Context(), x)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for range 100 {
			list := make([]string, r.IntN(4))
			for i := range list {
				list[i] = elements[r.IntN(len(elements))]
			}
			s := List(list...)
			if got, want := some.Contains(s), slices.ContainsFunc(list, x.Contains); got != want {
				t.Fatalf("some %s in %q: got %v", p, list, got)
			}
			all := !slices.ContainsFunc(list, func(e string) bool { return !x.Contains(e) })
			if got := every.Contains(s); got != all {
				t.Fatalf("every %s in %q: got %v", p, list, got)
			}
		}
	}
}

func TestElementsMayNotDependOnTheirEnd(t *testing.T) {
	for p, want := range map[string]error{`^[^/]*$`: nil, `^\x{10FFFF}$`: ErrReserved, `^[^\x{10FFFF}]$`: ErrReserved} {
		if _, err := limits.Some(t.Context(), compile(t, p)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", p, err, want)
		}
		if _, err := limits.Every(t.Context(), compile(t, p)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", p, err, want)
		}
	}
}

func TestAnUnfinishedElementIsNoList(t *testing.T) {
	lists, err := limits.Every(t.Context(), All())
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{"": true, List("a"): true, List("a", ""): true, "a": false, List("a") + "b": false} {
		if lists.Contains(s) != want {
			t.Errorf("%q: got %v", s, !want)
		}
	}
}
