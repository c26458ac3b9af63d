package breadth

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Some issuers have no claim with the path of a project. Their tokens name a group in one
// claim and what lies below it in others, and the subject repeats them all.

// settle takes from the issuer what it settles: that it is one tenant's alone, and fields.
// Nobody outside the tenant gets tokens of it. A role that does not check the issuer may
// accept other tenants' tokens all the same, since issuers can share their keys.
func (a *analysis) settle() {
	settled, ok := a.model.TenantOf(a.issuer)
	if !ok {
		return
	}
	if !a.checksIssuer() {
		a.rest(fmt.Sprintf("the role does not check the issuer: tokens of other tenants than that of %s may have keys that it trusts", a.issuer))
		a.issuer = ""
		return
	}
	a.tenanted, a.lower.settled = true, settled
	model := *a.model
	model.Fields = maps.Clone(model.Fields)
	for field, text := range settled {
		model.Fields[field] = issuer.Field{Domain: quotedAny([]string{text}), Plain: []string{text}}
	}
	a.model = &model
	a.rest(fmt.Sprintf("the issuer %s is one tenant's alone: no project of anybody else gets a token of it", a.issuer))
}

// checksIssuer reports whether the role, and the one that it is compared with, take no
// tokens but of the issuers that they name.
func (a *analysis) checksIssuer() bool {
	own := a.itself()
	for _, stages := range [][]bundles.Stage{a.stages[:own.to], a.stages[own.to:]} {
		if len(stages) > 0 && !slices.ContainsFunc(stages, namesIssuers) {
			return false
		}
	}
	return true
}

// namesIssuers reports whether every way of a stage that a token may pass names an issuer.
func namesIssuers(stage bundles.Stage) bool {
	named := false
	for w := range stage.Ways {
		if way := &stage.Ways[w]; len(issuersIn(way)) > 0 {
			named = true
		} else if !hopeless(way) {
			return false
		}
	}
	return named
}

// tenantIsGroup reports whether the issuer is one group's, so that all of its projects
// are; another tenant may have groups that the scope does not name.
func (a *analysis) tenantIsGroup() bool {
	names := &a.model.Names
	return a.tenanted && names.Tenant != "" && names.Tenant == names.GroupID
}

// ofTenant says that a token is surely one that the tenant of its issuer can have: whether
// there are other groups than the scope's is not known, nor whose issuer it is where a role
// does not say.
func (a *analysis) ofTenant(q *question) (node, error) {
	if a.issuer != "" && !a.tenanted || a.tenantIsGroup() || a.generic {
		return yes, nil
	}
	names := &a.model.Names
	under, err := a.underRoots(q, a.tenants.roots(), true)
	if err != nil {
		return no, err
	}
	groupIDs, err := q.claimIs(names.GroupID, false, anyOf(a.tenants.groupIDs)...)
	if err != nil {
		return no, err
	}
	ids, err := q.claimIs(names.ID, false, anyOf(a.tenants.ids)...)
	return q.forms.any(under, groupIDs, ids), err
}

// oneThing says that an id that the scope names stands for nothing else: a subject that is
// the id of one kind is not what the scope says of another.
func (a *analysis) oneThing(q *question) (node, error) {
	names := &a.model.Names
	parts := []node{yes}
	if len(names.SubjectIDs) == 0 || !a.interesting[names.Subject] {
		return yes, nil
	}
	for _, claim := range names.SubjectIDs {
		ids := a.tenants.others[claim]
		switch claim {
		case names.ID:
			ids = a.tenants.ids
		case names.GroupID:
			ids = a.tenants.groupIDs
		}
		if len(ids) == 0 || slices.Equal(q.pieces(claim), q.pieces(names.Subject)) {
			continue
		}
		named, err := q.claimIs(names.Subject, true, anyOf(ids)...)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.not(named))
	}
	return q.forms.all(parts...), nil
}

// otherIDs says that a token has one of the ids in the scope that are neither a project's
// nor a group's.
func (a *analysis) otherIDs(q *question) (node, error) {
	var found []node
	for _, claim := range slices.Sorted(maps.Keys(a.tenants.others)) {
		ours, err := q.claimIs(claim, true, anyOf(a.tenants.others[claim])...)
		if err != nil {
			return no, err
		}
		found = append(found, ours)
	}
	return q.forms.any(found...), nil
}

