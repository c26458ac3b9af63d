package breadth

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// The modes of a question: over what perhaps holds, or over what surely does.
const (
	may  = 0
	must = 1
)

// find looks for a token of the formula, which wants that the role accepts it, in every release;
// missing says in how many there is none.
func (a *analysis) find(mode int, formula func(*ready) node) (found *hit, missing int, err error) {
	return a.seek(mode, false, formula)
}

// findAny is find for a formula that does not want that the role accepts: it asks of every
// shape.
func (a *analysis) findAny(mode int, formula func(*ready) node) (found *hit, missing int, err error) {
	return a.seek(mode, true, formula)
}

func (a *analysis) seek(mode int, barren bool, formula func(*ready) node) (found *hit, missing int, err error) {
	for _, w := range a.worlds {
		here, err := a.findIn(&w, mode, barren, formula)
		if err != nil {
			return nil, 0, err
		}
		if here == nil {
			missing++
		} else if found == nil {
			found = here
		}
	}
	return found, missing, nil
}

// hit is a token that was found: the shape, the texts of the fields that matter.
type hit struct {
	*ready
	goal  node
	texts map[int]string
	// attacker is whose token it is, "" for anybody's.
	attacker string
}

func (a *analysis) findIn(w *world, mode int, barren bool, formula func(*ready) node) (*hit, error) {
	for _, q := range w.questions {
		if mode == must && (q.cover || a.generic) || q.barren && !barren {
			continue
		}
		goal := formula(q)
		if goal == no {
			if mode == may && q.unordered {
				return &hit{ready: q, goal: goal}, nil
			}
			continue
		}
		texts, err := a.askOnce(q, goal, mode)
		if err != nil {
			return nil, err
		}
		if texts == nil && (mode == must || !q.unordered) {
			continue
		}
		if len(q.finer) == 0 {
			return &hit{ready: q, goal: goal, texts: texts}, nil
		}
		parts, err := a.partsOf(q)
		if err != nil {
			return nil, err
		}
		found, err := a.findIn(&world{release: w.release, questions: parts}, mode, barren, formula)
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// askOnce asks what is not settled by what was asked before: where there is no token of a
// formula, there is none of one that wants more. Whether the role by itself admits one is asked
// first, for most shapes it does not.
func (a *analysis) askOnce(q *ready, goal node, mode int) (map[int]string, error) {
	if role := q.role[mode]; !q.tried[mode] && q.forms.wantsAll(goal, role) {
		if q.tried[mode] = true; a.roleRefuses(q, mode) {
			q.none[mode] = append(q.none[mode], role)
		}
	}
	if slices.ContainsFunc(q.none[mode], func(none node) bool { return q.forms.wantsAll(goal, none) }) {
		return nil, nil
	}
	texts, err := a.ask(q.question, goal, mode, nil)
	if texts == nil && err == nil {
		q.none[mode] = append(q.none[mode], goal)
	}
	return texts, err
}

// roleRefuses reports whether the role by itself admits no token of a shape; not where that
// takes long. It is small, saves more than it costs, and is not counted.
func (a *analysis) roleRefuses(q *ready, mode int) bool {
	few := min(maxSimple, a.search)
	a.catchUp(q.question)
	texts, err := q.search(a.ctx, q.role[mode], mode, nil, &few)
	return texts == nil && err == nil
}

// partsOf makes the questions of a cover's finer covers.
func (a *analysis) partsOf(q *ready) ([]*ready, error) {
	if q.parts != nil {
		return q.parts, nil
	}
	var parts []*ready
	for _, shape := range distinct(a.model, q.variant.parts(), a.interesting) {
		part, err := a.ready(shape)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	q.parts = parts
	for _, part := range parts {
		a.tabled(part.question)
	}
	return parts, a.completeFertile(parts)
}

// tabled gives questions the tables of the common alphabet. Should they read what that was not
// made for, it is another one from now on.
func (a *analysis) tabled(questions ...*question) {
	known := true
	for _, q := range questions {
		known = known && a.tables.admit(q.languages)
	}
	if !known {
		for _, q := range questions {
			a.tables.add(q.languages)
		}
		a.tables.refine()
	}
	for _, q := range questions {
		q.ready(a.tables)
	}
}

// catchUp gives tables to the atoms of formulas that were made after them.
func (a *analysis) catchUp(q *question) {
	if last := len(q.atoms) - 1; last >= 0 && q.atoms[last].table == nil {
		a.tabled(q)
	}
}

// finerDomains are the languages of the fields that a cover's finer covers read, for an
// alphabet that need not be made anew for these.
func (q *question) finerDomains() ([]*language.Language, error) {
	if known, ok := q.set.finer[q.finerOf]; ok {
		return known, nil
	}
	var all []*language.Language
	seen := map[string]bool{}
	for _, finer := range q.finerLists {
		for i := range finer {
			for _, claim := range finer[i].Claims {
				// What is set brings no fields but those that the cover reads.
				for _, piece := range q.set.bare.written(claim.Text + claim.Also) {
					if _, known := q.model.Fields[piece.Field]; !known || seen[piece.Field] {
						continue
					}
					seen[piece.Field] = true
					for _, surely := range []bool{false, true} {
						domain, err := q.domain(piece.Field, surely)
						if err != nil {
							return nil, err
						}
						all = append(all, domain)
					}
				}
			}
		}
	}
	q.set.finer[q.finerOf] = all
	return all, nil
}

// allSearches is how many times the states of one search all of an analysis may meet.
const allSearches = 2

// maxSimple bounds the states of a search that is taken to be simple.
const maxSimple = 1_000

// ask searches within what is left of the budget: first for a token of any length, which is
// mostly short enough, or not there at all.
func (a *analysis) ask(q *question, goal node, mode int, spans map[int]span) (map[int]string, error) {
	measures := func(atom int32) bool { return q.lower.measures[q.atoms[atom].Language] }
	if longer := q.forms.without(goal, measures); longer != goal {
		texts, err := a.sought(q, longer, mode, spans)
		if texts == nil || err != nil {
			return nil, err
		}
		held := maps.Clone(spans)
		if held == nil {
			held = map[int]span{}
		}
		for field, text := range texts {
			held[field] = exactly(text)
		}
		if texts, err = a.sought(q, goal, mode, held); texts != nil || err != nil {
			return texts, err
		}
	}
	return a.sought(q, goal, mode, spans)
}

// sought searches within what is left of the budget. Before a search that is not simple it asks
// whether the parts of a token by themselves already rule it out.
func (a *analysis) sought(q *question, goal node, mode int, spans map[int]span) (map[int]string, error) {
	texts, err := a.bounded(maxSimple, q, goal, mode, spans)
	if !errors.Is(err, errProduct) || a.budget <= 0 {
		return texts, err
	}
	if apart := q.forms.without(goal, q.readsSeveral); apart != goal {
		if texts, err := a.bounded(a.search, q, apart, mode, spans); texts == nil && err == nil {
			return nil, nil
		}
	}
	texts, err = a.bounded(a.search, q, goal, mode, spans)
	if errors.Is(err, errProduct) {
		err = fmt.Errorf("%w: more than %d states, or %d in all", errProduct, a.search, allSearches*a.search)
	}
	return texts, err
}

// bounded searches within so many states and what is left of the budget.
func (a *analysis) bounded(states int, q *question, goal node, mode int, spans map[int]span) (map[int]string, error) {
	a.catchUp(q)
	allowed := max(0, min(states, a.search, a.budget))
	left := allowed
	texts, err := q.search(a.ctx, goal, mode, spans, &left)
	a.budget -= allowed - max(left, 0)
	return texts, err
}
