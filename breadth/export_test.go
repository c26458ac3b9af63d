package breadth

import "context"

// Sandwich returns what the analysis takes a role for: whether it surely, and whether it
// perhaps, accepts claims.
func Sandwich(a *Analyser, subject Subject) (func(claims map[string]any) (surely, perhaps bool), error) {
	work := newAnalysis(context.Background(), a.bundle, subject)
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
