package trustcheck.trust.tests

import data.trustcheck.trust

# A role with one stage of the given ways and refusals, each a list of statuses.
_role(ways, refusals) := prepared if {
	stage := {
		"name": "stage",
		"ways": [{"conditions": [_condition(status) | some status in way]} | some way in ways],
		"refusals": [{"conditions": [_condition(status) | some status in refusal]} | some refusal in refusals],
	}
	prepared := trust.prepared with input as {
		"platform": "stub",
		"document": {},
		"context": {},
		"unknown": [],
		"require": [],
	}
		with data.trustcheck.platform as {"stub": {"stages": [stage], "role_errors": [], "warnings": []}}
}

_condition("satisfied") := {"test": "in", "reads": "claim", "key": "a", "values": ["x"]}

_condition("failed") := {"test": "in", "reads": "claim", "key": "a", "values": ["y"]}

_condition("unknown") := {"test": "unknown"}

_decided(ways, refusals) := {"verdict": decision.verdict, "allow": allow} if {
	question := {"role": _role(ways, refusals), "claims": {"a": "x"}, "context": {}, "now": 0}
	decision := trust.decision with input as question
	allow := trust.allow with input as question
}

test_verdict_of_ways_and_refusals[name] if {
	some name, [ways, refusals, verdict] in {
		"one way satisfied": [[["satisfied"]], [], "allow"],
		"one condition of a way failed": [[["satisfied", "failed"]], [], "deny"],
		"unknown cannot admit": [[["satisfied", "unknown"]], [], "undecided"],
		"unknown cannot rescue a failed way": [[["unknown", "failed"]], [], "deny"],
		"a second way admits": [[["failed"], ["satisfied"]], [], "allow"],
		"an unknown way beside a failed one": [[["failed"], ["unknown"]], [], "undecided"],
		"no way at all": [[], [], "deny"],
		"a refusal beats a way": [[["satisfied"]], [["satisfied"]], "deny"],
		"a failed refusal is out of the way": [[["satisfied"]], [["satisfied", "failed"]], "allow"],
		"an unknown refusal does not vanish": [[["satisfied"]], [["unknown"]], "undecided"],
		"an unknown refusal cannot admit": [[["failed"]], [["unknown"]], "deny"],
		"one of two refusals is enough": [[["satisfied"]], [["failed"], ["satisfied"]], "deny"],
	}
	_decided(ways, refusals) == {"verdict": verdict, "allow": verdict == "allow"}
}

test_role_without_stages_admits_nobody if {
	prepared := trust.prepared with input as {"platform": "stub", "document": {}, "unknown": [], "require": []}
		with data.trustcheck.platform as {"stub": {"stages": [], "role_errors": [], "warnings": []}}
	not trust.allow with input as {"role": prepared, "claims": {}, "context": {}, "now": 0}
	trust.decision.verdict == "undecided" with input as {"role": prepared, "claims": {}, "context": {}, "now": 0}
}

test_unknown_member_keeps_role_from_allowing if {
	prepared := trust.prepared with input as {
		"platform": "stub",
		"document": {},
		"context": {},
		"unknown": ["bound_claims.ref: known after apply"],
		"require": [],
	}
		with data.trustcheck.platform as {"stub": {
			"stages": [{"name": "s", "ways": [{"conditions": [_condition("satisfied")]}], "refusals": []}],
			"role_errors": ["must have at least one bound constraint"],
			"warnings": [],
		}}
	prepared.role_errors == []
	decision := trust.decision with input as {"role": prepared, "claims": {"a": "x"}, "context": {}, "now": 0}
	decision.verdict == "undecided"
	decision.stage == "role"
}

test_stage_is_the_first_that_failed if {
	prepared := trust.prepared with input as {"platform": "stub", "document": {}, "context": {}, "unknown": [], "require": []}
		with data.trustcheck.platform as {"stub": {
			"stages": [
				{"name": "first", "ways": [{"conditions": [_condition("unknown")]}], "refusals": []},
				{"name": "second", "ways": [{"conditions": [_condition("failed")]}], "refusals": []},
				{"name": "third", "ways": [{"conditions": [_condition("failed")]}], "refusals": []},
			],
			"role_errors": [],
			"warnings": [],
		}}
	decision := trust.decision with input as {"role": prepared, "claims": {"a": "x"}, "context": {}, "now": 0}
	decision.verdict == "deny"
	decision.stage == "second"
}

test_role_is_found_by_its_name if {
	prepared := _role([["satisfied"]], [])
	trust.allow with input as {"role": "deploy", "claims": {"a": "x"}, "context": {}, "now": 0}
		with data.trustcheck.ways as {"deploy": prepared}
	not trust.allow with input as {"role": "other", "claims": {"a": "x"}, "context": {}, "now": 0}
		with data.trustcheck.ways as {"deploy": prepared}
}
