package breadth

import (
	"context"
	"errors"
	"slices"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// errProduct says that a search met more states than it may.
var errProduct = errors.New("the search is too large")

// search looks for texts that satisfy the formula, within the spans of the fields that
// have one. It returns nil when there are none, and an error when that could not be told.
// Fields that do not matter are left out of the answer. That a closed span's text lies in
// its field's domain is the caller's business.
func (t *tape) search(ctx context.Context, goal node, domain int, spans map[int]span, budget *int) (map[int]string, error) {
	if goal == no {
		return nil, nil
	}
	s := t.newSearch(domain, spans, budget)
	goal = s.begin(goal)
	if goal == no {
		return nil, nil
	}
	if goal == yes {
		return map[int]string{}, nil
	}
	return s.run(ctx)
}

// moment is a state of the product: inside which field, where its domain is, what is
// still wanted, and where the automata of the atoms in that are, in their order.
type moment struct {
	spot
	states []language.State
}

// spot is what a moment has beside the states of atoms.
type spot struct {
	field  int32
	form   node
	domain language.State
	// wants is set inside a span that needs more letters, as long as none was read.
	wants bool
}

// step is a moment that was reached; its states begin at a place in the search's. Nothing in
// it points anywhere, so that many cost no more than their room.
type step struct {
	spot
	at     int32
	parent int32
	class  int32
	// cost counts letters; it is superseded where the moment was reached by fewer.
	cost int32
}

// superseded is the cost of a step whose moment was reached by fewer letters later.
const superseded = -1

type search struct {
	*tape
	*room
	width  int
	spans  map[int]span
	budget *int
	// turn is the cost, with what is ahead, of the steps whose turn it is.
	turn int
	// links holds where each step leads, once it is not nil; then all of the product is
	// wanted, and no way through it is too dear.
	links [][]link
}

// room is what a search needs room for. The searches of one analysis, one after another, take
// the same.
type room struct {
	steps []step
	// states are those of all steps, seen finds a step by its moment's hash: it has room for
	// a power of two, and one more than the step's number in each that is taken.
	states []language.State
	seen   []int32
	queue  [][]int32
	// next holds the states after a letter until they are known to be new, rows where the
	// atoms of a moment go with each letter, and led the steps to which letters led.
	next []language.State
	rows [][]language.State
	led  []branch
	// known holds the atoms that a letter settles.
	known []decided
}

// minSeen is how many slots a search has for its steps at first.
const minSeen = 64

// newSearch takes the room of the searches before it.
func (t *tape) newSearch(domain int, spans map[int]span, budget *int) *search {
	r := t.room
	r.steps, r.states = r.steps[:0], r.states[:0]
	if len(r.seen) == 0 {
		r.seen = make([]int32, minSeen)
	}
	r.seen = r.seen[:minSeen]
	clear(r.seen)
	for cost := range r.queue {
		r.queue[cost] = r.queue[cost][:0]
	}
	return &search{tape: t, room: r, width: domain, spans: spans, budget: budget}
}

// link leads to a step, by a letter of a class or, with -1, into another field.
type link struct{ class, to int32 }

// branch is where the letters of a class, and others with the same states behind them, lead.
type branch struct {
	class int
	to    int32
}

// nowhere is no step: where what cannot become a token leads, and where the first step is from.
const nowhere = -1

// begin settles the atoms whose first literal already decides, and enters what is left.
func (s *search) begin(goal node) node {
	atoms := s.forms.support(goal)
	states := make([]language.State, len(atoms))
	for i, atom := range atoms {
		states[i] = s.atoms[atom].start
	}
	goal, states = s.settle(goal, atoms, states)
	s.enter(nowhere, 0, moment{spot{field: -1, form: goal}, states}, 0)
	return goal
}

// moment is the moment of a step.
func (s *search) moment(here int32) moment {
	at := &s.steps[here]
	return moment{at.spot, s.states[at.at:][:len(s.forms.support(at.form))]}
}

// settle replaces atoms that can no longer change their minds, and returns the states of
// those that are left, which it puts where the others were.
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

// keep leaves the states of a formula's atoms.
func (s *search) keep(form node, atoms []int32, states []language.State) []language.State {
	wanted := s.forms.support(form)
	kept := states[:0]
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

// enter records a moment that was reached, cheapest first, and returns its step.
func (s *search) enter(parent, class int32, m moment, cost int32) int32 {
	if m.form == no {
		return nowhere
	}
	slot := s.find(m)
	if s.seen[slot] > 0 {
		known := s.seen[slot] - 1
		if s.links != nil {
			s.links[parent] = append(s.links[parent], link{class, known})
			return known
		}
		if s.steps[known].cost <= cost {
			return known
		}
		s.steps[known].cost = superseded
	}
	here := int32(len(s.steps))
	s.seen[slot] = here + 1
	s.steps = append(s.steps, step{m.spot, int32(len(s.states)), parent, class, cost})
	s.states = append(s.states, m.states...)
	if 2*len(s.steps) > len(s.seen) {
		s.rehash()
	}
	if s.links != nil {
		s.links = append(s.links, nil)
		if parent >= 0 {
			s.links[parent] = append(s.links[parent], link{class, here})
		}
		return here
	}
	// A letter lessens what is ahead by one at most. Were it more, this moment's turn would be
	// over, and the proof without it. A span's suffix brings letters of its own, so that no
	// estimate holds ahead of it.
	ahead := int32(0)
	if s.inside(m.field) && !s.closed(m.field) && s.spans[int(m.field)].suffix == "" {
		ahead = int32(s.fields[m.field].domains[s.width].distances[m.domain])
	}
	if int(cost+ahead) < s.turn {
		panic("a letter lessens what is ahead of a search by more than one")
	}
	for len(s.queue) <= int(cost+ahead) {
		s.queue = append(s.queue, nil)
	}
	s.queue[cost+ahead] = append(s.queue[cost+ahead], here)
	return here
}

// find returns the slot of a moment: its step's, or the free one where that belongs.
func (s *search) find(m moment) int {
	hash := uint64(uint32(m.field))<<33 | uint64(m.form)<<1 | uint64(truth(m.wants))
	mix := func(with uint64) {
		hash = (hash ^ with) * 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio
		hash ^= hash >> 29
	}
	mix(uint64(m.domain))
	for _, state := range m.states {
		mix(uint64(state))
	}
	mask := len(s.seen) - 1
	for slot := int(hash) & mask; ; slot = (slot + 1) & mask {
		if s.seen[slot] == 0 {
			return slot
		}
		if known := s.moment(s.seen[slot] - 1); known.spot == m.spot && slices.Equal(known.states, m.states) {
			return slot
		}
	}
}

// rehash doubles the room for steps to be found in.
func (s *search) rehash() {
	size := 2 * len(s.seen)
	s.seen = slices.Grow(s.seen[:0], size)[:size]
	clear(s.seen)
	for here := range s.steps {
		s.seen[s.find(s.moment(int32(here)))] = int32(here) + 1
	}
}

func (s *search) run(ctx context.Context) (map[int]string, error) {
	for ; s.turn < len(s.queue); s.turn++ {
		for i := 0; i < len(s.queue[s.turn]); i++ {
			here := s.queue[s.turn][i]
			if s.steps[here].cost == superseded {
				continue
			}
			if err := s.spend(ctx); err != nil {
				return nil, err
			}
			if m := s.steps[here].spot; m.form == yes && s.mayEnd(m) {
				return s.trace(here), nil
			}
			s.expand(here)
		}
	}
	return nil, nil
}

// maxStates bounds the room for the states of one search's steps, 4 bytes each.
const maxStates = 1 << 26

// spend counts a step.
func (s *search) spend(ctx context.Context) error {
	if *s.budget--; *s.budget < 0 || len(s.states) > maxStates {
		return errProduct
	}
	if *s.budget%512 == 0 {
		return ctx.Err()
	}
	return nil
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
func (s *search) mayEnd(m spot) bool {
	if !s.inside(m.field) || s.closed(m.field) {
		return true
	}
	domain := &s.fields[m.field].domains[s.width]
	return !m.wants && domain.Accepting(domain.Walk(m.domain, s.spans[int(m.field)].suffix))
}

// expand enters what a letter, or the end of the field, leads to. Most letters lead where
// another does.
func (s *search) expand(here int32) {
	m, cost := s.moment(here), s.steps[here].cost
	if s.mayEnd(m.spot) {
		s.leave(here, m, cost)
	}
	if m.field < 0 || s.closed(m.field) {
		return
	}
	domain := &s.fields[m.field].domains[s.width]
	atoms := s.forms.support(m.form)
	s.rows, s.led = append(s.rows[:0], domain.table.Row(m.domain)), s.led[:0]
	for i, atom := range atoms {
		if s.atoms[atom].reads[m.field] {
			s.rows = append(s.rows, s.atoms[atom].row(m.field, m.states[i]))
		}
	}
	for _, class := range s.classes {
		if domain.distances[s.rows[0][class]] < 0 {
			continue
		}
		to, known := s.like(class)
		if !known {
			s.next = s.next[:0]
			read := 0
			for i, atom := range atoms {
				state := m.states[i]
				if s.atoms[atom].reads[m.field] {
					read++
					state = s.rows[read][class]
				}
				s.next = append(s.next, state)
			}
			form, states := s.settle(m.form, atoms, s.next)
			to = s.enter(here, int32(class), moment{spot{field: m.field, form: form, domain: s.rows[0][class]}, states}, cost+1)
			s.led = append(s.led, branch{class, to})
		} else if s.links != nil && to != nowhere {
			s.links[here] = append(s.links[here], link{int32(class), to})
		}
	}
}

// like is where a letter leads that takes all rows to where an earlier one took them.
func (s *search) like(class int) (to int32, known bool) {
next:
	for _, earlier := range s.led {
		for _, row := range s.rows {
			if row[class] != row[earlier.class] {
				continue next
			}
		}
		return earlier.to, true
	}
	return nowhere, false
}

// leave ends a field: what follows it in the templates is read, atoms that have read
// all they read are decided, and the next field that matters begins.
func (s *search) leave(here int32, m moment, cost int32) {
	m = s.read(m, s.spans[int(m.field)].suffix)
	atoms := s.forms.support(m.form)
	s.next = append(s.next[:0], m.states...)
	form, states := m.form, s.next
	if m.field >= 0 {
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
	s.enter(here, -1, s.start(moment{spot{field: s.after(form, m.field), form: form}, states}), cost)
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
				states[i] = s.atoms[atom].row(m.field, states[i])[s.alphabet.Class(r)]
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
