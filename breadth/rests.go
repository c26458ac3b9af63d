package breadth

import (
	"fmt"
	"maps"
	"slices"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// neededFacts lists the facts that a proof needs: without any of the others it stands as
// well, and without all of them at once, which is asked first. Where a limit keeps that from being told, a fact is
// taken to be needed.
func (a *analysis) neededFacts() []string {
	given := slices.Sorted(maps.Keys(a.facts.members()))
	if len(given) > 1 && a.tightKnowing(&Facts{}) {
		return nil
	}
	var needed []string
	known := a.facts
	for _, name := range given {
		if fewer := known.without(name); a.tightKnowing(fewer) {
			known = fewer
		} else {
			needed = append(needed, name)
		}
	}
	return needed
}

// tightKnowing reports whether the role is proven tight by these facts alone.
func (a *analysis) tightKnowing(facts *Facts) bool {
	subject := a.Subject
	subject.Scope, subject.Facts = a.scope, facts
	again := newAnalysis(a.ctx, a.analyser, subject)
	again.lower.cache, again.lower.named, again.proving = a.lower.cache, a.lower.named, true
	if err := again.prepare(); err != nil {
		return false
	}
	restore, err := again.buildBeside(a)
	defer restore()
	if err != nil {
		return false
	}
	possible, _, err := again.find(may, again.outside(may))
	return err == nil && possible == nil
}

// buildBeside makes the formulas of a proof: where tokens have the same shapes, over the
// questions of another analysis, which are as that had them after restore, but for atoms that
// came. There is no token of the role here either where there was none.
func (a *analysis) buildBeside(other *analysis) (restore func(), err error) {
	shapes := a.minted()
	same := func(x, y world) bool { return x.release == y.release && x.alike(&y) }
	if !maps.Equal(a.interesting, other.interesting) || !slices.EqualFunc(shapes, other.worlds, same) {
		return func() {}, a.build()
	}
	var undo []func()
	restore = func() {
		for _, back := range undo {
			back()
		}
	}
	a.lower, a.leaves, a.spelled, a.tables = other.lower, other.leaves, other.spelled, other.tables
	for w, here := range shapes {
		for i, shape := range here.shapes {
			q := other.worlds[w].questions[i]
			kept, unordered := q.variant, q.unordered
			undo = append(undo, func() { q.variant, q.unordered = kept, unordered })
			q.variant = shape
			r := &ready{question: q.question, role: q.role, barren: q.barren, tried: q.tried}
			for mode := range r.none {
				r.none[mode] = slices.Clone(q.none[mode])
			}
			if !r.barren {
				if err := a.complete(r); err != nil {
					return restore, err
				}
			}
			here.questions = append(here.questions, r)
		}
		a.worlds = append(a.worlds, here)
	}
	return restore, nil
}

// because asks once more for what was proven not to be, with one of the issuer's rules
// relaxed at a time. Where there is a token then, the proof rests on that rule. What a
// limit cuts short is said to be: the proof stands without.
func (a *analysis) because() error {
	for i := range a.model.Rules {
		rule := &a.model.Rules[i]
		found, err := a.without(rule)
		if limited(err) {
			a.rest("perhaps more of the issuer's rules: asking for them reached a limit")
			return nil
		}
		if err != nil {
			return err
		}
		if found != nil {
			a.rest(fmt.Sprintf("%s: else a token gets in with %s", rule.Says, a.sketch(found)))
		}
	}
	return nil
}

// without looks for a token outside the scope that the role perhaps accepts where a rule
// does not hold.
func (a *analysis) without(rule *issuer.Rule) (*hit, error) {
	var touched []*relaxed
	defer func() {
		for _, one := range touched {
			one.restore()
		}
		for _, one := range touched {
			a.tabled(one.question)
		}
	}()
	known := true
	for w := range a.worlds {
		for _, q := range a.worlds[w].questions {
			one, err := q.relax(rule)
			if err != nil {
				return nil, err
			}
			if one != nil {
				touched = append(touched, one)
				known = known && a.tables.admit(q.languages) && a.tables.admit(one.wider)
			}
		}
	}
	if len(touched) == 0 {
		return nil, nil
	}
	tables := a.tables
	if !known {
		tables = newTables()
		for _, one := range touched {
			tables.add(one.languages)
			tables.add(one.wider)
		}
		tables.refine()
	}
	for _, one := range touched {
		q := one.ready
		q.question.ready(tables)
		if !q.completed {
			if a.roleRefuses(q, may) {
				continue
			}
			if err := a.complete(q); err != nil {
				return nil, err
			}
			late := newTables()
			late.add(q.languages)
			late.add(one.wider)
			late.refine()
			q.question.ready(late)
		}
		world := q.world[may]
		if rule.AnyCase {
			world = q.anyCase[may]
		}
		goal := q.forms.all(q.role[may], world, q.forms.not(q.inside[must]))
		texts, err := a.ask(q.question, goal, wide, nil)
		if err != nil {
			return nil, err
		}
		if texts != nil {
			return &hit{ready: q, goal: goal, texts: texts}, nil
		}
	}
	return nil, nil
}

// relaxed is a question without one of the rules, and what it takes to put that back.
type relaxed struct {
	*ready
	domains map[int]*language.Language
	layouts map[int]*layout
	wider   []*language.Language
}

// relax takes a rule away from a question; nil where it says nothing of it. After an error the
// question is as it was.
func (q *ready) relax(rule *issuer.Rule) (*relaxed, error) {
	one := &relaxed{ready: q, domains: map[int]*language.Language{}, layouts: map[int]*layout{}}
	wider := map[int]*language.Language{}
	for name, domain := range rule.Fields {
		at, ok := q.order[name]
		if !ok {
			continue
		}
		language, err := q.restricted(name, domain, q.model.Fields[name].Except)
		if err != nil {
			return nil, err
		}
		wider[at] = language
		one.wider = append(one.wider, language)
	}
	for at, language := range wider {
		one.domains[at] = q.fields[at].domains[wide].Language
		q.fields[at].domains[wide].Language = language
	}
	for i := range q.atoms {
		if rule.Unescaped && slices.Contains(q.atoms[i].escapes, true) {
			one.layouts[i] = q.atoms[i].layout
			plain := *q.atoms[i].layout
			plain.escapes = make([]bool, len(q.fields))
			q.atoms[i].layout = &plain
		}
	}
	if len(one.domains)+len(one.layouts) == 0 && !rule.AnyCase {
		return nil, nil
	}
	return one, nil
}

func (r *relaxed) restore() {
	for at, domain := range r.domains {
		r.fields[at].domains[wide].Language = domain
	}
	for i, layout := range r.layouts {
		r.atoms[i].layout = layout
	}
}
