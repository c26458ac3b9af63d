package main

import (
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
)

// Of several pairs that cannot be told apart one is named, always the same.
func TestAmbiguousPairIsNamedByChance(t *testing.T) {
	var roles []placed
	for _, name := range []string{"d", "d", "b", "b", "c", "c", "a", "a"} {
		role := &bundles.Role{}
		role.Ref.Platform, role.Ref.Name = "vault", name
		roles = append(roles, placed{prepared: prepared{role: role, document: &trustcheck.Document{File: "roles.json", Line: 1}}, within: "roles.json"})
	}
	for range 20 {
		const wanted = "want roles that can be told apart by platform, name, file or address, got roles.json:1: a and roles.json:1: a"
		if _, err := pairUp(roles, roles[:1]); err == nil || err.Error() != wanted {
			t.Fatalf("want the error %q, got %v", wanted, err)
		}
	}
}
