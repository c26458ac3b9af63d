package trustcheck.platform.vault

# METADATA
# description: |
#   Why Vault would refuse to store the role, in the order in which it looks; the first is
#   the one that it reports. Durations are seconds.
# related_resources:
#   - https://github.com/hashicorp/vault-plugin-auth-jwt/blob/v0.26.3/path_role.go
#   - https://github.com/hashicorp/vault/blob/sdk/v0.25.1/sdk/helper/tokenutil/tokenutil.go
role_errors := array.concat(
	[concat(": ", ["auth method configuration", _config_refusal[order]]) |
		some order in sort(object.keys(_config_refusal))
	],
	[_refusal[order] | not input.document.stored; some order in sort(object.keys(_refusal))],
)

# Why Vault would refuse the auth method's configuration: path_config.go pathConfigWrite. What
# it fetches to find out is not fetched here.
_config_refusal[0] := _config.unreadable

_config_refusal[1] := concat("", [
	"exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs' or 'oidc_discovery_url' ",
	"must be set",
]) if {
	count(_key_sources) > 1
}

_config_refusal[2] := "both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC" if {
	count([given | some given in [_config.oidc_client_id, _config.oidc_client_secret]; given != ""]) == 1
	not _redacted
}

_config_refusal[3] := "'oidc_discovery_url' must be set for OIDC" if {
	_config.oidc_client_id != ""
	_config.oidc_discovery_url == ""
}

_config_refusal[4] := "CA PEMs must be provided as part of the 'jwks_pairs' when using multiple JWKS URLs" if {
	_config.jwks_ca_pem != ""
	count(_config.jwks_pairs) > 0
}

_config_refusal[5] := "Bound issuer is not supported for use with 'jwks_pairs'" if {
	_config.bound_issuer != ""
	count(_config.jwks_pairs) > 0
}

_config_refusal[12] := _config.bad_pem

_config_refusal[6] := sprintf("invalid jwt_supported_algs: unsupported signing algorithm %q", [unsupported[0]]) if {
	unsupported := [algorithm | some algorithm in _config.jwt_supported_algs; not algorithm in _signing_algorithms]
	count(unsupported) > 0
}

_config_refusal[7] := sprintf("invalid response_types %v. 'code' and 'id_token' are allowed", [kinds]) if {
	kinds := _config.oidc_response_types
	some kind in kinds
	not kind in {"code", "id_token"}
}

_config_refusal[8] := "query response_mode may not be used with an id_token response_type" if {
	"id_token" in _config.oidc_response_types
	_config.oidc_response_mode in {"", "query"}
}

_config_refusal[9] := sprintf("invalid response_mode: %q", [_config.oidc_response_mode]) if {
	not _config.oidc_response_mode in {"", "query", "form_post"}
}

_config_refusal[10] := "invalid provider_config: 'provider' field not found in provider_config" if {
	count(_config.provider_config) > 0
	not is_string(_config.provider_config.provider)
}

_config_refusal[11] := sprintf("invalid provider_config: provider %q not found in custom providers", [provider]) if {
	provider := _config.provider_config.provider
	is_string(provider)
	not provider in {"azure", "gsuite", "ibmisam", "secureauth"}
}

_key_sources := {field |
	some field in ["oidc_discovery_url", "jwks_url", "jwks_pairs", "jwt_validation_pubkeys"]
	count(_config[field]) > 0
}

# `vault read` leaves the secret out.
_redacted if input.document.stored

# A field that cannot be read stops everything else.
_refusal[0] := input.document.unreadable

_refusal[1] := sprintf("invalid 'role_type': %s", [_role.role_type]) if {
	not _role.role_type in {"jwt", "oidc"}
}

_refusal[2] := input.document.cidr_errors.token_bound_cidrs

_refusal[3] := "'token_max_ttl' cannot be negative" if _role.token_max_ttl < 0

_refusal[4] := sprintf("invalid 'token_type' value %q", [_role.token_type]) if {
	not _role.token_type in {"", "default", "service", "batch"}
}

_refusal[5] := "'token_num_uses' cannot be negative" if _role.token_num_uses < 0

