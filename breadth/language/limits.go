package language

import (
	"context"
	"errors"
	"fmt"
)

// ErrLimit says that an automaton grew past its [Limits]. The answer is then
// not known; it is neither yes nor no.
var ErrLimit = errors.New("automaton too large")

// DefaultStates is the number of states at which a construction gives up when
// [Limits] names none.
const DefaultStates = 20_000

// cellsPerState bounds the width of a table: an automaton at its limit of
// states may have this many letter classes, a smaller one more. A cell is 4
// bytes, and a construction holds about four per cell of its table.
const cellsPerState = 256

// pairsPerState is how many more states a search may visit than a construction
// may keep: a search has no table.
const pairsPerState = 10

// constructionsPerCompile bounds the states that one pattern may cost over all
// the automata built on the way, in multiples of the limit.
const constructionsPerCompile = 4

// stepsPerState bounds the work of one construction in multiples of the limit of
// states, but not below that of the default limit, which is about a second. It
// is counted and not timed: without a deadline, a question ends the same way on
// every machine.
const stepsPerState = 10_000

// Limits bounds what a construction may cost; its methods are the
// constructions. Every one of them returns an error that wraps [ErrLimit] past
// the limit and the context's error once that is done, and a right answer
// otherwise. The zero value is the default limit.
type Limits struct {
	// States is the largest number of states that an automaton may have before
	// it is minimised; 0 means [DefaultStates].
	States int
}

func (l Limits) states() int {
	if l.States <= 0 {
		return DefaultStates
	}
	return l.States
}

// meter counts what one construction costs.
type meter struct {
	ctx    context.Context
	states int // per automaton
	cells  int // per automaton
	total  int // states still to be had over all automata
	steps  int // still to be had
	work   int // steps since the context was last looked at; enough for a look at first
}

func (l Limits) meter(ctx context.Context) *meter {
	n := l.states()
	return &meter{
		ctx:    ctx,
		states: n,
		cells:  n * cellsPerState,
		total:  n * constructionsPerCompile,
		steps:  max(n, DefaultStates) * stepsPerState,
		work:   workPerLook,
	}
}

// workPerLook is how many elementary steps pass between two looks at the
// context, well under a millisecond.
const workPerLook = 1 << 14

// spend accounts for n elementary steps.
func (m *meter) spend(n int) error {
	m.work += n
	if m.work < workPerLook {
		return nil
	}
	m.steps -= m.work
	m.work = 0
	if m.steps < 0 {
		return fmt.Errorf("%w: too many steps", ErrLimit)
	}
	return m.ctx.Err()
}

// room reports whether an automaton may have this many states and cells.
func (m *meter) room(states, cells int) error {
	switch {
	case states > m.states:
		return fmt.Errorf("%w: more than %d states", ErrLimit, m.states)
	case cells > m.cells:
		return fmt.Errorf("%w: more than %d table cells", ErrLimit, m.cells)
	}
	return nil
}
