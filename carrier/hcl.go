package carrier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/trustcheck/trustcheck"
)

// Bounds of Terraform text. HCL's parser and evaluator recurse, so a text of
// brackets or operators only would end the process.
const (
	maxHCLSize   = 2 << 20
	maxHCLDepth  = 200
	maxOperators = 2000
)

// module is the Terraform configuration of one directory. Everything in it is
// evaluated when something refers to it, once.
type module struct {
	readFile  func(name string) ([]byte, error) // nil: file() is not known
	sources   map[string]*source                // of the files that are not ASCII only
	declared  map[string]variable
	variables map[string]cty.Value
	locals    map[string]hcl.Expression
	resources map[string]*resource
	ordered   []*resource

	funcs       map[string]function.Function
	localNodes  map[string]*node
	localValues map[string]cty.Value
	busy        map[string]bool
	cyclic      map[string]bool
	errs        []error
}

// resource is a resource or data block.
type resource struct {
	place
	mode, kind, address string
	body                hcl.Body
	overrides           []hcl.Body
	count, forEach      hcl.Expression
	instances           []*instance
	done                bool
}

// instance is a resource, or one of those that for_each or count make of it.
type instance struct {
	key      string // as in an address, `["x"]` or `[0]`; empty for the only one
	index    cty.Value
	node     *node
	warnings []string
}

var moduleSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "resource", LabelNames: []string{"type", "name"}},
	{Type: "data", LabelNames: []string{"type", "name"}},
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "locals"},
}}

// readModule reads the files of one directory, Terraform's and its variables', nil
// for one that cannot be read. A file with a syntax error does not stop the others.
func readModule(files map[string][]byte, readFile func(string) ([]byte, error)) ([]*trustcheck.Document, error) {
	m := &module{
		readFile: readFile,
		sources:  map[string]*source{}, declared: map[string]variable{}, variables: map[string]cty.Value{}, locals: map[string]hcl.Expression{},
		resources: map[string]*resource{}, localNodes: map[string]*node{}, localValues: map[string]cty.Value{},
		busy: map[string]bool{}, cyclic: map[string]bool{},
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool { return loadOrder(names[i]) < loadOrder(names[j]) })
	for _, name := range names {
		if files[name] == nil { // It is there and cannot be read.
			if isVariables(name) {
				m.forgetVariables()
			}
			continue
		}
		body, err := parseHCL(name, files[name])
		if err != nil {
			m.errs = append(m.errs, err)
			if isVariables(name) {
				m.forgetVariables()
			}
			continue
		}
		if text := bytes.TrimPrefix(files[name], []byte("\xef\xbb\xbf")); !isASCII(text) {
			m.sources[name] = newSource(name, text)
		}
		if isVariables(name) {
			m.assign(body)
			continue
		}
		m.declare(body, isOverride(name))
	}
	r := &reading{}
	for _, res := range m.ordered {
		if !isRelevant(res.mode, res.kind) {
			continue
		}
		for _, i := range m.instances(res) {
			r.addResource(res.kind, res.address+i.key, i.node, i.warnings...)
		}
	}
	r.errs = append(m.errs, r.errs...)
	return r.result()
}

func isVariables(name string) bool { return hasSuffix(name, ".tfvars", ".tfvars.json") }

// isOverride names the files whose blocks change those of others
// (https://developer.hashicorp.com/terraform/language/files/override).
func isOverride(name string) bool {
	base, _, _ := strings.Cut(filepath.Base(name), ".")
	return base == "override" || strings.HasSuffix(base, "_override")
}

// loadOrder orders files as Terraform reads them: declarations, overrides, then
// terraform.tfvars, terraform.tfvars.json and *.auto.tfvars by name.
func loadOrder(name string) string {
	switch base := filepath.Base(name); {
	case isVariables(name) && base == "terraform.tfvars":
		return "2"
	case isVariables(name) && base == "terraform.tfvars.json":
		return "3"
	case isVariables(name):
		return "4" + name
	case isOverride(name):
		return "1" + name
	}
	return "0" + name
}

