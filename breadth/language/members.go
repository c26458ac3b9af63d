package language

import (
	"context"
	"fmt"
	"slices"
)

// Exact is the language of the given strings.
func (l Limits) Exact(ctx context.Context, values ...string) (*Language, error) {
	m := l.meter(ctx)
	var letters []rune
	type node struct {
		next map[rune]int
		end  bool
	}
	trie := []node{{}}
	for _, v := range values {
		n := 0
		for _, r := range v {
			letters = append(letters, r)
			to, ok := trie[n].next[r]
			if !ok {
				to = len(trie)
				if trie[n].next == nil {
					trie[n].next = make(map[rune]int)
				}
				trie[n].next[r] = to
				trie = append(trie, node{})
			}
			n = to
		}
		trie[n].end = true
		if err := m.room(len(trie), 0); err != nil {
			return nil, fmt.Errorf("set of strings: %w", err)
		}
	}
	alphabet := alone(letters)
	const lost = -1
	row := func(n int, successors []int) error {
		for c := range successors {
			successors[c] = lost
		}
		if n != lost {
			for r, to := range trie[n].next {
				successors[alphabet.Class(r)] = to
			}
		}
		return nil
	}
	e, err := explore(m, alphabet, 0, row, func(n int) bool { return n != lost && trie[n].end })
	if err != nil {
		return nil, fmt.Errorf("set of strings: %w", err)
	}
	return e, nil
}

// Shortest returns a member with the fewest letters, and among these the one
// that reads best; false if there is none.
func (l *Language) Shortest() (string, bool) {
	order := l.alphabet.Preferred()
	width := l.alphabet.Size()
	found := make([]trail, 1, len(l.accept))
	found[0] = trail{from: -1}
	states := []State{0}
	seen := make([]bool, len(l.accept))
	seen[0] = true
	for i := 0; i < len(states); i++ {
		q := states[i]
		if l.accept[q] {
			return spell(found, i), true
		}
		for _, c := range order {
			if to := l.next[int(q)*width+c]; !seen[to] {
				seen[to] = true
				states = append(states, to)
				found = append(found, trail{i, l.alphabet.best[c]})
			}
		}
	}
	return "", false
}

// trail says how a search came to a place: from which, by which letter.
type trail struct {
	from   int
	letter rune
}

// spell returns the letters on the way to a place.
func spell(found []trail, i int) string {
	var letters []rune
	for ; found[i].from >= 0; i = found[i].from {
		letters = append(letters, found[i].letter)
	}
	slices.Reverse(letters)
	return string(letters)
}

// Common returns a string that is a member of both with the fewest letters,
// and among these the one that reads best; false if there is none.
func (l Limits) Common(ctx context.Context, a, b *Language) (string, bool, error) {
	m := l.meter(ctx)
	alphabet, x, y, err := m.tables(a, b)
	if err != nil {
		return "", false, fmt.Errorf("common member: %w", err)
	}
	order := alphabet.Preferred()
	type pair struct{ a, b State }
	pairs := []pair{{}}
	found := []trail{{from: -1}}
	seen := map[pair]bool{{}: true}
	for i := 0; i < len(pairs); i++ {
		q := pairs[i]
		if a.accept[q.a] && b.accept[q.b] {
			return spell(found, i), true, nil
		}
		for _, c := range order {
			to := pair{x.Step(q.a, c), y.Step(q.b, c)}
			if seen[to] || a.Dead(to.a) || b.Dead(to.b) {
				continue
			}
			seen[to] = true
			pairs = append(pairs, to)
			found = append(found, trail{i, alphabet.best[c]})
		}
		if len(pairs) > pairsPerState*m.states {
			return "", false, fmt.Errorf("common member: %w: more than %d pairs", ErrLimit, pairsPerState*m.states)
		}
		if err := m.spend(len(order)); err != nil {
			return "", false, fmt.Errorf("common member: %w", err)
		}
	}
	return "", false, nil
}

// Example returns a member of x that people like to read: the shortest that is
// in the first of the preferred languages that has any, or else the shortest;
// false if x is empty.
func (l Limits) Example(ctx context.Context, x *Language, prefer ...*Language) (string, bool, error) {
	for _, p := range prefer {
		if s, found, err := l.Common(ctx, x, p); found || err != nil {
			return s, found, err
		}
	}
	s, found := x.Shortest()
	return s, found, nil
}

