package breadth

import (
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// freshNames are refs and environments that nobody protects unless everything is.
const freshNames = `\A(?:x|topic|trustcheck-[a-z]+)\z`

// freshEnvironments are as well those whose name passes for a part of a subject.
const freshEnvironments = `\A(?:x|topic|trustcheck-[a-z]+|(?:ref|repo|environment):.+)\z`

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
