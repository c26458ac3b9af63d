package breadth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Verdict is the answer for a role, or for one attacker.
type Verdict string

// Tight is a proof, Broad has a witness. Dead roles accept no token that the issuer
// mints. None is the answer for an attacker that the scope does not define.
const (
	Tight     Verdict = "tight"
	Broad     Verdict = "broad"
	Dead      Verdict = "dead"
	Undecided Verdict = "undecided"
	None      Verdict = "none"
)

// The bounds of one analysis, unless Limits say otherwise.
const (
	DefaultSearch   = 200_000
	DefaultDeadline = 5 * time.Second
)

// Limits bound what one analysis may cost; past them it is undecided. Search counts the
// states of each search's product; Deadline is wall-clock time. Zero is the default.
type Limits struct {
	Search   int
	Deadline time.Duration
}

// Subject is what an analysis is about.
type Subject struct {
	Role *bundles.Role
	// Document is what the role was prepared from; with it, changes to the role are tried.
	Document *trustcheck.Document
	// Issuer is the token's iss; empty where the role says, or where Model or the claims
	// that the role names tell.
	Issuer string
	// Model is an issuer's name, or "generic"; empty where the issuer tells.
	Model string
	// Scope is nil where it is to be inferred, Facts where nothing is known.
	Scope *Scope
	Facts *Facts
	// Context is what the platform knows beside role and token.
	Context map[string]any
	Now     time.Time
	Limits  Limits
	// Detail asks for regions and profile as well, which cost more than the verdict.
	Detail bool

	// several says that the role takes tokens of other issuers too, which may be those that
	// the scope means.
	several bool
}

// Result is what an analysis found.
type Result struct {
	Verdict   Verdict
	Attackers map[string]Verdict
	// Attacker is who can use Witness, a token outside the scope that the role accepts;
	// empty where no attacker is known and where the role is not broad.
	Attacker string
	Witness  *Token
	// Tokens holds a token for every attacker that gets in, outside the scope where there
	// is one.
	Tokens map[string]*Token
	// RestsOn lists the facts and assumptions that the verdict needs.
	RestsOn []string
	// Why says why the role is dead or undecided.
	Why []string
	// Nearest says which change brings a dead role to life; empty where none was found.
	Nearest  string
	Findings []Finding
	// Regions are sets of tokens around Witness, each proven to be let in; all that
	// Attacker has where Complete is set.
	Regions  []Region
	Complete bool
	// Profile says what the accepted tokens have; nil where a limit was reached.
	Profile Profile
	Scope   *Scope
	Issuer  string
	Model   string

	// foreign says that no token of the issuer lies in the scope.
	foreign bool
}

// Token is a token that the issuer mints. Inside says whether it lies in the scope, Fix
// which change of the role refuses it and keeps the scope's tokens.
type Token struct {
	Claims map[string]any
	Inside bool
	Fix    string
}

// Analyser analyses roles. It is safe for concurrent use.
type Analyser struct{ bundle *bundles.Bundle }

// New returns an analyser that replays what it finds through the bundle.
func New(bundle *bundles.Bundle) *Analyser { return &Analyser{bundle} }

// analysis is one analysis under way.
type analysis struct {
	Subject
	ctx    context.Context
	bundle *bundles.Bundle
	// stages are those of the role and, where it is compared, behind them those of less.
	stages []bundles.Stage
	// leaves are the conditions of every stage: ways first, then refusals.
	leaves [][][]leaf
	// less is the role that this one is held against; nil where it is not compared.
	less    *comparison
	model   *issuer.Model
	issuer  string
	scope   *Scope
	facts   *Facts
	tenants tenants
	guessed []string
	// read holds the claims that the role reads, asked those that role or scope do,
	// interesting those that any formula may.
	read, asked, interesting map[string]bool
	literals                 map[string][]any
	refs, environments       bool
	lower                    *lowering
	beside                   *beside
	tables                   *tables
	// search bounds one search, budget what is left for all.
	search, budget int
	worlds         []world
	// spelled holds, by release and choice, the subjects that a cover leaves to others.
	spelled map[string]map[string]string
	result  *Result
	// hits are what the result's tokens were found by; a result holds none of it, or it would
	// keep all of the analysis alive.
	hits    map[*Token]*hit
	unknown []string
	generic bool
	// tenanted says that the issuer is one tenant's alone.
	tenanted bool
	// rego says that a rule was read that its user wrote, readsNow that one reads the time.
	rego, readsNow bool
}

// world is what the issuer mints in one release.
type world struct {
	release   string
	questions []*ready
}

