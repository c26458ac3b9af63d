package breadth

import (
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

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
