package breadth

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Profile says, part by part, what the tokens have that a role accepts, in the order of
// the issuer's model. Parts that neither the role nor a project's name reads are left out.
type Profile []Part

// Part is what one part of the accepted tokens may be: a field of the issuer's model, by
// the claim that is all of it where there is one, or a claim that is no field. Values are
// all that it may be, where these are few; otherwise all of it begins with Prefix and ends
// with Suffix, and Unbounded says that there is no end of it. Absent says that a token
// without it is accepted too.
type Part struct {
	Name   string   `json:"name"`
	Values []string `json:"values,omitempty"`
	Prefix string   `json:"prefix,omitempty"`
	Suffix string   `json:"suffix,omitempty"`
	// Below says that all of it is Prefix, or lies below it behind a slash.
	Below     bool `json:"below,omitempty"`
	Unbounded bool `json:"unbounded"`
	Absent    bool `json:"absent"`
	// Named says that the part belongs to the project's path or its ref.
	Named bool `json:"-"`

	accepted *language.Language
}

// maxValues bounds how many values of a part are listed.
const maxValues = 8

// String says it in words: "exactly app", "acme*", "unbounded".
func (p *Part) String() string {
	var said string
	switch {
	case len(p.Values) > 0:
		said = "exactly " + strings.Join(shownTexts(p.Values), " or ")
	case p.Below:
		said = p.Prefix + " or below"
	case p.Prefix+p.Suffix != "":
		said = p.Prefix + "*" + p.Suffix
	case p.Unbounded:
		said = "unbounded"
	case p.accepted == nil || p.accepted.Empty():
		return "absent"
	default:
		said = "one of many"
	}
	if p.Absent {
		said += ", or absent"
	}
	return said
}

// shownTexts shows an empty text as one.
func shownTexts(texts []string) []string {
	shown := slices.Clone(texts)
	for i, text := range shown {
		if text == "" {
			shown[i] = `""`
		}
	}
	return shown
}

// Within reports whether everything that p may be, q may be: whether a role is no broader
// than another in this part.
func (p *Part) Within(q *Part) bool {
	if p.Absent && !q.Absent {
		return false
	}
	if p.accepted == nil || q.accepted == nil {
		return p.accepted == nil
	}
	within, err := language.Limits{}.Subset(context.Background(), p.accepted, q.accepted)
	return err == nil && within
}

// profile computes the profile of what the role perhaps accepts, in the shapes that the
// issuer surely mints.
func (a *analysis) profile(role func(*ready) node) (Profile, error) {
	parts := map[string]*Part{}
	for w := range a.worlds {
		for _, q := range a.worlds[w].questions {
			if q.cover {
				continue
			}
			if err := a.addProfile(q, q.forms.all(role(q), q.world[may]), parts); err != nil {
				return nil, err
			}
		}
	}
	order := slices.Sorted(maps.Keys(parts))
	slices.SortStableFunc(order, func(x, y string) int { return a.rank(x) - a.rank(y) })
	var all Profile
	for _, name := range order {
		if err := a.describe(parts[name], strings.HasPrefix(name, "=")); err != nil {
			return nil, err
		}
		parts[name].Name, parts[name].Named = a.called(name), a.rank(name) < a.rank("")
		all = append(all, *parts[name])
	}
	return all, nil
}

// rank brings the parts of a project's name to the front, in the order in which it reads.
func (a *analysis) rank(name string) int {
	var order []string
	for _, claim := range []string{a.model.Names.Path, a.model.Names.Ref} {
		for _, piece := range issuer.Pieces(a.model.Claims[claim].Text) {
			if piece.Field != "" {
				order = append(order, piece.Field)
			}
		}
	}
	if at := slices.Index(order, name); at >= 0 {
		return at
	}
	return len(order)
}

// addProfile adds what one shape's tokens may be.
func (a *analysis) addProfile(q *ready, goal node, parts map[string]*Part) error {
	found, err := a.project(q.question, goal, nil)
	if err != nil || found == nil {
		return err
	}
	for _, claim := range a.shown() {
		pieces := q.pieces(claim)
		switch {
		case q.named(claim).Absent:
			a.absent(claim, parts)
		case len(pieces) == 0 || len(pieces) == 1 && pieces[0].Field == "":
			text := ""
			for _, piece := range pieces {
				text += piece.Literal
			}
			only, err := a.lower.exact(text)
			if err != nil {
				return err
			}
			if err := a.addPart(parts, claim, only); err != nil {
				return err
			}
		}
		for _, piece := range pieces {
			at, ok := q.order[piece.Field]
			if !ok {
				continue
			}
			texts := found[at]
			if texts == nil {
				texts = q.fields[at].domains[wide].Language
			}
			if err := a.addPart(parts, piece.Field, texts); err != nil {
				return err
			}
		}
	}
	return nil
}

// project projects within what is left of the budget.
func (a *analysis) project(q *question, goal node, spans map[int]span) (map[int]*language.Language, error) {
	allowed := min(a.search, a.budget)
	left := allowed
	found, err := q.project(a.ctx, a.lower.limits, goal, wide, spans, &left)
	a.budget -= allowed - max(left, 0)
	return found, err
}

