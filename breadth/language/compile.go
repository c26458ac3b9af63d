package language

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
)

// probeStates is the size up to which a pattern with alternatives is tried in
// one piece before the alternatives are compiled each by itself and united.
const probeStates = 512

// Compile is the language of the strings in which package regexp finds a match
// of the RE2 pattern, as regexp.MatchString does: anywhere, unless anchored.
// An error that is neither [ErrLimit] nor the context's wraps a *syntax.Error.
func (l Limits) Compile(ctx context.Context, pattern string) (*Language, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	c, err := l.meter(ctx).compile(re)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return c, nil
}

// compile tries the whole pattern, then its alternatives one by one, then the
// whole pattern again with all the room there is.
func (m *meter) compile(re *syntax.Regexp) (*Language, error) {
	pieces := alternatives(re)
	if len(pieces) == 0 {
		return m.determinise(re)
	}
	room := m.states
	m.states = min(room, probeStates)
	l, err := m.determinise(re)
	m.states = room
	if !errors.Is(err, ErrLimit) {
		return l, err
	}
	if l, err = m.compileEach(pieces); !errors.Is(err, ErrLimit) {
		return l, err
	}
	return m.determinise(re)
}

func (m *meter) compileEach(pieces []*syntax.Regexp) (*Language, error) {
	languages := make([]*Language, len(pieces))
	for i, piece := range pieces {
		l, err := m.compile(piece)
		if err != nil {
			return nil, err
		}
		languages[i] = l
	}
	return m.union(languages)
}

// alternatives divides a pattern at its widest alternation that is not below a
// repetition: a(b|c)d into abd and acd. A string matches the pattern if it
// matches any of them.
func alternatives(re *syntax.Regexp) []*syntax.Regexp {
	switch re.Op {
	case syntax.OpCapture:
		return alternatives(re.Sub[0])
	case syntax.OpAlternate:
		return re.Sub
	case syntax.OpConcat:
		var widest []*syntax.Regexp
		var at int
		for i, sub := range re.Sub {
			if alts := alternatives(sub); len(alts) > len(widest) {
				widest, at = alts, i
			}
		}
		pieces := make([]*syntax.Regexp, len(widest))
		for i, alt := range widest {
			sub := slices.Clone(re.Sub)
			sub[at] = alt
			pieces[i] = &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags, Sub: sub}
		}
		return pieces
	}
	return nil
}

// kind is what zero-width assertions can tell of the letter beside them.
type kind uint8

const (
	other kind = iota
	word
	newline
	edge // no letter: the text begins or ends here
	kinds
)

// sample returns a rune of a kind, as syntax.EmptyOpContext takes it.
func (k kind) sample() rune { return [kinds]rune{' ', 'a', '\n', -1}[k] }

func kindOf(r rune) kind {
	switch {
	case syntax.IsWordChar(r):
		return word
	case r == '\n':
		return newline
	}
	return other
}

// bounds is what is known of the assertions at one position: must holds,
// whatever is not in may does not hold.
type bounds struct{ must, may syntax.EmptyOp }

// between gives the assertions between two letters.
func between(left, right kind) bounds {
	op := syntax.EmptyOpContext(left.sample(), right.sample())
	return bounds{op, op}
}

// after gives the assertions after a letter when the next is not known yet.
func after(left kind) bounds {
	b := between(left, edge)
	for right := range edge {
		op := between(left, right).must
		b.must &= op
		b.may |= op
	}
	return b
}

// determiniser is the subset construction over a program of regexp/syntax.
//
// A subset is the program counters of rune and assertion instructions that are
// reached before the next letter, with the kind of the letter before where an
// assertion is among them. It is held as a string: the kind and four bytes for
// each counter, ascending.
type determiniser struct {
	*meter
	prog     *syntax.Prog
	alphabet *Alphabet
	kinds    []kind    // of each class; all other where the program asserts nothing
	letters  [][]int32 // classes that an instruction accepts, nil if not a rune instruction
	forever  []bool    // see findForever
	keys     int       // bytes of subsets so far
	visits   int       // of instructions by closure so far

	seen  []uint32 // round in which an instruction was last reached
	round uint32
	stack []uint32
}

// matched stands for the subset from which every continuation is accepted.
const matched = "*"

