package language

import (
	"context"
	"fmt"
	"slices"
)

// Morphism replaces letters by words, and leaves alone those it does not name.
type Morphism map[rune]string

// LowerASCII returns the Morphism of CEL's lowerAscii.
func LowerASCII() Morphism {
	m := make(Morphism)
	for r := 'A'; r <= 'Z'; r++ {
		m[r] = string(r - 'A' + 'a')
	}
	return m
}

// Apply returns s with its letters replaced.
func (m Morphism) Apply(s string) string {
	var image []rune
	for _, r := range s {
		if word, ok := m[r]; ok {
			image = append(image, []rune(word)...)
		} else {
			image = append(image, r)
		}
	}
	return string(image)
}

// letters returns the letters that m replaces.
func (m Morphism) letters() []rune {
	letters := make([]rune, 0, len(m))
	for r := range m {
		letters = append(letters, r)
	}
	slices.Sort(letters)
	return letters
}

// Replacing is the language of the strings whose image under the morphism is a
// member of x. It has no more states than x.
func (l Limits) Replacing(ctx context.Context, x *Language, morphism Morphism) (*Language, error) {
	alphabet := Refine([]*Language{x}, morphism.letters()...)
	t := x.Table(alphabet, morphism)
	row := func(q State, successors []State) error {
		for c := range successors {
			successors[c] = t.Step(q, c)
		}
		return nil
	}
	p, err := explore(l.meter(ctx), alphabet, x.Start(), row, x.Accepting)
	if err != nil {
		return nil, fmt.Errorf("replacing letters: %w", err)
	}
	return p, nil
}

// Between is the language of the strings that become a member of x between a
// prefix and a suffix: {s : prefix + s + suffix in x}. It has no more states
// than x.
func (l Limits) Between(ctx context.Context, x *Language, prefix, suffix string) (*Language, error) {
	row := func(q State, successors []State) error {
		copy(successors, x.next[int(q)*x.alphabet.Size():])
		return nil
	}
	accept := func(q State) bool { return x.Accepting(x.Walk(q, suffix)) }
	p, err := explore(l.meter(ctx), x.alphabet, x.Walk(0, prefix), row, accept)
	if err != nil {
		return nil, fmt.Errorf("between %q and %q: %w", prefix, suffix, err)
	}
	return p, nil
}

// Around is the language of the strings that have both prefix and suffix, one
// after the other, and are a member of x without them:
// {prefix + s + suffix : s in x}.
func (l Limits) Around(ctx context.Context, x *Language, prefix, suffix string) (*Language, error) {
	front, back := []rune(prefix), newSearcher(suffix)
	alphabet := Refine([]*Language{x}, append([]rune(suffix), front...)...)
	// Negative places count letters of the prefix still to come; others are
	// letters of the suffix read, and not yet given to x.
	type state struct {
		q     State
		place int
	}
	lost := state{-1, 0}
	row := func(s state, successors []state) error {
		for c := range successors {
			r := alphabet.Representative(c)
			switch {
			case s == lost:
				successors[c] = lost
			case s.place < 0 && r == front[len(front)+s.place]:
				successors[c] = state{0, s.place + 1}
			case s.place < 0:
				successors[c] = lost
			default:
				q, place := back.step(x, s.q, s.place, r)
				successors[c] = state{q, place}
				if x.Dead(q) {
					successors[c] = lost
				}
			}
		}
		return nil
	}
	accept := func(s state) bool { return s != lost && s.place == len(back.word) && x.Accepting(s.q) }
	p, err := explore(l.meter(ctx), alphabet, state{0, -len(front)}, row, accept)
	if err != nil {
		return nil, fmt.Errorf("around with %q and %q: %w", prefix, suffix, err)
	}
	return p, nil
}

