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
	"stages": [_prepared_stage(stage) | some stage in _all_stages],
	"role_errors": [message |
		count(input.unknown) == 0
		some message in data.trustcheck.platform[input.platform].role_errors
	],
	"warnings": data.trustcheck.platform[input.platform].warnings,
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
	"ways": _prepared_ways(stage, stage.ways, 0),
	"refusals": _prepared_ways(stage, stage.refusals, count(stage.ways)),
}

_prepared_ways(stage, ways, before) := [{"conditions": conditions} |
	some w, way in ways
	conditions := [object.union(condition, {"shown": shown}) |
		some condition in way.conditions
		shown := object.union_n([
			{"stage": stage.name},
			_numbered(stage, (before + w) + 1),
			{"refuses": true | before > 0; w >= 0},
			object.filter(condition, _shown),
		])
	]
]

_shown := ["claim", "operator", "wanted", "source", "pointer", "message"]

# Alternatives are numbered only where there is more than one.
_numbered(stage, _) := {} if count(stage.ways) + count(stage.refusals) < 2

_numbered(stage, number) := {"way": number} if count(stage.ways) + count(stage.refusals) > 1
