package breadth

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// withFamilies is the model with those claims of its families that role and scope name.
func (a *analysis) withFamilies(model *issuer.Model) *issuer.Model {
	if len(model.Families) == 0 {
		return model
	}
	extended := *model
	extended.Claims = maps.Clone(model.Claims)
	a.eachNamed(func(claim string) {
		for prefix, family := range model.Families {
			if _, known := extended.Claims[claim]; !known && strings.HasPrefix(claim, prefix) {
				extended.Claims[claim] = family
			}
		}
	})
	return &extended
}

// eachNamed visits the claims that role and scope name.
func (a *analysis) eachNamed(visit func(claim string)) {
	eachRead(a.stages, visit)
	if a.Subject.Scope != nil {
		for _, circle := range a.Subject.Scope.Circles {
			for _, c := range circle {
				visit(c.Claim)
			}
		}
	}
}

// settings says that a token of the scope's owners lacks the claims of families: what
// their settings put there nobody has said.
func (a *analysis) settings(q *question) (node, error) {
	parts := []node{yes}
	for _, claim := range a.families() {
		under, err := a.underRoots(q, slices.Concat(a.tenants.roots(), a.guessed), false)
		if err != nil {
			return no, err
		}
		gone, err := q.claim(claim, reading{absent: true}, true)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.any(q.forms.not(under), gone))
	}
	return q.forms.all(parts...), nil
}

// families lists the claims of families that are looked at.
func (a *analysis) families() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a.interesting)), func(claim string) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(a.model.Families)), func(prefix string) bool { return strings.HasPrefix(claim, prefix) })
	})
}

// withoutIDs takes a path of an immutable subject apart, as owner@1/repository@2.
func withoutIDs(path string) (plain, groupID, id string) {
	owner, name, below := strings.Cut(path, "/")
	owner, groupID, _ = strings.Cut(owner, "@")
	if !below {
		return owner, groupID, ""
	}
	name, id, _ = strings.Cut(name, "@")
	return owner + "/" + name, groupID, id
}

// withoutIDs is the opening of the path of a subject whose ids, or wildcards in their
// place, are left out.
func (o opening) withoutIDs(c *bundles.Condition) opening {
	if !strings.Contains(o.text, "@") {
		return o
	}
	plain, _, _ := withoutIDs(o.text)
	if !o.open {
		return opening{plain, false}
	}
	for _, text := range wantedTexts(c) {
		_, text, _ = strings.Cut(text, ":")
		path, _, closed := strings.Cut(text, ":")
		path, groupID, id := withoutIDs(path)
		if closed && groupID == "*" && (id == "*" || id == "") && strings.HasPrefix(path, plain) && !strings.ContainsAny(path, "*?") {
			return opening{path, false}
		}
	}
	if _, name, below := strings.Cut(o.text, "/"); below {
		return opening{plain, !strings.Contains(name, "@")}
	}
	return opening{plain + "/", true}
}

// component is a key of a subject with the value behind it.
type component struct {
	key   string
	value opening
}

// components takes the beginning of a subject apart, where an issuer's are keys and values
// in turn.
func components(start opening, names *issuer.Parts) []component {
	if names.SubjectPath == "" {
		return nil
	}
	var all []component
	for text := start.text; ; {
		text = strings.TrimPrefix(text, pullRequest+":")
		key, rest, ok := strings.Cut(text, ":")
		if !ok {
			return all
		}
		value := start.upTo(rest, ":")
		all = append(all, component{key, value})
		_, text, _ = strings.Cut(rest, ":")
	}
}

// pullRequest is the component that has no value.
const pullRequest = "pull_request"

// ofSubjects visits the components, whole, of the subjects that a condition wants: also
// those behind a star.
func ofSubjects(c *bundles.Condition, names *issuer.Parts, visit func(key, value string)) {
	if names.Subject == "" || claimOf(c) != names.Subject {
		return
	}
	for _, start := range starts(c) {
		for _, of := range components(start, names) {
			if !of.value.open && of.value.text != "" {
				visit(of.key, of.value.text)
			}
		}
	}
	for _, text := range wantedTexts(c) {
		parts := strings.Split(text, ":")
		for i, part := range parts[:len(parts)-1] {
			if value := parts[i+1]; value != "" && !strings.ContainsAny(value, "*?") {
				visit(strings.TrimLeft(part, "*?"), value)
			}
		}
	}
}

