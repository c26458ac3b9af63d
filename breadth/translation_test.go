package breadth

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies"
)

// TestResidualRegoMeansTheReading evaluates the policies' matchers partially, with all but
// the claims known, reads what is left back as a set of values, and compares it with the
// set that the analysis takes the condition for: equal languages, not equal samples.
func TestResidualRegoMeansTheReading(t *testing.T) {
	t.Parallel()
	matchers := matcherModules(t)
	proved, unread := 0, 0
	seen := map[string]bool{}
	for _, condition := range sampleConditions(t) {
		text, err := json.Marshal(condition)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(text)] {
			continue
		}
		seen[string(text)] = true
		if len(seen)%Thinned != 0 {
			continue
		}
		l := newLowering(context.Background(), &fieldLanguages{})
		wanted, err := l.condition(&condition)
		if err != nil {
			t.Fatal(err)
		}
		if wanted.settled || condition.Test == "platform" {
			continue
		}
		got, err := residual(l, matchers, &condition)
		if err != nil {
			unread++
			t.Logf("%s %s: %v", condition.Reads, condition.Test, err)
			continue
		}
		proved++
		// Among the texts that stand for lists only well-formed ones count.
		if got, err = l.both(got, anything(l)); err != nil {
			t.Fatal(err)
		}
		reads, err := l.both(wanted.may, anything(l))
		if err != nil {
			t.Fatal(err)
		}
		if why := differs(got, reads); why != "" {
			t.Errorf("%s: Rego and the analysis differ about %s", text, why)
		}
	}
	t.Logf("%d conditions proved, %d not read", proved, unread)
	// What may be absent or null is left with a rule that has a default.
	if proved < 40/Thinned || unread > 1 {
		t.Errorf("want every condition of the samples proved but text_or_absent, got %d of %d", proved, proved+unread)
	}
}