// ready is a question with the formulas that attackers share, over what perhaps holds and
// over what surely does.
type ready struct {
	*question
	role, inside, world [2]node
	attackers           map[string][2]node
	// anyCase is the world in which case tells names apart.
	anyCase [2]node
	// beyond says that the role accepts what the one that it is compared with refuses.
	beyond [2]node
	// less says that the one that it is compared with perhaps accepts.
	less node
	// told is what regions that were found hold.
	told node
	// parts are the questions of a cover's finer covers, once they were needed.
	parts []*ready
}

// Analyse answers about one role. An error means that it was asked wrongly; what cannot
// be told is an undecided result, and so is what an analysis that panics was asked.
func (a *Analyser) Analyse(ctx context.Context, subject Subject) (*Result, error) {
	issuers, err := issuersOf(subject.Issuer, subject.Role)
	if err != nil {
		return nil, err
	}
	subject.several = len(issuers) > 1
	limit := cmp.Or(subject.Limits.Deadline, DefaultDeadline)
	ctx, cancel := context.WithTimeout(ctx, limit*time.Duration(min(len(issuers), maxIssuers)))
	defer cancel()
	var result *Result
	for _, iss := range issuers {
		one, err := a.analyse(ctx, subject.about(iss))
		if err != nil {
			return nil, err
		}
		result = result.with(one)
	}
	if result.foreign && subject.several {
		result.Verdict, result.Attacker, result.Witness = Undecided, "", nil
		result.Why = merged([]string{nobodyInside(result.Scope)}, result.Why)
		result.RestsOn = merged(result.Why, result.RestsOn)
	}
	return result, nil
}

// maxIssuers bounds how many deadlines the issuers of one role have together.
const maxIssuers = 4

// about is the same subject where the tokens are those of one issuer. A model that was given
// with another issuer says nothing of it.
func (s Subject) about(iss string) Subject {
	if s.Issuer != "" && asMinted(s.Issuer) != iss {
		s.Model = ""
	}
	s.Issuer = iss
	return s
}

// analyse answers about the tokens of one issuer.
func (a *Analyser) analyse(ctx context.Context, subject Subject) (result *Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(subject.Limits.Deadline, DefaultDeadline))
	defer cancel()
	work := newAnalysis(ctx, a.bundle, subject)
	defer func() {
		if recovered := recover(); recovered != nil {
			result, err = work.broken(recovered), nil
		}
	}()
	if err := work.prepare(); err != nil {
		return nil, err
	}
	if err := work.answer(); limited(err) {
		work.undecided("a limit was reached: " + err.Error())
	} else if err != nil {
		return nil, err
	}
	if subject.Detail {
		if err := work.detail(); err != nil && !limited(err) {
			return nil, err
		}
	}
	work.change()
	work.result.Findings = work.findings()
	return work.result, nil
}

// broken is the result of an analysis that panicked: nothing that it found before counts.
func (a *analysis) broken(recovered any) *Result {
	a.result = newResult()
	a.undecided(panicked(recovered))
	a.result.Scope, a.result.Issuer = a.scope, a.issuer
	a.result.Findings = a.findings()
	return a.result
}

func panicked(recovered any) string {
	return fmt.Sprintf("evaluation_failed: the analysis panicked: %v: this is a bug of trustcheck, please report the role", recovered)
}

// newResult has nothing decided.
func newResult() *Result {
	result := &Result{Verdict: Undecided, Attackers: map[string]Verdict{}, Tokens: map[string]*Token{}}
	for _, name := range Attackers() {
		result.Attackers[name] = Undecided
	}
	return result
}

func newAnalysis(ctx context.Context, bundle *bundles.Bundle, subject Subject) *analysis {
	return &analysis{
		Subject: subject, ctx: ctx, bundle: bundle,
		lower:  newLowering(ctx),
		tables: newTables(),
		hits:   map[*Token]*hit{},
		search: cmp.Or(subject.Limits.Search, DefaultSearch),
		budget: allSearches * cmp.Or(subject.Limits.Search, DefaultSearch),
	}
}

// detail finds the regions around the witness and the role's profile.
func (a *analysis) detail() error {
	if a.result.Verdict == Dead || len(a.worlds) == 0 {
		return nil
	}
	a.budget = allSearches * a.search
	var err error
	if a.result.Profile, err = a.profile(func(q *ready) node { return q.role[may] }); err != nil {
		a.result.Profile = nil
		return err
	}
	if a.result.Verdict != Broad {
		return nil
	}
	a.result.Regions, a.result.Complete, err = a.regions(a.hits[a.result.Witness],
		func(q *ready) node { return q.role[must] }, circle(a.result.Attacker, true, may))
	return err
}

