package trustcheck.platform.vault

import data.trustcheck.match

# METADATA
# description: |
#   The conditions only Vault can test: the registered claims as Go reads them, its time
#   rules and typed equality. Total: everything not listed is failed.
# scope: document
default test(_, _) := "failed"

test("address", condition) := "satisfied" if {
	some network in condition.networks
	net.cidr_contains(network, input.remote_address)
}

test("address", _) := "satisfied" if not "remote_addr" in object.keys(_context)

# Vault would look up the name.
test("address", condition) := "unknown" if {
	count(condition.host_names) > 0
	"remote_addr" in object.keys(_context)
	count([network | some network in condition.networks; net.cidr_contains(network, input.remote_address)]) == 0
}

# Duplicate members are known where the claims came as text.
test("no_duplicates", _) := "satisfied" if not input.duplicate_members

test("key_id", _) := "satisfied" if not object.get(_context, ["header", "kid"], "") in ["", null]

test("key_id", _) := "satisfied" if not "header" in object.keys(_context)

test("algorithm", condition) := "satisfied" if object.get(_context, "alg", condition.wanted[0]) in condition.wanted

# The algorithm, the registered claims and the times of a token as CI systems write them: all
# there, each of its plain type, whole seconds, nothing twice. What this does not admit is asked
# again, rule by rule.
test("plain_token", condition) := "satisfied" if {
	input.context.alg in condition.algorithms
	input.numbers == {}
	not input.folded
	is_string(input.claims.iss)
	is_string(input.claims.sub)
	is_string(input.claims.jti)
	is_string(input.claims.aud)
	is_number(input.claims.exp)
	is_number(input.claims.nbf)
	is_number(input.claims.iat)
	input.claims.nbf > 0
	now := floor(input.now)
	now - condition.leeway.skew < input.claims.exp
	now + condition.leeway.skew >= input.claims.nbf
	now + condition.leeway.skew >= input.claims.iat
}

# Where the caller says that it looked for other numbers and found none, every number is
# a plain integer of at most 15 digits.
_plain_claims if {
	input.numbers == {}
	not input.folded
	is_string(input.claims.iss)
	is_string(input.claims.sub)
	is_string(input.claims.jti)
	is_string(input.claims.aud)
	is_number(input.claims.exp)
	is_number(input.claims.nbf)
	is_number(input.claims.iat)
	input.claims.nbf > 0
}

# All registered claims at once; where this fails its parts say which.
test("registered", _) := "satisfied" if {
	_plain_claims
} else := "satisfied" if {
	_all_of("iss", {"string", "null"})
	_all_of("sub", {"string", "null"})
	_all_of("jti", {"string", "null"})
	_all_of("exp", {"number", "null"})
	_all_of("nbf", {"number", "null"})
	_all_of("iat", {"number", "null"})
	_all_audiences
}

# A number beyond float64 anywhere in the payload stops the decoding behind the signature check.
test("numbers", _) := "satisfied" if not null in _numbers

test("text_type", condition) := "satisfied" if _all_of(condition.key, {"string", "null"})

test("time_type", condition) := "satisfied" if _all_of(condition.key, {"number", "null"})

test("audience_type", _) := "satisfied" if _all_audiences

# All four time rules at once; where this fails its parts say which. Both ends are included.
# `now` has nanoseconds, the claims have none: the fraction of now counts only against an
# expiry.
test("times", condition) := "satisfied" if {
	_plain_claims
	_now - condition.leeway.skew < input.claims.exp
	_now + condition.leeway.skew >= input.claims.nbf
	_now + condition.leeway.skew >= input.claims.iat
} else := "satisfied" if {
	_some_time
	_now + condition.leeway.skew >= _wall(_not_before(condition.leeway))
	_unexpired(condition.leeway)
	_now + condition.leeway.skew >= _wall(_iat)
} else := "unknown" if {
	_unread_time
}

test("some_time", _) := "satisfied" if _some_time

test("some_time", _) := "unknown" if _unread_time

test("not_before", condition) := "satisfied" if {
	_now + condition.leeway.skew >= _wall(_not_before(condition.leeway))
}

test("not_before", _) := "unknown" if _unread_time

test("expiry", condition) := "satisfied" if _unexpired(condition.leeway)

test("expiry", _) := "unknown" if _unread_time

test("issued_at", condition) := "satisfied" if _now + condition.leeway.skew >= _wall(_iat)

test("issued_at", _) := "unknown" if _unread_time

# A text counts as an audience since plugin 0.16.1, a list always did.
test("no_audience_any", _) := "satisfied" if object.get(input.claims, "aud", null) in [null, "", []]

test("no_audience_any", _) := "satisfied" if type_name(input.claims.aud) in {"number", "boolean", "object"}

test("no_audience_list", _) := "satisfied" if not _filled_list(object.get(input.claims, "aud", null))

test("no_audience_openbao", _) := "satisfied" if {
	aud := object.get(input.claims, "aud", null)
	not is_string(aud)
	not _filled_list(aud)
}

