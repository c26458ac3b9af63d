package breadth

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/cel"
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

// freshNames are refs and environments that nobody protects unless everything is.
const freshNames = `\A(?:x|topic|trustcheck-[a-z]+)\z`

// freshEnvironments are as well those whose name passes for a part of a subject.
const freshEnvironments = `\A(?:x|topic|trustcheck-[a-z]+|(?:ref|repo|environment):.+)\z`

// claimIs says that a claim is one of the values, as typed equality; a list claim that
// one of its elements is.
func (q *question) claimIs(name string, may bool, values ...any) (node, error) {
	found, err := q.lower.values(values, true)
	if err != nil || name == "" {
		return no, err
	}
	return q.claim(name, *found, may)
}

// environmentIs says that the environment is one of these; widely one that may be, else one
// that surely is.
func (q *question) environmentIs(widely bool, names ...string) (node, error) {
	text, err := q.environmentNames(names, widely)
	if err != nil || q.model.Names.Environment == "" {
		return no, err
	}
	return q.claim(q.model.Names.Environment, reading{text: text}, true)
}

// environmentNames are the texts that name one of these environments. Where case is no
// matter, that of letters beyond ASCII may be.
func (q *question) environmentNames(names []string, widely bool) (*language.Language, error) {
	switch {
	case len(names) == 0:
		return nil, nil
	case !q.model.Names.EnvironmentAnyCase:
		return q.lower.exact(names...)
	case widely:
		return q.lower.compile(`(?is)\A(?:` + quotedAny(names) + `)\z`)
	}
	patterns := make([]string, len(names))
	for i, name := range names {
		patterns[i] = anyCaseOf(name)
	}
	return q.lower.compile(`(?s)\A(?:` + strings.Join(patterns, "|") + `)\z`)
}

// anyCaseOf is the pattern of a text whatever the case of its ASCII letters: (?i) takes the
// Kelvin sign for a k.
func anyCaseOf(text string) string {
	var made strings.Builder
	for _, letter := range text {
		quoted := regexp.QuoteMeta(string(letter))
		if letter < utf8.RuneSelf && unicode.IsLetter(letter) {
			quoted = "[" + strings.ToLower(quoted) + strings.ToUpper(quoted) + "]"
		}
		made.WriteString(quoted)
	}
	return made.String()
}

// claimMatches says that a claim is text that matches a pattern.
func (q *question) claimMatches(name, pattern string, may bool) (node, error) {
	text, err := q.lower.compile(pattern)
	if err != nil || name == "" {
		return no, err
	}
	return q.claim(name, reading{text: text}, may)
}

// onRef says that the ref is one that rules name, whose patterns stand behind the prefix.
func (a *analysis) onRef(q *question, claim, prefix string, patterns []string) (node, error) {
	if len(patterns) == 0 {
		return no, nil
	}
	return q.claimMatches(claim, a.refPattern(prefixed(prefix, patterns)), true)
}

// refPattern is the RE2 of the refs that rules name.
func (a *analysis) refPattern(patterns []string) string {
	if a.model.Names.RefSegments {
		return segmentGlobs(patterns)
	}
	return globs(patterns)
}

// constraint is a constraint of a scope, asked of a claim.
func (q *question) constraint(c *Constraint, claim string, may bool) (node, error) {
	wanted, err := q.lower.values(c.Values, true)
	if err != nil {
		return no, err
	}
	if pattern, ok := c.pattern(); ok && len(c.Within)+len(c.Prefixes) > 0 {
		var text *language.Language
		if text, err = q.lower.compile(pattern); err != nil {
			return no, err
		}
		wanted.text = text
		if wanted.list, err = q.lower.some(text); err != nil {
			return no, err
		}
	}
	if names := &q.model.Names; names.EnvironmentAnyCase && claim == names.Environment && len(c.Prefixes)+len(c.Within) == 0 {
		if wanted.text, err = q.environmentNames(textsIn(c.Values), may != c.Not); err != nil {
			return no, err
		}
	}
	if c.Not {
		found, err := q.claim(claim, *wanted, !may)
		return q.forms.not(found), err
	}
	return q.claim(claim, *wanted, may)
}

