package trustcheck.platform.aws

# METADATA
# description: |
#   The conditions only STS and IAM can test. Total: everything not listed is failed.
# scope: document
default test(_, _) := "failed"

# --- STS's own checks: 1.2 ---

test("issuer", condition) := "satisfied" if {
	startswith(input.claims.iss, "https://")
	_expected(condition)
}

# Google writes its issuer with and without the scheme; what STS makes of the latter is not
# documented.
test("issuer", _) := "unknown" if {
	input.claims.iss == "accounts.google.com"
	_host == "accounts.google.com"
}

test("algorithm", condition) := "satisfied" if input.context.alg in condition.wanted

test("algorithm", _) := "satisfied" if not "alg" in object.keys(input.context)

# All checks on the claims at once, as nearly every token passes them; where it does not, its
# parts say which.
test("token", condition) := "satisfied" if {
	_ordinary_token
} else := "failed" if {
	some part in condition.parts
	_check(part.check, part) == "failed"
} else := "unknown" if {
	some part in condition.parts
	_check(part.check, part) == "unknown"
} else := "satisfied"

test("check", part) := _check(part.check, part)

_ordinary_token if {
	_integer(input.claims.iat)
	_integer(input.claims.exp)
	input.claims.exp > input.now
	input.claims.iat <= input.now
	begins := object.get(input.claims, "nbf", input.claims.iat)
	_integer(begins)
	begins <= input.now
	is_string(input.claims.aud)
	input.claims.aud != ""
	is_string(input.claims.sub)
	count(input.claims.sub) <= 255
	not _tags_unreadable
	not _carries_tags
	_source_identity == []
}

default _check(_, _) := "failed"

_check("integer", condition) := "satisfied" if _integer(input.claims[condition.key])

_check("integer_or_absent", condition) := "satisfied" if _integer(input.claims[condition.key])

_check("integer_or_absent", condition) := "satisfied" if not _claimed(condition.key)

_check("not_expired", condition) := "satisfied" if {
	is_number(input.claims[condition.key])
	input.claims[condition.key] > input.now
}

_check("not_future", condition) := "satisfied" if not _claimed(condition.key)

_check("not_future", condition) := "satisfied" if {
	is_number(input.claims[condition.key])
	input.claims[condition.key] <= input.now
}

_check("not_future", condition) := "unknown" if {
	is_number(input.claims[condition.key])
	input.claims[condition.key] > input.now
}

_check("subject_length", condition) := _subject_length(input.claims[condition.key]) if _claimed(condition.key)

_check("subject_length", condition) := "satisfied" if not _claimed(condition.key)

_check("audience_present", _) := "satisfied" if {
	is_string(input.claims.aud)
	input.claims.aud != ""
}

_check("audience_present", _) := "satisfied" if {
	_texts(input.claims.aud)
	count(input.claims.aud) > 0
}

_check("tags", _) := "unknown" if {
	_tags_unreadable
	not _tags_refused
}

_check("tags", _) := "satisfied" if {
	not _tags_unreadable
	not _tags_refused
}

_check("source_identity", _) := "satisfied" if _source_identity == []

_check("source_identity", _) := "satisfied" if regex.match(`\A[\w+=,.@-]{2,64}\z`, _texts_of(_source_identity))

test("client_ids", condition) := _audience_among(_claim_state(_every_provider.aud), _client_ids_of(condition))

test("roles_claim", condition) := _listed_or_silent[_roles_claim(condition)]

_listed_or_silent := {"absent": "satisfied", "satisfied": "satisfied", "failed": "failed", "unknown": "unknown"}

test("no_tags", _) := "unknown" if _tags_unreadable

test("has_tags", _) := "unknown" if _tags_unreadable

test("no_tags", _) := "satisfied" if {
	not _tags_unreadable
	not _carries_tags
}

test("has_tags", _) := "satisfied" if {
	not _tags_unreadable
	_carries_tags
}

test("no_source_identity", _) := "satisfied" if _source_identity == []

test("has_source_identity", _) := "satisfied" if _source_identity != []

# The provider's host and path: what follows oidc-provider/, or a built-in name.
default _host := ""

_host := _host_of(input.context.provider_arn) if _provider_given

_host := trim_prefix(input.claims.iss, "https://") if {
	not _provider_given
	is_string(input.claims.iss)
}

_provider_given if is_string(input.context.provider_arn)

_expected(condition) if not condition.wanted

_expected(condition) if condition.wanted == input.claims.iss

_integer(number) if {
	is_number(number)
	regex.match(`\A-?[0-9]{1,18}\z`, json.marshal(number))
}

_subject_length(subject) := "satisfied" if {
	is_string(subject)
	count(subject) <= 255
} else := "unknown"

_texts_of(list) := list[0] if is_string(list[0])

# --- check 9: azp stands for aud where the token has it ---

_audience_among(state, _) := "failed" if state.is == "absent"

_audience_among(state, []) := "satisfied" if state.is == "present"

_audience_among(state, []) := "unknown" if state.is == "unknown"

_audience_among(state, [ids]) := "satisfied" if {
	state.is == "present"
	state.values[0] in ids
} else := "unknown" if {
	state.is == "unknown"
	_perhaps_among(ids)
} else := "failed" if {
	state.is != "absent"
}

# Several audiences: whichever counts, it can only be one of the provider's ids if any is.
_perhaps_among(ids) if {
	not _claimed("azp")
	some audience in _listed(input.claims.aud)
	audience in ids
}

_perhaps_among(_) if _claimed("azp")

# The client ids in a list, empty where nobody gave them.
_client_ids_of(condition) := [condition.clients["*"]] if condition.clients["*"]

else := [ids | some ids in [condition.clients[_host]]]

# --- statements ---

test("principal", condition) := "satisfied" if {
	count(_candidates(condition)) == 1
	_named_principal(condition)
}

test("principal", condition) := "unknown" if {
	count(_candidates(condition)) > 1
	_named_principal(condition)
}

test("principal", condition) := "unknown" if {
	condition.everyone
	not _named_principal(condition)
}

_named_principal(condition) if {
	some arn in _candidates(condition)
	arn in condition.values
}

# An ARN whose account the template leaves open: the provider is in the role's account.
_named_principal(condition) if {
	some arn in _candidates(condition)
	some partial in condition.partial
	_host_of(partial) == _host_of(arn)
}

# METADATA
# description: |
#   The providers that the token may come from: the one of the context, or those of the
#   document whose host and path the token's issuer names, in the role's account where that
#   is known.
# scope: document
_candidates(_) := {input.context.provider_arn} if _provider_given

_candidates(condition) := {arn |
	some arn in condition.among
	concat("", ["https://", _host_of(arn)]) == input.claims.iss
	_may_be_provider(_role_arn(condition), arn)
} if {
	not _provider_given
}

test("controls", condition) := "satisfied" if _host != condition.provider

test("controls", condition) := "unknown" if {
	_host == condition.provider
	condition.elsewhere
}

test("key", condition) := "satisfied" if {
	_plainly_matches(condition)
} else := _outcome(condition, _state(condition.on))

# What nearly every condition of a role that admits comes to: one claim of the provider, a
# text, and nothing in its place.
_plainly_matches(condition) if {
	condition.since <= input.now
	condition.on.provider == _host
	not input.context.keys
	not input.claims.azp
	found := input.claims[condition.key]
	is_string(found)
	not _counts_open(condition, found)
	_matches(condition.how, condition, found)
}
