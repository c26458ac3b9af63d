package breadth

import (
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

// world says that a token can be minted today: the facts hold for the scope's projects,
// and a name that goes with an id in the scope goes with it in the token.
// What anyCase says is the same but for names that differ in case alone, which are two.
func (a *analysis) world(q *question, may bool) (world, anyCase node, err error) {
	if anyCase, err = a.anyCase(q, may); err != nil {
		return no, no, err
	}
	ours, err := a.spelledAsOurs(q, may)
	return q.forms.all(anyCase, ours), anyCase, err
}

func (a *analysis) anyCase(q *question, may bool) (node, error) {
	own := a.ownWorld
	if q.fork {
		own = a.forkWorld
	}
	here, err := own(q, may)
	if err != nil {
		return no, err
	}
	ours, err := a.oneThing(q)
	if err != nil {
		return no, err
	}
	parts := []node{here, ours}
	if !may {
		certain, err := a.assigned(q, a.beyond())
		if err != nil {
			return no, err
		}
		parts = append(parts, certain)
	}
	runners, err := a.runnersFit(q)
	if err != nil {
		return no, err
	}
	callers, err := a.callersFit(q, may)
	if err != nil {
		return no, err
	}
	elsewhere, err := a.elsewhere(q)
	return q.forms.all(append(parts, runners, callers, elsewhere)...), err
}

// callersFit says that workflows of a private repository are called by its owner's
// repositories; those of an internal one perhaps by others of the enterprise.
func (a *analysis) callersFit(q *question, may bool) (node, error) {
	names := &a.model.Names
	parts := []node{yes}
	// The field, for a subject shows it where the claim is not told.
	workflow := issuer.Pieces(a.model.Claims[names.Workflow].Text)
	if len(workflow) != 1 || !slices.ContainsFunc(q.fields, func(f tapeField) bool { return f.name == workflow[0].Field }) {
		return yes, nil
	}
	for repository, workflows := range a.facts.ReusableWorkflows {
		if workflows.Visibility == "public" || workflows.Visibility == "internal" && may {
			continue
		}
		owner, _, _ := strings.Cut(repository, "/")
		from, err := q.lower.compile(`(?is)\A` + regexp.QuoteMeta(repository) + `/.*\z`)
		if err != nil {
			return no, err
		}
		here := q.reads(workflow, from, true)
		own, err := q.claimMatches(names.Group, `(?is)\A`+regexp.QuoteMeta(owner)+`\z`, true)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.any(q.forms.not(here), own))
	}
	return q.forms.all(parts...), nil
}

func (a *analysis) ownWorld(q *question, may bool) (node, error) {
	ours, err := a.tenant(q, false, false)
	if err != nil {
		return no, err
	}
	facts, err := a.factsHold(q, may)
	if err != nil {
		return no, err
	}
	if (!may || a.facts.knows("subject_template")) && !a.usualSubject(q, may) {
		facts = no
	}
	if !may && q.guarded && a.refs {
		// Which of the scope's branches that is no fact says.
		facts = no
	}
	paired, err := a.paired(q, may)
	return q.forms.all(q.forms.any(q.forms.not(ours), facts), paired), err
}

// forkWorld is the same for a merge request's pipeline from a fork. Who runs one may push
// to its branch, so from one of the scope's projects it comes from nothing protected; and
// none of these is taken to be a fork of a stranger's project, but perhaps of another of
// their owner's.
func (a *analysis) forkWorld(q *question, may bool) (node, error) {
	environment := yes
	var err error
	if a.environments {
		if environment, err = a.environmentFits(q, may); err != nil {
			return no, err
		}
	}
	source, err := a.tenant(q, false, false)
	if err != nil {
		return no, err
	}
	if !a.tellsJobs(q) {
		paired, err := a.paired(q, may)
		return q.forms.all(q.forms.any(q.forms.not(source), environment), paired), err
	}
	parent, err := a.ourParent(q, may)
	if err != nil {
		return no, err
	}
	ref := yes
	if a.refs {
		if ref, err = a.refFits(q, false, may); err != nil {
			return no, err
		}
	}
	if (!may || a.facts.knows("subject_template")) && !a.usualSubject(q, may) {
		ref = no
	}
	apart, err := a.apart(q)
	if err != nil {
		return no, err
	}
	different, err := a.different(q, may)
	if err != nil {
		return no, err
	}
	paired, err := a.paired(q, may)
	return q.forms.all(
		q.forms.any(q.forms.not(source), q.forms.all(parent, ref)),
		q.forms.any(q.forms.not(parent), environment), apart, different, paired), err
}

