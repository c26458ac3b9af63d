package language

// draft is a complete deterministic automaton that is not minimal yet. State 0
// is the start, and every state can be reached.
type draft struct {
	alphabet *Alphabet
	next     []State // a row of alphabet.Size() per state
	accept   []bool
}

// minimise returns the one Language that accepts what d does: fewest states,
// fewest letter classes, both numbered in the order in which a breadth-first
// walk meets them.
func (d *draft) minimise(m *meter) (*Language, error) {
	block, err := d.blocks(m)
	if err != nil {
		return nil, err
	}
	return d.quotient(block).canonical(), nil
}

// blocks finds the states that no word tells apart: Hopcroft's algorithm
// (1971), with blocks as splitters. It returns the block of each state.
func (d *draft) blocks(m *meter) ([]int32, error) {
	p := newPartition(d.accept)
	back := d.invert()
	var waiting []int32
	queued := make([]bool, 2, 16)
	push := func(b int32) {
		waiting = append(waiting, b)
		queued[b] = true
	}
	push(p.smaller(0, int32(len(p.first)-1)))
	var splitter, touched []int32
	for len(waiting) > 0 {
		b := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		queued[b] = false
		// A copy: the splitter stays whole even where it is split itself.
		splitter = append(splitter[:0], p.members(b)...)
		for c := range back {
			if err := m.spend(len(splitter)); err != nil {
				return nil, err
			}
			touched = touched[:0]
			for _, q := range splitter {
				for _, from := range back[c].to(q) {
					if p.mark(from) {
						touched = append(touched, p.block[from])
					}
				}
			}
			for _, old := range touched {
				fresh, ok := p.split(old)
				if !ok {
					continue
				}
				queued = append(queued, false)
				if queued[old] {
					push(fresh)
				} else {
					push(p.smaller(old, fresh))
				}
			}
		}
	}
	return p.block, nil
}

// inverse lists the predecessors of every state by one letter class.
type inverse struct {
	offset []int32
	from   []int32
}

func (v inverse) to(q int32) []int32 { return v.from[v.offset[q]:v.offset[q+1]] }

func (d *draft) invert() []inverse {
	n, width := len(d.accept), d.alphabet.Size()
	all := make([]inverse, width)
	for c := range all {
		offset := make([]int32, n+2)
		for q := range n {
			offset[d.next[q*width+c]+2]++
		}
		for q := 2; q < len(offset); q++ {
			offset[q] += offset[q-1]
		}
		from := make([]int32, n)
		for q := range n {
			at := &offset[d.next[q*width+c]+1]
			from[*at] = int32(q)
			*at++
		}
		all[c] = inverse{offset[:n+1], from}
	}
	return all
}

// partition is a division of the states into blocks that can be split in time
// proportional to the states marked.
type partition struct {
	states []int32 // by block
	at     []int32 // where a state stands in states
	block  []int32 // of a state
	first  []int32 // of a block, in states
	end    []int32
	marked []int32 // number of marked states, at the front of their block
}

// newPartition has the rejecting states in one block and the accepting in
// another, or all in one.
func newPartition(accept []bool) *partition {
	n := len(accept)
	p := &partition{states: make([]int32, 0, n), at: make([]int32, n), block: make([]int32, n)}
	for _, side := range []bool{false, true} {
		first := int32(len(p.states))
		for q, a := range accept {
			if a == side {
				p.at[q] = int32(len(p.states))
				p.block[q] = int32(len(p.first))
				p.states = append(p.states, int32(q))
			}
		}
		if end := int32(len(p.states)); end > first {
			p.first = append(p.first, first)
			p.end = append(p.end, end)
			p.marked = append(p.marked, 0)
		}
	}
	return p
}

func (p *partition) members(b int32) []int32 { return p.states[p.first[b]:p.end[b]] }

func (p *partition) smaller(a, b int32) int32 {
	if p.end[a]-p.first[a] < p.end[b]-p.first[b] {
		return a
	}
	return b
}

// mark marks a state that was not, and reports whether it is the first of its
// block.
func (p *partition) mark(q int32) bool {
	b := p.block[q]
	to := p.first[b] + p.marked[b]
	i := p.at[q]
	if i < to {
		return false
	}
	other := p.states[to]
	p.states[to], p.states[i] = q, other
	p.at[q], p.at[other] = to, i
	p.marked[b]++
	return p.marked[b] == 1
}

// split gives the marked states of a block a block of their own and unmarks
// them, unless all are marked.
func (p *partition) split(b int32) (fresh int32, ok bool) {
	n := p.marked[b]
	p.marked[b] = 0
	if n == p.end[b]-p.first[b] {
		return 0, false
	}
	fresh = int32(len(p.first))
	p.first = append(p.first, p.first[b])
	p.end = append(p.end, p.first[b]+n)
	p.marked = append(p.marked, 0)
	p.first[b] += n
	for _, q := range p.members(fresh) {
		p.block[q] = fresh
	}
	return fresh, true
}

// quotient merges the states of each block. The start's block becomes state 0.
func (d *draft) quotient(block []int32) *draft {
	width := d.alphabet.Size()
	number := make(map[int32]State)
	var one []int // a state of each block
	for q, b := range block {
		if _, ok := number[b]; !ok {
			number[b] = State(len(one))
			one = append(one, q)
		}
	}
	next := make([]State, 0, len(one)*width)
	accept := make([]bool, len(one))
	for i, q := range one {
		accept[i] = d.accept[q]
		for _, to := range d.next[q*width : (q+1)*width] {
			next = append(next, number[block[to]])
		}
	}
	return &draft{d.alphabet, next, accept}
}

// canonical merges letters with equal columns and numbers states in
// breadth-first order.
func (d *draft) canonical() *Language {
	width, n := d.alphabet.Size(), len(d.accept)
	number := make(map[string]int32) // of a column
	merged := make([]int32, width)   // class -> number of its column
	column := make([]byte, 0, 4*n)
	for c := range width {
		column = column[:0]
		for q := range n {
			to := d.next[q*width+c]
			column = append(column, byte(to), byte(to>>8), byte(to>>16), byte(to>>24))
		}
		k, ok := number[string(column)]
		if !ok {
			k = int32(len(number))
			number[string(column)] = k
		}
		merged[c] = k
	}
	class := make([]int32, len(d.alphabet.class))
	for i, c := range d.alphabet.class {
		class[i] = merged[c]
	}
	alphabet, rename := newAlphabet(d.alphabet.starts, class, len(number))
	source := make([]int, alphabet.Size()) // new class -> some old one
	for c, k := range merged {
		source[rename[k]] = c
	}

	order := make([]State, 0, n) // old states by new number
	index := make([]State, n)
	for q := range index {
		index[q] = -1
	}
	meet := func(q State) State {
		if index[q] < 0 {
			index[q] = State(len(order))
			order = append(order, q)
		}
		return index[q]
	}
	meet(0)
	l := &Language{alphabet: alphabet, dead: -1, universal: -1}
	for i := 0; i < len(order); i++ {
		q := order[i]
		loop := true
		for _, c := range source {
			to := meet(d.next[int(q)*width+c])
			loop = loop && to == State(i)
			l.next = append(l.next, to)
		}
		l.accept = append(l.accept, d.accept[q])
		switch {
		case loop && d.accept[q]:
			l.universal = State(i)
		case loop:
			l.dead = State(i)
		}
	}
	return l
}
