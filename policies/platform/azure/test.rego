package trustcheck.platform.azure

import data.trustcheck.match

# METADATA
# description: |
#   The conditions only Entra can test: the audience in either form, and the times. Total:
#   everything not listed is failed.
# scope: document
default test(_, _) := "failed"

test("algorithm", condition) := "satisfied" if {
	object.get(object.get(input, "context", {}), "alg", condition.wanted) == condition.wanted
}

# A list of one works, Kubernetes writes such. Of several nothing is documented.
test("audience", condition) := "satisfied" if {
	input.claims.aud in condition.values
} else := "satisfied" if {
	is_array(input.claims.aud)
	count(input.claims.aud) == 1
	input.claims.aud[0] in condition.values
} else := "unknown" if {
	is_array(input.claims.aud)
	some audience in input.claims.aud
	audience in condition.values
}

# What leeway Entra gives is not documented; its libraries give five minutes.
_leeway := 300

test("expiry", _) := "satisfied" if {
	is_number(input.claims.exp)
	input.now < input.claims.exp + _leeway
}

test("not_before", _) := "satisfied" if object.get(input.claims, "nbf", null) == null

test("not_before", _) := "satisfied" if {
	is_number(input.claims.nbf)
	input.claims.nbf <= input.now + _leeway
}

test("so_far", condition) := _worst({_leaf(one.test, one) | some one in condition.of})

_leaf("unknown", _) := "unknown"

_leaf(kind, condition) := _word(count([1 | match.holds(condition.reads, kind, condition)])) if kind in {"in", "pattern"}

_word(0) := "failed"

_word(1) := "satisfied"

_worst(results) := "failed" if {
	"failed" in results
} else := "unknown" if {
	"unknown" in results
} else := "satisfied"

# METADATA
# description: |
#   What a reason says beyond its condition. What differs only by case or by a slash at the
#   end has its own words: these are the two most frequent mistakes. And what was assumed.
# scope: document
tells(condition) := object.union_n([
	{"got": got | got := input.claims[condition.key]},
	{"message": message | some message in _near(condition)},
	_assumed(condition.name, condition),
])

default _near(_) := []

_near(condition) := [concat("", ["AADSTS7002138: ", condition.claim, " differs from the credential's only by case"])] if {
	_differs(condition)
	lower(input.claims[condition.key]) == lower(condition.wanted)
} else := [concat("", [split(condition.message, ":")[0], ": ", condition.claim, " differs from the credential's only by a slash at the end"])] if {
	_differs(condition)
	trim_suffix(input.claims[condition.key], "/") == trim_suffix(condition.wanted, "/")
}

_differs(condition) if {
	condition.name == "exactly"
	is_string(input.claims[condition.key])
	is_string(condition.wanted)
	input.claims[condition.key] != condition.wanted
}

default _assumed(_, _) := {}

_assumed("matches", condition) := {"assumption": "a * of claimsMatchingExpression matches nothing as well: it is not documented"} if {
	text := input.claims[condition.key]
	is_string(text)
	regex.match(condition.pattern, text)
	not _filled(condition.filled, text)
}

_filled(pattern_, text) if regex.match(pattern_, text)

_assumed("expiry", _) := {"assumption": "Entra takes a token up to five minutes after its end: its leeway is not documented"} if {
	is_number(input.claims.exp)
	input.claims.exp <= input.now
	input.now < input.claims.exp + _leeway
}

_assumed("not_before", _) := {"assumption": "Entra takes a token up to five minutes before its beginning: its leeway is not documented"} if {
	is_number(input.claims.nbf)
	input.claims.nbf > input.now
	input.claims.nbf <= input.now + _leeway
}
