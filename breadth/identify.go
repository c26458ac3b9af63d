package breadth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Generic is the model of an issuer of which nothing is known: every claim may be
// anything, and is anybody's to choose. It can prove that a role is tight, and no more.
const Generic = "generic"

// identify settles issuer and model: as given, else by the claims that role and scope name.
func (a *analysis) identify() error {
	a.issuer = a.Subject.Issuer
	if a.issuer == "" && a.Subject.Scope != nil {
		for _, circle := range a.Subject.Scope.Circles {
			if texts := textsIn(valuesOf(circle, "iss")); len(texts) == 1 {
				a.issuer = texts[0]
			}
		}
	}
	a.issuer = asMinted(a.issuer)
	name := a.Subject.Model
	if name == "" {
		name = a.recognise()
	}
	if name != Generic && !slices.Contains(issuer.Models(), name) {
		a.rest(fmt.Sprintf("there is no model of the issuer %q yet: the generic model stands in, in which every claim is free", name))
		name = Generic
	}
	if name == Generic {
		a.generic = true
		a.model = a.genericModel()
		return nil
	}
	model, err := issuer.ModelOf(name)
	if err != nil {
		return err
	}
	a.model = a.withFamilies(model)
	if a.issuer == "" && len(model.Issuers) == 0 {
		a.rest(fmt.Sprintf("the issuer was not given: any of %s", model.Title))
	}
	if a.issuer == "" && len(model.Issuers) > 0 {
		a.issuer = model.Issuers[0]
		a.rest(fmt.Sprintf("the issuer was not given: taken for %s", a.issuer))
	}
	return nil
}

// valuesOf are the values that a circle wants of a claim.
func valuesOf(circle Circle, claim string) []any {
	for _, c := range circle {
		if c.Claim == claim && !c.Not {
			return c.Values
		}
	}
	return nil
}

// asMinted is an issuer as its tokens spell it: with a scheme, and for the public ones
// without a slash at the end. A role that binds it otherwise accepts nothing.
func asMinted(iss string) string {
	if iss != "" && !strings.Contains(iss, "://") {
		iss = "https://" + iss
	}
	iss = inLowerCase(iss)
	for _, name := range issuer.Models() {
		model, err := issuer.ModelOf(name)
		if err == nil && slices.Contains(model.Issuers, strings.TrimRight(iss, "/")) {
			return strings.TrimRight(iss, "/")
		}
	}
	return iss
}

// inLowerCase is a public issuer as its tokens spell it, whose host a role spells with
// capitals: platforms that compare iss exactly accept nothing then.
func inLowerCase(iss string) string {
	lower, err := url.Parse(iss)
	if err != nil || lower.Host == strings.ToLower(lower.Host) {
		return iss
	}
	lower.Host = strings.ToLower(lower.Host)
	for _, name := range issuer.Models() {
		if model, err := issuer.ModelOf(name); err == nil && model.IsHosted(strings.TrimRight(lower.String(), "/")) {
			return lower.String()
		}
	}
	return iss
}

// issuersOf are the issuers whose tokens are asked about: all that the roles name, as long as
// the one that was given, if any, is among them; one that is "" where nothing tells.
func issuersOf(given string, roles ...*bundles.Role) ([]string, error) {
	var named []string
	for _, role := range roles {
		if role == nil {
			continue
		}
		stages, err := role.Stages()
		if err != nil {
			return nil, err
		}
		if stages, err = neutral(stages); err != nil {
			return nil, err
		}
		for s := range stages {
			for w := range stages[s].Ways {
				if way := &stages[s].Ways[w]; !hopeless(way) {
					named = merged(named, issuersIn(way))
				}
			}
		}
	}
	given = asMinted(given)
	if given == "" && len(named) > 0 {
		return named, nil
	}
	if !slices.Contains(named, given) {
		return []string{given}, nil
	}
	return merged([]string{given}, named), nil
}

// issuersIn are the issuers that a way wants, as their tokens spell them.
func issuersIn(way *bundles.Way) []string {
	var all []string
	for c := range way.Conditions {
		if claimOf(&way.Conditions[c]) == "iss" {
			for _, iss := range textsIn(way.Conditions[c].Values) {
				all = append(all, asMinted(iss))
			}
		}
	}
	return all
}

