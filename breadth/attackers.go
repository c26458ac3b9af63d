package breadth

import (
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

// The attackers, the most distant first.
const (
	Outsider  = "outsider"
	Lookalike = "lookalike"
	Sibling   = "sibling"
	Developer = "developer"
	ForkMR    = "fork-mr"
	Lured     = "lured"
	Recycler  = "recycler"
)

// Attackers lists them in the order in which a verdict names them.
func Attackers() []string {
	return []string{Outsider, Lookalike, Sibling, Developer, ForkMR, Lured, Recycler}
}

// strangers says that the token is of a project that is not the scope's, and runs there.
func (a *analysis) strangers(may bool) func(*question) (node, error) {
	return func(q *question) (node, error) {
		if q.fork || a.tenanted {
			return no, nil
		}
		return a.strangeSource(q, may)
	}
}

// strangeSource says that the token's project is not the scope's.
func (a *analysis) strangeSource(q *question, may bool) (node, error) {
	names := &a.model.Names
	under, err := a.underRoots(q, a.tenants.roots(), may)
	if err != nil {
		return no, err
	}
	ids, err := q.claimIs(names.ID, true, anyOf(a.tenants.ids)...)
	if err != nil {
		return no, err
	}
	groupIDs, err := q.claimIs(names.GroupID, true, anyOf(a.tenants.groupIDs)...)
	if err != nil {
		return no, err
	}
	others, err := a.otherIDs(q)
	return q.forms.all(q.forms.not(under), q.forms.not(ids), q.forms.not(groupIDs), q.forms.not(others)), err
}

// personally says that the account that started the job is nobody of ours.
func (a *analysis) personally(q *question) (node, error) {
	names := &a.model.Names
	parts := []node{yes}
	for _, person := range names.Persons {
		if len(a.tenants.owned[person]) == 0 {
			continue
		}
		ours, err := q.claimMatches(person, `(?s)\A(?:`+strings.Join(a.tenants.owned[person], "|")+`)\z`, true)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.not(ours))
	}
	groups := slices.Concat(a.tenants.personGroups, a.tenants.roots())
	if len(groups) > 0 && a.interesting[names.PersonGroups] {
		ours, err := q.lower.compile(`(?is)\A(?:` + quotedAny(groups) + `)(?:/.*)?\z`)
		if err != nil {
			return no, err
		}
		some, err := q.lower.some(ours)
		if err != nil {
			return no, err
		}
		member, err := q.claim(names.PersonGroups, reading{list: some}, true)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.not(member))
	}
	return q.forms.all(parts...), nil
}

// attacker is the formula of an attacker's tokens; false where the scope defines none.
func (a *analysis) attacker(q *question, name string, may bool) (node, error) {
	switch name {
	case Outsider:
		return a.conjoin(q, may, a.strangers(may), a.personally)
	case Lookalike:
		return a.conjoin(q, may, a.strangers(may), a.personally, func(q *question) (node, error) {
			return q.claimMatches(a.model.Names.Group, `(?is)\A[^/]*(?:`+quotedAny(a.tenants.roots())+`)[^/]*(?:/.*)?\z`, true)
		})
	case Lured:
		return a.conjoin(q, may, a.strangers(may))
	case Sibling:
		return a.conjoin(q, may, a.siblings(may))
	case Developer:
		return a.conjoin(q, may, a.developers(may))
	case ForkMR:
		return a.conjoin(q, may, a.forks(may))
	default:
		return a.conjoin(q, may, a.recyclers(may))
	}
}

func (a *analysis) conjoin(q *question, may bool, parts ...func(*question) (node, error)) (node, error) {
	all := []node{}
	for _, part := range parts {
		found, err := part(q)
		if err != nil {
			return no, err
		}
		all = append(all, found)
	}
	if !may {
		certain, err := a.assigned(q, nil)
		if err != nil {
			return no, err
		}
		all = append(all, certain)
	}
	return q.forms.all(all...), nil
}

// defines reports whether there is such an attacker for the scope at all.
func (a *analysis) defines(name string) bool {
	roots := a.tenants.roots()
	switch name {
	case Lured:
		return true
	case Outsider:
		return a.facts.Registration != "closed"
	case Lookalike:
		return len(roots) > 0 && a.facts.Registration != "closed"
	case Recycler:
		return len(roots) > 0 && !a.tenanted
	case Sibling:
		part := func(root string) bool { return !slices.Contains(a.wholeGroups(), root) }
		return slices.ContainsFunc(roots, part) || len(roots) > 0 && len(a.tenants.below) > 0 ||
			a.tenantIsGroup() && len(a.tenants.ids)+len(a.tenants.others) > 0
	case Developer:
		return a.tenants.named()
	default:
		return a.forkable() && (len(roots) > 0 || a.tenants.named() && (a.readsJob() || a.model.Names.JobPath == ""))
	}
}

// wholeGroups are the groups of which the scope names no single projects.
func (a *analysis) wholeGroups() []string {
	names := &a.model.Names
	var whole tenants
	for _, circle := range a.scope.Circles {
		if slices.ContainsFunc(circle, func(c Constraint) bool {
			return (c.Claim == names.Path || c.Claim == names.JobPath) && !c.Not && len(c.Values)+len(c.Prefixes) > 0
		}) {
			continue
		}
		for i := range circle {
			whole.add(&circle[i], names)
		}
	}
	return whole.groups
}

// forkable reports whether the issuer gives tokens to pipelines from strangers' forks.
func (a *analysis) forkable() bool {
	return a.generic || slices.ContainsFunc(a.model.Choices, func(c issuer.Choice) bool {
		return slices.ContainsFunc(c.Alternatives, func(alternative issuer.Alternative) bool { return alternative.Fork })
	})
}