// subject adds the project or owner that a subject names, or else the project's id.
func (c *Constraint) subject(of []component, condition *bundles.Condition, names *issuer.Parts) {
	for _, part := range of {
		switch {
		case part.key+":" == names.SubjectPath || part.key == names.Path:
			c.named(names.Path)
			c.path(part.value.withoutIDs(condition), true)
			return
		case part.key == names.Group:
			c.named(names.Path)
			// Of an owner all is meant that lies below it.
			c.path(opening{part.value.text, true}, true)
			return
		}
	}
	for _, part := range of {
		if part.key == names.ID && c.Claim != names.Path {
			c.Claim = names.ID
			c.id(part.value)
			return
		}
	}
}

// named says that it is a path that is constrained: ids beside paths are left aside.
func (c *Constraint) named(path string) {
	if c.Claim != path {
		c.Claim, c.Values = path, nil
	}
}

// subjectIDs are the ids of owner and project that a subject has.
func subjectIDs(of []component, names *issuer.Parts) (groupID, id string) {
	for _, part := range of {
		switch {
		case part.key+":" == names.SubjectPath:
			_, inGroup, inPath := withoutIDs(part.value.text)
			if strings.Contains(part.value.text, "/") || !part.value.open {
				groupID = cmp.Or(groupID, inGroup)
			}
			if !part.value.open {
				id = cmp.Or(id, inPath)
			}
		case part.key == names.GroupID && !part.value.open:
			groupID = cmp.Or(groupID, part.value.text)
		case part.key == names.ID && !part.value.open:
			id = cmp.Or(id, part.value.text)
		}
	}
	return groupID, id
}

// inferredIDs are the constraints on ids that all subjects of a condition name.
func inferredIDs(c *bundles.Condition, names *issuer.Parts) []Constraint {
	if names.Subject == "" || claimOf(c) != names.Subject || names.SubjectPath == "" {
		return nil
	}
	group, project := Constraint{Claim: names.GroupID}, Constraint{Claim: names.ID}
	all := starts(c)
	for _, start := range all {
		groupID, id := subjectIDs(components(start, names), names)
		if groupID != "" {
			group.Values = append(group.Values, groupID)
		}
		if id != "" {
			project.Values = append(project.Values, id)
		}
	}
	return slices.DeleteFunc([]Constraint{group, project}, func(found Constraint) bool {
		return len(found.Values) == 0 || len(found.Values) < len(all)
	})
}

// maxOrders bounds how many subjects with other components are told apart.
const maxOrders = 24

// maxBehindFirst bounds the components, one of the first among them, of subjects whose
// order is told apart where a role's wildcard hides some.
const maxBehindFirst = 3

// orders lists the components, in every order, of subjects that a role's patterns may
// mean beside those that it spells out: the components that its texts name, and with a
// wildcard those that can hold what the pattern wants.
func (a *analysis) orders() [][]string {
	var all [][]string
	for i := range a.model.Choices {
		choice := &a.model.Choices[i]
		most := choice.Orders
		if len(choice.First) > 0 {
			most = maxBehindFirst
		}
		if most == 0 || !a.interesting[choice.Claim] {
			continue
		}
		keys := map[string]bool{}
		a.eachNaming(func(c *bundles.Condition, _ bool) {
			if claimOf(c) == choice.Claim || inFormula(c, choice.Claim) {
				componentsOf(c, choice, keys)
			}
		})
		for n := 1; n <= most; n++ {
			arrange(slices.Sorted(maps.Keys(keys)), nil, n, func(list []string) {
				if len(all) < maxOrders && a.mayBegin(choice, list) {
					all = append(all, slices.Clone(list))
				}
			})
		}
	}
	return all
}

