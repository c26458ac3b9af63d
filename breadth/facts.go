package breadth

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Facts narrow what an issuer can mint, and say what is protected in the projects of the
// scope. What is not given is unknown; a list that is given as null is empty.
type Facts struct {
	// ProtectedBranches and ProtectedTags are names and patterns with the wildcard *.
	// Tags that are not given beside given branches are none: GitLab protects no tag by
	// default.
	ProtectedBranches []string
	ProtectedTags     []string
	Environments      map[string]Environment
	Registration      string
	ForkPipelines     string
	SubjectTemplate   []string
	IssuerVersion     string
	GroupsDirect      *bool
	Runners           map[string]Runner
	// ReusableWorkflows are the repositories, as owner/name, whose workflows others call.
	ReusableWorkflows map[string]Workflows

	given map[string]bool
	plain map[string]any
	// Ignored are members that say nothing about this issuer's tokens.
	Ignored []string
}

// Environment is a deployment environment of the scope's project. Branches, where given,
// are the only ones that may deploy to it.
type Environment struct {
	Protected bool     `json:"protected"`
	Branches  []string `json:"branches"`
}

// Runner is a runner; Scope is the group or project whose jobs alone it takes.
type Runner struct {
	Scope string `json:"scope"`
}

// Workflows are the reusable workflows of a repository; Visibility is public, internal or
// private. Those of a private one are called by its owner's repositories alone, see
// https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows.
type Workflows struct {
	Visibility string `json:"visibility"`
}

// ReadFacts reads facts from JSON. An error names the member, what came and what was
// wanted.
func ReadFacts(text []byte) (*Facts, error) {
	facts := &Facts{given: map[string]bool{}, plain: map[string]any{}}
	if len(text) == 0 {
		return facts, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("facts: want an object: %w", err)
	}
	known := map[string]any{
		"protected_branches": &facts.ProtectedBranches, "protected_tags": &facts.ProtectedTags,
		"environments": &facts.Environments, "registration": &facts.Registration,
		"fork_pipelines": &facts.ForkPipelines, "subject_template": &facts.SubjectTemplate,
		"issuer_version": &facts.IssuerVersion, "groups_direct": &facts.GroupsDirect, "runners": &facts.Runners,
		"reusable_workflows": &facts.ReusableWorkflows,
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		into, ok := known[name]
		if !ok {
			facts.Ignored = append(facts.Ignored, name)
			continue
		}
		if err := json.Unmarshal(members[name], into); err != nil {
			return nil, fmt.Errorf("facts: %s: %w", name, err)
		}
		facts.given[name] = true
		var plain any
		if err := json.Unmarshal(members[name], &plain); err != nil {
			return nil, fmt.Errorf("facts: %s: %w", name, err)
		}
		facts.plain[name] = plain
	}
	if err := facts.check(); err != nil {
		return nil, err
	}
	if facts.given["protected_branches"] {
		facts.given["protected_tags"] = true
	}
	return facts, nil
}

