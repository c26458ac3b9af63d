package breadth

import (
	"github.com/trustcheck/trustcheck/breadth/language"
)

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
	room     *room
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

// tapeAtom is a language and how it reads; start is its state before the first field.
type tapeAtom struct {
	automaton
	*layout
	start language.State
}

// row is the states after the letters of a field, by their class.
func (a *tapeAtom) row(field int32, state language.State) []language.State {
	if a.escapes[field] {
		return a.escaped.Row(state)
	}
	return a.table.Row(state)
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
