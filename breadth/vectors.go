package breadth

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/cel"
)

// Vector is a token with which a role can be tested, and what the analysis expects: Allow
// where it surely accepts, and false with Deny where it surely does not.
type Vector struct {
	Claims      map[string]any
	Allow, Deny bool
	// Shows says what the vector is for.
	Shows string
}

// Vectors returns tokens that exercise a role: for every condition one that turns on it
// alone, satisfied and not (modified condition/decision coverage, as far as the issuer
// mints such tokens), each of these with every claim that the role reads left out, and
// one of every shape. Expectations come from the conditions' sets of values, one claim at
// a time, and from no search.
func (a *Analyser) Vectors(ctx context.Context, subject Subject) ([]Vector, error) {
	issuers, err := issuersOf(subject.Issuer, subject.Role)
	if err != nil {
		return nil, err
	}
	var all []Vector
	for _, iss := range issuers {
		found, err := newAnalysis(ctx, a, subject.about(iss)).vectors()
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (a *analysis) vectors() ([]Vector, error) {
	a.thorough = true
	if err := a.prepare(); err != nil {
		return nil, err
	}
	if err := a.build(); err != nil {
		return nil, err
	}
	var all []Vector
	for s := range a.leaves {
		for w := range a.leaves[s] {
			for c := range a.leaves[s][w] {
				found, err := a.turning(s, w, c)
				if err != nil {
					return nil, err
				}
				all = append(all, found...)
			}
		}
	}
	shapes, err := a.shapes()
	return append(all, shapes...), err
}

// turning makes the vectors of one condition.
func (a *analysis) turning(s, w, c int) ([]Vector, error) {
	if a.leaves[s][w][c].settled {
		return nil, nil
	}
	var all []Vector
	for _, value := range []bool{true, false} {
		found, _, err := a.find(may, func(q *ready) node {
			goal, err := a.turningOn(q.question, s, w, c, value)
			if err != nil || q.cover {
				return no
			}
			return goal
		})
		if err != nil {
			return nil, err
		}
		if found == nil || found.texts == nil {
			continue
		}
		claims, err := a.claims(found, found.texts)
		if err != nil {
			return nil, err
		}
		all = append(all, a.vector(claims, fmt.Sprintf("%s %t", said(a.condition(s, w, c)), value)))
		for _, name := range slices.Sorted(maps.Keys(a.read)) {
			if _, there := claims[name]; there {
				fewer := maps.Clone(claims)
				delete(fewer, name)
				all = append(all, a.vector(fewer, fmt.Sprintf("%s %t, without %s", said(a.condition(s, w, c)), value, name)))
			}
		}
	}
	return all, nil
}

func (a *analysis) condition(s, w, c int) *bundles.Condition {
	stage := &a.stages[s]
	if w >= len(stage.Ways) {
		return &stage.Refusals[w-len(stage.Ways)].Conditions[c]
	}
	return &stage.Ways[w].Conditions[c]
}

// turningOn says that the role's answer turns on a condition, which has this value.
func (a *analysis) turningOn(q *question, s, w, c int, value bool) (node, error) {
	leaf := a.leaves[s][w][c]
	defer func() { a.leaves[s][w][c] = leaf }()
	here, err := q.leaf(&leaf, true)
	if err != nil {
		return no, err
	}
	a.leaves[s][w][c].settled, a.leaves[s][w][c].mayHold, a.leaves[s][w][c].holds = true, true, true
	with, err := a.roleFormula(q, true)
	if err != nil {
		return no, err
	}
	a.leaves[s][w][c].mayHold, a.leaves[s][w][c].holds = false, false
	without, err := a.roleFormula(q, true)
	if err != nil {
		return no, err
	}
	if !value {
		here = q.forms.not(here)
	}
	return q.forms.all(here, q.forms.any(
		q.forms.all(with, q.forms.not(without)), q.forms.all(without, q.forms.not(with)))), nil
}

// shapes makes a vector of each shape, accepted where there is one.
func (a *analysis) shapes() ([]Vector, error) {
	var all []Vector
	for _, w := range a.worlds {
		for _, q := range w.questions {
			if q.cover {
				continue
			}
			texts, err := a.ask(q.question, q.role[may], wide, nil)
			if err != nil {
				return nil, err
			}
			claims, err := a.claims(&hit{ready: q}, texts)
			if err != nil {
				return nil, err
			}
			all = append(all, a.vector(claims, fmt.Sprintf("shape %v", q.names)))
		}
	}
	return all, nil
}

func (a *analysis) vector(claims map[string]any, shows string) Vector {
	return Vector{Claims: claims, Allow: a.accepts(claims, false), Deny: !a.accepts(claims, true), Shows: shows}
}

// accepts asks the conditions about claims, without automata running side by side.
func (a *analysis) accepts(claims map[string]any, may bool) bool {
	for s := range a.leaves {
		passed := false
		for w := range a.leaves[s] {
			refusal := w >= len(a.stages[s].Ways)
			all := true
			for c := range a.leaves[s][w] {
				all = all && a.leaves[s][w][c].accepts(claims, may != refusal)
			}
			if refusal && all {
				return false
			}
			passed = passed || !refusal && all
		}
		if !passed {
			return false
		}
	}
	return true
}

func (l *leaf) accepts(claims map[string]any, may bool) bool {
	if l.settled {
		return l.holds || may && l.mayHold
	}
	if l.formula != nil {
		return l.formula.accepts(claims, may)
	}
	wanted := l.must
	if may {
		wanted = l.may
	}
	for _, path := range l.paths {
		value, found := walk(claims, path)
		if found && (!l.pointer || value != nil) {
			return wanted.holds(value, may)
		}
	}
	return wanted.absent
}

func (f *formula) accepts(claims map[string]any, may bool) bool {
	switch f.op {
	case cel.Leaf:
		return f.leaf.accepts(claims, may)
	case cel.Not:
		return !f.of[0].accepts(claims, !may)
	}
	for i := range f.of {
		if f.of[i].accepts(claims, may) != (f.op == cel.All) {
			return f.op != cel.All
		}
	}
	return f.op == cel.All
}

func walk(value any, path []any) (any, bool) {
	for _, step := range path {
		switch inside := value.(type) {
		case map[string]any:
			name, _ := step.(string)
			next, ok := inside[name]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			var at int
			switch step := step.(type) {
			case json.Number:
				n, err := step.Int64()
				if err != nil {
					return nil, false
				}
				at = int(n)
			default:
				return nil, false
			}
			if at < 0 || at >= len(inside) {
				return nil, false
			}
			value = inside[at]
		default:
			return nil, false
		}
	}
	return value, true
}

// holds reports whether a JSON value is in the set, perhaps or surely. Of what is neither a
// single value nor a list of texts only that it is there is known.
func (r *reading) holds(value any, may bool) bool {
	other := r.other && r.list != nil || may && (r.other || r.list != nil)
	switch value := value.(type) {
	case nil:
		return r.null
	case bool:
		return value && r.yes || !value && r.no
	case string:
		return r.text != nil && r.text.Contains(value)
	case json.Number:
		return r.number != nil && r.number.Contains(value.String())
	case []any:
		elements := make([]string, len(value))
		for i, element := range value {
			text, ok := element.(string)
			if !ok {
				return other
			}
			elements[i] = text
		}
		return r.list != nil && r.list.Contains(language.List(elements...))
	default:
		return other
	}
}
