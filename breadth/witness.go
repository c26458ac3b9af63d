package breadth

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
	"github.com/trustcheck/trustcheck/verifier"
)

// token makes a full token of a hit, as plain as it can be, and asks the role itself. A
// role that answers otherwise than the analysis is a fault of ours: the token is nil then,
// and the result undecided.
func (a *analysis) token(h *hit, attacker string) (*Token, error) {
	h.attacker = attacker
	texts, err := a.plainest(h)
	if err != nil {
		return nil, err
	}
	claims, err := a.claims(h, texts)
	if err != nil {
		return nil, err
	}
	if a.contradicts(h, claims) {
		a.undecided("a token may pass of a fork that would be its own parent")
		return nil, nil
	}
	token := &Token{Claims: claims, Inside: a.scope.admits(claims, &a.model.Names)}
	a.hits[token] = h
	if a.scope.Inferred && !a.tenants.named() {
		token.Inside = false
	}
	h.texts = texts
	decision, err := a.decide(a.Role, a.Context, claims)
	if err != nil {
		return nil, err
	}
	if decision.Verdict != trustcheck.Allow {
		a.undecided(fmt.Sprintf("the analysis and the role disagree about a token (%s at %q): this is a bug of trustcheck, please report the role",
			decision.Verdict, decision.Stage))
		return nil, nil
	}
	return token, nil
}

// decide asks a role about claims.
func (a *analysis) decide(role *bundles.Role, context, claims map[string]any) (*trustcheck.Decision, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return nil, fmt.Errorf("write the witness: %w", err)
	}
	read, _, err := verifier.ReadClaims(text)
	if err != nil {
		return nil, fmt.Errorf("read the witness: %w", err)
	}
	decision := a.analyser.bundle.Decide(a.ctx, role, bundles.Input{Claims: read.Value, Context: context, Now: a.Now})
	// Time that ran out says nothing about the role.
	return decision, a.ctx.Err()
}

// plainest pins one field after the other to the first value that reads well and leaves
// the question with an answer.
func (a *analysis) plainest(h *hit) (map[int]string, error) {
	pinned := map[int]span{}
	texts := h.texts
	for i := range h.fields {
		if _, matters := texts[i]; !matters {
			continue
		}
		tried := map[string]bool{}
		for _, candidate := range a.candidates(h, i) {
			if tried[candidate] || !h.fields[i].domains[sure].Contains(candidate) {
				continue
			}
			tried[candidate] = true
			pinned[i] = exactly(candidate)
			found, err := a.ask(h.question, h.goal, sure, pinned)
			if err != nil {
				return nil, err
			}
			if found != nil {
				texts = found
				break
			}
			delete(pinned, i)
		}
		if _, ok := pinned[i]; !ok {
			// Keep what was found, so that the next field is chosen to go with it.
			if text, matters := texts[i]; matters {
				pinned[i] = exactly(text)
			}
		}
	}
	plain := map[int]string{}
	for i, held := range pinned {
		plain[i] = held.prefix
	}
	return plain, nil
}