_refusal[6] := "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens" if {
	_role.token_type == "batch"
	_role.token_period != 0
}

_refusal[7] := concat("", [
	"'token_type' cannot be 'batch' or 'default_batch' ",
	"when set to generate tokens with limited use count",
]) if {
	_role.token_type == "batch"
	_role.token_num_uses != 0
}

_refusal[8] := "'token_ttl' cannot be greater than 'token_max_ttl'" if {
	_role.token_max_ttl > 0
	_role.token_ttl > _role.token_max_ttl
}

_refusal[9] := input.document.cidr_errors.bound_cidrs

_refusal[10] := concat("", [
	sprintf("'period' of '%ds' is greater than the backend's maximum lease TTL of '%ds'", [_period, _max_lease]),
]) if {
	_period > _max_lease
}

_refusal[11] := sprintf("invalid 'bound_claims_type': %s", [_role.bound_claims_type]) if {
	not _role.bound_claims_type in {"string", "glob"}
}

# Checked only where this write brings bound_claims.
_refusal[12] := sprintf("claim is not a string or list: %v", [value]) if {
	_role.bound_claims_type == "glob"
	values := [value | some value in _role.bound_claims; not _listable(value)]
	value := values[0]
}

_refusal[13] := sprintf("claim is not a string: %v", [value]) if {
	_role.bound_claims_type == "glob"
	values := [value |
		some wanted in _role.bound_claims
		_listable(wanted)
		some value in _values(wanted)
		not is_string(value)
	]
	value := values[0]
}

_refusal[14] := `metadata key "role" is reserved and may not be a mapping destination` if {
	some target in _role.claim_mappings
	target == "role"
}

_refusal[15] := sprintf("multiple keys are mapped to metadata key %q", [target]) if {
	targets := [target | some target in _role.claim_mappings]
	doubled := sort({target |
		some i, target in targets
		some j, other in targets
		i < j
		target == other
	})
	target := doubled[0]
}

_refusal[16] := "a user claim must be defined on the role" if _role.user_claim == ""

_refusal[17] := "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified." if {
	_role.role_type == "oidc"
	count(_role.allowed_redirect_uris) == 0
}

_refusal[18] := "must have at least one bound constraint when creating/updating a role" if {
	_role.role_type == "jwt"
	count(_role.bound_audiences) == 0
	count(_role.token_bound_cidrs) == 0
	_role.bound_subject == ""
	count(_role.bound_claims) == 0
}

_refusal[19] := "ttl should not be greater than max ttl" if {
	input.document.upgraded.max_ttl > 0
	input.document.upgraded.ttl > input.document.upgraded.max_ttl
}

_period := input.document.upgraded.period

# The mount's default maximum, 768 hours.
_max_lease := 2764800

# METADATA
# description: |
#   What Vault stores without complaint although no token can ever fit, or though it
#   binds less than it seems.
warnings := sort(_warning)

_warning contains sprintf("bound_claims.%s: an empty list is never matched", [claim]) if {
	some claim, wanted in _role.bound_claims
	wanted == []
}

_warning contains message if {
	some claim, wanted in _role.bound_claims
	not _listable(wanted)
	message := sprintf("bound_claims.%s: %s is never matched: bind a text, a boolean, a number or a list", [
		claim,
		type_name(wanted),
	])
}

_warning contains message if {
	some claim, wanted in _role.bound_claims
	some value in _values(wanted)
	is_number(value)
	regex.match(`[.eE]`, json.marshal(value))
	message := sprintf("bound_claims.%s: the number %s is never matched: Vault compares the integer part as text", [
		claim,
		json.marshal(value),
	])
}

_warning contains message if {
	_role.bound_claims_type == "string"
	some claim, wanted in _role.bound_claims
	some value in _values(wanted)
	is_string(value)
	contains(value, "*")
	message := sprintf("bound_claims.%s: %q is compared literally: bound_claims_type is not glob", [claim, value])
}

_warning contains message if {
	count(_role.bound_audiences) == 0
	message := "bound_audiences is empty: every token with an aud is refused"
}
