# METADATA
# title: HashiCorp Vault, JWT auth method
# description: |
#   What a `role_type=jwt` role of Vault's JWT auth method asks of a token, in the
#   order in which the plugin asks it. `input.document.role` is the role as the
#   plugin decodes it, `input.document.config` the auth method's configuration;
#   document.go prepares both. Reproduces vault-plugin-auth-jwt v0.26.3 with
#   hashicorp/cap v0.13.0.
# related_resources:
#   - https://developer.hashicorp.com/vault/docs/auth/jwt
#   - https://github.com/hashicorp/vault-plugin-auth-jwt/blob/v0.26.3/path_login.go
# schemas:
#   - input.document.role: schema.platform.vault.schema
package trustcheck.platform.vault

import data.trustcheck.match

_role := input.document.role

_config := input.document.config

# METADATA
# description: |
#   The stages of a login. All conditions of a stage must be satisfied; a role has
#   no alternatives and no refusals.
stages := [{"name": name, "ways": [{"conditions": conditions}], "refusals": []} |
	some [name, conditions] in [
		["role", _role_type],
		["address", _address],
		["config", _usable_config],
		["signature", _signature],
		["algorithm", _algorithm],
		["claims", _registered_claims],
		["issuer", _issuer],
		["subject", _subject],
		["audience", _bound_audiences],
		["time", _times],
		["audience", _no_audience],
		["user_claim", _user_claim],
		["mapping", _claim_mappings],
		["groups", _groups_claim],
		["bound_claims", _bound_claims],
		["core", _core],
	]
	count(conditions) > 0
]

# METADATA
# description: |
#   One condition for several that nearly every token satisfies together, for the quick form.
quick := {
	"covers": ["algorithm", "numbers", "registered", "times"],
	"condition": {"platform": "vault", "name": "plain_token", "algorithms": _accepted_algorithms, "leeway": _leeway},
}

# path_login.go pathLogin: only roles of type jwt can log in with a token.
_role_type := array.concat(
	[{
		"test": "never",
		"operator": "readable",
		"source": "token_bound_cidrs",
		"message": why,
	} |
		why := input.document.unloadable
	],
	[{
		"test": "never",
		"operator": "equals",
		"wanted": "jwt",
		"source": "role_type",
		"message": "role with oidc role_type is not allowed",
	} |
		_role.role_type == "oidc"
	],
)

# token_bound_cidrs, before the token is even parsed. Entries that are taken for paths of
# sockets hold no address.
_address := [object.union(_address_test, {
	"operator": "in network",
	"wanted": _role.token_bound_cidrs,
	"source": "token_bound_cidrs",
	"message": "permission denied",
}) |
	count(_role.token_bound_cidrs) > 0
]

_address_test := {"test": "never"} if {
	count(input.document.networks) == 0
	count(input.document.host_names) == 0
}

else := {
	"test": "platform",
	"platform": "vault",
	"name": "address",
	"analysis": "free",
	"networks": input.document.networks,
	"assumes": ["remote_addr"],
	"assumption": "the caller's address lies inside token_bound_cidrs: remote_addr was not given",
	"host_names": input.document.host_names,
}

# backend.go jwtValidator: client id and secret make it an OIDC configuration.
_usable_config := [{
	"test": "never",
	"operator": "absent",
	"source": "config.oidc_client_secret",
	"message": "error configuring token validator: unsupported config type",
} |
	_flavor == "vault"
	_config.oidc_discovery_url != ""
	_config.oidc_client_id != ""
	_config.oidc_client_secret != ""
]

