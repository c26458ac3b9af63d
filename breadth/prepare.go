package breadth

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

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
	a.literals, a.named = map[string][]any{}, map[string][]any{}
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
					a.literal(key, value, true)
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
		whole := append(slices.Clone(c.Values), anyOf(wantedTexts(c))...)
		for _, value := range values {
			a.literal(claim, value, slices.Contains(whole, value))
		}
	})
}

// literal notes a value that nobody chooses, and that the scope does not give to a tenant; whole
// says that the role names it, and not only what begins or ends like it. Accounts are insiders',
// but for those of programs.
func (a *analysis) literal(claim string, value any, whole bool) {
	text, names := fmt.Sprint(value), &a.model.Names
	if slices.Contains(names.Persons, claim) && !names.IsApp(text) {
		return
	}
	if _, known := a.facts.Runners[text]; known && claim == names.Runner {
		return
	}
	if slices.Contains(a.idsOf(claim), text) {
		return
	}
	if !slices.Contains(a.literals[claim], value) {
		a.literals[claim] = append(a.literals[claim], value)
	}
	if whole {
		a.named[claim] = append(a.named[claim], value)
	}
}

// inScope reports whether the scope names a value of a claim.
func (a *analysis) inScope(claim string, value any) bool {
	return slices.ContainsFunc(a.scope.Circles, func(circle Circle) bool {
		return slices.ContainsFunc(circle, func(c Constraint) bool { return c.Claim == claim && !c.Not && slices.Contains(c.Values, value) })
	})
}

// beyond are the ids that the role names in full and that lie outside the scope, whoever has them:
// each of its circles says which ids it means.
func (a *analysis) beyond() map[string][]any {
	all := map[string][]any{}
	add := func(claim string, value any) {
		if claim != "" && value != "" && !a.inScope(claim, value) && a.scopeSettles(claim) {
			all[claim] = append(all[claim], value)
		}
	}
	for claim, values := range a.named {
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
		all = append(all, strings.Trim(text, wildcards))
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
	eachRead(a.stages, func(claim string) {
		a.read[claim] = true
		see(claim)
	})
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
