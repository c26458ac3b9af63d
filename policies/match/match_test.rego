package trustcheck.match.tests

import data.trustcheck.match

_claims := {
	"text": "acme/web",
	"list": ["a", 1, null, "b*"],
	"true": true,
	"number": 20,
	"null": null,
	"lines": "x\ny",
}

test_absent_claim_matches_nothing if {
	not match.equals("nope", "x") with input.claims as _claims
	not match.one_of("nope", {"x"}) with input.claims as _claims
	not match.has("nope", "x") with input.claims as _claims
	not match.like("nope", "*") with input.claims as _claims
	not match.matches("nope", ".*") with input.claims as _claims
	not match.present("nope") with input.claims as _claims
	not match.within("nope", "acme") with input.claims as _claims
}

test_types_are_not_converted if {
	match.equals("true", true) with input.claims as _claims
	not match.equals("true", "true") with input.claims as _claims
	match.equals("number", 20) with input.claims as _claims
	not match.equals("number", "20") with input.claims as _claims
}

test_null_is_not_present if not match.present("null") with input.claims as _claims

test_odd_types_do_not_stop_the_evaluation if {
	not match.like("list", "*") with input.claims as _claims
	not match.matches("number", ".*") with input.claims as _claims
	not match.within("true", "acme") with input.claims as _claims
}

test_star_crosses_slashes_and_lines if {
	match.like("text", "acme/*") with input.claims as _claims
	match.like("text", "a*b") with input.claims as _claims
	match.like("lines", "x*y") with input.claims as _claims
}

test_star_does_not_reach_beyond_both_ends if {
	not match.like("text", "cme/*") with input.claims as _claims
	not match.like("text", "*/we") with input.claims as _claims
}

test_only_the_star_is_special if {
	match.like("x", "a?[b]{c}(d)\\.^$+|*") with input.claims as {"x": "a?[b]{c}(d)\\.^$+|z"}
	not match.like("x", "a?c") with input.claims as {"x": "abc"}
}

test_alternation_does_not_escape_the_anchors if {
	match.matches("text", "acme/web|other") with input.claims as _claims
	not match.matches("x", "a|b") with input.claims as {"x": "bad"}
	not match.matches("x", "a|b") with input.claims as {"x": "aé"}
}

test_lookalike_is_not_within if {
	match.within("p", "acme") with input.claims as {"p": "acme"}
	match.within("p", "acme") with input.claims as {"p": "acme/web"}
	not match.within("p", "acme") with input.claims as {"p": "acme-evil/web"}
}

test_pieces_of_a_pattern_do_not_overlap if not match.like("x", "ab*ba") with input.claims as {"x": "aba"}
