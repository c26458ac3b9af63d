package gcp

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// providerKind tells a provider by what its carrier calls it: gcloud and REST, Terraform,
// Config Connector, Pulumi.
func providerKind(kind string) bool {
	switch kind {
	case "gcp.provider", "google_iam_workload_identity_pool_provider", "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider":
		return true
	}
	return strings.HasPrefix(kind, "iam.cnrm.cloud.google.com/") && strings.HasSuffix(kind, "/IAMWorkloadIdentityPoolProvider")
}

// provider is a workload identity pool provider.
type provider struct {
	at
	id, pool string
	// project is the project's number; empty where it is not known: a project's id names
	// no principal. pooled then names the pool's resource, where there is one beside.
	project  string
	pooled   string
	state    at
	disabled at
	poolGone []any // why the pool admits nobody
	// other is the kind of a provider that is not OIDC, such as "aws".
	other     string
	issuer    at
	audiences at
	mappings  []at // by key, in order
	keys      []string
	condition at
	// hidden names what is not known offline: "audiences", "mapping".
	hidden []any
}

// pool is a workload identity pool's own resource.
type pool struct {
	project, id string
	gone        []any
}

// A resource name: projects/NUMBER/locations/global/workloadIdentityPools/POOL[/providers/ID].
var resourceName = regexp.MustCompile(`\A(?:https:)?(?://iam\.googleapis\.com/)?projects/([^/]+)/locations/global/workloadIdentityPools/([^/]+)(?:/providers/([^/]+))?\z`)

var digits = regexp.MustCompile(`\A[0-9]+\z`)

func (r *reading) provider(one at) error {
	object, ok := one.value.(map[string]any)
	if !ok {
		return r.wrong(one, "a workload identity pool provider")
	}
	p := &provider{at: one}
	whole := one
	if spec, ok := object["spec"].(map[string]any); ok {
		p.fromConfigConnector(object, spec)
		one, object = one.member("spec", spec), spec
	}
	p.identify(object)
	field := func(names ...string) at {
		for _, name := range names {
			found := one.member(name, object[name])
			if object[name] != nil || r.hidden(found) {
				r.use(found)
				return found
			}
		}
		return at{pointer: one.pointer, place: one.place, elsewhere: one.elsewhere}
	}
	p.disabled, p.condition = field("disabled"), field("attributeCondition", "attribute_condition")
	if object["state"] != nil {
		p.state = field("state")
	}
	for _, other := range []string{"aws", "saml", "x509"} {
		if len(listed(object[other])) > 0 {
			p.other = other
		}
	}
	if err := r.oidc(p, field("oidc")); err != nil {
		return err
	}
	if err := r.mapping(p, field("attributeMapping", "attribute_mapping")); err != nil {
		return err
	}
	p.at = whole
	r.providers = append(r.providers, p)
	return r.textOrNothing(p.condition)
}

func (r *reading) use(one at) {
	if !one.elsewhere {
		r.used = append(r.used, one.pointer)
	}
}

// identify finds pool, provider and project's number in the resource name or, as Terraform
// and Pulumi have them, in members of their own.
func (p *provider) identify(object map[string]any) {
	name, _ := object["name"].(string)
	if parts := resourceName.FindStringSubmatch(name); parts != nil {
		p.project, p.pool, p.id = parts[1], parts[2], parts[3]
	}
	for member, into := range map[string]*string{
		"project": &p.project, "workload_identity_pool_id": &p.pool, "workloadIdentityPoolId": &p.pool,
		"workload_identity_pool_provider_id": &p.id, "workloadIdentityPoolProviderId": &p.id,
	} {
		if text, ok := object[member].(string); ok && *into == "" {
			*into = text
		}
	}
	if strings.HasPrefix(p.project, unnumbered) {
		p.pooled = p.project
	}
	if !digits.MatchString(p.project) {
		p.project = ""
	}
}

func (p *provider) fromConfigConnector(resource, spec map[string]any) {
	metadata, _ := resource["metadata"].(map[string]any)
	p.id, _ = metadata["name"].(string)
	if id, ok := spec["resourceID"].(string); ok {
		p.id = id
	}
	reference, _ := spec["workloadIdentityPoolRef"].(map[string]any)
	external, _ := reference["external"].(string)
	if parts := resourceName.FindStringSubmatch(external); parts != nil {
		p.project, p.pool = parts[1], parts[2]
		return
	}
	p.pool, _ = reference["name"].(string)
}

