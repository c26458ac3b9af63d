package breadth

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
)

// keyed turns a leaf of AWS into one over a claim; see the README of the platform, and
// trustcheck.platform.aws.keys for what a request holds. What AWS does not document
// perhaps holds.
func (l *lowering) keyed(c *bundles.Condition) (leaf, error) {
	var read keyLeaf
	if err := json.Unmarshal(c.Leaf, &read); err != nil {
		return leaf{}, fmt.Errorf("%s: read the leaf: %w", said(c), err)
	}
	missing := leaf{settled: true, mayHold: read.IfMissing, holds: read.IfMissing}
	switch {
	case l.generic && (read.Instead != "" || read.Many):
		return l.unknown(c, "nothing is known of the issuer's other claims"), nil
	case read.Claim == "":
		return missing, nil
	case read.Provider != "" && read.Provider != foldASCII(strings.TrimPrefix(l.issuer, "https://")):
		return missing, nil
	case read.Many:
		return l.unknown(c, "the key holds a list"), nil
	}
	if len(read.Announced) == 2 {
		switch {
		case l.now.IsZero():
			return l.unknown(c, "whether STS fills the key depends on the time, which was not given"), nil
		case l.now.Before(time.Unix(read.Announced[0], 0)):
			return missing, nil
		case l.now.Before(time.Unix(read.Announced[1], 0)):
			return l.unknown(c, "whether STS filled the key at that time is not known"), nil
		}
	}
	matches, doubtful, err := l.matching(c, &read)
	if err != nil || matches == nil {
		return l.unknown(c, "the analysis does not know the operator"), err
	}
	found := leaf{paths: [][]any{{read.Claim}}}
	if found.may, err = l.request(&read, matches, doubtful, true); err == nil {
		found.must, err = l.request(&read, matches, doubtful, false)
	}
	if limited(err) {
		return l.unknown(c, err.Error()), nil
	}
	return found, err
}

// foldASCII is a text with its capitals made small, as AWS compares the names of keys.
func foldASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// matching is the texts that match one of the values, and those of which AWS does not say
// whether they do: beyond ASCII where case is folded, beyond the basic plane under ?.
func (l *lowering) matching(c *bundles.Condition, read *keyLeaf) (matches, doubtful *language.Language, err error) {
	doubtful = language.None()
	switch read.Op {
	case "in":
		matches, err = l.exact(textsIn(read.Values)...)
	case "pattern":
		matches, err = l.compile(read.Pattern)
		if err != nil {
			break
		}
		switch texts := wantedTexts(c); {
		case strings.Contains(strings.ToLower(c.Operator), "ignorecase"):
			doubtful, err = l.beyondASCII(foldsBeyond(texts))
		case slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "?") }):
			doubtful, err = l.beyondBasic(read.Pattern)
		}
	case "present":
		// Whether the key is there is settled by request.
		matches = language.None()
	}
	if limited(err) {
		return nil, nil, nil
	}
	return matches, doubtful, err
}

// beyondBasic is the texts with letters beyond the basic plane that match a pattern where
// one of them perhaps takes the place of two ?.
func (l *lowering) beyondBasic(pattern string) (*language.Language, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	loosen(parsed)
	loose, err := l.compile(parsed.String())
	if err != nil {
		return nil, err
	}
	beyond, err := l.compile(`[\x{10000}-\x{10ffff}]`)
	if err != nil {
		return nil, err
	}
	return l.limits.Intersect(l.ctx, loose, beyond)
}

// loosen lets every single letter that is not given be none.
func loosen(re *syntax.Regexp) {
	for i, sub := range re.Sub {
		if sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpCharClass {
			re.Sub[i] = &syntax.Regexp{Op: syntax.OpQuest, Sub: []*syntax.Regexp{sub}}
		} else {
			loosen(sub)
		}
	}
}

func (l *lowering) beyondASCII(pattern string) (*language.Language, error) {
	all, err := l.compile(pattern)
	if err != nil {
		return nil, err
	}
	ascii, err := l.compile(`\A[\x00-\x7f]*\z`)
	if err != nil {
		return nil, err
	}
	return l.limits.Minus(l.ctx, all, ascii)
}

// foldsBeyond is the pattern of texts that perhaps equal one of the wanted when case is
// folded beyond ASCII. Folding letter by letter keeps their number.
func foldsBeyond(wanted []string) string {
	var all []string
	for _, text := range wanted {
		var pattern strings.Builder
		for _, r := range text {
			folded := regexp.QuoteMeta(strings.ToLower(string(r)) + strings.ToUpper(string(r)))
			if r < utf8.RuneSelf && strings.ToLower(string(r)) == strings.ToUpper(string(r)) {
				pattern.WriteString(regexp.QuoteMeta(string(r)))
			} else if r < utf8.RuneSelf {
				pattern.WriteString(`[` + folded + `\x{80}-\x{10ffff}]`)
			} else {
				pattern.WriteString(`.`)
			}
		}
		all = append(all, pattern.String())
	}
	return `(?s)\A(?:` + strings.Join(all, "|") + `)\z`
}