// different says, where a role compares claims, that source and parent surely are two
// projects, and surely of one group or surely of two: by path as by id.
func (a *analysis) different(q *question, may bool) (node, error) {
	if may || len(q.lower.terms) == 0 {
		return yes, nil
	}
	names := &a.model.Names
	var perhaps []node
	for _, pair := range []*comparing{
		equal(names.Path, names.JobPath), equal(names.ID, names.JobID),
		equal(names.Group, names.JobGroup), equal(names.GroupID, names.JobGroupID),
	} {
		same, err := q.sampled(pair, true)
		if err != nil {
			return no, err
		}
		perhaps = append(perhaps, same)
	}
	oneGroup, err := q.compared(equal(names.Group, names.JobGroup), false)
	if err != nil {
		return no, err
	}
	apart := q.forms.all(q.forms.not(perhaps[2]), q.forms.not(perhaps[3]))
	return q.forms.all(q.forms.not(perhaps[0]), q.forms.not(perhaps[1]), q.forms.any(oneGroup, apart)), nil
}

// ourParent says that the project that a fork's pipeline runs in is one of the scope's, or
// perhaps another of its groups': what is said of the scope's environments holds there too.
func (a *analysis) ourParent(q *question, may bool) (node, error) {
	parent, err := a.tenant(q, true, false)
	if err != nil || !may {
		return parent, err
	}
	under, err := a.underGroup(q, a.model.Names.JobGroup, a.tenants.roots(), false)
	return q.forms.any(parent, under), err
}

// apart says that no project that the scope names is its own fork.
func (a *analysis) apart(q *question) (node, error) {
	names := &a.model.Names
	parts := []node{yes}
	for _, pair := range []struct {
		source, parent string
		values         []string
	}{{names.Path, names.JobPath, a.tenants.paths}, {names.ID, names.JobID, a.tenants.ids}} {
		for _, value := range pair.values {
			source, err := q.claimIs(pair.source, true, value)
			if err != nil {
				return no, err
			}
			parent, err := q.claimIs(pair.parent, true, value)
			if err != nil {
				return no, err
			}
			parts = append(parts, q.forms.not(q.forms.all(source, parent)))
		}
	}
	return q.forms.all(parts...), nil
}

func (a *analysis) factsHold(q *question, may bool) (node, error) {
	parts := []node{yes}
	names := &a.model.Names
	if a.refs && names.Protected != "" && (may || a.asks(q, names.Protected) || a.facts.knows("protected_branches")) {
		var kinds []node
		for _, protected := range []bool{false, true} {
			said, err := q.claimIs(names.Protected, true, map[bool]string{false: "false", true: "true"}[protected])
			if err != nil {
				return no, err
			}
			fits, err := a.refFits(q, protected, may)
			if err != nil {
				return no, err
			}
			kinds = append(kinds, q.forms.all(said, fits))
		}
		parts = append(parts, q.forms.any(kinds...))
	}
	if a.environments {
		fits, err := a.environmentFits(q, may)
		if err != nil {
			return no, err
		}
		parts = append(parts, fits)
	}
	return q.forms.all(parts...), nil
}

// paired says that a path and an id that the scope names together go together.
func (a *analysis) paired(q *question, may bool) (node, error) {
	names := &a.model.Names
	parts := []node{yes}
	for _, circle := range a.scope.Circles {
		constraints := tenantConstraints(circle, names)
		for _, pair := range []struct{ name, id, ofName, ofID string }{
			{names.Path, names.ID, names.Path, names.ID},
			{names.Group, names.GroupID, names.Group, names.GroupID},
			{names.JobPath, names.JobID, names.Path, names.ID},
			{names.JobGroup, names.JobGroupID, names.Group, names.GroupID},
		} {
			name, id := oneValue(constraints, pair.ofName), oneValue(constraints, pair.ofID)
			group := ""
			if name == "" && pair.ofName == names.Group {
				name, group = groupOfPaths(constraints, names.Path), oneGroup(constraints, names.Group)
			}
			if name == "" && group == "" || id == "" || q.named(pair.name).Absent {
				continue
			}
			var part node
			var err error
			if name != "" {
				part, err = q.together(pair.name, name, pair.id, id)
			} else {
				part, err = q.groupTogether(pair.name, group, pair.id, id, may)
			}
			if err != nil {
				return no, err
			}
			parts = append(parts, part)
		}
	}
	return q.forms.all(parts...), nil
}

