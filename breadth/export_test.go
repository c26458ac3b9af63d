package breadth

import (
	"context"
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
