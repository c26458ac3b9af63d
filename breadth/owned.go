package breadth

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// owned are the accounts that a role names: taken to be insiders', and said so. A program's
// account acts in anybody's projects.
func owned(stages []bundles.Stage, names *issuer.Parts) map[string][]string {
	all := map[string][]string{}
	eachWanted(stages, func(c *bundles.Condition) {
		ofSubjects(c, names, func(key, value string) {
			if slices.Contains(names.Persons, key) {
				all[key] = append(all[key], regexp.QuoteMeta(value))
			}
		})
		claim := claimOf(c)
		if !slices.Contains(names.Persons, claim) {
			return
		}
		for _, text := range textsIn(c.Values) {
			if !names.IsApp(text) {
				all[claim] = append(all[claim], regexp.QuoteMeta(text))
			}
		}
		if c.Pattern == "" {
			return
		}
		if _, anywhere := soughtAnywhere(c.Pattern); anywhere {
			for _, start := range starts(c) {
				if start.text != "" && !names.IsApp(start.text) {
					all[claim] = append(all[claim], regexp.QuoteMeta(start.text))
				}
			}
		}
		for _, end := range ends(c.Pattern) {
			if pattern, ok := ownedMail("*" + end.text); ok && end.open {
				all[claim] = append(all[claim], pattern)
			}
		}
		wanted, ok := c.Wanted.([]any)
		if !ok {
			wanted = []any{c.Wanted}
		}
		for _, text := range textsIn(wanted) {
			if names.IsApp(text) {
				continue
			}
			// The account of this very name is the role's reason to look for it.
			if name := strings.Trim(text, wildcards); name != "" && !strings.ContainsAny(name, wildcards) {
				all[claim] = append(all[claim], regexp.QuoteMeta(name))
			}
			if pattern, ok := ownedMail(text); ok {
				all[claim] = append(all[claim], pattern)
			}
		}
	})
	return all
}

// wildcards are how a wanted text is shown to go on.
const wildcards = "*…"

// ends lists how the texts that match a pattern end: with these words, and all of them where
// it is not open.
func ends(pattern string) []opening {
	// How what is looked for anywhere ends says what is meant all the same.
	pattern, anywhere := soughtAnywhere(pattern)
	if anywhere {
		pattern = `(?s:.*)` + pattern
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	return endings(parsed.Simplify())
}

func endings(re *syntax.Regexp) []opening {
	switch re.Op {
	case syntax.OpCapture:
		return endings(re.Sub[0])
	case syntax.OpAlternate:
		var all []opening
		for _, sub := range re.Sub {
			all = append(all, endings(sub)...)
		}
		return all[:min(len(all), maxOpenings)]
	case syntax.OpConcat:
		tails := []opening{{}}
		for _, sub := range slices.Backward(re.Sub) {
			if tails = joined(tails, endings(sub), before); sub.Op == syntax.OpEndText {
				// Nothing follows the end.
				tails = []opening{{}}
			}
		}
		return tails
	default:
		return openings(re)
	}
}

// ownedMail is the pattern of the addresses that a glob such as *@acme.example means,
// unless anyone can have one of these.
func ownedMail(glob string) (string, bool) {
	rest, ok := strings.CutPrefix(glob, "*")
	if !ok || strings.Contains(rest, "*") {
		return "", false
	}
	subdomains := `(?:[^@]*\.)?`
	domain, exact := strings.CutPrefix(rest, "@")
	if exact {
		subdomains = ""
	}
	domain = strings.TrimPrefix(domain, ".")
	if !strings.Contains(domain, ".") || strings.Contains(domain, "@") || slices.Contains(publicMail(), domain) {
		return "", false
	}
	return `[^@]*@` + subdomains + regexp.QuoteMeta(domain), true
}

// publicMail lists domains at which anyone gets an address, as of November 2026.
func publicMail() []string {
	return []string{
		"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com",
		"proton.me", "protonmail.com", "gmx.de", "gmx.net", "gmx.com", "web.de", "aol.com", "mail.com", "zoho.com",
		"yandex.com", "yandex.ru", "mail.ru", "qq.com", "163.com", "fastmail.com", "tutanota.com", "users.noreply.gitlab.com",
	}
}