// inside says that a token lies in the scope. A scope that was inferred and names no
// tenant is no circle at all: every token is outside.
func (a *analysis) inside(q *question, may bool) (node, error) {
	if a.scope.Inferred && !a.tenants.named() {
		return no, nil
	}
	var circles []node
	for _, circle := range a.scope.Circles {
		var parts []node
		for i := range circle {
			part, err := q.constraint(&circle[i], circle[i].Claim, may)
			if err != nil {
				return no, err
			}
			parts = append(parts, part)
		}
		circles = append(circles, q.forms.all(parts...))
	}
	return q.either(circles...)
}

// tenant says that the token's project, or with job the project that the job runs in, is
// one that the scope names; pathsOnly leaves ids aside.
func (a *analysis) tenant(q *question, job, pathsOnly bool) (node, error) {
	names := &a.model.Names
	var circles []node
	for _, circle := range a.scope.Circles {
		var parts []node
		for _, c := range tenantConstraints(circle, names) {
			byID := slices.Contains(idClaims(names), c.Claim)
			if pathsOnly && byID {
				continue
			}
			claim := c.Claim
			if job {
				claim = jobClaim(claim, names)
			}
			part, err := q.constraint(&c, claim, true)
			if err != nil {
				return no, err
			}
			parts = append(parts, part)
		}
		if len(parts) > 0 || a.tenanted && !pathsOnly {
			circles = append(circles, q.forms.all(parts...))
		}
	}
	return q.either(circles...)
}

func jobClaim(claim string, names *issuer.Parts) string {
	switch claim {
	case names.Path:
		return names.JobPath
	case names.Group:
		return names.JobGroup
	case names.ID:
		return names.JobID
	case names.GroupID:
		return names.JobGroupID
	default:
		return claim
	}
}

// tenantConstraints are those of a circle that name its project or group, put to the
// claims of the token's own project.
func tenantConstraints(circle Circle, names *issuer.Parts) []Constraint {
	var all []Constraint
	for _, c := range circle {
		if c.Not {
			continue
		}
		own := c
		switch c.Claim {
		case names.Path, names.Group, names.ID, names.GroupID:
		case names.JobPath:
			own.Claim = names.Path
		case names.JobGroup:
			own.Claim = names.Group
		case names.JobID:
			own.Claim = names.ID
		case names.JobGroupID:
			own.Claim = names.GroupID
		case names.Subject:
			if len(names.Subjects) > 0 {
				all = append(all, ofSubject(c, names)...)
				continue
			}
			var of tenants
			of.add(&c, names)
			switch {
			case len(of.paths) > 0:
				own = Constraint{Claim: names.Path, Values: anyOf(of.paths)}
			case len(of.ids) > 0:
				own = Constraint{Claim: names.ID, Values: anyOf(of.ids)}
			case len(of.groups) > 0:
				own = Constraint{Claim: names.Path, Within: of.groups}
			case len(of.groupIDs) > 0:
				own = Constraint{Claim: names.GroupID, Values: anyOf(of.groupIDs)}
			default:
				continue
			}
		default:
			if !slices.Contains(names.Below, c.Claim) && !slices.Contains(names.IDs, c.Claim) {
				continue
			}
		}
		all = append(all, own)
	}
	return all
}

// ofSubject are the constraints on the claims that a subject repeats; on the subject itself
// where there are several, or an id.
func ofSubject(c Constraint, names *issuer.Parts) []Constraint {
	if texts := textsIn(c.Values); len(texts) == 1 {
		found, _ := inferredFrom(opening{text: texts[0]}, names.Subjects[names.Subject], names)
		if found = slices.DeleteFunc(found, func(of Constraint) bool { return of.Claim == names.Subject }); len(found) > 0 {
			return tenantConstraints(found, names)
		}
	}
	return []Constraint{c}
}

func anyOf(texts []string) []any {
	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = text
	}
	return values
}

// underRoots says that the token's project lies below one of the scope's root groups.
// Names are taken without regard to case, unless they must surely be the scope's and the
// issuer tells them apart by it.
func (a *analysis) underRoots(q *question, roots []string, surely bool) (node, error) {
	return a.underGroup(q, a.model.Names.Group, roots, surely)
}

