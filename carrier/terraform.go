package carrier

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// isRelevant tells whether a Terraform resource or data source of this type says
// who may come in. All others are left out.
func isRelevant(mode, kind string) bool {
	if mode == "data" {
		return kind == "aws_iam_policy_document" || kind == "google_iam_policy"
	}
	switch kind {
	case "vault_jwt_auth_backend", "vault_jwt_auth_backend_role", "vault_generic_endpoint",
		"aws_iam_role", "aws_iam_openid_connect_provider",
		"google_iam_workload_identity_pool", "google_iam_workload_identity_pool_provider",
		"azuread_application_federated_identity_credential",
		"azuread_application_flexible_federated_identity_credential",
		"azurerm_federated_identity_credential":
		return true
	}
	return strings.HasPrefix(kind, "google_") && hasSuffix(kind, "_iam_member", "_iam_binding", "_iam_policy")
}

// jsonAttributes are the attributes of a relevant type that hold JSON text, which
// is opened. (jwks_json stays text: it is text in Google's own document.)
func jsonAttributes(kind string) []string {
	switch kind {
	case "aws_iam_role":
		return []string{"assume_role_policy"}
	case "aws_iam_policy_document":
		return []string{"json"}
	case "google_iam_policy":
		return []string{"policy_data"}
	case "vault_generic_endpoint":
		return []string{"data_json"}
	}
	if strings.HasSuffix(kind, "_iam_policy") {
		return []string{"policy_data"}
	}
	return nil
}

// resourceName is the name that the platform knows the resource by.
func resourceName(attributes *node) string {
	for _, name := range []string{"role_name", "workload_identity_pool_provider_id", "workload_identity_pool_id", "display_name", "name", "url", "path"} {
		if text := attributes.get(name).text(); text != "" {
			return text
		}
	}
	return ""
}

// addResource makes a document of a resource's attributes.
func (r *reading) addResource(kind, address string, attributes *node, warnings ...string) {
	attributes, more := openMembers(attributes, jsonAttributes(kind)...)
	r.add(attributes, kind, resourceName(attributes), address, append(warnings, more...)...)
}

// isTerraform recognises `terraform show -json` of a plan or a state
// (https://developer.hashicorp.com/terraform/internals/json-format).
func isTerraform(members []spanMember) bool {
	return hasMember(members, "format_version") &&
		(hasMember(members, "terraform_version") || hasMember(members, "values") || hasMember(members, "planned_values") || hasMember(members, "resource_changes"))
}

// isTerraformState recognises a raw state file, version 4.
func isTerraformState(members []spanMember) bool {
	return hasMember(members, "version") && hasMember(members, "terraform_version") && hasMember(members, "resources")
}

func hasMember(members []spanMember, name string) bool {
	return memberNamed(members, name) != nil
}

func memberNamed(members []spanMember, name string) *span {
	for i := range members {
		if members[i].name == name {
			return &members[i].value
		}
	}
	return nil
}

// showJSON reads `terraform show -json`. Resources are read one at a time, the
// relevant ones only, so that the size of a plan does not matter.
type showJSON struct {
	*reading
	unknown map[string]*node // after_unknown by resource address
	seen    map[string]bool  // addresses found below planned_values or values
}

func (r *reading) terraform(members []spanMember) {
	s := &showJSON{reading: r, unknown: map[string]*node{}, seen: map[string]bool{}}
	var changes []resourceChange
	if list := memberNamed(members, "resource_changes"); list != nil {
		changes = s.changes(*list)
	}
	if r.before {
		for _, c := range changes {
			s.change(c, "before")
		}
		return
	}
	for _, name := range []string{"planned_values", "values"} {
		if values := memberNamed(members, name); values != nil {
			s.values(*values, false)
		}
	}
	if prior := memberNamed(members, "prior_state"); prior != nil {
		s.priorState(*prior)
	}
	for _, c := range changes {
		if !s.seen[c.address] {
			s.change(c, "after")
		}
	}
}

// priorState takes the data sources that were read while planning; its resources
// are as they stood before.
func (s *showJSON) priorState(prior span) {
	if prior.first() != '{' {
		return
	}
	members, err := prior.object()
	s.fail(err)
	if values := memberNamed(members, "values"); values != nil {
		s.values(*values, true)
	}
}

func (s *showJSON) values(values span, dataOnly bool) {
	if values.first() != '{' {
		return
	}
	members, err := values.object()
	s.fail(err)
	if module := memberNamed(members, "root_module"); module != nil {
		s.module(*module, dataOnly)
	}
}

func (s *showJSON) module(module span, dataOnly bool) {
	members, err := module.object()
	s.fail(err)
	for _, m := range members {
		if m.name != "resources" && m.name != "child_modules" {
			continue
		}
		items, err := m.value.list()
		s.fail(err)
		for _, item := range items {
			if m.name == "child_modules" {
				s.module(item, dataOnly)
			} else {
				s.resource(item, dataOnly)
			}
		}
	}
}

