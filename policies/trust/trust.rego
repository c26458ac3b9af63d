# METADATA
# title: Trust
# description: |
#   The judge. A prepared role is a list of stages, in the order in which the
#   platform goes through them; all must pass. A stage passes when one of its ways
#   is satisfied and none of its refusals is. A way, or a refusal, is a list of
#   conditions. Everything is three-valued: satisfied, failed, unknown.
#
#   `allow` stops at the first failure; `decision` evaluates every condition and
#   says what became of it. Both read the same conditions.
package trustcheck.trust

import data.trustcheck.match

# METADATA
# description: |
#   The prepared role: named by `input.role` and stored below data.trustcheck.ways,
#   or handed over in `input.role` itself.
_role := data.trustcheck.ways[input.role] if is_string(input.role)

_role := input.role if is_object(input.role)

# METADATA
# description: Whether the platform would admit the token. False also when that is undecided.
# entrypoint: true
default allow := false

# What holds without alternatives is asked first, condition by condition.
allow if {
	every condition in _role.required.neutral {
		match.holds(condition.reads, condition.test, condition)
	}
	every condition in _role.required.own {
		status(condition.test, condition) == "satisfied"
	}
	every stage in _role.alternatives {
		_admits(stage)
	}
}

_admits(stage) if {
	some way in stage.ways
	every condition in way.conditions {
		status(condition.test, condition) == "satisfied"
	}
	every refusal in stage.refusals {
		_harmless(refusal)
	}
}

# A refusal is out of the way only when one of its conditions has failed: an
# unknown one may well refuse.
_harmless(refusal) if {
	some condition in refusal.conditions
	status(condition.test, condition) == "failed"
}

# METADATA
# description: |
#   What a condition comes to, satisfied, failed or unknown. Total: a condition that
#   no test answers for is failed. The first argument repeats `condition.test`.
# scope: document
default status(_, _) := "failed"

status(test, condition) := "satisfied" if match.holds(condition.reads, test, condition)

status("platform", condition) := platform_test(condition.platform, condition)

status("unknown", _) := "unknown"

# A rule of the user's own.
status("rule", condition) := "satisfied" if data.trustcheck.rules[condition.rule].allow == true

status("role", condition) := "satisfied" if data.trustcheck.roles[condition.role].allow == true

# METADATA
# description: |
#   The verdict with every condition, whether or not an earlier one has failed.
# entrypoint: true
decision := {
	"verdict": _verdict,
	"stage": _stage,
	"reasons": reasons,
	"assumed": assumed,
}

# METADATA
# description: |
#   The same with `outcome` in place of `reasons`, for those who hold the prepared role.
# entrypoint: true
answer := {
	"verdict": _verdict,
	"stage": _stage,
	"outcome": outcome,
	"assumed": assumed,
}

# METADATA
# description: |
#   Every condition of every stage in order, with its status and, where the claim is
#   there, what came.
reasons := [reason |
	some s, w, c
	entry := outcome[s][w][c]
	condition := _ways[s][w].conditions[c]
	some reason in _shown(condition, entry)
]

_ways := [array.concat(stage.ways, stage.refusals) | some stage in _role.stages]

_shown(condition, entry) := [_reason(condition.shown, entry)] if count(entry) < 3

_shown(condition, entry) := array.concat(
	[_reason(condition.parts[p].shown, part) | some p, part in entry[2]],
	[_reason(condition.shown, entry) | not condition.covered],
) if {
	count(entry) > 2
}

_reason(shown, entry) := object.union(shown, object.union({"status": entry[0]}, {"got": found | some found in entry[1]}))

# METADATA
# description: |
#   The bare statuses: one list per stage, one per way or refusal (refusals after the
#   ways), one entry per condition: its status, what came (in a list that is empty when the
#   claim is absent) and, where the condition has parts, the same of each part. `reasons`
#   says the same in full.
outcome := [lists |
	some stage in _role.stages
	lists := [entries |
		some way in array.concat(stage.ways, stage.refusals)
		entries := [_entry(condition, status(condition.test, condition)) | some condition in way.conditions]
	]
]

_entry(condition, result) := [result, match.got(condition)] if condition.parts == []

_entry(condition, result) := [result, match.got(condition), _parts(condition.test, result, condition)] if condition.parts != []

# What is satisfied as a whole is satisfied in every part; otherwise each part is asked.
_parts("platform", "satisfied", condition) := [["satisfied", match.got(part)] | some part in condition.parts]

_parts("platform", result, condition) := [[platform_test(condition.platform, part), match.got(part)] |
	some part in condition.parts
] if {
	result != "satisfied"
}

# The parts of a rule of the user's own explain; what counts is the rule.
_parts("role", _, condition) := [[_word(holds), match.got(part)] |
	some part in condition.parts
	holds := part.id in object.get(data.trustcheck.roles, [condition.role, "__parts"], set())
]

_parts("rule", _, condition) := [[_word(holds), match.got(part)] |
	some part in condition.parts
	holds := part.id in object.get(data.trustcheck.rules, [condition.rule, "__parts"], set())
]

_word(true) := "satisfied"

_word(false) := "failed"

_stage_status := [result |
	some s, stage in _role.stages
	ways := count(stage.ways)
	results := [_all(entries) | some entries in outcome[s]]
	result := _worst({_any(array.slice(results, 0, ways)), _none(array.slice(results, ways, count(results)))})
]

# A way is satisfied when all its conditions are, failed as soon as one is.
_all(entries) := _worst({entry[0] | some entry in entries})

_worst(results) := "failed" if {
	"failed" in results
} else := "unknown" if {
	"unknown" in results
} else := "satisfied"

default _any(_) := "failed"

_any(results) := "satisfied" if {
	"satisfied" in results
} else := "unknown" if {
	"unknown" in results
}

default _none(_) := "satisfied"

_none(results) := "failed" if {
	"satisfied" in results
} else := "unknown" if {
	"unknown" in results
}

default _verdict := "undecided"

_verdict := "deny" if "failed" in _stage_status

_verdict := "allow" if {
	count(_stage_status) > 0
	every result in _stage_status {
		result == "satisfied"
	}
}

default _stage := ""

_stage := _role.stages[_first("failed")].name

_stage := _role.stages[_first("unknown")].name if _verdict == "undecided"

_first(wanted) := min([i | some i, result in _stage_status; result == wanted])

# METADATA
# description: |
#   What was taken for granted because the context did not tell: sentences of the
#   conditions that say so.
assumed := sort({assumption.says |
	some assumption in _role.assumptions
	some key in assumption.without
	not key in object.keys(object.get(input, "context", {}))
})
