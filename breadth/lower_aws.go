package breadth

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck"
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
	case l.beside.given[keyOf(c)]:
		return l.besides(c)
	case l.generic && (read.Instead != "" || read.Many):
		return l.unknown(c, "nothing is known of the issuer's other claims"), nil
	case slices.ContainsFunc(textsIn(read.Without), func(key string) bool { return l.beside.given[key] }):
		return l.unknown(c, "the context gives what a policy variable comes to"), nil
	case read.Claim == "" && read.Tags && (l.generic || l.tags):
		return l.unknown(c, "nothing is known of the issuer's session tags"), nil
	case read.Claim == "":
		return missing, nil
	case read.Provider != "" && l.issuer == "":
		return l.unknown(c, "which provider's token it is was not given"), nil
	case read.Provider != "" && read.Provider != foldASCII(strings.TrimPrefix(l.issuer, "https://")):
		return missing, nil
	case read.Many && l.mints(read.Claim):
		return l.unknown(c, "the key holds a list"), nil
	case read.Many:
		return missing, nil
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
	// Statements repeat themselves, and an atom for each of their languages is dear.
	key := fmt.Sprintf("%s %s %q", c.Leaf, c.Operator, wantedTexts(c))
	if known, ok := l.keys[key]; ok {
		return known, nil
	}
	matches, doubtful, err := l.matching(c, &read)
	if limited(err) {
		return l.unknown(c, err.Error()), nil
	}
	if err != nil || matches == nil {
		return l.unknown(c, "the analysis does not know the operator"), err
	}
	found := leaf{paths: [][]any{{read.Claim}}}
	if read.Doubt != "" {
		found.unknown = fmt.Sprintf("%s decides: %s", said(c), read.Doubt)
	}
	if found.may, err = l.request(&read, matches, doubtful, true); err == nil {
		found.must, err = l.request(&read, matches, doubtful, false)
	}
	if limited(err) {
		return l.unknown(c, err.Error()), nil
	}
	if err == nil {
		l.keys[key] = found
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

// matching is the texts that match one of the values, and those of which nobody says whether
// they do: beyond ASCII where case is folded, beyond the basic plane under ?, and what the
// condition itself calls doubtful.
func (l *lowering) matching(c *bundles.Condition, read *keyLeaf) (matches, doubtful *language.Language, err error) {
	doubtful = language.None()
	switch read.Op {
	case "number":
		return l.numbers(textsIn(read.Values), read.Holds)
	case "in":
		if matches, err = l.exact(textsIn(read.Values)...); err == nil && len(read.Doubtful) > 0 {
			doubtful, err = l.exact(textsIn(read.Doubtful)...)
		}
	case "pattern":
		if matches, doubtful, err = l.patterns(read); err != nil {
			break
		}
		switch texts := wantedTexts(c); {
		case strings.Contains(strings.ToLower(c.Operator), "ignorecase"):
			doubtful, err = l.also(doubtful, func() (*language.Language, error) { return l.beyondASCII(foldsBeyond(texts)) })
		case read.Pattern != "" && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "?") }):
			doubtful, err = l.also(doubtful, func() (*language.Language, error) { return l.beyondBasic(read.Pattern) })
		}
	case "present":
		// Whether the key is there is settled by request.
		matches = language.None()
	}
	return matches, doubtful, err
}

// patterns is the texts of a pattern, and those that match another one only, as they
// perhaps do with what a policy variable comes to.
func (l *lowering) patterns(read *keyLeaf) (matches, perhaps *language.Language, err error) {
	matches, perhaps = language.None(), language.None()
	if read.Pattern != "" {
		if matches, err = l.compile(read.Pattern); err != nil {
			return nil, nil, err
		}
	}
	if read.Perhaps != "" {
		if perhaps, err = l.compile(read.Perhaps); err != nil {
			return nil, nil, err
		}
		perhaps, err = l.limits.Minus(l.ctx, perhaps, matches)
	}
	return matches, perhaps, err
}

// also adds more texts to others.
func (l *lowering) also(texts *language.Language, more func() (*language.Language, error)) (*language.Language, error) {
	found, err := more()
	if err != nil || texts.Empty() {
		return found, err
	}
	return l.limits.Union(l.ctx, texts, found)
}

