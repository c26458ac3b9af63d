package carrier

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// shortTags are the YAML tags of CloudFormation, without the exclamation mark
// (AWS CloudFormation User Guide, "Intrinsic function reference").
var shortTags = map[string]bool{
	"And": true, "Base64": true, "Cidr": true, "Condition": true, "Equals": true, "FindInMap": true, "ForEach": true,
	"GetAZs": true, "GetAtt": true, "If": true, "ImportValue": true, "Join": true, "Length": true, "Not": true, "Or": true,
	"Ref": true, "Select": true, "Split": true, "Sub": true, "ToJsonString": true, "Transform": true,
}

// getAttList gives the short form `!GetAtt A.B.C` its long one, [A, B.C].
func getAttList(at place, text string) *node {
	name, attribute, _ := strings.Cut(text, ".")
	return &node{at, []*node{{at, name}, {at, attribute}}}
}

// isCloudFormation recognises a template by a resource with a type of AWS's form.
func isCloudFormation(n *node) bool {
	if n.has("AWSTemplateFormatVersion") {
		return true
	}
	for _, m := range n.get("Resources").members() {
		if strings.Contains(m.value.get("Type").text(), "::") {
			return true
		}
	}
	return false
}

// cloudFormation reads the relevant resources of a template with its intrinsic
// functions in place.
func (r *reading) cloudFormation(template *node) {
	t := &stack{template: template, busy: map[string]bool{}, known: map[string]*node{}}
	for _, m := range template.get("Resources").members() {
		kind := m.value.get("Type").text()
		switch kind {
		case "AWS::IAM::Role", "AWS::IAM::OIDCProvider", "Custom::AWSCDKOpenIdConnectProvider":
		default:
			continue
		}
		var warnings []string
		if condition := m.value.get("Condition"); condition != nil {
			switch met := t.condition(condition.text(), condition.place); met.value {
			case true:
			case false:
				continue
			default:
				warnings = append(warnings, "whether this resource exists is not known offline: Condition "+condition.text())
			}
		}
		properties := t.value(m.value.get("Properties"), 0)
		if properties == nil {
			properties = &node{m.value.place, &object{}}
		}
		properties, more := openMembers(&node{m.place, properties.value}, "AssumeRolePolicyDocument")
		name := properties.get("RoleName").text()
		r.add(properties, kind, name, m.name, append(warnings, more...)...)
	}
	for _, err := range t.errs {
		r.fail(err)
	}
}

// stack evaluates the intrinsic functions of one template. busy holds the
// conditions and resources being looked at, to find one that refers to itself.
type stack struct {
	template *node
	busy     map[string]bool
	known    map[string]*node // properties and conditions evaluated before
	steps    int
	errs     []error
}

// maxSteps bounds the evaluation of one template, whose conditions and variables
// can refer to each other so that a few lines stand for more than any machine can
// do.
const maxSteps = 1 << 18

var noValue = &node{}

// value returns n with its functions evaluated; nil stands for AWS::NoValue.
func (t *stack) value(n *node, depth int) *node {
	if n == nil {
		return nil
	}
	if t.steps++; t.steps > maxSteps || depth > trustcheck.MaxDocumentDepth {
		return t.unknown(n.place, "what takes too many steps")
	}
	switch value := n.value.(type) {
	case []*node:
		out := make([]*node, 0, len(value))
		for _, item := range value {
			if v := t.value(item, depth+1); v != noValue {
				out = append(out, v)
			}
		}
		return &node{n.place, out}
	case *object:
		if len(value.members) == 1 {
			m := value.members[0]
			if m.name == "Ref" || m.name == "Condition" && m.value.text() != "" || strings.HasPrefix(m.name, "Fn::") {
				return t.call(m.name, m.value, n.place, depth)
			}
		}
		out := &object{}
		for _, m := range value.members {
			if strings.HasPrefix(m.name, "Fn::") {
				return t.unknown(n.place, m.name)
			}
			if v := t.value(m.value, depth+1); v != noValue {
				out.members = append(out.members, member{m.name, m.place, v})
			}
		}
		return &node{n.place, out}
	}
	return n
}

func (t *stack) unknown(at place, name string) *node {
	return &node{at, unknown{why: notKnown(name), text: hole(name)}}
}

func (t *stack) call(name string, argument *node, at place, depth int) *node {
	switch name {
	case "Ref":
		return t.ref(argument.text(), at)
	case "Fn::GetAtt":
		return t.getAtt(argument, at, depth)
	case "Condition":
		// A member called Condition is a reference only among conditions; in a
		// policy statement it is an object, which does not get here.
		return t.condition(argument.text(), at)
	case "Fn::Sub":
		return t.sub(argument, at, depth)
	case "Fn::If":
		return t.choose(argument, at, depth)
	}
	argument = t.value(argument, depth+1)
	items := argument.items()
	var out *node
	switch name {
	case "Fn::Join":
		out = joined(items, at)
	case "Fn::Split":
		out = split(items, at)
	case "Fn::Select":
		out = selected(items)
	case "Fn::FindInMap":
		out = t.findInMap(items)
	case "Fn::ToJsonString":
		out = &node{at, jsonText{argument}}
	case "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		out = t.logic(name, items, at)
	}
	if out == nil {
		return t.unknown(at, name)
	}
	return out
}