# What the signature check refuses whatever the signature: algorithms without a public key,
# payloads that Go does not read, and no key id where it tells several key sets apart.
_signature := array.concat(
	[
		{
			"test": "platform",
			"platform": "vault",
			"name": "algorithm",
			"analysis": "free",
			"operator": "one of",
			"wanted": _signing_algorithms,
			"assumes": ["alg"],
			"assumption": "the token's algorithm is one that the auth method supports: alg was not given",
			"message": _bad_signature,
		},
		{
			"test": "platform",
			"platform": "vault",
			"name": "numbers",
			"analysis": "free",
			"operator": "holds numbers within the range of float64",
			"message": _bad_signature,
		},
	],
	array.concat(
		[{
			"test": "platform",
			"platform": "vault",
			"name": "no_duplicates",
			"analysis": "free",
			"operator": "has no member twice",
			"source": "config.jwt_validation_pubkeys",
			"message": _bad_signature,
		} |
			count(_config.jwt_validation_pubkeys) > 0
		],
		[{
			"test": "platform",
			"platform": "vault",
			"name": "key_id",
			"analysis": "free",
			"operator": "has a kid",
			"assumes": ["header"],
			"assumption": "the token names its key: header was not given",
			"source": "config.jwks_pairs",
			"message": "error validating token: token missing kid header parameter",
		} |
			_pairs_need_kid
			count(_config.jwks_pairs) > 0
		],
	),
)

_bad_signature := "error validating token: error verifying token signature"

_signing_algorithms := ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"]

_algorithm := [{
	"test": "platform",
	"platform": "vault",
	"name": "algorithm",
	"analysis": "free",
	"operator": "one of",
	"wanted": _config.jwt_supported_algs,
	"source": "config.jwt_supported_algs",
	"message": "error validating token: invalid algorithm (alg) header parameter: token signed with unexpected algorithm",
} |
	count(_config.jwt_supported_algs) > 0
]

_accepted_algorithms := _config.jwt_supported_algs if count(_config.jwt_supported_algs) > 0

else := _signing_algorithms

# cap jwt.go validateAll reads the registered claims into a Go struct, whether or not the role
# binds them. Several bad types: aud, exp, nbf, iat are named before iss, sub, jti.
_registered_claims := [{
	"test": "platform",
	"platform": "vault",
	"name": "registered",
	"analysis": "free",
	"operator": "readable",
	"message": "error validating token: a registered claim has an unusable type",
	"parts": [{
		"name": name,
		"reads": "claim",
		"claim": claim,
		"key": claim,
		"operator": operator,
		"message": message,
	} |
		some [claim, name, operator, message] in [
			["aud", "audience_type", "is text or a list of texts", concat("", [
				"error validating token: go-jose/go-jose/jwt: ",
				"expected string or array value to unmarshal to Audience",
			])],
			["exp", "time_type", "is a number", _not_a_date],
			["nbf", "time_type", "is a number", _not_a_date],
			["iat", "time_type", "is a number", _not_a_date],
			["iss", "text_type", "is text", sprintf(_not_a_text, ["iss"])],
			["sub", "text_type", "is text", sprintf(_not_a_text, ["sub"])],
			["jti", "text_type", "is text", sprintf(_not_a_text, ["jti"])],
		]
	],
}]

_not_a_date := "error validating token: go-jose/go-jose/jwt: expected number value to unmarshal NumericDate"

_not_a_text := "error validating token: json: cannot unmarshal %s into Go struct field Claims of type string"

_issuer := [{
	"test": "in",
	"claim": "iss",
	"key": "iss",
	"reads": "folded",
	"operator": "equals",
	"wanted": _config.bound_issuer,
	"values": [_config.bound_issuer],
	"source": "config.bound_issuer",
	"message": "error validating token: invalid issuer (iss) claim",
} |
	_config.bound_issuer != ""
]

_subject := [{
	"test": "in",
	"claim": "sub",
	"key": "sub",
	"reads": "folded",
	"operator": "equals",
	"wanted": _role.bound_subject,
	"values": [_role.bound_subject],
	"source": "bound_subject",
	"message": "error validating token: invalid subject (sub) claim",
} |
	_role.bound_subject != ""
]

