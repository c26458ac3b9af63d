package breadth

import (
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
)

// world is what the issuer mints in one release: shapes of tokens, each with its question.
type world struct {
	release   string
	shapes    []*variant
	questions []*ready
}

// alike reports whether two worlds have the same shapes.
func (w *world) alike(other *world) bool {
	return slices.EqualFunc(w.shapes, other.shapes, func(x, y *variant) bool { return x.key == y.key })
}

// ready is a question with the formulas that attackers share, over what perhaps holds and
// over what surely does.
type ready struct {
	*question
	// barren says that the role accepts no token of the shape, which is all that is to know of
	// most shapes; completed that there are formulas of more than the role.
	barren, completed   bool
	role, inside, world [2]node
	attackers           map[string][2]node
	// anyCase is the world in which case tells names apart.
	anyCase [2]node
	// beyond says that the role accepts what the one that it is compared with refuses.
	beyond [2]node
	// less says that the one that it is compared with perhaps accepts.
	less node
	// tried says that the role was asked about by itself, none holds formulas that have no
	// token: both by mode.
	tried [2]bool
	none  [2][]node
	// told is what regions that were found hold.
	told node
	// parts are the questions of a cover's finer covers, once they were needed.
	parts []*ready
}

// build makes the formulas of every shape in every release that there may be.
func (a *analysis) build() error {
	if err := a.lowerRole(); err != nil {
		return err
	}
	if err := a.number(); err != nil {
		return err
	}
	for _, here := range a.minted() {
		if err := a.spellOut(here.release, here.shapes); err != nil {
			return err
		}
		for _, shape := range here.shapes {
			question, err := a.ready(shape)
			if err != nil {
				return err
			}
			here.questions = append(here.questions, question)
		}
		a.worlds = append(a.worlds, here)
	}
	for _, w := range a.worlds {
		for _, q := range w.questions {
			a.tables.add(q.languages)
			if len(q.finer) == 0 {
				continue
			}
			finer, err := q.finerDomains()
			if err != nil {
				return err
			}
			a.tables.add(finer)
		}
	}
	a.tables.refine()
	for _, w := range a.worlds {
		for _, q := range w.questions {
			q.ready(a.tables)
		}
		if err := a.completeFertile(w.questions); err != nil {
			return err
		}
	}
	return nil
}

// completeFertile makes all formulas of the shapes of which the role perhaps accepts a token.
func (a *analysis) completeFertile(questions []*ready) error {
	var fertile []*question
	for _, q := range questions {
		if a.findBarren(q) {
			continue
		}
		if err := a.complete(q); err != nil {
			return err
		}
		fertile = append(fertile, q.question)
	}
	a.tabled(fertile...)
	return nil
}

// findBarren finds out whether the role accepts no token of a shape. Roles that are compared are
// not asked one by one.
func (a *analysis) findBarren(q *ready) bool {
	if a.less != nil || a.thorough || q.unordered {
		return false
	}
	q.barren, q.tried[may] = a.roleRefuses(q, may), true
	return q.barren
}

// minted are the worlds of the releases that there may be, without questions. Of releases that
// mint the same, the first stands for all.
func (a *analysis) minted() []world {
	var all []world
	for _, release := range a.releases() {
		here := world{release: release, shapes: variants(a.model, a.issuer, release, a.facts, a.interesting, a.mentions, a.subjects())}
		if !slices.ContainsFunc(all, func(known world) bool { return known.alike(&here) }) {
			all = append(all, here)
		}
	}
	return all
}

// mentions reports whether a condition on the claim holds the text in what it wants.
func (a *analysis) mentions(claim, text string) bool {
	found := false
	see := func(c *bundles.Condition) {
		if claimOf(c) == claim {
			found = found || strings.Contains(c.Pattern, text) || slices.ContainsFunc(textsIn(c.Values), func(value string) bool {
				return strings.Contains(value, text)
			})
		}
	}
	for s := range a.stages {
		for _, way := range slices.Concat(a.stages[s].Ways, a.stages[s].Refusals) {
			for c := range way.Conditions {
				see(&way.Conditions[c])
			}
		}
	}
	return found
}

// subjects lists the components, in order, of the subjects that the facts and the role
// name.
func (a *analysis) subjects() [][]string {
	var all [][]string
	if len(a.facts.SubjectTemplate) > 0 {
		all = append(all, a.facts.SubjectTemplate)
	}
	a.eachNaming(func(c *bundles.Condition, _ bool) {
		if claimOf(c) != a.model.Names.Subject {
			return
		}
		for _, text := range wantedTexts(c) {
			parts := strings.Split(text, ":")
			var list []string
			for i := 0; i < len(parts); i += 2 {
				list = append(list, parts[i])
			}
			if len(all) < 4 {
				all = append(all, list)
			}
		}
	})
	return append(all, a.orders()...)
}

// wantedTexts are the texts that a condition shows as wanted, wildcards included.
func wantedTexts(c *bundles.Condition) []string {
	if list, ok := c.Wanted.([]any); ok {
		return textsIn(list)
	}
	return textsIn([]any{c.Wanted})
}

