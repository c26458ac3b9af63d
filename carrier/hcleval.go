package carrier

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxText bounds a text that locals and functions put together, maxValues the
// values of one such list or map, maxReferences how many lie behind each other.
const (
	maxText       = 1 << 20
	maxValues     = 1 << 17
	maxReferences = 1000
)

// scope is what an expression may refer to beside the module: each, count, and the
// iterators of dynamic blocks.
type scope struct {
	m     *module
	names map[string]*node
}

func (s scope) with(name string, value *node) scope {
	names := map[string]*node{name: value}
	for n, v := range s.names {
		if n != name {
			names[n] = v
		}
	}
	return scope{s.m, names}
}

// eval evaluates an expression to a node. It follows the syntax where that keeps
// places and the known parts of partly unknown values; everything else is HCL's
// own evaluator's, for which a value is known or not.
func (s scope) eval(expr hcl.Expression) *node {
	at := s.m.place(expr.Range())
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return s.eval(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return s.eval(e.Wrapped)
	case *hclsyntax.ObjectConsExpr:
		return s.object(e)
	case *hclsyntax.TupleConsExpr:
		list := make([]*node, len(e.Exprs))
		for i, item := range e.Exprs {
			list[i] = s.eval(item)
		}
		return &node{at, list}
	case *hclsyntax.TemplateExpr:
		return s.template(e)
	case *hclsyntax.FunctionCallExpr:
		if e.Name == "jsonencode" && len(e.Args) == 1 && !e.ExpandFinal {
			return &node{at, jsonText{s.eval(e.Args[0])}}
		}
		if e.Name == "templatefile" && len(e.Args) == 2 && !e.ExpandFinal {
			if n := s.templateFile(e); n != nil {
				return n
			}
		}
	case *hclsyntax.ConditionalExpr:
		return s.conditional(e)
	case *hclsyntax.ScopeTraversalExpr, *hclsyntax.IndexExpr, *hclsyntax.RelativeTraversalExpr:
		if t := s.traversal(expr); t != nil {
			if n := s.follow(t); n != nil {
				return n
			}
		}
	}
	if _, native := expr.(hclsyntax.Expression); !native {
		return s.json(expr)
	}
	return s.plain(expr)
}

// json evaluates an expression in JSON syntax, whose texts are templates.
func (s scope) json(expr hcl.Expression) *node {
	at := s.m.place(expr.Range())
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		out := &object{}
		for _, p := range pairs {
			key := s.plain(p.Key)
			name, ok := key.value.(string)
			if !ok {
				return &node{at, key.value}
			}
			out.members = append(out.members, member{name, s.m.place(p.Key.Range()), s.json(p.Value)})
		}
		return &node{at, out}
	}
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		list := make([]*node, len(items))
		for i, item := range items {
			list[i] = s.json(item)
		}
		return &node{at, list}
	}
	// Without a context HCL gives the text itself, not what it means.
	if v, _ := expr.Value(nil); v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
		if template := parseTemplate([]byte(v.AsString()), at.file, expr.Range().Start); template != nil {
			return &node{at, s.eval(template).value}
		}
	}
	return s.plain(expr)
}

// plain evaluates an expression with HCL's evaluator.
func (s scope) plain(expr hcl.Expression) *node {
	at := s.m.place(expr.Range())
	value, why := s.value(expr)
	return fromValue(value, at, unknown{why: why})
}

func (s scope) object(e *hclsyntax.ObjectConsExpr) *node {
	at := s.m.place(e.Range())
	out := &object{}
	for _, item := range e.Items {
		key := s.key(item.KeyExpr)
		name, ok := textOf(key)
		if !ok || strings.Contains(name, holeOpen) {
			return &node{at, key.value}
		}
		value := s.eval(item.ValueExpr)
		here := s.m.place(item.KeyExpr.Range())
		if m := (&node{value: out}).find(name); m != nil {
			m.place, m.value = here, value // Later members win, as in HCL.
			continue
		}
		out.members = append(out.members, member{name, here, value})
	}
	return &node{at, out}
}

// key evaluates a member's name, where a bare word is a text.
func (s scope) key(expr hcl.Expression) *node {
	if e, ok := expr.(*hclsyntax.ObjectConsKeyExpr); ok {
		if word := hcl.ExprAsKeyword(e.Wrapped); word != "" && !e.ForceNonLiteral {
			return &node{s.m.place(e.Range()), word}
		}
		n := s.eval(e.Wrapped)
		if _, ok := textOf(n); !ok {
			return &node{n.place, unknown{why: "the name of a member is not a text"}}
		}
		return n
	}
	return s.plain(expr)
}

