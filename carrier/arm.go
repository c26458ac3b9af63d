package carrier

import (
	"fmt"
	"strconv"
	"strings"
)

// isARM recognises a deployment template of Azure Resource Manager, which Bicep
// compiles to.
func isARM(n *node) bool {
	return strings.Contains(strings.ToLower(n.get("$schema").text()), "deploymenttemplate.json")
}

// arm reads the federated credentials of a deployment template. Its expressions,
// texts in square brackets, are known only where they name a parameter with a
// default or a variable.
func (r *reading) arm(template *node) {
	a := &deployment{template: template, busy: map[string]bool{}}
	resources := template.get("resources")
	for i, resource := range resources.items() {
		r.armResource(a, resource, strconv.Itoa(i))
	}
	for _, m := range resources.members() { // Templates with languageVersion 2.0.
		r.armResource(a, m.value, m.name)
	}
}

func (r *reading) armResource(a *deployment, resource *node, address string) {
	kind := strings.ToLower(resource.get("type").text())
	if kind == "" {
		kind, _, _ = strings.Cut(strings.ToLower(resource.at("import").text()), "@")
	}
	kind, _, _ = strings.Cut(kind, "@")
	switch kind {
	case "microsoft.resources/deployments":
		r.armNested(a, resource.get("properties"))
		return
	case "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials",
		"microsoft.graph/applications/federatedidentitycredentials":
	default:
		for i, inner := range resource.get("resources").items() {
			r.armResource(a, nested(resource, inner), address+"/resources/"+strconv.Itoa(i))
		}
		return
	}
	credential := a.value(resource.get("properties"))
	if credential == nil {
		return
	}
	if name := resource.get("name"); name != nil && !credential.has("name") {
		credential = credential.with("name", a.value(name))
	}
	name := credential.get("name").text()
	r.add(credential, KindAzureCredential, lastSegment(name), "/resources/"+address)
}

// armNested reads a template inside another, as Bicep makes of a module. Its
// parameters are the ones it is given; without an inner scope of its own (the
// default) its expressions speak of the outer template.
func (r *reading) armNested(outer *deployment, properties *node) {
	inner := properties.get("template")
	if !isARM(inner) {
		return
	}
	if !strings.EqualFold(properties.at("expressionEvaluationOptions", "scope").text(), "inner") {
		for _, name := range []string{"parameters", "variables"} {
			if m := outer.template.find(name); m != nil {
				inner = inner.with(name, m.value)
			}
		}
		r.arm(inner)
		return
	}
	parameters := inner.get("parameters")
	for _, m := range properties.get("parameters").members() {
		declared := parameters.get(m.name)
		if !declared.isObject() {
			continue
		}
		value := outer.value(m.value.get("value"))
		if value == nil {
			value = &node{m.place, unknown{why: notKnown("parameters('" + m.name + "')")}}
		}
		parameters = parameters.with(m.name, declared.with("defaultValue", value))
	}
	if parameters != nil {
		inner = inner.with("parameters", parameters)
	}
	r.arm(inner)
}

// nested gives a resource inside another its full type.
func nested(outer, inner *node) *node {
	kind := inner.get("type")
	if kind == nil || strings.Count(kind.text(), "/") > 0 {
		return inner
	}
	return inner.with("type", &node{kind.place, outer.get("type").text() + "/" + kind.text()})
}

type deployment struct {
	template *node
	busy     map[string]bool
	steps    int
}

func (a *deployment) value(n *node) *node {
	if n == nil {
		return nil
	}
	if a.steps++; a.steps > maxSteps {
		return &node{n.place, unknown{why: notKnown("what takes too many steps")}}
	}
	switch value := n.value.(type) {
	case string:
		return a.expression(n, value)
	case []*node:
		list := make([]*node, len(value))
		for i, item := range value {
			list[i] = a.value(item)
		}
		return &node{n.place, list}
	case *object:
		out := &object{}
		for _, m := range value.members {
			out.members = append(out.members, member{m.name, m.place, a.value(m.value)})
		}
		return &node{n.place, out}
	}
	return n
}

// expression evaluates "[…]"; "[[" begins a text with a bracket.
func (a *deployment) expression(n *node, text string) *node {
	if strings.HasPrefix(text, "[[") {
		return &node{n.place, text[1:]}
	}
	if !strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]") {
		return n
	}
	p := &armParser{rest: text[1 : len(text)-1], deployment: a, at: n.place}
	if v := p.expression(0); v != nil && strings.TrimSpace(p.rest) == "" {
		return v
	}
	return &node{n.place, unknown{why: notKnown(text)}}
}

// armParser evaluates the part of ARM's expression language that offline values
// need: text, parameters(), variables(), format() and concat().
type armParser struct {
	*deployment
	rest string
	at   place
}

func (p *armParser) expression(depth int) *node {
	p.rest = strings.TrimLeft(p.rest, " ")
	if depth > 20 || p.rest == "" {
		return nil
	}
	if p.rest[0] == '\'' {
		return p.quoted()
	}
	end := strings.IndexFunc(p.rest, func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') })
	if end <= 0 || p.rest[end] != '(' {
		return nil
	}
	name, start := p.rest[:end], p.rest
	p.rest = p.rest[end+1:]
	var arguments []*node
	for {
		p.rest = strings.TrimLeft(p.rest, " ,")
		if strings.HasPrefix(p.rest, ")") {
			p.rest = p.rest[1:]
			break
		}
		argument := p.expression(depth + 1)
		if argument == nil {
			return nil
		}
		arguments = append(arguments, argument)
	}
	written := start[:len(start)-len(p.rest)]
	if strings.HasPrefix(strings.TrimSpace(p.rest), ".") || strings.HasPrefix(p.rest, "[") {
		return nil // A member of an object: not known.
	}
	return p.call(strings.ToLower(name), arguments, written)
}

// quoted reads a text; two quotes stand for one.
func (p *armParser) quoted() *node {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		if p.rest[i] != '\'' {
			b.WriteByte(p.rest[i])
			continue
		}
		if i+1 < len(p.rest) && p.rest[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		p.rest = p.rest[i+1:]
		return &node{p.at, b.String()}
	}
	return nil
}

func (p *armParser) call(name string, arguments []*node, written string) *node {
	var texts []string
	for _, argument := range arguments {
		text, ok := textOf(argument)
		if !ok {
			return &node{p.at, unknown{why: notKnown(written)}}
		}
		texts = append(texts, text)
	}
	switch {
	case name == "concat" && len(texts) > 0:
		return textNode(p.at, strings.Join(texts, ""))
	case name == "format" && len(texts) > 0:
		out := texts[0]
		for i, text := range texts[1:] {
			if out = strings.ReplaceAll(out, fmt.Sprintf("{%d}", i), text); len(out) > maxText {
				break
			}
		}
		return textNode(p.at, out)
	case (name == "parameters" || name == "variables") && len(texts) == 1:
		if v := p.named(name, texts[0]); v != nil {
			return v
		}
	}
	return &node{p.at, unknown{why: notKnown(written), text: hole(written)}}
}

// named returns a parameter's default or a variable.
func (p *armParser) named(kind, name string) *node {
	n := p.template.at(kind, name)
	if kind == "parameters" {
		n = n.get("defaultValue")
	}
	key := kind + "/" + name
	if n == nil || p.busy[key] {
		return nil
	}
	p.busy[key] = true
	defer delete(p.busy, key)
	v := p.value(n)
	if !v.isObject() && v.items() == nil {
		return &node{p.at, v.value}
	}
	return v
}
