package cel

import (
	"regexp"
	"regexp/syntax"
)

// cutTemplate splits Google's extract template at its one {name}; everything
// else in it, other braces too, is literal.
func cutTemplate(t string) (prefix, suffix string, ok bool) {
	if len(t) > maxTemplate {
		return "", "", false
	}
	names := regexp.MustCompile(`\{[A-Za-z0-9_]+\}`).FindAllStringIndex(t, 2)
	if len(names) != 1 {
		return "", "", false
	}
	return t[:names[0][0]], t[names[0][1]:], true
}

func compiles(pattern string) bool {
	_, err := syntax.Parse(pattern, syntax.Perl)
	return err == nil
}