// hopeless reports whether no token whatever passes a way.
func hopeless(way *bundles.Way) bool {
	return slices.ContainsFunc(way.Conditions, func(c bundles.Condition) bool { return c.Test == "never" })
}

// ofIssuer leaves out the ways that want other issuers than one of those that they name.
func ofIssuer(stages []bundles.Stage, iss string) []bundles.Stage {
	others := func(way bundles.Way) bool {
		wanted := issuersIn(&way)
		return len(wanted) > 0 && !slices.Contains(wanted, iss)
	}
	all := slices.Clone(stages)
	for s := range all {
		if kept := slices.DeleteFunc(slices.Clone(all[s].Ways), others); len(kept) > 0 {
			all[s].Ways = kept
		}
	}
	return all
}

// recognise tells the model by a known issuer, else by the claims that role and scope
// name and only one issuer mints.
func (a *analysis) recognise() string {
	for _, name := range issuer.Models() {
		model, err := issuer.ModelOf(name)
		if err == nil && model.IsHosted(strings.TrimSuffix(a.issuer, "/")) {
			return name
		}
	}
	claims := map[string]any{"iss": a.issuer}
	named := 0
	see := func(claim string) {
		if claim != "" {
			claims[claim] = ""
			named++
		}
	}
	eachCondition(a.stages, func(c *bundles.Condition) { see(claimOf(c)) })
	if a.Subject.Scope != nil {
		for _, circle := range a.Subject.Scope.Circles {
			for _, c := range circle {
				see(c.Claim)
			}
		}
	}
	if name, _ := issuer.Recognise(claims); name != "" {
		return name
	}
	best, most := Generic, 0
	for _, name := range issuer.Models() {
		model, err := issuer.ModelOf(name)
		if err != nil {
			continue
		}
		count := 0
		for claim := range claims {
			if _, ok := model.Claims[claim]; ok && !slices.Contains([]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "environment", "ref", "sha"}, claim) {
				count++
			}
		}
		if a.subjectOf(model) {
			count++
		}
		if count > most {
			best, most = name, count
		}
	}
	if best != Generic {
		a.rest(fmt.Sprintf("the issuer's tokens are taken for those of %s, by the claims that are named", best))
	} else {
		a.rest("nothing tells whose tokens these are: the generic model stands in, in which every claim is free")
	}
	return best
}

// subjectOf reports whether a wanted subject begins as this issuer's do.
func (a *analysis) subjectOf(model *issuer.Model) bool {
	found := false
	eachCondition(a.stages, func(c *bundles.Condition) {
		if claimOf(c) != model.Names.Subject {
			return
		}
		for _, start := range starts(c) {
			for _, begins := range []string{model.Names.SubjectPath, model.Names.SubjectID} {
				found = found || begins != "" && strings.HasPrefix(start.text, begins)
			}
			named, _ := inferredFrom(start, model.Names.Subjects[model.Names.Subject], &issuer.Parts{})
			found = found || len(named) > 1
		}
	})
	if host, err := url.Parse(a.issuer); err == nil {
		found = found || strings.HasPrefix(host.Hostname(), model.Name+".")
	}
	return found
}

// genericModel has the claims that role and scope name, each of which may be anything.
func (a *analysis) genericModel() *issuer.Model {
	model := &issuer.Model{
		Name: Generic, Title: "an issuer of which nothing is known", AsOf: "any time",
		Releases: []string{"1"}, Claims: map[string]issuer.Claim{},
	}
	// Objects are left out: what asks only whether something is there, a text answers as
	// well, and of a list with other elements only its texts satisfy anything. Rego can ask
	// for the others.
	free := issuer.Claim{Value: &issuer.Value{
		Text: `(?s).*`, List: `(?s).*`, Number: `-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?`,
		Boolean: true, Null: true, Absent: true, Objects: a.rego,
	}}
	see := func(name string) {
		if name != "" {
			model.Claims[name] = free
		}
	}
	eachRead(a.stages, see)
	if a.Subject.Scope != nil {
		for _, circle := range a.Subject.Scope.Circles {
			for _, c := range circle {
				see(c.Claim)
			}
		}
	}
	if a.issuer != "" {
		model.Claims["iss"] = issuer.Claim{Text: "{issuer}"}
	}
	return model
}
