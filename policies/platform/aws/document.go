// Package aws prepares the trust policies of AWS IAM roles for the Rego beside it: it finds
// the policy in the shapes in which users hold it, and decides nothing.
package aws

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// Schema is the JSON Schema of a trust policy; it types the Rego too.
//
//go:embed schema.json
var Schema []byte

// Platform describes AWS to the loader.
func Platform() platform.Platform {
	return platform.Platform{
		Name:      "aws",
		Recognise: recognise,
		Prepare:   prepare,
		Beside:    beside,
		PerToken:  []string{"role_session_name", "source_ip", "alg", "header", "keys"},
	}
}

// policyMembers hold the trust policy, by the files that spell them so: the answers of IAM
// and CloudFormation, Terraform, Pulumi and AWS Config.
var policyMembers = []string{"AssumeRolePolicyDocument", "assume_role_policy", "assumeRolePolicy", "assumeRolePolicyDocument"}

func recognise(doc *trustcheck.Document) bool {
	switch doc.Kind {
	case "aws.role", "aws_iam_role", "AWS::IAM::Role", "aws:iam/role:Role":
		return true
	}
	if text, ok := doc.Value.(string); ok {
		value, err := readPolicy(text)
		object, ok := value.(map[string]any)
		return err == nil && ok && holdsPolicy(object)
	}
	object, ok := doc.Value.(map[string]any)
	return ok && holdsPolicy(object)
}

// beside hands on the provider resources that were read together with a role: they have the
// client ids.
func beside(_ *trustcheck.Document, all []*trustcheck.Document) map[string]any {
	var providers []any
	for _, other := range all {
		switch other.Kind {
		case "aws.oidc_provider", "aws_iam_openid_connect_provider", "AWS::IAM::OIDCProvider", "aws:iam/openIdConnectProvider:OpenIdConnectProvider":
			if _, _, ok := ReadProvider(other.Value); ok {
				providers = append(providers, other.Value)
			}
		}
	}
	if providers == nil {
		return nil
	}
	return map[string]any{"providers": providers}
}

func holdsPolicy(object map[string]any) bool {
	if _, ok := object["Statement"]; ok {
		return true
	}
	if policyMember(object) != "" {
		return true
	}
	for _, inner := range inside(object) {
		if holdsPolicy(inner.object) {
			return true
		}
	}
	return false
}

// envelopes are the members that a role may be wrapped in, and those that list roles, in the
// order in which they are looked for.
var envelopes = []string{"Role", "role", "Properties", "Roles", "RoleDetailList"}

// wrapped is what may be a role inside of another object, with its place there.
type wrapped struct {
	at     string
	object map[string]any
}

// inside lists what the first envelope of an object holds.
func inside(object map[string]any) []wrapped {
	for _, envelope := range envelopes {
		switch value := object[envelope].(type) {
		case map[string]any:
			return []wrapped{{"/" + envelope, value}}
		case []any:
			var all []wrapped
			for i, element := range value {
				if inner, ok := element.(map[string]any); ok {
					all = append(all, wrapped{fmt.Sprintf("/%s/%d", envelope, i), inner})
				}
			}
			return all
		}
	}
	return nil
}

func policyMember(object map[string]any) string {
	for _, name := range policyMembers {
		if _, ok := object[name]; ok {
			return name
		}
	}
	return ""
}

// prepare finds the role and its policy, and lists the policy's statements with their places.
//
// `context.providers` holds provider resources that were read together with the role.
func prepare(doc *trustcheck.Document, context map[string]any) (*platform.Prepared, error) {
	found, err := open(doc)
	if err != nil {
		return nil, err
	}
	partial := found.fillProviders(doc)
	prepared := &platform.Prepared{Name: doc.Name, Pointer: found.pointer, Unknown: unknown(doc, found.pointer, partial)}
	if name := firstText(found.role, "RoleName", "name", "Name"); name != "" {
		prepared.Name = name
	}
	statements, err := statements(doc, found)
	if err != nil {
		return nil, err
	}
	together, _ := context["providers"].([]any)
	providers, err := providers(doc, append(found.beside, together...))
	if err != nil {
		return nil, err
	}
	prepared.Document = map[string]any{
		"policy":     found.policy,
		"statements": statements,
		"role_arn":   firstText(found.role, "Arn", "arn"),
		"providers":  providers,
		"partial":    values(partial),
		"size":       json.Number(fmt.Sprint(size(found.policy))),
	}
	return prepared, nil
}

