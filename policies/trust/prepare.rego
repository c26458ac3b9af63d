package trustcheck.trust

# METADATA
# description: |
#   A role made ready, from `input.platform`, `input.document` and what the context
#   says of the role's surroundings. It needs no token, so it is asked once, at load;
#   what it gives is stored below data.trustcheck.ways or handed back in `input.role`.
#   `role_errors` says why the platform would refuse to store the role.
# entrypoint: true
prepared := {
	"platform": input.platform,
	"stages": _stages,
	"required": {
		"neutral": [condition | some condition in _required; not condition.test in _own],
		"own": [condition | some condition in _required; condition.test in _own],
	},
	"alternatives": [stage |
		some stage in _stages
		not _plain(stage)
	],
	"assumptions": [{"says": condition.assumption, "without": condition.assumes} |
		some stage in _stages
		some way in array.concat(stage.ways, stage.refusals)
		some condition in way.conditions
		condition.assumption
	],
	"role_errors": [message |
		count(input.unknown) == 0
		some message in data.trustcheck.platform[input.platform].role_errors
	],
	"warnings": data.trustcheck.platform[input.platform].warnings,
}

_stages := [_prepared_stage(stage) | some stage in _all_stages]

_required := [condition |
	some stage in _stages
	_plain(stage)
	some condition in stage.ways[0].conditions
]

# Tests that no matcher answers for.
_own := {"platform", "role", "rule", "unknown", "never"}

# A stage without alternatives or refusals.
_plain(stage) if {
	count(stage.ways) == 1
	count(stage.refusals) == 0
}

_all_stages := array.concat(
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

_prepared_stage(stage) := {
	"name": stage.name,
	"ways": [_prepared_way(way, _common(stage, w, {})) | some w, way in stage.ways],
	"refusals": [_prepared_way(refusal, _common(stage, count(stage.ways) + r, {"refuses": true})) |
		some r, refusal in stage.refusals
	],
}

_prepared_way(way, common) := {"conditions": [object.union(object.union({"reads": "nothing"}, condition), {
	"shown": _said(condition, common),
	"parts": parts,
	"covered": _covered(condition.test, parts),
}) |
	some condition in way.conditions
	parts := [object.union(object.union({"reads": "nothing"}, part), {"shown": _said(part, common)}) | some part in object.get(condition, "parts", [])]
]}

# What is said of a condition whatever the token.
_said(condition, common) := object.union(common, object.union(
	object.get(condition, "shown", {}),
	object.filter(condition, ["claim", "operator", "wanted", "source", "pointer", "message"]),
))

# A platform's parts say all that their condition says.
default _covered(_, _) := false

_covered("platform", parts) if count(parts) > 0

# Alternatives are numbered only where there is more than one.
_common(stage, _, refuses) := object.union({"stage": stage.name}, refuses) if {
	count(stage.ways) + count(stage.refusals) < 2
}

_common(stage, before, refuses) := object.union({"stage": stage.name, "way": before + 1}, refuses) if {
	count(stage.ways) + count(stage.refusals) > 1
}
