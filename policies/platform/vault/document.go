// Package vault prepares the roles of HashiCorp Vault's JWT auth method (and
// OpenBao's native ones) for the Rego beside it. It reads fields exactly as weakly as
// Vault does, by the very decoders that Vault uses, and decides nothing.
package vault

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"
	"github.com/hashicorp/go-sockaddr"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// Schema is the JSON Schema of a role as Vault stores it; it types the Rego too.
//
//go:embed schema.json
var Schema []byte

var schema = sync.OnceValue(func() *jsonschema.Schema { return platform.MustCompile("vault", Schema) })

// Platform describes Vault to the loader.
func Platform() platform.Platform {
	return platform.Platform{
		Name:        "vault",
		Recognise:   recognise,
		Prepare:     prepare,
		Beside:      beside,
		PerToken:    []string{"remote_addr", "header", "alg"},
		ClaimsInput: claimsInput,
	}
}

// Kinds of document that carriers name.
const (
	kindTerraformRole = "vault_jwt_auth_backend_role"
	kindRead          = "vault.read"
	kindGeneric       = "vault_generic_endpoint"
	kindConfig        = "vault_jwt_auth_backend"
)

func recognise(doc *trustcheck.Document) bool {
	if doc.Kind == kindTerraformRole {
		return true
	}
	object, ok := doc.Value.(map[string]any)
	if !ok {
		return false
	}
	if doc.Kind == kindGeneric {
		inner, ok := object["data_json"].(map[string]any)
		return ok && looksLikeRole(inner)
	}
	if inner, ok := object["role"].(map[string]any); ok {
		return looksLikeRole(inner)
	}
	if inner, ok := object["data"].(map[string]any); ok {
		return looksLikeRole(inner)
	}
	return looksLikeRole(object)
}

// beside finds the configuration of the auth method that a Terraform role belongs to.
func beside(role *trustcheck.Document, all []*trustcheck.Document) map[string]any {
	attributes, ok := role.Value.(map[string]any)
	if !ok || role.Kind != kindTerraformRole {
		return nil
	}
	for _, other := range all {
		config, ok := other.Value.(map[string]any)
		if ok && other.Kind == kindConfig && mount(config["path"]) == mount(attributes["backend"]) {
			return map[string]any{"config": config}
		}
	}
	return nil
}

// mount is the path of an auth method, jwt where none is given.
func mount(path any) string {
	text, ok := path.(string)
	if text = strings.Trim(text, "/"); !ok || text == "" {
		return "jwt"
	}
	return text
}

func looksLikeRole(object map[string]any) bool {
	for _, telling := range []string{"role_type", "user_claim", "bound_claims", "bound_audiences", "bound_subject"} {
		if _, ok := object[telling]; ok {
			return true
		}
	}
	return false
}

// prepare finds the role in its envelope, decodes it as Vault would on a write, and
// lists for every selector the places that it can mean.
func prepare(doc *trustcheck.Document, context map[string]any) (*platform.Prepared, error) {
	at, object, config, err := open(doc)
	if err != nil {
		return nil, err
	}
	prepared := &platform.Prepared{Name: doc.Name, Pointer: at}
	unknown := knownOnly(doc, at, object)
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		prepared.Unknown = append(prepared.Unknown, unknown[name])
	}
	if doc.Kind == kindTerraformRole {
		prepared.Name, _ = object["role_name"].(string)
		object = fromTerraform(object)
	} else {
		prepared.Warnings = append(misspelt(object, roleFields), loose(object)...)
	}
	if given, ok := context["config"].(map[string]any); ok {
		config = given
	}
	if name, ok := context["role_name"].(string); ok {
		prepared.Name = name
	}
	prepared.Document = decode(object)
	if why, ok := prepared.Document["unreadable"].(string); ok && at != "/data" {
		return nil, unreadable(doc, at, object, why)
	}
	prepared.Document["config"] = decodeConfig(config)
	prepared.Document["stored"] = at == "/data" || doc.Kind == kindRead
	prepared.Document["unknown"] = slices.Sorted(maps.Keys(unknown))
	return prepared, nil
}

