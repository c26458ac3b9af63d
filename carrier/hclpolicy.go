package carrier

import (
	"fmt"
	"sort"
	"strings"
)

// policyDocument makes the JSON of data.aws_iam_policy_document from its
// arguments, with the rules of the AWS provider (its documentation, "Data Source:
// aws_iam_policy_document"): Version defaults to 2012-10-17, lists of one are
// texts, actions and the like are sorted backwards, &{x} is ${x}, conditions with
// the same test and variable are merged into one list, and statements with the
// same Sid replace each other.
func policyDocument(n *node) *node {
	p := policyBuilder{}
	p.merge(n.get("source_json"), false)
	p.merge(n.get("source_policy_documents"), true)
	p.version = orNil(n.get("version"), &node{n.place, "2012-10-17"})
	p.id = orNil(n.get("policy_id"), p.id)
	if statements := n.get("statement"); statements != nil {
		if _, ok := statements.value.([]*node); !ok {
			return statements
		}
		own := map[string]bool{}
		for _, statement := range statements.items() {
			built := p.statement(statement)
			if sid := built.get("Sid").text(); sid != "" {
				if own[sid] {
					return &node{statement.place, unknown{why: fmt.Sprintf("two statements have the sid %q, which Terraform refuses", sid)}}
				}
				own[sid] = true
			}
			p.add(built)
		}
	}
	p.merge(n.get("override_json"), false)
	p.merge(n.get("override_policy_documents"), true)
	if p.failed != nil {
		return p.failed
	}
	out := &object{[]member{{"Version", p.version.place, p.version}}}
	if p.id != nil {
		out.members = append(out.members, member{"Id", p.id.place, p.id})
	}
	if p.statements != nil {
		out.members = append(out.members, member{"Statement", n.place, &node{n.place, p.statements}})
	}
	return &node{n.place, jsonText{&node{n.place, out}}}
}

func orNil(n, otherwise *node) *node {
	if n != nil && n.value != nil {
		return n
	}
	return otherwise
}

type policyBuilder struct {
	version    *node
	id         *node
	statements []*node
	failed     *node // what makes the whole document unknown
}

// merge takes in other documents, a text or a list of texts.
func (p *policyBuilder) merge(n *node, list bool) {
	if n == nil || n.value == nil {
		return
	}
	documents := []*node{n}
	if list {
		items, ok := n.value.([]*node)
		if !ok {
			p.failed = n
			return
		}
		documents = items
	}
	for _, document := range documents {
		if document.value == nil || document.value == "" {
			continue
		}
		inner, err := opened(document)
		if err != nil || !inner.isObject() {
			p.failed = inner
			if err != nil {
				p.failed = &node{n.place, unknown{why: err.Error()}}
			}
			continue
		}
		p.id = orNil(inner.get("Id"), p.id)
		p.version = orNil(inner.get("Version"), p.version)
		statements := inner.get("Statement")
		switch {
		case statements == nil:
		case statements.isObject():
			p.add(statements)
		case statements.items() == nil:
			p.failed = statements
		default:
			for _, statement := range statements.items() {
				p.add(statement)
			}
		}
	}
}

// add appends a statement or puts it in the place of the one with its Sid.
func (p *policyBuilder) add(statement *node) {
	sid := statement.get("Sid")
	if sid != nil {
		if _, ok := sid.value.(unknown); ok {
			p.failed = sid
			return
		}
	}
	for i, other := range p.statements {
		if text := sid.text(); text != "" && other.get("Sid").text() == text {
			p.statements[i] = statement
			return
		}
	}
	p.statements = append(p.statements, statement)
}

func (p *policyBuilder) statement(n *node) *node {
	out := &object{}
	set := func(name string, value *node) {
		if value != nil {
			out.members = append(out.members, member{name, value.place, value})
		}
	}
	set("Sid", orNil(n.get("sid"), nil))
	effect := orNil(n.get("effect"), &node{n.place, "Allow"})
	set("Effect", effect)
	set("Action", sortedList(n.get("actions"), false))
	set("NotAction", sortedList(n.get("not_actions"), false))
	set("Resource", sortedList(n.get("resources"), true))
	set("NotResource", sortedList(n.get("not_resources"), true))
	set("Principal", principals(n.get("principals")))
	set("NotPrincipal", principals(n.get("not_principals")))
	set("Condition", conditions(n.get("condition")))
	return &node{n.place, out}
}

// sortedList is a set of texts, backwards; one alone is a text. A list with an
// unknown item keeps its order.
func sortedList(n *node, variables bool) *node {
	if n == nil || n.value == nil {
		return nil
	}
	if _, ok := n.value.([]*node); !ok {
		return n
	}
	list := texts(n, variables)
	if len(list) == 0 {
		return nil
	}
	if len(list) == 1 {
		return list[0]
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].text() > list[j].text() })
	return &node{n.place, list}
}