// sampleConditions are the conditions of the samples' roles, and some that these lack.
func sampleConditions(t *testing.T) []bundles.Condition {
	t.Helper()
	bundle, err := bundles.Open(context.Background(), bundles.Options{Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/vault-gitlab.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = append(lines,
		`{"role":{"role_type":"jwt","user_claim":"sub","groups_claim":"groups_direct","claim_mappings":{"ref":"ref"},"bound_audiences":["v"],"bound_subject":"s","bound_claims":{"/ref":"a","x":["a",true,false]}}}`,
		`{"role":{"role_type":"jwt","user_claim":"sub","bound_audiences":["v","w"],"bound_claims_type":"glob","bound_claims":{"/ref":"a*b.[c]","x":["a*","*\n"]}}}`)
	var all []bundles.Condition
	for _, line := range lines {
		var one struct{ Role json.RawMessage }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		doc, err := trustcheck.ReadDocument("role.json", one.Role)
		if err != nil {
			t.Fatal(err)
		}
		role, err := bundle.Prepare(context.Background(), doc, "vault", nil)
		if err != nil {
			t.Fatal(err)
		}
		stages, err := role.Stages()
		if err != nil {
			t.Fatal(err)
		}
		eachCondition(stages, func(c *bundles.Condition) { all = append(all, *c) })
	}
	return all
}

// matcherModules are the policies with every chain of else of a rule that is only ever
// true taken apart into rules: they mean the same, and can be inlined.
func matcherModules(t *testing.T) []func(*rego.Rego) {
	t.Helper()
	texts, err := policies.Modules()
	if err != nil {
		t.Fatal(err)
	}
	var all []func(*rego.Rego)
	for file, text := range texts {
		module, err := ast.ParseModule(file, text)
		if err != nil {
			t.Fatal(err)
		}
		var rules []*ast.Rule
		for _, rule := range module.Rules {
			for next := rule; next != nil; {
				following := next.Else
				if following != nil && next.Head.Value != nil && next.Head.Value.Value.Compare(ast.Boolean(true)) == 0 &&
					following.Head.Value.Value.Compare(ast.Boolean(true)) == 0 {
					next.Else = nil
					rules = append(rules, next)
					next = following
					continue
				}
				rules = append(rules, next)
				next = nil
			}
		}
		module.Rules = rules
		all = append(all, rego.ParsedModule(module))
	}
	return all
}

// residual is what the matcher of a condition comes to for claims that are not known.
func residual(l *lowering, modules []func(*rego.Rego), c *bundles.Condition) (reading, error) {
	condition := map[string]any{"reads": c.Reads, "test": c.Test, "key": c.Key, "paths": c.Paths, "values": c.Values, "pattern": c.Pattern}
	text, err := json.Marshal(condition)
	if err != nil {
		return reading{}, err
	}
	query := fmt.Sprintf("data.trustcheck.match.holds(%q, %q, %s)", c.Reads, c.Test, text)
	left, err := rego.New(append(modules[:len(modules):len(modules)],
		rego.Query(query), rego.Unknowns([]string{"input.claims"}), rego.Input(map[string]any{"context": map[string]any{}}))...,
	).Partial(context.Background())
	if err != nil {
		return reading{}, err
	}
	if len(left.Support) > 0 {
		return reading{}, fmt.Errorf("left with rules: %v", left.Support)
	}
	total := reading{}
	for _, body := range left.Queries {
		one, err := (&back{lowering: l, elements: map[string]reading{}, names: map[string]bool{}}).body(body)
		if err != nil {
			return reading{}, fmt.Errorf("%w in %v", err, body)
		}
		if total, err = l.either(total, one); err != nil {
			return reading{}, err
		}
	}
	return total, nil
}

// back reads residual expressions about one claim back; elements are what is asked of the
// elements of it, by the variable that runs over its places.
type back struct {
	*lowering
	elements map[string]reading
	// names are the variables that stand for the claim itself.
	names map[string]bool
}

func (b *back) body(body ast.Body) (reading, error) {
	all := anything(b.lowering)
	all.absent = false
	for _, expr := range body {
		one, place, err := b.expr(expr)
		if err != nil {
			return reading{}, err
		}
		if place != "" {
			before, ok := b.elements[place]
			if !ok {
				before = anything(b.lowering)
			}
			if b.elements[place], err = b.both(before, one); err != nil {
				return reading{}, err
			}
			continue
		}
		if all, err = b.both(all, one); err != nil {
			return reading{}, err
		}
	}
	for _, element := range b.elements {
		if element.text == nil {
			element.text = language.None()
		}
		some, err := b.some(element.text)
		if err != nil {
			return reading{}, err
		}
		if all, err = b.both(all, reading{list: some}); err != nil {
			return reading{}, err
		}
	}
	return all, nil
}

func anything(l *lowering) reading {
	whole := everything
	whole.list, _ = l.lists(language.All())
	return whole
}

// expr reads one expression: what it asks of the claim, or of the element at a place.
func (b *back) expr(expr *ast.Expr) (reading, string, error) {
	if every, ok := expr.Terms.(*ast.Every); ok {
		if _, err := b.place(every.Domain); err != nil || len(every.Body) != 1 || !strings.HasPrefix(every.Body[0].String(), "is_string(") {
			return reading{}, "", fmt.Errorf("cannot read %v", expr)
		}
		lists, err := b.lists(language.All())
		return reading{list: lists}, "", err
	}
	terms, ok := expr.Terms.([]*ast.Term)
	if !ok || expr.Negated {
		return reading{}, "", fmt.Errorf("cannot read %v", expr)
	}
	if terms[0].String() == "object.get" && len(terms) == 5 && terms[1].String() == "input.claims" {
		b.names[terms[4].String()] = true
		return anything(b.lowering), "", nil
	}
	// The claim stands first, or behind a pattern.
	subject := terms[1]
	if terms[0].String() == "regex.match" {
		subject = terms[2]
	}
	at, err := b.place(subject)
	if err != nil {
		return reading{}, "", err
	}
	switch terms[0].String() {
	case "is_string":
		return reading{text: language.All()}, at, nil
	case "is_array":
		lists, err := b.lists(language.All())
		return reading{list: lists}, at, err
	case "regex.match":
		pattern, ok := terms[1].Value.(ast.String)
		if !ok {
			return reading{}, "", fmt.Errorf("cannot read the pattern of %v", expr)
		}
		text, err := b.compile(string(pattern))
		return reading{text: text}, at, err
	case "internal.member_2":
		plain, err := ast.JSON(terms[2].Value)
		if err != nil {
			return reading{}, "", err
		}
		found, err := b.values(asList(plain), false)
		if err != nil {
			return reading{}, "", err
		}
		return *found, at, nil
	case "neq":
		switch value := terms[2].Value.(type) {
		case ast.Null:
			rest := anything(b.lowering)
			rest.null, rest.absent = false, false
			return rest, at, nil
		case ast.String:
			one, err := b.exact(string(value))
			if err != nil {
				return reading{}, "", err
			}
			rest := anything(b.lowering)
			rest.text, rest.absent = one.Complement(), false
			return rest, at, nil
		}
	}
	return reading{}, "", fmt.Errorf("cannot read %v", expr)
}

// place tells the claim itself, "", from one of its elements, the variable behind it.
func (b *back) place(term *ast.Term) (string, error) {
	switch found := term.Value.(type) {
	case ast.Var:
		if b.names[found.String()] {
			return "", nil
		}
	case ast.Ref:
		if len(found) == 2 && b.names[found[0].String()] {
			return found[1].String(), nil
		}
		if len(found) == 3 && strings.HasPrefix(found.String(), "input.claims") {
			return "", nil
		}
		if len(found) == 4 && strings.HasPrefix(found.String(), "input.claims") {
			return found[3].String(), nil
		}
	case ast.Call:
		if found[0].String() == "object.get" && found[1].String() == "input.claims" {
			return "", nil
		}
	}
	return "", fmt.Errorf("cannot read the place %v", term)
}

func (l *lowering) both(x, y reading) (reading, error) {
	var failed error
	join := func(a, b *language.Language) *language.Language {
		if a == nil || b == nil {
			return nil
		}
		joined, err := l.limits.Intersect(l.ctx, a, b)
		if err != nil {
			failed = err
		}
		return joined
	}
	return reading{
		text: join(x.text, y.text), list: join(x.list, y.list), number: join(x.number, y.number),
		yes: x.yes && y.yes, no: x.no && y.no, null: x.null && y.null, absent: x.absent && y.absent, other: x.other && y.other,
	}, failed
}

func (l *lowering) either(x, y reading) (reading, error) {
	var failed error
	join := func(a, b *language.Language) *language.Language {
		switch {
		case a == nil:
			return b
		case b == nil:
			return a
		}
		joined, err := l.limits.Union(l.ctx, a, b)
		if err != nil {
			failed = err
		}
		return joined
	}
	return reading{
		text: join(x.text, y.text), list: join(x.list, y.list), number: join(x.number, y.number),
		yes: x.yes || y.yes, no: x.no || y.no, null: x.null || y.null, absent: x.absent || y.absent, other: x.other || y.other,
	}, failed
}

// differs says in what two sets of values differ, "" where they do not.
func differs(x, y reading) string {
	same := func(a, b *language.Language) bool {
		if a == nil {
			a = language.None()
		}
		if b == nil {
			b = language.None()
		}
		return a.Equal(b)
	}
	switch {
	case !same(x.text, y.text):
		return "texts"
	case !same(x.list, y.list):
		return "lists"
	case !same(x.number, y.number):
		return "numbers"
	case x.yes != y.yes || x.no != y.no:
		return "booleans"
	case x.null != y.null:
		return "null"
	case x.absent != y.absent:
		return "absence"
	default:
		return ""
	}
}
