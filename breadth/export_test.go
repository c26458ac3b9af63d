package breadth

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
)

var rows atomic.Int64

// Thin skips the rows of a long table but one in so many under the race detector.
func Thin(t *testing.T) {
	t.Helper()
	if rows.Add(1)%Thinned != 0 {
		t.Skipf("one row in %d is run under the race detector, all are without it", Thinned)
	}
}

// Sandwich returns what the analysis takes a role for: whether it surely, and whether it
// perhaps, accepts claims.
func Sandwich(a *Analyser, subject Subject) (func(claims map[string]any) (surely, perhaps bool), error) {
	work := newAnalysis(context.Background(), a, subject)
	if err := work.prepare(); err != nil {
		return nil, err
	}
	if err := work.lowerRole(); err != nil {
		return nil, err
	}
	return func(claims map[string]any) (surely, perhaps bool) {
		return work.accepts(claims, false), work.accepts(claims, true)
	}, nil
}

// Atoms is how many atoms the shape with the most of them has.
func Atoms(a *Analyser, subject Subject) (int, error) {
	work := newAnalysis(context.Background(), a, subject)
	if err := work.prepare(); err != nil {
		return 0, err
	}
	if err := work.build(); err != nil {
		return 0, err
	}
	most := 0
	for _, w := range work.worlds {
		for _, q := range w.questions {
			goals := []node{q.inside[may], q.inside[must]}
			for _, mode := range []int{may, must} {
				for _, attacker := range q.attackers {
					goals = append(goals, q.forms.all(q.role[mode], attacker[mode]))
				}
			}
			for _, goal := range goals {
				most = max(most, len(q.forms.support(goal)))
			}
		}
	}
	return most, nil
}

// AskedBeside asks what a proof needs of the facts: over the questions that are there, and
// over questions made for it. It returns the names of the facts with which the answers differ,
// "" for none of the facts, and how many were asked over what was there.
func AskedBeside(a *Analyser, subject Subject) (differ []string, beside int, err error) {
	work := newAnalysis(context.Background(), a, subject)
	if err := errors.Join(work.prepare(), work.build()); err != nil {
		return nil, 0, err
	}
	fewer := map[string]*Facts{"": {}}
	for name := range work.facts.members() {
		fewer[name] = work.facts.without(name)
	}
	for name, facts := range fewer {
		subject.Scope, subject.Facts = work.scope, facts
		anew := newAnalysis(context.Background(), a, subject)
		anew.proving = true
		if err := errors.Join(anew.prepare(), anew.build()); err != nil {
			return nil, 0, err
		}
		found, _, err := anew.find(may, anew.outside(may))
		if err != nil {
			return nil, 0, err
		}
		if work.tightKnowing(facts) != (found == nil) {
			differ = append(differ, name)
		}
		again := newAnalysis(context.Background(), a, subject)
		again.proving = true
		if err := again.prepare(); err != nil {
			return nil, 0, err
		}
		restore, err := again.buildBeside(work)
		restore()
		if err != nil {
			return nil, 0, err
		}
		if again.tables == work.tables {
			beside++
		}
	}
	return differ, beside, nil
}

// SearchedAnew searches for all that an analysis asks for in the room that earlier searches
// leave, and in new room. It returns how many searches came out differently, and of how many.
func SearchedAnew(a *Analyser, subject Subject) (differ, all int, err error) {
	work := newAnalysis(context.Background(), a, subject)
	if err := errors.Join(work.prepare(), work.build()); err != nil {
		return 0, 0, err
	}
	for _, w := range work.worlds {
		for _, q := range w.questions {
			goals := []node{q.role[may], q.inside[must], q.forms.all(q.role[may], q.world[may], q.forms.not(q.inside[must]))}
			for _, pair := range q.attackers {
				goals = append(goals, q.forms.all(q.role[may], pair[may]), q.forms.all(q.role[must], pair[must]))
			}
			for i, goal := range goals {
				var found [2]map[string]string
				for n, in := range []*room{&work.lower.room, {}} {
					budget := DefaultSearch
					q.room = in
					texts, err := q.search(work.ctx, goal, i%2, nil, &budget)
					if err != nil {
						return 0, 0, err
					}
					if texts != nil {
						found[n] = map[string]string{}
					}
					for field, text := range texts {
						found[n][q.fields[field].name] = text
					}
				}
				if all++; (found[0] == nil) != (found[1] == nil) || !maps.Equal(found[0], found[1]) {
					differ++
				}
			}
		}
	}
	return differ, all, nil
}
