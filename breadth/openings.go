package breadth

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
)

// opening is how a wanted text starts: all of it, or what stands before the first
// wildcard when it is open.
type opening struct {
	text string
	open bool
}

// upTo is the opening of a part of the text that ends at a separator.
func (o opening) upTo(text, separator string) opening {
	part, _, closed := strings.Cut(text, separator)
	return opening{part, o.open && !closed}
}

// maxOpenings bounds how many alternatives of a pattern are told apart.
const maxOpenings = 256

// starts lists how the texts that satisfy a condition start.
func starts(c *bundles.Condition) []opening {
	switch c.Test {
	case "pattern", "pattern_any":
		// What is looked for anywhere in a text says what is meant all the same.
		pattern, anywhere := soughtAnywhere(c.Pattern)
		if anywhere {
			pattern += `(?s:.*)`
		}
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return nil
		}
		parsed = parsed.Simplify()
		if anywhere {
			parsed = withoutFirstStars(parsed)
		}
		return spelledAs(wantedTexts(c), openings(parsed))
	default:
		var all []opening
		for _, text := range textsIn(c.Values) {
			all = append(all, opening{text: text})
		}
		return all
	}
}

// soughtAnywhere is a pattern's part that is looked for anywhere in a text; false, and the whole
// pattern, where there is none.
func soughtAnywhere(pattern string) (string, bool) {
	for _, around := range [][2]string{{`(?:\A(?s:.*)`, `(?s:.*)\z)`}, {`\A(?s:.*)`, `(?s:.*)\z`}} {
		sought, begins := strings.CutPrefix(pattern, around[0])
		sought, ends := strings.CutSuffix(sought, around[1])
		if begins && ends {
			return `(?:` + sought + `)`, true
		}
	}
	return pattern, false
}

// withoutFirstStars is a pattern without what it begins with as often as one likes: looked for
// anywhere, it is found in the same texts.
func withoutFirstStars(re *syntax.Regexp) *syntax.Regexp {
	switch {
	case re.Op == syntax.OpCapture:
		return withoutFirstStars(re.Sub[0])
	case re.Op != syntax.OpConcat || len(re.Sub) < 2:
		return re
	}
	rest := *re
	if rest.Sub = slices.Clone(re.Sub); rest.Sub[0].Op == syntax.OpStar {
		rest.Sub = rest.Sub[1:]
		return withoutFirstStars(&rest)
	}
	if rest.Sub[0].Op == syntax.OpCapture || rest.Sub[0].Op == syntax.OpConcat {
		rest.Sub[0] = withoutFirstStars(rest.Sub[0])
	}
	return &rest
}

// spelledAs spells openings of any case as the wanted texts do that show them, but for the
// key that a subject begins with, which has but one spelling.
func spelledAs(wanted []string, all []opening) []opening {
	for i, start := range all {
		if slices.ContainsFunc(wanted, func(text string) bool { return strings.HasPrefix(text, start.text) }) {
			continue
		}
		for _, text := range wanted {
			if n := len(start.text); n <= len(text) && strings.EqualFold(text[:n], start.text) {
				key := strings.IndexByte(start.text, ':') + 1
				all[i].text = start.text[:key] + text[key:n]
				break
			}
		}
	}
	return all
}

// openings lists the alternatives of a pattern by their literal beginnings; where case does
// not matter, in lower case.
func openings(re *syntax.Regexp) []opening {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText:
		return []opening{{}}
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return []opening{{text: strings.ToLower(string(re.Rune))}}
		}
		return []opening{{text: string(re.Rune)}}
	case syntax.OpCapture:
		return openings(re.Sub[0])
	case syntax.OpCharClass:
		return letters(re.Rune)
	case syntax.OpQuest:
		return append(openings(re.Sub[0]), opening{})
	case syntax.OpAlternate:
		var all []opening
		for _, sub := range re.Sub {
			all = append(all, openings(sub)...)
		}
		return all[:min(len(all), maxOpenings)]
	case syntax.OpConcat:
		all := []opening{{}}
		for _, sub := range re.Sub {
			all = joined(all, openings(sub), behind)
		}
		return all
	default:
		return []opening{{open: true}}
	}
}

// joined goes on from each of the texts known so far, but for those that are open there, with
// each of the further ones; whole puts two together.
func joined(known, further []opening, whole func(known, further string) string) []opening {
	var all []opening
	for _, one := range known {
		if one.open {
			all = append(all, one)
			continue
		}
		for _, next := range further {
			all = append(all, opening{whole(one.text, next.text), next.open})
		}
	}
	return all[:min(len(all), maxOpenings)]
}

func behind(known, further string) string { return known + further }
func before(known, further string) string { return further + known }

func letters(ranges []rune) []opening {
	var all []opening
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if len(all) >= 16 {
				return []opening{{open: true}}
			}
			all = append(all, opening{text: string(r)})
		}
	}
	if len(all) < 2 {
		return all
	}
	if lower := strings.ToLower(all[0].text); !slices.ContainsFunc(all, func(o opening) bool { return !strings.EqualFold(o.text, lower) }) {
		return []opening{{text: lower}}
	}
	return all
}
