package vault

import (
	"fmt"
	"slices"

	"github.com/hashicorp/vault/sdk/helper/policyutil"
	"github.com/hashicorp/vault/sdk/logical"
)

// coreVeto says why Vault's core refuses to make a token of what the plugin
// granted, or "". It is written after core's own code (v1.21.4,
// request_handling.go: handleLoginRequest, LoginCreateToken), not run: what it
// answers is documented, not observed.
func coreVeto(auth *logical.Auth) string {
	if auth.Alias.Name == "" {
		return "missing name in alias"
	}
	policies := policyutil.SanitizePolicies(slices.Clone(auth.Policies), !auth.NoDefaultPolicy)
	if slices.Contains(policies, "root") {
		return "auth methods cannot create root tokens"
	}
	for _, p := range policies {
		if p == "response-wrapping" || p == "control-group" {
			return fmt.Sprintf("cannot assign policy %q", p)
		}
	}
	return ""
}