// texts copies a list; &{x} is how ${x} is written there.
func texts(n *node, variables bool) []*node {
	var out []*node
	for _, item := range n.items() {
		if text, ok := item.value.(string); ok && variables {
			item = &node{item.place, strings.ReplaceAll(text, "&{", "${")}
		}
		if u, ok := item.value.(unknown); ok && variables {
			item = &node{item.place, unknown{why: u.why, text: strings.ReplaceAll(u.text, "&{", "${")}}
		}
		out = append(out, item)
	}
	return out
}

// principals merges the blocks by type; {type = "*", identifiers = ["*"]} alone is
// "*".
func principals(n *node) *node {
	blocks, known := blocksOf(n)
	if !known || len(blocks) == 0 {
		return orNil(n, nil).unlessEmpty()
	}
	out := &object{}
	for _, block := range blocks {
		kind, ok := required(block, "type").value.(string)
		if !ok {
			return required(block, "type")
		}
		list := values(block, "identifiers")
		if kind == "*" && len(blocks) == 1 && len(list) == 1 && list[0].text() == "*" {
			return &node{block.place, "*"}
		}
		join(out, kind, block.place, list)
	}
	for i, m := range out.members {
		out.members[i].value = sortedList(m.value, false)
	}
	return &node{n.place, out}
}

// join adds items to the list that is out's member name.
func join(out *object, name string, at place, list []*node) {
	for i, m := range out.members {
		if m.name == name {
			out.members[i].value = &node{m.value.place, append(append([]*node{}, m.value.items()...), list...)}
			return
		}
	}
	out.members = append(out.members, member{name, at, &node{at, list}})
}

// conditions merges the blocks by test and variable: an AND that was meant becomes
// an OR, as it does in the provider's own output.
func conditions(n *node) *node {
	blocks, known := blocksOf(n)
	if !known || len(blocks) == 0 {
		return orNil(n, nil).unlessEmpty()
	}
	out := &node{n.place, &object{}}
	for _, block := range blocks {
		test, ok := required(block, "test").value.(string)
		if !ok {
			return required(block, "test")
		}
		if out.get(test) == nil {
			out = out.with(test, &node{block.place, &object{}})
		}
		operator := out.get(test)
		variable := required(block, "variable")
		name, ok := variable.value.(string)
		if !ok {
			operator.value = variable.value
		}
		if operator.isObject() {
			join(operator.value.(*object), name, block.place, values(block, "values"))
		}
	}
	for _, operator := range out.members() {
		members := operator.value.members()
		for i, m := range members {
			if list := m.value.items(); len(list) == 1 {
				members[i].value = list[0]
			}
		}
	}
	return out
}

// required is an argument of a block; what is not there, or is neither a text nor a
// list, is not known.
func required(block *node, name string) *node {
	n := block.get(name)
	if n != nil {
		switch n.value.(type) {
		case string, []*node, unknown:
			return n
		}
	}
	return &node{block.place, unknown{why: "a block lacks " + name}}
}

// blocksOf returns the blocks of one name; false where they are not known or a
// required argument is not there.
func blocksOf(n *node) ([]*node, bool) {
	blocks := n.items()
	return blocks, n == nil || blocks != nil
}

// unlessEmpty returns n, or nil for an empty list.
func (n *node) unlessEmpty() *node {
	if n.items() != nil {
		return nil
	}
	return n
}

// values is the list that a block's argument holds; one that is not known counts
// as one value that is not known.
func values(block *node, name string) []*node {
	n := required(block, name)
	if _, ok := n.value.([]*node); !ok {
		return []*node{n}
	}
	return texts(n, true)
}

// googlePolicy makes the JSON of data.google_iam_policy from its bindings.
func googlePolicy(n *node) *node {
	blocks := n.get("binding")
	if blocks != nil && blocks.items() == nil {
		return blocks
	}
	bindings := []*node{}
	for _, block := range blocks.items() {
		out := &object{}
		for _, name := range []string{"role", "members"} {
			if m := block.find(name); m != nil {
				out.members = append(out.members, *m)
			}
		}
		if m := block.find("condition"); m != nil && len(m.value.items()) == 1 {
			out.members = append(out.members, member{m.name, m.place, m.value.items()[0]})
		}
		bindings = append(bindings, &node{block.place, out})
	}
	policy := objectNode(n.place, "bindings", &node{n.place, bindings})
	return &node{n.place, jsonText{policy}}
}
