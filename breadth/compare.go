package breadth

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Relation is how a role compares with what it was before.
type Relation string

// Equivalent roles answer alike on every token that the issuer mints. A role is Broadened
// by a token that it newly admits, Narrowed by one that it newly refuses, and Changed by
// one of each. NotBroadened is the proof that nothing is newly admitted where it cannot be
// told whether anything is newly refused. Unclear is the answer where neither a newly admitted
// token nor the proof that there is none was found.
const (
	Equivalent   Relation = "equivalent"
	Broadened    Relation = "broadened"
	Narrowed     Relation = "narrowed"
	Changed      Relation = "changed"
	NotBroadened Relation = "not broadened"
	Unclear      Relation = "undecided"
)

// Change is what the change of a role comes to.
type Change struct {
	Verdict Relation
	// Admitted is newly admitted, Refused newly refused; nil where there is no such token,
	// or none was found.
	Admitted, Refused *Difference
	// Broader and Narrower say in which parts of the tokens, in words.
	Broader, Narrower []string
	// RestsOn lists the facts and assumptions that the verdict needs, Why what it turns on
	// whether anything is newly admitted, WhyRefused whether anything is newly refused.
	RestsOn, Why, WhyRefused []string
	Scope                    *Scope
	Issuer, Model            string
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
// role that admits nothing. Model, scope, facts, time and limits are after's; a scope that is
// not given is inferred from before, whose change it is. The tokens are those of every issuer
// that either role names, and of after's Issuer.
func (a *Analyser) Compare(ctx context.Context, before, after Subject) (*Change, error) {
	issuers, err := issuersOf("", after.Role, before.Role)
	if err != nil {
		return nil, err
	}
	if after.Issuer != "" {
		issuers = merged([]string{asMinted(after.Issuer)}, slices.DeleteFunc(issuers, func(iss string) bool { return iss == "" }))
	}
	limit := cmp.Or(after.Limits.Deadline, DefaultDeadline)
	ctx, cancel := context.WithTimeout(ctx, 2*limit*time.Duration(min(len(issuers), maxIssuers)))
	defer cancel()
	var change *Change
	for _, iss := range issuers {
		asked := after.about(iss)
		one, err := a.compare(ctx, before, after, asked)
		if err != nil {
			return nil, err
		}
		change = change.with(one)
	}
	change.Verdict = change.relation()
	return change, nil
}

// compare answers about the tokens of one issuer.
func (a *Analyser) compare(ctx context.Context, before, after, asked Subject) (*Change, error) {
	change := &Change{}
	for _, direction := range []struct {
		more, less Subject
		older      bool
		found      **Difference
		parts, why *[]string
	}{
		{after, before, true, &change.Admitted, &change.Broader, &change.Why},
		{before, after, false, &change.Refused, &change.Narrower, &change.WhyRefused},
	} {
		if direction.more.Role == nil {
			continue
		}
		asked.Role, asked.Document, asked.Context = direction.more.Role, direction.more.Document, direction.more.Context
		work := newAnalysis(ctx, a, asked)
		work.less = &comparison{
			Role: direction.less.Role, Context: direction.less.Context,
			older: direction.older, shared: map[string]int{},
		}
		if err := work.prepare(); err != nil {
			return nil, err
		}
		var err error
		if *direction.found, err = work.differSafely(); limited(err) {
			work.undecided("a limit was reached: " + err.Error())
		} else if err != nil {
			return nil, err
		}
		if *direction.found == nil {
			work.undecided(work.newlyUnknown()...)
		}
		*direction.parts = work.less.parts
		if change.Scope == nil {
			change.Scope, change.Issuer, change.Model = work.scope, work.issuer, work.model.Name
		}
		change.RestsOn = merged(change.RestsOn, work.result.RestsOn)
		*direction.why = work.result.Why
	}
	return change, nil
}

// differSafely looks for a difference. A panic on the way leaves it undecided.
func (a *analysis) differSafely() (found *Difference, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			found, err = nil, nil
			a.undecided(panicked(recovered))
		}
	}()
	return a.differ()
}

