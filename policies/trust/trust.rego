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

allow if {
	count(_role.stages) > 0
	every stage in _role.stages {
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

status(test, condition) := "satisfied" if match.holds(test, condition)

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
#   Every condition of every stage in order, with its status and, where the claim is
#   there, what came.
reasons := [reason |
	some s, w, c
	entry := _statuses[s][w][c]
	some reason in array.concat(_parts(entry.condition), [_reason(entry.condition, entry.status)])
]

_reason(condition, result) := object.union(condition.shown, object.union(
	{"status": result},
	{"got": found | some found in match.got(condition)},
))

# What a rule of the user's own is made of, where it could be taken apart. This explains; what
# counts is the rule.
default _parts(_) := []

_parts(condition) := [_reason(part, _part_status(part.id in data.trustcheck.roles[condition.role].__parts)) |
	some part in condition.parts
	condition.test == "role"
]

_parts(condition) := [_reason(part, _part_status(part.id in data.trustcheck.rules[condition.rule].__parts)) |
	some part in condition.parts
	condition.test == "rule"
]

_part_status(true) := "satisfied"

_part_status(false) := "failed"

# One list per stage, one per way or refusal (refusals after the ways), one entry per condition.
_statuses := [lists |
	some stage in _role.stages
	lists := [statuses |
		some way in array.concat(stage.ways, stage.refusals)
		statuses := [{"condition": condition, "status": status(condition.test, condition)} |
			some condition in way.conditions
		]
	]
]

_stage_status := [result |
	some s, stage in _role.stages
	ways := count(stage.ways)
	results := [_all(statuses) | some statuses in _statuses[s]]
	result := _both(_any(array.slice(results, 0, ways)), _none(array.slice(results, ways, count(results))))
]

# A way is satisfied when all its conditions are, failed as soon as one is.
default _all(_) := "satisfied"

_all(statuses) := "failed" if {
	some entry in statuses
	entry.status == "failed"
} else := "unknown" if {
	some entry in statuses
	entry.status == "unknown"
}

default _any(_) := "failed"

_any(results) := "satisfied" if "satisfied" in results

else := "unknown" if "unknown" in results

default _none(_) := "satisfied"

_none(results) := "failed" if "satisfied" in results

else := "unknown" if "unknown" in results

default _both(_, _) := "satisfied"

_both(admitted, unrefused) := "failed" if "failed" in [admitted, unrefused]

else := "unknown" if "unknown" in [admitted, unrefused]

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
assumed := sort({condition.assumption |
	some stage in _role.stages
	some way in stage.ways
	some condition in way.conditions
	some key in condition.assumes
	not key in object.keys(object.get(input, "context", {}))
})
