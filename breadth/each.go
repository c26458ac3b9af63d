package breadth

import (
	"slices"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/cel"
)

// eachWanted visits these conditions, what refusals leave, and what formulas want of claims
// as they are.
func eachWanted(stages []bundles.Stage, visit func(*bundles.Condition)) {
	eachCondition(stages, visit)
	eachLeft(stages, visit)
	eachTest(stages, func(test *claimTest) {
		if len(test.Through) == 0 {
			one := bundles.Condition{Reads: "claim", Key: test.Path[1], Wanted: test.globs()}
			(&claimFormula{Op: cel.Leaf, Test: test}).show(&one)
			visit(&one)
		}
	})
}

// eachTest visits the tests inside of formulas that are wanted.
func eachTest(stages []bundles.Stage, visit func(*claimTest)) {
	eachCondition(stages, func(c *bundles.Condition) {
		if c.Analysis != "formula" {
			return
		}
		// What cannot be read is refused where it is lowered.
		if read, err := readFormula(c.Formula); err == nil {
			for _, test := range read.wanted() {
				visit(test)
			}
		}
	})
}

// eachLeft visits what refusals name that they leave alone.
func eachLeft(stages []bundles.Stage, visit func(*bundles.Condition)) {
	for s := range stages {
		for _, refusal := range stages[s].Refusals {
			for c := range refusal.Conditions {
				if wanted, ok := allBut(&refusal.Conditions[c]); ok {
					visit(&wanted)
				}
			}
		}
	}
}

// eachRead visits the claims that conditions read, of ways and of refusals.
func eachRead(stages []bundles.Stage, visit func(claim string)) {
	for s := range stages {
		for _, way := range slices.Concat(stages[s].Ways, stages[s].Refusals) {
			for c := range way.Conditions {
				paths, _, _ := places(&way.Conditions[c])
				for _, path := range paths {
					if len(path) == 0 {
						continue
					}
					if claim, ok := path[0].(string); ok {
						visit(claim)
					}
				}
			}
		}
	}
}

// eachCondition visits the conditions of ways, those that a role wants satisfied.
func eachCondition(stages []bundles.Stage, visit func(*bundles.Condition)) {
	for s := range stages {
		for w := range stages[s].Ways {
			for c := range stages[s].Ways[w].Conditions {
				visit(&stages[s].Ways[w].Conditions[c])
			}
		}
	}
}