// change looks for the change that closes a broad role or revives a dead one.
func (a *analysis) change() {
	if !a.changeable() {
		return
	}
	switch a.result.Verdict {
	case Broad:
		a.result.Witness.Fix = a.closing(a.result.Witness)
	case Dead:
		a.result.Nearest = a.reviving()
	case Tight:
		if token := a.result.Tokens[Developer]; token != nil {
			token.Fix = a.closing(token)
		}
	}
}

// prepare reads the role and settles issuer, model, scope and what is looked at.
func (a *analysis) prepare() error {
	var err error
	if a.stages, err = a.written(a.Role, a.Context); err != nil {
		return err
	}
	if a.stages, err = neutral(a.stages); err != nil {
		return err
	}
	if err := a.readLess(); err != nil {
		return err
	}
	a.result = newResult()
	if a.facts = a.Facts; a.facts == nil {
		a.facts = &Facts{}
	}
	if err := a.identify(); err != nil {
		return err
	}
	if err := a.checkScope(); err != nil {
		return err
	}
	if err := a.checkTemplate(); err != nil {
		return err
	}
	a.stages = ofIssuer(a.stages, a.issuer)
	a.settle()
	if err := a.withCaller(); err != nil {
		return err
	}
	a.lower.issuer, a.lower.now, a.lower.generic = a.issuer, a.Now, a.generic
	a.lower.algorithms = a.model.Algorithms
	a.lower.mints = func(claim string) bool {
		_, ok := a.model.Claims[claim]
		return ok
	}
	a.lower.tags = a.lower.mints("https://aws.amazon.com/tags")
	names := &a.model.Names
	if a.scope = a.Subject.Scope; a.scope == nil {
		a.scope = infer(a.meant(), names)
		if roots := guessedRoots(a.meant(), a.model); len(a.scope.Circles) == 0 && len(roots) > 0 && names.SubjectPath != "" && hasFormula(a.stages) {
			// Of an expression, whose name stands in a part of a claim is meant.
			a.scope.Circles = []Circle{{{Claim: names.Group, Within: roots}}}
		}
		if len(a.scope.Circles) == 0 && a.tenanted {
			a.scope.Circles = []Circle{{{Claim: "iss", Values: []any{a.issuer}}}}
		}
		if len(a.scope.Circles) == 0 {
			a.rest("the scope was not given and the role names no project or group: every token counts as outside")
		} else {
			a.rest("the scope was not given and is taken from the role: " + a.scope.String())
		}
	}
	a.unasked()
	if a.readsNow {
		a.rest("the role reads the time: the answer is that of " + a.Now.UTC().Format(time.RFC3339))
	}
	if len(a.facts.Ignored) > 0 {
		a.rest("facts that say nothing about these tokens were passed over: " + strings.Join(a.facts.Ignored, ", "))
	}
	a.result.Scope, a.result.Issuer, a.result.Model = a.scope, a.issuer, a.model.Name
	a.tenants.tenanted = a.tenanted
	for _, circle := range a.scope.Circles {
		for i := range circle {
			a.tenants.add(&circle[i], names)
			a.lower.literals = append(a.lower.literals, textsIn(circle[i].Values)...)
		}
	}
	a.own(names)
	a.guessed = guessedRoots(a.stages, a.model)
	a.interest(names)
	return nil
}

// unasked says what the answer leaves aside, and what the role does not ask for.
func (a *analysis) unasked() {
	eachCondition(a.stages, func(c *bundles.Condition) {
		switch {
		case c.Test != "platform":
		case c.Name == "address":
			a.rest(fmt.Sprintf("where callers are is not looked into: an attacker is taken to have an address inside %s %v", said(c), c.Wanted))
		case strings.HasPrefix(c.Name, "no_audience_"):
			a.rest(said(c) + " is missing: no token gets in that has an audience, and nearly all have one")
		}
	})
}

// hasFormula reports whether a way of the stages has an expression.
func hasFormula(stages []bundles.Stage) bool {
	found := false
	eachCondition(stages, func(c *bundles.Condition) { found = found || c.Analysis == "formula" })
	return found
}