// with adds what was found of another issuer's tokens. Scope and issuer are those of the
// token that is told of first.
func (c *Change) with(other *Change) *Change {
	if c == nil {
		return other
	}
	if c.Admitted == nil && (other.Admitted != nil || c.Refused == nil && other.Refused != nil) {
		c, other = other, c
	}
	c.Admitted, c.Refused = cmp.Or(c.Admitted, other.Admitted), cmp.Or(c.Refused, other.Refused)
	c.Broader, c.Narrower = merged(c.Broader, other.Broader), merged(c.Narrower, other.Narrower)
	c.RestsOn = merged(c.RestsOn, other.RestsOn)
	c.Why, c.WhyRefused = merged(c.Why, other.Why), merged(c.WhyRefused, other.WhyRefused)
	return c
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
	case len(c.WhyRefused) > 0:
		return NotBroadened
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
	from   int
	beside *beside
	// parts are those of the tokens in which the other role is broader, in words.
	parts []string
	// shared numbers what the analysis does not look into, by what it is: a token that has
	// it for the one role has it for the other.
	shared map[string]int
	// sources name these for people, by number; sides counts the roles that have them, and
	// compared holds those that compare a key of AWS with texts.
	sources  []string
	sides    []map[bool]bool
	compared map[int]*bundles.Condition
	// implied are pairs of numbers of which the first never holds without the second.
	implied [][2]int
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

// meant are the stages from which a scope is inferred, without the ways that nothing passes.
func (a *analysis) meant() []bundles.Stage {
	stages := a.stages[:a.itself().to]
	if a.less != nil && a.less.Role != nil && a.less.older {
		stages = a.stages[a.less.from:]
	}
	hopeful := slices.Clone(stages)
	for s := range hopeful {
		hopeful[s].Ways = slices.DeleteFunc(slices.Clone(hopeful[s].Ways), func(way bundles.Way) bool { return hopeless(&way) })
	}
	return hopeful
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

// differ looks for a token that the role accepts and the other refuses, those outside the
// scope first where it is newly admitted and a recycler's last. That none could be told
// leaves the result's Why.
func (a *analysis) differ() (*Difference, error) {
	if a.Role.Refused != "" || a.same() {
		return nil, nil
	}
	if err := a.build(); err != nil {
		return nil, err
	}
	possible, err := a.possibly(func(q *ready) node { return q.forms.any(q.world[may], q.attackers[Recycler][may]) })
	if err != nil || possible == nil {
		return nil, err
	}
	someone := []string{Outsider, Lookalike, Sibling, Developer, ForkMR, Lured, ""}
	circles := []struct {
		names   []string
		outside bool
	}{{someone, true}, {someone, false}, {[]string{Recycler}, true}, {[]string{Recycler}, false}}
	if !a.less.older {
		// Whom the role is meant for comes first where something is refused.
		circles[0], circles[1] = circles[1], circles[0]
	}
	for _, circle := range circles {
		for _, name := range circle.names {
			if name != "" && !a.defines(name) {
				continue
			}
			difference, err := a.differs(name, circle.outside)
			if err != nil {
				return nil, err
			}
			if difference == nil {
				continue
			}
			a.less.parts = a.compareProfiles()
			if a.less.older && (difference.Token.Inside || name == Recycler) {
				return difference, a.perhapsOutside()
			}
			return difference, nil
		}
	}
	a.undecided(a.doubtful(possible)...)
	return nil, nil
}

// possibly looks for a token that perhaps exists, of those who are asked about, on which the
// roles perhaps differ.
func (a *analysis) possibly(who func(*ready) node) (*hit, error) {
	found, _, err := a.find(may, func(q *ready) node { return q.forms.all(q.beyond[may], who(q)) })
	return found, err
}

// perhapsOutside notes that a token outside the scope perhaps does what one inside surely
// does.
func (a *analysis) perhapsOutside() error {
	possible, err := a.possibly(circle("", true, may))
	if err == nil && possible != nil {
		a.undecided("whether a token outside the scope does so too: " + a.sketch(possible))
	}
	return err
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
	a.budget = allSearches * a.search
	difference.Regions, difference.Complete, err = a.regions(found, attacker, outside, admitted)
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
func (a *analysis) number() error {
	if a.less == nil {
		return nil
	}
	a.less.compared = map[int]*bundles.Condition{}
	for s := range a.leaves {
		for w := range a.leaves[s] {
			for c := range a.leaves[s][w] {
				key := a.key(a.condition(s, w, c), s, w >= len(a.stages[s].Ways))
				n, ok := a.less.shared[key]
				if !ok {
					n = len(a.less.sources)
					a.less.shared[key] = n
					a.less.sources = append(a.less.sources, said(a.condition(s, w, c)))
					a.less.sides = append(a.less.sides, map[bool]bool{})
					a.less.compared[n] = a.condition(s, w, c)
				}
				a.less.sides[n][s < a.less.from] = true
				if len(a.less.sides[n]) == 2 {
					a.sameUnknown(a.less.compared[n])
				}
			}
		}
	}
	return a.implications()
}

// implications finds the conditions that compare one key of AWS, whatever that holds, with
// fewer texts than another.
func (a *analysis) implications() error {
	type comparing struct {
		read    keyLeaf
		key     string
		matches *language.Language
	}
	var all []int
	known := map[int]comparing{}
	for n := range a.less.sources {
		c := a.less.compared[n]
		read, texts := comparesKey(c)
		if texts == nil {
			continue
		}
		matches, doubtful, err := a.lower.matching(c, &read)
		if err != nil {
			return err
		}
		if matches == nil || !doubtful.Empty() {
			continue
		}
		read.Op, read.Values, read.Pattern = "", nil, ""
		known[n] = comparing{read, fmt.Sprint(read), matches}
		all = append(all, n)
	}
	for _, n := range all {
		for _, m := range all {
			fewer, more := known[n], known[m]
			if n == m || fewer.key != more.key {
				continue
			}
			if fewer.read.Negated {
				fewer, more = more, fewer
			}
			within, err := a.lower.limits.Subset(a.ctx, fewer.matches, more.matches)
			if err != nil {
				return err
			}
			if within {
				a.less.implied = append(a.less.implied, [2]int{n, m})
			}
		}
	}
	return nil
}

// key tells conditions apart. What a condition that reads no claim comes to may depend on
// what else is known, so that roles of which different things are known share none. What
// could not be read need not be the same for a way in and for a way out.
func (a *analysis) key(c *bundles.Condition, stage int, refusal bool) string {
	key := identity(c)
	if !a.sameContext() && stage >= a.less.from {
		key = "less " + key
	}
	if refusal && c.Test == "unknown" {
		key = "refusal " + key
	}
	return key
}

// sameUnknown notes that both roles have a member that is not known offline, by the same
// expression.
func (a *analysis) sameUnknown(c *bundles.Condition) {
	if notKnown(c) {
		a.rest("the same before and after: " + c.Message)
	}
}

// notKnown reports whether a condition stands for a member that is not known offline.
func notKnown(c *bundles.Condition) bool { return c.Test == "unknown" && c.Operator == "known" }

// newlyUnknown says what of the role is not known offline and is not the same for the other:
// whether they differ by it cannot be told.
func (a *analysis) newlyUnknown() []string {
	known := map[string]bool{}
	eachCondition(a.stages[a.less.from:], func(c *bundles.Condition) { known[c.Message] = true })
	var all []string
	eachCondition(a.stages[:a.less.from], func(c *bundles.Condition) {
		if notKnown(c) && !known[c.Message] {
			all = merged(all, []string{c.Message})
		}
	})
	return all
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

// holds says that the condition of a number holds.
func (q *question) holds(number int) (node, error) {
	one, err := q.lower.exact("1")
	if err != nil {
		return no, err
	}
	return q.reads([]issuer.Piece{{Field: sharedName(number)}}, one, true), nil
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
		return r.accepting(l, true, refusal)
	}); err != nil {
		return err
	}
	if a.less.Role == nil || a.less.Role.Refused != "" {
		less, r.less = no, no
	}
	parts := []node{more, r.forms.not(less)}
	for _, pair := range a.less.implied {
		first, err := r.holds(pair[0])
		if err != nil {
			return err
		}
		second, err := r.holds(pair[1])
		if err != nil {
			return err
		}
		parts = append(parts, r.forms.any(r.forms.not(first), second))
	}
	r.beyond[may] = r.forms.all(parts...)
	r.beyond[must] = r.forms.all(surely, r.forms.not(r.less))
	// What the roles read in another order has its number.
	r.unordered = false
	return nil
}

// exact says that stages let a token through, with what the analysis does not look into by
// its number.
func (a *analysis) exact(q *question, stages stageRange) (node, error) {
	return a.through(q, stages, func(l *leaf, c *bundles.Condition, stage int, refusal bool) (node, error) {
		perhaps, err := q.leaf(l, true)
		if err != nil {
			return no, err
		}
		surely, err := q.leaf(l, false)
		if err != nil {
			return no, err
		}
		opaque := (l.assumed || l.chosen) && !standsApart(c)
		if perhaps == surely && !opaque {
			return surely, nil
		}
		holds, err := q.holds(a.less.shared[a.key(c, stage, refusal)])
		if err != nil || opaque {
			return holds, err
		}
		return q.forms.any(surely, q.forms.all(holds, perhaps)), nil
	})
}

// standsApart reports whether a condition is the whole of others that stand beside it, as
// Google's condition is of its conjuncts.
func standsApart(c *bundles.Condition) bool { return c.Name == "condition" && len(c.Formula) > 0 }

// compareProfiles says in which parts of the tokens the role is broader than the other.
func (a *analysis) compareProfiles() []string {
	if a.less.Role == nil {
		return nil
	}
	a.budget = allSearches * a.search
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
			why = merged(why, []string{fmt.Sprintf("%s decides: it reads what the analysis does not look into", a.less.sources[n])})
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

// identity is what a condition says, without regard to where it stands, to what is said of
// it and to the order of a list.
func identity(c *bundles.Condition) string {
	plain := ordered{*c}
	plain.Source, plain.Of = "", nil
	if c.Test != "unknown" {
		plain.Message = ""
	}
	if read, texts := comparesKey(c); texts != nil {
		plain.Test, plain.Values, plain.Pattern, plain.Wanted = "", nil, "", texts
		if !slices.ContainsFunc(texts, func(text string) bool { return strings.ContainsAny(text, "*?") }) {
			// Without a wildcard both are the same.
			plain.Operator = strings.NewReplacer("StringLike", "StringEquals", "StringNotLike", "StringNotEquals").Replace(c.Operator)
		}
		read.Op, read.Values, read.Pattern = "", nil, ""
		if text, err := json.Marshal(read); err == nil {
			plain.Leaf = text
		}
	} else {
		plain.inOrder()
	}
	text, err := json.Marshal(plain.Condition)
	if err != nil {
		return fmt.Sprintf("%+v", plain)
	}
	said := string(text)
	for i := range c.Of {
		said += identity(&c.Of[i])
	}
	return said
}

// ordered is a condition whose lists are brought into one order.
type ordered struct{ bundles.Condition }

// inOrder sorts what is wanted where that is texts, of which any will do.
func (o *ordered) inOrder() {
	list, isList := o.Wanted.([]any)
	if !isList {
		list = []any{o.Wanted}
	}
	o.Wanted = list
	texts := textsIn(list)
	if len(texts) < len(list) || !slices.Contains([]string{"in", "in_any", "pattern_any"}, o.Test) {
		return
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	o.Wanted = texts
	if o.Test == "pattern_any" {
		o.Pattern = ""
	} else if values := textsIn(o.Values); len(values) == len(o.Values) {
		slices.Sort(values)
		o.Values = anyOf(slices.Compact(values))
	}
}

// comparesKey reads a condition of AWS that compares a key with texts, each of which it
// returns once and in order; nil where it is none.
func comparesKey(c *bundles.Condition) (read keyLeaf, texts []string) {
	if c.Analysis != "leaf" || !strings.Contains(c.Operator, "String") || json.Unmarshal(c.Leaf, &read) != nil {
		return read, nil
	}
	var wanted []any
	switch list, isList := c.Wanted.([]any); {
	case read.Op == "in":
		wanted = read.Values
	case read.Op == "pattern" && isList:
		wanted = list
	case read.Op == "pattern":
		wanted = []any{c.Wanted}
	}
	if texts = textsIn(wanted); len(texts) == 0 || len(texts) < len(wanted) {
		return read, nil
	}
	slices.Sort(texts)
	return read, slices.Compact(texts)
}
