package language

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	surrogateMin = 0xD800
	surrogateEnd = 0xE000 // one past the last surrogate
	runeEnd      = unicode.MaxRune + 1
)

// Alphabet divides the Unicode scalar values into classes of letters that
// nothing at hand distinguishes. Classes count from 0, in the order of their
// smallest letters.
//
// Surrogates are not scalar values and belong to no string; they are never the
// first rune of an interval, and share the class of U+D7FF.
type Alphabet struct {
	starts []rune  // first rune of each interval, ascending, starts[0] == 0
	class  []int32 // class of each interval; neighbours differ
	ascii  [utf8.RuneSelf]int32
	best   []rune // preferred representative of each class
}

// newAlphabet takes intervals with any class numbers below width, all of them
// used. It returns for each old number the new one.
func newAlphabet(starts []rune, class []int32, width int) (*Alphabet, []int32) {
	rename := make([]int32, width)
	for i := range rename {
		rename[i] = -1
	}
	a := &Alphabet{}
	for i, start := range starts {
		c := class[i]
		if rename[c] < 0 {
			rename[c] = int32(len(a.best))
			a.best = append(a.best, start)
		}
		c = rename[c]
		if rank(start) < rank(a.best[c]) {
			a.best[c] = start
		}
		if n := len(a.class); n == 0 || a.class[n-1] != c {
			a.starts = append(a.starts, start)
			a.class = append(a.class, c)
		}
	}
	for r := range rune(utf8.RuneSelf) {
		a.ascii[r] = a.find(r)
		a.offer(r)
	}
	for _, r := range "éд日" { // for classes without ASCII
		a.offer(r)
	}
	return a, rename
}

// offer makes r the representative of its class if it reads better.
func (a *Alphabet) offer(r rune) {
	if c := a.Class(r); rank(r) < rank(a.best[c]) {
		a.best[c] = r
	}
}

// oneLetter is the alphabet in which all letters are alike.
func oneLetter() *Alphabet {
	a, _ := newAlphabet([]rune{0}, []int32{0}, 1)
	return a
}

// Size is the number of classes.
func (a *Alphabet) Size() int { return len(a.best) }

// Class returns the class of a scalar value.
func (a *Alphabet) Class(r rune) int {
	if uint32(r) < utf8.RuneSelf {
		return int(a.ascii[r])
	}
	return int(a.find(r))
}

func (a *Alphabet) find(r rune) int32 {
	i, found := slices.BinarySearch(a.starts, r)
	if !found {
		i--
	}
	return a.class[i]
}

// Representative returns the letter of a class that reads best in an example:
// x, then other small letters, digits, the punctuation of names, capitals, and
// the rest.
func (a *Alphabet) Representative(class int) rune { return a.best[class] }

// Range is the letters from Lo to Hi, both included.
type Range struct{ Lo, Hi rune }

// Ranges returns the letters of a class, ascending, without surrogates.
func (a *Alphabet) Ranges(class int) []Range {
	var ranges []Range
	for i, c := range a.class {
		if int(c) != class {
			continue
		}
		lo, hi := a.starts[i], a.end(i)-1
		if lo < surrogateMin && hi >= surrogateMin {
			ranges = append(ranges, Range{lo, surrogateMin - 1})
			if hi < surrogateEnd {
				continue
			}
			lo = surrogateEnd
		}
		ranges = append(ranges, Range{lo, hi})
	}
	return ranges
}

// end returns the rune after interval i.
func (a *Alphabet) end(i int) rune {
	if i+1 < len(a.starts) {
		return a.starts[i+1]
	}
	return runeEnd
}

// Preferred returns the classes, that with the best representative first.
func (a *Alphabet) Preferred() []int {
	order := make([]int, a.Size())
	for c := range order {
		order[c] = c
	}
	slices.SortFunc(order, func(x, y int) int { return rank(a.best[x]) - rank(a.best[y]) })
	return order
}