func (s scope) template(e *hclsyntax.TemplateExpr) *node {
	at := s.m.place(e.Range())
	var out strings.Builder
	lines := e.Range().End.Line > e.Range().Start.Line
	if lines && len(e.Parts) > 0 {
		at.text = e.Parts[0].Range().Start.Line
	}
	for _, part := range e.Parts {
		n := s.eval(part)
		text, ok := textOf(n)
		if !ok || n.value == nil {
			return &node{at, unknown{why: "a template holds what is not a text"}}
		}
		if _, literal := part.(*hclsyntax.LiteralValueExpr); !literal && strings.Contains(text, "\n") {
			at.text = 0
		}
		out.WriteString(text)
		if out.Len() > maxText {
			return &node{at, unknown{why: fmt.Sprintf("a text is longer than %d bytes", maxText)}}
		}
	}
	return textNode(at, out.String())
}

func (s scope) conditional(e *hclsyntax.ConditionalExpr) *node {
	condition, why := s.value(e.Condition)
	if !condition.IsKnown() || condition.IsNull() || condition.Type() != cty.Bool {
		return &node{s.m.place(e.Range()), unknown{why: why}}
	}
	if condition.True() {
		return s.eval(e.TrueResult)
	}
	return s.eval(e.FalseResult)
}

// traversal returns the reference that an expression is once its indexes are
// evaluated, as in data.x.y[each.key].json, or nil.
func (s scope) traversal(expr hcl.Expression) hcl.Traversal {
	switch e := expr.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		return e.Traversal
	case *hclsyntax.RelativeTraversalExpr:
		if t := s.traversal(e.Source); t != nil {
			return slices.Concat(t, e.Traversal)
		}
	case *hclsyntax.IndexExpr:
		t := s.traversal(e.Collection)
		key, why := s.value(e.Key)
		if t != nil && why == "" && !key.IsNull() && key.Type().IsPrimitiveType() {
			return slices.Concat(t, hcl.Traversal{hcl.TraverseIndex{Key: key, SrcRange: e.SrcRange}})
		}
	}
	return nil
}

// follow resolves a reference on nodes; nil leaves it to HCL's evaluator.
func (s scope) follow(t hcl.Traversal) *node {
	root, rest := t.RootName(), t[1:]
	if n := s.names[root]; n != nil {
		return descend(n, rest, traversalText(t))
	}
	if len(rest) == 0 {
		return nil
	}
	if root == "local" {
		name, ok := step(rest[0])
		if !ok {
			return nil
		}
		return descend(s.m.localNode(name, s.m.place(t.SourceRange())), rest[1:], traversalText(t))
	}
	res, rest := s.m.resourceAt(t)
	if res == nil || len(rest) == 0 {
		return nil
	}
	instances := s.m.instances(res)
	chosen := instances[:min(1, len(instances))]
	if res.forEach != nil || res.count != nil {
		index, ok := rest[0].(hcl.TraverseIndex)
		if !ok {
			return nil
		}
		chosen, rest = nil, rest[1:]
		for _, i := range instances {
			if !i.index.IsKnown() || i.index.RawEquals(index.Key) {
				chosen = []*instance{i}
			}
		}
	}
	if len(chosen) != 1 || len(rest) == 0 {
		return nil
	}
	attribute, ok := rest[0].(hcl.TraverseAttr)
	if !ok {
		return nil
	}
	name := traversalText(t)
	n := chosen[0].node.get(attribute.Name)
	if n == nil || n.value == nil {
		return computed(res, chosen[0].node, attribute.Name, s.m.place(t.SourceRange()), name)
	}
	return descend(n, rest[1:], name)
}

// computed is an attribute that only the platform can know, as far as the
// resource's arguments tell its text.
func computed(res *resource, attributes *node, attribute string, at place, name string) *node {
	out := unknown{why: notKnown(name), text: hole(name)}
	switch res.kind + "." + attribute {
	case "aws_iam_openid_connect_provider.arn", "aws_iam_openid_connect_provider.id":
		if text, ok := textOf(attributes.get("url")); ok {
			out.text = "arn:" + hole("partition of "+res.address) + ":iam::" + hole("account of "+res.address) + ":oidc-provider/" + strings.TrimPrefix(text, "https://")
		}
	case "google_iam_workload_identity_pool.name":
		id, ok := textOf(attributes.get("workload_identity_pool_id"))
		if !ok {
			break
		}
		project, _ := textOf(attributes.get("project"))
		if project == "" || strings.Trim(project, "0123456789") != "" {
			project = hole("project number of " + res.address) // A name has the number, never the id.
		}
		text := "projects/" + project + "/locations/global/workloadIdentityPools/" + id
		if !strings.Contains(text, holeOpen) {
			return &node{at, text}
		}
		out.text = text
	}
	return &node{at, out}
}

