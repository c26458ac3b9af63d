package breadth

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// errProduct says that a search met more states than it may.
var errProduct = errors.New("the search is too large")

// tape is a set of tokens of one shape: one text for each of its fields, in order. An
// atom reads some of the fields with literal texts between them, from left to right, and
// says whether what it read is a member of its language. Because all automata are
// deterministic, a formula over atoms is decided by running them side by side.
type tape struct {
	alphabet *language.Alphabet
	classes  []int
	fields   []tapeField
	atoms    []tapeAtom
	forms    *formulas
}

// tapeField has two domains: what it can be at most, and what it surely can be.
type tapeField struct {
	name    string
	domains [2]automaton
}

// wide and sure choose a field's domain.
const (
	wide = 0
	sure = 1
)

// automaton is a language with its table over the common alphabet.
type automaton struct {
	*language.Language
	table *language.Table
	// escaped is the table for fields whose colons are written %3A.
	escaped   *language.Table
	distances []int
}

// tapeAtom is a language and how it reads: start is its state before the first field,
// after[f] the literal that follows field f in its template.
type tapeAtom struct {
	automaton
	start language.State
	reads []bool
	// escapes says in which of the fields colons are written %3A.
	escapes []bool
	after   []string
	last    int
}

// step is the state after a letter of a field.
func (a *tapeAtom) step(field int32, state language.State, class int) language.State {
	if a.escapes[field] {
		return a.escaped.Step(state, class)
	}
	return a.table.Step(state, class)
}

// readsSeveral reports whether an atom reads more than one field.
func (t *tape) readsSeveral(atom int32) bool {
	several := 0
	for _, reads := range t.atoms[atom].reads {
		if reads {
			several++
		}
	}
	return several > 1
}

// span is what a field is held to: the text prefix; or, where it is open, the texts of
// its domain that begin with prefix and end with suffix, with more letters between them
// where more wants some.
type span struct {
	prefix, suffix string
	open, more     bool
}

// exactly is the span of one text.
func exactly(text string) span { return span{prefix: text} }

// search looks for texts that satisfy the formula, within the spans of the fields that
// have one. It returns nil when there are none, and an error when that could not be told.
// Fields that do not matter are left out of the answer. That a closed span's text lies in
// its field's domain is the caller's business.
func (t *tape) search(ctx context.Context, goal node, domain int, spans map[int]span, budget *int) (map[int]string, error) {
	if goal == no {
		return nil, nil
	}
	s := &search{tape: t, width: domain, spans: spans, seen: map[string]int32{}, budget: budget}
	goal, states := s.begin(goal)
	if goal == no {
		return nil, nil
	}
	if goal == yes {
		return map[int]string{}, nil
	}
	s.enter(-1, 0, moment{field: -1, form: goal, states: states}, 0)
	return s.run(ctx)
}

// moment is a state of the product: inside which field, where its domain is, what is
// still wanted, and where the automata of the atoms in that are, in their order.
type moment struct {
	field  int32
	form   node
	domain language.State
	states []language.State
	// wants is set inside a span that needs more letters, as long as none was read.
	wants bool
}

type step struct {
	moment
	parent int32
	class  int32
	cost   int32
}

type search struct {
	*tape
	width  int
	spans  map[int]span
	seen   map[string]int32
	steps  []step
	queue  [][]int32
	key    []byte
	budget *int
	// next holds the states after a letter until they are known to be new.
	next []language.State
	// known holds the atoms that a letter settles.
	known []decided
	// links holds where each step leads, once it is not nil; then all of the product is
	// wanted, and no way through it is too dear.
	links [][]link
}

// link leads to a step, by a letter of a class or, with -1, into another field.
type link struct{ class, to int32 }

// begin settles the atoms whose first literal already decides.
func (s *search) begin(goal node) (node, []language.State) {
	atoms := s.forms.support(goal)
	states := make([]language.State, len(atoms))
	for i, atom := range atoms {
		states[i] = s.atoms[atom].start
	}
	return s.settle(goal, atoms, states)
}

