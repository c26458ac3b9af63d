package gcp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck/policies/cel"
)

// expression is one CEL expression of a provider.
type expression struct {
	at
	key     string // google.subject, google.groups, attribute.NAME; empty for the condition
	text    string
	program *cel.Program
	path    string // where its value stands below data.trustcheck.generated
	// unread says why it cannot be translated, invalid why Google would not store it;
	// both begin with "line:column: ".
	unread, invalid string
	// needs are the mapped attributes that it may read, through the claims that those read.
	needs   []string
	through []string
}

// translation is a provider's expressions in Rego.
type translation struct {
	prefix    string
	mappings  []*expression
	condition *expression
	modules   map[string]string
}

// Names of mapped attributes, by the reference of attributeMapping.
var mappingKey = regexp.MustCompile(`\A(google\.subject|google\.groups|attribute\.[a-z0-9_]{1,100})\z`)

// translate translates the mappings and the condition. Equal providers get equal modules.
func translate(p *provider) *translation {
	t := &translation{prefix: "gcp/" + fingerprint(p), modules: map[string]string{}}
	assertion := cel.Variable{Name: "assertion", Ref: "input.claims"}
	for i, mapping := range p.mappings {
		e := &expression{at: mapping, key: p.keys[i], path: t.path(p.keys[i])}
		t.mappings = append(t.mappings, e)
		text, ok := mapping.value.(string)
		if !ok || !mappingKey.MatchString(e.key) {
			e.unread = "the expression cannot be read"
			continue
		}
		e.text = text
		e.translate(cel.Env{Variables: []cel.Variable{assertion}, Functions: cel.Google, Package: t.pkg(e.key)})
		if e.invalid != "" && e.readsMapped() {
			e.unread, e.invalid = "whether a mapping can read google or attribute is not documented", ""
		}
	}
	if text, ok := p.condition.value.(string); ok && text != "" {
		e := &expression{at: p.condition, text: text, path: t.path("condition")}
		t.condition = e
		e.translate(cel.Env{
			Variables: append([]cel.Variable{assertion}, t.mapped()...), Functions: cel.Google, Result: cel.Bool, Package: t.pkg("condition"),
		})
		for _, m := range t.mappings {
			if mentions(text, m.key) {
				e.needs, e.through = append(e.needs, m.path), append(e.through, m.reads()...)
				if m.unread != "" && e.unread == "" {
					e.unread = "it reads " + m.key + ", whose mapping cannot be read"
				}
			}
		}
	}
	t.write()
	return t
}