// own collects the accounts taken to be insiders', and the values that nobody chooses.
func (a *analysis) own(names *issuer.Parts) {
	a.tenants.owned = owned(a.stages, names)
	for _, circle := range a.scope.Circles {
		for _, c := range circle {
			if slices.Contains(names.Persons, c.Claim) && !c.Not {
				for _, text := range textsIn(c.Values) {
					a.tenants.owned[c.Claim] = append(a.tenants.owned[c.Claim], quotedAny([]string{text}))
				}
			}
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(a.tenants.owned)) {
		a.rest(fmt.Sprintf("the accounts that the role names in %s belong to insiders", claim))
	}
	a.literals = map[string][]any{}
	eachWanted(a.stages, func(c *bundles.Condition) {
		claim := claimOf(c)
		if claim == names.PersonGroups {
			for _, start := range starts(c) {
				if !start.open {
					a.tenants.personGroups = append(a.tenants.personGroups, start.text)
				}
			}
		}
		if claim == names.Subject && names.SubjectPath != "" {
			ofSubjects(c, names, func(key, value string) {
				if slices.Contains(names.Assigned, key) {
					a.literal(key, value)
				}
			})
			return
		}
		values := spelt(c)
		switch {
		case claim == names.Subject && len(names.SubjectIDs) > 0:
			values = anyOf(bareSubjects(textsIn(values), names))
		case slices.Contains(names.Persons, claim) && !slices.Contains(names.Assigned, claim):
			// Who may install a program is not known of every one.
			values = slices.DeleteFunc(values, func(value any) bool {
				account, _ := value.(string)
				return !names.IsApp(account) || slices.Contains(names.Everywhere, account)
			})
		case !slices.Contains(names.Assigned, claim):
			return
		case claim == names.GroupID && a.tenantIsGroup():
			// It is the tenant's, or no token has it.
			a.tenants.groupIDs = append(a.tenants.groupIDs, textsIn(values)...)
		}
		for _, value := range values {
			a.literal(claim, value)
		}
	})
}

// literal notes a value that nobody chooses, and that the scope does not give to a tenant.
// Accounts are insiders', but for those of programs.
func (a *analysis) literal(claim string, value any) {
	text, names := fmt.Sprint(value), &a.model.Names
	if slices.Contains(names.Persons, claim) && !names.IsApp(text) {
		return
	}
	if _, known := a.facts.Runners[text]; known && claim == names.Runner {
		return
	}
	if !slices.Contains(a.idsOf(claim), text) && !slices.Contains(a.literals[claim], value) {
		a.literals[claim] = append(a.literals[claim], value)
	}
}

// inScope reports whether the scope names a value of a claim.
func (a *analysis) inScope(claim string, value any) bool {
	return slices.ContainsFunc(a.scope.Circles, func(circle Circle) bool {
		return slices.ContainsFunc(circle, func(c Constraint) bool { return c.Claim == claim && !c.Not && slices.Contains(c.Values, value) })
	})
}

// beyond are the ids that the role names and that lie outside the scope, whoever has them:
// each of its circles says which ids it means.
func (a *analysis) beyond() map[string][]any {
	all := map[string][]any{}
	add := func(claim string, value any) {
		if claim != "" && value != "" && !a.inScope(claim, value) && a.scopeSettles(claim) {
			all[claim] = append(all[claim], value)
		}
	}
	for claim, values := range a.literals {
		for _, value := range values {
			add(claim, value)
		}
	}
	names := &a.model.Names
	eachWanted(a.stages, func(c *bundles.Condition) {
		if names.Subject == "" || claimOf(c) != names.Subject {
			return
		}
		for _, start := range starts(c) {
			groupID, id := subjectIDs(components(start, names), names)
			add(names.GroupID, groupID)
			add(names.ID, id)
		}
	})
	return all
}

// scopeSettles reports whether every circle that was given lists what a claim is.
func (a *analysis) scopeSettles(claim string) bool {
	return !a.scope.Inferred && !slices.ContainsFunc(a.scope.Circles, func(circle Circle) bool {
		return !slices.ContainsFunc(circle, func(c Constraint) bool { return c.Claim == claim && !c.Not && len(c.Values) > 0 })
	})
}

// spelt are the values that a condition wants, and the texts that its pattern spells out.
func spelt(c *bundles.Condition) []any {
	all := slices.Clone(c.Values)
	if c.Pattern == "" {
		return all
	}
	for _, start := range starts(c) {
		all = append(all, start.text)
	}
	for _, text := range wantedTexts(c) {
		all = append(all, strings.Trim(text, "*"))
	}
	return slices.DeleteFunc(all, func(value any) bool { return value == "" })
}

// idsOf are the values that the scope names of a claim that is an id.
func (a *analysis) idsOf(claim string) []string {
	switch names := &a.model.Names; claim {
	case names.ID, names.JobID:
		return a.tenants.ids
	case names.GroupID, names.JobGroupID:
		return a.tenants.groupIDs
	case names.Subject:
		return slices.Concat(append(slices.Collect(maps.Values(a.tenants.others)), a.tenants.ids, a.tenants.groupIDs)...)
	default:
		return a.tenants.others[claim]
	}
}

// interest settles which claims are looked at; choices that none depends on need not be
// told apart.
func (a *analysis) interest(names *issuer.Parts) {
	a.read, a.interesting = map[string]bool{}, map[string]bool{}
	see := func(name string) {
		if _, ok := a.model.Claims[name]; ok {
			a.interesting[name] = true
		}
	}
	for s := range a.stages {
		for _, way := range slices.Concat(a.stages[s].Ways, a.stages[s].Refusals) {
			for c := range way.Conditions {
				paths, _, _ := places(&way.Conditions[c])
				for _, path := range paths {
					if len(path) == 0 {
						continue
					}
					if name, ok := path[0].(string); ok {
						a.read[name] = true
						see(name)
					}
				}
			}
		}
	}
	for _, circle := range a.scope.Circles {
		for _, c := range circle {
			see(c.Claim)
		}
	}
	a.asked = maps.Clone(a.interesting)
	for _, list := range a.subjects() {
		for _, component := range list {
			// Whether it is there tells subjects apart.
			if a.model.Claims[component].Absent {
				see(component)
			}
		}
	}
	a.refs = a.touches(names.Ref, names.RefType, names.Protected, names.TagRef)
	// Where no name is sure to be unprotected, what a developer may use is to be told.
	a.refs = a.refs || names.Ref != "" && regexp.MustCompile(a.refPattern(a.facts.ProtectedBranches)).MatchString("x")
	a.environments = a.touches(names.Environment, names.EnvironmentProtected)
	if a.environments {
		for _, environment := range a.facts.Environments {
			a.refs = a.refs || len(environment.Branches) > 0
		}
	}
	if a.refs {
		see(names.Ref)
		see(names.RefType)
		see(names.Protected)
		see(names.TagRef)
	}
	if a.environments {
		see(names.Environment)
		see(names.EnvironmentProtected)
	}
	if len(a.facts.ReusableWorkflows) > 0 && a.touches(names.Workflow) {
		see(names.Workflow)
	}
	if a.touches(names.Level) {
		see(names.Level)
	}
	for _, name := range []string{names.Path, names.Group, names.ID, names.GroupID, names.JobPath, names.JobGroup, names.JobID, names.JobGroupID} {
		see(name)
	}
	for _, name := range slices.Concat(names.Below, slices.Collect(maps.Keys(a.tenants.others)),
		slices.Collect(maps.Keys(a.literals)), slices.Collect(maps.Keys(a.tenants.owned))) {
		see(name)
	}
}

// touches reports whether a claim that is looked at hangs together with one of these:
// by a field that both read in some shape.
func (a *analysis) touches(names ...string) bool {
	fields := map[string]bool{}
	for _, name := range names {
		if name == "" {
			continue
		}
		for field := range a.fieldsOf(name) {
			fields[field] = true
		}
		if a.interesting[name] {
			return true
		}
	}
	for name := range a.interesting {
		for field := range a.fieldsOf(name) {
			if fields[field] {
				return true
			}
		}
	}
	return false
}

func (a *analysis) fieldsOf(claim string) map[string]bool {
	fields := reads(a.model, claim)
	delete(fields, "issuer")
	delete(fields, "host")
	return fields
}

// build makes the formulas of every shape in every release that there may be.
func (a *analysis) build() error {
	if err := a.lowerRole(); err != nil {
		return err
	}
	if err := a.number(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, release := range a.releases() {
		shapes := variants(a.model, release, a.facts, a.interesting, a.mentions, a.subjects())
		var key strings.Builder
		for _, shape := range shapes {
			key.WriteString(shape.key)
		}
		if seen[key.String()] {
			continue
		}
		seen[key.String()] = true
		here := world{release: release}
		if err := a.spellOut(release, shapes); err != nil {
			return err
		}
		for _, shape := range shapes {
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
	}
	return nil
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
	if err := a.hold(r); err != nil {
		return nil, err
	}
	for mode, may := range []bool{true, false} {
		if r.inside[mode], err = a.inside(q, may); err != nil {
			return nil, err
		}
		if r.world[mode], r.anyCase[mode], err = a.world(q, may); err != nil {
			return nil, err
		}
		for _, name := range Attackers() {
			if !a.defines(name) {
				continue
			}
			formula, err := a.attacker(q, name, may)
			if err != nil {
				return nil, err
			}
			if name != Recycler {
				formula = q.forms.all(formula, r.world[mode])
			}
			pair := r.attackers[name]
			pair[mode] = formula
			r.attackers[name] = pair
		}
	}
	return r, nil
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

// The modes of a question: over what perhaps holds, or over what surely does.
const (
	may  = 0
	must = 1
)

// find looks for a token of the formula in every release; missing says in how many there
// is none.
func (a *analysis) find(mode int, formula func(*ready) node) (found *hit, missing int, err error) {
	for _, w := range a.worlds {
		here, err := a.findIn(&w, mode, formula)
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

func (a *analysis) findIn(w *world, mode int, formula func(*ready) node) (*hit, error) {
	for _, q := range w.questions {
		if mode == must && (q.cover || a.generic) {
			continue
		}
		goal := formula(q)
		if goal == no {
			if mode == may && q.unordered {
				return &hit{ready: q, goal: goal}, nil
			}
			continue
		}
		texts, err := a.ask(q.question, goal, mode, nil)
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
		found, err := a.findIn(&world{release: w.release, questions: parts}, mode, formula)
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// partsOf makes the questions of a cover's finer covers. Should they read what the common
// alphabet was not made for, all questions get another.
func (a *analysis) partsOf(q *ready) ([]*ready, error) {
	if q.parts != nil {
		return q.parts, nil
	}
	var parts []*ready
	known := true
	for _, shape := range distinct(a.model, q.variant.parts(), a.interesting) {
		part, err := a.ready(shape)
		if err != nil {
			return nil, err
		}
		known = known && a.tables.have(part.languages)
		a.tables.add(part.languages)
		parts = append(parts, part)
	}
	q.parts = parts
	if known {
		for _, part := range parts {
			part.question.ready(a.tables)
		}
		return parts, nil
	}
	a.retable()
	return parts, nil
}

// retable gives all questions the tables of another common alphabet, with the atoms that
// came late.
func (a *analysis) retable() {
	var all []*ready
	for _, w := range a.worlds {
		all = append(all, w.questions...)
	}
	for i := 0; i < len(all); i++ {
		a.tables.add(all[i].languages)
		all = append(all, all[i].parts...)
	}
	a.tables.refine()
	for _, q := range all {
		q.question.ready(a.tables)
	}
}

// finerDomains are the languages of the fields that a cover's finer covers read.
func (q *question) finerDomains() ([]*language.Language, error) {
	var all []*language.Language
	seen := map[string]bool{}
	var finer []issuer.Alternative
	for _, name := range slices.Sorted(maps.Keys(q.finerLists)) {
		finer = append(finer, q.finerLists[name]...)
	}
	for i := range finer {
		for _, claim := range finer[i].Claims {
			for _, piece := range q.written(claim.Text + claim.Also) {
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
	if last := len(q.atoms) - 1; last >= 0 && q.atoms[last].table == nil {
		a.retable() // The formula was made after the tables.
	}
	allowed := max(0, min(states, a.search, a.budget))
	left := allowed
	texts, err := q.search(a.ctx, goal, mode, spans, &left)
	a.budget -= allowed - max(left, 0)
	return texts, err
}

// answer asks the questions in order. What a limit cuts short leaves the others alone: a
// token that was found is a token.
func (a *analysis) answer() error {
	if a.Role.Refused != "" {
		a.dead("the platform refuses to store the role: " + a.Role.Refused)
		return nil
	}
	if err := a.build(); err != nil {
		return err
	}
	alive, _, err := a.find(may, func(q *ready) node { return q.forms.all(q.role[may], q.world[may]) })
	if err != nil && !limited(err) {
		return err
	}
	if alive == nil && err == nil {
		a.dead(a.deadBecause()...)
		return a.askLater()
	}
	if !(a.scope.Inferred && !a.tenants.named()) {
		someone, _, err := a.find(may, func(q *ready) node { return q.inside[may] })
		if err != nil && !limited(err) {
			return err
		}
		a.result.foreign = someone == nil && err == nil
		if a.result.foreign && !a.several {
			a.undecided(nobodyInside(a.scope))
			return nil
		}
	}
	var cut error
	for _, name := range []string{Lured, Outsider, Lookalike, Sibling, Developer, ForkMR, Recycler} {
		if err := a.askAttacker(name); limited(err) {
			cut = err
		} else if err != nil {
			return err
		}
	}
	if a.foundOutside() {
		return nil
	}
	if cut != nil {
		return cut
	}
	return a.overall()
}

func nobodyInside(scope *Scope) string {
	return "the scope contradicts itself: no token that the issuer mints lies inside " + scope.String()
}

// askLater asks about tokens that nobody can get today, but whoever takes over a name can:
// a role that is dead today need not be tight for a recycler.
func (a *analysis) askLater() error {
	err := a.askAttacker(Recycler)
	if limited(err) {
		a.result.Attackers[Recycler] = Undecided
		return nil
	}
	return err
}

// foundOutside reports whether an attacker's token shows that the role is broad.
func (a *analysis) foundOutside() bool {
	for _, name := range Attackers() {
		if token := a.result.Tokens[name]; token != nil && name != Recycler && !token.Inside {
			a.broad(name, token)
			return true
		}
	}
	return false
}

// askAttacker answers one attacker's question.
func (a *analysis) askAttacker(name string) error {
	if !a.defines(name) {
		a.result.Attackers[name] = None
		return nil
	}
	if a.excluded(name) {
		a.result.Attackers[name] = Tight
		return nil
	}
	accepted := func(mode int) func(*ready) node {
		return func(q *ready) node { return q.forms.all(q.role[mode], q.attackers[name][mode]) }
	}
	// What perhaps gets in comes first: where nobody does, nobody surely does.
	possible, _, cut := a.find(may, accepted(may))
	if cut != nil && !limited(cut) {
		return cut
	}
	if possible == nil && cut == nil {
		a.result.Attackers[name] = Tight
		return nil
	}
	outside := func(q *ready) node {
		return q.forms.all(accepted(must)(q), q.forms.not(q.inside[may]))
	}
	for _, goal := range []func(*ready) node{outside, accepted(must)} {
		found, missing, err := a.find(must, goal)
		if err != nil {
			return err
		}
		if found == nil || missing > 0 {
			continue
		}
		token, err := a.token(found, name)
		if err != nil {
			return err
		}
		if token == nil {
			return nil
		}
		a.result.Attackers[name], a.result.Tokens[name] = Broad, token
		return nil
	}
	return cut
}

// excluded reports whether it was proven of those among whom an attacker is that none of
// them gets in: whoever may be lured need not be an insider.
func (a *analysis) excluded(name string) bool {
	tight := func(name string) bool { return a.result.Attackers[name] == Tight }
	return name == Lookalike && tight(Outsider) || (name == Outsider || name == Lookalike) && tight(Lured)
}

// outside says that a token lies outside the scope and gets in.
func (a *analysis) outside(mode int) func(*ready) node {
	return func(q *ready) node {
		return q.forms.all(q.role[mode], q.world[mode], q.forms.not(q.inside[1-mode]))
	}
}

// overall answers about the scope.
func (a *analysis) overall() error {
	possible, _, err := a.find(may, a.outside(may))
	if err != nil {
		return err
	}
	if possible == nil {
		a.tight()
		return a.because()
	}
	found, missing, err := a.find(must, a.outside(must))
	if err != nil {
		return err
	}
	if found != nil && missing == 0 {
		token, err := a.token(found, "")
		if err != nil || token == nil {
			return err
		}
		if !token.Inside {
			a.broad("", token)
			return nil
		}
	}
	a.undecided(a.doubt(possible, found, missing)...)
	return nil
}

func (a *analysis) broad(attacker string, token *Token) {
	a.result.Verdict, a.result.Attacker, a.result.Witness = Broad, attacker, token
	names := &a.model.Names
	if (attacker == Developer || attacker == ForkMR) && names.RefType != "" && token.Claims[names.RefType] == names.Tag && a.takenForOpen("protected_tags") {
		a.rest("no tag is protected: the fact protected_tags was not given")
	}
}

func (a *analysis) tight() {
	a.result.Verdict = Tight
	a.rest(fmt.Sprintf("the model of %s as of %s: no other claims, shapes and letters than it has", a.model.Title, a.model.AsOf))
	for _, name := range a.neededFacts() {
		a.rest(fmt.Sprintf("the fact %s: %s", name, spelled(a.facts.members()[name])))
	}
	if a.result.Attackers[ForkMR] == Undecided && !a.facts.knows("fork_pipelines") {
		a.rest("whether builds of strangers' forks get tokens: the fact fork_pipelines was not given")
	}
	if a.refs && a.tenants.named() && a.forkable() && a.model.Names.JobPath != "" {
		a.rest("who runs a merge request's pipeline may push to its branch, and no project of the scope is a fork of a stranger's")
	}
}

func (a *analysis) dead(why ...string) {
	a.result.Verdict, a.result.Why = Dead, why
	for _, name := range Attackers() {
		a.result.Attackers[name] = Tight
		if !a.defines(name) {
			a.result.Attackers[name] = None
		}
	}
}

func (a *analysis) undecided(why ...string) {
	a.result.Verdict = Undecided
	a.result.Why = append(a.result.Why, why...)
	for _, reason := range why {
		a.rest(reason)
	}
}

func (a *analysis) rest(on string) {
	if !slices.Contains(a.result.RestsOn, on) {
		a.result.RestsOn = append(a.result.RestsOn, on)
	}
}

// doubt says what the answer turns on.
func (a *analysis) doubt(possible, sure *hit, missing int) []string {
	var why []string
	if a.tenanted && !a.tenantIsGroup() && sure == nil {
		why = append(why, "whether the issuer's tenant has other groups than the scope's decides: a token may pass of one that the role admits")
	}
	why = append(why, a.unknown...)
	why = append(why, a.unsure(possible)...)
	if a.generic {
		why = append(why, "nothing is known of the issuer: with the generic model every claim is anybody's to choose")
	}
	if a.issuer == "" && !a.generic {
		why = append(why, "whose issuer the role trusts decides: it was not given")
	}
	if possible.unordered {
		why = append(why, "a claim reads the token's parts in an order that the analysis does not follow")
	}
	if sure != nil && missing > 0 {
		why = append(why, "the fact issuer_version decides")
	}
	for _, fact := range []struct {
		name    string
		matters bool
	}{
		{"protected_branches", a.refs}, {"protected_tags", a.refs}, {"environments", a.environments},
	} {
		if fact.matters && a.tenants.named() && !a.facts.knows(fact.name) {
			why = append(why, "the fact "+fact.name+" decides: it was not given")
		}
	}
	for _, claim := range a.families() {
		why = append(why, fmt.Sprintf("what the scope's owners put into %s decides: nobody has said", claim))
	}
	if a.tenants.named() && len(a.tenants.roots()) == 0 && len(a.guessed) > 0 {
		why = append(why, fmt.Sprintf("whose %s is decides: the scope names ids only", strings.Join(a.guessed, ", ")))
	}
	for _, claim := range slices.Sorted(maps.Keys(a.literals)) {
		says := "whose %s %v is decides: the scope does not name it"
		if a.inScope(claim, a.literals[claim][0]) {
			says = "whose tokens have the %s %v decides: others than the scope's perhaps do"
		}
		why = append(why, fmt.Sprintf(says, claim, a.literals[claim][0]))
	}
	if possible.cover && !a.generic {
		decides := "the fact subject_template decides"
		switch {
		case len(possible.standsFor) > 0:
			decides = "the analysis does not spell out the subjects of the fact subject_template"
		case a.facts.knows("subject_template"):
			decides = "whose projects' subjects are set otherwise decides"
		}
		why = append(why, decides+": a token may pass whose subject is set to other components")
	}
	if len(why) == 0 {
		why = append(why, "a token may pass that the issuer perhaps mints: "+a.sketch(possible))
	}
	return why
}

// sketch shows the parts of a token that matter.
func (a *analysis) sketch(h *hit) string {
	var parts []string
	for i, field := range h.fields {
		if text, ok := h.texts[i]; ok {
			parts = append(parts, fmt.Sprintf("%s=%s", strings.TrimPrefix(field.name, "="), plainText(text)))
		}
	}
	return strings.Join(parts, " ")
}

// deadBecause names the conditions that nothing satisfies by themselves.
func (a *analysis) deadBecause() []string {
	var why []string
	for s := range a.leaves {
		if len(a.stages[s].Ways) != 1 {
			continue
		}
		for c := range a.leaves[s][0] {
			found, _, err := a.find(may, func(q *ready) node {
				alone, err := q.leaf(&a.leaves[s][0][c], true)
				if err != nil {
					return yes
				}
				return alone
			})
			if err != nil || found != nil {
				continue
			}
			condition := &a.stages[s].Ways[0].Conditions[c]
			if reason := a.deadCondition(condition); !slices.Contains(why, reason) {
				why = append(why, reason)
			}
		}
	}
	if len(why) == 0 {
		why = append(why, "no token satisfies all conditions together")
	}
	return why
}

func (a *analysis) deadCondition(c *bundles.Condition) string {
	claim := claimOf(c)
	_, known := a.model.Claims[claim]
	switch {
	case c.Test == "never" || c.Wanted == nil && c.Message != "":
		return fmt.Sprintf("%s: no token passes: %s", said(c), c.Message)
	case claim != "" && !known && !a.generic:
		return fmt.Sprintf("%s: %s mints no claim %q", said(c), a.model.Title, claim)
	default:
		return fmt.Sprintf("%s: no token of %s satisfies it: wanted %v", said(c), a.model.Title, c.Wanted)
	}
}