func parseHCL(name string, text []byte) (hcl.Body, error) {
	text, err := checkText(name, text)
	if err != nil {
		return nil, err
	}
	if len(text) > maxHCLSize {
		return nil, place{file: name, line: 1, column: 1}.errorf("want at most %d bytes of Terraform, got %d", maxHCLSize, len(text))
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(name, ".json") {
		doc, err := trustcheck.ReadDocument(name, text)
		if err != nil {
			return nil, err
		}
		if err := checkTexts(fromDocument(doc)); err != nil {
			return nil, err
		}
		file, diags = hcljson.Parse(text, name)
	} else {
		tokens, _ := hclsyntax.LexConfig(text, name, hcl.InitialPos)
		if err := checkNesting(tokens); err != nil {
			return nil, err
		}
		file, diags = hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	}
	if diags.HasErrors() {
		return nil, diagnosticError(name, diags)
	}
	return file.Body, nil
}

// checkNesting refuses a text that HCL's recursive parser or evaluator could not
// take.
func checkNesting(tokens hclsyntax.Tokens) error {
	depth, operators := 0, 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenEqual, hclsyntax.TokenComma:
			operators = 0
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash,
			hclsyntax.TokenPercent, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual,
			hclsyntax.TokenLessThan, hclsyntax.TokenGreaterThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThanEq,
			hclsyntax.TokenQuestion:
			operators++
		}
		at := hclPlace(token.Range)
		if token.Type == hclsyntax.TokenNumberLit && isHugeNumber(token.Bytes) {
			return at.errorf("want an exponent of at most %d digits, got more", maxExponentDigits)
		}
		if depth > maxHCLDepth {
			return at.errorf("want at most %d levels of nesting, got more", maxHCLDepth)
		}
		if operators > maxOperators {
			return at.errorf("want at most %d operators in an expression, got more", maxOperators)
		}
	}
	return nil
}

// maxExponentDigits bounds 1e999999999, which has that many digits once it is text.
const maxExponentDigits = 3

func isHugeNumber(text []byte) bool {
	i := bytes.IndexAny(text, "eE")
	return i >= 0 && len(bytes.TrimLeft(text[i+1:], "+-0")) > maxExponentDigits
}

// checkTexts does so for the texts of JSON syntax, which HCL reads as templates, and
// as an expression where a variable says its type.
func checkTexts(n *node) error {
	for _, item := range n.items() {
		if err := checkTexts(item); err != nil {
			return err
		}
	}
	for _, m := range n.members() {
		tokens, _ := hclsyntax.LexTemplate([]byte(m.name), m.place.file, m.place.pos())
		if err := checkNesting(tokens); err != nil {
			return err
		}
		if m.name == "type" {
			tokens, _ = hclsyntax.LexExpression([]byte(m.value.text()), m.value.file, m.value.pos())
			if err := checkNesting(tokens); err != nil {
				return err
			}
		}
		if err := checkTexts(m.value); err != nil {
			return err
		}
	}
	tokens, _ := hclsyntax.LexTemplate([]byte(n.text()), n.file, n.pos())
	return checkNesting(tokens)
}

func (p place) pos() hcl.Pos { return hcl.Pos{Line: p.line, Column: p.column} }

func hclPlace(r hcl.Range) place {
	return place{file: r.Filename, line: r.Start.Line, column: r.Start.Column}
}

// place is hclPlace with the column in bytes, where HCL counts grapheme clusters.
func (m *module) place(r hcl.Range) place {
	p := hclPlace(r)
	if s := m.sources[r.Filename]; s != nil && p.line > 0 && p.line <= len(s.lines) {
		p.column = max(r.Start.Byte-s.lines[p.line-1]+1, 1)
	}
	return p
}

func diagnosticError(name string, diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		at := place{file: name, line: 1, column: 1}
		if d.Subject != nil {
			at = hclPlace(*d.Subject)
		}
		return at.errorf("want Terraform: %s", diagnosticText(d))
	}
	return errors.New(name + ": want Terraform")
}