func (s *showJSON) resource(item span, dataOnly bool) {
	head, err := item.head()
	if err != nil {
		s.fail(err)
		return
	}
	kind, mode, address := head["type"], head["mode"], head["address"]
	if !isRelevant(mode, kind) || dataOnly && mode != "data" {
		return
	}
	n, err := item.node()
	if err != nil {
		s.fail(err)
		return
	}
	s.seen[address] = true
	attributes := n.get("values")
	if attributes == nil {
		attributes = &node{n.place, &object{}}
	}
	s.addResource(kind, address, s.overlay(attributes, s.unknown[address], address, ""))
}

// resourceChange is an entry of resource_changes with the relevant type.
type resourceChange struct {
	address, kind string
	change        *node
}

func (s *showJSON) changes(list span) []resourceChange {
	items, err := list.list()
	s.fail(err)
	var out []resourceChange
	for _, item := range items {
		head, err := item.head()
		if err != nil {
			s.fail(err)
			continue
		}
		if !isRelevant(head["mode"], head["type"]) || head["deposed"] != "" {
			continue
		}
		n, err := item.node()
		if err != nil {
			s.fail(err)
			continue
		}
		change := n.get("change")
		s.unknown[head["address"]] = change.get("after_unknown")
		out = append(out, resourceChange{head["address"], head["type"], change})
	}
	return out
}

// change makes a document of one side of a change; null is a resource that does
// not exist there.
func (s *showJSON) change(c resourceChange, side string) {
	attributes := c.change.get(side)
	if !attributes.isObject() {
		return
	}
	if side == "after" {
		attributes = s.overlay(attributes, s.unknown[c.address], c.address, "")
	}
	s.addResource(c.kind, c.address, attributes)
}

// overlay puts in what is known only after apply. after_unknown has true at each
// such place and leaves the rest out; planned values leave out what it names.
func (s *showJSON) overlay(n, after *node, address, path string) *node {
	if after == nil {
		return n
	}
	if after.value == true {
		return &node{n.place, unknown{why: address + path + " is known only after apply"}}
	}
	for _, m := range after.members() {
		if !anyTrue(m.value) {
			continue
		}
		inner := n.get(m.name)
		if inner == nil {
			inner = &node{place: n.place}
		}
		n = n.with(m.name, s.overlay(inner, m.value, address, path+"."+m.name))
	}
	items := n.items()
	for i, item := range after.items() {
		if !anyTrue(item) {
			continue
		}
		for len(items) <= i {
			items = append(items, &node{place: n.place})
		}
		items[i] = s.overlay(items[i], item, address, path+"["+strconv.Itoa(i)+"]")
		n = &node{n.place, items}
	}
	return n
}

func anyTrue(n *node) bool {
	for _, m := range n.members() {
		if anyTrue(m.value) {
			return true
		}
	}
	for _, item := range n.items() {
		if anyTrue(item) {
			return true
		}
	}
	return n.value == true
}

// terraformState reads a raw state, version 4.
func (r *reading) terraformState(members []spanMember) {
	if version := memberNamed(members, "version"); string(version.raw()) != "4" {
		r.fail(version.place().errorf("want a Terraform state of version 4, got %.20s", version.raw()))
		return
	}
	items, err := memberNamed(members, "resources").list()
	r.fail(err)
	for _, item := range items {
		head, err := item.head()
		if err != nil {
			r.fail(err)
			continue
		}
		if !isRelevant(head["mode"], head["type"]) {
			continue
		}
		n, err := item.node()
		if err != nil {
			r.fail(err)
			continue
		}
		address := head["type"] + "." + head["name"]
		if head["mode"] == "data" {
			address = "data." + address
		}
		if head["module"] != "" {
			address = head["module"] + "." + address
		}
		for _, instance := range n.get("instances").items() {
			if attributes := instance.get("attributes"); attributes.isObject() && !instance.has("deposed") {
				r.addResource(head["type"], address+instanceKey(instance.get("index_key")), attributes)
			}
		}
	}
}

func instanceKey(key *node) string {
	switch {
	case key == nil || key.value == nil:
		return ""
	case key.text() != "":
		return fmt.Sprintf("[%q]", key.text())
	}
	return fmt.Sprintf("[%v]", key.value)
}

// ReadBefore reads a Terraform plan like [Read], but its documents are the
// resources as they stand before the plan is applied. What is no plan is an error.
func ReadBefore(file string, text []byte) ([]*trustcheck.Document, error) {
	text, err := checkText(file, text)
	if err != nil {
		return nil, err
	}
	r := &reading{source: newSource(file, text), before: true}
	whole, err := jsonSpan(r.source)
	if err != nil {
		return nil, err
	}
	if whole.first() == '{' {
		members, err := whole.object()
		if err != nil {
			return nil, err
		}
		if isTerraform(members) && hasMember(members, "resource_changes") {
			r.terraform(members)
			return r.result()
		}
	}
	return nil, whole.place().errorf("want a Terraform plan, as `terraform show -json` prints it: an object with resource_changes")
}