// numbers is the plain whole numbers that compare with one of the wanted as holds says, -1
// for less; all other texts are doubtful. Nothing is returned for a wanted text that is no
// such number.
func (l *lowering) numbers(wanted []string, holds []int) (matches, doubtful *language.Language, err error) {
	var parts []string
	for _, text := range wanted {
		if !regexp.MustCompile(`\A(0|[1-9][0-9]{0,18})\z`).MatchString(text) {
			return nil, nil, nil
		}
		for _, sign := range holds {
			switch {
			case sign == 0:
				parts = append(parts, text)
			case sign > 0:
				parts = append(parts, greater(text))
			default:
				parts = append(parts, less(text))
			}
		}
	}
	if matches, err = l.compile(`\A(?:` + strings.Join(parts, "|") + `)\z`); err != nil {
		return nil, nil, err
	}
	plain, err := l.compile(`\A(?:0|[1-9][0-9]*)\z`)
	if err != nil {
		return nil, nil, err
	}
	if matches, err = l.limits.Intersect(l.ctx, matches, plain); err != nil {
		return nil, nil, err
	}
	return matches, plain.Complement(), nil
}

// greater is the pattern of the numbers that are more than one: of more digits, or the
// first digit that differs is more.
func greater(number string) string {
	parts := []string{fmt.Sprintf("[1-9][0-9]{%d,}", len(number))}
	for i, digit := range number {
		if digit < '9' {
			parts = append(parts, fmt.Sprintf("%s[%c-9][0-9]{%d}", number[:i], digit+1, len(number)-i-1))
		}
	}
	return strings.Join(parts, "|")
}

func less(number string) string {
	parts := []string{`[^\x00-\x{10ffff}]`}
	if len(number) > 1 {
		parts = append(parts, fmt.Sprintf("[0-9]{1,%d}", len(number)-1))
	}
	for i, digit := range number {
		if digit > '0' {
			parts = append(parts, fmt.Sprintf("%s[0-%c][0-9]{%d}", number[:i], digit-1, len(number)-i-1))
		}
	}
	return strings.Join(parts, "|")
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
	case c.Name == "has_tags" && l.tags:
		return l.unknown(c, "a job may put session tags into its token"), true
	case c.Name == "has_tags" || c.Name == "has_source_identity":
		return leaf{settled: true}, true
	case c.Name == "key" && c.Analysis == "free":
		return l.unknown(c, "the caller chooses it, and it was not given"), true
	default:
		return leaf{}, false
	}
}

// beside is what stands beside the token: the keys that the context gives, folded, those
// that the caller chooses, and what the conditions come to that read nothing else, by their
// place, as Rego answers for this issuer's tokens.
type beside struct {
	given, chosen map[string]bool
	came          map[string]trustcheck.Reason
}

// besides takes a condition that reads nothing of the token for what Rego says that it comes
// to. Where the caller chooses, that is one choice of many: what it lets in gets in, but it
// proves nothing.
func (l *lowering) besides(c *bundles.Condition) (leaf, error) {
	var read keyLeaf
	if len(c.Leaf) > 0 {
		if err := json.Unmarshal(c.Leaf, &read); err != nil {
			return leaf{}, fmt.Errorf("%s: read the leaf: %w", said(c), err)
		}
	}
	key := keyOf(c)
	given := l.beside.given[key]
	switch {
	case !given && read.Lacks != "" && (l.generic || l.mints(read.Lacks)):
		return l.unknown(c, "a token may have the claim "+read.Lacks), nil
	case given && c.Analysis == "leaf" && (len(read.Without) > 0 || read.Perhaps != ""):
		return l.unknown(c, "the context gives the key"), nil
	case timeKeys[key] && !given && l.now.IsZero():
		return l.unknown(c, "it depends on the time, which was not given"), nil
	}
	came := l.beside.came[c.Source]
	satisfied := came.Status == trustcheck.Satisfied
	switch {
	case l.beside.chosen[key] && l.refusal:
		// Another choice of the caller's may be one that it does not refuse.
		found := l.unknown(c, "the caller chooses it, and it was not given")
		found.mayHold, found.chosen = came.Status != trustcheck.Failed, true
		return found, nil
	case l.beside.chosen[key]:
		found := leaf{settled: true, mayHold: true, holds: satisfied}
		if !satisfied {
			found = l.unknown(c, "the caller chooses it, and it was not given")
		}
		found.chosen = true
		return found, nil
	case satisfied || came.Status == trustcheck.Failed:
		return leaf{settled: true, mayHold: satisfied, holds: satisfied}, nil
	default:
		return l.unknown(c, cmp.Or(came.Message, "what it comes to was not told")), nil
	}
}

var timeKeys = map[string]bool{"aws:currenttime": true, "aws:epochtime": true}