// componentsOf adds the components that the texts of a condition name.
func componentsOf(c *bundles.Condition, choice *issuer.Choice, keys map[string]bool) {
	swallows := c.Analysis == "formula"
	for _, text := range wantedTexts(c) {
		for part := range strings.SplitSeq(text, ":") {
			if name := strings.Trim(part, "*?"); choice.Components[name] != "" {
				keys[name] = true
			}
		}
		swallows = swallows || strings.Contains(text, "*")
	}
	if swallows {
		// What stands between two components that are wanted is a value, and one that its
		// caller chooses freely holds the most.
		for _, key := range append([]string{"repo", "environment", "workflow"}, choice.First...) {
			if choice.Components[key] != "" {
				keys[key] = true
			}
		}
	}
}

// inFormula reports whether a formula reads a claim in a way that no text shows.
func inFormula(c *bundles.Condition, claim string) bool {
	return c.Analysis == "formula" && c.Pattern == "" && len(c.Values) == 0 && slices.ContainsFunc(c.Paths, func(path []any) bool {
		return len(path) > 0 && path[0] == claim
	})
}

// arrange visits every order of n of the keys.
func arrange(keys, list []string, n int, visit func([]string)) {
	if len(list) == n {
		visit(list)
		return
	}
	for _, key := range keys {
		if !slices.Contains(list, key) {
			arrange(keys, append(slices.Clone(list), key), n, visit)
		}
	}
}

// eachNaming visits the conditions of ways and refusals, and says which of them want what
// they name.
func (a *analysis) eachNaming(visit func(c *bundles.Condition, wants bool)) {
	for s := range a.stages {
		for w, way := range slices.Concat(a.stages[s].Ways, a.stages[s].Refusals) {
			for c := range way.Conditions {
				named, negated := allBut(&way.Conditions[c])
				if !negated {
					named = way.Conditions[c]
				}
				visit(&named, negated == (w >= len(a.stages[s].Ways)))
			}
		}
	}
}

// mayBegin reports whether a subject of these components begins as a condition wants; where
// none wants any, as none rules out.
func (a *analysis) mayBegin(choice *issuer.Choice, list []string) bool {
	begins, _, _ := strings.Cut(choice.Components[list[0]], "{")
	found, wanted, unwanted := false, false, false
	a.eachNaming(func(c *bundles.Condition, wants bool) {
		found = found || wants && inFormula(c, choice.Claim)
		if claimOf(c) != choice.Claim {
			return
		}
		wanted, unwanted = wanted || wants, unwanted || !wants
		if !wants {
			return
		}
		for _, start := range starts(c) {
			found = found || strings.HasPrefix(start.text, begins) || start.open && strings.HasPrefix(begins, start.text)
		}
	})
	return found || unwanted && !wanted
}

// inferredOwners reads the scope off a role that names no project: the owner of the
// workflow that it wants, or the one in a condition that decides nothing.
func inferredOwners(stages []bundles.Stage, names *issuer.Parts) Circle {
	found := Constraint{Claim: names.Group}
	add := func(owner string) {
		if owner != "" && !strings.ContainsAny(owner, "*?") && !slices.Contains(found.Values, any(owner)) {
			found.Values = append(found.Values, owner)
		}
	}
	eachCondition(stages, func(c *bundles.Condition) {
		key := c.Claim[strings.LastIndexByte(c.Claim, ':')+1:]
		switch {
		case names.Workflow != "" && claimOf(c) == names.Workflow:
			for _, start := range starts(c) {
				if owner, _, whole := strings.Cut(start.text, "/"); whole {
					add(owner)
				}
			}
		case c.Analysis == "leaf" && claimOf(c) == "" && key == names.Group && names.Group != "":
			for _, text := range wantedTexts(c) {
				add(text)
			}
		}
	})
	if len(found.Values) == 0 {
		return nil
	}
	return Circle{found}
}

// spelledOut is the pattern of the subjects, for a choice of components, that the shapes
// stand for one by one: a text shows which components it is made of, for a value holds no
// colon. A cover need not stand for these once more; "" where there are none.
func spelledOut(model *issuer.Model, choice *issuer.Choice, shapes []*variant) string {
	lists := map[string]bool{}
	for _, shape := range shapes {
		lists[shape.chosen(choice.Name)] = true
	}
	var patterns []string
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		for _, list := range written(strings.Split(name, ",")) {
			if !slices.ContainsFunc(list, func(key string) bool { return choice.Components[key] == "" && !ofContext(key) }) &&
				apart(model, choice, list) && allKnown(lists, list) {
				patterns = append(patterns, subjectPattern(list))
			}
		}
	}
	if len(patterns) == 0 {
		return ""
	}
	return `(?s)\A(?:` + strings.Join(patterns, "|") + `)\z`
}