_bound_audiences := [{
	"test": "in_any",
	"claim": "aud",
	"key": "aud",
	"reads": "folded",
	"operator": "one of",
	"wanted": _role.bound_audiences,
	"values": _role.bound_audiences,
	"source": "bound_audiences",
	"message": "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience",
} |
	count(_role.bound_audiences) > 0
]

_times := [{
	"test": "platform",
	"platform": "vault",
	"name": "times",
	"analysis": "free",
	"operator": "valid now",
	"leeway": _leeway,
	"message": "error validating token: not valid at this time",
	"parts": [{
		"name": name,
		"reads": "claim",
		"claim": claim,
		"key": claim,
		"operator": operator,
		"leeway": _leeway,
		"source": source,
		"message": message,
	} |
		some [claim, name, operator, source, message] in [
			[
				"exp", "some_time", "exp, nbf or iat present", "",
				"error validating token: no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
			],
			[
				"nbf", "not_before", "not after now", "clock_skew_leeway",
				"error validating token: invalid not before (nbf) claim: token not yet valid",
			],
			[
				"exp", "expiry", "not before now", "clock_skew_leeway",
				"error validating token: invalid expiration time (exp) claim: token is expired",
			],
			[
				"iat", "issued_at", "not after now", "clock_skew_leeway",
				"error validating token: invalid issued at (iat) claim: token issued in the future",
			],
		]
	],
}]

# Unset or zero means the default, negative means none. Seconds.
_leeway := {
	"skew": _leeway_of(_role.clock_skew_leeway, 60),
	"expiration": _leeway_of(_role.expiration_leeway, 150),
	"not_before": _leeway_of(_role.not_before_leeway, 150),
}

_leeway_of(0, unset) := unset

_leeway_of(given, _) := given if given > 0

_leeway_of(given, _) := 0 if given < 0

# Asked only where it is known that no audience is bound.
_no_audience := [{
	"test": "platform",
	"platform": "vault",
	"name": concat("_", ["no_audience", _unbound_audience]),
	"analysis": "absent_or_empty",
	"reads": "claim",
	"claim": "aud",
	"key": "aud",
	"operator": "absent",
	"source": "bound_audiences",
	"message": "audience claim found in JWT but no audiences bound to the role",
} |
	count(_role.bound_audiences) == 0
	not "bound_audiences" in input.document.unknown
]

_user_claim := [object.union(_place(_user_selector), {
	"test": "text",
	"claim": _role.user_claim,
	"operator": "is text",
	"source": "user_claim",
	"message": sprintf("claim %q not found in token, or could not be converted to string", [_role.user_claim]),
}) |
	_role.user_claim != ""
]

_user_selector := {"pointer": _role.user_claim} if _user_pointer

else := {"literal": _role.user_claim}

_claim_mappings := [object.union(_place({"pointer": claim}), {
	"test": _mapping_test[_flavor == "openbao"][claim == "aud"],
	"claim": claim,
	"operator": "is text or absent",
	"source": sprintf("claim_mappings.%s", [claim]),
	"pointer": sprintf("/claim_mappings/%s", [_escaped(claim)]),
	"message": sprintf("error converting claim '%s' to string", [claim]),
}) |
	some claim in sort(object.keys(_role.claim_mappings))
]

# OpenBao turns a text aud into a list before it maps it.
_mapping_test := {false: {false: "text_or_absent", true: "text_or_absent"}, true: {false: "text_or_absent", true: "absent"}}

_groups_claim := [object.union(_place({"pointer": _role.groups_claim}), {
	"test": "texts",
	"claim": _role.groups_claim,
	"operator": "is text or a list of texts",
	"source": "groups_claim",
	"message": sprintf("failed to fetch groups: %q claim not found in token, or could not be converted to string list", [_role.groups_claim]),
}) |
	_role.groups_claim != ""
]

# Of values it is not known whether they are patterns, nothing is said but that.
_bound_claims := [] if "bound_claims_type" in input.document.unknown

