package trustcheck.platform.vault

# METADATA
# description: |
#   What differs between versions. `input.context.version` is Vault's version; without one
#   it is the newest. `input.context.flavor` is vault or openbao. The versions at which the
#   plugin's behaviour reached Vault are read off Vault's go.mod, November 2026.
# related_resources:
#   - https://github.com/hashicorp/vault-plugin-auth-jwt/blob/main/CHANGELOG.md
#   - https://github.com/openbao/openbao/pull/263
default _flavor := "vault"

_flavor := input.context.flavor

default _version := [99, 0, 0]

_version := array.slice(array.concat(numbers, [0, 0, 0]), 0, 3) if {
	_flavor == "vault"
	numbers := [to_number(number) | some number in regex.find_n("[0-9]+", input.context.version, 3)]
	count(numbers) > 0
}

# A text aud without bound audiences: refused since 1.17, and in three older patch releases;
# before that only a list was.
default _unbound_audience := "list"

_unbound_audience := "openbao" if _flavor == "openbao"

_unbound_audience := "any" if {
	_flavor == "vault"
	_text_audience_counts(_version)
}

_text_audience_counts(version) if version >= [1, 17, 0]

_text_audience_counts([1, 16, patch]) if patch in [3, 4, 5]

_text_audience_counts([1, 15, patch]) if patch in [9, 10, 11]

_text_audience_counts([1, 14, 13])

# Numbers can be bound since plugin 0.19; before, any number refused.
default _numbers_bindable := false

_numbers_bindable if _version >= [1, 16, 0]

# user_claim as a JSON pointer since plugin 0.13.
default _user_pointer := false

_user_pointer if {
	_version >= [1, 11, 0]
	_role.user_claim_json_pointer
}

# Key sets in pairs since 1.16 (never in OpenBao); they are told apart by kid since plugin
# 0.26.2, 0.25.1, 0.24.2 and 0.23.3, which reached the patch releases of May 2026.
default _pairs_need_kid := false

_pairs_need_kid if {
	_flavor == "vault"
	_version >= [2, 0, 0]
}