func diagnosticText(d *hcl.Diagnostic) string {
	text := strings.TrimSuffix(d.Summary, ".")
	if d.Detail != "" {
		detail, _, _ := strings.Cut(d.Detail, "\n")
		text += ": " + strings.TrimSuffix(detail, ".")
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// declare takes in the blocks of one file. Those of an override file take the place
// of what is declared already.
func (m *module) declare(body hcl.Body, override bool) {
	content, _, diags := body.PartialContent(moduleSchema)
	if diags.HasErrors() {
		m.errs = append(m.errs, diagnosticError("", diags))
	}
	for _, block := range content.Blocks {
		switch block.Type {
		case "variable":
			m.variable(block)
		case "locals":
			attributes, _ := block.Body.JustAttributes()
			for name, attribute := range attributes {
				if first, twice := m.locals[name]; twice && !override {
					at := m.place(attribute.NameRange)
					m.errs = append(m.errs, at.errorf("local.%s: want it once, got it on lines %d and %d", name, first.Range().Start.Line, at.line))
					continue
				}
				m.locals[name] = attribute.Expr
			}
		default:
			m.resource(block, override)
		}
	}
}

func (m *module) resource(block *hcl.Block, override bool) {
	res := &resource{
		place: m.place(block.DefRange), mode: "managed", kind: block.Labels[0],
		address: block.Labels[0] + "." + block.Labels[1], body: block.Body,
	}
	if block.Type == "data" {
		res.mode, res.address = "data", "data."+res.address
	}
	if first, twice := m.resources[res.address]; twice {
		if override {
			first.overrides = append(first.overrides, block.Body)
			first.repeat(block.Body)
			return
		}
		m.errs = append(m.errs, res.errorf("%s: want it once, got it in %s:%d and here", res.address, first.file, first.line))
		return
	}
	res.repeat(block.Body)
	m.resources[res.address] = res
	m.ordered = append(m.ordered, res)
}

// repeat takes what says how many of a resource there are.
func (res *resource) repeat(body hcl.Body) {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "count"}, {Name: "for_each"}}})
	if a := content.Attributes["count"]; a != nil {
		res.count, res.forEach = a.Expr, nil
	}
	if a := content.Attributes["for_each"]; a != nil {
		res.count, res.forEach = nil, a.Expr
	}
}

// variable is the declared type of a variable, with the defaults of its optional
// attributes.
type variable struct {
	kind      cty.Type
	defaults  *typeexpr.Defaults
	forgotten bool // a file that may set it cannot be read
}

// variable takes a variable's default, converted to its type. Without one it is
// unknown.
func (m *module) variable(block *hcl.Block) {
	content, _, _ := block.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "default"}, {Name: "type"}}})
	declared := variable{kind: cty.DynamicPseudoType}
	if a := content.Attributes["type"]; a != nil {
		if t, d, diags := typeexpr.TypeConstraintWithDefaults(a.Expr); !diags.HasErrors() {
			declared = variable{kind: t, defaults: d}
		}
	}
	value := cty.DynamicVal
	if a := content.Attributes["default"]; a != nil {
		if v, diags := a.Expr.Value(nil); !diags.HasErrors() {
			value = declared.convert(v)
		}
	}
	m.declared[block.Labels[0]] = declared
	m.variables[block.Labels[0]] = value
}

// forgetVariables makes every variable unknown, where a file that may set them
// cannot be read: a default would be a guess.
func (m *module) forgetVariables() {
	for name, declared := range m.declared {
		m.variables[name] = cty.DynamicVal
		declared.forgotten = true
		m.declared[name] = declared
	}
}

func (v variable) convert(value cty.Value) cty.Value {
	if v.defaults != nil && !value.IsNull() {
		value = v.defaults.Apply(value)
	}
	if converted, err := convert.Convert(value, v.kind.WithoutOptionalAttributesDeep()); err == nil {
		return converted
	}
	return cty.DynamicVal
}

// assign takes the values of a .tfvars file.
func (m *module) assign(body hcl.Body) {
	attributes, diags := body.JustAttributes()
	if diags.HasErrors() {
		m.errs = append(m.errs, diagnosticError("", diags))
	}
	for name, attribute := range attributes {
		declared, ok := m.declared[name]
		if !ok || declared.forgotten {
			continue
		}
		v, diags := attribute.Expr.Value(nil)
		if diags.HasErrors() {
			m.errs = append(m.errs, diagnosticError("", diags))
			v = cty.DynamicVal
		}
		m.variables[name] = declared.convert(v)
	}
}

// instances evaluates a resource: once, or for every known key of for_each or
// count. Where these are not known, one instance stands for all, with each.key and
// the like unknown.
func (m *module) instances(res *resource) []*instance {
	if res.done {
		return res.instances
	}
	if m.busy[res.address] {
		return []*instance{{node: &node{res.place, unknown{why: res.address + " refers to itself"}}}}
	}
	m.busy[res.address] = true
	defer delete(m.busy, res.address)
	switch {
	case res.forEach != nil:
		res.instances = m.forEach(res)
	case res.count != nil:
		res.instances = m.counted(res)
	default:
		res.instances = []*instance{{node: m.resourceNode(res, scope{m: m})}}
	}
	res.done = true
	return res.instances
}

