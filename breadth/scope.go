package breadth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Scope is the circle that a role is meant for: a token is inside when all constraints
// of one of the circles hold.
type Scope struct {
	Circles []Circle
	// Inferred says that nobody gave the scope: it was read off the role.
	Inferred bool
}

// Circle is a conjunction over claims.
type Circle []Constraint

// Constraint says what a claim must be: one of Values, a path Within one of the groups
// (the group or anything below it), or a text with one of Prefixes; and with Not, none
// of these.
type Constraint struct {
	Claim    string
	Values   []any
	Within   []string
	Prefixes []string
	Not      bool
}

// ReadScope reads a scope from JSON: a conjunction of equalities over claims, a list
// meaning any of its elements, with the members issuer, namespace_path, event_name_not
// and any_of that are special. What names projects and groups may end with a star, as in
// a scope that is printed: `acme/*` is the group, `acme/svc-*` all that begins so. An error
// names the member and what was wanted.
func ReadScope(text []byte) (*Scope, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var came any
	if err := decoder.Decode(&came); err != nil {
		return nil, fmt.Errorf("scope: want an object: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("scope: want one object, got more behind it")
	}
	base, alternatives, err := readCircle(came, true)
	if err != nil {
		return nil, fmt.Errorf("scope: %w", err)
	}
	if alternatives == nil {
		return &Scope{Circles: []Circle{base}}, nil
	}
	scope := &Scope{}
	for i, alternative := range alternatives {
		circle, _, err := readCircle(alternative, false)
		if err != nil {
			return nil, fmt.Errorf("scope: any_of[%d]: %w", i, err)
		}
		scope.Circles = append(scope.Circles, append(slices.Clone(base), circle...))
	}
	return scope, nil
}

// readCircle reads the members of a circle, and beside them, where it is the outer one, those
// that any_of lists.
func readCircle(came any, outer bool) (Circle, []any, error) {
	members, ok := came.(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("want an object of claims, got %s", spelled(came))
	}
	if len(members) == 0 {
		return nil, nil, errors.New("want at least one claim, got none")
	}
	var circle Circle
	var alternatives []any
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == "any_of" && outer {
			if alternatives, ok = members[name].([]any); !ok || len(alternatives) == 0 {
				return nil, nil, fmt.Errorf("any_of: want a list of at least one object, got %s", spelled(members[name]))
			}
			continue
		}
		constraint, err := readConstraint(name, members[name])
		if err != nil {
			return nil, nil, err
		}
		circle = append(circle, constraint)
	}
	return circle, alternatives, nil
}

func readConstraint(name string, value any) (Constraint, error) {
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	}
	if len(values) == 0 {
		return Constraint{}, fmt.Errorf("%s: want at least one value, got []", name)
	}
	for _, one := range values {
		switch one.(type) {
		case []any, map[string]any:
			return Constraint{}, fmt.Errorf("%s: want a text, a number, a boolean or a list of these, got %s", name, spelled(value))
		}
	}
	switch name {
	case "issuer":
		return Constraint{Claim: "iss", Values: values}, nil
	case "event_name_not":
		return Constraint{Claim: "event_name", Values: values, Not: true}, nil
	default:
		return readNames(name, values)
	}
}

// readNames reads the wanted values of a claim: of one that names projects or groups with a
// star at the end too, but none in the place of an owner.
func readNames(name string, values []any) (Constraint, error) {
	constraint := Constraint{Claim: name}
	paths, below := tenantClaims()
	for _, one := range values {
		text, isText := one.(string)
		stem, starred := strings.CutSuffix(text, "*")
		group, within := strings.CutSuffix(stem, "/")
		switch {
		case name == "namespace_path" && !isText:
			return Constraint{}, fmt.Errorf("namespace_path: want a group's path, got %v", one)
		case name == "namespace_path" && !starred, starred && within && slices.Contains(paths, name) && !strings.Contains(group, "*"):
			constraint.Within = append(constraint.Within, group)
		case !strings.Contains(text, "*") || !slices.Contains(slices.Concat(paths, below), name):
			constraint.Values = append(constraint.Values, one)
		case !strings.Contains(stem, "*") && stem != "" && (strings.Contains(stem, "/") || slices.Contains(below, name)):
			constraint.Prefixes = append(constraint.Prefixes, stem)
		default:
			return Constraint{}, fmt.Errorf("%s: want one star, at the end and behind an owner's name, as in acme/* or acme/svc-*: got %q", name, text)
		}
	}
	return constraint, nil
}

