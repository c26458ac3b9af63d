package aws_test

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck"
)

// What follows is a second evaluation of trust policies, written from AWS's documentation
// alone and as differently from the Rego as it goes: globs by backtracking, numbers as
// fractions, dates and addresses by Go's own parsers. It exists to disagree.

// truth is three-valued; open stands for what AWS does not document.
type truth int

const (
	no truth = iota
	open
	yes
)

func not(t truth) truth       { return yes - t }
func and(a, b truth) truth    { return min(a, b) }
func or(a, b truth) truth     { return max(a, b) }
func certain(held bool) truth { return map[bool]truth{true: yes}[held] }

// held is what a request holds for a condition key.
type held struct {
	values []string
	many   bool
	hidden bool
}

type modelStatement struct {
	Effect     string
	Federated  []string
	Everyone   bool
	Actions    []string
	NotActions bool
	Conditions []modelCondition
}

type modelCondition struct {
	Operator, Key string
	Values        []string
}

type modelPolicy struct {
	Variables  bool
	Statements []modelStatement
}

// verdict evaluates the policy for one action: an explicit deny wins, then an allow.
func (p modelPolicy) verdict(provider string, keys map[string]held) trustcheck.Verdict {
	allowed, denied := no, no
	for _, s := range p.Statements {
		matched := and(s.principal(provider), s.action("sts:AssumeRoleWithWebIdentity"))
		for _, c := range s.Conditions {
			matched = and(matched, c.holds(keys, p.Variables))
		}
		if s.Effect == "Deny" {
			denied = or(denied, matched)
		} else {
			allowed = or(allowed, matched)
		}
	}
	switch and(allowed, not(denied)) {
	case yes:
		return trustcheck.Allow
	case no:
		return trustcheck.Deny
	}
	return trustcheck.Undecided
}

func (s modelStatement) principal(provider string) truth {
	for _, arn := range s.Federated {
		if arn == provider {
			return yes
		}
	}
	if s.Everyone {
		return open
	}
	return no
}

func (s modelStatement) action(action string) truth {
	covered := false
	for _, pattern := range s.Actions {
		covered = covered || glob(strings.ToLower(pattern), strings.ToLower(action))
	}
	return certain(covered != s.NotActions)
}

// glob matches with backtracking: * is any run of characters, ? one of them.
func glob(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	first, size := utf8.DecodeRuneInString(pattern)
	if first == '*' {
		for i := 0; ; {
			if glob(pattern[size:], text[i:]) {
				return true
			}
			if i == len(text) {
				return false
			}
			_, step := utf8.DecodeRuneInString(text[i:])
			i += step
		}
	}
	if text == "" {
		return false
	}
	came, step := utf8.DecodeRuneInString(text)
	return (first == '?' || first == came) && glob(pattern[size:], text[step:])
}

var operatorForm = regexp.MustCompile(`^(ForAllValues:|ForAnyValue:)?([A-Za-z]+?)(IfExists)?$`)

func (c modelCondition) holds(keys map[string]held, variables bool) truth {
	form := operatorForm.FindStringSubmatch(c.Operator)
	set, base, ifExists := form[1], form[2], form[3] != ""
	value, there := keys[strings.ToLower(c.Key)]
	// Every request has a session name, even where nobody says which.
	if value.hidden && (base != "Null" || !strings.EqualFold(c.Key, "sts:RoleSessionName")) {
		return open
	}
	if base == "Null" {
		wanted := no
		for _, v := range c.Values {
			wanted = or(wanted, certain((v == "true") == !there))
		}
		return wanted
	}
	negated := strings.Contains(base, "Not")
	positive := strings.Replace(base, "Not", "", 1)
	if !there {
		return certain(ifExists || set == "ForAllValues:" || (set == "" && negated))
	}
	one := func(v string) truth {
		matched := no
		for _, wanted := range c.Values {
			matched = or(matched, compare(positive, negated, v, wanted, keys, variables))
		}
		if negated {
			return not(matched)
		}
		return matched
	}
	switch set {
	case "ForAllValues:":
		all := yes
		for _, v := range value.values {
			all = and(all, one(v))
		}
		return all
	case "ForAnyValue:":
		some := no
		for _, v := range value.values {
			some = or(some, one(v))
		}
		return some
	}
	if value.many {
		return no
	}
	return one(value.values[0])
}