func (m *module) forEach(res *resource) []*instance {
	over := (scope{m: m}).eval(res.forEach)
	pairs, known := pairsOf(over)
	if !known {
		s := scope{m: m}.with("each", objectNode(over.place,
			"key", &node{over.place, unknown{why: notKnown("each.key")}},
			"value", &node{over.place, unknown{why: notKnown("each.value")}}))
		return []*instance{{node: m.resourceNode(res, s), index: cty.DynamicVal, warnings: []string{"for_each is not known offline: " + whyOf(over)}}}
	}
	var out []*instance
	for _, p := range pairs {
		s := scope{m: m}.with("each", objectNode(over.place, "key", &node{over.place, p.name}, "value", p.value))
		out = append(out, &instance{key: fmt.Sprintf("[%q]", p.name), index: cty.StringVal(p.name), node: m.resourceNode(res, s)})
	}
	return out
}

// pairsOf lists what for_each goes over: a map, or a set of texts.
func pairsOf(over *node) ([]member, bool) {
	if over.isObject() {
		pairs := append([]member(nil), over.members()...)
		sort.Slice(pairs, func(i, j int) bool { return pairs[i].name < pairs[j].name })
		return pairs, true
	}
	list, ok := over.value.([]*node)
	if !ok {
		return nil, false
	}
	var pairs []member
	for _, item := range list {
		name, ok := item.value.(string)
		if !ok {
			return nil, false
		}
		pairs = append(pairs, member{name, item.place, item})
	}
	return pairs, true
}

func whyOf(n *node) string {
	if u, ok := n.value.(unknown); ok {
		return u.reason()
	}
	return "want a map or a set of texts"
}

// maxCount bounds how many instances one resource makes.
const maxCount = 10_000

func (m *module) counted(res *resource) []*instance {
	over := scope{m: m}.eval(res.count)
	n, err := json.Number(scalarText(over)).Int64()
	if err != nil || n < 0 || n > maxCount {
		s := scope{m: m}.with("count", objectNode(over.place, "index", &node{over.place, unknown{why: notKnown("count.index")}}))
		return []*instance{{node: m.resourceNode(res, s), index: cty.DynamicVal, warnings: []string{"count is not known offline: " + whyOf(over)}}}
	}
	var out []*instance
	for i := range n {
		index := &node{over.place, json.Number(fmt.Sprint(i))}
		s := scope{m: m}.with("count", objectNode(over.place, "index", index))
		out = append(out, &instance{key: fmt.Sprintf("[%d]", i), index: cty.NumberIntVal(i), node: m.resourceNode(res, s)})
	}
	return out
}

func objectNode(at place, pairs ...any) *node {
	o := &object{}
	for i := 0; i < len(pairs); i += 2 {
		o.members = append(o.members, member{pairs[i].(string), at, pairs[i+1].(*node)})
	}
	return &node{at, o}
}

// resourceNode evaluates a resource's body to attributes as a plan has them:
// blocks are lists of objects.
func (m *module) resourceNode(res *resource, s scope) *node {
	n := s.body(res.body, res.place, true)
	for _, override := range res.overrides {
		for _, o := range s.body(override, res.place, true).members() {
			n = n.with(o.name, o.value)
		}
	}
	for _, name := range mapsOfText {
		if inner := n.get(name); inner.isObject() {
			n = n.with(name, textMap(inner))
		}
	}
	switch res.address[:strings.LastIndexByte(res.address, '.')] {
	case "data.aws_iam_policy_document":
		n = n.with("json", policyDocument(n))
	case "data.google_iam_policy":
		n = n.with("policy_data", googlePolicy(n))
	}
	return n
}

// mapsOfText are the attributes whose schema is a map of strings, into which
// Terraform converts numbers and booleans (22.0 becomes "22").
var mapsOfText = []string{"bound_claims", "claim_mappings", "provider_config", "attribute_mapping"}

func textMap(n *node) *node {
	out := &object{}
	for _, m := range n.members() {
		switch m.value.value.(type) {
		case json.Number, bool:
			m.value = &node{m.value.place, scalarText(m.value)}
		}
		out.members = append(out.members, m)
	}
	return &node{n.place, out}
}

