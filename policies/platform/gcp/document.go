// Package gcp prepares Google Cloud's workload identity federation for the Rego beside it:
// it reads providers and IAM policies in the shapes in which users hold them, translates
// their CEL to Rego, and decides nothing.
package gcp

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// Schema is the JSON Schema of providers and IAM policies as they may be written.
//
//go:embed schema.json
var Schema []byte

// Platform describes Google Cloud to the loader.
func Platform() platform.Platform {
	return platform.Platform{
		Name:        "gcp",
		Recognise:   recognise,
		Prepare:     prepare,
		Beside:      beside,
		PerToken:    []string{"alg", "header"},
		ClaimsInput: claimsInput,
	}
}

// Members of a document, or of the context, that hold providers, pools and policies.
var (
	providerMembers = []string{"provider", "providers", "workloadIdentityPoolProviders"}
	poolMembers     = []string{"pool", "pools", "workloadIdentityPools"}
	policyMembers   = []string{"iamPolicy", "iam_policy", "iamPolicies", "iam_policies"}
)

func recognise(doc *trustcheck.Document) bool {
	if providerKind(doc.Kind) {
		return true
	}
	if grantKind(doc.Kind) {
		return federated(doc)
	}
	switch value := doc.Value.(type) {
	case map[string]any:
		return looksLike(value)
	case []any:
		return len(value) > 0 && !slices.ContainsFunc(value, func(item any) bool {
			object, ok := item.(map[string]any)
			return !ok || !looksLikeProvider(object)
		})
	}
	return false
}

func looksLike(object map[string]any) bool {
	if looksLikeProvider(object) || looksLikePolicy(object) {
		return true
	}
	for _, name := range providerMembers {
		for _, item := range listed(object[name]) {
			if inner, ok := item.(map[string]any); ok && looksLikeProvider(inner) {
				return true
			}
		}
	}
	for _, name := range policyMembers {
		for _, item := range listed(object[name]) {
			if inner, ok := item.(map[string]any); ok && looksLikePolicy(inner) {
				return true
			}
		}
	}
	return false
}

func looksLikeProvider(object map[string]any) bool {
	for _, name := range []string{"attributeMapping", "attribute_mapping", "attributeCondition", "attribute_condition"} {
		if _, ok := object[name]; ok {
			return true
		}
	}
	oidc, _ := object["oidc"].(map[string]any)
	_, ok := oidc["issuerUri"]
	return ok
}

// looksLikePolicy wants a binding that names an identity of a pool: policies without one say
// nothing about tokens.
func looksLikePolicy(object map[string]any) bool {
	for _, binding := range listed(object["bindings"]) {
		inner, _ := binding.(map[string]any)
		if slices.ContainsFunc(listed(inner["members"]), isPrincipal) {
			return true
		}
	}
	return false
}

func isPrincipal(member any) bool {
	text, _ := member.(string)
	return strings.HasPrefix(text, "principal://") || strings.HasPrefix(text, "principalSet://")
}

// federated tells whether a grant of Terraform or Pulumi names an identity of a pool, as far
// as that is known.
func federated(doc *trustcheck.Document) bool {
	object, _ := doc.Value.(map[string]any)
	if isPrincipal(object["member"]) || slices.ContainsFunc(listed(object["members"]), isPrincipal) {
		return true
	}
	policy, _ := object["policy_data"].(map[string]any)
	if looksLikePolicy(policy) {
		return true
	}
	for pointer, why := range doc.Unknown {
		if (strings.HasPrefix(pointer, "/member") || strings.HasPrefix(pointer, "/policy_data")) && strings.Contains(why, "principal") {
			return true
		}
	}
	return false
}

// prepare reads providers and bindings and translates their expressions.
func prepare(doc *trustcheck.Document, context map[string]any) (*platform.Prepared, error) {
	read := &reading{doc: doc}
	if err := read.document(); err != nil {
		return nil, err
	}
	if err := read.context(context); err != nil {
		return nil, err
	}
	if len(read.providers) == 0 && len(read.bindings) == 0 && !read.policy {
		return nil, fmt.Errorf("%s:%d: want a workload identity pool provider, an IAM policy, or both as {\"provider\": …, \"iamPolicy\": …}", doc.File, doc.Line)
	}
	prepared := &platform.Prepared{Name: doc.Name, Warnings: read.warnings, Unknown: read.unknown(), Generated: map[string]string{}}
	if grantKind(doc.Kind) && doc.Address != "" {
		prepared.Name = doc.Address
	}
	providers := make([]any, len(read.providers))
	for i, p := range read.providers {
		if prepared.Name == "" {
			prepared.Name = p.id
		}
		p.underPools(read.pools)
		translated := translate(p)
		maps.Copy(prepared.Generated, translated.modules)
		providers[i] = p.described(translated)
		for _, b := range read.bindings {
			b.formulas = append(b.formulas, translated.formula(b))
		}
	}
	prepared.Document = map[string]any{"providers": providers}
	if read.policy {
		bindings := make([]any, len(read.bindings))
		for i, b := range read.bindings {
			bindings[i] = b.described()
		}
		prepared.Document["bindings"] = bindings
	}
	if account, ok := context["service_account"].(string); ok {
		prepared.Document["service_account"] = account
	}
	return prepared, nil
}

