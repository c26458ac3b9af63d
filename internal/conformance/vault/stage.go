package vault

import "strings"

// stages maps the beginning of the plugin's text to the name of the check, in
// the order of the checks where one text begins like another.
var stages = []struct{ text, stage string }{
	{"could not load configuration", "config"},
	{"missing role", "role"},
	{"role \"", "role"},
	{"role with oidc role_type is not allowed", "role"},
	// A bound address that was taken for a path of dots and is stored so that it
	// cannot be read again.
	{"Unable to convert ", "role"},
	{"missing token", "token"},
	{"permission denied", "address"},
	{"error configuring token validator: ", "config"},
	// The oracle always signs well: what fails here is a payload that Vault
	// cannot read, or a header for which it finds no key.
	{"error validating token: error verifying token signature: ", "signature"},
	{"error validating token: error parsing token: ", "signature"},
	{"error validating token: token missing kid header parameter", "signature"},
	{"error validating token: error searching for key set", "signature"},
	{"error validating token: no key set found", "signature"},
	{"error validating token: invalid algorithm (alg) header parameter: ", "algorithm"},
	{"error validating token: json: ", "claims"},
	{"error validating token: go-jose/go-jose/jwt: ", "claims"},
	{"error validating token: invalid issuer (iss) claim", "issuer"},
	{"error validating token: invalid subject (sub) claim", "subject"},
	{"error validating token: invalid audience (aud) claim", "audience"},
	{"error validating token: no issued at (iat)", "time"},
	{"error validating token: invalid not before (nbf) claim", "time"},
	{"error validating token: invalid expiration time (exp) claim", "time"},
	{"error validating token: invalid issued at (iat) claim", "time"},
	{"audience claim found in JWT but no audiences bound to the role", "audience"},
	{"error converting claim ", "mapping"},
	{"failed to fetch groups: ", "groups"},
	{"value ", "groups"},
	{"error validating claims: ", "bound_claims"},
	{panicked + "runtime error: comparing uncomparable type", "bound_claims"},
}

const panicked = "panic: "

// stageOf names the check that refuses with message, or "" for a text that the
// plugin is not known to give.
func stageOf(message string) string {
	for _, s := range stages {
		if strings.HasPrefix(message, s.text) {
			return s.stage
		}
	}
	switch {
	case strings.HasPrefix(message, `claim "`) && strings.HasSuffix(message, " not found in token"),
		strings.HasPrefix(message, `claim "`) && strings.HasSuffix(message, " could not be converted to string"):
		return "user_claim"
	case strings.HasPrefix(message, `"`) && strings.HasSuffix(message, " claim could not be converted to string list"):
		return "groups"
	}
	return ""
}
