package trustcheck.trust

# METADATA
# description: |
#   A role made ready, from `input.platform`, `input.document` and what the context
#   says of the role's surroundings. It needs no token, so it is asked once, at load;
#   what it gives is stored below data.trustcheck.ways or handed back in `input.role`.
#
#   `stages` is the role as the platform's rules state it. The rest says the same in the
#   order in which it is asked: `conditions` lists every condition once, `alternatives` the
#   stages that have several ways or a refusal, as places in that list; `quick`, where there
#   are none of these, sorts the conditions by how they are tested. `role_errors` says why the
#   platform would refuse to store the role.
# entrypoint: true
prepared := object.union(_quick, {
	"platform": input.platform,
	"stages": _stages,
	"conditions": _conditions,
	"divided": [i | some i, condition in _conditions; condition.covered],
	"explained": [i |
		some i, condition in _conditions
		condition.test in {"role", "rule"}
		count(condition.parts) > 0
	],
	"telling": [i | some i, condition in _conditions; condition.tells],
	"alternatives": [{
		"stage": s,
		"ways": [_places(s, w) | some w in numbers.range(0, count(stage.ways) - 1); count(stage.ways) > 0],
		"refusals": [_places(s, count(stage.ways) + r) | some r, _ in stage.refusals],
	} |
		some s, stage in _stages
		not _plain(stage)
	],
	"assumptions": [{"says": condition.assumption, "without": condition.assumes} |
		some condition in _conditions
		condition.assumption
	],
	"role_errors": [message |
		count(input.unknown) == 0
		some message in data.trustcheck.platform[input.platform].role_errors
	],
	"warnings": data.trustcheck.platform[input.platform].warnings,
})

# --- stages ---

_stages := array.concat(
	[stage | some stage in _unknown_stage],
	array.concat(data.trustcheck.platform[input.platform].stages, [stage | some stage in _required_stage]),
)

# Members of the role whose value nobody knows offline: they can neither admit nor refuse,
# so whatever else is satisfied stays undecided.
_unknown_stage := [{
	"name": "role",
	"ways": [{"conditions": [{"test": "unknown", "operator": "known", "message": why} | some why in input.unknown]}],
	"refusals": [],
} |
	count(input.unknown) > 0
]

# The user's own rules that must allow on top of the role.
_required_stage := [{
	"name": "rules",
	"ways": [{"conditions": [{
		"test": "rule",
		"rule": required.name,
		"parts": required.parts,
		"operator": "allows",
		"source": concat(".", ["trustcheck.rules", required.name, "allow"]),
		"message": sprintf("required rule %s does not allow", [required.name]),
	} |
		some required in input.require
	]}],
	"refusals": [],
} |
	count(input.require) > 0
]

# A stage without alternatives or refusals.
_plain(stage) if {
	count(stage.ways) == 1
	count(stage.refusals) == 0
}

# --- conditions ---

_conditions := [object.union_n([{"reads": "nothing"}, condition, {
	"judge": _judge(condition.test),
	"stage": s,
	"way": w,
	"plain": plain,
	"shown": _said(condition, common),
	"parts": parts,
	"covered": covered,
}]) |
	some s, stage in _stages
	plain := count([1 | _plain(stage)]) == 1
	some w, way in array.concat(stage.ways, stage.refusals)
	common := _common(stage, plain, w)
	some condition in way.conditions
	parts := [object.union_n([{"reads": "nothing"}, part, {"shown": _said(part, common)}]) |
		some part in object.get(condition, "parts", [])
	]
	covered := count([1 | count(parts) > 0; condition.test == "platform"]) == 1
]

# Who answers for a test: its platform, the user's rules, nobody, or a matcher.
_judge(test) := test if test in {"platform", "role", "rule", "unknown"}

_judge(test) := "matcher" if not test in {"platform", "role", "rule", "unknown"}

_places(s, w) := [i | some i, condition in _conditions; condition.stage == s; condition.way == w]

# What is said of a condition whatever the token. Alternatives are numbered only where
# there is more than one.
_said(condition, common) := object.union_n([
	common,
	object.get(condition, "shown", {}),
	object.filter(condition, ["claim", "operator", "wanted", "source", "pointer", "message"]),
])

_common(stage, true, _) := {"stage": stage.name}

_common(stage, false, w) := {"stage": stage.name, "way": w + 1} if w < count(stage.ways)

_common(stage, false, w) := {"stage": stage.name, "way": w + 1, "refuses": true} if w >= count(stage.ways)

# --- the quick form ---

_quick := {"quick": {
	"in": [{"key": c.key, "values": c.values} | some c in _conditions; _kind(c.reads, c.test) == "in"],
	"pattern": array.concat(
		[{"key": c.key, "pattern": c.pattern} | some c in _conditions; _kind(c.reads, c.test) == "pattern"],
		[{"key": key, "pattern": "(?s)."} | some key in _filled],
	),
	"platform": array.concat(
		[condition | condition := _combined.condition],
		[c | some c in _conditions; c.test == "platform"; not c.name in object.get(_combined, "covers", [])],
	),
	"rest": [c |
		some c in _conditions
		_kind(c.reads, c.test) == "rest"
		not _implied(c.reads, c.test, c)
	],
}} if {
	count(_conditions) > 0
	every stage in _stages {
		_plain(stage)
	}
}

else := {}

default _combined := {}

_combined := data.trustcheck.platform[input.platform].quick

_filled := {c.key | some c in _conditions; c.reads == "claim"; c.test == "filled"}

# What is text and not empty is text.
_implied("claim", "text", condition) if condition.key in _filled

# Without twins a folded claim is the claim itself.
default _kind(_, _) := "rest"

_kind(reads, test) := "in" if {
	reads in {"claim", "folded"}
	test in {"in", "in_any"}
}

_kind(reads, test) := "pattern" if {
	reads in {"claim", "folded"}
	test in {"pattern", "pattern_any"}
}

_kind("claim", "filled") := "filled"

_kind(_, "platform") := "platform"