// settle replaces atoms that can no longer change their minds, and returns the states of
// those that are left.
func (s *search) settle(form node, atoms []int32, states []language.State) (node, []language.State) {
	s.known = s.known[:0]
	for i, atom := range atoms {
		machine := &s.atoms[atom]
		if machine.Dead(states[i]) {
			s.known = append(s.known, decided{atom, false})
		} else if machine.Universal(states[i]) {
			s.known = append(s.known, decided{atom, true})
		}
	}
	left := s.forms.assume(form, s.known)
	if left == form {
		return form, states
	}
	return left, s.keep(left, atoms, states)
}

func (s *search) keep(form node, atoms []int32, states []language.State) []language.State {
	wanted := s.forms.support(form)
	kept := make([]language.State, 0, len(wanted))
	for i, j := 0, 0; j < len(wanted); i++ {
		if atoms[i] == wanted[j] {
			kept = append(kept, states[i])
			j++
		}
	}
	return kept
}

// after is the first field after f that an atom of the formula reads.
func (s *search) after(form node, f int32) int32 {
	for f++; int(f) < len(s.fields); f++ {
		for _, atom := range s.forms.support(form) {
			if s.atoms[atom].reads[f] {
				return f
			}
		}
	}
	return f
}

// enter records a moment that was reached, cheapest first.
func (s *search) enter(parent, class int32, m moment, cost int32) {
	if m.form == no {
		return
	}
	// A span's suffix brings letters of its own, so that no estimate holds ahead of it.
	ahead := int32(0)
	if s.inside(m.field) && !s.closed(m.field) && s.spans[int(m.field)].suffix == "" {
		ahead = int32(s.fields[m.field].domains[s.width].distances[m.domain])
	}
	s.key = s.key[:0]
	s.key = binary.AppendVarint(s.key, int64(m.field))
	s.key = binary.AppendUvarint(s.key, uint64(m.form))
	s.key = binary.AppendUvarint(s.key, uint64(m.domain)<<1|uint64(truth(m.wants)))
	for _, state := range m.states {
		s.key = binary.AppendUvarint(s.key, uint64(state))
	}
	known, ok := s.seen[string(s.key)]
	if ok && s.links != nil {
		s.links[parent] = append(s.links[parent], link{class, known})
		return
	}
	if ok && s.steps[known].cost <= cost {
		return
	}
	s.seen[string(s.key)] = int32(len(s.steps))
	m.states = slices.Clone(m.states)
	s.steps = append(s.steps, step{moment: m, parent: parent, class: class, cost: cost})
	if s.links != nil {
		s.links = append(s.links, nil)
		if parent >= 0 {
			s.links[parent] = append(s.links[parent], link{class, int32(len(s.steps) - 1)})
		}
		return
	}
	for len(s.queue) <= int(cost+ahead) {
		s.queue = append(s.queue, nil)
	}
	s.queue[cost+ahead] = append(s.queue[cost+ahead], int32(len(s.steps)-1))
}

func (s *search) run(ctx context.Context) (map[int]string, error) {
	done := 0
	for at := 0; at < len(s.queue); at++ {
		for i := 0; i < len(s.queue[at]); i++ {
			if done++; done%512 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if *s.budget--; *s.budget < 0 {
				return nil, errProduct
			}
			here := s.queue[at][i]
			if m := s.steps[here].moment; m.form == yes && s.mayEnd(m) {
				return s.trace(here), nil
			}
			s.expand(here)
		}
	}
	return nil, nil
}

// inside reports whether a moment is inside a field, not before the first or behind the
// last.
func (s *search) inside(field int32) bool { return field >= 0 && int(field) < len(s.fields) }

// closed reports whether a field has one text alone.
func (s *search) closed(field int32) bool {
	held, ok := s.spans[int(field)]
	return ok && !held.open
}

