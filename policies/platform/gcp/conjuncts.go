package gcp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/policies/cel"
)

// conjuncts are conditions of the neutral form on top-level claims that together say when a
// formula is satisfied, as most conditions that people write can be said; nil where they
// cannot.
func conjuncts(f cel.Formula) []any {
	operands := []cel.Formula{f}
	if f.Op == cel.All {
		operands = f.Of
	}
	var all []any
	for _, operand := range operands {
		one := conjunct(operand)
		if one == nil {
			return nil
		}
		all = append(all, one)
	}
	return all
}

// conjunct is one test, or several of which any holds of the same claim.
func conjunct(f cel.Formula) any {
	tests := []cel.Formula{f}
	if f.Op == cel.AnyOf {
		tests = f.Of
	}
	var claim string
	var values []any
	var patterns, shown []string
	for _, one := range tests {
		name, ok := topLevel(one)
		if !ok || claim != "" && name != claim {
			return nil
		}
		claim = name
		switch {
		case one.Test.Language != nil:
			patterns = append(patterns, one.Test.Language.RE2())
			shown = append(shown, wording(*one.Test.Language))
		case len(one.Test.Values) > 0 && !slices.ContainsFunc(one.Test.Values, notText):
			for _, value := range one.Test.Values {
				values = append(values, value)
				patterns = append(patterns, `\A`+regexp.QuoteMeta(value.(string))+`\z`)
				shown = append(shown, value.(string))
			}
		default:
			return nil
		}
	}
	if claim == "" {
		return nil
	}
	if len(values) == len(patterns) {
		return map[string]any{"test": "in", "reads": "claim", "key": claim, "claim": claim, "operator": "equals", "values": values, "wanted": values}
	}
	return map[string]any{
		"test": "pattern", "reads": "claim", "key": claim, "claim": claim, "operator": "is like",
		"pattern": "(?:" + strings.Join(patterns, ")|(?:") + ")", "wanted": shown,
	}
}

// topLevel is the claim of which a leaf asks one question, taken as it is.
func topLevel(f cel.Formula) (string, bool) {
	if f.Op != cel.Leaf || f.Test == nil || len(f.Test.Through) > 0 || len(f.Test.Path) != 2 || f.Test.Path[0] != "assertion" {
		return "", false
	}
	return f.Test.Path[1], true
}

func notText(value any) bool {
	_, ok := value.(string)
	return !ok
}

func wording(l cel.Language) string {
	switch {
	case l.Prefix != nil:
		return *l.Prefix + "…"
	case l.Suffix != nil:
		return "…" + *l.Suffix
	case l.Contains != nil:
		return "…" + *l.Contains + "…"
	default:
		return "/" + *l.Pattern + "/"
	}
}