// resourceAt splits a reference to a declared resource into it and what follows.
func (m *module) resourceAt(t hcl.Traversal) (*resource, hcl.Traversal) {
	names := []string{t.RootName()}
	n := 2
	if names[0] == "data" {
		n = 3
	}
	if len(t) < n {
		return nil, nil
	}
	for _, s := range t[1:n] {
		name, ok := step(s)
		if !ok {
			return nil, nil
		}
		names = append(names, name)
	}
	return m.resources[strings.Join(names, ".")], t[n:]
}

func step(t hcl.Traverser) (string, bool) {
	switch t := t.(type) {
	case hcl.TraverseAttr:
		return t.Name, true
	case hcl.TraverseIndex:
		if t.Key.Type() == cty.String && t.Key.IsKnown() && !t.Key.IsNull() {
			return t.Key.AsString(), true
		}
		if t.Key.Type() == cty.Number && t.Key.IsKnown() && !t.Key.IsNull() {
			return t.Key.AsBigFloat().Text('f', -1), true
		}
	}
	return "", false
}

// descend follows attributes and indexes into n; nil where HCL's evaluator must
// say what that means.
func descend(n *node, rest hcl.Traversal, name string) *node {
	for _, t := range rest {
		if n == nil {
			return nil
		}
		key, ok := step(t)
		if !ok {
			return nil
		}
		switch value := n.value.(type) {
		case unknown:
			return &node{n.place, unknown{why: value.why}}
		case []*node:
			var i int
			if _, err := fmt.Sscanf(key, "%d", &i); err != nil || i < 0 || i >= len(value) {
				return nil
			}
			n = value[i]
		default:
			n = n.get(key)
		}
	}
	return n
}

func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for i, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			if key, ok := step(s); ok && s.Key.Type() == cty.String {
				fmt.Fprintf(&b, "[%q]", key)
			} else {
				fmt.Fprintf(&b, "[%s]", key)
			}
		default:
			if i > 0 {
				b.WriteString("[*]")
			}
		}
	}
	return b.String()
}

// localNode evaluates a local value, once.
func (m *module) localNode(name string, at place) *node {
	if n := m.localNodes[name]; n != nil {
		return n
	}
	expr := m.locals[name]
	if expr == nil {
		return &node{at, unknown{why: "local." + name + " is not declared in this directory"}}
	}
	if len(m.busy) > maxReferences {
		return &node{at, unknown{why: "local." + name + " is behind too many references"}}
	}
	if m.busy["local."+name] {
		m.cycle(name, expr)
		return &node{at, unknown{why: "local." + name + " refers to itself"}}
	}
	m.busy["local."+name] = true
	n := scope{m: m}.eval(expr)
	delete(m.busy, "local."+name)
	if m.cyclic[name] {
		n = &node{at, unknown{why: "local." + name + " refers to itself"}}
	}
	m.localNodes[name] = n
	return n
}

// cycle objects to a local value that needs itself, once.
func (m *module) cycle(name string, expr hcl.Expression) {
	if !m.cyclic[name] {
		m.cyclic[name] = true
		m.errs = append(m.errs, m.place(expr.Range()).errorf("local.%s: want a value that does not refer to itself, got a cycle", name))
	}
}

// localValue is localNode for HCL's evaluator.
func (m *module) localValue(name string) cty.Value {
	if v, ok := m.localValues[name]; ok {
		return v
	}
	expr := m.locals[name]
	if expr == nil {
		return cty.DynamicVal
	}
	if len(m.busy) > maxReferences {
		return cty.DynamicVal
	}
	if m.busy["value."+name] {
		m.cycle(name, expr)
		return cty.DynamicVal
	}
	m.busy["value."+name] = true
	v, _ := scope{m: m}.value(expr)
	delete(m.busy, "value."+name)
	m.localValues[name] = v
	return v
}

