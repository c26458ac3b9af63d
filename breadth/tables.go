package breadth

import (
	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// tables shares one alphabet, and the tables over it, among the questions about a role.
type tables struct {
	alphabet *language.Alphabet
	// classes are the alphabet's, that with the best representative first.
	classes   []int
	languages []*language.Language
	known     map[*language.Language]automaton
}

func newTables() *tables { return &tables{known: map[*language.Language]automaton{}} }

func (t *tables) add(languages []*language.Language) {
	for _, l := range languages {
		if _, ok := t.known[l]; !ok {
			t.languages = append(t.languages, l)
			t.known[l] = automaton{Language: l}
		}
	}
}

// admit adds languages where the alphabet tells apart all that they do; else none.
func (t *tables) admit(languages []*language.Language) bool {
	for _, l := range languages {
		if _, ok := t.known[l]; !ok && !t.alphabet.Refines(l.Alphabet()) {
			return false
		}
	}
	t.add(languages)
	return true
}

func (t *tables) refine() {
	for l := range t.known {
		t.known[l] = automaton{Language: l}
	}
	t.alphabet = language.Refine(t.languages, ':')
	t.classes = t.alphabet.Preferred()
}

// of is the automaton of a language, with the table for escaped fields where that is wanted.
func (t *tables) of(l *language.Language, escaped bool) automaton {
	found := t.known[l]
	if found.table == nil {
		found.Language, found.table, found.distances = l, l.Table(t.alphabet, nil), l.Distances()
		t.known[l] = found
	}
	if escaped && found.escaped == nil {
		found.escaped = l.Table(t.alphabet, language.Morphism{':': issuer.Escape(":")})
		t.known[l] = found
	}
	return found
}