func (a *analysis) readsJob() bool {
	names := &a.model.Names
	return a.read[names.JobPath] || a.read[names.JobGroup] || a.read[names.JobID] || a.read[names.JobGroupID]
}

// siblings have another project of the scope's group.
func (a *analysis) siblings(may bool) func(*question) (node, error) {
	return func(q *question) (node, error) {
		if q.fork {
			return no, nil
		}
		under, err := a.underRoots(q, a.tenants.roots(), !may)
		if err != nil {
			return no, err
		}
		if a.tenantIsGroup() {
			under = yes
		}
		ours, err := a.tenant(q, false, true)
		if err != nil {
			return no, err
		}
		ids, err := q.claimIs(a.model.Names.ID, true, anyOf(a.tenants.ids)...)
		if err != nil {
			return no, err
		}
		others, err := a.otherIDs(q)
		if err != nil {
			return no, err
		}
		paired, err := a.paired(q, may)
		return q.forms.all(under, q.forms.not(ours), q.forms.not(ids), q.forms.not(others), paired), err
	}
}

// recyclers have a name of the scope's that became free, and new ids: none that scope or role
// names.
func (a *analysis) recyclers(may bool) func(*question) (node, error) {
	return func(q *question) (node, error) {
		if q.fork {
			return no, nil
		}
		names := &a.model.Names
		under, err := a.underRoots(q, a.tenants.roots(), !may)
		if err != nil {
			return no, err
		}
		ids, err := q.claimIs(names.ID, true, append(anyOf(a.tenants.ids), a.literals[names.ID]...)...)
		if err != nil {
			return no, err
		}
		groupIDs, err := q.claimIs(names.GroupID, true, append(anyOf(a.tenants.groupIDs), a.literals[names.GroupID]...)...)
		if err != nil {
			return no, err
		}
		others, err := a.otherIDs(q)
		return q.forms.all(under, q.forms.not(ids), q.forms.not(groupIDs), q.forms.not(others)), err
	}
}

// developers work in the scope's project, on nothing protected, with the subject that
// their project is set to.
func (a *analysis) developers(may bool) func(*question) (node, error) {
	return func(q *question) (node, error) {
		if q.fork || !may && (!a.usualSubject(q, may) || q.guarded) {
			return no, nil
		}
		ours, err := a.tenant(q, false, false)
		if err != nil {
			return no, err
		}
		unprotected, err := a.unprotected(q, may)
		if err != nil {
			return no, err
		}
		level, err := a.developerLevel(q, may)
		if err != nil {
			return no, err
		}
		if !may {
			owner, err := a.ownerActs(q)
			if err != nil {
				return no, err
			}
			level = q.forms.all(level, q.forms.not(owner))
		}
		paired, err := a.paired(q, may)
		return q.forms.all(ours, unprotected, level, paired), err
	}
}

// ownerActs says that the account that started the job is called like one of the scope's
// roots: whoever owns these is no mere developer.
func (a *analysis) ownerActs(q *question) (node, error) {
	found := []node{no}
	for _, person := range a.model.Names.Persons {
		if roots := a.tenants.roots(); a.interesting[person] && len(roots) > 0 {
			is, err := q.claimMatches(person, `(?is)\A(?:`+quotedAny(roots)+`)\z`, true)
			if err != nil {
				return no, err
			}
			found = append(found, is)
		}
	}
	return q.forms.any(found...), nil
}

// developerLevel says that the token is one that a developer gets; without the claim
// perhaps.
func (a *analysis) developerLevel(q *question, may bool) (node, error) {
	names := &a.model.Names
	if !a.interesting[names.Level] {
		return yes, nil
	}
	level, err := q.claimIs(names.Level, may, names.DeveloperLevel)
	if err != nil || !may {
		return level, err
	}
	absent, err := q.claim(names.Level, reading{absent: true}, true)
	return q.forms.any(level, absent), err
}

// usualSubject reports whether the scope's projects have this shape of subject: the one that
// the fact names, or the default; perhaps one that stands for what the fact names.
func (a *analysis) usualSubject(q *question, may bool) bool {
	for c := range a.model.Choices {
		choice := &a.model.Choices[c]
		if choice.Fact == "" || !a.interesting[choice.Claim] {
			continue
		}
		wanted := strings.Join(a.facts.SubjectTemplate, ",")
		if wanted == "" {
			wanted = choice.Alternatives[0].Name
		}
		usual := q.chosen(choice.Name) == wanted || slices.Contains(q.alike[choice.Name], wanted)
		if !usual && !(may && slices.Contains(q.standsFor, choice.Name)) {
			return false
		}
	}
	return true
}

func (a *analysis) forks(may bool) func(*question) (node, error) {
	return func(q *question) (node, error) {
		if !q.fork {
			return no, nil
		}
		// Before the claims of the running project were told apart, a fork's pipeline had
		// the parent's names everywhere.
		job := a.tellsJobs(q)
		ours, err := a.tenant(q, job, false)
		if err != nil {
			return no, err
		}
		strange := yes
		if job {
			if strange, err = a.strangeSource(q, may); err != nil {
				return no, err
			}
		}
		environment, err := a.unprotectedEnvironment(q, may)
		return q.forms.all(ours, strange, environment), err
	}
}

// tellsJobs reports whether tokens tell the project that a job runs in from its source's.
func (a *analysis) tellsJobs(q *question) bool {
	job := a.model.Names.JobPath
	return job != "" && !q.named(job).Absent
}
