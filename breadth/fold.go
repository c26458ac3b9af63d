package breadth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// An atom costs a search a state of its own. A role with many values, statements or names
// asks the same text about each: the search gets one atom for all of them.

// maxFolded bounds the states of a language that stands for several.
const maxFolded = 4_000

// folded returns languages with the same members as those that are built, taken together:
// one, unless its automaton grows too large.
func (l *lowering) folded(key string, build func() ([]*language.Language, error)) ([]*language.Language, error) {
	if known, ok := l.folds[key]; ok {
		return known, nil
	}
	all, err := build()
	if err != nil {
		return nil, err
	}
	if all, err = l.fold(all); err != nil {
		return nil, err
	}
	l.folds[key] = all
	return all, nil
}

// fold unites in halves, so that what is too large together stays apart.
func (l *lowering) fold(all []*language.Language) ([]*language.Language, error) {
	if len(all) < 2 {
		return all, nil
	}
	first, err := l.fold(all[:len(all)/2])
	if err != nil {
		return nil, err
	}
	second, err := l.fold(all[len(all)/2:])
	if err != nil {
		return nil, err
	}
	if len(first) == 1 && len(second) == 1 {
		both, err := language.Limits{States: maxFolded}.Union(l.ctx, first[0], second[0])
		if err == nil {
			return []*language.Language{both}, nil
		}
		if !errors.Is(err, language.ErrLimit) {
			return nil, err
		}
	}
	return slices.Concat(first, second), nil
}

// either says that one of the formulas holds. Those that differ in one literal alone, which
// asks the same text for a member of another language, are asked for as one.
func (q *question) either(parts ...node) (node, error) {
	whole := q.forms.any(parts...)
	for {
		shorter, err := q.shorter(whole)
		if err != nil || shorter == whole {
			return whole, err
		}
		whole = shorter
	}
}

// shorter is a disjunction with fewer alternatives, or as it was.
func (q *question) shorter(whole node) (node, error) {
	if q.forms.nodes[whole].kind != disjunction {
		return whole, nil
	}
	left := map[node]bool{}
	for _, kid := range q.forms.nodes[whole].kids {
		left[kid] = true
	}
	var united []node
	for _, family := range q.families(whole) {
		family.members = slices.DeleteFunc(family.members, func(m member) bool { return !left[m.whole] })
		if len(family.members) < 2 {
			continue
		}
		literals, err := q.united(family.members)
		if err != nil {
			return no, err
		}
		if len(literals) >= len(family.members) {
			continue
		}
		for _, m := range family.members {
			delete(left, m.whole)
		}
		united = append(united, q.forms.all(append(slices.Clone(family.rest), q.forms.any(literals...))...))
	}
	return q.forms.any(append(united, slices.Collect(maps.Keys(left))...)...), nil
}

// family are alternatives that are alike but for one literal over one template.
type family struct {
	rest    []node
	members []member
}

type member struct {
	whole node
	atom  int32
}

// families lists those of a disjunction's alternatives, the largest first.
func (q *question) families(whole node) []*family {
	var all []*family
	known := map[string]*family{}
	for _, kid := range q.forms.nodes[whole].kids {
		parts := []node{kid}
		if q.forms.nodes[kid].kind == conjunction {
			parts = q.forms.nodes[kid].kids
		}
		for i, part := range parts {
			asked := q.forms.nodes[part]
			if asked.kind != literal || asked.negative {
				continue
			}
			rest := slices.Delete(slices.Clone(parts), i, i+1)
			key := fmt.Sprintf("%p %v", q.asked[asked.atom].layout, rest)
			if known[key] == nil {
				known[key] = &family{rest: rest}
				all = append(all, known[key])
			}
			known[key].members = append(known[key].members, member{kid, asked.atom})
		}
	}
	slices.SortStableFunc(all, func(a, b *family) int { return len(b.members) - len(a.members) })
	return all
}

// united are literals of which one holds where one of the members' does.
func (q *question) united(members []member) ([]node, error) {
	var all []*language.Language
	var key strings.Builder
	for _, m := range members {
		asked := q.asked[m.atom].language
		q.lower.named[asked] = true
		fmt.Fprintf(&key, "%p ", asked)
		all = append(all, asked)
	}
	folded, err := q.lower.folded(key.String(), func() ([]*language.Language, error) { return all, nil })
	if err != nil {
		return nil, err
	}
	var literals []node
	for _, one := range folded {
		literals = append(literals, q.reads(q.asked[members[0].atom].pieces, one, true))
	}
	return literals, nil
}
