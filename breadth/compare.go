package breadth

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Relation is how a role compares with what it was before.
type Relation string

// Equivalent roles answer alike on every token that the issuer mints. A role is Broadened
// by a token that it newly admits, Narrowed by one that it newly refuses, and Changed by
// one of each. Unclear is the answer where neither token nor proof was found.
const (
	Equivalent Relation = "equivalent"
	Broadened  Relation = "broadened"
	Narrowed   Relation = "narrowed"
	Changed    Relation = "changed"
	Unclear    Relation = "undecided"
)

// Change is what the change of a role comes to.
type Change struct {
	Verdict Relation
	// Admitted is newly admitted, Refused newly refused; nil where there is no such token,
	// or none was found.
	Admitted, Refused *Difference
	// Broader and Narrower say in which parts of the tokens, in words.
	Broader, Narrower []string
	// RestsOn lists the facts and assumptions that the verdict needs, Why what it was that
	// could not be told.
	RestsOn, Why  []string
	Scope         *Scope
	Issuer, Model string
}

// Difference is a token on which two roles differ. Attacker is who can get it, "" where it
// is no attacker's; Who says that in a sentence, with the claims that tell. Regions are sets
// of such tokens around it, and all that Attacker has where Complete is set.
type Difference struct {
	Attacker string
	Token    *Token
	Who      string
	Regions  []Region
	Complete bool
}

// Compare answers what after newly admits and newly refuses; no role, on one side, is a
// role that admits nothing. Issuer, model, scope, facts, time and limits are after's; a
// scope that is not given is inferred from before, whose change it is.
func (a *Analyser) Compare(ctx context.Context, before, after Subject) (*Change, error) {
	limit := cmp.Or(after.Limits.Deadline, DefaultDeadline)
	ctx, cancel := context.WithTimeout(ctx, 2*limit)
	defer cancel()
	asked := after
	change := &Change{}
	for _, direction := range []struct {
		more, less Subject
		older      bool
		found      **Difference
		parts      *[]string
	}{
		{after, before, true, &change.Admitted, &change.Broader},
		{before, after, false, &change.Refused, &change.Narrower},
	} {
		if direction.more.Role == nil {
			continue
		}
		asked.Role, asked.Document, asked.Context = direction.more.Role, direction.more.Document, direction.more.Context
		work := newAnalysis(ctx, a.bundle, asked)
		work.less = &comparison{
			Role: direction.less.Role, Context: direction.less.Context,
			older: direction.older, shared: map[string]int{},
		}
		if err := work.prepare(); err != nil {
			return nil, err
		}
		var err error
		if *direction.found, err = work.differ(); limited(err) {
			work.undecided("a limit was reached: " + err.Error())
		} else if err != nil {
			return nil, err
		}
		*direction.parts = work.less.parts
		if change.Scope == nil {
			change.Scope, change.Issuer, change.Model = work.scope, work.issuer, work.model.Name
		}
		change.RestsOn = merged(change.RestsOn, work.result.RestsOn)
		change.Why = merged(change.Why, work.result.Why)
	}
	change.Verdict = change.relation()
	return change, nil
}