// Extracting is the language of the strings from which the template
// prefix{x}suffix extracts a member of x: what stands between the first
// prefix and the first suffix after it, up to the end if the suffix is empty,
// and the empty string where either is missing. These are the semantics of
// extract in Google Cloud's IAM conditions, see [Extract].
func (l Limits) Extracting(ctx context.Context, x *Language, prefix, suffix string) (*Language, error) {
	front, back := newSearcher(prefix), newSearcher(suffix)
	alphabet := Refine([]*Language{x}, append([]rune(suffix), front.word...)...)
	type state struct {
		stage int // 0 before the prefix is complete, 1 after, 2 decided
		q     State
		place int // letters of the prefix or suffix read
	}
	const seeking, reading, decided = 0, 1, 2
	yes, no := state{decided, 1, 0}, state{decided, 0, 0}
	settle := func(b bool) state {
		if b {
			return yes
		}
		return no
	}
	enter := func(s state) state {
		if s.stage == seeking && s.place == len(front.word) {
			s = state{reading, x.Start(), 0}
		}
		if s.stage == reading && len(back.word) > 0 && s.place == len(back.word) {
			return settle(x.Accepting(s.q))
		}
		return s
	}
	row := func(s state, successors []state) error {
		for c := range successors {
			to, r := s, alphabet.Representative(c)
			switch s.stage {
			case seeking:
				to.place = front.next(s.place, r)
			case reading:
				to.q, to.place = back.step(x, s.q, s.place, r)
			}
			successors[c] = enter(to)
		}
		return nil
	}
	accept := func(s state) bool {
		switch {
		case s.stage == decided:
			return s == yes
		case s.stage == reading && len(back.word) == 0:
			return x.Accepting(s.q)
		}
		return x.Contains("")
	}
	p, err := explore(l.meter(ctx), alphabet, enter(state{}), row, accept)
	if err != nil {
		return nil, fmt.Errorf("extracting %q: %w", prefix+"{}"+suffix, err)
	}
	return p, nil
}

// Splitting is the language of the strings whose piece number index, counted
// from 0, is a member of x when they are split as strings.Split does. A string
// of fewer pieces is not in it, whatever x is. An empty separator splits into
// letters.
func (l Limits) Splitting(ctx context.Context, x *Language, separator string, index int) (*Language, error) {
	if index < 0 {
		return None(), nil
	}
	cut := newSearcher(separator)
	alphabet := Refine([]*Language{x}, cut.word...)
	type state struct {
		piece int // index+1 once decided
		q     State
		place int // letters of the separator read
	}
	yes, no := state{index + 1, 1, 0}, state{index + 1, 0, 0}
	settle := func(q State) state {
		if x.Accepting(q) {
			return yes
		}
		return no
	}
	row := func(s state, successors []state) error {
		for c := range successors {
			to, r := s, alphabet.Representative(c)
			switch {
			case s.piece > index:
			case len(cut.word) == 0 && s.piece == index:
				to = settle(x.Step(s.q, r))
			case len(cut.word) == 0:
				to.piece++
			case s.piece < index:
				if to.place = cut.next(s.place, r); to.place == len(cut.word) {
					to = state{piece: s.piece + 1}
				}
			default:
				if to.q, to.place = cut.step(x, s.q, s.place, r); to.place == len(cut.word) {
					to = settle(to.q)
				}
			}
			successors[c] = to
		}
		return nil
	}
	accept := func(s state) bool {
		switch {
		case s.piece > index:
			return s == yes
		case s.piece < index || len(cut.word) == 0:
			return false
		}
		return x.Accepting(x.Walk(s.q, string(cut.word[:s.place])))
	}
	p, err := explore(l.meter(ctx), alphabet, state{}, row, accept)
	if err != nil {
		return nil, fmt.Errorf("splitting at %q: %w", separator, err)
	}
	return p, nil
}

// searcher finds a word letter by letter (Knuth, Morris, Pratt 1977).
type searcher struct {
	word []rune
	fail []int // length of the longest border of word[:i]
}

func newSearcher(s string) *searcher {
	w := &searcher{word: []rune(s)}
	w.fail = make([]int, len(w.word)+1)
	for i := 1; i < len(w.word); i++ {
		w.fail[i+1] = w.next(w.fail[i], w.word[i])
	}
	return w
}

// next returns how many letters of the word a text ends with after the letter
// r, if it ended with n before.
func (w *searcher) next(n int, r rune) int {
	for {
		if n < len(w.word) && w.word[n] == r {
			return n + 1
		}
		if n == 0 {
			return 0
		}
		n = w.fail[n]
	}
}

// step is next with delayed release: of the n letters held back and r, those
// that can no longer belong to the word are given to x.
func (w *searcher) step(x *Language, q State, n int, r rune) (State, int) {
	m := w.next(n, r)
	for i := range n + 1 - m {
		if i < n {
			q = x.Step(q, w.word[i])
		} else {
			q = x.Step(q, r)
		}
	}
	return q, m
}
