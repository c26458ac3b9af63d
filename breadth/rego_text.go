package breadth

import (
	"regexp"
	"unicode"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/cel"
)

// The functions on texts that Rego has and CEL has not, or has otherwise: case beyond ASCII.
const (
	lowercase = "lowercase"
	uppercase = "uppercase"
	between   = "between"
	trimStart = "trim_prefix"
	trimEnd   = "trim_suffix"
	replace   = "replace"
)

// beforeRego is the texts that one of Rego's functions makes members of x; nil where it is
// not known.
func (l *lowering) beforeRego(transform cel.Transform, x *language.Language) (*language.Language, error) {
	arguments := transform.Args
	switch transform.Func {
	case lowercase:
		return l.limits.Replacing(l.ctx, x, folding(x, unicode.ToLower))
	case uppercase:
		return l.limits.Replacing(l.ctx, x, folding(x, unicode.ToUpper))
	case between:
		return l.limits.Between(l.ctx, x, arguments[0], arguments[1])
	case trimStart:
		return l.untrimmed(x, arguments[0], "", `\A`+regexp.QuoteMeta(arguments[0]))
	case trimEnd:
		return l.untrimmed(x, "", arguments[0], regexp.QuoteMeta(arguments[0])+`\z`)
	case replace:
		return l.limits.Replacing(l.ctx, x, language.Morphism{[]rune(arguments[0])[0]: arguments[1]})
	default:
		return nil, nil
	}
}

// folding replaces the letters that folding changes, those that x tells from what becomes of
// them: the others make no difference.
func folding(x *language.Language, fold func(rune) rune) language.Morphism {
	morphism := language.Morphism{}
	for _, cases := range unicode.CaseRanges {
		for r := rune(cases.Lo); r <= rune(cases.Hi); r++ {
			if folded := fold(r); x.Alphabet().Class(folded) != x.Alphabet().Class(r) {
				morphism[r] = string(folded)
			}
		}
	}
	return morphism
}

// untrimmed is the members of x with prefix and suffix around them, and those without that
// have nothing to be trimmed.
func (l *lowering) untrimmed(x *language.Language, prefix, suffix, trimmed string) (*language.Language, error) {
	around, err := l.limits.Around(l.ctx, x, prefix, suffix)
	if err != nil {
		return nil, err
	}
	affixed, err := l.compile(trimmed)
	if err != nil {
		return nil, err
	}
	bare, err := l.limits.Minus(l.ctx, x, affixed)
	if err != nil {
		return nil, err
	}
	return l.limits.Union(l.ctx, around, bare)
}