func fingerprint(p *provider) string {
	expressions := []any{p.condition.value}
	for i, mapping := range p.mappings {
		expressions = append(expressions, p.keys[i], mapping.value)
	}
	text, _ := json.Marshal(expressions)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// path is a generated package's name below trustcheck.generated.
func (t *translation) path(name string) string { return t.prefix + "/" + name }

func (t *translation) pkg(name string) string {
	return fmt.Sprintf("trustcheck.generated[%q]", t.path(name))
}

func (e *expression) translate(env cel.Env) {
	program, err := cel.Translate(e.text, env)
	var invalid *cel.Invalid
	switch {
	case err == nil:
		e.program = program
	case errors.As(err, &invalid):
		e.invalid = err.Error()
	default:
		e.unread = err.Error()
	}
}

// mapped are the variables google and attribute of a condition.
func (t *translation) mapped() []cel.Variable {
	google, attribute := map[string]*cel.Program{}, map[string]*cel.Program{}
	for _, m := range t.mappings {
		program := m.program
		if program == nil {
			reason := cel.Formula{Op: cel.Unknown, Reason: "1:1: the mapping of " + m.key + " is not translated"}
			program = &cel.Program{True: reason, False: reason, Cases: []cel.Case{{When: cel.Formula{Op: cel.All}, Reason: reason.Reason}}}
		}
		if family, name, ok := strings.Cut(m.key, "."); ok && family == "google" {
			google[name] = program
		} else if ok {
			attribute[name] = program
		}
	}
	ref := fmt.Sprintf("data.%s.", t.pkg("mapped"))
	return []cel.Variable{
		{Name: "google", Ref: ref + "google", Members: google},
		{Name: "attribute", Ref: ref + "attribute", Members: attribute},
	}
}

// write collects the modules: one for each expression, and one with the mapped attributes
// as the condition and the bindings see them. What could not be mapped is not there.
func (t *translation) write() {
	var mapped strings.Builder
	fmt.Fprintf(&mapped, "package %s\n\nimport data.trustcheck.cel\n", t.pkg("mapped"))
	for _, family := range []string{"google", "attribute"} {
		members := 0
		for _, m := range t.mappings {
			name, ok := strings.CutPrefix(m.key, family+".")
			if m.program != nil && ok {
				fmt.Fprintf(&mapped, "\n_%s[%q] := %s\n", family, name, m.program.Entry)
				members++
			}
		}
		if members == 0 {
			fmt.Fprintf(&mapped, "\n%s := cel.dyn({})\n", family)
			continue
		}
		fmt.Fprintf(&mapped, "\n%s := cel.dyn({name: value | some name, value in _%s})\n", family, family)
	}
	t.modules[t.path("mapped")+".rego"] = mapped.String()
	for _, e := range append(slices.Clone(t.mappings), t.condition) {
		if e != nil && e.program != nil {
			t.modules[e.path+".rego"] = e.program.Source
		}
	}
}

// formula says for which tokens of this provider a binding's member is the identity, as far
// as the analysis reads it; nil where the member is not of this kind.
func (t *translation) formula(b *binding) any {
	quoted, _ := json.Marshal(b.value)
	var text string
	switch b.what {
	case "subject":
		text = fmt.Sprintf("google.subject == %s", quoted)
	case "group":
		text = fmt.Sprintf("%s in google.groups", quoted)
	case "attribute":
		name, _ := json.Marshal(strings.TrimPrefix(b.attribute, "attribute."))
		text = fmt.Sprintf("attribute[%s] == %s", name, quoted)
	default:
		return nil
	}
	program, err := cel.Translate(text, cel.Env{Variables: t.mapped(), Functions: cel.Google, Result: cel.Bool, Package: t.pkg("member")})
	if err != nil {
		return plain(formulas{True: cel.Formula{Op: cel.Unknown, Reason: err.Error()}, False: cel.Formula{Op: cel.Unknown, Reason: err.Error()}})
	}
	return plain(formulas{True: program.True, False: program.False})
}

// formulas say when a condition is satisfied and when it is failed.
type formulas struct {
	True  cel.Formula `json:"true"`
	False cel.Formula `json:"false"`
	// Filled is for a mapped subject when it is text and not empty, of any length.
	Filled *cel.Formula `json:"filled,omitempty"`
}

// plain turns a value into JSON values.
func plain(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var decoded any
	if json.Unmarshal(text, &decoded) != nil {
		return nil
	}
	return decoded
}

func (e *expression) described() map[string]any {
	described := map[string]any{"key": e.key, "expression": e.text, "path": e.path, "reads": e.reads(), "needs": append([]string{e.path}, e.needs...)}
	e.at.shown(described)
	if e.unread != "" {
		described["unread"] = e.unread
	}
	if e.invalid != "" {
		described["invalid"] = e.invalid
	}
	if e.program != nil {
		described["formula"] = e.formula()
		if e.key == "" {
			described["conjuncts"] = append([]any{}, conjuncts(e.program.True)...)
		}
	}
	if claim := claimOnly.FindStringSubmatch(e.text); claim != nil {
		described["claim"] = claim[1]
	}
	return described
}

// claimOnly is an expression that is one claim and nothing else.
var claimOnly = regexp.MustCompile(`\A\s*assertion\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)\s*\z`)

// formula of a condition is when it is true and when it is false; of a mapping, when its
// value surely is what is wanted and when it surely is not. A missing claim is neither, but
// for the subject, which must be there.
func (e *expression) formula() any {
	if e.key == "" {
		return plain(formulas{True: e.program.True, False: e.program.False})
	}
	if e.key != "google.subject" {
		wanted := cel.Test{Type: "string"}
		if e.key == "google.groups" {
			wanted.Type = "list"
		}
		fits, fails := e.mapped(wanted, func(string) bool { return wanted.Type == "string" })
		return plain(formulas{True: fits, False: fails})
	}
	filled, _ := e.mapped(matching(`\A(?s:.+)\z`), func(text string) bool { return text != "" })
	short := func(text string) bool { return text != "" && len(text) <= maxSubject }
	surely, _ := e.mapped(matching(fmt.Sprintf(`\A[\x00-\x7f]{1,%d}\z`, maxSubject)), short)
	perhaps, _ := e.mapped(matching(fmt.Sprintf(`\A(?s:.{1,%d})\z`, maxSubject)), short)
	fails := notOf(perhaps)
	return plain(formulas{True: surely, False: fails, Filled: &filled})
}

// maxSubject bounds google.subject, in bytes. A text of so many ASCII letters has as many
// bytes, and one of more letters has more: what lies in between a formula does not tell.
const maxSubject = 127

func matching(pattern string) cel.Test { return cel.Test{Language: &cel.Language{Pattern: &pattern}} }

// mapped says when the value passes a test, or is a constant that fits, and when it is there
// and does neither.
func (e *expression) mapped(test cel.Test, constant func(text string) bool) (fits, fails cel.Formula) {
	fits, fails = cel.Formula{Op: cel.AnyOf}, cel.Formula{Op: cel.AnyOf}
	for _, c := range e.program.Cases {
		switch text, isText := c.Value.(string); {
		case c.List != nil && test.Type == "list":
			texts, there := textsOf(c.List)
			fits.Of, fails.Of = append(fits.Of, allOf(c.When, texts)), append(fails.Of, allOf(c.When, there, notOf(texts)))
		case c.Reason != "":
			unknown := allOf(c.When, cel.Formula{Op: cel.Unknown, Reason: c.Reason})
			fits.Of, fails.Of = append(fits.Of, unknown), append(fails.Of, unknown)
		case c.Place != nil:
			passes := test
			passes.Place = *c.Place
			there := testOf(cel.Test{Place: *c.Place, Present: true})
			fits.Of, fails.Of = append(fits.Of, allOf(c.When, testOf(passes))), append(fails.Of, allOf(c.When, there, notOf(testOf(passes))))
		case isText && constant(text):
			fits.Of = append(fits.Of, c.When)
		default:
			fails.Of = append(fails.Of, c.When)
		}
	}
	return fits, fails
}

// textsOf says that a list holds texts alone, and that it is there.
func textsOf(list *cel.List) (texts, there cel.Formula) {
	if list.Split != nil {
		text := testOf(cel.Test{Place: *list.Split, Type: "string"})
		return text, text
	}
	texts, there = allOf(), allOf()
	for _, element := range list.Elements {
		is, any := cel.Formula{Op: cel.AnyOf}, cel.Formula{Op: cel.AnyOf}
		for _, c := range element {
			switch _, isText := c.Value.(string); {
			case c.Reason != "":
				unknown := allOf(c.When, cel.Formula{Op: cel.Unknown, Reason: c.Reason})
				is.Of, any.Of = append(is.Of, unknown), append(any.Of, unknown)
			case c.Place != nil:
				is.Of = append(is.Of, allOf(c.When, testOf(cel.Test{Place: *c.Place, Type: "string"})))
				any.Of = append(any.Of, allOf(c.When, testOf(cel.Test{Place: *c.Place, Present: true})))
			case isText:
				is.Of, any.Of = append(is.Of, c.When), append(any.Of, c.When)
			default:
				any.Of = append(any.Of, c.When)
			}
		}
		texts.Of, there.Of = append(texts.Of, is), append(there.Of, any)
	}
	return texts, there
}

func allOf(of ...cel.Formula) cel.Formula { return cel.Formula{Op: cel.All, Of: of} }

func notOf(of cel.Formula) cel.Formula { return cel.Formula{Op: cel.Not, Of: []cel.Formula{of}} }

func testOf(test cel.Test) cel.Formula { return cel.Formula{Op: cel.Leaf, Test: &test} }

// reads lists the members of assertion that the expression may read, itself or through mapped
// attributes; "*" stands for all.
func (e *expression) reads() []string { return append(membersOf(e.text, "assertion"), e.through...) }

func (e *expression) readsMapped() bool {
	return len(membersOf(e.text, "google")) > 0 || len(membersOf(e.text, "attribute")) > 0
}

// mentions tells whether an expression may read a mapped attribute.
func mentions(text, key string) bool {
	family, name, _ := strings.Cut(key, ".")
	members := membersOf(text, family)
	return slices.Contains(members, name) || slices.Contains(members, "*")
}

// membersOf lists the members of a variable that an expression may read; "*" stands for all.
// It looks at the text, so it may list too many and never too few.
func membersOf(text, variable string) []string {
	var members []string
	word := regexp.MustCompile(`\b` + variable + `\b`)
	for _, found := range word.FindAllStringIndex(text, -1) {
		name := "*"
		if member := selected.FindStringSubmatch(text[found[1]:]); member != nil && member[2] == "" {
			name = member[1]
		}
		members = append(members, name)
	}
	slices.Sort(members)
	return slices.Compact(members)
}

// selected is what follows a variable when one member is taken, and whether that is a call.
var selected = regexp.MustCompile(`\A\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)\s*(\(?)`)

// claimsInput names the claims with numbers that the engines may take differently: beyond
// 2^53, and whole ones that are spelled with a fraction or an exponent.
func claimsInput(claims ast.Object, _ map[string]any) [][2]*ast.Term {
	var names []*ast.Term
	claims.Foreach(func(name, value *ast.Term) {
		if inexact(value.Value) {
			names = append(names, name)
		}
	})
	if len(names) == 0 {
		return nil
	}
	return [][2]*ast.Term{ast.Item(ast.StringTerm("inexact"), ast.ArrayTerm(names...))}
}

var exactNumber = regexp.MustCompile(`\A-?(0|[1-9][0-9]{0,14})(\.[0-9]{0,5}[1-9])?\z`)

func inexact(value ast.Value) bool {
	found := false
	switch value := value.(type) {
	case ast.Number:
		found = !exactNumber.MatchString(string(value))
	case *ast.Array:
		value.Foreach(func(element *ast.Term) { found = found || inexact(element.Value) })
	case ast.Object:
		value.Foreach(func(_, member *ast.Term) { found = found || inexact(member.Value) })
	}
	return found
}
