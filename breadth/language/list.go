package language

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// End follows every element of a list that is written as one string. It is a
// noncharacter of Unicode.
const End = '\U0010FFFF'

// ErrReserved says that a language of elements tells [End] from its
// neighbour, so that lists cannot be written with it.
var ErrReserved = errors.New("U+10FFFF is reserved for the ends of list elements")

// List writes elements, of which none holds [End], as one string.
func List(elements ...string) string {
	var b strings.Builder
	for _, e := range elements {
		b.WriteString(e)
		b.WriteRune(End)
	}
	return b.String()
}

// Some is the language of the lists with a member of x among their elements;
// of what follows that element nothing is asked, not even that it ends. See
// [Limits.Every] for what is a list.
//
// Elements that hold [End] themselves are left out. Nothing is lost by that:
// since x does not tell End from U+10FFFE, each has a twin that is not left
// out; a language that does is refused with [ErrReserved].
func (l Limits) Some(ctx context.Context, x *Language) (*Language, error) {
	return l.lists(ctx, x, true)
}

// Every is the language of the lists all of whose elements are members of x,
// the empty list among them. All lists are Every of [All].
func (l Limits) Every(ctx context.Context, x *Language) (*Language, error) {
	return l.lists(ctx, x, false)
}

func (l Limits) lists(ctx context.Context, x *Language, some bool) (*Language, error) {
	if x.alphabet.Class(End) != x.alphabet.Class(End-1) {
		return nil, ErrReserved
	}
	alphabet := Refine([]*Language{x}, End)
	t := x.Table(alphabet, nil)
	end := alphabet.Class(End)
	// Besides the states of x, inside an element, there are these.
	const between, decided = -1, -2
	row := func(q State, successors []State) error {
		for c := range successors {
			inside := max(q, x.Start()) // between elements one may start
			switch {
			case q == decided:
				successors[c] = decided
			case c != end:
				successors[c] = t.Step(inside, c)
			case x.Accepting(inside) == some:
				successors[c] = decided
			default:
				successors[c] = between
			}
		}
		return nil
	}
	accept := func(q State) bool {
		if q == decided {
			return some
		}
		return !some && q == between
	}
	lists, err := explore(l.meter(ctx), alphabet, between, row, accept)
	if err != nil {
		return nil, fmt.Errorf("lists: %w", err)
	}
	return lists, nil
}