// value evaluates an expression with HCL's evaluator. Where the value is not
// known as a whole, why tells what it lacks.
func (s scope) value(expr hcl.Expression) (value cty.Value, why string) {
	value, diags := s.attempt(expr)
	if value.IsWhollyKnown() && !diags.HasErrors() {
		return value, ""
	}
	if why = s.why(expr); why != "" {
		return value, why
	}
	for _, d := range diags {
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok {
			return cty.DynamicVal, notKnown(call.CalledFunctionNamespace() + call.CalledFunctionName() + "()")
		}
		if d.Severity == hcl.DiagError {
			return cty.DynamicVal, diagnosticText(d)
		}
	}
	return value, "the value is not known offline"
}

// attempt turns what HCL's evaluator cannot take into an unknown value: errors, for
// it may lack what we did not give it, values past all bounds, and panics of
// functions.
func (s scope) attempt(expr hcl.Expression) (value cty.Value, diags hcl.Diagnostics) {
	defer func() {
		if p := recover(); p != nil {
			value = cty.DynamicVal
			diags = hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf("Evaluation failed: %v", p)}}
		}
	}()
	value, diags = expr.Value(s.context(expr))
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	budget := maxValues
	if value, _ = value.UnmarkDeep(); !fits(value, &budget) {
		return cty.DynamicVal, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The value is too large"}}
	}
	return value, diags
}

func fits(v cty.Value, budget *int) bool {
	if *budget--; *budget < 0 {
		return false
	}
	if !v.IsKnown() || v.IsNull() {
		return true
	}
	switch v.Type() {
	case cty.String:
		return len(v.AsString()) <= maxText
	case cty.Number:
		exponent := v.AsBigFloat().MantExp(nil)
		return -maxText < exponent && exponent < maxText
	}
	if v.CanIterateElements() {
		for it := v.ElementIterator(); it.Next(); {
			if _, inner := it.Element(); !fits(inner, budget) {
				return false
			}
		}
	}
	return true
}

// why names what an expression refers to and nobody knows offline.
func (s scope) why(expr hcl.Expression) string {
	var names []string
	for _, t := range expr.Variables() {
		if t.RootName() == "local" && len(t) > 1 {
			name, _ := step(t[1])
			if inner := s.m.locals[name]; inner != nil && !s.m.cyclic[name] {
				if v := s.m.localValue(name); v.IsWhollyKnown() {
					continue
				}
				if n := s.m.localNode(name, place{}); hasUnknown(n) {
					names = append(names, traversalText(t)+" ("+n.value.(unknown).why+")")
					continue
				}
			}
		}
		v, diags := s.attempt(&hclsyntax.ScopeTraversalExpr{Traversal: t, SrcRange: t.SourceRange()})
		if diags.HasErrors() || !v.IsWhollyKnown() {
			names = append(names, traversalText(t))
		}
	}
	if names = unique(names); len(names) == 0 {
		return ""
	}
	return notKnown(names...)
}

// context holds the values that an expression refers to.
func (s scope) context(expr hcl.Expression) *hcl.EvalContext {
	variables, locals, data := map[string]cty.Value{}, map[string]cty.Value{}, map[string]cty.Value{}
	references := expr.Variables()
	resources := s.m.resourceValues(references)
	for kind, byName := range resources["managed"] {
		variables[kind] = cty.ObjectVal(byName)
	}
	for kind, byName := range resources["data"] {
		data[kind] = cty.ObjectVal(byName)
	}
	variables["data"] = cty.ObjectVal(data)
	for _, t := range references {
		root := t.RootName()
		switch res, _ := s.m.resourceAt(t); {
		case s.names[root] != nil:
			variables[root] = toValue(s.names[root])
		case root == "var":
			variables[root] = s.m.variableValues(t)
		case root == "local" && len(t) > 1:
			if name, ok := step(t[1]); ok {
				locals[name] = s.m.localValue(name)
			}
		case root == "path" && s.m.readFile != nil:
			variables[root] = cty.ObjectVal(map[string]cty.Value{
				"module": cty.StringVal("."), "root": cty.DynamicVal, "cwd": cty.DynamicVal})
		case res == nil:
			variables[root] = cty.DynamicVal // Nothing of this name is known.
		}
	}
	if len(locals) > 0 {
		variables["local"] = cty.ObjectVal(locals)
	}
	return &hcl.EvalContext{Variables: variables, Functions: s.m.functions()}
}

func (m *module) variableValues(t hcl.Traversal) cty.Value {
	values := map[string]cty.Value{}
	for name, v := range m.variables {
		values[name] = v
	}
	if len(t) > 1 {
		if name, ok := step(t[1]); ok && values[name] == cty.NilVal {
			values[name] = cty.DynamicVal
		}
	}
	return cty.ObjectVal(values)
}

