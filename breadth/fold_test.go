package breadth_test

import (
	"testing"

	"github.com/trustcheck/trustcheck/breadth"
)

// A search runs the automata of all atoms side by side: with one for each value, statement
// or name, a role of a hundred took seconds. That no project that the scope names is its own
// fork takes two for each.
func TestAtomsGrowWithTheRole(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	each := map[string]int{"paths": 2, "names": 2}
	for name, subjects := range manyOf(t, bundle, 3, 12) {
		few, err := breadth.Atoms(analyser, subjects[0])
		if err != nil {
			t.Fatal(err)
		}
		many, err := breadth.Atoms(analyser, subjects[1])
		if err != nil {
			t.Fatal(err)
		}
		if many-few > each[name]*(12-3) {
			t.Errorf("%s: %d atoms for 12, %d for 3", name, many, few)
		}
	}
}
