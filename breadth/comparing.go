package breadth

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/cel"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// comparing asks how left stands to right, or with wanted whether left is a member of it.
// Two templates that are the same, or of which one is constant, are compared exactly. Of
// two that are free, no automaton can say it: what surely holds is said of some texts that
// both may be, and what perhaps holds is all that these do not contradict.
type comparing struct {
	how         string
	left, right term
	wanted      *language.Language
}

// term is a text put together of constants and claims, or one claim whose text the
// transforms change first.
type term struct {
	parts   []termPart
	through []cel.Transform
}

// termPart is a claim, or a constant where claim is empty.
type termPart struct{ text, claim string }

// termOf reads a place of top-level claims; false where it is of others.
func termOf(p *cel.Place) (term, bool) {
	if len(p.Parts) == 0 {
		if len(p.Path) != 2 || p.Path[0] != "assertion" {
			return term{}, false
		}
		return term{parts: []termPart{{claim: p.Path[1]}}, through: p.Through}, true
	}
	var found term
	for _, part := range p.Parts {
		if part.Place == nil {
			found.parts = append(found.parts, termPart{text: part.Text})
			continue
		}
		inner, ok := termOf(part.Place)
		if !ok || len(inner.through) > 0 {
			return term{}, false
		}
		found.parts = append(found.parts, inner.parts...)
	}
	return found, true
}

// note keeps what a test asks of a text: what is compared may be such a one.
func (l *lowering) note(t *claimTest, found *reading) {
	if t != nil {
		l.literals = append(l.literals, textsIn(t.Values)...)
		l.literals = append(l.literals, textsIn(t.Elements)...)
	}
	if found != nil && found.text != nil && !found.text.Everything() && !slices.Contains(l.noted, found.text) {
		l.noted = append(l.noted, found.text)
	}
}

// template is a term as pieces of the tape, constants next to each other joined; false
// where the shape has a claim in it that is no text of a template.
func (q *question) template(t term) ([]issuer.Piece, bool) {
	if len(t.through) > 0 {
		return nil, false
	}
	var all []issuer.Piece
	for _, part := range t.parts {
		pieces := []issuer.Piece{{Literal: part.text}}
		if part.claim != "" {
			claim, known := q.variant.claim(part.claim)
			if !known || claim.Absent || claim.Null || claim.Fixed != "" || claim.Value != nil || claim.Also != "" {
				return nil, false
			}
			pieces = q.pieces(part.claim)
		}
		for _, piece := range pieces {
			if last := len(all) - 1; piece.Field == "" && last >= 0 && all[last].Field == "" {
				all[last].Literal += piece.Literal
			} else if piece.Field != "" || piece.Literal != "" {
				all = append(all, piece)
			}
		}
	}
	return all, true
}

// missing reports whether the shape lacks a claim of a term, or has null there, which is
// no text: sure only where no text is compared.
func (q *question) missing(t term, asText bool) bool {
	return slices.ContainsFunc(t.parts, func(part termPart) bool {
		claim, known := q.variant.claim(part.claim)
		return part.claim != "" && (!known || claim.Absent || asText && claim.Null)
	})
}

// member says that a term is a text of a language.
func (q *question) member(t term, wanted *language.Language, may bool) (node, error) {
	if template, ok := q.template(t); ok {
		return q.reads(template, wanted, may), nil
	}
	if q.missing(t, true) {
		return no, nil
	}
	if len(t.parts) != 1 || t.parts[0].claim == "" {
		return truth(may), nil
	}
	text, err := q.lower.before(t.through, wanted)
	if err != nil || text == nil {
		return truth(may), err
	}
	return q.claim(t.parts[0].claim, reading{text: text}, may)
}

// compared is a comparison as a formula over the tape.
func (q *question) compared(c *comparing, may bool) (node, error) {
	if c.wanted != nil {
		return q.member(c.left, c.wanted, may)
	}
	asText := c.how != "equals" || len(c.left.parts)+len(c.right.parts) > 2 || len(c.left.through)+len(c.right.through) > 0
	if q.missing(c.left, asText) || q.missing(c.right, asText) {
		return no, nil
	}
	left, leftKnown := q.template(c.left)
	right, rightKnown := q.template(c.right)
	if leftKnown && rightKnown {
		if settled, ok := settled(c.how, left, right); ok {
			return truth(settled), nil
		}
		left, right = withoutCommon(c.how, left, right)
		if c.how == "equals" && q.fork {
			if found, ok, err := q.forked(c, left, right, may); ok || err != nil {
				return found, err
			}
		}
		if text, constant := constantOf(right); constant {
			wanted, err := q.lower.related(c.how, text)
			if err != nil {
				return no, err
			}
			return q.reads(left, wanted, may), nil
		}
		if text, constant := constantOf(left); constant && c.how == "equals" {
			wanted, err := q.lower.exact(text)
			if err != nil {
				return no, err
			}
			return q.reads(right, wanted, may), nil
		}
	}
	return q.sampled(c, may)
}