// ref evaluates Ref: a pseudo parameter, a parameter's default, or the physical
// name of a resource, which is known only where the template gives it.
func (t *stack) ref(name string, at place) *node {
	if name == "AWS::NoValue" {
		return noValue
	}
	if parameter := t.template.at("Parameters", name); parameter != nil {
		return t.parameter(parameter, name, at)
	}
	resource := t.template.at("Resources", name)
	switch resource.get("Type").text() {
	case "AWS::IAM::Role":
		if v := t.property(name, "RoleName"); v != nil {
			return &node{at, v.value}
		}
	case "AWS::IAM::OIDCProvider", "Custom::AWSCDKOpenIdConnectProvider":
		return t.providerARN(name, at)
	}
	return t.unknown(at, name)
}

// parameter is the default, typed as CloudFormation does it: a text, or for a list
// type a list of texts. Parameters that the store of parameters fills stay unknown.
func (t *stack) parameter(parameter *node, name string, at place) *node {
	value := parameter.get("Default")
	kind := parameter.get("Type").text()
	if value == nil || strings.HasPrefix(kind, "AWS::SSM::") {
		return t.unknown(at, name)
	}
	text := scalarText(value)
	if kind != "CommaDelimitedList" && !strings.HasPrefix(kind, "List<") {
		return &node{at, text}
	}
	list := []*node{}
	for _, piece := range strings.Split(text, ",") {
		list = append(list, &node{at, strings.TrimSpace(piece)})
	}
	return &node{at, list}
}

func scalarText(n *node) string {
	switch value := n.value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// property evaluates a property of a resource, or returns nil.
func (t *stack) property(resource, property string) *node {
	key := resource + "." + property
	if v := t.known[key]; v != nil {
		return v
	}
	n := t.template.at("Resources", resource, "Properties", property)
	if n == nil {
		return nil
	}
	if t.busy[key] {
		t.errs = append(t.errs, n.errorf("Resources/%s: want properties that do not refer to themselves, got a cycle through %s", resource, property))
		return t.unknown(n.place, key)
	}
	t.busy[key] = true
	defer delete(t.busy, key)
	v := t.value(n, 0)
	t.known[key] = v
	return v
}

// providerARN is what Ref makes of a provider: its host and path are known though
// the account is not.
func (t *stack) providerARN(name string, at place) *node {
	url := t.property(name, "Url")
	if url == nil {
		return t.unknown(at, name)
	}
	text, ok := textOf(url)
	if !ok {
		return t.unknown(at, name)
	}
	text = strings.TrimPrefix(text, "https://")
	return textNode(at, "arn:"+hole("AWS::Partition")+":iam::"+hole("AWS::AccountId")+":oidc-provider/"+text)
}

func (t *stack) getAtt(argument *node, at place, depth int) *node {
	if text := argument.text(); text != "" {
		argument = getAttList(at, text)
	}
	items := argument.items()
	if len(items) != 2 {
		return t.unknown(at, "Fn::GetAtt")
	}
	resource, attribute := items[0].text(), t.value(items[1], depth+1).text()
	switch kind := t.template.at("Resources", resource, "Type").text(); {
	case kind == "Custom::AWSCDKCfnJson" && attribute == "Value":
		// CDK's CfnJson: an object written as JSON text because its member
		// names are computed.
		if text := t.property(resource, "Value"); text != nil {
			if inner, err := opened(text); err == nil {
				return &node{at, inner.value}
			}
		}
	case strings.HasSuffix(kind, "OIDCProvider") && attribute == "Arn", strings.HasSuffix(kind, "OpenIdConnectProvider") && attribute == "Arn":
		return t.providerARN(resource, at)
	case kind == "AWS::IAM::Role" && attribute == "Arn":
		if name := t.property(resource, "RoleName").text(); name != "" && !t.template.at("Resources", resource, "Properties").has("Path") {
			return textNode(at, "arn:"+hole("AWS::Partition")+":iam::"+hole("AWS::AccountId")+":role/"+name)
		}
	}
	return t.unknown(at, resource+"."+attribute)
}

// sub evaluates Fn::Sub, "text" or ["text", {name: value}]. ${!x} is the text ${x}.
func (t *stack) sub(argument *node, at place, depth int) *node {
	text, names := argument.text(), map[string]*node{}
	if items := argument.items(); len(items) == 2 {
		text = items[0].text()
		for _, m := range items[1].members() {
			names[m.name] = t.value(m.value, depth+1)
		}
	} else if items != nil || text == "" && argument.value != "" {
		return t.unknown(at, "Fn::Sub")
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return textNode(at, out.String())
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			out.WriteString("${" + rest)
			return textNode(at, out.String())
		}
		text = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		out.WriteString(t.subText(strings.TrimSpace(name), names, at, depth))
	}
}