// Finite reports whether there are finitely many members.
func (l *Language) Finite() bool {
	_, ok := l.order()
	return ok
}

// order returns the states from which a member can still be reached so that
// every step goes forward; false if they form a cycle.
func (l *Language) order() ([]State, bool) {
	const unseen, open, done = 0, 1, 2
	mark := make([]byte, len(l.accept))
	var order []State
	type frame struct {
		q State
		c int
	}
	width := l.alphabet.Size()
	stack := []frame{{0, 0}}
	mark[0] = open
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		if f.c == width {
			mark[f.q] = done
			order = append(order, f.q)
			stack = stack[:len(stack)-1]
			continue
		}
		to := l.next[int(f.q)*width+f.c]
		f.c++
		switch {
		case to == l.dead || mark[to] == done:
		case mark[to] == open:
			return nil, false
		default:
			mark[to] = open
			stack = append(stack, frame{to, 0})
		}
	}
	slices.Reverse(order)
	return order, true
}

// Values returns all members in the order of their code points, if there are
// at most n.
func (l *Language) Values(n int) ([]string, bool) {
	order, ok := l.order()
	if !ok {
		return nil, false
	}
	width := l.alphabet.Size()
	ranges := make([][]Range, width)
	for c := range ranges {
		ranges[c] = l.alphabet.Ranges(c)
	}
	// From the back: how many members start in each state. More than n doom the
	// whole, for every state here lies on the way from the start.
	count := make([]int, len(l.accept))
	for _, q := range slices.Backward(order) {
		if l.accept[q] {
			count[q] = 1
		}
		for c, rs := range ranges {
			for _, r := range rs {
				count[q] += int(r.Hi-r.Lo+1) * count[l.next[int(q)*width+c]]
			}
			if count[q] > n {
				return nil, false
			}
		}
	}
	var values []string
	var letters []rune
	var visit func(q State)
	visit = func(q State) {
		if l.accept[q] {
			values = append(values, string(letters))
		}
		for c, rs := range ranges {
			to := l.next[int(q)*width+c]
			if to == l.dead {
				continue
			}
			for _, r := range rs {
				for letter := r.Lo; letter <= r.Hi; letter++ {
					letters = append(letters, letter)
					visit(to)
					letters = letters[:len(letters)-1]
				}
			}
		}
	}
	visit(0)
	slices.Sort(values)
	return values, true
}

// CommonPrefix returns the longest string with which all members begin; the
// empty string if there are no members.
func (l *Language) CommonPrefix() string {
	if l.Empty() {
		return ""
	}
	var prefix []rune
	for q := State(0); !l.accept[q]; {
		only, r, ok := State(-1), rune(0), true
		for c := range l.alphabet.Size() {
			to := l.next[int(q)*l.alphabet.Size()+c]
			if to == l.dead {
				continue
			}
			letter, alone := l.alphabet.single(c)
			ok = only < 0 && alone
			if !ok {
				break
			}
			only, r = to, letter
		}
		if !ok {
			break
		}
		q = only
		prefix = append(prefix, r)
	}
	return string(prefix)
}

// CommonSuffix returns the longest string with which all members end; the
// empty string if there are no members.
func (l *Language) CommonSuffix() string {
	d := draft{l.alphabet, l.next, l.accept}
	back := d.invert()
	var ends []int32 // where members end without the suffix so far
	for q, a := range l.accept {
		if a {
			ends = append(ends, int32(q))
		}
	}
	var suffix []rune
	for len(ends) > 0 && !slices.Contains(ends, 0) {
		class := -1
		var before []int32
		for c, v := range back {
			for _, q := range ends {
				if from := v.to(q); len(from) > 0 && class != c {
					if class >= 0 {
						return reversed(suffix)
					}
					class = c
				}
			}
		}
		r, alone := l.alphabet.single(class)
		if !alone {
			break
		}
		for _, q := range ends {
			before = append(before, back[class].to(q)...)
		}
		suffix = append(suffix, r)
		ends = before // of a deterministic automaton, so no state comes twice
	}
	return reversed(suffix)
}

func reversed(letters []rune) string {
	slices.Reverse(letters)
	return string(letters)
}

// single returns the only letter of a class; false if it has more.
func (a *Alphabet) single(class int) (rune, bool) {
	ranges := a.Ranges(class)
	return ranges[0].Lo, len(ranges) == 1 && ranges[0].Lo == ranges[0].Hi
}