// shown are the claims that a profile takes apart: those that the role reads but for the
// issuer, and the project's path.
func (a *analysis) shown() []string {
	shown := []string{}
	for name := range a.interesting {
		if name != "iss" && a.read[name] || name == a.model.Names.Path {
			shown = append(shown, name)
		}
	}
	slices.Sort(shown)
	return shown
}

// absent notes that a claim is missing from a shape; where other shapes read it off one
// field, that field is.
func (a *analysis) absent(claim string, parts map[string]*Part) {
	name := claim
	for w := range a.worlds {
		for _, q := range a.worlds[w].questions {
			if pieces := q.pieces(claim); !q.named(claim).Absent && len(pieces) == 1 && pieces[0].Field != "" {
				name = pieces[0].Field
			}
		}
	}
	if parts[name] == nil {
		parts[name] = &Part{}
	}
	parts[name].Absent = true
}

// called is how people know a field: by the claim that is all of it, if there is one.
func (a *analysis) called(field string) string {
	names := &a.model.Names
	for _, claim := range append([]string{names.Group, names.ID, names.GroupID}, slices.Sorted(maps.Keys(a.model.Claims))...) {
		if a.interesting[claim] && a.model.Claims[claim].Text == "{"+field+"}" && a.everywhere(claim, field) {
			return claim
		}
	}
	return strings.TrimPrefix(field, "=")
}

// everywhere reports whether no shape with a field has a claim that is another one.
func (a *analysis) everywhere(claim, field string) bool {
	for w := range a.worlds {
		for _, q := range a.worlds[w].questions {
			pieces := q.pieces(claim)
			if _, there := q.order[field]; there && len(pieces) == 1 && pieces[0].Field != "" && pieces[0].Field != field {
				return false
			}
		}
	}
	return true
}

// addPart adds the texts of one shape.
func (a *analysis) addPart(parts map[string]*Part, name string, texts *language.Language) error {
	part := parts[name]
	if part == nil {
		part = &Part{}
		parts[name] = part
	}
	if part.accepted == nil {
		part.accepted = texts
		return nil
	}
	var err error
	part.accepted, err = a.lower.limits.Union(a.ctx, part.accepted, texts)
	return err
}

// describe puts the texts of a part into words. Of a claim that may be of several types, the
// text stands for the lists that hold it; only its texts begin with a mark.
func (a *analysis) describe(p *Part, typed bool) error {
	if p.accepted == nil {
		return nil
	}
	told := p.accepted
	if typed {
		p.Absent = p.Absent || told.Contains(markAbsent)
		marked, err := a.lower.compile(`(?s)\A` + markText + `.*\z`)
		if err != nil {
			return err
		}
		texts, err := a.lower.limits.Intersect(a.ctx, told, marked)
		if err != nil {
			return err
		}
		if !texts.Empty() {
			told = texts
		}
	}
	p.Unbounded = !told.Finite()
	if values, few := told.Values(maxValues); few {
		for _, value := range values {
			p.Values = append(p.Values, plainText(value))
		}
		return nil
	}
	common := told.CommonPrefix()
	if strings.ContainsRune(told.CommonSuffix(), language.End) {
		return nil // lists, of which neither end says anything
	}
	p.Prefix, p.Suffix = plainPrefix(common), told.CommonSuffix()
	if p.Prefix == "" || !told.Contains(common) {
		return nil
	}
	below, err := a.lower.compile(`(?s)\A` + regexp.QuoteMeta(common) + `(?:/.*)?\z`)
	if err != nil {
		return err
	}
	p.Below, err = a.lower.limits.Subset(a.ctx, told, below)
	return err
}

// String says it in one line; parts that are unbounded are left out, but for those that
// name the project.
func (p Profile) String() string {
	var said []string
	for i := range p {
		if part := &p[i]; part.Named || part.String() != "unbounded" {
			said = append(said, part.Name+" "+part.String())
		}
	}
	return strings.Join(said, ", ")
}

// plainPrefix is the beginning of a field's text without the mark of its type.
func plainPrefix(text string) string {
	if text >= markText && text < "\uE008" {
		return text[len(markText):]
	}
	return text
}

// beyond says in which parts a profile is broader than another, in words: "ref: exactly
// main → main*". The older one comes first.
func (p Profile) beyond(other Profile, older bool) []string {
	var broader []string
	for i := range p {
		at := slices.IndexFunc(other, func(q Part) bool { return q.Name == p[i].Name })
		if at < 0 || p[i].Within(&other[at]) {
			continue
		}
		before, after := other[at].String(), p[i].String()
		if before == after {
			continue
		}
		if older {
			before, after = after, before
		}
		switch {
		case before != after:
			broader = append(broader, fmt.Sprintf("%s: %s → %s", p[i].Name, before, after))
		case older:
			broader = append(broader, fmt.Sprintf("%s: fewer texts than before", p[i].Name))
		default:
			broader = append(broader, fmt.Sprintf("%s: more texts than before", p[i].Name))
		}
	}
	return broader
}
