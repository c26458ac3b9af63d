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
// scope. What is nil or empty is unknown; a list that is there and empty is known to be so.
type Facts struct {
	// ProtectedBranches and ProtectedTags are names and patterns with the wildcard *.
	// Tags that are not given beside given branches are taken for none where a witness needs
	// one: GitLab protects no tag by default.
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

	// Ignored are members that say nothing about this issuer's tokens.
	Ignored []string
}

// Environment is a deployment environment of the scope's project. Branches, where given,
// are the only ones that may deploy to it.
type Environment struct {
	Protected bool     `json:"protected"`
	Branches  []string `json:"branches,omitempty"`
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

// ReadFacts reads facts from JSON; a list or an object that is null is empty. An error names
// the member, what came and what was wanted.
func ReadFacts(text []byte) (*Facts, error) {
	facts := &Facts{}
	if len(text) == 0 {
		return facts, nil
	}
	var came any
	if err := json.Unmarshal(text, &came); err != nil {
		return nil, fmt.Errorf("facts: want an object: %w", err)
	}
	members, ok := came.(map[string]any)
	if !ok && came != nil {
		return nil, fmt.Errorf("facts: want an object, got %s", spelled(came))
	}
	r := &factReader{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !facts.take(r, name, members[name]) {
			facts.Ignored = append(facts.Ignored, name)
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return facts, nil
}

// take takes over a member; false where there is no such fact.
func (f *Facts) take(r *factReader, name string, value any) bool {
	switch name {
	case "protected_branches":
		f.ProtectedBranches = r.texts(name, value)
	case "protected_tags":
		f.ProtectedTags = r.texts(name, value)
	case "subject_template":
		f.SubjectTemplate = r.texts(name, value)
	case "registration":
		f.Registration = r.oneOf(name, value, "open", "closed")
	case "fork_pipelines":
		f.ForkPipelines = r.oneOf(name, value, "parent", "fork")
	case "issuer_version":
		if f.IssuerVersion = r.text(name, value); f.IssuerVersion != "" && !regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`).MatchString(f.IssuerVersion) {
			r.want(name, "a version such as 18.9", value)
		}
	case "groups_direct":
		if value != nil {
			told := r.boolean(name, value)
			f.GroupsDirect = &told
		}
	case "environments":
		f.Environments = map[string]Environment{}
		r.each(name, value, []string{"protected", "branches"}, func(of, place string, members map[string]any) {
			f.Environments[of] = Environment{r.boolean(place+".protected", members["protected"]), r.texts(place+".branches", members["branches"])}
		})
	case "runners":
		f.Runners = map[string]Runner{}
		r.each(name, value, []string{"scope"}, func(of, place string, members map[string]any) {
			f.Runners[of] = Runner{r.text(place+".scope", members["scope"])}
		})
	case "reusable_workflows":
		f.ReusableWorkflows = map[string]Workflows{}
		r.each(name, value, []string{"visibility"}, func(of, place string, members map[string]any) {
			f.ReusableWorkflows[of] = Workflows{r.oneOf(place+".visibility", members["visibility"], "public", "internal", "private")}
			if members["visibility"] == nil || members["visibility"] == "" {
				r.want(place+".visibility", "public, internal or private", members["visibility"])
			}
		})
	default:
		return false
	}
	return true
}

// factReader reads the values of facts, and keeps the first error.
type factReader struct{ err error }

func (r *factReader) want(place, wanted string, came any) {
	if r.err == nil {
		r.err = fmt.Errorf("facts: %s: want %s, got %s", place, wanted, spelled(came))
	}
}

func (r *factReader) texts(place string, value any) []string {
	list, ok := value.([]any)
	if !ok && value != nil {
		r.want(place, "a list of texts", value)
	}
	texts := []string{}
	for i, one := range list {
		text, ok := one.(string)
		if !ok {
			r.want(fmt.Sprintf("%s[%d]", place, i), "a text", one)
		}
		texts = append(texts, text)
	}
	return texts
}

func (r *factReader) text(place string, value any) string {
	text, ok := value.(string)
	if !ok && value != nil {
		r.want(place, "a text", value)
	}
	return text
}

func (r *factReader) boolean(place string, value any) bool {
	told, ok := value.(bool)
	if !ok && value != nil {
		r.want(place, "true or false", value)
	}
	return told
}

func (r *factReader) oneOf(place string, value any, allowed ...string) string {
	text, ok := value.(string)
	if (!ok && value != nil) || (text != "" && !slices.Contains(allowed, text)) {
		last := len(allowed) - 1
		r.want(place, strings.Join(allowed[:last], ", ")+" or "+allowed[last], value)
	}
	return text
}

// each visits the objects of an object by their names.
func (r *factReader) each(name string, value any, known []string, visit func(of, place string, members map[string]any)) {
	all, ok := value.(map[string]any)
	if !ok && value != nil {
		r.want(name, "an object", value)
	}
	for _, of := range slices.Sorted(maps.Keys(all)) {
		place := fmt.Sprintf("%s[%q]", name, of)
		members, ok := all[of].(map[string]any)
		if !ok && all[of] != nil {
			r.want(place, "an object", all[of])
		}
		for _, member := range slices.Sorted(maps.Keys(members)) {
			if !slices.Contains(known, member) {
				r.want(place, "no members but "+strings.Join(known, " and "), member)
			}
		}
		visit(of, place, members)
	}
}

// fact is one of the facts, and whether it was given.
func (f *Facts) fact(name string) (value any, known bool) {
	switch name {
	case "protected_branches":
		return f.ProtectedBranches, f.ProtectedBranches != nil
	case "protected_tags":
		return f.ProtectedTags, f.ProtectedTags != nil
	case "environments":
		return f.Environments, f.Environments != nil
	case "registration":
		return f.Registration, f.Registration != ""
	case "fork_pipelines":
		return f.ForkPipelines, f.ForkPipelines != ""
	case "subject_template":
		return f.SubjectTemplate, f.SubjectTemplate != nil
	case "issuer_version":
		return f.IssuerVersion, f.IssuerVersion != ""
	case "runners":
		return f.Runners, f.Runners != nil
	case "reusable_workflows":
		return f.ReusableWorkflows, f.ReusableWorkflows != nil
	case "groups_direct":
		if f.GroupsDirect != nil {
			return *f.GroupsDirect, true
		}
	}
	return nil, false
}

// knows reports whether a fact was given.
func (f *Facts) knows(name string) bool {
	_, known := f.fact(name)
	return known
}

// members are the facts that are known, by name.
func (f *Facts) members() map[string]any {
	all := map[string]any{}
	for _, name := range []string{
		"environments", "fork_pipelines", "groups_direct", "issuer_version", "protected_branches", "protected_tags",
		"registration", "reusable_workflows", "runners", "subject_template",
	} {
		if value, known := f.fact(name); known {
			all[name] = value
		}
	}
	return all
}

// without are the facts but for one.
func (f *Facts) without(name string) *Facts {
	fewer := *f
	switch name {
	case "protected_branches":
		fewer.ProtectedBranches = nil
	case "protected_tags":
		fewer.ProtectedTags = nil
	case "environments":
		fewer.Environments = nil
	case "registration":
		fewer.Registration = ""
	case "fork_pipelines":
		fewer.ForkPipelines = ""
	case "subject_template":
		fewer.SubjectTemplate = nil
	case "issuer_version":
		fewer.IssuerVersion = ""
	case "groups_direct":
		fewer.GroupsDirect = nil
	case "runners":
		fewer.Runners = nil
	case "reusable_workflows":
		fewer.ReusableWorkflows = nil
	}
	return &fewer
}

// ruledOut reports whether one of the facts, by their names, has the value named.
func ruledOut(known, unless map[string]any) bool {
	for name, value := range unless {
		if got, ok := known[name]; ok && reflect.DeepEqual(got, value) {
			return true
		}
	}
	return false
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