// candidates are the values of a field that read well, the best first.
func (a *analysis) candidates(h *hit, field int) []string {
	name := h.fields[field].name
	if claim, ok := strings.CutPrefix(name, "="); ok {
		var all []string
		for _, plain := range h.named(claim).Plain {
			if h.named(claim).Value.Number != "" {
				all = append(all, markNumber+plain)
			} else {
				all = append(all, markText+plain, markList+language.List(plain))
			}
		}
		return append(all, markAbsent, markList, markText)
	}
	var all []string
	roots := slices.Concat(a.tenants.roots(), a.guessed)
	owners := slices.Concat(a.tenants.groups, ownersOf(a.tenants.paths))
	switch name {
	case "namespace":
		all = append(all, h.model.Fields[name].Plain...)
		for _, root := range roots {
			all = append(all, root+"-evil", root+"evil", "evil-"+root, "evil"+root)
		}
		all = append(all, owners...)
		for _, owner := range owners {
			all = append(all, owner+"/x", owner+"-x")
		}
		for _, root := range roots {
			all = append(all, root, "evil/"+root)
		}
	case "parent_namespace":
		all = append(append(append(all, owners...), "your-group"), h.model.Fields[name].Plain...)
	case "project", "parent_project":
		projects := namesOf(a.tenants.paths)
		if name == "parent_project" {
			all = append(append(all, projects...), "your-project")
		}
		all = append(all, h.model.Fields[name].Plain...)
		projects = append(projects, a.belowOf(h, name)...)
		all = append(all, projects...)
		for _, project := range projects {
			all = append(all, project+"-x", project+"x", "x-"+project)
		}
	default:
		all = append(append(all, h.model.Fields[name].Plain...), a.belowOf(h, name)...)
		for _, start := range a.openingsOf(h, name) {
			if start.open {
				all = append(all, start.text+"x", start.text+"-x", start.text+"99999999")
			}
			all = append(all, start.text)
		}
	}
	return all
}

// openingsOf lists how the texts start that the role wants of claims that are this field.
func (a *analysis) openingsOf(h *hit, field string) []opening {
	var all []opening
	eachCondition(a.stages, func(c *bundles.Condition) {
		if claim := claimOf(c); claim != "" && slices.Equal(h.pieces(claim), []issuer.Piece{{Field: field}}) {
			all = append(all, starts(c)...)
		}
	})
	return all[:min(len(all), 16)]
}

func ownersOf(paths []string) []string {
	var owners []string
	for _, path := range paths {
		if i := strings.LastIndexByte(path, '/'); i > 0 {
			owners = append(owners, path[:i])
		}
	}
	return owners
}

func namesOf(paths []string) []string {
	var names []string
	for _, path := range paths {
		names = append(names, path[strings.LastIndexByte(path, '/')+1:])
	}
	return names
}

// claims writes out every claim of the token; fields that do not matter get a plain value.
func (a *analysis) claims(h *hit, texts map[int]string) (map[string]any, error) {
	values := map[string]string{}
	for i, text := range texts {
		values[h.fields[i].name] = text
	}
	if err := a.oneGroup(h, values); err != nil {
		return nil, err
	}
	if err := a.ownWorkflow(h, values); err != nil {
		return nil, err
	}
	claims := map[string]any{}
	for _, name := range h.claimNames() {
		claim := h.named(name)
		switch {
		case claim.Absent:
		case claim.Null:
			claims[name] = nil
		case claim.Fixed != "":
			claims[name] = a.fixedValue(name, claim.Fixed)
		default:
			text, err := a.writtenOut(h, h.pieces(name), values)
			if err != nil {
				return nil, err
			}
			if claim.Value == nil {
				claims[name] = text
			} else if value, there := unmarked(text); there {
				claims[name] = withFirst(value, claim.Value)
			}
		}
	}
	return claims, nil
}

// oneGroup gives a fork and its parent the same id of their group where they lie in the same.
func (a *analysis) oneGroup(h *hit, values map[string]string) error {
	if !h.fork || !a.tellsJobs(h.question) {
		return nil
	}
	own, err := a.fieldText(h, "namespace", values)
	if err != nil {
		return err
	}
	parents, err := a.fieldText(h, "parent_namespace", values)
	if err != nil || own != parents {
		return err
	}
	if id, told := values["parent_namespace_id"]; told && values["namespace_id"] == "" {
		values["namespace_id"] = id
	}
	id, err := a.fieldText(h, "namespace_id", values)
	if err == nil && values["parent_namespace_id"] == "" {
		values["parent_namespace_id"] = id
	}
	return err
}

