package trustcheck.platform.gcp

import data.trustcheck.match

# METADATA
# description: |
#   The conditions only Google Cloud can test: its token checks, and the values of a
#   provider's expressions. Total: everything not listed is failed.
# scope: document
default test(_, _) := "failed"

test("accepted", condition) := _worst({_leaf(one) | some one in condition.of})

test(name, condition) := _single(name, condition) if name != "accepted"

_leaf(condition) := {"always": "satisfied", "never": "failed", "unknown": "unknown"}[condition.test]

_leaf(condition) := _single(condition.name, condition) if condition.test == "platform"

_leaf(condition) := _word(count([1 | match.holds("claim", condition.test, condition)])) if condition.test in {"in", "pattern"}

_word(0) := "failed"

_word(1) := "satisfied"

_worst(results) := "failed" if {
	"failed" in results
} else := "unknown" if {
	"unknown" in results
} else := "satisfied"

default _single(_, _) := "failed"

_context := object.get(input, "context", {})

_single("algorithm", condition) := "satisfied" if object.get(_context, "alg", "RS256") in condition.wanted

_single("key_id", _) := "satisfied" if not object.get(_context, ["header", "kid"], "") in ["", null]

_single("key_id", _) := "satisfied" if not "header" in object.keys(_context)

_single("issuer", condition) := "satisfied" if {
	input.claims.iss in condition.values
} else := "unknown" if {
	input.claims.iss in condition.unsure
}

_single("audience", condition) := "satisfied" if {
	some audience in _audience_list
	audience in condition.values
} else := "unknown" if {
	some audience in _audience_list
	some pattern in condition.unsure
	regex.match(pattern, audience)
}

_audience_list := [input.claims.aud] if is_string(input.claims.aud)

_audience_list := [audience | some audience in input.claims.aud; is_string(audience)] if is_array(input.claims.aud)

# Measured: 60 seconds in the future pass and 119 do not; 59 after the end pass and 61 do not.
_single("issued_at", _) := "satisfied" if {
	is_number(input.claims.iat)
	input.claims.iat <= input.now + 60
}

_single("expiry", _) := "satisfied" if {
	is_number(input.claims.exp)
	input.now <= input.claims.exp + 60
}

# What a mapped claim that is missing does to the exchange is not documented, unless it is
# the subject's. `failed_mapping` says what was found: "refuse" or "skip".
_single("mapping", condition) := "unknown" if {
	_doubtful(condition)
} else := "satisfied" if {
	_fits(condition.mapped, _value(condition.path))
} else := "satisfied" if {
	condition.failing == "skip"
	_may_fail(condition)
} else := "unknown" if {
	condition.failing != "refuse"
	_may_fail(condition)
}

_may_fail(condition) if {
	condition.mapped != "google.subject"
	_defined(condition.path) == 0
}

_fits("google.subject", value) if {
	is_string(value)
	value != ""
	_bytes(value) <= 127
}

_fits("google.groups", value) if {
	is_array(value)
	every group in value {
		is_string(group)
	}
}

_fits(key, value) if {
	startswith(key, "attribute.")
	is_string(value)
}

# Whether names count towards the 8 KB is not documented.
_single("mapped_size", condition) := "satisfied" if {
	_values_size(condition) + _names_size(condition) <= 8192
} else := "unknown" if {
	_values_size(condition) <= 8192
}

_values_size(condition) := sum([_bytes(text) | some path in condition.paths_of; some text in _texts_of(_value(path))])

_names_size(condition) := sum([count(name) | some name in condition.names_of])

_texts_of(value) := [value] if is_string(value)

_texts_of(value) := [text | some text in value; is_string(text)] if is_array(value)

_single("condition", condition) := "unknown" if {
	_doubtful(condition)
} else := "satisfied" if {
	_value(condition.path) == true
}

_single("member", condition) := "unknown" if {
	_doubtful(condition)
} else := "satisfied" if {
	condition.what in {"subject", "attribute"}
	_value(condition.path) == condition.value
} else := "satisfied" if {
	condition.what == "group"
	is_array(_value(condition.path))
	condition.value in _value(condition.path)
} else := "unknown" if {
	# Whether members are percent-encoded is not documented.
	condition.decoded != condition.value
	_value(condition.path) == condition.decoded
} else := "unknown" if {
	condition.decoded != condition.value
	is_array(_value(condition.path))
	condition.decoded in _value(condition.path)
}

# --- expressions ---

# METADATA
# description: |
#   The value of a generated rule; undefined where CEL has an error. Whoever asks may have
#   evaluated the rules already, `input.generated` then holds what came out.
# scope: document
_value(path) := input.generated.value[path]

_value(path) := data.trustcheck.generated[path].value if not input.generated

_defined(path) := count([1 | type_name(_value(path))])

# A value that turns on what JSON does not tell, or on a number that engines may read
# differently, must not be used.
_doubtful(condition) if {
	some path in condition.doubts
	input.generated.undecided[path] == true
}

_doubtful(condition) if {
	not input.generated
	some path in condition.doubts
	count(data.trustcheck.generated[path].undecided) > 0
}

_doubtful(condition) if {
	some claim in input.inexact
	some name in condition.names
	name in [claim, "*"]
}

# The length of a text in UTF-8: three bytes for four characters, less the padding.
_bytes(text) := ((count(encoded) / 4) * 3) - (count(encoded) - count(trim_right(encoded, "="))) if {
	encoded := base64.encode(text)
}

# METADATA
# description: |
#   What a reason says beyond its condition: what is not known of Google where that decides,
#   and that a token which lives longer than its guide allows is accepted.
# scope: document
tells(condition) := object.union_n([
	{"got": got | got := input.claims[condition.key]},
	{"message": concat("", ["undecided: ", why]) | why := _open(condition)},
	_lifetime(condition.name),
])

_open(condition) := "it turns on what JSON does not tell, such as whether a number is an int or a double" if {
	_doubtful(condition)
} else := "whether a mapping that fails stops the exchange is not documented (failed_mapping in the context tells)" if {
	condition.name == "mapping"
	_may_fail(condition)
	condition.failing != "refuse"
} else := "whether a slash at the end of the token's iss is tolerated is not documented" if {
	condition.name == "issuer"
	input.claims.iss in condition.unsure
} else := "the provider's project number, part of its default audience, is not known" if {
	condition.name == "audience"
	condition.unsure != []
	_single("audience", condition) == "unknown"
} else := "whether Google decodes percent signs in a member is not documented" if {
	condition.name == "member"
	_single("member", condition) == "unknown"
}

default _lifetime(_) := {}

_lifetime("expiry") := {"assumption": "Google takes a token that lives longer than 24 hours: its documents contradict each other"} if {
	is_number(input.claims.exp)
	is_number(input.claims.iat)
	input.claims.exp - input.claims.iat > 86400
}