// open returns the pointer of the role inside the document, the role, and the auth
// method's configuration where the document brings it.
func open(doc *trustcheck.Document) (string, map[string]any, map[string]any, error) {
	object, ok := doc.Value.(map[string]any)
	if !ok {
		return "", nil, nil, platform.WrongShape(doc, "", "a role object", doc.Value)
	}
	if doc.Kind == kindTerraformRole {
		return "", object, nil, nil
	}
	if doc.Kind == kindGeneric {
		role, ok := object["data_json"].(map[string]any)
		if !ok {
			return "", nil, nil, platform.WrongShape(doc, "/data_json", "a role object", object["data_json"])
		}
		return "/data_json", role, nil, nil
	}
	for _, envelope := range []string{"role", "data"} {
		inner, given := object[envelope]
		if !given || (envelope == "data" && looksLikeRole(object)) {
			continue
		}
		role, ok := inner.(map[string]any)
		if !ok {
			return "", nil, nil, platform.WrongShape(doc, "/"+envelope, "a role object", inner)
		}
		for _, beside := range []string{"config", "mount"} {
			if value, given := object[beside]; given {
				config, ok := value.(map[string]any)
				if !ok {
					return "", nil, nil, platform.WrongShape(doc, "/"+beside, "an object", value)
				}
				return "/" + envelope, role, unwrapped(config), nil
			}
		}
		return "/" + envelope, role, nil, nil
	}
	return "", object, nil, nil
}

// unwrapped takes a configuration out of its `vault read` envelope.
func unwrapped(config map[string]any) map[string]any {
	if data, ok := config["data"].(map[string]any); ok {
		return data
	}
	return config
}

// unreadable names the place of the field that Vault could not read, what came and what was
// wanted.
func unreadable(doc *trustcheck.Document, at string, object map[string]any, why string) error {
	for _, violation := range platform.Violations(schema(), object) {
		field := strings.Split(violation.Pointer, "/")[1]
		if _, err := decodeField(field, object[field]); err != nil {
			return fmt.Errorf("%s:%d: %s: %s (schema %s): %s", doc.File, doc.LineOf(at+violation.Pointer),
				platform.Place(violation.Pointer), violation.Message, violation.Rule, why)
		}
	}
	return fmt.Errorf("%s:%d: %s", doc.File, doc.Line, why)
}

// loose names the fields that Vault reads although they are not of the type that it stores.
func loose(object map[string]any) []string {
	var warnings []string
	for _, violation := range platform.Violations(schema(), object) {
		field := strings.Split(violation.Pointer, "/")[1]
		if _, known := roleFields[field]; !known || object[field] == nil {
			continue
		}
		if isDuration(field) || isCommaList(field, object[field]) {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s: %s; Vault converts it", platform.Place(violation.Pointer), violation.Message))
	}
	return warnings
}

// isDuration tells the fields for which a text such as 90s is as good as a number.
func isDuration(field string) bool {
	return strings.HasSuffix(field, "_leeway") || strings.HasSuffix(field, "ttl") || strings.HasSuffix(field, "period")
}

// isCommaList tells a text where a list is wanted, which Vault splits on commas.
func isCommaList(field string, value any) bool {
	_, isText := value.(string)
	decoded, err := decodeField(field, value)
	_, isList := decoded.([]any)
	return isText && isList && err == nil
}

// decisive are the fields that a login depends on; what the others hold changes only the token
// that Vault issues.
var decisive = map[string]bool{
	"role_type": true, "bound_audiences": true, "bound_subject": true, "bound_claims": true, "bound_claims_type": true,
	"disable_bound_claims_parsing": true, "claim_mappings": true, "user_claim": true, "user_claim_json_pointer": true,
	"groups_claim": true, "clock_skew_leeway": true, "expiration_leeway": true, "not_before_leeway": true,
	"token_bound_cidrs": true, "bound_cidrs": true, "token_policies": true, "policies": true,
}

// knownOnly takes the members that are not known offline out of the role and returns, by
// field name, what is to be said of them.
func knownOnly(doc *trustcheck.Document, at string, role map[string]any) map[string]string {
	unknown := map[string]string{}
	for pointer, why := range doc.Unknown {
		inside, ok := strings.CutPrefix(pointer, at+"/")
		if !ok {
			continue
		}
		field, member, nested := strings.Cut(inside, "/")
		if !decisive[field] {
			delete(role, field)
			continue
		}
		unknown[field] = strings.TrimSpace(fmt.Sprintf("%s %s: %s", doc.Address, platform.Place(inside), why))
		if claims, ok := role[field].(map[string]any); ok && nested {
			name, _, _ := strings.Cut(member, "/")
			delete(claims, unescape(name))
			continue
		}
		delete(role, field)
		if field == "role_type" {
			role[field] = "jwt"
		}
	}
	return unknown
}

// fromTerraform turns the attributes of vault_jwt_auth_backend_role into the body that
// the provider writes: it splits every bound claim on commas unless told not to.
// Source: terraform-provider-vault, vault/resource_jwt_auth_backend_role.go.
func fromTerraform(attributes map[string]any) map[string]any {
	body := maps.Clone(attributes)
	for _, notSent := range []string{"role_name", "backend", "id", "namespace", "disable_bound_claims_parsing"} {
		delete(body, notSent)
	}
	maps.DeleteFunc(body, func(_ string, value any) bool { return value == nil })
	whole, _ := attributes["disable_bound_claims_parsing"].(bool)
	if claims, ok := body["bound_claims"].(map[string]any); ok {
		split := make(map[string]any, len(claims))
		for claim, value := range claims {
			split[claim] = bodyValues(value, whole)
		}
		body["bound_claims"] = split
	}
	for _, sentIfSet := range []string{"role_type", "bound_subject", "bound_claims_type", "groups_claim"} {
		if body[sentIfSet] == "" {
			delete(body, sentIfSet)
		}
	}
	return body
}

func bodyValues(value any, whole bool) []any {
	text, ok := value.(string)
	if !ok {
		return []any{value}
	}
	if whole {
		return []any{strings.TrimSpace(text)}
	}
	var values []any
	for piece := range strings.SplitSeq(text, ",") {
		values = append(values, strings.TrimSpace(piece))
	}
	return values
}

// misspelt names the members that Vault ignores in silence, with the likely word.
func misspelt(object map[string]any, known map[string]decoder) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, ok := known[name]; ok {
			continue
		}
		warning := fmt.Sprintf("%s: Vault ignores this field", name)
		best, distance := "", 4
		for _, candidate := range slices.Sorted(maps.Keys(known)) {
			if d := levenshtein.ComputeDistance(name, candidate); d < distance {
				best, distance = candidate, d
			}
		}
		if best != "" {
			warning += fmt.Sprintf(": did you mean %s", best)
		}
		warnings = append(warnings, warning)
	}
	return warnings
}

