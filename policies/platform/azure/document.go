// Package azure prepares the federated identity credentials of Microsoft Entra for the Rego
// beside it: it reads them in the shapes in which users hold them, parses
// claimsMatchingExpression, and decides nothing.
package azure

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// Schema is the JSON Schema of a credential as it may be written.
//
//go:embed schema.json
var Schema []byte

// Platform describes Azure to the loader.
func Platform() platform.Platform {
	return platform.Platform{
		Name:      "azure",
		Recognise: recognise,
		Prepare:   prepare,
		PerToken:  []string{"alg", "header"},
	}
}

// Terraform's resources for credentials.
const (
	kindClassic  = "azuread_application_federated_identity_credential"
	kindFlexible = "azuread_application_flexible_federated_identity_credential"
	kindManaged  = "azurerm_federated_identity_credential"
)

// Members of a document that hold several credentials: Microsoft Graph and ARM, and plain.
var listMembers = []string{"value", "credentials", "federatedIdentityCredentials"}

func recognise(doc *trustcheck.Document) bool {
	switch doc.Kind {
	case "azure.credential", kindClassic, kindFlexible, kindManaged,
		"azuread:index/applicationFederatedIdentityCredential:ApplicationFederatedIdentityCredential",
		"azuread:index/applicationFlexibleFederatedIdentityCredential:ApplicationFlexibleFederatedIdentityCredential":
		return true
	}
	whole := at{value: doc.Value}
	list := whole.credentials()
	return len(list) > 0 && !slices.ContainsFunc(list, func(one at) bool { return !looksLikeCredential(one.value) })
}

func looksLikeCredential(value any) bool {
	object, _ := value.(map[string]any)
	if inner, ok := object["properties"].(map[string]any); ok {
		object = inner
	}
	_, issuer := object["issuer"]
	for _, telling := range []string{"subject", "claimsMatchingExpression", "claims_matching_expression"} {
		if _, ok := object[telling]; ok && issuer {
			return true
		}
	}
	return false
}

// at is a value with its place in the document.
type at struct {
	value   any
	pointer string
	place   string
}