// tenantClaims lists the claims of all issuers that name groups and projects by their paths,
// and those that name what lies below a group.
func tenantClaims() (paths, below []string) {
	for _, name := range issuer.Models() {
		// Models are part of the program: one that cannot be read fails its own tests.
		if model, err := issuer.ModelOf(name); err == nil {
			names := &model.Names
			paths = append(paths, names.Path, names.Group, names.JobPath, names.JobGroup)
			below = append(below, names.Below...)
		}
	}
	return slices.DeleteFunc(paths, func(name string) bool { return name == "" }), below
}

// checkScope wants a scope that was given to name claims that some issuer mints: a circle
// with a misspelt one would be nobody's.
func (a *analysis) checkScope() error {
	if a.generic || a.Subject.Scope == nil {
		return nil
	}
	known := slices.Collect(maps.Keys(a.model.Claims))
	for _, name := range issuer.Models() {
		model, err := issuer.ModelOf(name)
		if err != nil {
			return err
		}
		known = slices.AppendSeq(known, maps.Keys(model.Claims))
	}
	slices.Sort(known)
	for _, circle := range a.Subject.Scope.Circles {
		for _, c := range circle {
			if slices.Contains(known, c.Claim) {
				continue
			}
			wrong := fmt.Errorf("scope: want claims that %s mints, got %q", a.model.Title, c.Claim)
			for _, name := range known {
				if levenshtein.ComputeDistance(c.Claim, name) <= maxSlip {
					return fmt.Errorf("%w: did you mean %s?", wrong, name)
				}
			}
			return wrong
		}
	}
	return nil
}

// maxSlip bounds how many letters of a misspelt name are wrong.
const maxSlip = 2

// MarshalJSON writes the scope as it could have been given; what has no such form is
// written with a star.
func (s *Scope) MarshalJSON() ([]byte, error) {
	circles := make([]map[string]any, len(s.Circles))
	for i, circle := range s.Circles {
		circles[i] = circle.plain()
	}
	if len(circles) == 0 {
		return []byte("null"), nil
	}
	if len(circles) == 1 {
		return json.Marshal(circles[0])
	}
	return json.Marshal(map[string]any{"any_of": circles})
}

func (c Circle) plain() map[string]any {
	all := map[string]any{}
	for _, constraint := range c {
		values := slices.Clone(constraint.Values)
		name := constraint.Claim
		for _, group := range constraint.Within {
			if name != "namespace_path" {
				group += "/*"
			}
			values = append(values, group)
		}
		for _, prefix := range constraint.Prefixes {
			values = append(values, prefix+"*")
		}
		if constraint.Not {
			name += "_not"
		}
		if name == "iss" {
			name = "issuer"
		}
		if before, ok := all[name]; ok {
			all[name] = append(asList(before), values...)
		} else if len(values) == 1 {
			all[name] = values[0]
		} else {
			all[name] = values
		}
	}
	return all
}

func asList(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}

// String is the scope's JSON.
func (s *Scope) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// pattern is the RE2 of the texts that satisfy a constraint; false where there are none.
func (c *Constraint) pattern() (string, bool) {
	var parts []string
	for _, value := range c.Values {
		if text, ok := value.(string); ok {
			parts = append(parts, regexp.QuoteMeta(text))
		}
	}
	for _, group := range c.Within {
		parts = append(parts, regexp.QuoteMeta(group)+`(?:/.*)?`)
	}
	for _, prefix := range c.Prefixes {
		parts = append(parts, regexp.QuoteMeta(prefix)+`.*`)
	}
	return `(?s)\A(?:` + strings.Join(parts, "|") + `)\z`, len(parts) > 0
}