// compare answers for one value of the request and one of the policy; unreadable values are
// open under a negated operator and no match otherwise.
func compare(base string, negated bool, value, wanted string, keys map[string]held, variables bool) truth {
	unreadable := no
	if negated {
		unreadable = open
	}
	switch {
	case strings.HasPrefix(base, "String"), strings.HasPrefix(base, "Arn"):
		return compareText(base, unreadable, value, wanted, keys, variables)
	case base == "Bool":
		v, w := strings.ToLower(value), strings.ToLower(wanted)
		return certain(v == w && (w == "true" || w == "false"))
	case base == "BinaryEquals":
		v, errV := base64.StdEncoding.DecodeString(value)
		w, errW := base64.StdEncoding.DecodeString(wanted)
		return certain(errV == nil && errW == nil && string(v) == string(w))
	case base == "IpAddress":
		address, err := netip.ParseAddr(value)
		network, ok := readNetwork(wanted)
		if err != nil || !ok {
			return unreadable
		}
		return certain(network.Contains(address))
	case strings.HasPrefix(base, "Numeric"):
		v, okV := readNumber(value)
		w, okW := readNumber(wanted)
		if !okV || !okW {
			return unreadable
		}
		return certain(ordered(strings.TrimPrefix(base, "Numeric"), v.Cmp(w)))
	default:
		v, okV := readTime(value)
		w, okW := readTime(wanted)
		if !okV || !okW {
			return unreadable
		}
		return certain(ordered(strings.TrimPrefix(base, "Date"), v.Compare(w)))
	}
}

func ordered(comparison string, order int) bool {
	return map[string]bool{
		"Equals": order == 0, "LessThan": order < 0, "LessThanEquals": order <= 0,
		"GreaterThan": order > 0, "GreaterThanEquals": order >= 0,
	}[comparison]
}

func readNetwork(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, true
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(address, address.BitLen()), true
}

var decimalForm = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]*)?$`)

func readNumber(text string) (*big.Rat, bool) {
	if !decimalForm.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(strings.TrimSuffix(text, "."))
}

func readTime(text string) (time.Time, bool) {
	for _, layout := range []string{"2006", "2006-01", "2006-01-02", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999Z07:00"} {
		if found, err := time.Parse(layout, text); err == nil {
			return found, true
		}
	}
	var seconds int64
	if _, err := fmt.Sscanf(text, "%d", &seconds); err == nil && fmt.Sprint(seconds) == text {
		return time.Unix(seconds, 0), true
	}
	return time.Time{}, false
}

// Literal stars and question marks stand as these while a pattern is put together.
const (
	literalStar     = "\x00"
	literalQuestion = "\x01"
)

var variableForm = regexp.MustCompile(`\$\{([^}]*)\}`)

func compareText(base string, unreadable truth, value, wanted string, keys map[string]held, variables bool) truth {
	pattern, loose, result := wanted, wanted, yes
	if variables {
		pattern, loose, result = substitute(base, wanted, keys)
	}
	if result != yes {
		return result
	}
	matched := compareFilled(base, unreadable, value, pattern)
	if matched == no && compareFilled(base, unreadable, value, loose) == yes {
		return open
	}
	return matched
}

func compareFilled(base string, unreadable truth, value, pattern string) truth {
	plain := strings.NewReplacer(literalStar, "*", literalQuestion, "?").Replace(pattern)
	switch base {
	case "StringEquals":
		return certain(plain == value)
	case "StringEqualsIgnoreCase":
		return certain(asciiLower(plain) == asciiLower(value))
	case "StringLike":
		return certain(glob(pattern, protect(value)))
	}
	parts, texts := strings.SplitN(pattern, ":", 6), strings.SplitN(value, ":", 6)
	if len(parts) < 6 || len(texts) < 6 {
		return unreadable
	}
	for i := range parts {
		if !glob(parts[i], protect(texts[i])) {
			return no
		}
	}
	return yes
}

// protect writes a value's own wildcards as the pattern writes literal ones.
func protect(value string) string {
	return strings.NewReplacer("*", literalStar, "?", literalQuestion).Replace(value)
}

// substitute fills in the policy variables, with the wildcards of a value as literals and,
// loosely, as wildcards; no says that the text is null. A value whose colons would move the
// parts of an ARN is open.
func substitute(base, text string, keys map[string]held) (filled, loose string, result truth) {
	result = yes
	rest := text
	put := func(value string) {
		if strings.HasPrefix(base, "Arn") && strings.Contains(value, ":") && strings.Count(filled, ":") < 5 {
			result = min(result, open)
		}
		filled += protect(value)
		loose += value
	}
	for {
		at := variableForm.FindStringIndex(rest)
		if at == nil {
			return filled + rest, loose + rest, result
		}
		filled, loose = filled+rest[:at[0]], loose+rest[:at[0]]
		inside := rest[at[0]+2 : at[1]-1]
		rest = rest[at[1]:]
		if special, ok := map[string]string{"*": literalStar, "?": literalQuestion, "$": "$"}[inside]; ok {
			filled, loose = filled+special, loose+special
			continue
		}
		name, fallback, hasDefault := strings.Cut(inside, ", ")
		value, there := keys[strings.ToLower(name)]
		switch {
		case value.hidden || (there && value.many):
			result = min(result, open)
		case there:
			put(value.values[0])
		case hasDefault:
			put(strings.Trim(fallback, "'"))
		default:
			result = no
		}
	}
}

func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}