func (a at) member(name string) at {
	object, _ := a.value.(map[string]any)
	place := name
	if a.place != "" {
		place = a.place + "." + name
	}
	return at{object[name], a.pointer + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1"), place}
}

func (a at) item(i int) at {
	return at{a.value.([]any)[i], fmt.Sprintf("%s/%d", a.pointer, i), fmt.Sprintf("%s[%d]", a.place, i)}
}

func (a at) shown() map[string]any {
	return map[string]any{"value": a.value, "source": a.place, "pointer": a.pointer}
}

// credentials are the elements of a list of them, wherever it stands, or the value itself.
func (a at) credentials() []at {
	for _, name := range listMembers {
		if list := a.member(name); list.value != nil {
			if _, ok := list.value.([]any); ok {
				a = list
				break
			}
		}
	}
	list, ok := a.value.([]any)
	if !ok {
		return []at{a}
	}
	all := make([]at, len(list))
	for i := range list {
		all[i] = a.item(i)
	}
	return all
}

func prepare(doc *trustcheck.Document, _ map[string]any) (*platform.Prepared, error) {
	r := &reading{doc: doc}
	prepared := &platform.Prepared{Name: doc.Name}
	list := (at{value: doc.Value}).credentials()
	described := make([]any, len(list))
	for i, one := range list {
		credential, err := r.credential(one)
		if err != nil {
			return nil, err
		}
		if name, ok := credential["name"].(string); ok && prepared.Name == "" && len(list) == 1 {
			prepared.Name = name
		}
		described[i] = credential
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s:%d: want a federated identity credential, got an empty list", doc.File, doc.Line)
	}
	prepared.Document = map[string]any{"credentials": described}
	prepared.Unknown = r.unknown()
	return prepared, nil
}

type reading struct {
	doc  *trustcheck.Document
	used []string // pointers of members that decide
}

// credential reads one credential into the form of Microsoft Graph.
func (r *reading) credential(one at) (map[string]any, error) {
	if _, ok := one.value.(map[string]any); !ok {
		return nil, r.wrong(one, "a federated identity credential")
	}
	described := map[string]any{"name": nil, "source": one.place, "pointer": one.pointer}
	for _, member := range []string{"name", "displayName", "display_name"} {
		if name, ok := one.member(member).value.(string); ok && described["name"] == nil {
			described["name"] = name
		}
	}
	if inner := one.member("properties"); inner.value != nil {
		if one = inner; platform.KindOf(one.value) != "an object" {
			return nil, r.wrong(one, "an object")
		}
	}
	for _, member := range []string{"issuer", "subject", "description"} {
		found, err := r.text(one, member)
		if err != nil {
			return nil, err
		}
		described[member] = found.shown()
	}
	audiences, err := r.audiences(one)
	if err != nil {
		return nil, err
	}
	described["audiences"] = audiences
	expression, err := r.expression(one)
	if err != nil || expression == nil {
		return described, err
	}
	described["expression"] = expression
	return described, nil
}

func (r *reading) text(one at, names ...string) (at, error) {
	for _, name := range names {
		found := one.member(name)
		if found.value == nil && !r.hidden(found) {
			continue
		}
		r.used = append(r.used, found.pointer)
		if _, ok := found.value.(string); !ok && found.value != nil {
			return found, r.wrong(found, "a text")
		}
		return found, nil
	}
	return one.member(names[0]), nil
}

// audiences are a list, of which only azurerm calls the list audience, or one text.
func (r *reading) audiences(one at) (map[string]any, error) {
	found := one.member("audiences")
	if found.value == nil && !r.hidden(found) {
		found = one.member("audience")
	}
	r.used = append(r.used, found.pointer)
	list := []any{}
	switch value := found.value.(type) {
	case nil:
	case string:
		list = append(list, value)
	case []any:
		list = value
		for i := range value {
			if _, ok := value[i].(string); !ok && !r.hidden(found.item(i)) {
				return nil, r.wrong(found.item(i), "a text")
			}
		}
	default:
		return nil, r.wrong(found, "a list of texts")
	}
	shown := found.shown()
	shown["value"] = list
	return shown, nil
}

// expression reads claimsMatchingExpression: an object with its version or, in Terraform, the
// text alone. Nil where there is none.
func (r *reading) expression(one at) (map[string]any, error) {
	found, version := one.member("claimsMatchingExpression"), any(json.Number("1"))
	if terraform := one.member("claims_matching_expression"); terraform.value != nil || r.hidden(terraform) {
		found = terraform
	}
	if _, ok := found.value.(map[string]any); ok {
		version = found.member("languageVersion").value
		found = found.member("value")
	}
	if r.hidden(found) {
		r.used = append(r.used, found.pointer)
		return nil, nil
	}
	if found.value == nil {
		return nil, nil
	}
	text, ok := found.value.(string)
	if !ok {
		return nil, r.wrong(found, "a text")
	}
	shown := found.shown()
	shown["version"] = version
	parsed, err := parseExpression(text)
	if err != nil {
		shown["unread"] = err.Error()
		return shown, nil
	}
	terms := make([]any, len(parsed))
	for i, t := range parsed {
		terms[i] = map[string]any{"claim": t.claim, "operator": t.operator, "value": t.value}
	}
	shown["terms"] = terms
	return shown, nil
}

func (r *reading) hidden(one at) bool {
	for pointer := range r.doc.Unknown {
		if pointer == one.pointer || strings.HasPrefix(one.pointer, pointer+"/") {
			return true
		}
	}
	return false
}

// unknown says which of the members that decide are not known offline, and why.
func (r *reading) unknown() []string {
	var all []string
	for _, pointer := range slices.Sorted(maps.Keys(r.doc.Unknown)) {
		if slices.ContainsFunc(r.used, func(used string) bool {
			return pointer == used || strings.HasPrefix(pointer, used+"/") || strings.HasPrefix(used, pointer+"/")
		}) {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s: %s", r.doc.Address, strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", "."), r.doc.Unknown[pointer])))
		}
	}
	return all
}

func (r *reading) wrong(one at, wanted string) error {
	place := one.place
	if place == "" {
		place = "document"
	}
	return fmt.Errorf("%s:%d: %s: want %s, got %s", r.doc.File, r.doc.LineOf(one.pointer), place, wanted, platform.KindOf(one.value))
}
