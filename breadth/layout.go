package breadth

import (
	"strconv"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

// layout is how a template reads the fields of a tape: which of them, in which of those colons
// are written %3A, the literals that follow each, and the last that it reads, -1 where there is
// none. First is the literal ahead of them all.
type layout struct {
	first   string
	reads   []bool
	escapes []bool
	after   []string
	last    int
	// unordered says that the template reads the fields in another order than the tape has.
	unordered bool
	pieces    []issuer.Piece
}

// layout is how a template reads the question's fields; the same for equal pieces.
func (q *question) layout(pieces []issuer.Piece) *layout {
	q.lower.marked = markedOff(q.lower.marked[:0], pieces)
	known := q.layouts[string(q.lower.marked)]
	if known == nil {
		known = newLayout(pieces, q.order)
		q.layouts[string(q.lower.marked)] = known
	}
	return known
}

func newLayout(pieces []issuer.Piece, order map[string]int) *layout {
	l := &layout{
		reads: make([]bool, len(order)), escapes: make([]bool, len(order)), after: make([]string, len(order)),
		last: -1, pieces: pieces,
	}
	for _, piece := range pieces {
		switch {
		case piece.Field == "" && l.last < 0:
			l.first += piece.Literal
		case piece.Field == "":
			l.after[l.last] += piece.Literal
		default:
			at, ok := order[piece.Field]
			if !ok || at <= l.last {
				l.unordered = true
				return l
			}
			l.reads[at], l.escapes[at], l.last = true, piece.Escaped, at
		}
	}
	return l
}

// markedOff adds a text that stands for these pieces alone: each with its lengths, for the
// letters between fields are a user's where terms put them together.
func markedOff(text []byte, pieces []issuer.Piece) []byte {
	for _, piece := range pieces {
		mark := byte('r')
		if piece.Escaped {
			mark = 'e'
		}
		for _, part := range []string{piece.Literal, piece.Field} {
			text = append(append(strconv.AppendInt(text, int64(len(part)), 10), mark), part...)
		}
	}
	return text
}
