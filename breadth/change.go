package breadth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// change is one small change of a Vault role's document, in words and done.
type change struct {
	says string
	do   func(role map[string]any)
}

// maxChanges bounds how many changes are tried for a role.
const maxChanges = 8

// closing looks for the smallest change that refuses a token and, where the token lies
// outside the scope, leaves none outside; tokens of the scope must still get in. What is
// returned was tried: the changed role was prepared, asked and analysed.
func (a *analysis) closing(token *Token) string {
	for _, c := range a.first(a.narrowing(token)) {
		other := a.changed(c)
		if other == nil {
			continue
		}
		decision, err := other.decide(other.Role, other.Context, token.Claims)
		if err != nil || decision.Verdict != trustcheck.Deny || other.build() != nil {
			continue
		}
		kept, missing, err := other.find(may, func(q *ready) node {
			if q.cover {
				return no
			}
			return q.forms.all(q.role[must], q.inside[must], q.world[may])
		})
		if err != nil || kept == nil || missing > 0 {
			continue
		}
		if !token.Inside {
			stray, _, err := other.find(may, func(q *ready) node {
				return q.forms.all(q.role[may], q.world[may], q.forms.not(q.inside[must]))
			})
			if err != nil || stray != nil {
				continue
			}
		}
		return c.says
	}
	return ""
}

// reviving looks for the smallest change with which a dead role accepts some token.
func (a *analysis) reviving() string {
	for _, c := range a.first(a.loosening()) {
		other := a.changed(c)
		if other == nil || other.build() != nil {
			continue
		}
		alive, _, err := other.find(may, func(q *ready) node { return q.forms.all(q.role[must], q.world[may]) })
		if err == nil && alive != nil {
			return c.says
		}
	}
	return ""
}

func (a *analysis) first(changes []change) []change { return changes[:min(len(changes), maxChanges)] }

// changed is an analysis of the changed role under the same scope and facts; nil where
// there is no such role.
func (a *analysis) changed(c change) *analysis {
	doc := *a.Document
	text, err := json.Marshal(a.Document.Value)
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if doc.Value = nil; decoder.Decode(&doc.Value) != nil {
		return nil
	}
	role := vaultRole(doc.Value)
	if role == nil {
		return nil
	}
	c.do(role)
	ready, err := a.analyser.bundle.Prepare(a.ctx, &doc, a.Role.Ref.Platform, a.Context)
	if err != nil || ready.Refused != "" {
		return nil
	}
	subject := a.Subject
	subject.Role, subject.Document, subject.Scope, subject.Issuer, subject.Model = ready, nil, a.scope, a.issuer, a.model.Name
	other := newAnalysis(a.ctx, a.analyser, subject)
	if other.prepare() != nil {
		return nil
	}
	return other
}

// vaultRole is the role in a document of Vault's, which may stand beside its mount.
func vaultRole(document any) map[string]any {
	role, ok := document.(map[string]any)
	if !ok {
		return nil
	}
	if inner, ok := role["role"].(map[string]any); ok {
		role = inner
	}
	if inner, ok := role["data"].(map[string]any); ok {
		role = inner
	}
	return role
}

// changeable reports whether changes of the role can be tried.
func (a *analysis) changeable() bool {
	return a.Document != nil && a.Role.Ref.Platform == "vault" && !a.generic && vaultRole(a.Document.Value) != nil
}

func boundClaims(role map[string]any) map[string]any {
	bound, _ := role["bound_claims"].(map[string]any)
	if bound == nil {
		bound = map[string]any{}
		role["bound_claims"] = bound
	}
	return bound
}