// reading collects what a document and its context hold.
type reading struct {
	doc       *trustcheck.Document
	providers []*provider
	pools     []pool
	bindings  []*binding
	policy    bool // whether bindings were given, be it none
	warnings  []string
	used      []string // pointers of members that decide
}

// at is a value with its place: a pointer into the document, empty and elsewhere when it
// comes from the context.
type at struct {
	value     any
	pointer   string
	place     string
	elsewhere bool
}

func (a at) member(name string, value any) at {
	return at{value, a.pointer + "/" + escaped(name), joined(a.place, name), a.elsewhere}
}

func (a at) item(i int, value any) at {
	return at{value, fmt.Sprintf("%s/%d", a.pointer, i), fmt.Sprintf("%s[%d]", a.place, i), a.elsewhere}
}

// source and pointer are shown with a condition; what comes from the context has no line.
func (a at) shown(into map[string]any) {
	into["source"] = a.place
	if a.elsewhere {
		into["source"] = "context." + a.place
		return
	}
	into["pointer"] = a.pointer
}

func joined(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

// items are the elements of a list, or the value itself as the only one.
func (a at) items() []at {
	list, ok := a.value.([]any)
	if !ok {
		return []at{a}
	}
	all := make([]at, len(list))
	for i, item := range list {
		all[i] = a.item(i, item)
	}
	return all
}

func (r *reading) document() error {
	whole := at{value: r.doc.Value}
	if grantKind(r.doc.Kind) {
		return r.grant(whole)
	}
	for _, one := range whole.items() {
		object, ok := one.value.(map[string]any)
		switch {
		case !ok:
			return r.wrong(one, "a provider or an IAM policy")
		case looksLikeProvider(object), providerKind(r.doc.Kind):
			if err := r.provider(one); err != nil {
				return err
			}
			continue
		case object["bindings"] != nil:
			if err := r.bindingsOf(one); err != nil {
				return err
			}
			continue
		}
		if err := r.members(one, object); err != nil {
			return err
		}
	}
	return nil
}

// context adds what the document does not bring itself.
func (r *reading) context(context map[string]any) error {
	given := maps.Clone(context)
	if len(r.providers) > 0 {
		for _, name := range providerMembers {
			delete(given, name)
		}
	}
	for _, name := range policyMembers {
		if given[name] != nil {
			r.bindings, r.policy = nil, false
		}
	}
	if err := r.members(at{elsewhere: true}, given); err != nil {
		return err
	}
	for _, member := range (at{value: context["member"], place: "member", elsewhere: true}).items() {
		if member.value != nil {
			r.member(member, "", at{})
		}
	}
	return nil
}

func (r *reading) members(whole at, object map[string]any) error {
	for _, name := range providerMembers {
		if err := r.each(whole, object, name, r.provider); err != nil {
			return err
		}
	}
	for _, name := range poolMembers {
		if err := r.each(whole, object, name, r.pool); err != nil {
			return err
		}
	}
	for _, name := range policyMembers {
		if err := r.each(whole, object, name, r.bindingsOf); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) each(whole at, object map[string]any, name string, read func(at) error) error {
	if object[name] == nil {
		return nil
	}
	for _, one := range whole.member(name, object[name]).items() {
		if err := read(one); err != nil {
			return err
		}
	}
	return nil
}

// unknown says which of the members that decide are not known offline, and why.
func (r *reading) unknown() []string {
	var all []string
	for _, pointer := range slices.Sorted(maps.Keys(r.doc.Unknown)) {
		if slices.ContainsFunc(r.used, func(used string) bool { return touches(pointer, used) }) {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s: %s", r.doc.Address, dotted(pointer), r.doc.Unknown[pointer])))
		}
	}
	return all
}

// hidden tells whether a member's value is not known offline.
func (r *reading) hidden(one at) bool {
	if one.elsewhere {
		return false
	}
	for pointer := range r.doc.Unknown {
		if pointer == one.pointer || strings.HasPrefix(one.pointer, pointer+"/") {
			return true
		}
	}
	return false
}

func touches(pointer, used string) bool {
	return pointer == used || strings.HasPrefix(pointer, used+"/") || strings.HasPrefix(used, pointer+"/")
}

func (r *reading) wrong(one at, wanted string) error {
	line, place := r.doc.LineOf(one.pointer), one.place
	if one.elsewhere {
		line, place = r.doc.Line, "context."+place
	}
	if place == "" {
		place = "document"
	}
	return fmt.Errorf("%s:%d: %s: want %s, got %s", r.doc.File, line, place, wanted, platform.KindOf(one.value))
}

func dotted(pointer string) string {
	return strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
}

func escaped(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// listed is a list's elements, a single value as its only one, and nothing of null.
func listed(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		return []any{value}
	}
}