func (f *Facts) check() error {
	for name, allowed := range map[string][]string{
		"registration": {"", "open", "closed"}, "fork_pipelines": {"", "parent", "fork"},
	} {
		if got, _ := f.plain[name].(string); !slices.Contains(allowed, got) {
			return fmt.Errorf("facts: %s: want %s, got %q", name, strings.Join(allowed[1:], " or "), got)
		}
	}
	for _, repository := range slices.Sorted(maps.Keys(f.ReusableWorkflows)) {
		if got := f.ReusableWorkflows[repository].Visibility; !slices.Contains([]string{"public", "internal", "private"}, got) {
			return fmt.Errorf("facts: reusable_workflows: %s: want the visibility public, internal or private, got %q", repository, got)
		}
	}
	if f.IssuerVersion != "" && !regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`).MatchString(f.IssuerVersion) {
		return fmt.Errorf("facts: issuer_version: want a version such as 18.9, got %q", f.IssuerVersion)
	}
	return nil
}

// checkTemplate wants a subject template that lists what the issuer lets one list: a project
// with any other has no tokens.
func (a *analysis) checkTemplate() error {
	for c := range a.model.Choices {
		choice, list := &a.model.Choices[c], a.facts.SubjectTemplate
		if choice.Fact != "subject_template" || len(list) == 0 || len(choice.Components) == 0 {
			continue
		}
		known := slices.Collect(maps.Keys(choice.Components))
		if choice.AnyClaim {
			known = slices.AppendSeq(known, maps.Keys(a.model.Claims))
		}
		slices.Sort(known)
		known = slices.Compact(known)
		for _, component := range list {
			if !slices.Contains(known, component) && !(choice.AnyClaim && a.inFamily(component)) {
				return fmt.Errorf("facts: subject_template: want components that %s has, of %s, got %q", a.model.Title, strings.Join(known, ", "), component)
			}
		}
		if len(choice.First) > 0 && !slices.Contains(choice.First, list[0]) {
			return fmt.Errorf("facts: subject_template: want %s first, got %q", strings.Join(choice.First, " or "), list[0])
		}
	}
	return nil
}

// inFamily reports whether a claim is one of those of which there may be any number.
func (a *analysis) inFamily(claim string) bool {
	for begins := range a.model.Families {
		if strings.HasPrefix(claim, begins) {
			return true
		}
	}
	return false
}

// knows reports whether a fact was given.
func (f *Facts) knows(name string) bool { return f.given[name] }

// without are the facts but for one.
func (f *Facts) without(name string) *Facts {
	members := maps.Clone(f.plain)
	delete(members, name)
	text, err := json.Marshal(members)
	if err != nil {
		return f
	}
	fewer, err := ReadFacts(text)
	if err != nil {
		return f
	}
	return fewer
}

// rulesOut reports whether one of the facts has the value named.
func (f *Facts) rulesOut(unless map[string]any) bool {
	for name, value := range unless {
		if got, ok := f.plain[name]; ok && reflect.DeepEqual(got, value) {
			return true
		}
	}
	return false
}

// globs is the pattern of names with the wildcard *.
func globs(patterns []string) string {
	quoted := make([]string, len(patterns))
	for i, pattern := range patterns {
		pieces := strings.Split(pattern, "*")
		for j, piece := range pieces {
			pieces[j] = regexp.QuoteMeta(piece)
		}
		quoted[i] = strings.Join(pieces, ".*")
	}
	return `(?s)\A(?:` + strings.Join(quoted, "|") + `)\z`
}

// segmentGlobs is the same for names by Ruby's File.fnmatch with FNM_PATHNAME: a star, ?
// and brackets stop at a slash, **/ where a segment begins is any number of them, and \ takes
// the letter behind it as it is.
func segmentGlobs(patterns []string) string {
	parts := make([]string, len(patterns))
	for i, pattern := range patterns {
		parts[i] = segmentGlob(pattern)
	}
	return `(?s)\A(?:` + strings.Join(parts, "|") + `)\z`
}

func segmentGlob(pattern string) string {
	var made strings.Builder
	begins := true
	for rest := pattern; rest != ""; {
		escaped := rest[0] == '\\' && len(rest) > 1
		literal := strings.TrimPrefix(rest, `\`)
		if !escaped {
			literal = rest
		}
		_, size := utf8.DecodeRuneInString(literal)
		literal = literal[:size]
		switch {
		case begins && strings.HasPrefix(rest, "**/"):
			made.WriteString(`(?:[^/]+/)*`)
			rest = rest[len("**/"):]
			continue
		case escaped:
			made.WriteString(regexp.QuoteMeta(literal))
			size++
		case rest[0] == '*':
			made.WriteString(`[^/]*`)
		case rest[0] == '?':
			made.WriteString(`[^/]`)
		case rest[0] == '[':
			letters, length := bracketed(rest)
			made.WriteString(letters)
			size = length
		default:
			made.WriteString(regexp.QuoteMeta(literal))
		}
		begins = literal == "/"
		rest = rest[size:]
	}
	return made.String()
}

// noLetter is the class of no letter at all.
const noLetter = `[^\x00-\x{10FFFF}]`

// bracketed is the RE2 of the bracket expression that a pattern begins with, and its length;
// one that does not end matches nothing. ! negates like ^, \d is the letter d, the ends of a
// range belong to it even the wrong way round, and ] first ends the expression.
func bracketed(pattern string) (letters string, length int) {
	rest := pattern[1:]
	negated := rest != "" && (rest[0] == '!' || rest[0] == '^')
	if negated {
		rest = rest[1:]
	}
	var class strings.Builder
	for rest != "" && rest[0] != ']' {
		var first, last rune
		first, rest = bracketLetter(rest)
		last = first
		if strings.HasPrefix(rest, "-") && !strings.HasPrefix(rest, "-]") {
			last, rest = bracketLetter(rest[1:])
		}
		for _, between := range [][2]rune{{first, min(last, '/'-1)}, {max(first, '/'+1), last}, {first, first}, {last, last}} {
			if between[0] <= between[1] && (negated || between != [2]rune{'/', '/'}) {
				fmt.Fprintf(&class, `\x{%X}-\x{%X}`, between[0], between[1])
			}
		}
	}
	switch {
	case rest == "":
		return noLetter, len(pattern)
	case negated:
		letters = `[^/` + class.String() + `]`
	case class.Len() == 0:
		letters = noLetter
	default:
		letters = `[` + class.String() + `]`
	}
	return letters, len(pattern) - len(rest) + 1
}

// bracketLetter takes the first letter off, and the \ before it.
func bracketLetter(text string) (rune, string) {
	if len(text) > 1 && text[0] == '\\' {
		text = text[1:]
	}
	letter, size := utf8.DecodeRuneInString(text)
	return letter, text[size:]
}