test("bound_values", condition) := "satisfied" if {
	first := min(_matching(condition))
	every stop in _stopping(condition) {
		first < stop
	}
}

test("bound_values", condition) := "unknown" if {
	_unread(match.value(condition.reads, condition))
	count([spelling | some spelling in condition.spellings; spelling != null]) > 0
	count(_matching(condition)) == 0
}

_filled_list(value) if {
	is_array(value)
	count(value) > 0
}

_context := object.get(input, "context", {})

# --- typed equality: claims.go matchFound ---

# The places of the bound values that match. No value is converted, but a number found directly
# in the token is compared through its truncated integer text; inside a list it equals nothing.
_matching(condition) := {i |
	found := match.value(condition.reads, condition)
	some i, value in condition.values
	_equal(value, condition.spellings[i], found)
}

_equal(value, null, found) if {
	type_name(value) in {"string", "boolean"}
	value == found
}

_equal(value, null, found) if {
	type_name(value) in {"string", "boolean", "null"}
	is_array(found)
	value in found
}

_equal(_, spelling, found) if {
	is_number(found)
	spelling == _integer(found)
}

# Comparing two lists, or two objects, panics in Go: the login dies there, and only a
# bound value before that place can still match.
_stopping(condition) := {i |
	found := match.value(condition.reads, condition)
	is_array(found)
	some i, value in condition.values
	type_name(value) in {"array", "object"}
	some element in found
	type_name(element) == type_name(value)
}

# --- numbers: claims.go getClaim, through float64 and int ---

# The integer text of a number: itself where it is short and plain, otherwise what
# `input.numbers` says (see claims.go); undefined where that is needed and not given.
_integer(number) := json.marshal(number) if _plain(number)

else := _numbers[json.marshal(number)]

_plain(number) if regex.match(`\A(0|-?[1-9][0-9]{0,14})\z`, json.marshal(number))

_numbers := object.get(input, "numbers", {})

_unread(number) if {
	is_number(number)
	not _plain(number)
	not json.marshal(number) in object.keys(_numbers)
}

# --- registered claims: encoding/json into a struct ---

# All values that fold to this name, in the order in which the last wins: just the
# claim itself, unless `input.folded` lists twins such as `SUB`.
default _readings(_) := []

_readings(name) := _folded[name]

_readings(name) := [input.claims[name]] if not _folded[name]

_folded := object.get(input, "folded", {})

_all_of(name, types) if {
	every value in _readings(name) {
		type_name(value) in types
	}
}

_all_audiences if {
	every value in _readings("aud") {
		_audience(value)
	}
}

_audience(value) if is_string(value)

_audience(value) if {
	is_array(value)
	every element in value {
		is_string(element)
	}
}

# --- time: cap jwt.go validateAll ---

# Seconds since 1970, 0 where the claim is absent, null, no number or truncates to zero.
default _exp := 0

_exp := _second(object.get(input.claims, "exp", 0)) if not _folded.exp

_exp := _second(_last(_folded.exp)) if _folded.exp

default _nbf := 0

_nbf := _second(object.get(input.claims, "nbf", 0)) if not _folded.nbf

_nbf := _second(_last(_folded.nbf)) if _folded.nbf

default _iat := 0

_iat := _second(object.get(input.claims, "iat", 0)) if not _folded.iat

_iat := _second(_last(_folded.iat)) if _folded.iat

_last(values) := values[count(values) - 1]

_second(value) := value if {
	is_number(value)
	floor(value) == value
	abs(value) < 1000000000000000
} else := to_number(_integer(value)) if is_number(value)

_unread_time if _unread(input.claims.exp)

_unread_time if _unread(input.claims.nbf)

_unread_time if _unread(input.claims.iat)

_some_time if _exp != 0

_some_time if _nbf != 0

_some_time if _iat != 0

# The second that now lies in.
_now := floor(input.now)

_unexpired(leeway) if _now - leeway.skew < _wall(_expiry(leeway))

_unexpired(leeway) if {
	_now == input.now
	_now - leeway.skew == _wall(_expiry(leeway))
}

_expiry(_) := _exp if _exp != 0

_expiry(leeway) := _wrapped(max([_iat, _nbf]) + leeway.expiration) if _exp == 0

_not_before(_) := _nbf if _nbf != 0

_not_before(_) := _iat if {
	_nbf == 0
	_iat != 0
}

_not_before(leeway) := _wrapped(_expiry(leeway) - leeway.not_before) if {
	_nbf == 0
	_iat == 0
}

# 64-bit arithmetic wraps around.
_wrapped(seconds) := seconds if abs(seconds) < 9000000000000000000

else := seconds - 18446744073709551616 if seconds > 9223372036854775807

else := seconds + 18446744073709551616 if seconds < -9223372036854775808

else := seconds if abs(seconds) >= 9000000000000000000

# Go counts seconds since year 1: a time within 62135596800 s of the end of int64 wraps into the far past.
_wall(seconds) := seconds - 18446744073709551616 if seconds > 9223371974719179007

_wall(seconds) := seconds if seconds <= 9223371974719179007
