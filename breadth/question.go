package breadth

import (
	"fmt"
	"maps"
	"slices"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// The marks with which a value's text on the tape begins; they tell JSON types apart.
const (
	markText   = "\uE000"
	markList   = "\uE001"
	markNumber = "\uE002"
	markTrue   = "\uE003"
	markFalse  = "\uE004"
	markNull   = "\uE005"
	markAbsent = "\uE006"
	markOther  = "\uE007"
)

// question is a variant made ready to be searched: its tape, and the formulas over it.
type question struct {
	*tape
	*variant
	lower  *lowering
	model  *issuer.Model
	issuer string
	order  map[string]int
	index  map[asked]int32
	// layouts are those of the templates that were read, by their pieces.
	layouts map[string]*layout
	// asked are the atoms' in their order.
	asked []asked
	// languages are those of the domains and atoms.
	languages []*language.Language
	unordered bool
}

// asked is what an atom asks: that the text of a template is a member of a language.
type asked struct {
	*layout
	language *language.Language
}

func newQuestion(v *variant, model *issuer.Model, issuerURL string, lower *lowering, interesting map[string]bool) (*question, error) {
	q := &question{
		variant: v, model: model, issuer: issuerURL, lower: lower,
		tape:  &tape{forms: newFormulas(), room: &lower.room},
		order: map[string]int{}, index: map[asked]int32{}, layouts: map[string]*layout{},
	}
	for _, name := range q.fieldOrder(interesting) {
		field := tapeField{name: name}
		for i, surely := range []bool{false, true} {
			domain, err := q.domain(name, surely)
			if err != nil {
				return nil, fmt.Errorf("field %s: %w", name, err)
			}
			field.domains[i].Language = domain
			q.languages = append(q.languages, domain)
		}
		q.order[name] = len(q.fields)
		q.fields = append(q.fields, field)
	}
	return q, nil
}

// fieldOrder lists the fields that the interesting claims read, so that every template
// reads them from left to right.
func (q *question) fieldOrder(interesting map[string]bool) []string {
	before := map[string]map[string]bool{}
	var appeared []string
	meet := func(name string) {
		if before[name] == nil {
			before[name] = map[string]bool{}
			appeared = append(appeared, name)
		}
	}
	follow := func(template []issuer.Piece) {
		previous := ""
		for _, piece := range template {
			if piece.Field == "" {
				continue
			}
			meet(piece.Field)
			if previous != "" {
				before[piece.Field][previous] = true
			}
			previous = piece.Field
		}
	}
	for _, name := range slices.Sorted(maps.Keys(interesting)) {
		follow(q.pieces(name))
		follow(q.also(name))
	}
	for _, term := range q.lower.terms {
		if template, known := q.template(term); known {
			follow(template)
		}
	}
	var order []string
	for len(order) < len(appeared) {
		found := false
		for _, name := range appeared {
			if slices.Contains(order, name) {
				continue
			}
			ready := true
			for other := range before[name] {
				ready = ready && slices.Contains(order, other)
			}
			if ready {
				order, found = append(order, name), true
				break
			}
		}
		if !found {
			// Templates disagree; those that do not fit the order are told by atom.
			for _, name := range appeared {
				if !slices.Contains(order, name) {
					order = append(order, name)
				}
			}
		}
	}
	return order
}

// pieces is the template of a claim with everything filled in that is no field. A value
// of its own reads the field that is called like the claim. What a list begins with is read
// behind the others: in which order elements stand no condition asks.
func (q *question) pieces(name string) []issuer.Piece {
	claim := q.named(name)
	if claim.Value != nil && claim.Value.Before != "" {
		return append([]issuer.Piece{{Field: "=" + name}}, q.written(claim.Value.Before+string(language.End))...)
	}
	if claim.Value != nil {
		return []issuer.Piece{{Field: "=" + name}}
	}
	return q.written(claim.Text)
}

// also is the second template of a claim, nil where it has none.
func (q *question) also(name string) []issuer.Piece { return q.written(q.named(name).Also) }

func (q *question) written(template string) []issuer.Piece { return q.set.written(template) }

// leaf is a leaf as a formula over the tape: over the values that perhaps satisfy it, or
// over those that surely do.
func (q *question) leaf(l *leaf, may bool) (node, error) {
	if l.settled {
		return truth(l.holds || may && l.mayHold), nil
	}
	wanted := l.must
	if may {
		wanted = l.may
	}
	if l.formula != nil {
		return q.formula(l.formula, may)
	}
	if l.compare != nil {
		return q.compared(l.compare, may)
	}
	if !l.pointer {
		return q.at(l.paths[0], wanted, may)
	}
	// A null behind a pointer counts as absent, and at most one of the places is there.
	here := wanted
	here.null, here.absent = false, false
	var found []node
	absent := []node{truth(wanted.absent)}
	for _, path := range l.paths {
		there, err := q.at(path, here, may)
		if err != nil {
			return no, err
		}
		found = append(found, there)
		gone, err := q.at(path, reading{null: true, absent: true}, may)
		if err != nil {
			return no, err
		}
		absent = append(absent, gone)
	}
	return q.forms.any(append(found, q.forms.all(absent...))...), nil
}

// at says that the value at a path is one of those wanted.
func (q *question) at(path []any, wanted reading, may bool) (node, error) {
	if len(path) == 0 {
		return truth(may), nil
	}
	name, ok := path[0].(string)
	if !ok {
		return truth(wanted.absent), nil
	}
	if len(path) == 1 {
		return q.claim(name, wanted, may)
	}
	claim, known := q.variant.claim(name)
	if !known || claim.Value == nil || claim.Value.List == "" && !claim.Value.Objects {
		// Nothing lies inside of a text, a number or null.
		return truth(wanted.absent), nil
	}
	return truth(may), nil
}

// claim says that a top-level claim is one of the values wanted.
func (q *question) claim(name string, wanted reading, may bool) (node, error) {
	claim, known := q.variant.claim(name)
	switch {
	case !known || claim.Absent:
		return truth(wanted.absent), nil
	case claim.Null:
		return truth(wanted.null), nil
	case claim.Fixed == "now" || claim.Fixed == "later":
		return q.fixed(wanted.number, may), nil
	case claim.Fixed != "":
		return q.fixed(wanted.text, may), nil
	case claim.Value != nil:
		marked, err := q.marked(claim.Value, wanted, may)
		if err != nil {
			return no, err
		}
		return q.reads(q.pieces(name), marked, may), nil
	default:
		if wanted.text == nil {
			return no, nil
		}
		found := q.reads(q.pieces(name), wanted.text, may)
		if claim.Also != "" {
			found = q.forms.all(found, q.reads(q.also(name), wanted.text, may))
		}
		return found, nil
	}
}

// fixed is a condition on a value that differs from token to token: only what is said of
// all values of its type is known.
func (q *question) fixed(wanted *language.Language, may bool) node {
	switch {
	case wanted == nil || wanted.Empty():
		return no
	case wanted.Everything():
		return yes
	default:
		return truth(may)
	}
}

// marked writes the wanted values of a claim that may have several types as texts of its
// field.
func (q *question) marked(value *issuer.Value, wanted reading, may bool) (*language.Language, error) {
	for _, of := range []*language.Language{wanted.text, wanted.list, wanted.number} {
		q.lower.named[of] = true
	}
	key := fmt.Sprintf("marked %+v %t %p %p %p %t%t%t%t%t", *value, may && value.Objects, wanted.text, wanted.list, wanted.number,
		wanted.yes, wanted.no, wanted.null, wanted.absent, wanted.other)
	return q.lower.cached(key, func() (*language.Language, error) {
		var parts []*language.Language
		for _, typed := range []struct {
			there bool
			mark  string
			of    *language.Language
		}{
			{value.Text != "", markText, wanted.text},
			{value.List != "", markList, wanted.list},
			{value.Number != "", markNumber, wanted.number},
		} {
			if !typed.there || typed.of == nil {
				continue
			}
			part, err := q.lower.limits.Around(q.lower.ctx, typed.of, typed.mark, "")
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		for mark, there := range map[string]bool{
			markTrue: value.Boolean && wanted.yes, markFalse: value.Boolean && wanted.no,
			markNull: value.Null && wanted.null, markAbsent: value.Absent && wanted.absent,
			// Of objects only presence is known.
			markOther: value.Objects && (wanted.other && wanted.list != nil || may && (wanted.other || wanted.list != nil)),
		} {
			if there {
				part, err := q.lower.exact(mark)
				if err != nil {
					return nil, err
				}
				parts = append(parts, part)
			}
		}
		return q.lower.limits.Union(q.lower.ctx, parts...)
	})
}

// reads says that the text of a template is a member of a language.
func (q *question) reads(pieces []issuer.Piece, wanted *language.Language, may bool) node {
	switch {
	case wanted.Empty():
		return no
	case wanted.Everything():
		return yes
	}
	read := q.layout(pieces)
	switch {
	case read.unordered:
		q.unordered = true
		return truth(may)
	case read.last < 0:
		return truth(wanted.Contains(read.first))
	}
	key := asked{read, wanted}
	known, ok := q.index[key]
	if !ok {
		known = int32(len(q.atoms))
		q.index[key] = known
		q.atoms = append(q.atoms, tapeAtom{automaton{Language: wanted}, read, wanted.Walk(wanted.Start(), read.first)})
		q.asked = append(q.asked, key)
		q.languages = append(q.languages, wanted)
	}
	return q.forms.literal(known, false)
}

// ready gives all automata their tables over one alphabet.
func (q *question) ready(tables *tables) {
	q.alphabet, q.classes = tables.alphabet, tables.classes
	for i := range q.fields {
		for d, domain := range q.fields[i].domains {
			q.fields[i].domains[d] = tables.of(domain.Language, false)
		}
	}
	for i := range q.atoms {
		atom := &q.atoms[i]
		atom.automaton = tables.of(atom.Language, slices.Contains(atom.escapes, true))
	}
}