// forked compares what a fork's token tells of source and parent: they are two projects,
// and of one group by its id where they are by its path. False where it tells something else.
func (q *question) forked(c *comparing, left, right []issuer.Piece, may bool) (node, bool, error) {
	names := &q.model.Names
	are := func(own, job string) bool {
		return own != "" && job != "" && (slices.Equal(left, q.pieces(own)) && slices.Equal(right, q.pieces(job)) ||
			slices.Equal(left, q.pieces(job)) && slices.Equal(right, q.pieces(own)))
	}
	var other *comparing
	switch {
	case are(names.ID, names.JobID), are(names.Path, names.JobPath):
		return no, true, nil
	case are(names.GroupID, names.JobGroupID):
		other = equal(names.Group, names.JobGroup)
	case are(names.Group, names.JobGroup):
		other = equal(names.GroupID, names.JobGroupID)
	default:
		return no, false, nil
	}
	this, err := q.sampled(c, may)
	if err != nil {
		return no, false, err
	}
	that, err := q.sampled(other, may)
	return q.forms.all(this, that), true, err
}

// equal compares two claims as they are.
func equal(left, right string) *comparing {
	return &comparing{how: "equals", left: term{parts: []termPart{{claim: left}}}, right: term{parts: []termPart{{claim: right}}}}
}

// sampled is what can be said of a comparison by way of some texts.
func (q *question) sampled(c *comparing, may bool) (node, error) {
	var found []node
	for _, text := range q.samples(c) {
		exact, err := q.lower.exact(text)
		if err != nil {
			return no, err
		}
		wanted, err := q.lower.related(c.how, text)
		if err != nil {
			return no, err
		}
		// Both bounds are made of what is exact; where a side is not, it is either.
		sought, err := q.member(c.right, exact, false)
		if err != nil {
			return no, err
		}
		perhaps, err := q.member(c.right, exact, true)
		if err != nil {
			return no, err
		}
		stands, err := q.member(c.left, wanted, false)
		if err != nil {
			return no, err
		}
		mayStand, err := q.member(c.left, wanted, true)
		if err != nil {
			return no, err
		}
		if !may {
			found = append(found, q.forms.all(sought, stands))
			continue
		}
		found = append(found, q.forms.any(q.forms.not(sought), mayStand))
		if c.how == "equals" {
			found = append(found, q.forms.any(q.forms.not(stands), perhaps))
		}
	}
	if !may {
		return q.forms.any(found...), nil
	}
	for _, side := range []term{c.left, c.right} {
		if len(side.through) == 0 {
			continue
		}
		// A piece need not be there.
		there, err := q.member(side, everything.text, true)
		if err != nil {
			return no, err
		}
		found = append(found, there)
	}
	if c.how == "equals" {
		for _, language := range q.lower.noted[:min(len(q.lower.noted), maxSamples)] {
			for _, pair := range [][2]term{{c.left, c.right}, {c.right, c.left}} {
				one, err := q.member(pair[0], language, false)
				if err != nil {
					return no, err
				}
				other, err := q.member(pair[1], language, true)
				if err != nil {
					return no, err
				}
				found = append(found, q.forms.any(q.forms.not(one), other))
			}
		}
	}
	return q.forms.all(found...), nil
}

// maxSamples bounds how many texts a comparison is sampled by.
const maxSamples = 12

// samples are texts that a comparison may be about: those that role and scope name, and
// plain ones of either side. What a transform makes is often the empty text.
func (q *question) samples(c *comparing) []string {
	var all []string
	if len(c.left.through)+len(c.right.through) > 0 {
		all = append(all, "")
	}
	for _, side := range []term{c.right, c.left} {
		template, ok := q.template(side)
		if !ok && len(side.parts) == 1 && q.named(side.parts[0].claim).Value == nil {
			template = q.pieces(side.parts[0].claim)
		}
		for choice := range 2 {
			all = append(all, q.plainly(template, choice))
		}
		for _, part := range side.parts {
			all = append(all, q.named(part.claim).Plain...)
		}
	}
	all = slices.Concat(all, q.lower.literals)
	var distinct []string
	for i, text := range all {
		if (text != "" || i == 0) && !slices.Contains(distinct, text) {
			distinct = append(distinct, text)
		}
	}
	return distinct[:min(len(distinct), maxSamples)]
}

