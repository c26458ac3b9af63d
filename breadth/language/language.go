package language

import "slices"

// State is a state of one Language's automaton, counted from 0, the start.
type State int32

// Language is a regular set of strings of Unicode scalar values, held as its
// minimal automaton. It is immutable and may be used by several goroutines.
//
// Equal languages have equal automata: same states, same letter classes, same
// numbers. The zero value is not a Language; see [None].
type Language struct {
	alphabet  *Alphabet
	next      []State // a row of alphabet.Size() per state
	accept    []bool
	dead      State // the state from which nothing is accepted, or -1
	universal State // the state from which everything is accepted, or -1
}

// None is the empty language.
func None() *Language {
	return &Language{oneLetter(), []State{0}, []bool{false}, 0, -1}
}

// All is the language of all strings.
func All() *Language { return None().Complement() }

// Complement is the language of all other strings. It costs next to nothing
// and shares the table of l.
func (l *Language) Complement() *Language {
	accept := make([]bool, len(l.accept))
	for q, a := range l.accept {
		accept[q] = !a
	}
	return &Language{l.alphabet, l.next, accept, l.universal, l.dead}
}

// Empty reports whether no string is a member.
func (l *Language) Empty() bool { return l.dead == 0 }

// Everything reports whether all strings are members.
func (l *Language) Everything() bool { return l.universal == 0 }

// Contains reports whether s is a member. A byte that is not UTF-8 is read as
// U+FFFD, as package regexp does.
func (l *Language) Contains(s string) bool { return l.Accepting(l.Walk(0, s)) }

// Equal reports whether both have the same members.
func (l *Language) Equal(m *Language) bool {
	return slices.Equal(l.accept, m.accept) && slices.Equal(l.next, m.next) &&
		slices.Equal(l.alphabet.starts, m.alphabet.starts) && slices.Equal(l.alphabet.class, m.alphabet.class)
}

// States is the number of states.
func (l *Language) States() int { return len(l.accept) }

// Alphabet returns the letter classes that l distinguishes.
func (l *Language) Alphabet() *Alphabet { return l.alphabet }

// Start returns the state before the first letter.
func (l *Language) Start() State { return 0 }

// Step returns the state after a letter. To step through several languages at
// once, bring them to one alphabet with [Refine] and [Language.Table].
func (l *Language) Step(q State, r rune) State {
	return l.next[int(q)*l.alphabet.Size()+l.alphabet.Class(r)]
}

// Walk returns the state after the letters of s.
func (l *Language) Walk(q State, s string) State {
	for _, r := range s {
		q = l.Step(q, r)
	}
	return q
}

// Accepting reports whether a string that ends here is a member.
func (l *Language) Accepting(q State) bool { return l.accept[q] }

// Dead reports whether no continuation is a member.
func (l *Language) Dead(q State) bool { return q == l.dead }

// Universal reports whether every continuation is a member, the empty one
// included.
func (l *Language) Universal(q State) bool { return q == l.universal }

// Distances returns for each state how many letters are still needed to reach
// an accepting one, -1 where none can be reached.
func (l *Language) Distances() []int {
	d := draft{l.alphabet, l.next, l.accept}
	back := d.invert()
	distance := make([]int, len(l.accept))
	var queue []int32
	for q, a := range l.accept {
		if a {
			queue = append(queue, int32(q))
		} else {
			distance[q] = -1
		}
	}
	for i := 0; i < len(queue); i++ {
		for _, v := range back {
			for _, from := range v.to(queue[i]) {
				if distance[from] < 0 {
					distance[from] = distance[queue[i]] + 1
					queue = append(queue, from)
				}
			}
		}
	}
	return distance
}

// Refine returns the coarsest alphabet in which every class lies inside one
// class of each language, and each of the letters is a class by itself.
func Refine(languages []*Language, letters ...rune) *Alphabet {
	a := alone(letters)
	for _, l := range languages {
		a = a.meet(l.alphabet)
	}
	return a
}

// Table is the automaton of one Language over a finer alphabet.
type Table struct {
	next  []State
	width int
}

// Table returns the steps of l by the classes of an alphabet, where a class
// steps as the image of its letters under m does. It panics unless the alphabet
// comes from a [Refine] that was given l and the letters that m replaces.
func (l *Language) Table(a *Alphabet, m Morphism) *Table {
	if !a.Refines(l.alphabet) || len(m) > 0 && !a.Refines(alone(m.letters())) {
		panic("language: table over an alphabet that is not refined for it")
	}
	t := &Table{make([]State, len(l.accept)*a.Size()), a.Size()}
	for c := range t.width {
		r := a.Representative(c)
		word, replaced := m[r]
		for q := range l.accept {
			to := &t.next[q*t.width+c]
			if replaced {
				*to = l.Walk(State(q), word)
			} else {
				*to = l.Step(State(q), r)
			}
		}
	}
	return t
}

// Step returns the state after a letter of a class.
func (t *Table) Step(q State, class int) State { return t.Row(q)[class] }

// Row returns the states after a letter, by its class. It is the table's own: not to be
// written to.
func (t *Table) Row(q State) []State { return t.next[int(q)*t.width:][:t.width] }

// explore builds the automaton that a start state and its successors describe,
// and minimises it. The function row fills in the successors of a state, one
// per class.
func explore[S comparable](m *meter, a *Alphabet, start S, row func(q S, successors []S) error, accept func(q S) bool) (*Language, error) {
	width := a.Size()
	d := &draft{alphabet: a}
	number := map[S]State{start: 0}
	order := []S{start}
	successors := make([]S, width)
	for i := 0; i < len(order); i++ {
		if err := row(order[i], successors); err != nil {
			return nil, err
		}
		for _, s := range successors {
			q, ok := number[s]
			if !ok {
				q = State(len(order))
				number[s] = q
				order = append(order, s)
			}
			d.next = append(d.next, q)
		}
		d.accept = append(d.accept, accept(order[i]))
		if err := m.room(len(order), len(order)*width); err != nil {
			return nil, err
		}
		if err := m.spend(width); err != nil {
			return nil, err
		}
	}
	return d.minimise(m)
}
