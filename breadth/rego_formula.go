package breadth

import (
	"encoding/json"
	"slices"

	"github.com/trustcheck/trustcheck/policies/cel"
)

var (
	alwaysHolds = claimFormula{Op: cel.All}
	neverHolds  = claimFormula{Op: cel.AnyOf}
)

func (f *claimFormula) always() bool { return f.Op == cel.All && len(f.Of) == 0 }
func (f *claimFormula) never() bool  { return f.Op == cel.AnyOf && len(f.Of) == 0 }

// perhaps is what perhaps holds and perhaps does not, and why that cannot be told.
func perhaps(why string) claimFormula { return claimFormula{Op: cel.Unknown, Reason: why} }

func tests(t claimTest) claimFormula { return claimFormula{Op: cel.Leaf, Test: &t} }

// allHold is a conjunction, flat, each part once and without those that another implies.
func allHold(parts ...claimFormula) claimFormula {
	var all []claimFormula
	for _, part := range parts {
		switch {
		case part.never():
			return neverHolds
		case part.Op == cel.All:
			for _, of := range part.Of {
				if of.Source == "" {
					of.Source = part.Source
				}
				all = append(all, of)
			}
		default:
			all = append(all, part)
		}
	}
	all = distinctFormulas(all)
	var needed []claimFormula
	for i := range all {
		if !slices.ContainsFunc(all, func(other claimFormula) bool { return other.implies(&all[i]) }) {
			needed = append(needed, all[i])
		}
	}
	if len(needed) == 1 {
		return needed[0]
	}
	return claimFormula{Op: cel.All, Of: needed}
}

// anyHolds is a disjunction, flat and each part once.
func anyHolds(parts ...claimFormula) claimFormula {
	var all []claimFormula
	for _, part := range parts {
		switch {
		case part.always():
			return alwaysHolds
		case part.Op == cel.AnyOf:
			all = append(all, part.Of...)
		default:
			all = append(all, part)
		}
	}
	all = distinctFormulas(all)
	if len(all) == 1 {
		return all[0]
	}
	return claimFormula{Op: cel.AnyOf, Of: all}
}

func distinctFormulas(all []claimFormula) []claimFormula {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(f claimFormula) bool {
		key := f.key()
		before := seen[key]
		seen[key] = true
		return before
	})
}

// fails is the negation: what cannot be told cannot be told of its opposite either.
func fails(f claimFormula) claimFormula {
	switch f.Op {
	case cel.All, cel.AnyOf:
		parts := make([]claimFormula, len(f.Of))
		for i := range f.Of {
			parts[i] = fails(f.Of[i])
		}
		if f.Op == cel.All {
			return anyHolds(parts...)
		}
		return allHold(parts...)
	case cel.Not:
		return f.Of[0]
	case cel.Unknown:
		return f
	default:
		return claimFormula{Op: cel.Not, Of: []claimFormula{f}}
	}
}

// implies reports whether f, which asks more of the same value, makes a test of presence or
// type needless.
func (f *claimFormula) implies(other *claimFormula) bool {
	if other.Op != cel.Leaf || !other.Test.Present && other.Test.Type == "" {
		return false
	}
	if f.Op == cel.Some {
		return other.Test.Present && len(other.Test.Through) == 0 && slices.Equal(f.Over.Path, other.Test.Path)
	}
	if f.Op != cel.Leaf || !slices.Equal(f.Test.Path, other.Test.Path) {
		return false
	}
	if len(other.Test.Through) == 0 && len(f.Test.Through) > 0 {
		// What goes through a function is text.
		return other.Test.Present || other.Test.Type == "string"
	}
	if !slices.EqualFunc(f.Test.Through, other.Test.Through, sameTransform) {
		return false
	}
	switch {
	case other.Test.Present:
		return !f.Test.Present
	case other.Test.Type == "string":
		return f.Test.Language != nil || len(f.Test.Values) > 0 && len(textsIn(f.Test.Values)) == len(f.Test.Values)
	case other.Test.Type == "list":
		return len(f.Test.Elements) > 0
	default:
		return false
	}
}

func sameTransform(a, b cel.Transform) bool {
	return a.Func == b.Func && a.Index == b.Index && slices.Equal(a.Args, b.Args)
}

// key is the same for formulas that differ in nothing but where they were written.
func (f *claimFormula) key() string {
	text, err := json.Marshal(f.unplaced())
	if err != nil {
		return f.Source + f.Reason
	}
	return string(text)
}

func (f claimFormula) unplaced() claimFormula {
	f.Source = ""
	of := make([]claimFormula, len(f.Of))
	for i := range f.Of {
		of[i] = f.Of[i].unplaced()
	}
	f.Of = of
	return f
}

// placed says where a formula was written, of each part of a conjunction.
func (f claimFormula) placed(source string) claimFormula {
	f.Source = source
	if f.Op == cel.All {
		of := slices.Clone(f.Of)
		for i := range of {
			of[i].Source = source
		}
		f.Of = of
	}
	return f
}

// about reports whether a formula asks anything of a variable.
func (f *claimFormula) about(variable string) bool {
	return f.Test != nil && f.Test.Path[0] == variable || f.Over != nil && f.Over.Path[0] == variable ||
		slices.ContainsFunc(f.Of, func(of claimFormula) bool { return of.about(variable) })
}

// only reports whether a formula asks of a variable and of nothing else.
func (f *claimFormula) only(variable string) bool {
	switch f.Op {
	case cel.Leaf:
		return f.Test.Path[0] == variable
	case cel.All, cel.AnyOf, cel.Not:
		return !slices.ContainsFunc(f.Of, func(of claimFormula) bool { return !of.only(variable) })
	default:
		return false
	}
}

// someElement says that the formula holds of some element of the list at a place. What it
// asks of other things than the element stands beside it.
func someElement(over cel.Place, variable string, f claimFormula) claimFormula {
	some := func(f claimFormula) claimFormula {
		if f.never() {
			return f
		}
		if f.Op == cel.Leaf && len(f.Test.Values) > 0 && len(f.Test.Through) == 0 {
			return tests(claimTest{Path: over.Path, Elements: f.Test.Values})
		}
		return claimFormula{Op: cel.Some, Over: &over, Var: variable, Of: []claimFormula{f}}
	}
	switch {
	case !f.about(variable):
		return allHold(some(alwaysHolds), f)
	case f.Op == cel.AnyOf:
		parts := make([]claimFormula, len(f.Of))
		for i := range f.Of {
			parts[i] = someElement(over, variable, f.Of[i])
		}
		return anyHolds(parts...)
	case f.only(variable):
		return some(f)
	case f.Op != cel.All:
		return allHold(some(alwaysHolds), perhaps("it compares elements with each other"))
	}
	var beside, inside []claimFormula
	for i, part := range f.Of {
		switch {
		case !part.about(variable):
			beside = append(beside, part)
		case part.only(variable):
			inside = append(inside, part)
		case part.Op == cel.AnyOf:
			// One of its parts holds: each of them by itself, with all the rest.
			rest := slices.Delete(slices.Clone(f.Of), i, i+1)
			var ways []claimFormula
			for _, of := range part.Of {
				ways = append(ways, someElement(over, variable, allHold(append(slices.Clone(rest), of)...)))
			}
			return anyHolds(ways...)
		default:
			beside = append(beside, perhaps("it compares elements with each other"))
		}
	}
	return allHold(append(beside, some(allHold(inside...)))...)
}