// releases are those that the issuer may run.
func (a *analysis) releases() []string {
	switch {
	case a.facts.IssuerVersion != "":
		return []string{a.facts.IssuerVersion}
	case a.model.IsHosted(a.issuer), a.issuer == "":
		return a.model.Releases[:1]
	case a.model.Hosted != "" && len(a.model.Releases) > 1:
		return a.model.Releases[1:]
	default:
		return a.model.Releases
	}
}

func (a *analysis) lowerRole() error {
	for s := range a.stages {
		var ways [][]leaf
		a.lower.beside = a.beside
		if s >= a.itself().to {
			a.lower.beside = a.less.beside
		}
		for w, way := range slices.Concat(a.stages[s].Ways, a.stages[s].Refusals) {
			a.lower.refusal = w >= len(a.stages[s].Ways)
			var conditions []leaf
			for c := range way.Conditions {
				found, err := a.lower.condition(&way.Conditions[c])
				if err != nil {
					return err
				}
				if found.unknown != "" {
					a.unknown = append(a.unknown, found.unknown)
				}
				conditions = append(conditions, found)
			}
			ways = append(ways, conditions)
		}
		a.leaves = append(a.leaves, ways)
	}
	return nil
}

func (a *analysis) ready(shape *variant) (*ready, error) {
	q, err := newQuestion(shape, a.model, a.issuer, a.lower, a.interesting)
	if err != nil {
		return nil, err
	}
	r := &ready{question: q, attackers: map[string][2]node{}}
	if a.less != nil {
		if err := q.share(len(a.less.sources)); err != nil {
			return nil, err
		}
	}
	for mode, may := range []bool{true, false} {
		if r.role[mode], err = a.roleFormula(q, may); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// complete makes the formulas beside the role's, once.
func (a *analysis) complete(r *ready) error {
	if r.completed {
		return nil
	}
	r.completed = true
	if a.proving {
		return a.readyOutside(r)
	}
	if err := a.hold(r); err != nil {
		return err
	}
	for mode, may := range []bool{true, false} {
		if err := a.readyScope(r, mode); err != nil {
			return err
		}
		if err := a.readyWorld(r, mode); err != nil {
			return err
		}
		for _, name := range Attackers() {
			if !a.defines(name) {
				continue
			}
			formula, err := a.attacker(r.question, name, may)
			if err != nil {
				return err
			}
			if name != Recycler {
				formula = r.forms.all(formula, r.world[mode])
			}
			pair := r.attackers[name]
			pair[mode] = formula
			r.attackers[name] = pair
		}
	}
	return nil
}

// readyOutside makes what a proof that no token outside the scope passes asks for beside the
// role, and no more.
func (a *analysis) readyOutside(r *ready) error {
	if err := a.readyScope(r, must); err != nil {
		return err
	}
	return a.readyWorld(r, may)
}

func (a *analysis) readyScope(r *ready, mode int) (err error) {
	r.inside[mode], err = a.inside(r.question, mode == may)
	return err
}

func (a *analysis) readyWorld(r *ready, mode int) (err error) {
	r.world[mode], r.anyCase[mode], err = a.world(r.question, mode == may)
	return err
}

// roleFormula says that the role accepts.
func (a *analysis) roleFormula(q *question, may bool) (node, error) {
	return a.through(q, a.itself(), func(l *leaf, _ *bundles.Condition, _ int, refusal bool) (node, error) {
		return q.accepting(l, may, refusal)
	})
}

// accepting is a leaf of a way in or of a refusal, where the role perhaps or surely accepts.
// A refusal that asks for what stands beside the token perhaps does not meet it.
func (q *question) accepting(l *leaf, may, refusal bool) (node, error) {
	if refusal && may && l.assumed {
		return no, nil
	}
	return q.leaf(l, may != refusal)
}

// through says that stages let a token through: in every stage one of the ways, and every
// refusal out of the way.
func (a *analysis) through(q *question, stages stageRange, leafOf func(l *leaf, c *bundles.Condition, stage int, refusal bool) (node, error)) (node, error) {
	var all []node
	for s := stages.from; s < stages.to; s++ {
		var ways, refusals []node
		for w, conditions := range a.leaves[s] {
			refusal := w >= len(a.stages[s].Ways)
			parts := make([]node, len(conditions))
			for i := range conditions {
				part, err := leafOf(&conditions[i], a.condition(s, w, i), s, refusal)
				if err != nil {
					return no, err
				}
				parts[i] = part
			}
			if refusal {
				refusals = append(refusals, q.forms.all(parts...))
			} else {
				ways = append(ways, q.forms.all(parts...))
			}
		}
		admitted, err := q.either(ways...)
		if err != nil {
			return no, err
		}
		refused, err := q.either(refusals...)
		if err != nil {
			return no, err
		}
		all = append(all, admitted, q.forms.not(refused))
	}
	return q.forms.all(all...), nil
}
