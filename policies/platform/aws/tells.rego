package trustcheck.platform.aws

# METADATA
# description: |
#   What a reason says beyond its condition: `got`, what the request's key held; `message`,
#   what became of it, the absent key above all; `assumption`, what was taken for granted.
# scope: document
tells(condition) := object.union_n([
	{"got": got | some got in _got(condition, state)},
	{"message": concat(" ", [condition.operator, condition.on.text, _words(condition, state)])},
	{"assumption": assumption | some assumption in _assumption(condition, state)},
]) if {
	condition.name == "key"
	state := _state(condition.on)
} else := object.union_n([
	{"got": input.claims[name] | some name in _audience_claim},
	{"assumption": "the token's audience is one of the provider's client ids: client_ids was not given" |
		_client_ids_of(condition) == []
	},
]) if {
	condition.name == "client_ids"
}

_audience_claim := ["azp"] if _claimed("azp")

else := ["aud"] if _claimed("aud")

else := []

_words(_, state) := sprintf("finds no key: %s", [state.why]) if state.is == "absent"

_words(_, state) := sprintf("is undecided: %s", [state.why]) if state.is == "unknown"

_words(condition, state) := _present_words[_outcome(condition, state)] if {
	state.is == "present"
	not _needs_set(condition, state)
}

_words(condition, state) := "never matches: the key holds a list, which needs ForAnyValue or ForAllValues" if {
	_needs_set(condition, state)
}

_needs_set(condition, state) if {
	state.is == "present"
	state.many
	condition.set == "none"
	condition.how != "null"
}

_present_words := {
	"satisfied": "matches",
	"failed": "does not match",
	"unknown": "is undecided: AWS does not document this comparison",
}

# The claim as it came where the key is one claim, else what the key holds.
_got(_, state) := [] if state.is != "present"

_got(condition, state) := [input.claims[condition.key]] if {
	_is_claim(condition, state)
} else := [state.values] if {
	state.is == "present"
	state.many
} else := [state.values[0]] if {
	state.is == "present"
}

_is_claim(condition, state) if {
	state.is == "present"
	_claimed(condition.key)
	not condition.on.filled.instead
	not _given[condition.on.name]
}

_assumption(condition, state) := ["ForAllValues with a negated operator is true where the key is absent"] if {
	state.is == "absent"
	condition.settled == false
} else := ["ForAllValues takes an empty text for a value like any other"] if {
	state.is == "present"
	condition.set == "all"
	"" in state.values
} else := ["a condition with an empty list of values matches nothing, or everything where it is negated"] if {
	condition.empty
} else := []
