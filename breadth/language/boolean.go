package language

import (
	"context"
	"fmt"
)

// Union is the language of the strings in any of the languages; [None] if
// there are none.
func (l Limits) Union(ctx context.Context, languages ...*Language) (*Language, error) {
	u, err := l.meter(ctx).union(languages)
	if err != nil {
		return nil, fmt.Errorf("union: %w", err)
	}
	return u, nil
}

// Intersect is the language of the strings in all of the languages; [All] if
// there are none.
func (l Limits) Intersect(ctx context.Context, languages ...*Language) (*Language, error) {
	i, err := l.meter(ctx).intersect(languages)
	if err != nil {
		return nil, fmt.Errorf("intersection: %w", err)
	}
	return i, nil
}

// Minus is the language of the strings in a and not in b.
func (l Limits) Minus(ctx context.Context, a, b *Language) (*Language, error) {
	d, err := l.meter(ctx).intersect([]*Language{a, b.Complement()})
	if err != nil {
		return nil, fmt.Errorf("difference: %w", err)
	}
	return d, nil
}

// Subset reports whether every member of a is one of b.
func (l Limits) Subset(ctx context.Context, a, b *Language) (bool, error) {
	_, found, err := l.Common(ctx, a, b.Complement())
	return !found && err == nil, err
}

func (m *meter) union(languages []*Language) (*Language, error) {
	others := make([]*Language, len(languages))
	for i, x := range languages {
		others[i] = x.Complement()
	}
	i, err := m.intersect(others)
	if err != nil {
		return nil, err
	}
	return i.Complement(), nil
}

// intersect goes pairwise, as a balanced tree, so that everything is minimised
// before it meets much else.
func (m *meter) intersect(languages []*Language) (*Language, error) {
	switch len(languages) {
	case 0:
		return All(), nil
	case 1:
		return languages[0], nil
	}
	half := len(languages) / 2
	a, err := m.intersect(languages[:half])
	if err != nil {
		return nil, err
	}
	b, err := m.intersect(languages[half:])
	if err != nil {
		return nil, err
	}
	return m.intersectTwo(a, b)
}

func (m *meter) intersectTwo(a, b *Language) (*Language, error) {
	switch {
	case a.Empty() || b.Everything() || a == b:
		return a, nil
	case b.Empty() || a.Everything():
		return b, nil
	}
	alphabet, x, y, err := m.tables(a, b)
	if err != nil {
		return nil, err
	}
	type pair struct{ a, b State }
	dead := pair{-1, -1}
	row := func(q pair, successors []pair) error {
		for c := range successors {
			if q == dead {
				successors[c] = dead
				continue
			}
			to := pair{x.Step(q.a, c), y.Step(q.b, c)}
			if a.Dead(to.a) || b.Dead(to.b) {
				to = dead
			}
			successors[c] = to
		}
		return nil
	}
	accept := func(q pair) bool { return q != dead && a.accept[q.a] && b.accept[q.b] }
	return explore(m, alphabet, pair{}, row, accept)
}

// tables brings two languages to a common alphabet.
func (m *meter) tables(a, b *Language) (_ *Alphabet, x, y *Table, err error) {
	alphabet := a.alphabet.meet(b.alphabet)
	if err := m.room(0, max(a.States(), b.States())*alphabet.Size()); err != nil {
		return nil, nil, nil, err
	}
	return alphabet, a.Table(alphabet, nil), b.Table(alphabet, nil), nil
}