// request is the values of a claim with which the condition holds: a text that matches, or
// does not where it is negated, and where the claim is absent what that means. A list of
// one audience counts as that audience. What else there may be is not documented.
func (l *lowering) request(read *keyLeaf, matches, doubtful *language.Language, may bool) (reading, error) {
	texts, err := l.decided(read, matches, doubtful, may)
	if err != nil {
		return reading{}, err
	}
	found := reading{
		text: texts, null: read.IfMissing, absent: read.IfMissing,
		yes: texts.Contains("true"), no: texts.Contains("false"), other: may,
	}
	if may {
		found.number = language.All()
	}
	if read.Claim != "aud" {
		if may {
			found.list, err = l.lists(language.All())
		}
		return found, err
	}
	return found, l.audiences(&found, read.IfMissing, may)
}

// decided is the texts with which the condition holds.
func (l *lowering) decided(read *keyLeaf, matches, doubtful *language.Language, may bool) (*language.Language, error) {
	if read.Op == "present" {
		for _, wanted := range textsIn(read.Values) {
			if wanted == "false" {
				return language.All(), nil
			}
		}
		return language.None(), nil
	}
	if read.Negated {
		matches = matches.Complement()
	}
	if doubtful.Empty() {
		return matches, nil
	}
	if may {
		return l.limits.Union(l.ctx, matches, doubtful)
	}
	return l.limits.Minus(l.ctx, matches, doubtful)
}

// audiences adds what lists come to, and takes the empty text for one that AWS does not
// document.
func (l *lowering) audiences(found *reading, missing, may bool) error {
	empty, err := l.exact("")
	if err != nil {
		return err
	}
	if found.text, err = l.limits.Minus(l.ctx, found.text, empty); err != nil {
		return err
	}
	single, err := l.limits.Around(l.ctx, found.text, "", string(language.End))
	if err != nil {
		// A text that may hold the end of an element cannot be one.
		return err
	}
	parts := []*language.Language{single}
	if missing {
		parts = append(parts, empty)
	}
	if may {
		if found.text, err = l.limits.Union(l.ctx, found.text, empty); err != nil {
			return err
		}
		several, err := l.lists(language.All())
		if err != nil {
			return err
		}
		if several, err = l.limits.Minus(l.ctx, several, empty); err != nil {
			return err
		}
		parts = append(parts, several)
	}
	found.list, err = l.limits.Union(l.ctx, parts...)
	return err
}

// silent is a condition on what only the tokens of few issuers carry, session tags and
// source identities, and one on what the caller chooses beside the token.
func (l *lowering) silent(c *bundles.Condition) (leaf, bool) {
	switch {
	case l.generic:
		return leaf{}, false
	case c.Name == "no_tags" || c.Name == "no_source_identity":
		return leaf{settled: true, mayHold: true, holds: true}, true
	case c.Name == "has_tags" || c.Name == "has_source_identity":
		return leaf{settled: true}, true
	case l.session != "" && sessionOf(c) == l.session:
		return leaf{settled: true, mayHold: true, holds: true}, true
	case c.Name == "key" && c.Analysis == "free":
		return l.unknown(c, "the caller chooses it, and it was not given"), true
	default:
		return leaf{}, false
	}
}

// sessionOf is a session name that a condition of AWS wants, or "". It is the caller's to
// choose.
func sessionOf(c *bundles.Condition) string {
	positive := c.Operator == "StringEquals" || c.Operator == "StringLike"
	if c.Platform != "aws" || c.Name != "key" || !positive || !strings.HasSuffix(strings.ToLower(c.Source), ".sts:rolesessionname") {
		return ""
	}
	for _, text := range wantedTexts(c) {
		if c.Operator == "StringLike" {
			text = strings.NewReplacer("*", "x", "?", "x").Replace(text)
		}
		if wellFormedSession(text) {
			return text
		}
	}
	return ""
}

// wellFormedSession reports whether STS takes a text for a session name, see
// AssumeRoleWithWebIdentity.
func wellFormedSession(text string) bool {
	return len(text) >= 2 && len(text) <= 64 && !strings.ContainsFunc(text, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_+=,.@-", r))
	})
}

// withSession puts the session name that the role wants into what is known beside the
// token, unless one was given.
func (a *analysis) withSession() {
	if _, given := a.Context["role_session_name"]; given {
		return
	}
	eachCondition(a.stages, func(c *bundles.Condition) {
		if name := sessionOf(c); name != "" && a.lower.session == "" {
			a.lower.session = name
		}
	})
	if a.lower.session == "" {
		return
	}
	a.Context = withMember(a.Context, "role_session_name", a.lower.session)
	if a.less != nil {
		a.less.Context = withMember(a.less.Context, "role_session_name", a.lower.session)
	}
	a.rest(fmt.Sprintf("the caller chooses the session name: taken for %s", a.lower.session))
}

func withMember(known map[string]any, name string, value any) map[string]any {
	with := maps.Clone(known)
	if with == nil {
		with = map[string]any{}
	}
	with[name] = value
	return with
}