// together says that a token has both the name and the id, or neither.
func (q *question) together(nameClaim, name, idClaim, id string) (node, error) {
	here, err := q.claimIs(nameClaim, true, name)
	if err != nil {
		return no, err
	}
	known, err := q.claimIs(idClaim, true, id)
	if err != nil {
		return no, err
	}
	// A job need not ask for the id.
	untold, err := q.claim(idClaim, reading{absent: true}, true)
	return q.forms.any(
		q.forms.all(here, q.forms.any(known, untold)), q.forms.all(q.forms.not(here), q.forms.not(known))), err
}

// groupTogether is the same for an id beside a group with all that lies below. Where groups
// lie in groups, it is perhaps that of one further down: acme/* and 7, which is acme/team's.
func (q *question) groupTogether(nameClaim, group, idClaim, id string, may bool) (node, error) {
	nested, err := q.nests(nameClaim)
	if err != nil {
		return no, err
	}
	if !may || !nested {
		return q.together(nameClaim, group, idClaim, id)
	}
	known, err := q.claimIs(idClaim, true, id)
	if err != nil {
		return no, err
	}
	below, err := q.claimMatches(nameClaim, `(?is)\A`+regexp.QuoteMeta(group)+`(?:/.*)?\z`, true)
	return q.forms.any(q.forms.not(known), below), err
}

// nests reports whether a claim may hold a path of several segments.
func (q *question) nests(claim string) (bool, error) {
	pieces := q.pieces(claim)
	if len(pieces) != 1 || pieces[0].Field == "" {
		return true, nil
	}
	domain, err := q.domain(pieces[0].Field, false)
	return err != nil || domain.Contains("a/b"), err
}

// assigned leaves out what nobody can count on: an id that the role names and the scope
// does not, and, in a scope of ids only, the names that the role goes by. Of the ids beyond
// somebody has each, whoever that is.
func (a *analysis) assigned(q *question, beyond map[string][]any) (node, error) {
	parts, elsewhere := []node{yes}, []node{no}
	for claim, values := range a.literals {
		values = slices.DeleteFunc(slices.Clone(values), func(value any) bool { return slices.Contains(beyond[claim], value) })
		named, err := q.claimIs(claim, true, values...)
		if err != nil {
			return no, err
		}
		goesWith, err := a.goesWith(q, claim, values)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.any(q.forms.not(named), goesWith))
	}
	for claim, values := range beyond {
		named, err := q.claimIs(claim, false, values...)
		if err != nil {
			return no, err
		}
		elsewhere = append(elsewhere, named)
	}
	if a.tenants.named() && len(a.tenants.roots()) == 0 {
		under, err := a.underRoots(q, a.guessed, false)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.any(append(elsewhere, q.forms.not(under))...))
	}
	tenants, err := a.ofTenant(q)
	if err != nil {
		return no, err
	}
	settings, err := a.settings(q)
	return q.forms.all(append(parts, tenants, settings)...), err
}

// goesWith says that a token has the name that goes with the only id that the role names of a
// project or group: whoever has the id, the role admits it with that name or not at all.
func (a *analysis) goesWith(q *question, claim string, values []any) (node, error) {
	if len(values) != 1 {
		return no, nil
	}
	switch names := &a.model.Names; claim {
	case names.ID:
		return a.tenant(q, false, true)
	case names.GroupID:
		return a.underRoots(q, a.tenants.roots(), true)
	}
	return no, nil
}

// runnersFit says that a runner that takes the jobs of one group alone took one of these.
func (a *analysis) runnersFit(q *question) (node, error) {
	names := &a.model.Names
	parts := []node{yes}
	if !a.interesting[names.Runner] {
		return yes, nil
	}
	for id, runner := range a.facts.Runners {
		if runner.Scope == "" {
			continue
		}
		number, err := q.lower.compile(`\A` + regexp.QuoteMeta(id) + `\z`)
		if err != nil {
			return no, err
		}
		here, err := q.claim(names.Runner, reading{number: number, text: number}, true)
		if err != nil {
			return no, err
		}
		claim := names.JobPath
		if q.named(claim).Absent {
			claim = names.Path
		}
		below, err := q.claimMatches(claim, `(?is)\A`+regexp.QuoteMeta(runner.Scope)+`(?:/.*)?\z`, true)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.any(q.forms.not(here), below))
	}
	return q.forms.all(parts...), nil
}