// circles says who owns the tenants that a scope names.
type tenants struct {
	// paths and groups are those of projects and groups, ids and groupIDs their ids.
	paths, groups, prefixes, ids, groupIDs []string
	// owned are accounts taken to belong to insiders, as patterns by claim; personGroups
	// the groups whose members are.
	owned        map[string][]string
	personGroups []string
	// below are names of what lies below the groups, of ids of neither projects nor groups,
	// by claim.
	below, others map[string][]string
	// tenanted says that the issuer is one tenant's, whom the scope names by it.
	tenanted bool
}

// roots are the first segments of all paths and groups.
func (t *tenants) roots() []string {
	var all []string
	for _, path := range slices.Concat(t.paths, t.groups, t.prefixes) {
		root, _, _ := strings.Cut(path, "/")
		all = append(all, root)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// named reports whether the scope names a tenant at all.
func (t *tenants) named() bool {
	return t.tenanted || len(t.paths)+len(t.groups)+len(t.prefixes)+len(t.ids)+len(t.groupIDs)+len(t.others) > 0
}

func (t *tenants) add(c *Constraint, names *issuer.Parts) {
	if c.Not {
		return
	}
	texts := textsIn(c.Values)
	switch c.Claim {
	case names.Path, names.JobPath:
		t.paths = append(t.paths, texts...)
		t.groups = append(t.groups, c.Within...)
		t.prefixes = append(t.prefixes, c.Prefixes...)
	case names.Group, names.JobGroup:
		t.groups = append(t.groups, append(texts, c.Within...)...)
		t.prefixes = append(t.prefixes, c.Prefixes...)
	case names.ID, names.JobID:
		t.ids = append(t.ids, texts...)
	case names.GroupID, names.JobGroupID:
		t.groupIDs = append(t.groupIDs, texts...)
	case names.Subject:
		for _, text := range texts {
			if len(names.Subjects) > 0 {
				t.addSubject(text, names)
				continue
			}
			of := components(opening{text: text}, names)
			var named Constraint
			named.subject(of, &bundles.Condition{}, names)
			if named.Claim == names.Path {
				t.add(&named, names)
			}
			groupID, id := subjectIDs(of, names)
			t.groupIDs, t.ids = appendNamed(t.groupIDs, groupID), appendNamed(t.ids, id)
		}
	case names.PersonGroups:
		t.personGroups = append(t.personGroups, texts...)
	default:
		if slices.Contains(names.Below, c.Claim) {
			put(&t.below, c.Claim, append(slices.Clone(texts), c.Prefixes...))
		}
		if slices.Contains(names.IDs, c.Claim) {
			put(&t.others, c.Claim, texts)
		}
	}
}

// addSubject adds what a subject repeats, or that it is an id.
func (t *tenants) addSubject(text string, names *issuer.Parts) {
	found, _ := inferredFrom(opening{text: text}, names.Subjects[names.Subject], names)
	for i := range found {
		if found[i].Claim == names.Subject {
			put(&t.others, names.Subject, textsIn(found[i].Values))
			continue
		}
		t.add(&found[i], names)
	}
}

func appendNamed(all []string, text string) []string {
	if text == "" {
		return all
	}
	return append(all, text)
}

func put(all *map[string][]string, claim string, texts []string) {
	if *all == nil {
		*all = map[string][]string{}
	}
	(*all)[claim] = append((*all)[claim], texts...)
}

func textsIn(values []any) []string {
	var texts []string
	for _, value := range values {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// infer reads the scope off a role: what its positive conditions name. Text before the
// first wildcard counts: `grp/*` is the group, a wildcard behind a separator (`svc-*`)
// the family, and one glued to a name (`app*`) that very name. A wildcard in the owner
// never widens the scope.
func infer(stages []bundles.Stage, names *issuer.Parts) *Scope {
	scope := &Scope{Inferred: true}
	var circle Circle
	for s := range stages {
		if len(stages[s].Ways) == 1 {
			circle = inferredCircle(circle, &stages[s].Ways[0], names)
		}
	}
	if len(circle) == 0 {
		scope.Circles = inferredCircles(stages, names)
	}
	if len(circle)+len(scope.Circles) == 0 {
		circle = inferredRefused(stages, names)
	}
	if len(circle)+len(scope.Circles) == 0 {
		circle = inferredOwners(stages, names)
	}
	if len(circle) > 0 {
		scope.Circles = []Circle{circle}
	}
	return scope
}

// inferredCircle adds what the conditions of a way name to a circle.
func inferredCircle(circle Circle, way *bundles.Way, names *issuer.Parts) Circle {
	for c := range way.Conditions {
		found := append(inferredIDs(&way.Conditions[c], names), inferredNames(&way.Conditions[c], names)...)
		if constraint, ok := inferred(&way.Conditions[c], names); ok {
			found = append(found, constraint)
		}
		for _, constraint := range found {
			if !slices.ContainsFunc(circle, constraint.equal) {
				circle = append(circle, constraint)
			}
		}
	}
	return circle
}

// inferredRefused reads the scope off refusals of all but what they name, whatever else a
// token has.
func inferredRefused(stages []bundles.Stage, names *issuer.Parts) Circle {
	var circle Circle
	for s := range stages {
		for w := range stages[s].Refusals {
			for _, constraint := range inferredLeft(&stages[s].Refusals[w], names) {
				if !slices.ContainsFunc(circle, constraint.equal) {
					circle = append(circle, constraint)
				}
			}
		}
	}
	return circle
}

// inferredLeft is what a refusal leaves alone: of several things one is enough, so that
// they must come to the same.
func inferredLeft(refusal *bundles.Way, names *issuer.Parts) Circle {
	var circle Circle
	for c := range refusal.Conditions {
		condition := &refusal.Conditions[c]
		wanted, ok := allBut(condition)
		if !ok {
			if condition.Test != "always" && claimOf(condition) != "iss" {
				return nil
			}
			continue
		}
		found := inferredCircle(nil, &bundles.Way{Conditions: []bundles.Condition{wanted}}, names)
		if len(found) == 0 || circle != nil && !slices.EqualFunc(circle, found, Constraint.equal) {
			return nil
		}
		circle = found
	}
	return circle
}

// inferredCircles reads one circle off each way of the first stage that has several, if
// every one of them names something.
func inferredCircles(stages []bundles.Stage, names *issuer.Parts) []Circle {
	for s := range stages {
		var all []Circle
		for w := range stages[s].Ways {
			if circle := inferredCircle(nil, &stages[s].Ways[w], names); len(circle) > 0 {
				all = append(all, circle)
			}
		}
		if len(all) > 0 && len(all) == len(stages[s].Ways) {
			return all
		}
	}
	return nil
}

// guessedRoots are the first segments of all paths and groups that a role names anywhere:
// also behind other components of a subject, and in parts of claims.
func guessedRoots(stages []bundles.Stage, model *issuer.Model) []string {
	names := &model.Names
	var guess tenants
	add := func(text string) {
		root, _, _ := strings.Cut(text[strings.LastIndexByte(text, ':')+1:], "/")
		if end := strings.IndexAny(root, "*?@"); end >= 0 {
			root = root[:end]
		}
		if root != "" {
			guess.groups = append(guess.groups, root)
		}
	}
	eachWanted(stages, func(c *bundles.Condition) {
		if constraint, ok := inferred(c, names); ok {
			guess.add(&constraint, names)
		}
		switch claim := claimOf(c); {
		case claim == "":
		case claim == names.Subject:
			for _, text := range wantedTexts(c) {
				eachPath(text, names, add)
			}
		case names.Group != "" && strings.HasPrefix(model.Claims[claim].Text, model.Claims[names.Group].Text):
			for _, start := range starts(c) {
				add(start.text)
			}
		}
	})
	eachTest(stages, func(test *claimTest) {
		if len(test.Through) > 0 && slices.Contains([]string{names.Subject, names.Path, names.Group}, test.Path[1]) {
			for _, text := range textsIn(test.globs()) {
				add(strings.Trim(text, "*"))
			}
		}
	})
	return guess.roots()
}

// eachPath visits the paths and groups that a subject has as components.
func eachPath(subject string, names *issuer.Parts, visit func(string)) {
	keys := []string{strings.TrimSuffix(names.SubjectPath, ":"), names.Path, names.Group}
	parts := strings.Split(subject, ":")
	for i, part := range parts[:len(parts)-1] {
		if slices.Contains(keys, strings.TrimLeft(part, "*?")) {
			visit(parts[i+1])
		}
	}
}

func inferred(c *bundles.Condition, names *issuer.Parts) (Constraint, bool) {
	claim := claimOf(c)
	if claim == "" {
		return Constraint{}, false
	}
	found := Constraint{}
	for _, start := range starts(c) {
		if claim == names.Group && len(names.Below) > 0 || slices.Contains(slices.Concat(names.Below, names.IDs), claim) {
			named, _ := belowNamed(claim, start, names)
			found.Claim = claim
			found.Values, found.Prefixes = append(found.Values, named.Values...), append(found.Prefixes, named.Prefixes...)
			continue
		}
		switch claim {
		case names.Path, names.JobPath:
			found.Claim = names.Path
			found.path(start, true)
		case names.Group, names.JobGroup:
			found.Claim = names.Group
			found.path(start, false)
		case names.ID, names.GroupID:
			found.Claim = claim
			found.id(start)
		case names.JobID:
			found.Claim = names.ID
			found.id(start)
		case names.JobGroupID:
			found.Claim = names.GroupID
			found.id(start)
		case names.Config:
			if _, project, ok := strings.Cut(start.text, "/"); ok {
				found.Claim = names.Path
				found.path(start.upTo(project, "//"), true)
			}
		case names.Subject:
			found.subject(components(start, names), c, names)
		}
	}
	slices.Sort(found.Within)
	found.Within = slices.Compact(found.Within)
	return found, len(found.Values)+len(found.Within)+len(found.Prefixes) > 0
}

func (c Constraint) equal(d Constraint) bool {
	return c.Claim == d.Claim && c.Not == d.Not && slices.Equal(c.Values, d.Values) &&
		slices.Equal(c.Within, d.Within) && slices.Equal(c.Prefixes, d.Prefixes)
}

// path takes over the path that a text starts with.
func (c *Constraint) path(s opening, project bool) {
	name := strings.TrimRight(s.text, "-_.")
	owner, _, below := strings.Cut(s.text, "/")
	switch {
	case name == "" || owner == "":
	case !s.open && project:
		c.Values = append(c.Values, s.text)
	case !s.open:
		c.Within = append(c.Within, s.text)
	case strings.HasSuffix(s.text, "/"):
		c.Within = append(c.Within, strings.TrimRight(s.text, "/"))
	case !below:
		c.Within = append(c.Within, name)
	case name != s.text:
		c.Prefixes = append(c.Prefixes, s.text)
	case project:
		c.Values = append(c.Values, s.text)
	default:
		c.Within = append(c.Within, s.text)
	}
}

func (c *Constraint) id(s opening) {
	if s.text != "" {
		c.Values = append(c.Values, s.text)
	}
}

// claimOf is the top-level claim that a condition reads, if it is one.
func claimOf(c *bundles.Condition) string {
	switch c.Reads {
	case "claim", "folded":
		return c.Key
	case "pointer":
		if len(c.Paths) == 1 && len(c.Paths[0]) == 1 {
			name, _ := c.Paths[0][0].(string)
			return name
		}
	}
	return ""
}