// metaArguments are Terraform's own, not the provider's.
func isMetaArgument(name string) bool {
	switch name {
	case "count", "for_each", "provider", "depends_on", "lifecycle", "provisioner", "connection":
		return true
	}
	return false
}

// body evaluates the attributes and blocks of a body in the order of the file.
func (s scope) body(body hcl.Body, at place, top bool) *node {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		return s.jsonBody(body, at)
	}
	out := &object{}
	for _, a := range native.Attributes {
		if !top || !isMetaArgument(a.Name) {
			out.members = append(out.members, member{a.Name, s.m.place(a.NameRange), s.eval(a.Expr)})
		}
	}
	blocks := map[string]*member{}
	for _, block := range native.Blocks {
		if top && isMetaArgument(block.Type) {
			continue
		}
		name, items := s.block(block)
		first := blocks[name]
		if first == nil {
			first = &member{name, s.m.place(block.TypeRange), &node{s.m.place(block.TypeRange), []*node{}}}
			blocks[name] = first
		}
		list, known := first.value.value.([]*node)
		more, moreKnown := items.value.([]*node)
		switch {
		case !known:
		case !moreKnown:
			first.value = items
		default:
			first.value.value = append(list, more...)
		}
	}
	for _, m := range blocks {
		out.members = append(out.members, *m)
	}
	sort.Slice(out.members, func(i, j int) bool {
		p, q := out.members[i].place, out.members[j].place
		return p.line < q.line || p.line == q.line && p.column < q.column
	})
	return &node{at, out}
}

// block evaluates a block to a list, of one, or of as many as a dynamic block
// makes.
func (s scope) block(block *hclsyntax.Block) (string, *node) {
	at := s.m.place(block.TypeRange)
	if block.Type != "dynamic" || len(block.Labels) != 1 {
		return block.Type, &node{at, []*node{s.body(block.Body, at, false)}}
	}
	name := block.Labels[0]
	forEach, iterator := block.Body.Attributes["for_each"], name
	if a := block.Body.Attributes["iterator"]; a != nil {
		iterator = hcl.ExprAsKeyword(a.Expr)
	}
	var content *hclsyntax.Block
	for _, b := range block.Body.Blocks {
		if b.Type == "content" {
			content = b
		}
	}
	if forEach == nil || content == nil {
		return name, &node{at, unknown{why: "dynamic " + name + " lacks for_each or content"}}
	}
	over := s.eval(forEach.Expr)
	list := []*node{}
	each := func(key, value *node) {
		inner := s.with(iterator, objectNode(over.place, "key", key, "value", value))
		list = append(list, inner.body(content.Body, at, false))
	}
	switch value := over.value.(type) {
	case []*node:
		for i, item := range value {
			each(&node{over.place, json.Number(fmt.Sprint(i))}, item)
		}
	case *object:
		for _, p := range value.members {
			each(&node{over.place, p.name}, p.value)
		}
	case nil:
	default:
		return name, &node{at, unknown{why: "dynamic " + name + ": " + whyOf(over)}}
	}
	return name, &node{at, list}
}

// jsonBody evaluates a body in JSON syntax, where a block is a member like others.
func (s scope) jsonBody(body hcl.Body, at place) *node {
	attributes, _ := body.JustAttributes()
	out := &object{}
	for name, a := range attributes {
		if isMetaArgument(name) || name == "//" {
			continue
		}
		value := s.eval(a.Expr)
		if isBlock(name) {
			value = blockList(value)
		}
		out.members = append(out.members, member{name, s.m.place(a.NameRange), value})
	}
	sort.Slice(out.members, func(i, j int) bool {
		p, q := out.members[i].place, out.members[j].place
		return p.line < q.line || p.line == q.line && p.column < q.column
	})
	return &node{at, out}
}

// blockList makes the list that blocks are of what JSON syntax has for them: an
// object, or a list of such, down to the blocks inside.
func blockList(n *node) *node {
	if n.isObject() {
		n = &node{n.place, []*node{n}}
	}
	for _, block := range n.items() {
		members := block.members()
		for i, m := range members {
			if isBlock(m.name) {
				members[i].value = blockList(m.value)
			}
		}
	}
	return n
}

// isBlock names the blocks of the relevant types.
func isBlock(name string) bool {
	switch name {
	case "oidc", "condition", "statement", "principals", "not_principals", "binding", "inline_policy":
		return true
	}
	return false
}