// Refines reports whether every class of a lies inside one of b's.
func (a *Alphabet) Refines(b *Alphabet) bool {
	within := make([]int32, a.Size()) // the class of b, and one more
	for i, j := 0, 0; i < len(a.starts) && j < len(b.starts); {
		if of := &within[a.class[i]]; *of == 0 {
			*of = b.class[j] + 1
		} else if *of != b.class[j]+1 {
			return false
		}
		switch x, y := a.end(i), b.end(j); {
		case x < y:
			i++
		case x > y:
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return true
}

// meet returns the coarsest alphabet that is finer than both.
func (a *Alphabet) meet(b *Alphabet) *Alphabet {
	if a.Refines(b) {
		return a
	}
	starts := slices.Concat(a.starts, b.starts)
	slices.Sort(starts)
	starts = slices.Compact(starts)
	class := make([]int32, len(starts))
	number := make(map[[2]int32]int32)
	var i, j int
	for k, r := range starts {
		for i+1 < len(a.starts) && a.starts[i+1] <= r {
			i++
		}
		for j+1 < len(b.starts) && b.starts[j+1] <= r {
			j++
		}
		pair := [2]int32{a.class[i], b.class[j]}
		n, ok := number[pair]
		if !ok {
			n = int32(len(number))
			number[pair] = n
		}
		class[k] = n
	}
	m, _ := newAlphabet(starts, class, len(number))
	return m
}

// alone returns an alphabet in which each of the letters is a class by itself
// and all others are alike.
func alone(letters []rune) *Alphabet {
	letters = slices.Clone(letters)
	slices.Sort(letters)
	letters = slices.Compact(letters)
	starts, class := []rune{0}, []int32{0}
	for i, r := range letters {
		if starts[len(starts)-1] == r {
			class[len(class)-1] = int32(i + 1)
		} else {
			starts, class = append(starts, r), append(class, int32(i+1))
		}
		if after := successor(r); after < runeEnd {
			starts, class = append(starts, after), append(class, 0)
		}
	}
	a, _ := newAlphabet(starts, class, len(letters)+1)
	return a
}

// runeSet is a set of scalar values as half-open intervals: [0] up to and
// without [1], [2] up to and without [3], ascending, none inside the
// surrogates.
type runeSet []rune

// newRuneSet reads the closed intervals of package regexp/syntax.
func newRuneSet(pairs []rune) runeSet {
	set := make(runeSet, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		lo, hi := skipSurrogates(pairs[i]), successor(pairs[i+1])
		if lo < hi {
			set = append(set, lo, hi)
		}
	}
	return set
}

// successor returns the scalar value that follows r, or runeEnd.
func successor(r rune) rune { return skipSurrogates(r + 1) }

func skipSurrogates(r rune) rune {
	if surrogateMin <= r && r < surrogateEnd {
		return surrogateEnd
	}
	return r
}

// minterms returns the coarsest alphabet in which each of the sets is a union
// of classes, and for each set these classes.
func (m *meter) minterms(sets []runeSet) (*Alphabet, [][]int32, error) {
	starts := []rune{0}
	for _, set := range sets {
		starts = append(starts, set...)
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	if starts[len(starts)-1] == runeEnd {
		starts = starts[:len(starts)-1]
	}

	class := make([]int32, len(starts))
	size := []int{len(starts)} // intervals in each class
	inside := make([]int, 1)   // intervals of a class in the set
	fresh := make([]int32, 1)  // the class that these go to, 0 for none
	for _, set := range sets {
		covered := 0
		set.intervals(starts, func(i int) {
			inside[class[i]]++
			covered++
		})
		if err := m.spend(covered); err != nil {
			return nil, nil, err
		}
		set.intervals(starts, func(i int) {
			old := class[i]
			if fresh[old] == 0 && inside[old] < size[old] {
				fresh[old] = int32(len(size))
				size = append(size, 0)
				inside, fresh = append(inside, 0), append(fresh, 0)
			}
			if fresh[old] != 0 {
				class[i] = fresh[old]
				size[fresh[old]]++
			}
		})
		for old, to := range fresh {
			if to != 0 {
				size[old] -= inside[old]
			}
			inside[old], fresh[old] = 0, 0
		}
	}

	a, rename := newAlphabet(starts, class, len(size))
	members := make([][]int32, len(sets))
	last := make([]int, len(size)) // 1 + the set that last named a class
	cells := 0
	for k, set := range sets {
		set.intervals(starts, func(i int) {
			c := rename[class[i]]
			if last[c] != k+1 {
				last[c] = k + 1
				members[k] = append(members[k], c)
			}
		})
		cells += len(members[k])
		if err := m.room(0, cells); err != nil {
			return nil, nil, err
		}
	}
	return a, members, nil
}

// intervals calls f for every interval inside the set.
func (s runeSet) intervals(starts []rune, f func(i int)) {
	for k := 0; k < len(s); k += 2 {
		i, _ := slices.BinarySearch(starts, s[k])
		for ; i < len(starts) && starts[i] < s[k+1]; i++ {
			f(i)
		}
	}
}

// rank orders letters by how well they read in an example, best first.
func rank(r rune) int {
	const step = 1 << 21 // above every rune
	switch {
	case r == 'x':
		return 0
	case 'a' <= r && r <= 'z':
		return step + int(r)
	case '0' <= r && r <= '9':
		return 2*step + int(r)
	case r < utf8.RuneSelf && strings.ContainsRune("-_./:@", r):
		return 3*step + int(r)
	case 'A' <= r && r <= 'Z':
		return 4*step + int(r)
	case '!' <= r && r <= '~':
		return 5*step + int(r)
	case unicode.IsLetter(r):
		return 6*step + int(r)
	case unicode.IsGraphic(r) && r != utf8.RuneError:
		return 7*step + int(r)
	}
	return 8*step + int(r)
}
