package breadth

import (
	"encoding/binary"
	"slices"
)

// A node is a formula over atoms, by its number in a formulas. Equal formulas have equal
// numbers as far as sorting and flattening makes them equal.
type node int32

const (
	no  node = 0
	yes node = 1
)

type kind uint8

const (
	constant kind = iota
	literal
	conjunction
	disjunction
)

// formulas holds formulas in negation normal form, each once.
type formulas struct {
	nodes   []form
	index   map[string]node
	negated map[node]node
	// assumed is keyed by sets of settled atoms, which have numbers.
	assumed map[assumption]node
	sets    map[string]int32
	// key and kids are room for one formula.
	key  []byte
	kids []node
}

type form struct {
	kind kind
	// atom and negative are set for a literal.
	atom     int32
	negative bool
	kids     []node
	// support lists the atoms, ascending.
	support []int32
}

type assumption struct {
	in  node
	set int32
}

func newFormulas() *formulas {
	return &formulas{
		nodes:   []form{{kind: constant}, {kind: constant}},
		index:   map[string]node{},
		negated: map[node]node{},
		assumed: map[assumption]node{},
		sets:    map[string]int32{},
	}
}

func truth(value bool) node {
	if value {
		return yes
	}
	return no
}

func (f *formulas) support(n node) []int32 { return f.nodes[n].support }

func (f *formulas) literal(atom int32, negative bool) node {
	if known, ok := f.known(literal, atom, negative, nil); ok {
		return known
	}
	return f.add(form{kind: literal, atom: atom, negative: negative, support: []int32{atom}})
}

func (f *formulas) all(parts ...node) node { return f.join(conjunction, yes, no, parts) }

func (f *formulas) any(parts ...node) node { return f.join(disjunction, no, yes, parts) }

// join builds a conjunction or disjunction; neutral parts are left out, an absorbing one
// is the whole.
func (f *formulas) join(kind kind, neutral, absorbing node, parts []node) node {
	kids := f.kids[:0]
	for _, part := range parts {
		switch {
		case part == neutral:
		case part == absorbing:
			return absorbing
		case f.nodes[part].kind == kind:
			kids = append(kids, f.nodes[part].kids...)
		default:
			kids = append(kids, part)
		}
	}
	f.kids = kids
	slices.Sort(kids)
	kids = slices.Compact(kids)
	switch len(kids) {
	case 0:
		return neutral
	case 1:
		return kids[0]
	}
	if known, ok := f.known(kind, 0, false, kids); ok {
		return known
	}
	return f.joined(kind, absorbing, slices.Clone(kids))
}

// joined adds a conjunction or disjunction that is new.
func (f *formulas) joined(kind kind, absorbing node, kids []node) node {
	var support []int32
	for _, kid := range kids {
		support = append(support, f.nodes[kid].support...)
		if f.nodes[kid].kind == literal {
			if _, both := slices.BinarySearch(kids, f.not(kid)); both {
				return absorbing
			}
		}
	}
	slices.Sort(support)
	return f.add(form{kind: kind, kids: kids, support: slices.Compact(support)})
}

// known is the number of a formula that is not new.
func (f *formulas) known(kind kind, atom int32, negative bool, kids []node) (node, bool) {
	f.keyOf(kind, atom, negative, kids)
	n, ok := f.index[string(f.key)]
	return n, ok
}

// keyOf puts into key what a formula consists of.
func (f *formulas) keyOf(kind kind, atom int32, negative bool, kids []node) {
	f.key = append(f.key[:0], byte(kind))
	if kind == literal {
		f.key = append(binary.LittleEndian.AppendUint32(f.key, uint32(atom)), byte(truth(negative)))
	}
	for _, kid := range kids {
		f.key = binary.LittleEndian.AppendUint32(f.key, uint32(kid))
	}
}

// add numbers a formula that is new.
func (f *formulas) add(n form) node {
	f.keyOf(n.kind, n.atom, n.negative, n.kids)
	f.nodes = append(f.nodes, n)
	f.index[string(f.key)] = node(len(f.nodes) - 1)
	return node(len(f.nodes) - 1)
}

func (f *formulas) not(n node) node {
	switch n {
	case no:
		return yes
	case yes:
		return no
	}
	if known, ok := f.negated[n]; ok {
		return known
	}
	var negated node
	switch found := f.nodes[n]; found.kind {
	case literal:
		negated = f.literal(found.atom, !found.negative)
	case conjunction:
		negated = f.any(f.notEach(found.kids)...)
	default:
		negated = f.all(f.notEach(found.kids)...)
	}
	f.negated[n] = negated
	f.negated[negated] = n
	return negated
}

// wantsAll reports whether a formula is another one, or that and more, as far as their parts
// show it.
func (f *formulas) wantsAll(n, other node) bool {
	wanted, parts := []node{other}, []node{n}
	if f.nodes[other].kind == conjunction {
		wanted = f.nodes[other].kids
	}
	if f.nodes[n].kind == conjunction {
		parts = f.nodes[n].kids
	}
	for _, one := range wanted {
		at, found := slices.BinarySearch(parts, one)
		if !found {
			return false
		}
		parts = parts[at+1:]
	}
	return true
}

func (f *formulas) notEach(kids []node) []node {
	negated := make([]node, len(kids))
	for i, kid := range kids {
		negated[i] = f.not(kid)
	}
	return negated
}

// decided is an atom whose value is known.
type decided struct {
	atom  int32
	value bool
}

// assume replaces atoms, ascending, by their values. All at once: a formula of many parts is
// walked once.
func (f *formulas) assume(n node, known []decided) node {
	if len(known) == 0 {
		return n
	}
	f.key = f.key[:0]
	for _, one := range known {
		f.key = binary.AppendUvarint(f.key, uint64(one.atom)<<1|uint64(truth(one.value)))
	}
	set, ok := f.sets[string(f.key)]
	if !ok {
		set = int32(len(f.sets))
		f.sets[string(f.key)] = set
	}
	return f.replace(n, known, set)
}

func (f *formulas) replace(n node, known []decided, set int32) node {
	found := f.nodes[n]
	at := firstOf(found.support, known)
	if at < 0 {
		return n
	}
	if found.kind == literal {
		return truth(known[at].value != found.negative)
	}
	key := assumption{n, set}
	if done, ok := f.assumed[key]; ok {
		return done
	}
	kids := make([]node, len(found.kids))
	for i, kid := range found.kids {
		kids[i] = f.replace(kid, known, set)
	}
	result := f.any(kids...)
	if found.kind == conjunction {
		result = f.all(kids...)
	}
	f.assumed[key] = result
	return result
}

// firstOf is where the first of the known atoms stands that a support has, or -1.
func firstOf(support []int32, known []decided) int {
	i := 0
	for _, atom := range support {
		for i < len(known) && known[i].atom < atom {
			i++
		}
		if i == len(known) {
			return -1
		}
		if known[i].atom == atom {
			return i
		}
	}
	return -1
}

// without is what is left of a formula when nothing is asked of some atoms: it holds
// wherever the formula does.
func (f *formulas) without(n node, some func(atom int32) bool) node {
	found := f.nodes[n]
	if !slices.ContainsFunc(found.support, some) {
		return n
	}
	if found.kind == literal {
		return yes
	}
	kids := make([]node, len(found.kids))
	for i, kid := range found.kids {
		kids[i] = f.without(kid, some)
	}
	if found.kind == conjunction {
		return f.all(kids...)
	}
	return f.any(kids...)
}