func (t *stack) subText(name string, names map[string]*node, at place, depth int) string {
	value, given := names[name]
	switch {
	case given:
	case strings.Contains(name, ".") && !strings.Contains(name, "::"):
		value = t.getAtt(&node{at, name}, at, depth)
	default:
		value = t.ref(name, at)
	}
	if text, ok := textOf(value); ok {
		return text
	}
	return hole(name)
}

// textOf is the text of a scalar, with holes for what is unknown in it.
func textOf(n *node) (string, bool) {
	if n == nil {
		return "", false
	}
	switch value := n.value.(type) {
	case string, json.Number, bool:
		return scalarText(n), true
	case jsonText:
		text, _ := jsonEncode(value.inner)
		return text, true
	case unknown:
		if value.text == "" {
			return hole(strings.TrimSuffix(value.why, " is not known offline")), true
		}
		return value.text, true
	}
	return "", false
}

// textNode is a text, unknown if it has a hole.
func textNode(at place, text string) *node {
	if len(text) > maxText {
		return &node{at, unknown{why: fmt.Sprintf("a text is longer than %d bytes", maxText)}}
	}
	return punched(&node{at, text})
}

func joined(items []*node, at place) *node {
	if len(items) != 2 {
		return nil
	}
	separator, ok := items[0].value.(string)
	if !ok || items[1].items() == nil {
		return nil
	}
	var pieces []string
	for _, item := range items[1].items() {
		text, ok := textOf(item)
		if !ok {
			return nil
		}
		pieces = append(pieces, text)
	}
	return textNode(at, strings.Join(pieces, separator))
}

func split(items []*node, at place) *node {
	if len(items) != 2 || items[0].text() == "" {
		return nil
	}
	text, ok := textOf(items[1])
	if !ok || strings.Contains(text, holeOpen) {
		return nil // What is unknown may hold separators.
	}
	list := []*node{}
	for _, piece := range strings.Split(text, items[0].text()) {
		list = append(list, &node{at, piece})
	}
	return &node{at, list}
}

func selected(items []*node) *node {
	if len(items) != 2 {
		return nil
	}
	i, err := strconv.Atoi(scalarText(items[0]))
	if list := items[1].items(); err == nil && i >= 0 && i < len(list) {
		return list[i]
	}
	return nil
}

func (t *stack) findInMap(items []*node) *node {
	if len(items) < 3 {
		return nil
	}
	n := t.template.get("Mappings")
	for _, key := range items[:3] {
		name, ok := key.value.(string)
		if !ok {
			return nil
		}
		n = n.get(name)
	}
	if n == nil && len(items) == 4 {
		return items[3].get("DefaultValue")
	}
	return n
}

// choose evaluates Fn::If.
func (t *stack) choose(argument *node, at place, depth int) *node {
	items := argument.items()
	if len(items) != 3 {
		return t.unknown(at, "Fn::If")
	}
	switch t.condition(items[0].text(), at).value {
	case true:
		return t.value(items[1], depth+1)
	case false:
		return t.value(items[2], depth+1)
	}
	return t.unknown(at, "Condition "+items[0].text())
}

// condition evaluates a condition of the template by name: true, false or unknown.
func (t *stack) condition(name string, at place) *node {
	n := t.template.at("Conditions", name)
	if n == nil {
		return t.unknown(at, "Condition "+name)
	}
	key := "Conditions/" + name
	if v := t.known[key]; v != nil {
		return &node{at, v.value}
	}
	if t.busy[key] {
		t.errs = append(t.errs, n.errorf("%s: want a condition that does not refer to itself, got a cycle", key))
		return t.unknown(at, "Condition "+name)
	}
	t.busy[key] = true
	defer delete(t.busy, key)
	v := t.value(n, 0)
	if _, ok := v.value.(bool); !ok {
		v = t.unknown(at, "Condition "+name)
	}
	t.known[key] = v
	return &node{at, v.value}
}

// logic evaluates the functions of conditions, in three values.
func (t *stack) logic(name string, items []*node, at place) *node {
	if name == "Fn::Equals" {
		if len(items) != 2 {
			return nil
		}
		a, ok1 := textOf(items[0])
		b, ok2 := textOf(items[1])
		if !ok1 || !ok2 || strings.Contains(a+b, holeOpen) {
			return nil
		}
		return &node{at, a == b}
	}
	known, any := true, false
	all := true
	for _, item := range items {
		value, ok := item.value.(bool)
		known = known && ok
		any = any || ok && value
		all = all && (!ok || value)
	}
	switch {
	case name == "Fn::Not" && known && len(items) == 1:
		return &node{at, !any}
	case name == "Fn::And" && (known || !all):
		return &node{at, all}
	case name == "Fn::Or" && (known || any):
		return &node{at, any}
	}
	return nil
}