// mayEnd reports whether the field that a moment is in may end there.
func (s *search) mayEnd(m moment) bool {
	if !s.inside(m.field) || s.closed(m.field) {
		return true
	}
	domain := &s.fields[m.field].domains[s.width]
	return !m.wants && domain.Accepting(domain.Walk(m.domain, s.spans[int(m.field)].suffix))
}

func (s *search) expand(here int32) {
	m, cost := s.steps[here].moment, s.steps[here].cost
	if s.mayEnd(m) {
		s.leave(here, m, cost)
	}
	if m.field < 0 || s.closed(m.field) {
		return
	}
	domain := &s.fields[m.field].domains[s.width]
	atoms := s.forms.support(m.form)
	for _, class := range s.classes {
		next := domain.table.Step(m.domain, class)
		if domain.distances[next] < 0 {
			continue
		}
		s.next = s.next[:0]
		for i, atom := range atoms {
			state := m.states[i]
			if s.atoms[atom].reads[m.field] {
				state = s.atoms[atom].step(m.field, state, class)
			}
			s.next = append(s.next, state)
		}
		form, states := s.settle(m.form, atoms, s.next)
		s.enter(here, int32(class), moment{field: m.field, form: form, domain: next, states: states}, cost+1)
	}
}

// leave ends a field: what follows it in the templates is read, atoms that have read
// all they read are decided, and the next field that matters begins.
func (s *search) leave(here int32, m moment, cost int32) {
	m = s.read(m, s.spans[int(m.field)].suffix)
	atoms := s.forms.support(m.form)
	form, states := m.form, m.states
	if m.field >= 0 {
		states = slices.Clone(m.states)
		s.known = s.known[:0]
		for i, atom := range atoms {
			machine := &s.atoms[atom]
			if !machine.reads[m.field] {
				continue
			}
			states[i] = machine.Walk(states[i], machine.after[m.field])
			if machine.last == int(m.field) {
				s.known = append(s.known, decided{atom, machine.Accepting(states[i])})
			}
		}
		form = s.forms.assume(form, s.known)
		if form != m.form {
			states = s.keep(form, atoms, states)
		}
		form, states = s.settle(form, s.forms.support(form), states)
	}
	if form == no {
		return
	}
	field := s.after(form, m.field)
	s.enter(here, -1, s.start(moment{field: field, form: form, states: states}), cost)
}

// start begins a field: what its span begins with is read.
func (s *search) start(m moment) moment {
	if !s.inside(m.field) {
		return m
	}
	held := s.spans[int(m.field)]
	m = s.read(m, held.prefix)
	if s.closed(m.field) {
		return m
	}
	domain := &s.fields[m.field].domains[s.width]
	m.domain, m.wants = domain.Walk(domain.Start(), held.prefix), held.more
	if domain.distances[m.domain] < 0 {
		m.form = no
	}
	return m
}

// read steps the atoms over a text of the field that a moment is in.
func (s *search) read(m moment, text string) moment {
	if text == "" {
		return m
	}
	atoms := s.forms.support(m.form)
	states := slices.Clone(m.states)
	for i, atom := range atoms {
		if s.atoms[atom].reads[m.field] {
			for _, r := range text {
				states[i] = s.atoms[atom].step(m.field, states[i], s.alphabet.Class(r))
			}
		}
	}
	m.form, m.states = s.settle(m.form, atoms, states)
	return m
}

// trace reads the texts of the fields off the way that led here.
func (s *search) trace(here int32) map[int]string {
	letters := map[int][]rune{}
	visited := map[int]bool{}
	for at := here; at >= 0; at = s.steps[at].parent {
		field := int(s.steps[at].field)
		if !s.inside(int32(field)) {
			continue
		}
		visited[field] = true
		if class := s.steps[at].class; class >= 0 {
			letters[field] = append(letters[field], s.alphabet.Representative(int(class)))
		}
	}
	texts := map[int]string{}
	for field := range visited {
		slices.Reverse(letters[field])
		held := s.spans[field]
		texts[field] = held.prefix + string(letters[field]) + held.suffix
	}
	return texts
}