func merged(list, more []string) []string {
	for _, text := range more {
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

func (c *Change) relation() Relation {
	switch {
	case c.Admitted != nil && c.Refused != nil:
		return Changed
	case c.Admitted != nil:
		return Broadened
	case len(c.Why) > 0:
		return Unclear
	case c.Refused != nil:
		return Narrowed
	default:
		return Equivalent
	}
}

// comparison is the role that another is held against; without a role, one that admits
// nothing.
type comparison struct {
	Role    *bundles.Role
	Context map[string]any
	// older says that this is the role as it was before, be it none.
	older bool
	// from is the first of its stages.
	from int
	// parts are those of the tokens in which the other role is broader, in words.
	parts []string
	// shared numbers what the analysis does not look into, by what it is: a token that has
	// it for the one role has it for the other.
	shared map[string]int
	// sources name these for people, by number; sides counts the roles that have them.
	sources []string
	sides   []map[bool]bool
}

// stageRange is the stages of one of two roles.
type stageRange struct{ from, to int }

// itself is the range of the role's own stages.
func (a *analysis) itself() stageRange {
	if a.less == nil {
		return stageRange{0, len(a.stages)}
	}
	return stageRange{0, a.less.from}
}

// meant are the stages from which a scope is inferred.
func (a *analysis) meant() []bundles.Stage {
	if a.less != nil && a.less.Role != nil && a.less.older {
		return a.stages[a.less.from:]
	}
	return a.stages[:a.itself().to]
}

// readLess reads the role that this one is compared with.
func (a *analysis) readLess() error {
	if a.less == nil {
		return nil
	}
	a.less.from = len(a.stages)
	if a.less.Role == nil {
		return nil
	}
	stages, err := a.written(a.less.Role, a.less.Context)
	if err != nil {
		return err
	}
	if stages, err = neutral(stages); err != nil {
		return err
	}
	a.stages = append(a.stages, stages...)
	return nil
}

// differ looks for a token that the role accepts and the other refuses. That none could be
// told leaves the result's Why.
func (a *analysis) differ() (*Difference, error) {
	if a.Role.Refused != "" || a.same() {
		return nil, nil
	}
	if err := a.build(); err != nil {
		return nil, err
	}
	possible, _, err := a.find(may, func(q *ready) node { return q.forms.all(q.beyond[may], q.world[may]) })
	if err != nil || possible == nil {
		return nil, err
	}
	for _, name := range []string{Outsider, Lookalike, Sibling, Developer, ForkMR, Lured, "", Recycler} {
		if name != "" && !a.defines(name) {
			continue
		}
		for _, outside := range []bool{true, false} {
			difference, err := a.differs(name, outside)
			if err != nil {
				return nil, err
			}
			if difference != nil {
				a.less.parts = a.compareProfiles()
				return difference, nil
			}
		}
	}
	a.undecided(a.doubtful(possible)...)
	return nil, nil
}

// same reports whether both roles say the same, in whatever order.
func (a *analysis) same() bool {
	return a.less.Role != nil && a.sameContext() && slices.Equal(a.content(a.itself()), a.content(a.others()))
}

// differs looks for a token of an attacker's, or with "" of anybody's, on which the roles
// surely differ, and for the regions around it.
func (a *analysis) differs(attacker string, outside bool) (*Difference, error) {
	admitted := func(q *ready) node { return q.beyond[must] }
	found, missing, err := a.find(must, func(q *ready) node { return q.forms.all(admitted(q), circle(attacker, outside, must)(q)) })
	if err != nil || found == nil || missing > 0 {
		return nil, err
	}
	token, err := a.token(found, attacker)
	if err != nil || token == nil {
		return nil, err
	}
	if a.less.Role != nil && a.less.Role.Refused == "" {
		decision, err := a.decide(a.less.Role, a.less.Context, token.Claims)
		if err != nil || decision.Verdict != trustcheck.Deny {
			return nil, err
		}
	}
	gets := "no longer gets in"
	if a.less.older {
		gets = "gets in"
	}
	difference := &Difference{Attacker: attacker, Token: token, Who: a.sentence(a.who(attacker, token, gets), token)}
	difference.Regions, difference.Complete, err = a.regions(found, admitted, circle(attacker, outside, may))
	if limited(err) {
		err = nil
	}
	return difference, err
}

// circle says that a token is an attacker's, and if outside that it lies outside the
// scope. With "" it is anybody's whom the facts do not rule out.
func circle(attacker string, outside bool, mode int) func(*ready) node {
	return func(q *ready) node {
		who := q.world[may]
		if attacker != "" {
			who = q.attackers[attacker][mode]
		}
		if outside {
			who = q.forms.all(who, q.forms.not(q.inside[1-mode]))
		}
		return who
	}
}

// others is the range of the stages of the role that this one is compared with.
func (a *analysis) others() stageRange { return stageRange{a.less.from, len(a.stages)} }

// sameContext reports whether both roles are asked with the same beside the token.
func (a *analysis) sameContext() bool {
	return len(a.Context)+len(a.less.Context) == 0 || reflect.DeepEqual(a.Context, a.less.Context)
}

// content is what stages say, without regard to order and to where it stands.
func (a *analysis) content(of stageRange) []string {
	var all []string
	for _, stage := range a.stages[of.from:of.to] {
		said := []string{}
		for _, ways := range [][]bundles.Way{stage.Ways, stage.Refusals} {
			var each []string
			for _, way := range ways {
				var conditions []string
				for c := range way.Conditions {
					conditions = append(conditions, identity(&way.Conditions[c]))
				}
				slices.Sort(conditions)
				each = append(each, fmt.Sprintf("%q", slices.Compact(conditions)))
			}
			slices.Sort(each)
			said = append(said, fmt.Sprintf("%q", slices.Compact(each)))
		}
		all = append(all, fmt.Sprintf("%q", said))
	}
	slices.Sort(all)
	return all
}

// number gives every condition of both roles the number of what it says, by which the two
// share what the analysis does not look into.
func (a *analysis) number() {
	if a.less == nil {
		return
	}
	for s := range a.leaves {
		for w := range a.leaves[s] {
			for c := range a.leaves[s][w] {
				key := a.key(a.condition(s, w, c), s)
				n, ok := a.less.shared[key]
				if !ok {
					n = len(a.less.sources)
					a.less.shared[key] = n
					a.less.sources = append(a.less.sources, said(a.condition(s, w, c)))
					a.less.sides = append(a.less.sides, map[bool]bool{})
				}
				a.less.sides[n][s < a.less.from] = true
			}
		}
	}
}

// key tells conditions apart. What a condition that reads no claim comes to may depend on
// what else is known, so that roles of which different things are known share none.
func (a *analysis) key(c *bundles.Condition, stage int) string {
	if a.sameContext() || stage < a.less.from {
		return identity(c)
	}
	return "less " + identity(c)
}

// share gives a question a field for each number: "1" where the condition holds.
func (q *question) share(numbers int) error {
	if numbers == 0 {
		return nil
	}
	either, err := q.lower.exact("0", "1")
	if err != nil {
		return err
	}
	q.languages = append(q.languages, either)
	for n := range numbers {
		field := tapeField{name: sharedName(n)}
		field.domains[wide].Language, field.domains[sure].Language = either, either
		q.order[field.name] = len(q.fields)
		q.fields = append(q.fields, field)
	}
	return nil
}

func sharedName(number int) string { return fmt.Sprintf("?%d", number) }

// hold makes the formulas of the comparison: that the role accepts and the other refuses.
// What surely or perhaps holds of a condition bounds what it says; in between it is what
// its number says, for both roles alike.
func (a *analysis) hold(r *ready) error {
	if a.less == nil {
		return nil
	}
	more, err := a.exact(r.question, a.itself())
	if err != nil {
		return err
	}
	less, err := a.exact(r.question, a.others())
	if err != nil {
		return err
	}
	surely, err := a.roleFormula(r.question, false)
	if err != nil {
		return err
	}
	if r.less, err = a.through(r.question, a.others(), func(l *leaf, _ *bundles.Condition, _ int, refusal bool) (node, error) {
		return r.leaf(l, !refusal)
	}); err != nil {
		return err
	}
	if a.less.Role == nil || a.less.Role.Refused != "" {
		less, r.less = no, no
	}
	r.beyond[may] = r.forms.all(more, r.forms.not(less))
	r.beyond[must] = r.forms.all(surely, r.forms.not(r.less))
	// What the roles read in another order has its number.
	r.unordered = false
	return nil
}

// exact says that stages let a token through, with what the analysis does not look into by
// its number.
func (a *analysis) exact(q *question, stages stageRange) (node, error) {
	return a.through(q, stages, func(l *leaf, c *bundles.Condition, stage int, _ bool) (node, error) {
		perhaps, err := q.leaf(l, true)
		if err != nil {
			return no, err
		}
		surely, err := q.leaf(l, false)
		if err != nil {
			return no, err
		}
		opaque := l.settled && c.Test == "platform"
		if perhaps == surely && !opaque {
			return surely, nil
		}
		one, err := q.lower.exact("1")
		if err != nil {
			return no, err
		}
		holds := q.reads([]issuer.Piece{{Field: sharedName(a.less.shared[a.key(c, stage)])}}, one, true)
		if opaque {
			return holds, nil
		}
		return q.forms.any(surely, q.forms.all(holds, perhaps)), nil
	})
}

// compareProfiles says in which parts of the tokens the role is broader than the other.
func (a *analysis) compareProfiles() []string {
	more, err := a.profile(func(q *ready) node { return q.role[may] })
	if err != nil {
		return nil
	}
	less, err := a.profile(func(q *ready) node { return q.less })
	if err != nil {
		return nil
	}
	return more.beyond(less, !a.less.older)
}

// doubtful says what it is that the answer turns on.
func (a *analysis) doubtful(possible *hit) []string {
	var why []string
	for i, field := range possible.fields {
		if n, shared := a.less.numberOf(field.name); shared && possible.texts[i] != "" && len(a.less.sides[n]) == 1 {
			why = append(why, fmt.Sprintf("%s decides: it reads what the analysis does not look into", a.less.sources[n]))
		}
	}
	if a.generic {
		why = append(why, "nothing is known of the issuer: with the generic model every claim is anybody's to choose")
	}
	if possible.unordered {
		why = append(why, "a claim reads the token's parts in an order that the analysis does not follow")
	}
	if len(why) == 0 {
		why = append(why, "the roles may differ on a token that the issuer perhaps mints: "+a.sketch(possible))
	}
	return why
}

func (c *comparison) numberOf(field string) (int, bool) {
	var n int
	_, err := fmt.Sscanf(field, "?%d", &n)
	return n, err == nil
}

// identity is what a condition says, without regard to where it stands and what is said of
// it.
func identity(c *bundles.Condition) string {
	plain := *c
	plain.Source, plain.Message, plain.Of = "", "", nil
	text, err := json.Marshal(plain)
	if err != nil {
		return fmt.Sprintf("%+v", plain)
	}
	said := string(text)
	for i := range c.Of {
		said += identity(&c.Of[i])
	}
	return said
}