// opened is a policy with the role around it and what stands beside the role.
type opened struct {
	policy  map[string]any
	pointer string
	role    map[string]any
	beside  []any
}

func open(doc *trustcheck.Document) (*opened, error) {
	if text, ok := doc.Value.(string); ok {
		found, err := policy(doc, "", text)
		return &opened{policy: found}, err
	}
	object, ok := doc.Value.(map[string]any)
	if !ok {
		return nil, platform.WrongShape(doc, "", "a trust policy or a role with one", doc.Value)
	}
	found := &opened{}
	for {
		found.beside = append(found.beside, besides(object)...)
		inner := enveloped(object)
		if len(inner) == 0 {
			break
		}
		if len(inner) > 1 {
			return nil, fmt.Errorf("%s:%d: %w, got %d", doc.File, doc.Line, platform.ErrSeveral, len(inner))
		}
		object = inner[0].object
		found.pointer += inner[0].at
	}
	member := policyMember(object)
	if _, bare := object["Statement"]; bare || member == "" {
		found.policy = object
		return found, nil
	}
	found.role = object
	found.pointer += "/" + member
	var err error
	found.policy, err = policy(doc, found.pointer, object[member])
	return found, err
}

// enveloped lists what may be the role inside of object, nothing where object is the role or
// the policy itself.
func enveloped(object map[string]any) []wrapped {
	if _, bare := object["Statement"]; bare || policyMember(object) != "" {
		return nil
	}
	return inside(object)
}

// policy reads a policy that is an object, or a text: JSON, or JSON once percent-encoded, as
// IAM's API hands it out. A policy that is not known offline is an empty one.
func policy(doc *trustcheck.Document, pointer string, value any) (map[string]any, error) {
	if _, hidden := doc.Unknown[pointer]; hidden && value == nil {
		return map[string]any{}, nil
	}
	if text, ok := value.(string); ok {
		inner, err := readPolicy(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", doc.File, doc.LineOf(pointer), platform.Place(pointer), err)
		}
		value = inner
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, platform.WrongShape(doc, pointer, "a trust policy", value)
	}
	return object, nil
}

func readPolicy(text string) (any, error) {
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "%") {
		decoded, err := url.PathUnescape(trimmed)
		if err != nil {
			return nil, fmt.Errorf("want a JSON text or a percent-encoded one: %w", err)
		}
		text = decoded
	}
	inner, err := trustcheck.ReadDocument("", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("want a JSON text or a percent-encoded one: %w", err)
	}
	return inner.Value, nil
}

// statements lists the statements with their places; what is wrong with them is for the
// rules to say.
func statements(doc *trustcheck.Document, found *opened) ([]any, error) {
	list := []any{}
	switch value := found.policy["Statement"].(type) {
	case nil:
		if hidden(doc, found.pointer) {
			// A statement nobody can read: it may admit and it may refuse.
			list = append(list, map[string]any{"place": "Statement", "pointer": "/Statement", "value": nil})
		}
		return list, nil
	case []any:
		for i, statement := range value {
			list = append(list, map[string]any{
				"place":   fmt.Sprintf("Statement[%d]", i),
				"pointer": fmt.Sprintf("/Statement/%d", i),
				"value":   statement,
			})
		}
		return list, nil
	case map[string]any:
		return append(list, map[string]any{"place": "Statement", "pointer": "/Statement", "value": value}), nil
	default:
		return nil, platform.WrongShape(doc, found.pointer+"/Statement", "a statement or a list of them", value)
	}
}

// partialARN finds, in the reason why a principal is not known, a provider's ARN of which
// only the partition and the account are not.
var partialARN = regexp.MustCompile(`^"(arn:[^"]*:oidc-provider/[^"$]+)"`)