// spellOut notes the subjects of a release that covers leave to other shapes.
func (a *analysis) spellOut(release string, shapes []*variant) error {
	for i := range a.model.Choices {
		choice := &a.model.Choices[i]
		if choice.Orders == 0 || !a.interesting[choice.Claim] {
			continue
		}
		plain := slices.DeleteFunc(slices.Clone(shapes), func(v *variant) bool { return slices.Contains(v.covers, choice.Name) })
		tellable, err := a.tellable(choice.Claim, plain)
		if err != nil {
			return err
		}
		if !tellable {
			continue
		}
		if pattern := spelledOut(a.model, choice, plain); pattern != "" {
			if a.spelled == nil {
				a.spelled = map[string]map[string]string{}
			}
			a.spelled[release] = map[string]string{choice.Name: pattern}
		}
	}
	return nil
}

// tellable reports whether no value in a claim's texts holds a colon.
func (a *analysis) tellable(claim string, shapes []*variant) (bool, error) {
	colon, err := a.lower.compile(`(?s)\A.*:.*\z`)
	if err != nil {
		return false, err
	}
	for _, shape := range shapes {
		q := &question{variant: shape, model: a.model, issuer: a.issuer, lower: a.lower}
		for _, piece := range q.pieces(claim) {
			if piece.Field == "" || piece.Escaped || len(shape.covers) > 0 {
				continue
			}
			domain, err := q.domain(piece.Field, false)
			if err != nil {
				return false, err
			}
			holds, err := a.lower.limits.Intersect(a.ctx, domain, colon)
			if err != nil || !holds.Empty() {
				return false, err
			}
		}
	}
	return true, nil
}

// ofContext reports whether a component shows where the component context stands.
func ofContext(key string) bool { return key == "ref" || key == "environment" || key == "pull_request" }

// written are the lists of keys that the text of such a list of components shows.
func written(list []string) [][]string {
	at := slices.Index(list, "context")
	if at < 0 {
		return [][]string{list}
	}
	var all [][]string
	for _, key := range []string{"ref", "environment", "pull_request"} {
		shown := slices.Clone(list)
		shown[at] = key
		all = append(all, shown)
	}
	return all
}

// allKnown reports whether there is a shape for every list of components whose text shows
// these keys.
func allKnown(lists map[string]bool, keys []string) bool {
	if !slices.Contains(keys, "pull_request") && !lists[strings.Join(keys, ",")] {
		return false
	}
	for i, key := range keys {
		other := slices.Clone(keys)
		other[i] = "context"
		if ofContext(key) && !slices.Contains(slices.Delete(slices.Clone(keys), i, i+1), "pull_request") && !lists[strings.Join(other, ",")] {
			return false
		}
	}
	return true
}

// apart reports whether no two components read the same field: no shape does.
func apart(model *issuer.Model, choice *issuer.Choice, keys []string) bool {
	seen := map[string]bool{}
	for _, key := range keys {
		found := map[string]bool{}
		readsOf(model, choice.Components[key], found)
		for field := range found {
			if seen[field] {
				return false
			}
			seen[field] = true
		}
	}
	return true
}

func subjectPattern(keys []string) string {
	parts := make([]string, len(keys))
	for i, key := range keys {
		parts[i] = key
		if key != pullRequest {
			parts[i] += `:[^:]*`
		}
	}
	return strings.Join(parts, ":")
}

// elsewhere says that a cover's subject is one that no other shape stands for.
func (a *analysis) elsewhere(q *question) (node, error) {
	parts := []node{yes}
	for name, pattern := range a.spelled[q.release] {
		if !slices.Contains(q.covers, name) {
			continue
		}
		known, err := q.claimMatches(a.model.Names.Subject, pattern, true)
		if err != nil {
			return no, err
		}
		parts = append(parts, q.forms.not(known))
	}
	return q.forms.all(parts...), nil
}
