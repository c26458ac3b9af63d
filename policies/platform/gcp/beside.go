package gcp

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck"
)

const kindPool = "google_iam_workload_identity_pool"

// beside gives a binding the providers of its pool that were read together with it, and both
// the pools. A provider of which something is not known offline is not given: the binding
// then stays undecided, as if no provider were there.
func beside(role *trustcheck.Document, all []*trustcheck.Document) map[string]any {
	r := &reading{doc: role}
	if r.document() != nil {
		return nil
	}
	var pools, providers []any
	for _, other := range all {
		if other.Kind == kindPool {
			pools = append(pools, other.Value)
		}
		if other == role || len(r.providers) > 0 || !isProvider(other) {
			continue
		}
		value, pool, known := standing(other, all)
		if !slices.ContainsFunc(r.bindings, func(b *binding) bool { return b.pool == "" || pool == "" || b.pool == pool }) {
			continue
		}
		if !known {
			return nil
		}
		providers = append(providers, value)
	}
	context := map[string]any{}
	if len(pools) > 0 {
		context["pools"] = pools
	}
	if len(providers) > 0 {
		context["providers"] = providers
	}
	return context
}

func isProvider(doc *trustcheck.Document) bool {
	object, ok := doc.Value.(map[string]any)
	return ok && (providerKind(doc.Kind) || looksLikeProvider(object))
}

// standing reads a provider for its neighbours: its value, its pool, and whether all of it that
// decides is known. The number of its project may stay open; then the pool's resource stands
// for it, which members of the same directory refer to.
func standing(doc *trustcheck.Document, all []*trustcheck.Document) (value any, pool string, known bool) {
	r := &reading{doc: doc}
	if r.document() != nil || len(r.providers) != 1 {
		return nil, "", false
	}
	p := r.providers[0]
	value, known = doc.Value, len(r.unknown()) == 0
	object := doc.Value.(map[string]any)
	if p.project == "" && doc.Kind == "google_iam_workload_identity_pool_provider" {
		if address := poolAddress(doc, p.pool, all); address != "" {
			object = maps.Clone(object)
			object["project"] = unnumbered + address
			delete(object, "name")
			value = object
		}
	}
	return value, p.pool, known
}

// poolAddress finds the one pool resource of the provider's directory and project that has
// this id.
func poolAddress(provider *trustcheck.Document, id string, all []*trustcheck.Document) string {
	var found []string
	project := provider.Value.(map[string]any)["project"]
	for _, other := range all {
		object, _ := other.Value.(map[string]any)
		if other.Kind == kindPool && object["workload_identity_pool_id"] == id && object["project"] == project &&
			filepath.Dir(other.File) == filepath.Dir(provider.File) {
			found = append(found, other.Address)
		}
	}
	if len(found) != 1 || strings.ContainsAny(found[0], "}/") {
		return ""
	}
	return found[0]
}