// ownWorkflow lets the project's own workflow run where it does not matter whose does.
func (a *analysis) ownWorkflow(h *hit, values map[string]string) error {
	names := &a.model.Names
	runs := h.pieces(names.Workflow)
	if names.OwnWorkflow == "" || len(runs) != 1 || runs[0].Field == "" || values[runs[0].Field] != "" {
		return nil
	}
	own, err := a.writtenOut(h, h.pieces(names.OwnWorkflow), values)
	if err != nil {
		return err
	}
	possible, err := h.domain(runs[0].Field, false)
	if err == nil && possible.Contains(own) {
		values[runs[0].Field] = own
	}
	return err
}

// contradicts reports whether a fork and the project that it is one of are the same in one
// way and two in another: what no formula over independent parts can rule out.
func (a *analysis) contradicts(h *hit, claims map[string]any) bool {
	names := &a.model.Names
	if !h.fork || !a.tellsJobs(h.question) {
		return false
	}
	return claims[names.Path] == claims[names.JobPath] || claims[names.ID] == claims[names.JobID] ||
		(claims[names.Group] == claims[names.JobGroup]) != (claims[names.GroupID] == claims[names.JobGroupID])
}

// writtenOut is the text of a template.
func (a *analysis) writtenOut(h *hit, pieces []issuer.Piece, values map[string]string) (string, error) {
	var whole strings.Builder
	for _, piece := range pieces {
		whole.WriteString(piece.Literal)
		if piece.Field == "" {
			continue
		}
		text, err := a.fieldText(h, piece.Field, values)
		if err != nil {
			return "", err
		}
		if piece.Escaped {
			text = issuer.Escape(text)
		}
		whole.WriteString(text)
	}
	return whole.String(), nil
}

// withFirst puts the element that a list begins with, which is read last, to the front.
func withFirst(value any, of *issuer.Value) any {
	list, isList := value.([]any)
	if of.Before == "" || !isList {
		return value
	}
	last := len(list) - 1
	return append([]any{list[last]}, list[:last]...)
}

func (a *analysis) fixedValue(name, fixed string) any {
	now := a.Now
	if now.IsZero() {
		now = time.Unix(1_800_000_000, 0)
	}
	switch fixed {
	case "now":
		if name == "nbf" {
			return json.Number(fmt.Sprint(now.Unix() - 5))
		}
		return json.Number(fmt.Sprint(now.Unix()))
	case "later":
		return json.Number(fmt.Sprint(now.Unix() + 3600))
	default:
		return fixed
	}
}

// fieldText is the text of a field: as it was found, else plain.
func (a *analysis) fieldText(h *hit, name string, values map[string]string) (string, error) {
	if text, ok := values[name]; ok {
		return text, nil
	}
	text, err := a.plainText(h, name)
	values[name] = text
	return text, err
}

func (a *analysis) plainText(h *hit, name string) (string, error) {
	domain, err := h.domain(name, true)
	if err != nil {
		return "", err
	}
	candidates := slices.Concat(a.unremarkable(h, name), h.model.Fields[name].Plain)
	if claim, ok := strings.CutPrefix(name, "="); ok {
		candidates = nil
		for _, plain := range h.named(claim).Plain {
			candidates = append(candidates, markText+plain, markNumber+plain, markList+language.List(plain))
		}
		candidates = append(candidates, markList, markAbsent, markNull)
	}
	for _, candidate := range candidates {
		if domain.Contains(candidate) {
			return candidate, nil
		}
	}
	text, ok := domain.Shortest()
	if !ok {
		return "", fmt.Errorf("field %s can be nothing", name)
	}
	return text, nil
}

