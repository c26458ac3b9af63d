package trustcheck.platform.aws

import data.trustcheck.match

# METADATA
# description: |
#   Condition operators by folded name: how a value is compared, and whether the operator
#   says that none of its values may match.
# related_resources:
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
_operators := object.union_n([
	{
		"stringequals": {"how": "exact"},
		"stringnotequals": {"how": "exact", "negated": true},
		"stringequalsignorecase": {"how": "fold"},
		"stringnotequalsignorecase": {"how": "fold", "negated": true},
		"stringlike": {"how": "like"},
		"stringnotlike": {"how": "like", "negated": true},
		"arnequals": {"how": "arn"},
		"arnlike": {"how": "arn"},
		"arnnotequals": {"how": "arn", "negated": true},
		"arnnotlike": {"how": "arn", "negated": true},
		"bool": {"how": "bool"},
		"null": {"how": "null"},
		"ipaddress": {"how": "network"},
		"notipaddress": {"how": "network", "negated": true},
		"binaryequals": {"how": "binary"},
	},
	{concat("", [kind, name]): object.union({"how": kind}, comparison) |
		some kind in ["numeric", "date"]
		some name, comparison in {
			"equals": {"holds": [0]},
			"notequals": {"holds": [0], "negated": true},
			"lessthan": {"holds": [-1]},
			"lessthanequals": {"holds": [-1, 0]},
			"greaterthan": {"holds": [1]},
			"greaterthanequals": {"holds": [0, 1]},
		}
	},
])