else := [object.union_n([_place({"pointer": claim}), _bound_test(wanted, _spellings(claim)), {
	"claim": claim,
	"wanted": wanted,
	"source": sprintf("bound_claims.%s", [claim]),
	"pointer": sprintf("/bound_claims/%s", [_escaped(claim)]),
	"message": sprintf("error validating claims: claim %q does not match any associated bound claim values", [claim]),
}]) |
	some claim in sort(object.keys(_role.bound_claims))
	wanted := _role.bound_claims[claim]
]

# Core refuses an empty alias name and tokens with reserved policies; documented in
# https://developer.hashicorp.com/vault/docs/concepts/policies and vault/request_handling.go.
_core := array.concat(
	[object.union(_place(_user_selector), {
		"test": "filled",
		"claim": _role.user_claim,
		"operator": "not empty",
		"source": "user_claim",
		"message": "missing name in alias",
	}) |
		_role.user_claim != ""
	],
	[{
		"test": "never",
		"operator": "absent",
		"wanted": policy,
		"source": "token_policies",
		"message": message,
	} |
		some policy in _role.token_policies
		message := _reserved_policies[lower(trim_space(policy))]
	],
)

_reserved_policies := {
	"root": "auth methods cannot create root tokens",
	"response-wrapping": `cannot assign policy "response-wrapping"`,
	"control-group": `cannot assign policy "control-group"`,
}

# How a bound value is compared: claims.go matchFound. Only text matches a glob; the first
# bound value that is no text refuses, so those behind it are never asked.
_bound_test(wanted, _) := {
	"test": "never",
	"operator": "equals",
	"note": "bound claim is not a string, bool, int or list",
} if {
	not _listable(wanted)
}

_bound_test(wanted, _) := {"test": "in_any", "operator": "equals", "values": _values(wanted)} if {
	_listable(wanted)
	_role.bound_claims_type == "string"
	every value in _values(wanted) {
		type_name(value) in {"string", "boolean"}
	}
}

_bound_test(wanted, spellings) := {
	"test": "platform",
	"platform": "vault",
	"name": "bound_values",
	"operator": "equals",
	"values": _values(wanted),
	"spellings": spellings,
} if {
	_listable(wanted)
	_role.bound_claims_type == "string"
	some value in _values(wanted)
	not type_name(value) in {"string", "boolean"}
}

_bound_test(wanted, _) := {"test": "in_any", "operator": "matches", "values": _globs(wanted)} if {
	_listable(wanted)
	_role.bound_claims_type == "glob"
	every glob in _globs(wanted) {
		not contains(glob, "*")
	}
}

_bound_test(wanted, _) := {"test": "pattern_any", "operator": "matches", "pattern": match.anchored_any(_globs(wanted))} if {
	_listable(wanted)
	_role.bound_claims_type == "glob"
	some glob in _globs(wanted)
	contains(glob, "*")
}

# A bound number is compared by its spelling, where numbers can be bound at all.
_spellings(claim) := input.document.spellings[claim] if _numbers_bindable

_spellings(claim) := [null | some _ in input.document.spellings[claim]] if not _numbers_bindable

_listable(wanted) if type_name(wanted) in {"string", "boolean", "number", "array"}

_values(wanted) := wanted if is_array(wanted)

else := [wanted]

_globs(wanted) := array.slice(_values(wanted), 0, min(_not_text(wanted) | {count(_values(wanted))}))

_not_text(wanted) := {i | some i, value in _values(wanted); not is_string(value)}

# Where a claim stands: a name that does not begin with a slash is a top-level claim
# even if it holds dots; otherwise the pointer's readings, worked out by document.go.
_place({"literal": name}) := {"reads": "claim", "key": name}

_place({"pointer": name}) := {"reads": "claim", "key": name} if not startswith(name, "/")

_place({"pointer": name}) := {"reads": "pointer", "paths": input.document.selectors[name]} if startswith(name, "/")

_escaped(name) := replace(replace(name, "~", "~0"), "/", "~1")
