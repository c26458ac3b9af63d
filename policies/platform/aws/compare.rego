package trustcheck.platform.aws

# METADATA
# description: |
#   What a condition on a key comes to, by what the request holds for the key. Three-valued
#   throughout: what AWS does not document is neither a match nor none.
# related_resources:
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
# scope: document
default _outcome(_, _) := "unknown"

_outcome(condition, state) := _status[_truth[condition.if_missing]] if {
	state.is == "absent"
	_readable(condition)
}

_outcome(condition, state) := _status[_truth["false" in {lower(text) | some text in condition.values}]] if {
	_there(state)
	condition.how == "null"
	_readable(condition)
}

_outcome(condition, state) := _status[_combined(condition.set, state.many, condition, state.values)] if {
	state.is == "present"
	condition.how != "null"
}

_there(state) if state.is == "present"

_there(state) if state.there

# Null asks for true or false.
_readable(condition) if condition.how != "null"

_readable(condition) if not condition.open

_status := {"yes": "satisfied", "no": "failed", "unknown": "unknown"}

_truth := {true: "yes", false: "no"}

# A multivalued key needs a set operator.
_combined("none", true, _, _) := "no"

_combined("none", false, condition, values) := _answer(condition, values[0])

_combined("all", _, condition, values) := _every({_answer(condition, value) | some value in values})

_combined("any", _, condition, values) := _some({_answer(condition, value) | some value in values})

_every(answers) := "no" if {
	"no" in answers
} else := "unknown" if {
	"unknown" in answers
} else := "yes"

_some(answers) := "yes" if {
	"yes" in answers
} else := "unknown" if {
	"unknown" in answers
} else := "no"

# One value of the request against all of the policy; a negated operator asks that none
# of them matches.
_answer(condition, value) := _match(condition, value) if not condition.negated

_answer(condition, value) := _flipped[_match(condition, value)] if condition.negated

_match(condition, value) := "unknown" if _counts_open(condition, value)

else := "yes" if _matches(condition.how, condition, value)

else := "unknown" if _open(condition, value)

else := "no"

_matches(how, condition, value) if {
	how in {"exact", "like"}
	value in condition.values
}

_matches(how, condition, value) if {
	how in {"like", "fold", "arn", "bool"}
	regex.match(condition.pattern, value)
}

_matches(how, condition, value) if {
	some template in condition.templates
	_template_match(how, template, value) == "yes"
}

_matches(how, condition, value) if {
	how in {"numeric", "date"}
	some wanted in condition.values
	_order(_measure(how, value), _measure(how, wanted)) in condition.holds
}

_matches("network", condition, value) if {
	not contains(value, "/")
	some wanted in condition.values
	net.cidr_contains(_network(wanted), _network(value))
}

_matches("binary", condition, value) if {
	base64.is_valid(value)
	some wanted in condition.values
	base64.is_valid(wanted)
	base64.decode(wanted) == base64.decode(value)
}

# --- what AWS does not document ---

_open(condition, _) if condition.open

_open(condition, value) if {
	some template in condition.templates
	_template_match(condition.how, template, value) == "unknown"
}

# Folding beyond ASCII.
_open(condition, value) if {
	some text in condition.texts
	_folds_beyond(text, value)
}

# How many characters `?` counts beyond the basic plane.
_counts_open(condition, value) if {
	condition.single
	regex.match(`[\x{10000}-\x{10ffff}]`, value)
}

# What does not parse for its type, under a negated operator.
_open(condition, value) if {
	condition.negated
	condition.how in _typed
	not _parses(condition.how, value)
}

_open(condition, _) if {
	condition.negated
	condition.how in _typed
	some wanted in condition.values
	not _parses_wanted(condition.how, wanted)
}

_open(condition, _) if {
	condition.negated
	condition.misshapen
}

_typed := {"numeric", "date", "network", "arn"}

_parses(how, value) if _measure(how, value)

_parses("network", value) if {
	not contains(value, "/")
	_network(value)
}

_parses("arn", value) if count(split(value, ":")) >= 6

_parses_wanted(how, value) if _measure(how, value)

_parses_wanted("network", value) if _network(value)

_folds_beyond(a, b) if {
	not regex.match(`\A[\x00-\x7f]*\z`, concat("", [a, b]))
	_same_folded(a, b)
}

_same_folded(a, b) if lower(a) == lower(b)

_same_folded(a, b) if upper(a) == upper(b)

# --- policy variables ---

# A variable without a value makes its text null, which matches nothing. Whether a
# substituted value's own * and ? are wildcards is not documented.
_template_match(how, template, value) := "no" if {
	{"null": true} in _resolved(template)
} else := "unknown" if {
	{"unknown": true} in _resolved(template)
} else := "yes" if {
	_list_match(how, _resolved(template), value)
	not _shifted(how, template)
} else := "unknown" if {
	_shifted(how, template)
} else := "unknown" if {
	how in {"like", "arn"}
	_list_match(how, [token | some part in template; some token in _as_wildcards(part)], value)
} else := "unknown" if {
	how == "fold"
	_folds_beyond(_joined(_resolved(template)), value)
} else := "no"

_resolved(template) := [_resolved_token(token) | some token in template]

_resolved_token(token) := token if not token.variable

_resolved_token(token) := _substituted(token, _state(token.variable)) if token.variable

_substituted(token, state) := {"text": state.values[0]} if {
	state.is == "present"
	not state.many
	not regex.match(`[\x{fdd0}\x{fdd1}]`, state.values[0])
} else := {"text": token.default} if {
	state.is == "absent"
	is_string(token.default)
} else := {"null": true} if {
	state.is == "absent"
} else := {"unknown": true}

_as_wildcards(token) := [token] if not token.variable

_as_wildcards(token) := _tokens_plain(_resolved_token(token).text) if token.variable

# A substituted value with colons moves the parts of an ARN.
_shifted("arn", template) if {
	some i, token in template
	token.variable
	contains(_resolved_token(token).text, ":")
	before := concat("", [_arn_text(_resolved_token(earlier)) | some earlier in array.slice(template, 0, i)])
	count(split(before, ":")) < 6
}

_list_match("exact", list, value) if _joined(list) == value

_list_match("fold", list, value) if regex.match(_any_of([_folding(_joined(list))]), value)

_list_match("like", list, value) if regex.match(_any_of([_pieces(list, ".*", ".")]), value)

_list_match("arn", list, value) if regex.match(_any_of([_arn_pattern(list)]), value)