// Selectors may mean several places: in a list a step is an index, in an object a name.
// No more than this many readings are listed; beyond, the condition stays unread.
const maxReadings = 256

// selectors lists, for every claim selector of the role that is a JSON pointer, the
// paths that it can mean. Source: mitchellh/pointerstructure v1.2.1, which reads an index
// as a Go integer literal of any base and an empty step as index 0.
func selectors(role map[string]any) map[string]any {
	readings := map[string]any{}
	add := func(name string) {
		if strings.HasPrefix(name, "/") {
			if paths := readPointer(name); paths != nil {
				readings[name] = paths
			}
		}
	}
	for _, members := range []string{"bound_claims", "claim_mappings"} {
		if claims, ok := role[members].(map[string]any); ok {
			for name := range claims {
				add(name)
			}
		}
	}
	for _, field := range []string{"groups_claim", "user_claim"} {
		name, _ := role[field].(string)
		add(name)
	}
	return readings
}

func readPointer(pointer string) []any {
	paths := [][]any{{}}
	for step := range strings.SplitSeq(pointer[1:], "/") {
		step = unescape(step)
		readings := []any{step}
		if index, err := strconv.ParseInt(step, 0, 64); err == nil && index >= 0 {
			readings = append(readings, index)
		} else if step == "" {
			readings = append(readings, int64(0))
		}
		if len(paths)*len(readings) > maxReadings {
			return nil
		}
		var longer [][]any
		for _, path := range paths {
			for _, reading := range readings {
				longer = append(longer, append(slices.Clone(path), reading))
			}
		}
		paths = longer
	}
	all := make([]any, len(paths))
	for i, path := range paths {
		all[i] = path
	}
	return all
}

func unescape(step string) string {
	return strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
}

// network returns the network that an entry of token_bound_cidrs stands for; empty for a
// UNIX socket, which no caller matches.
func network(address sockaddr.SockAddr) string {
	switch address := address.(type) {
	case sockaddr.IPv4Addr:
		return address.NetIPNet().String()
	case sockaddr.IPv6Addr:
		return address.NetIPNet().String()
	default:
		return ""
	}
}

// callerAddress reads the caller's address as Vault does: a port is tolerated, an
// IPv4-mapped address counts as IPv4, and an address with a mask stands for its whole
// network. Empty when it cannot be read, or would have to be looked up.
func callerAddress(remote string) string {
	if needsLookup(remote) {
		return ""
	}
	address, err := sockaddr.NewSockAddr(remote)
	if err != nil {
		return ""
	}
	return network(address)
}