# The spelling that AWS documents, by folded name.
_spelt := {lower(name): name |
	some name in [
		"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
		"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Bool", "Null", "IpAddress", "NotIpAddress", "BinaryEquals",
		"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
		"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	]
}

# METADATA
# description: |
#   An operator taken apart: `[ForAllValues:|ForAnyValue:]Base[IfExists]`. Undefined for
#   what is none. `as_documented` is false where only the case differs.
# scope: document
_operator(text) := object.union_n([
	{"negated": false},
	_operators[base],
	{"set": set, "if_exists": if_exists, "base": base, "as_documented": spelt == text},
]) if {
	folded := _folded(text)
	set := _set_of(folded)
	tail := regex.replace(folded, `\A(forallvalues|foranyvalue):`, "")
	if_exists := endswith(tail, "ifexists")
	base := trim_suffix(tail, "ifexists")
	spelt := concat("", [_set_spelt[set], _spelt[base], _if_exists_spelt[if_exists]])
	_fits(base, set, if_exists)
}

_set_of(folded) := "all" if {
	startswith(folded, "forallvalues:")
} else := "any" if {
	startswith(folded, "foranyvalue:")
} else := "none"

_set_spelt := {"all": "ForAllValues:", "any": "ForAnyValue:", "none": ""}

_if_exists_spelt := {true: "IfExists", false: ""}

# Null asks for presence already.
_fits(base, _, _) if base != "null"

_fits("null", "none", false)

# METADATA
# description: |
#   The conditions of a statement: one for each key of each operator, all of which must
#   hold. What cannot be read is unknown.
# scope: document
_conditions(statement) := [_condition(statement, [operator, key], wanted) |
	some operator, keys in statement.value.Condition
	some key, wanted in keys
] if {
	is_object(statement.value.Condition)
	every keys in statement.value.Condition {
		is_object(keys)
	}
} else := [] if {
	not "Condition" in object.keys(statement.value)
} else := [_unreadable(statement, "/Condition", "the Condition is no object of objects")]

_condition(statement, names, wanted) := object.union_n([
	_condition_shown(statement, names, wanted),
	_compared(_operator(names[0]), names[1], _wanted_texts(wanted)),
]) if {
	_operator(names[0])
	count(_wanted_texts(wanted)) == count(_elements(wanted))
} else := object.union(
	_condition_shown(statement, names, wanted),
	{"test": "unknown", "message": sprintf("undecided: %s %s cannot be read", names)},
)

_condition_shown(statement, [operator, key], wanted) := {
	"operator": operator,
	"claim": _claim_shown(_key(key)),
	"wanted": wanted,
	"source": concat(".", [statement.place, "Condition", operator, key]),
	"pointer": concat("/", [statement.pointer, "Condition", _escaped(operator), _escaped(key)]),
	"message": sprintf("%s %s does not match", [operator, key]),
}

_claim_shown(key) := key.filled.claim if key.filled

else := key.text

_escaped(name) := replace(replace(name, "~", "~0"), "/", "~1")

# Numbers and booleans are compared in their spelling.
_wanted_texts(wanted) := [text | some element in _elements(wanted); some text in _scalar(element)]

# METADATA
# description: |
#   A condition on one key. `on` is the key, `how` the comparison, `set` the quantifier
#   (all, any or none), `if_missing` what an absent key means; then what is wanted, by kind.
# scope: document
_compared(operator, key, texts) := object.union_n([
	_own("key", {
		"on": _with_role(_key(key)),
		"how": operator.how,
		"set": operator.set,
		"negated": operator.negated,
		"if_missing": _if_missing(operator, texts),
		"settled": _settled(operator),
		"empty": count(texts) == 0,
		"tells": _told_when(operator, key, texts),
	}),
	{"holds": operator.holds | operator.holds},
	{"since": object.get(filled, ["announced", 1], 0) |
		operator.set == "none"
		not operator.negated
		operator.how in {"exact", "like", "fold", "bool"}
		filled := _key(key).filled
		not filled.many
	},
	wanted,
	_analysed(operator, _key(key), wanted, _if_missing(operator, texts)),
]) if {
	wanted := _wanted(operator.how, texts)
}

# A condition that is satisfied has nothing to say beyond the claim that it reads, unless that
# rests on an assumption.
_told_when(operator, key, texts) := "unless satisfied" if {
	_key(key).filled
	operator.set != "all"
	count(texts) > 0
} else := "always"

# One key tells whether the token's own list names the role, another which provider it is.
_with_role(key) := object.union(key, {"role_arn": input.document.role_arn}) if key.name == "sts:roleauthorizedbyidp"

else := object.union(key, {"providers": [arn | some arn in _arns; _possible(arn)]}) if key.name == "aws:federatedprovider"

else := key

_if_missing(operator, texts) := "true" in {lower(text) | some text in texts} if operator.how == "null"

_if_missing(operator, _) if {
	operator.how != "null"
	operator.if_exists
} else if {
	operator.how != "null"
	operator.set == "all"
} else := false if {
	operator.how != "null"
	operator.set == "any"
} else := operator.negated if {
	operator.how != "null"
}

# Absence under ForAllValues with a negated operator: AWS's rule says true three times, one
# example says no match.
_settled(operator) := false if {
	operator.set == "all"
	operator.negated
	not operator.if_exists
} else := true

# --- what is wanted, by kind of comparison ---

_wanted("null", texts) := {"values": texts, "open": _some_not(texts, `(?i)\A(true|false)\z`)}

# Whether Bool takes variables is contradictory; text that is no boolean matches nothing.
_wanted("bool", texts) := {
	"pattern": _any_of([_folding(text) | some text in texts; lower(text) in {"true", "false"}]),
	"open": _variable_somewhere(texts),
}

_wanted(how, texts) := {"values": texts, "open": false} if how in {"numeric", "date", "network", "binary"}

_wanted(how, texts) := object.union(_fixed(how, [list | some list in lists; _is_fixed(list)]), {
	"open": count([list | some list in lists; _is_unread(list)]) > 0,
	"texts": [text | some text in texts; how == "fold"],
	"single": _single(how, lists),
	"misshapen": count([list | some list in lists; how == "arn"; _is_fixed(list); not _arn_pattern(list)]) > 0,
	"templates": [list | some list in lists; not _is_fixed(list); not _is_unread(list)],
}) if {
	how in {"exact", "fold", "like", "arn"}
	lists := [_tokens(how, text) | some text in texts]
}

_some_not(texts, pattern) if {
	some text in texts
	not regex.match(pattern, text)
} else := false

_variable_somewhere(texts) if {
	_variables_count
	some text in texts
	contains(text, "${")
} else := false

# One character of which nobody says how AWS counts it beyond the basic plane.
_single(how, lists) if {
	how in {"like", "arn"}
	some list in lists
	some token in list
	token.wild == "?"
} else := false

# Fixed texts become a list of values or one anchored RE2.
_fixed("exact", lists) := {"values": [_joined(list) | some list in lists]}

_fixed("fold", lists) := {"pattern": _any_of([_folding(_joined(list)) | some list in lists])}

_fixed("like", lists) := {"values": [_joined(list) | some list in lists]} if not _wildcards(lists)

_fixed("like", lists) := {"pattern": _any_of([_pieces(list, ".*", ".") | some list in lists])} if _wildcards(lists)

_fixed("arn", lists) := {"pattern": _any_of([_arn_pattern(list) | some list in lists])}

_wildcards(lists) if {
	some list in lists
	some token in list
	token.wild
}

_any_of(patterns) := concat("", [`(?s)\A(?:`, concat("|", patterns), `)\z`]) if count(patterns) > 0

# Nothing matches.
else := `[^\x00-\x{10FFFF}]`

_joined(list) := concat("", [token.text | some token in list])

_pieces(list, many, one) := concat("", [_piece(token, many, one) | some token in list])

_piece(token, _, _) := match.quoted(token.text) if token.text != null

_piece({"wild": "*"}, many, _) := many

_piece({"wild": "?"}, _, one) := one

# ASCII letters as classes, for `(?i)` folds the Kelvin sign as well.
_folding(text) := strings.replace_n(_classes, match.quoted(text))

_classes := object.union_n([{
	letter: concat("", ["[", letter, upper(letter), "]"]),
	upper(letter): concat("", ["[", letter, upper(letter), "]"]),
} |
	some letter in split("abcdefghijklmnopqrstuvwxyz", "")
])

# METADATA
# description: |
#   The RE2 of an ARN pattern, undefined for what has no six parts. `*` and `?` do not
#   cross a colon, but in the sixth part, which keeps its further colons.
# scope: document
_arn_pattern(list) := concat(":", array.concat(
	[_arn_piece(part, "[^:]*", "[^:]") | some part in array.slice(parts, 0, 5)],
	[_arn_piece(concat(":", array.slice(parts, 5, count(parts))), ".*", ".")],
)) if {
	parts := split(concat("", [_arn_text(token) | some token in list]), ":")
	count(parts) >= 6
}

# Wildcards stand as noncharacters while the text is taken apart; _tokens lets no others in.
_arn_text(token) := token.text if token.text != null

_arn_text({"wild": "*"}) := "\ufdd0"

_arn_text({"wild": "?"}) := "\ufdd1"

_arn_piece(text, many, one) := replace(replace(match.quoted(text), "\ufdd0", many), "\ufdd1", one)

_wild(text) := _any_of([_pieces(_tokens_plain(text), ".*", ".")])

# --- policy variables: 2.7 ---

_variables_count if _policy.Version == "2012-10-17"

# METADATA
# description: |
#   A wanted text taken apart into `text`, `wild`, `variable` (with its key and perhaps a
#   default) and `unread`.
# related_resources:
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
# scope: document
_tokens(how, text) := [{"unread": text}] if regex.match(`[\x{fdd0}\x{fdd1}]`, text)

else := [_token_of(how, piece) | some piece in regex.find_n(`(?s)\$\{[^}]*\}|[*?]|[^*?$]+|\$`, text, -1)] if _variables_count

else := [_token_of(how, piece) | some piece in regex.find_n(`[*?]|[^*?]+`, text, -1)]

_tokens_plain(text) := [_plain_token(piece) | some piece in regex.find_n(`[*?]|[^*?]+`, text, -1)]

_plain_token(piece) := {"wild": piece} if piece in {"*", "?"}

else := {"text": piece}

_token_of(how, piece) := {"wild": piece} if {
	piece in {"*", "?"}
	how in {"like", "arn"}
} else := {"text": piece} if {
	not _is_variable(piece)
} else := {"text": substring(piece, 2, 1)} if {
	piece in {"${*}", "${?}", "${$}"}
} else := {"variable": _key(named)} if {
	some [_, named] in regex.find_all_string_submatch_n(`\A\$\{([^\s,'"${}]+)\}\z`, piece, 1)
} else := {"variable": _key(named), "default": text} if {
	some [_, named, text] in regex.find_all_string_submatch_n(`\A\$\{([^\s,'"${}]+), '([^']*)'\}\z`, piece, 1)
} else := {"unread": piece}

_is_variable(piece) if {
	_variables_count
	regex.match(`(?s)\A\$\{[^}]*\}\z`, piece)
}

_is_fixed(list) if {
	every token in list {
		object.keys(token) & {"variable", "unread"} == set()
	}
}

_is_unread(list) if {
	some token in list
	token.unread
}

# --- how the breadth analysis reads a condition: see README.md ---

_analysed(operator, key, wanted, if_missing) := {"key": key.filled.claim, "analysis": "leaf", "leaf": object.union_n([
	{
		"claim": key.filled.claim,
		"provider": key.provider,
		"negated": operator.negated,
		"set": operator.set,
		"many": object.get(key.filled, "many", false),
		"if_missing": if_missing,
	},
	object.filter(key.filled, ["instead", "announced"]),
	_read_as(operator, key, wanted),
])} if {
	_read_as(operator, key, wanted)
	key.filled
} else := {"key": key.filled.claim, "analysis": "unknown"} if {
	key.filled
} else := {"analysis": "leaf", "leaf": {"claim": "", "op": "never_filled", "if_missing": if_missing}} if {
	key.provider
} else := {"analysis": "leaf", "leaf": {"claim": "", "op": "never_filled", "if_missing": if_missing}} if {
	_never_of_web_identity(key.name)
} else := {"analysis": "leaf", "leaf": {"claim": "", "op": "never_filled", "tags": true, "if_missing": if_missing}} if {
	_of_tags(key.name)
} else := object.union({"analysis": "beside"}, {"leaf": {"lacks": claim} | claim := _made_of[key.name]}) if {
	_beside_token(wanted)
} else := {"analysis": "free"} if {
	key.name in {"sts:rolesessionname", "aws:sourceip", "aws:useragent", "aws:requestedregion", "aws:securetransport"}
} else := {"analysis": "unknown"}

# The claim that a key beside the token turns on where the token has it.
_made_of := {"sts:roleauthorizedbyidp": _roles}

# No variable of what is wanted is filled by the token.
_beside_token(wanted) if {
	every list in object.get(wanted, "templates", []) {
		every token in list {
			_not_of_token(token)
		}
	}
}

_not_of_token(token) if not token.variable

_not_of_token(token) if {
	key := token.variable
	not key.filled
	not _of_tags(key.name)
	not _made_of[key.name]
}

_read_as(operator, _, wanted) := {"op": "present", "values": [lower(text) | some text in wanted.values]} if {
	operator.how == "null"
	not wanted.open
}

_read_as(operator, _, wanted) := {"op": "in", "values": wanted.values} if {
	operator.how in {"exact", "like"}
	_plainly(wanted)
}

_read_as(operator, _, wanted) := {"op": "number", "values": wanted.values, "holds": operator.holds} if {
	operator.how == "numeric"
	not wanted.open
}

_read_as(operator, _, wanted) := {"op": "pattern", "pattern": wanted.pattern} if {
	operator.how in {"bool", "fold", "like", "arn"}
	_plainly(wanted)
	not _open_for_texts(operator)
}

# What is compared with itself matches whenever it is there.
_read_as(operator, key, wanted) := {"op": "present", "values": ["false"]} if _with_itself(operator, key, wanted)

# Whatever a variable comes to, the text around it stays.
_read_as(operator, key, wanted) := object.union_n([
	{
		"op": "pattern",
		"without": [token.variable.name | some list in wanted.templates; some token in list; _never_filled_variable(token)],
	},
	_surely_read(array.concat(
		[pattern | pattern := wanted.pattern; pattern != _any_of([])],
		[_any_of([text]) | some text in _texts_read(operator.how, wanted)],
	)),
	_perhaps_read([_around(operator.how, list) |
		some list in wanted.templates
		not _always(operator.how, list)
		not _null_always(list)
	]),
]) if {
	operator.how in {"exact", "fold", "like", "arn"}
	not wanted.open
	count(wanted.templates) > 0
	not _with_itself(operator, key, wanted)
	not _open_for_texts(operator)
}

# What a text that is no ARN comes to under a negated operator is not documented.
_open_for_texts(operator) if {
	operator.how == "arn"
	operator.negated
}

_surely_read(patterns) := {"pattern": concat("|", patterns) | count(patterns) > 0}

_perhaps_read(patterns) := {"perhaps": _any_of(patterns), "doubt": "what a policy variable comes to depends on the request"} if {
	count(patterns) > 0
} else := {}

# What is wanted whatever the request, each as one RE2.
_texts_read(how, wanted) := array.concat(
	[match.quoted(text) | some text in object.get(wanted, "values", [])],
	[_pieces(_resolved_always(list), ".*", ".") | some list in wanted.templates; _always(how, list)],
)

_with_itself(operator, key, wanted) if {
	operator.how in {"exact", "fold", "like"}
	not operator.negated
	some list in wanted.templates
	count(list) == 1
	list[0].variable.name == key.name
}

_around(how, list) := concat("", [_piece_around(token) | some token in list]) if how in {"exact", "like", "arn"}

# Folding beyond ASCII is not documented.
_around("fold", _) := ".*"

_piece_around(token) := match.quoted(token.text) if not token.variable

_piece_around({"wild": _}) := ".*"

_piece_around(token) := ".*" if token.variable

# A variable without a value in any request, unless the context gives it one.
_never_filled_variable(token) if {
	token.variable.provider
	not token.variable.filled
}

_never_filled_variable(token) if {
	not token.variable.provider
	_never_of_web_identity(token.variable.name)
}

_null_always(list) if {
	some token in list
	_never_filled_variable(token)
	not token["default"]
}

# The text is the same for every token, and has no wildcard but those of the policy.
_always(how, list) if {
	how in {"exact", "like"}
	every token in list {
		_same_always(token)
	}
}

_same_always(token) if not token.variable

_same_always(token) if {
	_never_filled_variable(token)
	not regex.match(`[*?]`, token["default"])
}

_resolved_always(list) := [_default_of(token) | some token in list]

_default_of(token) := token if not token.variable

_default_of({"variable": _, "default": text}) := {"text": text}

_plainly(wanted) if {
	not wanted.open
	object.get(wanted, "templates", []) == []
}