func (m *meter) determinise(re *syntax.Regexp) (*Language, error) {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	d := &determiniser{meter: m, prog: prog, seen: make([]uint32, len(prog.Inst))}
	if err := d.readLetters(); err != nil {
		return nil, err
	}
	if err := d.findForever(); err != nil {
		return nil, err
	}
	start, err := d.subset([]uint32{uint32(prog.Start)}, edge)
	if err != nil {
		return nil, err
	}
	return explore(m, d.alphabet, start, d.row, func(q string) bool { return q == matched || d.ends(q) })
}

// readLetters computes the alphabet of the program.
func (d *determiniser) readLetters() error {
	var sets []runeSet
	number := make(map[string]int)
	of := make([]int, len(d.prog.Inst))
	asserts := false
	var key []byte
	for pc := range d.prog.Inst {
		inst := &d.prog.Inst[pc]
		of[pc] = -1
		if inst.Op == syntax.InstEmptyWidth {
			asserts = asserts || syntax.EmptyOp(inst.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0
			continue
		}
		pairs, ok := accepted(inst)
		if !ok {
			continue
		}
		set := newRuneSet(pairs)
		key = appendWords(key[:0], set)
		k, known := number[string(key)]
		if !known {
			k = len(sets)
			number[string(key)] = k
			sets = append(sets, set)
		}
		of[pc] = k
	}
	if asserts {
		sets = append(sets, runeSet{'\n', '\n' + 1},
			runeSet{'0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1})
	}
	alphabet, members, err := d.minterms(sets)
	if err != nil {
		return err
	}
	d.alphabet = alphabet
	d.kinds = make([]kind, d.alphabet.Size())
	if asserts {
		for c := range d.kinds {
			d.kinds[c] = kindOf(d.alphabet.Representative(c))
		}
	}
	d.letters = make([][]int32, len(of))
	for pc, k := range of {
		if k >= 0 {
			d.letters[pc] = members[k]
		}
	}
	return nil
}

// accepted returns the letters that an instruction consumes as ascending pairs
// of first and last, and false if it consumes none.
func accepted(inst *syntax.Inst) (pairs []rune, ok bool) {
	switch inst.Op {
	case syntax.InstRuneAny:
		return []rune{0, unicode.MaxRune}, true
	case syntax.InstRuneAnyNotNL:
		return []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}, true
	case syntax.InstRune, syntax.InstRune1:
		if len(inst.Rune) != 1 {
			return inst.Rune, true
		}
	default:
		return nil, false
	}
	// One letter, with all its cases if the instruction folds.
	first := inst.Rune[0]
	orbit := []rune{first}
	if inst.Op == syntax.InstRune && syntax.Flags(inst.Arg)&syntax.FoldCase != 0 {
		for r := unicode.SimpleFold(first); r != first; r = unicode.SimpleFold(r) {
			orbit = append(orbit, r)
		}
	}
	slices.Sort(orbit)
	for _, r := range orbit {
		pairs = append(pairs, r, r)
	}
	return pairs, true
}

// findForever marks the instructions that take any letter, come back to
// themselves, and let the text end after each: the heart of `(?s).*$` at the
// end of a pattern. A subset that holds one, and accepts as it is, accepts
// every continuation.
func (d *determiniser) findForever() error {
	d.forever = make([]bool, len(d.prog.Inst))
	atEnd := bounds{syntax.EmptyEndText | syntax.EmptyEndLine, syntax.EmptyEndText | syntax.EmptyEndLine}
	for pc, letters := range d.letters {
		if len(letters) < d.alphabet.Size() {
			continue
		}
		if d.visits > d.cells {
			return nil // the rest goes unmarked, which costs states only
		}
		out := []uint32{d.prog.Inst[pc].Out}
		_, ends, err := d.closure(nil, out, atEnd)
		if err != nil {
			return err
		}
		reached, _, err := d.closure(nil, out, bounds{})
		if err != nil {
			return err
		}
		d.forever[pc] = ends && slices.Contains(reached, uint32(pc))
	}
	return nil
}

// closure appends to set the rune instructions that the seeds reach without a
// letter, and the assertions that are not decided yet. It reports whether they
// reach a match.
func (d *determiniser) closure(set, seeds []uint32, known bounds) (_ []uint32, match bool, err error) {
	d.round++
	d.stack = append(d.stack[:0], seeds...)
	before := d.visits
	for len(d.stack) > 0 {
		pc := d.stack[len(d.stack)-1]
		d.stack = d.stack[:len(d.stack)-1]
		if d.seen[pc] == d.round {
			continue
		}
		d.seen[pc] = d.round
		d.visits++
		inst := &d.prog.Inst[pc]
		switch inst.Op {
		case syntax.InstFail:
		case syntax.InstMatch:
			match = true
		case syntax.InstAlt, syntax.InstAltMatch:
			d.stack = append(d.stack, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			d.stack = append(d.stack, inst.Out)
		case syntax.InstEmptyWidth:
			switch op := syntax.EmptyOp(inst.Arg); {
			case op&^known.may != 0:
			case op&^known.must == 0:
				d.stack = append(d.stack, inst.Out)
			default:
				set = append(set, pc)
			}
		default:
			set = append(set, pc)
		}
	}
	return set, match, d.spend(d.visits - before)
}

// subset returns the subset that the seeds reach after a letter.
func (d *determiniser) subset(seeds []uint32, left kind) (string, error) {
	set, match, err := d.closure(nil, seeds, after(left))
	if err != nil {
		return "", err
	}
	if match {
		return matched, nil
	}
	slices.Sort(set)
	var asserts, forever bool
	for _, pc := range set {
		asserts = asserts || d.letters[pc] == nil
		forever = forever || d.forever[pc]
	}
	if !asserts {
		left = other // nobody will ask
	}
	key := make([]byte, 1, 1+4*len(set))
	key[0] = byte(left)
	q := string(appendWords(key, set))
	if forever && d.ends(q) {
		return matched, nil
	}
	return q, nil
}

// appendWords appends four bytes for each number.
func appendWords[S ~[]E, E rune | uint32](key []byte, numbers S) []byte {
	for _, n := range numbers {
		key = binary.LittleEndian.AppendUint32(key, uint32(n))
	}
	return key
}

// parse is the inverse of what subset puts together.
func parse(q string) (left kind, set []uint32) { return kind(q[0]), unpack(q[1:]) }

// unpack is the inverse of appendWords.
func unpack(key string) []uint32 {
	numbers := make([]uint32, 0, len(key)/4)
	for i := 0; i < len(key); i += 4 {
		numbers = append(numbers, uint32(key[i])|uint32(key[i+1])<<8|uint32(key[i+2])<<16|uint32(key[i+3])<<24)
	}
	return numbers
}

// ends reports whether a text that ends here matches.
func (d *determiniser) ends(q string) bool {
	left, set := parse(q)
	_, match, _ := d.closure(nil, set, between(left, edge))
	return match
}

// row fills in the subsets after each letter.
func (d *determiniser) row(q string, successors []string) error {
	if d.keys += len(q); d.keys > 4*d.cells {
		return fmt.Errorf("%w: subsets of more than %d instructions", ErrLimit, d.cells)
	}
	if d.total--; d.total < 0 {
		return fmt.Errorf("%w: more than %d states in the pieces of a pattern", ErrLimit, constructionsPerCompile*d.states)
	}
	if q == matched {
		for c := range successors {
			successors[c] = matched
		}
		return nil
	}
	left, set := parse(q)
	outs := make([][]uint32, len(successors)) // after each class
	seeds := 0
	won := [edge]bool{} // a letter of this kind completes a match
	for right := range edge {
		resolved, match, err := d.resolve(set, left, right)
		if err != nil {
			return err
		}
		won[right] = match
		for _, pc := range resolved {
			for _, c := range d.letters[pc] {
				if d.kinds[c] == right {
					outs[c] = append(outs[c], d.prog.Inst[pc].Out)
				}
			}
			seeds += len(d.letters[pc])
			if err := d.spend(len(d.letters[pc])); err != nil {
				return err
			}
			if err := d.room(0, seeds); err != nil {
				return err
			}
		}
	}
	known := make(map[string]string) // classes often lead to the same
	var key []byte
	for c, seeds := range outs {
		if won[d.kinds[c]] {
			successors[c] = matched
			continue
		}
		key = appendWords(append(key[:0], byte(d.kinds[c])), seeds)
		to, ok := known[string(key)]
		if !ok {
			var err error
			// A match may start after any letter.
			if to, err = d.subset(append(seeds, uint32(d.prog.Start)), d.kinds[c]); err != nil {
				return err
			}
			known[string(key)] = to
		}
		successors[c] = to
	}
	return nil
}

// resolve decides the assertions of a subset by the kind of the next letter.
func (d *determiniser) resolve(set []uint32, left, right kind) (resolved []uint32, match bool, err error) {
	if !slices.ContainsFunc(set, func(pc uint32) bool { return d.letters[pc] == nil }) {
		return set, false, nil
	}
	return d.closure(nil, set, between(left, right))
}
