package breadth

import (
	"context"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// project returns for each field the texts that it has in some token of the formula within
// the spans, or nil when there is no such token. A field that is missing from the answer may
// be anything in its domain.
func (t *tape) project(ctx context.Context, limits language.Limits, goal node, domain int, spans map[int]span, budget *int) (map[int]*language.Language, error) {
	s := t.newSearch(domain, spans, budget)
	s.links = [][]link{}
	switch s.begin(goal) {
	case no:
		return nil, nil
	case yes:
		return map[int]*language.Language{}, nil
	}
	if err := s.exhaust(ctx); err != nil {
		return nil, err
	}
	alive := s.alive()
	if !alive[0] {
		return nil, nil
	}
	found := map[int]*language.Language{}
	for field := range t.fields {
		texts, err := s.texts(ctx, limits, int32(field), alive)
		if err != nil {
			return nil, err
		}
		if texts != nil {
			found[field] = texts
		}
	}
	return found, nil
}

// exhaust visits every moment of the product.
func (s *search) exhaust(ctx context.Context) error {
	for here := 0; here < len(s.steps); here++ {
		if err := s.spend(ctx); err != nil {
			return err
		}
		if m := s.steps[here].spot; m.field < 0 || s.inside(m.field) {
			s.expand(int32(here))
		}
	}
	return nil
}

// alive says of each step whether a token ends behind it.
func (s *search) alive() []bool {
	before := make([][]int32, len(s.steps))
	for from, links := range s.links {
		for _, l := range links {
			before[l.to] = append(before[l.to], int32(from))
		}
	}
	alive := make([]bool, len(s.steps))
	var queue []int32
	for here := range s.steps {
		if m := s.steps[here].spot; m.form == yes && int(m.field) >= len(s.fields) {
			alive[here] = true
			queue = append(queue, int32(here))
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, from := range before[queue[0]] {
			if !alive[from] {
				alive[from] = true
				queue = append(queue, from)
			}
		}
	}
	return alive
}

// texts is what is read in a field on the ways that lead to a token; nil when one of these
// passes the field over, or none is in it.
func (s *search) texts(ctx context.Context, limits language.Limits, field int32, alive []bool) (*language.Language, error) {
	g := &language.Graph{Alphabet: s.alphabet}
	number := map[int32]int{}
	state := func(here int32) int {
		n, ok := number[here]
		if !ok {
			n = len(g.Edges)
			number[here] = n
			g.Edges, g.Accept = append(g.Edges, nil), append(g.Accept, false)
		}
		return n
	}
	for from, links := range s.links {
		here := s.steps[from].field
		for _, l := range links {
			there := s.steps[l.to].field
			switch {
			case !alive[l.to]:
			case l.class < 0 && here < field && field < there:
				return nil, nil
			case l.class < 0 && there == field:
				g.Starts = append(g.Starts, state(l.to))
			case l.class < 0 && here == field:
				g.Accept[state(int32(from))] = true
			case l.class >= 0 && here == field:
				n := state(int32(from))
				g.Edges[n] = append(g.Edges[n], language.Edge{Class: int(l.class), To: state(l.to)})
			}
		}
	}
	if len(g.Starts) == 0 {
		return nil, nil
	}
	return limits.Graph(ctx, g)
}