// fillProviders puts the ARN of a provider into the policy where all but its account is
// known, as it is when role and provider come from one template: the two are in one account
// anyway. It returns these ARNs by their pointer in the document.
func (o *opened) fillProviders(doc *trustcheck.Document) map[string]string {
	partial := map[string]string{}
	for at, why := range doc.Unknown {
		inside, ok := strings.CutPrefix(at, o.pointer+"/")
		arn := partialARN.FindStringSubmatch(why)
		if !ok || arn == nil || !strings.Contains(inside, "/Principal/Federated") {
			continue
		}
		if filled, ok := with(o.policy, strings.Split(inside, "/"), arn[1]).(map[string]any); ok {
			o.policy = filled
			partial[at] = arn[1]
		}
	}
	return partial
}

// with returns value with the member at steps replaced; what lies on the way is copied. A
// place that does not exist leaves value as it is.
func with(value any, steps []string, member any) any {
	if len(steps) == 0 {
		return member
	}
	switch value := value.(type) {
	case map[string]any:
		if _, ok := value[steps[0]]; ok {
			copied := maps.Clone(value)
			copied[steps[0]] = with(value[steps[0]], steps[1:], member)
			return copied
		}
	case []any:
		if i, err := strconv.Atoi(steps[0]); err == nil && i >= 0 && i < len(value) {
			copied := slices.Clone(value)
			copied[i] = with(value[i], steps[1:], member)
			return copied
		}
	}
	return value
}

func values(partial map[string]string) []any {
	list := []any{}
	for _, at := range slices.Sorted(maps.Keys(partial)) {
		list = append(list, partial[at])
	}
	return list
}

// hidden says whether the policy's statements are not known offline.
func hidden(doc *trustcheck.Document, pointer string) bool {
	for at := range doc.Unknown {
		if at == pointer || at == pointer+"/Statement" || strings.HasPrefix(pointer, at+"/") {
			return true
		}
	}
	return false
}

// besides are the provider resources that stand next to a role.
func besides(object map[string]any) []any {
	var list []any
	for _, name := range []string{"provider", "providers", "OpenIDConnectProvider", "OpenIDConnectProviders"} {
		switch value := object[name].(type) {
		case []any:
			list = append(list, value...)
		case map[string]any:
			list = append(list, value)
		}
	}
	return list
}

// providers reads the client ids of each provider by its host and path.
func providers(doc *trustcheck.Document, beside []any) ([]any, error) {
	list := []any{}
	for _, value := range beside {
		host, clients, ok := ReadProvider(value)
		if !ok {
			return nil, fmt.Errorf("%s:%d: provider: want an object with Url and ClientIDList", doc.File, doc.Line)
		}
		list = append(list, map[string]any{"host": host, "client_ids": clients})
	}
	return list, nil
}

// ReadProvider reads an OIDC provider resource as IAM, CloudFormation, the CDK, Terraform and
// Pulumi spell it. host is the issuer without its scheme; clients are the audiences (texts).
func ReadProvider(value any) (host string, clients []any, ok bool) {
	object, _ := value.(map[string]any)
	address := firstText(object, "Url", "url", "URL")
	for _, name := range []string{"ClientIDList", "ClientIdList", "client_id_list", "clientIdLists"} {
		if list, isList := object[name].([]any); isList {
			return strings.TrimPrefix(address, "https://"), list, address != ""
		}
	}
	return "", nil, false
}

// unknown names the parts of the policy that are not known offline, with the reason, but for
// those that partial fills.
func unknown(doc *trustcheck.Document, pointer string, partial map[string]string) []string {
	var all []string
	for _, at := range slices.Sorted(maps.Keys(doc.Unknown)) {
		if _, filled := partial[at]; filled {
			continue
		}
		if at == pointer || strings.HasPrefix(at, pointer+"/") || strings.HasPrefix(pointer, at+"/") {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s: %s", doc.Address, platform.Place(at), doc.Unknown[at])))
		}
	}
	return all
}

// size counts a policy's characters without white space, as IAM does for its limit.
func size(policy map[string]any) int {
	text, err := json.Marshal(policy)
	if err != nil {
		return 0
	}
	count := 0
	for _, r := range string(text) {
		if !unicode.IsSpace(r) {
			count++
		}
	}
	return count
}

func firstText(object map[string]any, names ...string) string {
	for _, name := range names {
		if text, ok := object[name].(string); ok && text != "" {
			return text
		}
	}
	return ""
}