// resourceValues are the declared resources that the references ask for, by mode,
// type and name.
func (m *module) resourceValues(references []hcl.Traversal) map[string]map[string]map[string]cty.Value {
	asked := map[*resource]map[string]bool{}
	whole := map[*resource]bool{}
	for _, t := range references {
		res, rest := m.resourceAt(t)
		if res == nil {
			continue
		}
		if asked[res] == nil {
			asked[res] = map[string]bool{}
		}
		named := false
		for _, s := range rest {
			if a, ok := s.(hcl.TraverseAttr); ok {
				asked[res][a.Name], named = true, true
				break
			}
		}
		whole[res] = whole[res] || !named
	}
	out := map[string]map[string]map[string]cty.Value{"managed": {}, "data": {}}
	for res, names := range asked {
		kind, name, _ := strings.Cut(strings.TrimPrefix(res.address, "data."), ".")
		if out[res.mode][kind] == nil {
			out[res.mode][kind] = map[string]cty.Value{}
		}
		out[res.mode][kind][name] = cty.DynamicVal
		if !whole[res] {
			out[res.mode][kind][name] = m.instancesValue(res, names)
		}
	}
	return out
}

// instancesValue is a resource with the attributes asked for. One that it does not
// set is unknown, whatever its default may be; a reference to the whole resource,
// as for a splat, is unknown too.
func (m *module) instancesValue(res *resource, asked map[string]bool) cty.Value {
	instances := m.instances(res)
	values := make([]cty.Value, len(instances))
	for i, inst := range instances {
		if inst.index != cty.NilVal && !inst.index.IsKnown() {
			return cty.DynamicVal
		}
		attributes := map[string]cty.Value{}
		for name := range asked {
			attributes[name] = cty.DynamicVal
			if a := inst.node.get(name); a != nil && a.value != nil {
				attributes[name] = toValue(a)
			}
		}
		values[i] = cty.ObjectVal(attributes)
	}
	switch {
	case res.forEach != nil:
		byKey := map[string]cty.Value{}
		for i, inst := range instances {
			byKey[inst.index.AsString()] = values[i]
		}
		return cty.ObjectVal(byKey)
	case res.count != nil:
		return cty.TupleVal(values)
	}
	return values[0]
}

// toValue gives a node to HCL's evaluator; what is partly known is unknown there.
func toValue(n *node) cty.Value {
	switch value := n.value.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType)
	case bool:
		return cty.BoolVal(value)
	case string:
		return cty.StringVal(value)
	case json.Number:
		if v, err := cty.ParseNumberVal(value.String()); err == nil {
			return v
		}
	case []*node:
		list := make([]cty.Value, len(value))
		for i, item := range value {
			list[i] = toValue(item)
		}
		return cty.TupleVal(list)
	case *object:
		members := make(map[string]cty.Value, len(value.members))
		for _, m := range value.members {
			members[m.name] = toValue(m.value)
		}
		return cty.ObjectVal(members)
	case jsonText:
		if text, whole := jsonEncode(value.inner); whole {
			return cty.StringVal(text)
		}
		return cty.UnknownVal(cty.String)
	}
	return cty.DynamicVal
}

// fromValue makes a node of a value of HCL's; all of it stands at one place, and
// what is unknown in it is so for one reason.
func fromValue(v cty.Value, at place, why unknown) *node {
	if !v.IsKnown() {
		return &node{at, why}
	}
	if v.IsNull() {
		return &node{place: at}
	}
	kind := v.Type()
	switch {
	case kind == cty.String:
		return &node{at, v.AsString()}
	case kind == cty.Bool:
		return &node{at, v.True()}
	case kind == cty.Number:
		return &node{at, json.Number(v.AsBigFloat().Text('f', -1))}
	case kind.IsMapType() || kind.IsObjectType():
		out := &object{}
		for it := v.ElementIterator(); it.Next(); {
			key, inner := it.Element()
			out.members = append(out.members, member{key.AsString(), at, fromValue(inner, at, why)})
		}
		sort.Slice(out.members, func(i, j int) bool { return out.members[i].name < out.members[j].name })
		return &node{at, out}
	case v.CanIterateElements():
		list := []*node{}
		for it := v.ElementIterator(); it.Next(); {
			_, inner := it.Element()
			list = append(list, fromValue(inner, at, why))
		}
		return &node{at, list}
	}
	return &node{at, why}
}