// bareSubjects are those of the texts wanted of a subject that are ids: they begin as no
// subject of parts does.
func bareSubjects(texts []string, names *issuer.Parts) []string {
	if len(names.SubjectIDs) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool {
		found, _ := inferredFrom(opening{text: text}, names.Subjects[names.Subject], names)
		return len(found) > 0 && found[0].Claim != names.Subject
	})
}

// inferredNames are the constraints that a condition says by repeating claims, as a
// subject does: on those claims that every text that it wants names.
func inferredNames(c *bundles.Condition, names *issuer.Parts) []Constraint {
	claim := claimOf(c)
	templates := names.Subjects[claim]
	if claim == "" || len(templates) == 0 {
		return nil
	}
	var all []Constraint
	read := 0
	for _, start := range starts(c) {
		found, ok := inferredFrom(start, templates, names)
		if !ok {
			continue
		}
		read++
		for _, constraint := range found {
			i := slices.IndexFunc(all, func(known Constraint) bool { return known.Claim == constraint.Claim })
			switch {
			case i >= 0 && constraint.text() != all[i].text():
				all[i].Values = append(all[i].Values, constraint.Values...)
				all[i].Prefixes = append(all[i].Prefixes, constraint.Prefixes...)
			case i < 0 && read == 1:
				all = append(all, constraint)
			}
		}
		all = slices.DeleteFunc(all, func(known Constraint) bool {
			return !slices.ContainsFunc(found, func(constraint Constraint) bool { return constraint.Claim == known.Claim })
		})
	}
	return all
}

// text tells constraints on one claim apart.
func (c *Constraint) text() string { return fmt.Sprint(c.Values, c.Prefixes) }

// inferredFrom reads an opening along that template which it follows the furthest.
func inferredFrom(start opening, templates []string, names *issuer.Parts) (best []Constraint, ok bool) {
	for _, template := range templates {
		if found, fits := along(start, template, names); fits && len(found) >= len(best) {
			best, ok = found, len(found) > 0
		}
	}
	if ok {
		return best, true
	}
	if id := start.text; !start.open && id != "" && slices.Contains(idClaims(names), names.Subject) {
		return []Constraint{{Claim: names.Subject, Values: []any{id}}}, true
	}
	return nil, false
}

// along reads the claims that an opening names along a template.
func along(start opening, template string, names *issuer.Parts) ([]Constraint, bool) {
	var found []Constraint
	pieces := issuer.Pieces(template)
	text := start.text
	for i, piece := range pieces {
		if piece.Field == "" {
			rest, ok := strings.CutPrefix(text, piece.Literal)
			if !ok {
				return found, start.open && strings.HasPrefix(piece.Literal, text) || len(found) > 0
			}
			text = rest
			continue
		}
		value, closed := text, !start.open && i == len(pieces)-1
		if i+1 < len(pieces) {
			value, _, closed = strings.Cut(text, pieces[i+1].Literal)
			if !closed {
				// The next name may be separated by a word of another template.
				value, _, closed = strings.Cut(text, pieces[i+1].Literal[:1])
			}
		}
		if constraint, ok := belowNamed(piece.Field, opening{value, !closed && start.open}, names); ok {
			found = append(found, constraint)
		}
		if !closed {
			return found, true
		}
		text = strings.TrimPrefix(text, value)
	}
	return found, true
}

// belowNamed is the constraint of a name or id that a text begins with: a wildcard glued to
// a name means that very name, one behind a separator below the group a family.
func belowNamed(claim string, of opening, names *issuer.Parts) (Constraint, bool) {
	found := Constraint{Claim: claim}
	name := strings.TrimRight(of.text, "-_. ")
	switch {
	case name == "" || of.open && slices.Contains(idClaims(names), claim):
		return found, false
	case of.open && claim != names.Group && name != of.text:
		found.Prefixes = []string{of.text}
	case of.open:
		found.Values = []any{name}
	default:
		found.Values = []any{of.text}
	}
	return found, true
}

// idClaims are the claims whose values are ids, of which no part means anything.
func idClaims(names *issuer.Parts) []string {
	all := append([]string{names.ID, names.GroupID}, names.IDs...)
	if len(names.SubjectIDs) > 0 {
		all = append(all, names.Subject)
	}
	return all
}