func (a *analysis) underGroup(q *question, claim string, roots []string, surely bool) (node, error) {
	if len(roots) == 0 {
		return no, nil
	}
	flags := `(?is)`
	if surely && a.model.Names.Exact {
		flags = `(?s)`
	}
	return q.claimMatches(claim, flags+`\A(?:`+quotedAny(roots)+`)(?:/.*)?\z`, true)
}

func quotedAny(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = regexp.QuoteMeta(text)
	}
	return strings.Join(quoted, "|")
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

func (a *analysis) recyclers(may bool) func(*question) (node, error) {
	return func(q *question) (node, error) {
		if q.fork {
			return no, nil
		}
		under, err := a.underRoots(q, a.tenants.roots(), !may)
		if err != nil {
			return no, err
		}
		ids, err := q.claimIs(a.model.Names.ID, true, anyOf(a.tenants.ids)...)
		if err != nil {
			return no, err
		}
		groupIDs, err := q.claimIs(a.model.Names.GroupID, true, anyOf(a.tenants.groupIDs)...)
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
		usual := q.chosen[choice.Name] == wanted || slices.Contains(q.alike[choice.Name], wanted)
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
	return job != "" && !q.claims[job].Absent
}

// unprotected says that ref and environment are such that a developer may use them.
func (a *analysis) unprotected(q *question, may bool) (node, error) {
	environment, err := a.unprotectedEnvironment(q, may)
	if err != nil || !a.refs {
		return environment, err
	}
	names := &a.model.Names
	open := yes
	if names.Protected != "" {
		if open, err = q.claimIs(names.Protected, may, "false"); err != nil {
			return no, err
		}
	}
	ref, err := a.refFits(q, false, may)
	return q.forms.all(environment, open, ref), err
}

// asks reports whether role or scope read, in this shape, a field that one of the claims
// reads. What none asks for a fact may settle as it likes: some token is minted anyway.
func (a *analysis) asks(q *question, claims ...string) bool {
	fields := map[string]bool{}
	for _, name := range claims {
		if a.asked[name] {
			return true
		}
		for _, piece := range q.pieces(name) {
			fields[piece.Field] = piece.Field != ""
		}
	}
	for name := range a.asked {
		if slices.ContainsFunc(q.pieces(name), func(piece issuer.Piece) bool { return fields[piece.Field] }) {
			return true
		}
	}
	return false
}

// refFits says that the ref is protected, or is not, as the facts have it.
func (a *analysis) refFits(q *question, protected, may bool) (node, error) {
	var kinds, known []node
	for _, kind := range a.refKinds() {
		of, err := a.refIs(q, &kind)
		if err != nil {
			return no, err
		}
		fits := truth(may)
		switch {
		case a.facts.knows(kind.fact), !may && a.takenForOpen(kind.fact):
			if fits, err = a.onRef(q, kind.claim, kind.prefix, kind.patterns); err != nil {
				return no, err
			}
			if !protected {
				fits = q.forms.not(fits)
			}
		case !may && !protected:
			if fits, err = a.freshRefs(q, kind.claim, kind.prefix); err != nil {
				return no, err
			}
		}
		kinds, known = append(kinds, q.forms.all(of, fits)), append(known, of)
	}
	if a.model.Names.RefType == "" && may {
		// Of what is neither branch nor tag nothing is known.
		kinds = append(kinds, q.forms.not(q.forms.any(known...)))
	}
	return q.forms.any(kinds...), nil
}

// takenForOpen reports whether the refs that a fact protects are taken for unprotected where
// something must be sure of it: tags that were not given beside branches.
func (a *analysis) takenForOpen(fact string) bool {
	return fact == "protected_tags" && !a.facts.knows(fact) && a.facts.knows("protected_branches")
}

// refKind is a kind of refs: the claim that has them, how they begin there, and the fact
// that tells which of them are protected.
type refKind struct {
	name, claim, prefix, fact string
	patterns                  []string
}

func (a *analysis) refKinds() []refKind {
	names := &a.model.Names
	kinds := []refKind{{names.Branch, names.Ref, names.BranchPrefix, "protected_branches", a.facts.ProtectedBranches}}
	if names.Tag == "" {
		return kinds
	}
	claim := names.Ref
	if names.TagRef != "" {
		claim = names.TagRef
	}
	return append(kinds, refKind{names.Tag, claim, names.TagPrefix, "protected_tags", a.facts.ProtectedTags})
}

// refIs says that the ref is of a kind: as the claim says that tells it, as the tag's claim
// is there or not, or as it begins.
func (a *analysis) refIs(q *question, kind *refKind) (node, error) {
	names := &a.model.Names
	switch {
	case names.RefType != "":
		return q.claimIs(names.RefType, true, kind.name)
	case names.TagRef != "":
		tagged, err := q.claim(names.TagRef, reading{text: language.All()}, true)
		if kind.name == names.Tag {
			return tagged, err
		}
		return q.forms.not(tagged), err
	default:
		return q.claimMatches(kind.claim, `(?s)\A`+regexp.QuoteMeta(kind.prefix)+`.*\z`, true)
	}
}

func prefixed(prefix string, patterns []string) []string {
	all := make([]string, len(patterns))
	for i, pattern := range patterns {
		all[i] = prefix + pattern
	}
	return all
}

// freshRefs says that the ref is one that nobody protects: new, or no branch or tag at
// all, as that of a pull request.
func (a *analysis) freshRefs(q *question, ref, prefix string) (node, error) {
	fresh, err := q.claimMatches(ref, `\A`+regexp.QuoteMeta(prefix)+strings.TrimPrefix(freshNames, `\A`), false)
	if err != nil || prefix == "" {
		return fresh, err
	}
	named, err := q.claimMatches(ref, `(?s)\A`+regexp.QuoteMeta(prefix)+`.*\z`, true)
	return q.forms.any(fresh, q.forms.not(named)), err
}

// unprotectedEnvironment says that the job has no environment, or one that needs no
// permission.
func (a *analysis) unprotectedEnvironment(q *question, may bool) (node, error) {
	if !a.environments {
		return yes, nil
	}
	names := &a.model.Names
	guarded, err := q.claimIs(names.EnvironmentProtected, true, "true")
	if err != nil {
		return no, err
	}
	if names.EnvironmentProtected == "" {
		var guardedNames []string
		for name, environment := range a.facts.Environments {
			if environment.Protected {
				guardedNames = append(guardedNames, name)
			}
		}
		if guarded, err = q.environmentIs(!may, guardedNames...); err != nil {
			return no, err
		}
	}
	fits, err := a.environmentFits(q, may)
	return q.forms.all(q.forms.not(guarded), fits), err
}

// guards are the claims that what guards an environment shows in: what says so, and where
// there is none the ref that it is deployed from.
func (a *analysis) guards() []string {
	names := &a.model.Names
	if names.EnvironmentProtected == "" {
		return []string{names.Ref, names.RefType, names.Protected}
	}
	return []string{names.EnvironmentProtected}
}

// environmentFits says that the claims about the environment are as the facts have it.
func (a *analysis) environmentFits(q *question, may bool) (node, error) {
	names := &a.model.Names
	if !a.facts.knows("environments") {
		if may || !a.asks(q, a.guards()...) {
			return yes, nil
		}
		absent, err := q.claim(names.Environment, reading{absent: true}, false)
		if err != nil {
			return no, err
		}
		fresh, err := q.claimMatches(names.Environment, freshEnvironments, false)
		if err != nil {
			return no, err
		}
		if names.EnvironmentProtected == "" {
			return q.forms.any(absent, fresh), nil
		}
		open, err := q.claimIs(names.EnvironmentProtected, false, "false")
		return q.forms.any(absent, q.forms.all(fresh, open)), err
	}
	parts := []node{yes}
	var guardedNames, openNames []string
	for name, environment := range a.facts.Environments {
		if environment.Protected {
			guardedNames = append(guardedNames, name)
		} else {
			openNames = append(openNames, name)
		}
		if len(environment.Branches) == 0 {
			continue
		}
		here, err := q.environmentIs(!may, name)
		if err != nil {
			return no, err
		}
		branch, err := a.refIs(q, &a.refKinds()[0])
		if err != nil {
			return no, err
		}
		from, err := a.onRef(q, names.Ref, names.BranchPrefix, environment.Branches)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.any(q.forms.not(here), q.forms.all(branch, from)))
	}
	if names.EnvironmentProtected == "" {
		return q.forms.all(parts...), nil
	}
	guarded, err := q.environmentIs(!may, guardedNames...)
	if err != nil {
		return no, err
	}
	open, err := q.environmentIs(!may, openNames...)
	if err != nil {
		return no, err
	}
	says, err := q.claimIs(names.EnvironmentProtected, true, "true")
	if err != nil {
		return no, err
	}
	// One that is not listed is taken to be open where something must be sure of it.
	unlisted := q.forms.all(q.forms.not(guarded), q.forms.not(open))
	if may {
		parts = append(parts, q.forms.any(unlisted, q.forms.all(guarded, says), q.forms.all(open, q.forms.not(says))))
	} else {
		parts = append(parts, q.forms.any(q.forms.all(guarded, says), q.forms.all(q.forms.not(guarded), q.forms.not(says))))
	}
	return q.forms.all(parts...), nil
}

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
			if name == "" && group == "" || id == "" || q.claims[pair.name].Absent {
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

// oneValue is the only text that the constraints leave a claim, or "".
func oneValue(constraints []Constraint, claim string) string {
	for _, c := range constraints {
		if c.Claim != claim || c.Not {
			continue
		}
		if texts := textsIn(c.Values); len(texts) == 1 && len(c.Values) == 1 && len(c.Within)+len(c.Prefixes) == 0 {
			return texts[0]
		}
	}
	return ""
}

// oneGroup is the group of which the constraints leave a claim all that lies below, and
// nothing else, or "".
func oneGroup(constraints []Constraint, claim string) string {
	for _, c := range constraints {
		if c.Claim == claim && !c.Not && len(c.Within) == 1 && len(c.Values)+len(c.Prefixes) == 0 {
			return c.Within[0]
		}
	}
	return ""
}

// groupOfPaths is the only group in which the projects lie that the constraints name, or "".
func groupOfPaths(constraints []Constraint, claim string) string {
	group := ""
	for _, c := range constraints {
		if c.Claim != claim || c.Not {
			continue
		}
		groups := ownersOf(textsIn(c.Values))
		slices.Sort(groups)
		groups = slices.Compact(groups)
		if len(groups) != 1 || len(c.Within)+len(c.Prefixes) > 0 || group != "" && group != groups[0] {
			return ""
		}
		group = groups[0]
	}
	return group
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
		if q.claims[claim].Absent {
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

// owned are the accounts that a role names: taken to be insiders', and said so. A program's
// account acts in anybody's projects.
func owned(stages []bundles.Stage, names *issuer.Parts) map[string][]string {
	all := map[string][]string{}
	eachWanted(stages, func(c *bundles.Condition) {
		ofSubjects(c, names, func(key, value string) {
			if slices.Contains(names.Persons, key) {
				all[key] = append(all[key], regexp.QuoteMeta(value))
			}
		})
		claim := claimOf(c)
		if !slices.Contains(names.Persons, claim) {
			return
		}
		for _, text := range textsIn(c.Values) {
			if !names.IsApp(text) {
				all[claim] = append(all[claim], regexp.QuoteMeta(text))
			}
		}
		if c.Pattern == "" {
			return
		}
		for _, end := range ends(c.Pattern) {
			if pattern, ok := ownedMail("*" + end.text); ok && end.open {
				all[claim] = append(all[claim], pattern)
			}
		}
		wanted, ok := c.Wanted.([]any)
		if !ok {
			wanted = []any{c.Wanted}
		}
		for _, text := range textsIn(wanted) {
			if names.IsApp(text) {
				continue
			}
			if !strings.Contains(text, "*") {
				all[claim] = append(all[claim], regexp.QuoteMeta(text))
			} else if begins, ok := strings.CutSuffix(text, "*"); ok && begins != "" && !strings.Contains(begins, "*") {
				// The account of this very name is the role's reason to begin with it.
				all[claim] = append(all[claim], regexp.QuoteMeta(begins))
			} else if pattern, ok := ownedMail(text); ok {
				all[claim] = append(all[claim], pattern)
			}
		}
	})
	return all
}

// ends lists how the texts that match a pattern end: with these words, and all of them where
// it is not open.
func ends(pattern string) []opening {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	return endings(parsed.Simplify())
}

func endings(re *syntax.Regexp) []opening {
	switch re.Op {
	case syntax.OpCapture:
		return endings(re.Sub[0])
	case syntax.OpAlternate:
		var all []opening
		for _, sub := range re.Sub {
			all = append(all, endings(sub)...)
		}
		return all[:min(len(all), maxOpenings)]
	case syntax.OpConcat:
		tails := []opening{{}}
		for _, sub := range slices.Backward(re.Sub) {
			if tails = before(endings(sub), tails); sub.Op == syntax.OpEndText {
				// Nothing follows the end.
				tails = []opening{{}}
			}
		}
		return tails
	default:
		return openings(re)
	}
}

func before(heads, tails []opening) []opening {
	var all []opening
	for _, tail := range tails {
		if tail.open {
			all = append(all, tail)
			continue
		}
		for _, head := range heads {
			all = append(all, opening{head.text + tail.text, head.open})
		}
	}
	return all[:min(len(all), maxOpenings)]
}

// ownedMail is the pattern of the addresses that a glob such as *@acme.example means,
// unless anyone can have one of these.
func ownedMail(glob string) (string, bool) {
	rest, ok := strings.CutPrefix(glob, "*")
	if !ok || strings.Contains(rest, "*") {
		return "", false
	}
	subdomains := `(?:[^@]*\.)?`
	domain, exact := strings.CutPrefix(rest, "@")
	if exact {
		subdomains = ""
	}
	domain = strings.TrimPrefix(domain, ".")
	if !strings.Contains(domain, ".") || strings.Contains(domain, "@") || slices.Contains(publicMail(), domain) {
		return "", false
	}
	return `[^@]*@` + subdomains + regexp.QuoteMeta(domain), true
}

// publicMail lists domains at which anyone gets an address, as of November 2026.
func publicMail() []string {
	return []string{
		"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com",
		"proton.me", "protonmail.com", "gmx.de", "gmx.net", "gmx.com", "web.de", "aol.com", "mail.com", "zoho.com",
		"yandex.com", "yandex.ru", "mail.ru", "qq.com", "163.com", "fastmail.com", "tutanota.com", "users.noreply.gitlab.com",
	}
}

// eachWanted visits these conditions, what refusals leave, and what formulas want of claims
// as they are.
func eachWanted(stages []bundles.Stage, visit func(*bundles.Condition)) {
	eachCondition(stages, visit)
	eachLeft(stages, visit)
	eachTest(stages, func(test *claimTest) {
		if len(test.Through) == 0 {
			one := bundles.Condition{Reads: "claim", Key: test.Path[1], Wanted: test.globs()}
			(&claimFormula{Op: cel.Leaf, Test: test}).show(&one)
			visit(&one)
		}
	})
}

// eachTest visits the tests inside of formulas that are wanted.
func eachTest(stages []bundles.Stage, visit func(*claimTest)) {
	eachCondition(stages, func(c *bundles.Condition) {
		if c.Analysis != "formula" {
			return
		}
		// What cannot be read is refused where it is lowered.
		if read, err := readFormula(c.Formula); err == nil {
			for _, test := range read.wanted() {
				visit(test)
			}
		}
	})
}

// eachLeft visits what refusals name that they leave alone.
func eachLeft(stages []bundles.Stage, visit func(*bundles.Condition)) {
	for s := range stages {
		for _, refusal := range stages[s].Refusals {
			for c := range refusal.Conditions {
				if wanted, ok := allBut(&refusal.Conditions[c]); ok {
					visit(&wanted)
				}
			}
		}
	}
}

// eachCondition visits the conditions of ways, those that a role wants satisfied.
func eachCondition(stages []bundles.Stage, visit func(*bundles.Condition)) {
	for s := range stages {
		for w := range stages[s].Ways {
			for c := range stages[s].Ways[w].Conditions {
				visit(&stages[s].Ways[w].Conditions[c])
			}
		}
	}
}
