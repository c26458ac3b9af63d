package language

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// smtEnd is one past the last letter of strings in SMT-LIB 2.6.
const smtEnd = 0x30000

// SMTLIB writes x as SMT-LIB 2.6: definitions of sort RegLan, the last of them
// under the given name, the others under that name with a number. Members with
// a letter above U+2FFFF, which SMT-LIB does not have, are left out. Surrogates,
// which it does have, are in no member: a question should be asked of members
// of [All].
//
// The automaton is taken apart state by state (Kleene 1956), so that other
// solvers can check what this package computes; it is no way to store a
// Language.
func (l Limits) SMTLIB(ctx context.Context, x *Language, name string) (string, error) {
	e := &eliminator{meter: l.meter(ctx), name: name, number: make(map[string]string)}
	e.read(x)
	for {
		q, ok := e.cheapest()
		if !ok {
			break
		}
		if err := e.eliminate(q); err != nil {
			return "", fmt.Errorf("write as SMT-LIB: %w", err)
		}
	}
	term, ok := e.to[entry][exit]
	if !ok {
		term = "re.none"
	}
	fmt.Fprintf(&e.out, "(define-fun %s () RegLan %s)\n", name, term)
	return e.out.String(), nil
}

// Two states of an eliminator besides those of the language.
const entry, exit State = -1, -2

// emptyWord is the expression of the empty string.
const emptyWord = `(str.to_re "")`

// eliminator holds an automaton whose steps are expressions.
type eliminator struct {
	*meter
	name   string
	out    strings.Builder
	number map[string]string // name of an expression that was written
	to     map[State]map[State]string
	from   map[State]map[State]bool
}

func (e *eliminator) read(x *Language) {
	e.to = map[State]map[State]string{entry: {}}
	e.from = make(map[State]map[State]bool)
	if x.Empty() {
		return
	}
	e.connect(entry, x.Start(), emptyWord)
	for q := range State(x.States()) {
		if x.Dead(q) {
			continue
		}
		letters := make(map[State][]Range)
		for c := range x.alphabet.Size() {
			to := x.next[int(q)*x.alphabet.Size()+c]
			letters[to] = append(letters[to], x.alphabet.Ranges(c)...)
		}
		for to := range State(x.States()) {
			if set := smtRanges(letters[to]); set != "" && !x.Dead(to) {
				e.connect(q, to, e.define(set))
			}
		}
		if x.Accepting(q) {
			e.connect(q, exit, emptyWord)
		}
	}
}

// smtRanges writes a set of letters, "" if SMT-LIB has none of them.
func smtRanges(ranges []Range) string {
	slices.SortFunc(ranges, func(a, b Range) int { return int(a.Lo - b.Lo) })
	var joined []Range
	for _, r := range ranges {
		r.Hi = min(r.Hi, smtEnd-1)
		switch n := len(joined); {
		case r.Lo > r.Hi:
		case n > 0 && joined[n-1].Hi+1 == r.Lo:
			joined[n-1].Hi = r.Hi
		default:
			joined = append(joined, r)
		}
	}
	terms := make([]string, len(joined))
	for i, r := range joined {
		terms[i] = fmt.Sprintf(`(re.range "\u{%x}" "\u{%x}")`, r.Lo, r.Hi)
	}
	if len(terms) < 2 {
		return strings.Join(terms, "")
	}
	return "(re.union " + strings.Join(terms, " ") + ")"
}

// define gives an expression a name, and the same one to the same expression.
func (e *eliminator) define(term string) string {
	if name, ok := e.number[term]; ok {
		return name
	}
	name := fmt.Sprintf("%s.%d", e.name, len(e.number))
	e.number[term] = name
	fmt.Fprintf(&e.out, "(define-fun %s () RegLan %s)\n", name, term)
	return name
}

// connect adds an expression to the step between two states.
func (e *eliminator) connect(from, to State, term string) {
	if e.to[from] == nil {
		e.to[from] = make(map[State]string)
	}
	if e.from[to] == nil {
		e.from[to] = make(map[State]bool)
	}
	if old, ok := e.to[from][to]; ok && old != term {
		term = e.define("(re.union " + old + " " + term + ")")
	}
	e.to[from][to] = term
	e.from[to][from] = true
}

// cheapest returns the state whose elimination adds fewest steps.
func (e *eliminator) cheapest() (best State, ok bool) {
	price := func(q State) int { return len(e.from[q]) * len(e.to[q]) }
	for q := range e.to {
		if q != entry && (!ok || price(q) < price(best) || price(q) == price(best) && q < best) {
			best, ok = q, true
		}
	}
	return best, ok
}

// eliminate replaces the ways through a state by steps that go past it.
func (e *eliminator) eliminate(q State) error {
	loop, loops := e.to[q][q]
	if loops {
		loop = e.define("(re.* " + loop + ")")
		delete(e.to[q], q)
		delete(e.from[q], q)
	}
	for _, from := range sorted(e.from[q]) {
		before := e.to[from][q]
		delete(e.to[from], q)
		for _, to := range sorted(e.to[q]) {
			var parts []string
			for _, part := range []string{before, loop, e.to[q][to]} {
				if part != "" && part != emptyWord {
					parts = append(parts, part)
				}
			}
			term := emptyWord
			switch len(parts) {
			case 0:
			case 1:
				term = parts[0]
			default:
				term = e.define("(re.++ " + strings.Join(parts, " ") + ")")
			}
			e.connect(from, to, term)
		}
	}
	for to := range e.to[q] {
		delete(e.from[to], q)
	}
	delete(e.to, q)
	delete(e.from, q)
	if err := e.room(0, e.out.Len()); err != nil {
		return err
	}
	return e.spend(len(e.to))
}

func sorted[V any](m map[State]V) []State {
	keys := make([]State, 0, len(m))
	for q := range m {
		keys = append(keys, q)
	}
	slices.Sort(keys)
	return keys
}