// unremarkable are the values of a field that fit the attacker where the role does not
// look: a developer's job runs in the scope's project, on a ref that nobody protects.
func (a *analysis) unremarkable(h *hit, name string) []string {
	insider := h.attacker == Developer || h.attacker == Recycler || h.attacker == ""
	switch name {
	case "namespace":
		if insider || h.attacker == Sibling {
			return append(append(slices.Clone(a.tenants.groups), ownersOf(a.tenants.paths)...), "your-group")
		}
	case "project":
		if insider {
			return append(append(namesOf(a.tenants.paths), a.belowOf(h, name)...), "your-project")
		}
	case "parent_namespace":
		return append(append(slices.Clone(a.tenants.groups), ownersOf(a.tenants.paths)...), "your-group")
	case "parent_project":
		return append(append(namesOf(a.tenants.paths), a.belowOf(h, name)...), "your-project")
	case "environment":
		return slices.DeleteFunc([]string{"x", "topic", "trustcheck-x"}, func(fresh string) bool {
			return slices.ContainsFunc(slices.Collect(maps.Keys(a.facts.Environments)), func(known string) bool { return strings.EqualFold(known, fresh) })
		})
	case "ref":
		if h.attacker == Developer || h.attacker == ForkMR {
			return []string{"x"}
		}
	case "ref_protected":
		if h.attacker != Developer && h.attacker != ForkMR {
			return []string{"true"}
		}
	default:
		if insider || h.attacker == Sibling {
			return a.belowOf(h, name)
		}
	}
	return nil
}

// belowOf are the scope's names, below its groups, of the claim that is a field.
func (a *analysis) belowOf(h *hit, field string) []string {
	for _, claim := range h.model.Names.Below {
		if slices.Equal(h.pieces(claim), []issuer.Piece{{Field: field}}) {
			return slices.Clone(a.tenants.below[claim])
		}
	}
	return nil
}

// unmarked is the JSON value that a field's text stands for; false where it is absent.
func unmarked(text string) (any, bool) {
	mark := text[:min(len(text), len(markText))]
	rest := strings.TrimPrefix(text, mark)
	switch mark {
	case markText:
		return rest, true
	case markList:
		elements := []any{}
		for _, element := range strings.SplitAfter(rest, string(language.End)) {
			if element != "" {
				elements = append(elements, strings.TrimSuffix(element, string(language.End)))
			}
		}
		return elements, true
	case markNumber:
		return json.Number(rest), true
	case markTrue:
		return true, true
	case markFalse:
		return false, true
	case markNull:
		return nil, true
	case markOther:
		return map[string]any{}, true
	default:
		return nil, false
	}
}

// plainText shows a field's text to people.
func plainText(text string) string {
	if text >= markText && text < "\uE008" {
		value, there := unmarked(text)
		switch {
		case !there:
			return "absent"
		case value == nil:
			return "null"
		}
		return fmt.Sprint(value)
	}
	return text
}

// admits reports whether claims lie in the scope. It is written apart from the formulas
// on purpose: witnesses are held against it.
func (s *Scope) admits(claims map[string]any, names *issuer.Parts) bool {
	return slices.ContainsFunc(s.Circles, func(circle Circle) bool {
		return !slices.ContainsFunc(circle, func(c Constraint) bool {
			return !c.admits(claims[c.Claim], names.EnvironmentAnyCase && c.Claim == names.Environment)
		})
	})
}

func (c *Constraint) admits(value any, anyCase bool) bool {
	values := []any{value}
	if list, ok := value.([]any); ok {
		values = list
	}
	return slices.ContainsFunc(values, func(value any) bool {
		text, isText := value.(string)
		return c.fits(value) || anyCase && isText && slices.ContainsFunc(textsIn(c.Values), func(wanted string) bool { return strings.EqualFold(wanted, text) })
	}) != c.Not
}

func (c *Constraint) fits(value any) bool {
	text, isText := value.(string)
	for _, wanted := range c.Values {
		if fmt.Sprintf("%T %v", wanted, wanted) == fmt.Sprintf("%T %v", value, value) && value != nil {
			return true
		}
	}
	for _, group := range c.Within {
		if isText && (text == group || strings.HasPrefix(text, group+"/")) {
			return true
		}
	}
	for _, prefix := range c.Prefixes {
		if isText && strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