// narrowing lists changes that admit less, the smallest first: a wildcard behind a
// separator, then what the scope says and the role does not.
func (a *analysis) narrowing(token *Token) []change {
	role := vaultRole(a.Document.Value)
	bound, _ := role["bound_claims"].(map[string]any)
	globbed := role["bound_claims_type"] == "glob"
	var all []change
	for _, claim := range slices.Sorted(maps.Keys(bound)) {
		if globbed {
			all = append(all, a.tighterGlobs(claim, bound[claim])...)
		}
		all = append(all, withoutOne(claim, bound[claim])...)
	}
	if len(a.scope.Circles) == 1 {
		all = append(all, a.fromScope(bound, globbed)...)
	}
	names := &a.model.Names
	for _, guard := range []struct{ claim, value string }{{names.Protected, "true"}, {names.RefType, names.Branch}} {
		if guard.claim == "" || bound[guard.claim] != nil || token.Claims[guard.claim] == guard.value {
			continue
		}
		all = append(all, binding(guard.claim, guard.value))
	}
	return all
}

func binding(claim string, value any) change {
	return change{
		fmt.Sprintf("bind %s to %s as well", claim, spelled(value)),
		func(role map[string]any) { boundClaims(role)[claim] = value },
	}
}

func spelled(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// tighterGlobs put a slash before a star that is glued to a name, or take it away.
func (a *analysis) tighterGlobs(claim string, value any) []change {
	names := &a.model.Names
	if claim != names.Path && claim != names.Group {
		return nil
	}
	var all []change
	values := asList(value)
	for i, one := range values {
		text, ok := one.(string)
		stem, starred := strings.CutSuffix(text, "*")
		if !ok || !starred || stem == "" || strings.HasSuffix(stem, "/") || strings.Contains(stem, "*") {
			continue
		}
		for _, better := range []string{stem, stem + "/*"} {
			changed := slices.Clone(values)
			changed[i] = better
			all = append(all, change{
				fmt.Sprintf("write %s %q instead of %q", claim, better, text),
				func(role map[string]any) { boundClaims(role)[claim] = changed },
			})
		}
	}
	return all
}

// withoutOne drops one of several values.
func withoutOne(claim string, value any) []change {
	values, _ := value.([]any)
	if len(values) < 2 {
		return nil
	}
	var all []change
	for i, one := range values {
		fewer := slices.Delete(slices.Clone(values), i, i+1)
		all = append(all, change{
			fmt.Sprintf("drop %s from %s", spelled(one), claim),
			func(role map[string]any) { boundClaims(role)[claim] = fewer },
		})
	}
	return all
}

// fromScope binds what the scope says of claims that the role does not bind: each by
// itself, then all of them.
func (a *analysis) fromScope(bound map[string]any, globbed bool) []change {
	var single []change
	for _, c := range a.scope.Circles[0] {
		if c.Not || c.Claim == "iss" {
			continue
		}
		values := slices.Clone(c.Values)
		open := false
		for _, group := range c.Within {
			if c.Claim != a.model.Names.Path {
				values = append(values, group)
			}
			values, open = append(values, group+"/*"), true
		}
		for _, prefix := range c.Prefixes {
			values, open = append(values, prefix+"*"), true
		}
		if open && !globbed && len(bound) > 0 {
			// Making the role a glob would change what its other claims mean.
			continue
		}
		wanted := any(values)
		if len(values) == 1 {
			wanted = values[0]
		}
		bind := binding(c.Claim, wanted)
		if before, ok := bound[c.Claim]; ok {
			if spelled(before) == spelled(wanted) {
				continue
			}
			bind.says = fmt.Sprintf("bind %s to %s instead", c.Claim, spelled(wanted))
		}
		if open && !globbed {
			plain := bind.do
			bind.do = func(role map[string]any) { plain(role); role["bound_claims_type"] = "glob" }
			bind.says += ", with bound_claims_type glob"
		}
		single = append(single, bind)
	}
	if len(single) < 2 {
		return single
	}
	var words []string
	for _, one := range single {
		words = append(words, strings.TrimSuffix(one.says, " as well"))
	}
	return append(single, change{
		strings.Join(words, " and "),
		func(role map[string]any) {
			for _, one := range single {
				one.do(role)
			}
		},
	})
}

// loosening lists changes that may bring a dead role to life. None drops what says whom the
// role is meant for, nor what guards it: with that gone, others come to life with it.
func (a *analysis) loosening() []change {
	role := vaultRole(a.Document.Value)
	bound, _ := role["bound_claims"].(map[string]any)
	var all []change
	text, _ := json.Marshal(bound)
	if role["bound_claims_type"] != "glob" && strings.Contains(string(text), "*") {
		all = append(all, change{"bound_claims_type \"glob\"", func(role map[string]any) { role["bound_claims_type"] = "glob" }})
	}
	if len(asTexts(role["bound_audiences"])) == 0 {
		audiences := asTexts(bound["aud"])
		if len(audiences) == 0 {
			audiences = []any{"https://vault.example.com"}
		}
		all = append(all, change{
			"bound_audiences, which names what jobs ask for, such as " + spelled(audiences[0]),
			func(role map[string]any) { role["bound_audiences"] = audiences },
		})
	}
	claims := slices.Sorted(maps.Keys(bound))
	for _, claim := range claims {
		all = append(all, retyped(claim, bound[claim])...)
		all = append(all, a.respelt(claim, bound[claim])...)
	}
	all = append(all, change{"user_claim \"sub\"", func(role map[string]any) { role["user_claim"] = "sub" }})
	if subject, _ := role["bound_subject"].(string); subject == "" && !slices.ContainsFunc(claims, a.namesSomebody) {
		return all
	}
	guards := []string{"iss", "aud", a.model.Names.Protected, a.model.Names.EnvironmentProtected}
	for _, claim := range claims {
		if _, known := a.model.Claims[claim]; known && !a.namesSomebody(claim) && !slices.Contains(guards, claim) {
			all = append(all, change{
				"no condition on " + claim,
				func(role map[string]any) { delete(boundClaims(role), claim) },
			})
		}
	}
	return all
}

// namesSomebody reports whether a claim says whose a token is.
func (a *analysis) namesSomebody(claim string) bool {
	names := &a.model.Names
	return claim != "" && slices.Contains(slices.Concat(names.Below, names.IDs, names.Assigned, names.Persons, []string{
		names.Path, names.Group, names.ID, names.GroupID, names.JobPath, names.JobGroup, names.JobID, names.JobGroupID,
		names.Subject, names.Tenant, names.Workflow, names.Config, names.Runner, names.PersonGroups,
	}), claim)
}

func asTexts(value any) []any {
	if value == nil {
		return nil
	}
	return anyOf(textsIn(asList(value)))
}

// retyped writes texts for what is none, and whole numbers for texts of digits.
func retyped(claim string, value any) []change {
	values := asList(value)
	var all []change
	texts, numbers := make([]any, len(values)), make([]any, len(values))
	typed, counted := false, len(values) > 0
	for i, one := range values {
		texts[i], numbers[i] = fmt.Sprint(one), one
		if _, ok := one.(string); !ok {
			typed = true
		}
		number, ok := new(big.Float).SetString(fmt.Sprint(one))
		if counted = counted && ok && number.IsInt(); counted {
			numbers[i] = json.Number(number.Text('f', 0))
		}
	}
	if typed {
		all = append(all, change{
			fmt.Sprintf("the text %s for %s", spelled(texts[0]), claim),
			func(role map[string]any) { boundClaims(role)[claim] = texts },
		})
	}
	if counted {
		all = append(all, change{
			fmt.Sprintf("the number %s for %s", spelled(numbers[0]), claim),
			func(role map[string]any) { boundClaims(role)[claim] = numbers },
		})
	}
	return all
}

// respelt writes what differs from the scope in case alone as the scope does.
func (a *analysis) respelt(claim string, value any) []change {
	var all []change
	for _, circle := range a.scope.Circles {
		for _, c := range circle {
			ours := slices.Concat(textsIn(c.Values), c.Within)
			for i, one := range asList(value) {
				text, _ := one.(string)
				at := slices.IndexFunc(ours, func(our string) bool { return our != text && strings.EqualFold(our, text) })
				if c.Claim != claim || c.Not || at < 0 {
					continue
				}
				changed := slices.Clone(asList(value))
				changed[i] = ours[at]
				all = append(all, change{
					fmt.Sprintf("%s %s as in the scope, from which %s differs in case alone", claim, spelled(ours[at]), spelled(text)),
					func(role map[string]any) { boundClaims(role)[claim] = changed },
				})
			}
		}
	}
	return all
}
