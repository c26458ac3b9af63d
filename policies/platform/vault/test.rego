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

test("address", _) := "satisfied" if _not_given("remote_addr")

test("key_id", _) := "satisfied" if input.context.header.kid != ""

test("key_id", _) := "satisfied" if _not_given("header")

test("algorithm", condition) := "satisfied" if input.context.alg in condition.wanted

test("algorithm", _) := "satisfied" if _not_given("alg")

# A number beyond float64 anywhere in the payload stops the signature check's decoding.
test("numbers", _) := "satisfied" if {
	every _, text in _numbers {
		text != null
	}
}

test("text_type", condition) := "satisfied" if {
	every value in _readings(condition.key) {
		type_name(value) in {"string", "null"}
	}
}

test("time_type", condition) := "satisfied" if {
	every value in _readings(condition.key) {
		type_name(value) in {"number", "null"}
	}
}

test("audience_type", condition) := "satisfied" if {
	every value in _readings(condition.key) {
		_audience(value)
	}
}

test("some_time", _) := "satisfied" if {
	some name in ["exp", "nbf", "iat"]
	_time(name) != 0
}

# Both ends are included. `now` has nanoseconds, the claims have none: the fraction of now
# counts only against an expiry.
test("not_before", condition) := "satisfied" if {
	_now.seconds + condition.leeway.skew >= _wall(_not_before(condition.leeway))
}

test("expiry", condition) := "satisfied" if {
	_now.seconds - condition.leeway.skew < _wall(_expiry(condition.leeway))
}

test("expiry", condition) := "satisfied" if {
	_now.seconds - condition.leeway.skew == _wall(_expiry(condition.leeway))
	_now.fraction == 0
}

test("issued_at", condition) := "satisfied" if {
	_now.seconds + condition.leeway.skew >= _wall(_time("iat"))
}

test(name, _) := "unknown" if {
	name in {"some_time", "not_before", "expiry", "issued_at"}
	some claim in ["exp", "nbf", "iat"]
	_unread(input.claims[claim])
}

# A text counts as an audience since plugin 0.16.1, a list always did.
test("no_audience_any", _) := "satisfied" if object.get(input.claims, "aud", null) in [null, "", []]

test("no_audience_any", _) := "satisfied" if type_name(input.claims.aud) in {"number", "boolean", "object"}

test("no_audience_list", _) := "satisfied" if not _filled_list(object.get(input.claims, "aud", null))

test("no_audience_openbao", _) := "satisfied" if {
	aud := object.get(input.claims, "aud", null)
	not is_string(aud)
	not _filled_list(aud)
}

test("alias", condition) := "satisfied" if match.value(condition) != ""

test("bound_values", condition) := "satisfied" if {
	first := min(_matching(condition))
	every stop in _stopping(condition) {
		first < stop
	}
}

test("bound_values", condition) := "unknown" if {
	_unread(match.value(condition))
	count([spelling | some spelling in condition.spellings; spelling != null]) > 0
	count(_matching(condition)) == 0
}

_filled_list(value) if {
	is_array(value)
	count(value) > 0
}

_not_given(key) if not key in object.keys(object.get(input, "context", {}))

# --- typed equality: claims.go matchFound ---

# The places of the bound values that match. No value is converted, but a number found directly
# in the token is compared through its truncated integer text; inside a list it equals nothing.
_matching(condition) := {i |
	found := match.value(condition)
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
	found := match.value(condition)
	is_array(found)
	some i, value in condition.values
	type_name(value) in {"array", "object"}
	some element in found
	type_name(element) == type_name(value)
}

# --- numbers: claims.go getClaim, through float64 and int ---

# The integer text of a number: itself where it is short and plain, otherwise what
# `input.numbers` says (see document.go); undefined where that is needed and not given.
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

_readings(name) := [input.claims[name]] if not name in object.keys(_folded)

_folded := object.get(input, "folded", {})

_audience(value) if is_string(value)

_audience(value) if {
	is_array(value)
	every element in value {
		is_string(element)
	}
}

# Seconds since 1970, 0 where the claim is absent, null or truncates to zero.
default _time(_) := 0

_time(name) := to_number(_integer(_last(name))) if is_number(_last(name))

_last(name) := _readings(name)[count(_readings(name)) - 1]

# --- time: cap jwt.go validateAll ---

_now := {"seconds": (now_ns - (now_ns % 1000000000)) / 1000000000, "fraction": now_ns % 1000000000} if {
	now_ns := object.get(input, "now_ns", input.now * 1000000000)
}

_expiry(_) := _time("exp") if _time("exp") != 0

_expiry(leeway) := _wrapped(max([_time("iat"), _time("nbf")]) + leeway.expiration) if _time("exp") == 0

_not_before(_) := _time("nbf") if _time("nbf") != 0

_not_before(_) := _time("iat") if {
	_time("nbf") == 0
	_time("iat") != 0
}

_not_before(leeway) := _wrapped(_expiry(leeway) - leeway.not_before) if {
	_time("nbf") == 0
	_time("iat") == 0
}

# 64-bit arithmetic wraps around.
_wrapped(seconds) := seconds - 18446744073709551616 if seconds > 9223372036854775807

else := seconds + 18446744073709551616 if seconds < -9223372036854775808

else := seconds

# Go counts seconds since year 1: a time within 62135596800 s of the end of int64 wraps into the far past.
_wall(seconds) := seconds - 18446744073709551616 if seconds > 9223371974719179007

else := seconds
