package breadth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

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
		var failed error
		someone, _, err := a.findAny(may, func(q *ready) node {
			failed = errors.Join(failed, a.complete(q))
			return q.inside[may]
		})
		if err = errors.Join(failed, err); err != nil && !limited(err) {
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
	a.result.Attackers[Recycler] = Undecided
	if err := a.askAttacker(Recycler); !limited(err) {
		return err
	}
	return nil
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
		if name == Recycler {
			return a.restOnIDs()
		}
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

// restOnIDs says whether a proof about recyclers needs that the ids which the role names are
// given out.
func (a *analysis) restOnIDs() error {
	names, literals := &a.model.Names, a.literals
	if len(literals[names.ID])+len(literals[names.GroupID]) == 0 {
		return nil
	}
	a.literals = maps.Clone(literals)
	delete(a.literals, names.ID)
	delete(a.literals, names.GroupID)
	defer func() { a.literals = literals }()
	var failed error
	found, _, err := a.find(may, func(q *ready) node {
		anyIDs, err := a.attacker(q.question, Recycler, true)
		failed = errors.Join(failed, err)
		return q.forms.all(q.role[may], anyIDs)
	})
	if err = errors.Join(failed, err); err != nil && !limited(err) {
		return err
	}
	if found != nil || err != nil {
		a.rest("the ids that the role names are given out: nothing new gets one")
	}
	return nil
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
	if of := a.calledFrom(token); of != "" {
		a.rest(fmt.Sprintf("others may call the workflows of %s: the fact reusable_workflows does not tell", of))
	}
}

// calledFrom is the repository of the workflow that a token's job runs, where it is another
// owner's than the job's and nobody has said who may call it.
func (a *analysis) calledFrom(token *Token) string {
	names := &a.model.Names
	workflow, _ := token.Claims[names.Workflow].(string)
	parts := strings.SplitN(workflow, "/", 3)
	if owner, _ := token.Claims[names.Group].(string); len(parts) < 3 || strings.EqualFold(parts[0], owner) {
		return ""
	}
	repository := parts[0] + "/" + parts[1]
	for known := range a.facts.ReusableWorkflows {
		if strings.EqualFold(known, repository) {
			return ""
		}
	}
	return repository
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