// plainly is a template with a plain value of each field.
func (q *question) plainly(template []issuer.Piece, choice int) string {
	var text strings.Builder
	for _, piece := range template {
		text.WriteString(piece.Literal)
		if plain := q.model.Fields[piece.Field].Plain; len(plain) > 0 {
			value := plain[min(choice, len(plain)-1)]
			if piece.Escaped {
				value = issuer.Escape(value)
			}
			text.WriteString(value)
		}
	}
	return text.String()
}

// related is the texts that stand to a text as a comparison says.
func (l *lowering) related(how, text string) (*language.Language, error) {
	quoted := regexp.QuoteMeta(text)
	switch how {
	case "starts":
		return l.compile(`(?s)\A` + quoted + `.*\z`)
	case "ends":
		return l.compile(`(?s)\A.*` + quoted + `\z`)
	case "contains":
		return l.compile(`(?s)\A.*` + quoted + `.*\z`)
	default:
		return l.exact(text)
	}
}

// constantOf is a template without fields.
func constantOf(template []issuer.Piece) (string, bool) {
	switch {
	case len(template) == 0:
		return "", true
	case len(template) == 1 && template[0].Field == "":
		return template[0].Literal, true
	default:
		return "", false
	}
}

// settled tells what two templates are to each other whatever their fields hold; false
// where that depends.
func settled(how string, left, right []issuer.Piece) (holds, ok bool) {
	x, y := withoutCommon(how, left, right)
	switch {
	case how == "equals":
		if len(x)+len(y) == 0 {
			return true, true
		}
		return false, apartAt(x, y)
	case how == "contains":
		for i := range left {
			if len(left)-i >= len(right) && slices.Equal(left[i:i+len(right)], right) {
				return true, true
			}
		}
		return false, false
	default:
		return true, len(y) == 0
	}
}

// apartAt reports whether two templates begin or end with constants of which neither
// continues the other.
func apartAt(x, y []issuer.Piece) bool {
	if len(x) == 0 || len(y) == 0 {
		return false
	}
	if a, b := x[0], y[0]; a.Field == "" && b.Field == "" && !strings.HasPrefix(a.Literal, b.Literal) && !strings.HasPrefix(b.Literal, a.Literal) {
		return true
	}
	a, b := x[len(x)-1], y[len(y)-1]
	return a.Field == "" && b.Field == "" && !strings.HasSuffix(a.Literal, b.Literal) && !strings.HasSuffix(b.Literal, a.Literal)
}

// withoutCommon leaves out what both templates begin and end with, as far as the
// comparison allows.
func withoutCommon(how string, left, right []issuer.Piece) (x, y []issuer.Piece) {
	x, y = slices.Clone(left), slices.Clone(right)
	for how == "equals" || how == "starts" {
		if len(x) == 0 || len(y) == 0 {
			break
		}
		if x[0].Field == "" && y[0].Field == "" {
			n := commonPrefix(x[0].Literal, y[0].Literal)
			x[0].Literal, y[0].Literal = x[0].Literal[n:], y[0].Literal[n:]
			if emptied := x[0].Literal == "" || y[0].Literal == ""; n == 0 || !emptied {
				break
			}
			x, y = trimmed(x, 0), trimmed(y, 0)
			continue
		}
		if x[0] != y[0] {
			break
		}
		x, y = x[1:], y[1:]
	}
	for how == "equals" || how == "ends" {
		i, j := len(x)-1, len(y)-1
		if i < 0 || j < 0 || x[i].Field == "" || x[i] != y[j] {
			if i < 0 || j < 0 || x[i].Field != "" || y[j].Field != "" || x[i].Literal != y[j].Literal {
				break
			}
		}
		x, y = x[:i], y[:j]
	}
	return x, y
}

func trimmed(template []issuer.Piece, at int) []issuer.Piece {
	if template[at].Field == "" && template[at].Literal == "" {
		return slices.Delete(template, at, at+1)
	}
	return template
}

// commonPrefix is how many bytes two texts begin with in common, whole letters.
func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && !(startsLetter(a, n) && startsLetter(b, n)) {
		n--
	}
	return n
}

func startsLetter(text string, at int) bool { return at == len(text) || utf8.RuneStart(text[at]) }
