package breadth

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// claimIs says that a claim is one of the values, as typed equality; a list claim that
// one of its elements is.
func (q *question) claimIs(name string, may bool, values ...any) (node, error) {
	found, err := q.lower.values(values, true)
	if err != nil || name == "" {
		return no, err
	}
	return q.claim(name, *found, may)
}

// environmentIs says that the environment is one of these; widely one that may be, else one
// that surely is.
func (q *question) environmentIs(widely bool, names ...string) (node, error) {
	text, err := q.environmentNames(names, widely)
	if err != nil || q.model.Names.Environment == "" {
		return no, err
	}
	return q.claim(q.model.Names.Environment, reading{text: text}, true)
}

// environmentNames are the texts that name one of these environments. Where case is no
// matter, that of letters beyond ASCII may be.
func (q *question) environmentNames(names []string, widely bool) (*language.Language, error) {
	switch {
	case len(names) == 0:
		return nil, nil
	case !q.model.Names.EnvironmentAnyCase:
		return q.lower.exact(names...)
	case widely:
		return q.lower.compile(`(?is)\A(?:` + quotedAny(names) + `)\z`)
	}
	patterns := make([]string, len(names))
	for i, name := range names {
		patterns[i] = anyCaseOf(name)
	}
	return q.lower.compile(`(?s)\A(?:` + strings.Join(patterns, "|") + `)\z`)
}

// anyCaseOf is the pattern of a text whatever the case of its ASCII letters: (?i) takes the
// Kelvin sign for a k.
func anyCaseOf(text string) string {
	var made strings.Builder
	for _, letter := range text {
		quoted := regexp.QuoteMeta(string(letter))
		if letter < utf8.RuneSelf && unicode.IsLetter(letter) {
			quoted = "[" + strings.ToLower(quoted) + strings.ToUpper(quoted) + "]"
		}
		made.WriteString(quoted)
	}
	return made.String()
}

// claimMatches says that a claim is text that matches a pattern.
func (q *question) claimMatches(name, pattern string, may bool) (node, error) {
	text, err := q.lower.compile(pattern)
	if err != nil || name == "" {
		return no, err
	}
	return q.claim(name, reading{text: text}, may)
}

// onRef says that the ref is one that rules name, whose patterns stand behind the prefix.
func (a *analysis) onRef(q *question, claim, prefix string, patterns []string) (node, error) {
	if len(patterns) == 0 {
		return no, nil
	}
	return q.claimMatches(claim, a.refPattern(prefixed(prefix, patterns)), true)
}

// refPattern is the RE2 of the refs that rules name.
func (a *analysis) refPattern(patterns []string) string {
	if a.model.Names.RefSegments {
		return segmentGlobs(patterns)
	}
	return globs(patterns)
}

// constraint is a constraint of a scope, asked of a claim.
func (q *question) constraint(c *Constraint, claim string, may bool) (node, error) {
	wanted, err := q.lower.values(c.Values, true)
	if err != nil {
		return no, err
	}
	if pattern, ok := c.pattern(); ok && len(c.Within)+len(c.Prefixes) > 0 {
		var text *language.Language
		if text, err = q.lower.compile(pattern); err != nil {
			return no, err
		}
		wanted.text = text
		if wanted.list, err = q.lower.some(text); err != nil {
			return no, err
		}
	}
	if names := &q.model.Names; names.EnvironmentAnyCase && claim == names.Environment && len(c.Prefixes)+len(c.Within) == 0 {
		if wanted.text, err = q.environmentNames(textsIn(c.Values), may != c.Not); err != nil {
			return no, err
		}
	}
	if c.Not {
		found, err := q.claim(claim, *wanted, !may)
		return q.forms.not(found), err
	}
	return q.claim(claim, *wanted, may)
}