// keyOf is the key, folded, that a condition of AWS is on; "" where it is on none.
func keyOf(c *bundles.Condition) string {
	if c.Platform != "aws" || c.Name != "key" {
		return ""
	}
	// The statement, Condition, the operator, and the key with all its dots.
	steps := strings.SplitN(c.Source, ".", 4)
	return foldASCII(steps[len(steps)-1])
}

// chooses is what a caller may choose, by the key: the member of the context that holds it,
// what is said of it, and what is chosen where the role wants nothing that can be sent.
var chooses = map[string]struct{ member, says, otherwise string }{
	"sts:rolesessionname": {"role_session_name", "the caller chooses the session name: taken for %s", "trustcheck"},
	"aws:sourceip":        {"source_ip", "the role lets requests come from anywhere: the address is taken for %s", ""},
	"aws:securetransport": {"", "the caller uses TLS: aws:SecureTransport is taken for %s", "true"},
	"aws:useragent":       {},
	"aws:requestedregion": {},
}

// choice is what of a wanted text a caller can send for a key; "" where that is not known.
func choice(c *bundles.Condition, text string) string {
	switch keyOf(c) {
	case "sts:rolesessionname":
		if strings.HasPrefix(foldASCII(c.Operator), "string") && strings.Contains(foldASCII(c.Operator), "like") {
			text = strings.NewReplacer("*", "x", "?", "x").Replace(text)
		}
		if wellFormedSession(text) {
			return text
		}
	case "aws:sourceip":
		// Whose the addresses of a smaller network are nobody knows.
		if network, err := netip.ParsePrefix(text); err == nil && network.Bits() == 0 {
			return network.Addr().Next().String()
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

// withCaller puts what the caller chooses, as the role wants it, into what is known beside
// the token, unless it was given.
func (a *analysis) withCaller() error {
	read, chosen := map[string]bool{}, map[string]string{}
	for s := range a.stages {
		for w, way := range slices.Concat(a.stages[s].Ways, a.stages[s].Refusals) {
			refusal := w >= len(a.stages[s].Ways)
			for i := range way.Conditions {
				c := &way.Conditions[i]
				read[keyOf(c)] = true
				if refusal != strings.Contains(foldASCII(c.Operator), "not") {
					continue
				}
				for _, text := range wantedTexts(c) {
					if fit := choice(c, text); fit != "" && chosen[keyOf(c)] == "" {
						chosen[keyOf(c)] = fit
					}
				}
			}
		}
	}
	var err error
	if a.Context, a.beside, err = a.besideOf(a.Role, a.Context, read, chosen); err != nil {
		return err
	}
	if a.less != nil && a.less.Role != nil {
		a.less.Context, a.less.beside, err = a.besideOf(a.less.Role, a.less.Context, read, chosen)
	}
	return err
}

// besideOf adds the caller's choices to what a role's context gives, and asks the role what
// its conditions come to with that.
func (a *analysis) besideOf(role *bundles.Role, context map[string]any, read map[string]bool, chosen map[string]string) (map[string]any, *beside, error) {
	found := &beside{given: map[string]bool{}, chosen: map[string]bool{}}
	keys, _ := context["keys"].(map[string]any)
	for key := range keys {
		found.given[foldASCII(key)] = true
	}
	asked := len(keys) > 0
	known := maps.Clone(context)
	if known == nil {
		known = map[string]any{}
	}
	for _, key := range slices.Sorted(maps.Keys(chooses)) {
		of := chooses[key]
		if !read[key] || found.given[key] || of.member != "" && known[of.member] != nil {
			continue
		}
		found.chosen[key] = true
		fit := cmp.Or(chosen[key], of.otherwise)
		switch {
		case fit == "":
			continue
		case of.member != "":
			known[of.member] = fit
		default:
			keys = maps.Clone(keys)
			if keys == nil {
				keys = map[string]any{}
			}
			keys[key] = fit
			known["keys"] = keys
		}
		a.rest(fmt.Sprintf(of.says, fit))
	}
	// Who comes through an endpoint has no such address.
	for _, key := range []string{"aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip"} {
		found.chosen[key] = found.chosen["aws:sourceip"] && !found.given[key]
	}
	for key := range read {
		asked = asked || key != ""
		a.readsNow = a.readsNow || timeKeys[key] && !found.given[key] && !a.Now.IsZero()
	}
	if !asked {
		return context, found, nil
	}
	claims := map[string]any{}
	if a.issuer != "" {
		claims["iss"] = a.issuer
	}
	decision, err := a.decide(role, known, claims)
	if err != nil {
		return nil, nil, err
	}
	found.came = map[string]trustcheck.Reason{}
	for _, reason := range decision.Reasons {
		found.came[reason.Source] = reason
	}
	return known, found, nil
}
