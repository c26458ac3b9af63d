package language

import (
	"context"
	"fmt"
	"slices"
)

// Graph is a nondeterministic automaton. Its states count from 0; its letters are the
// classes of an alphabet.
type Graph struct {
	Alphabet *Alphabet
	Starts   []int
	Accept   []bool
	// Edges are those that leave a state.
	Edges [][]Edge
}

// Edge leads to a state by any letter of a class.
type Edge struct {
	Class, To int
}

// Graph returns the texts along the paths of g that lead from a start to an accepting
// state.
func (l Limits) Graph(ctx context.Context, g *Graph) (*Language, error) {
	m := l.meter(ctx)
	// A state of the result is a set of states, as ascending numbers.
	pack := func(set []uint32) string {
		slices.Sort(set)
		return string(appendWords(nil, slices.Compact(set)))
	}
	starts := make([]uint32, len(g.Starts))
	for i, start := range g.Starts {
		starts[i] = uint32(start)
	}
	row := func(q string, successors []string) error {
		next := make([][]uint32, len(successors))
		for _, state := range unpack(q) {
			if err := m.spend(len(g.Edges[state])); err != nil {
				return err
			}
			for _, edge := range g.Edges[state] {
				next[edge.Class] = append(next[edge.Class], uint32(edge.To))
			}
		}
		for class := range next {
			successors[class] = pack(next[class])
		}
		return nil
	}
	accept := func(q string) bool {
		return slices.ContainsFunc(unpack(q), func(state uint32) bool { return g.Accept[state] })
	}
	found, err := explore(m, g.Alphabet, pack(starts), row, accept)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	return found, nil
}
