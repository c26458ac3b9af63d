package breadth

import "testing"

// A formula wants all of another where its parts are among its own.
func TestFormulasThatWantMoreThanOthers(t *testing.T) {
	f := newFormulas()
	a, b, c := f.literal(0, false), f.literal(1, false), f.literal(2, true)
	either := f.any(a, b)
	for _, one := range []struct {
		n, other node
		want     bool
	}{
		{a, a, true}, {a, b, false}, {f.all(a, b), a, true}, {f.all(a, b), f.all(a, b), true}, {f.all(a, b, c), f.all(a, c), true},
		{f.all(a, b), f.all(a, c), false}, {a, f.all(a, b), false}, {f.all(either, c), either, true}, {either, either, true},
		{either, a, false}, {a, either, false}, {f.all(a, c), either, false}, {f.all(f.all(a, b), c), f.all(b, c), true},
	} {
		if got := f.wantsAll(one.n, one.other); got != one.want {
			t.Errorf("%+v and %+v: want %t", f.nodes[one.n], f.nodes[one.other], one.want)
		}
	}
}