func (r *reading) oidc(p *provider, oidc at) error {
	if block, ok := oidc.value.([]any); ok && len(block) > 0 {
		oidc = oidc.item(0, block[0])
	}
	object, _ := oidc.value.(map[string]any)
	if object == nil && oidc.value != nil {
		return r.wrong(oidc, "an object")
	}
	for _, name := range []string{"issuerUri", "issuer_uri"} {
		if object[name] != nil {
			p.issuer = oidc.member(name, object[name])
		}
	}
	for _, name := range []string{"allowedAudiences", "allowed_audiences"} {
		if object[name] != nil {
			p.audiences = oidc.member(name, object[name])
		}
	}
	if p.issuer.place == "" {
		p.issuer = oidc.member("issuerUri", nil)
	}
	if p.audiences.place == "" {
		p.audiences = oidc.member("allowedAudiences", nil)
		if snake := oidc.member("allowed_audiences", nil); r.hidden(snake) {
			p.audiences = snake
		}
	}
	if r.hidden(p.audiences) {
		p.hidden = append(p.hidden, "audiences")
	}
	if list, ok := p.audiences.value.([]any); ok {
		for i, item := range list {
			one := p.audiences.item(i, item)
			if r.hidden(one) {
				p.hidden = append(p.hidden, "audiences")
			} else if _, ok := item.(string); !ok {
				return r.wrong(one, "a text")
			}
		}
	} else if p.audiences.value != nil {
		return r.wrong(p.audiences, "a list of texts")
	}
	return r.textOrNothing(p.issuer)
}

func (r *reading) mapping(p *provider, mapping at) error {
	if r.hidden(mapping) {
		p.hidden = append(p.hidden, "mapping")
	}
	object, ok := mapping.value.(map[string]any)
	if !ok && mapping.value != nil {
		return r.wrong(mapping, "an object of expressions")
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		one := mapping.member(key, object[key])
		if err := r.textOrNothing(one); err != nil {
			return err
		}
		p.keys, p.mappings = append(p.keys, key), append(p.mappings, one)
	}
	return nil
}

func (r *reading) textOrNothing(one at) error {
	if _, ok := one.value.(string); ok || one.value == nil {
		return nil
	}
	return r.wrong(one, "a text")
}

func (r *reading) pool(one at) error {
	object, ok := one.value.(map[string]any)
	if !ok {
		return r.wrong(one, "a workload identity pool")
	}
	var found pool
	name, _ := object["name"].(string)
	if parts := resourceName.FindStringSubmatch(name); parts != nil {
		found.project, found.id = parts[1], parts[2]
	}
	if id, ok := object["workload_identity_pool_id"].(string); ok {
		found.id = id
	}
	found.gone = gone("pool", object["state"], object["disabled"])
	r.pools = append(r.pools, found)
	return nil
}

// gone says why something admits nobody: Google refuses the exchange with invalid_target.
func gone(what string, state, disabled any) []any {
	list := []any{}
	if state == "DELETED" {
		list = append(list, "invalid_target: the "+what+" is deleted")
	}
	if disabled == true {
		list = append(list, "invalid_target: the "+what+" is disabled")
	}
	return list
}

// underPools takes over what is known of the provider's pool; a pool without a name is
// the pool of every provider beside it.
func (p *provider) underPools(pools []pool) {
	for _, known := range pools {
		if (known.id == "" || known.id == p.pool) && (!digits.MatchString(known.project) || p.project == "" || known.project == p.project) {
			p.poolGone = append(p.poolGone, known.gone...)
		}
	}
}

// described is the provider as the Rego reads it.
func (p *provider) described(t *translation) map[string]any {
	mappings := make([]any, len(p.mappings))
	for i := range p.mappings {
		mappings[i] = t.mappings[i].described()
	}
	described := map[string]any{
		"name": p.id, "pool": p.pool, "project": p.project, "pooled": p.pooled, "other": p.other,
		"gone":      append(append([]any{}, p.poolGone...), gone("provider", p.state.value, p.disabled.value)...),
		"issuer":    value(p.issuer),
		"audiences": value(p.audiences),
		"mappings":  mappings,
		"hidden":    append([]any{}, p.hidden...),
		"mapped":    t.path("mapped"),
	}
	own := map[string]any{}
	p.at.shown(own)
	described["shown"] = own
	if t.condition != nil {
		described["condition"] = t.condition.described()
	}
	return described
}

// value is a member's value with its place.
func value(one at) map[string]any {
	described := map[string]any{"value": one.value}
	one.shown(described)
	return described
}
