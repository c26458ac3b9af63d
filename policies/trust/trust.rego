# METADATA
# title: Trust
# description: |
#   The judge. A role is a list of stages, in the order in which the platform goes
#   through them; all must pass. A stage passes when one of its ways is satisfied and none
#   of its refusals is. A way, or a refusal, is a list of conditions. Everything is
#   three-valued: satisfied, failed, unknown.
#
#   `allow` stops at the first failure; `decision` evaluates every condition and says
#   what became of it. Both read the same conditions.
package trustcheck.trust

import data.trustcheck.match

# The prepared role: named by `input.role` and stored below data.trustcheck.ways, or
# handed over in `input.role` itself.
_role := data.trustcheck.ways[input.role] if is_string(input.role)

_role := input.role if is_object(input.role)

# METADATA
# description: Whether the platform would admit the token. False also when that is undecided.
# entrypoint: true
default allow := false

allow if _plainly

# A satisfied refusal refuses: this holds only where there is none.
allow if {
	_role.alternatives == []
	count(_role.conditions) > 0
	every status in statuses {
		status == "satisfied"
	}
}

allow if {
	count(_role.alternatives) > 0
	count(_failed) == 0
	count(_unknown) == 0
}

# What nearly every token that nearly every role admits comes down to, spelled out: top-level
# claims that hold one value each, of a role that was handed over. Whatever this does not admit
# is asked condition by condition.
_plainly if {
	not input.folded
	every condition in input.role.quick.in {
		input.claims[condition.key] in condition.values
	}
	every condition in input.role.quick.pattern {
		found := input.claims[condition.key]
		is_string(found)
		regex.match(condition.pattern, found)
	}
	every condition in input.role.quick.platform {
		platform_test(condition.platform, condition) == "satisfied"
	}
	every condition in input.role.quick.rest {
		status(condition.judge, condition) == "satisfied"
	}
}

# METADATA
# description: |
#   What a condition comes to, satisfied, failed or unknown; the first argument repeats
#   `condition.judge`. Total: a condition that no test answers for is failed.
# scope: document
default status(_, _) := "failed"

status("platform", condition) := platform_test(condition.platform, condition)

status("unknown", _) := "unknown"

status("rule", condition) := "satisfied" if data.trustcheck.rules[condition.rule].allow == true

status("role", condition) := "satisfied" if data.trustcheck.roles[condition.role].allow == true

status("matcher", condition) := "satisfied" if match.holds(condition.reads, condition.test, condition)

# METADATA
# description: The status of every condition, in the order of `conditions` in the prepared role.
statuses := [status(condition.judge, condition) | some condition in _role.conditions]

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
#   The same with bare statuses in place of reasons, for those who hold the prepared role;
#   `all` where every condition has the same.
# entrypoint: true
answer := {"verdict": "allow", "stage": "", "all": "satisfied", "assumed": assumed} if {
	_plainly
	_role.explained == []
	_role.telling == []
} else := {
	"verdict": _verdict,
	"stage": _stage,
	"statuses": statuses,
	"parts": parts,
	"told": told,
	"assumed": assumed,
}

# METADATA
# description: |
#   What only a token can tell of a platform's condition, by the condition's place: `got`,
#   `message` and `assumption`, each where there is one.
told[i] := platform_tells(condition.platform, condition) if {
	some i in _role.telling
	condition := _role.conditions[i]
	_telling(condition.tells, statuses[i])
}

_telling("always", _)

_telling("unless satisfied", status) if status != "satisfied"

# METADATA
# description: |
#   The statuses of a condition's parts, by the condition's place. A platform's parts are
#   asked only where the whole is not satisfied: otherwise so are they. Those of the user's
#   own rules explain; what counts is the rule.
parts[i] := [platform_test(condition.platform, part) | some part in condition.parts] if {
	some i in _role.divided
	statuses[i] != "satisfied"
	condition := _role.conditions[i]
}

parts[i] := [_word(part.id in holding) | some part in condition.parts] if {
	some i in _role.explained
	condition := _role.conditions[i]
	holding := _holding(condition.test, condition)
}

# The leaf is named, so that none of the user's other rules is evaluated: one may fail.
default _holding(_, _) := set()

_holding("role", condition) := data.trustcheck.roles[condition.role].__parts

_holding("rule", condition) := data.trustcheck.rules[condition.rule].__parts

_word(true) := "satisfied"

_word(false) := "failed"

# METADATA
# description: |
#   Every condition in order, with its status and, where the claim is there, what came. Parts
#   come before the condition that they belong to, and in its place where they say all of it.
reasons := [reason |
	some i, condition in _role.conditions
	some reason in array.concat(_part_reasons(i, condition), _own_reason(i, condition))
]

default _part_reasons(_, _) := []

_part_reasons(i, condition) := [_reason(part, found[p]) | some p, part in condition.parts] if found := parts[i]

_part_reasons(i, condition) := [_reason(part, "satisfied") | some part in condition.parts] if not parts[i]

_own_reason(i, condition) := [_reason(condition, statuses[i])] if {
	not condition.covered
	not told[i]
}

# Where the platform tells what came, the claim itself says nothing more.
_own_reason(i, condition) := [object.union_n([
	condition.shown,
	{"status": statuses[i]},
	object.filter(told[i], ["got", "message"]),
])] if {
	not condition.covered
}

_own_reason(_, condition) := [] if condition.covered

_reason(condition, result) := object.union(condition.shown, object.union(
	{"status": result},
	{"got": found | some found in match.got(condition)},
))

# --- the verdict ---

# Stages without alternatives fail with any of their conditions.
_failed contains _role.conditions[i].stage if {
	some i, "failed" in statuses
	_role.conditions[i].plain
}

_failed contains stage.stage if {
	some stage in _role.alternatives
	_result(stage) == "failed"
}

_unknown contains _role.conditions[i].stage if {
	some i, "unknown" in statuses
	_role.conditions[i].plain
}

_unknown contains stage.stage if {
	some stage in _role.alternatives
	_result(stage) == "unknown"
}

# Some way admits, and every refusal is out of the way: an unknown one may well refuse.
_result(stage) := _worst({
	_best({_worst({statuses[i] | some i in way}) | some way in stage.ways}),
	_opposite(_best({_worst({statuses[i] | some i in refusal}) | some refusal in stage.refusals})),
})

_worst(results) := "failed" if {
	"failed" in results
} else := "unknown" if {
	"unknown" in results
} else := "satisfied"

_best(results) := "satisfied" if {
	"satisfied" in results
} else := "unknown" if {
	"unknown" in results
} else := "failed"

_opposite("satisfied") := "failed"

_opposite("failed") := "satisfied"

_opposite("unknown") := "unknown"

default _verdict := "undecided"

_verdict := "deny" if count(_failed) > 0

_verdict := "allow" if {
	count(_role.conditions) > 0
	count(_failed) == 0
	count(_unknown) == 0
}

default _stage := ""

_stage := _role.stages[min(_failed)].name if count(_failed) > 0

_stage := _role.stages[min(_unknown)].name if {
	count(_failed) == 0
	count(_unknown) > 0
}

# METADATA
# description: |
#   What was taken for granted because the context did not tell, or the platform's makers
#   do not: sentences of the conditions that say so.
assumed := sort(_assumed | {say.assumption | some say in told; say.assumption})

_assumed := {assumption.says |
	some assumption in _role.assumptions
	some key in assumption.without
	not key in object.keys(object.get(input, "context", {}))
}
