# METADATA
# title: Microsoft Entra, federated identity credentials
# description: |
#   What an app registration or a user-assigned managed identity asks of a token. A role is
#   one credential, or all of one parent: any of them suffices, there is no order and no
#   deny. `input.document.credentials` is what document.go read; what the identity may then
#   do is Azure's role assignments and outside the token.
# related_resources:
#   - https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
#   - https://learn.microsoft.com/entra/workload-id/workload-identities-flexible-federated-identity-credentials
package trustcheck.platform.azure

import data.trustcheck.match

# Each credential is written by itself: one that Entra refuses leaves the others.
_credentials := _written if {
	count(_written) > 0
} else := input.document.credentials

_written := [c | some c in input.document.credentials; count(_refusals(c)) == 0]

# METADATA
# description: |
#   Issuer, subject and audience, in the order of Entra's errors. With several credentials a
#   later stage asks again for the earlier ones of the same credential.
stages := [
	{"name": "algorithm", "ways": [{"conditions": [_algorithm]}], "refusals": []},
	{"name": "issuer", "ways": [{"conditions": [_issuer(c)]} | some c in _credentials], "refusals": []},
	{"name": "subject", "ways": [{"conditions": array.concat(_subject(c), _so_far(c, [_issuer(c)]))} | some c in _credentials], "refusals": []},
	{
		"name": "audience",
		"ways": [{"conditions": array.concat([_audience(c)], _so_far(c, array.concat([_issuer(c)], _subject(c))))} | some c in _credentials],
		"refusals": [],
	},
	{"name": "time", "ways": [{"conditions": _times}], "refusals": []},
]

_own(name, fields) := object.union({"test": "platform", "platform": "azure", "name": name}, fields)

_algorithm := _own("algorithm", {
	"operator": "equals",
	"wanted": "RS256",
	"analysis": "free",
	"assumes": ["alg"],
	"assumption": "the token is signed with RS256: alg was not given",
	"message": "AADSTS700027: Entra verifies RS256 only",
})

# All that a credential compares is compared exactly, since early 2025 without exception.
_exactly(claim, of, message) := object.union(object.filter(of, ["source", "pointer"]), {
	"test": "in",
	"reads": "claim",
	"platform": "azure",
	"name": "exactly",
	"tells": "unless satisfied",
	"claim": claim,
	"key": claim,
	"operator": "equals",
	"wanted": of.value,
	"values": [of.value],
	"message": message,
}) if {
	is_string(of.value)
} else := _not_known(claim, of)

_not_known(claim, of) := object.union(object.filter(of, ["source", "pointer"]), {
	"test": "unknown",
	"claim": claim,
	"key": claim,
	"operator": "equals",
	"message": sprintf("undecided: the %s is not known", [of.source]),
})

_issuer(c) := _exactly("iss", c.issuer, "AADSTS700211: No matching federated identity record found for presented assertion issuer")

_subject(c) := [_exactly("sub", c.subject, _no_subject)] if {
	is_string(c.subject.value)
} else := [object.union(_place(c.expression), {
	"test": "unknown",
	"operator": "matches",
	"wanted": c.expression.value,
	"message": sprintf("undecided: claimsMatchingExpression: %s", [c.expression.unread]),
})] if {
	c.expression.unread
} else := array.concat([_term(c.expression, term) | some term in c.expression.terms], _twice(c.expression)) if {
	c.expression
} else := [_not_known("sub", c.subject)]

_no_subject := "AADSTS700213: No matching federated identity record found for presented assertion subject"

_term(expression, term) := _exactly(term.claim, object.union(_place(expression), {"value": term.value}), _no_subject) if {
	term.operator == "eq"
}

_term(expression, term) := object.union(_place(expression), {
	"test": "pattern",
	"reads": "claim",
	"platform": "azure",
	"name": "matches",
	"tells": "always",
	"claim": term.claim,
	"key": term.claim,
	"operator": "matches",
	"wanted": term.value,
	"pattern": pattern(term.value, ".*"),
	"filled": pattern(term.value, ".+"),
	"message": _no_subject,
}) if {
	term.operator == "matches"
}

# METADATA
# description: |
#   The anchored RE2 of a comparand: `?` is one character, `*` is any run of them, `:`, `/`
#   and line breaks included; everything else stands for itself.
# scope: document
pattern(comparand, run) := concat("", [
	`(?s)\A`,
	concat(run, [concat(".", [match.quoted(piece) | some piece in split(part, "?")]) | some part in split(comparand, "*")]),
	`\z`,
])

_twice(expression) := [object.union(_place(expression), {
	"test": "unknown",
	"operator": "is named once",
	"wanted": claim,
	"message": sprintf("undecided: what Entra makes of claims['%s'] named twice is not documented", [claim]),
}) |
	some claim in sort({term.claim | some term in expression.terms})
	count([1 | some term in expression.terms; term.claim == claim]) > 1
]

_place(of) := object.filter(of, ["source", "pointer"])

_audience(c) := _not_known("aud", c.audiences) if {
	not _known_audience(c.audiences.value)
} else := _own("audience", object.union(_place(c.audiences), {
	"claim": "aud",
	"key": "aud",
	"operator": "equals",
	"wanted": c.audiences.value,
	"values": c.audiences.value,
	"analysis": "formula",
	"formula": {"true": fits, "false": {"op": "not", "of": [fits]}},
	"tells": "unless satisfied",
	"message": "AADSTS700212: No matching federated identity record found for presented assertion audience",
})) if {
	fits := {"op": "any", "of": [{"op": "test", "test": {"path": ["assertion", "aud"], kind: c.audiences.value}} | some kind in ["values", "elements"]]}
}

_known_audience(values) if {
	count(values) > 0
	every value in values {
		is_string(value)
	}
}

_so_far(c, conditions) := [_own("so_far", {
	"operator": "of one credential",
	"wanted": c.name,
	"source": c.source,
	"pointer": c.pointer,
	"analysis": "of",
	"of": conditions,
	"message": sprintf("credential %s does not match so far", [c.name]),
})] if {
	count(_credentials) > 1
} else := []

_times := [_own(name, {
	"claim": claim,
	"key": claim,
	"operator": operator,
	"analysis": "free",
	"tells": "always",
	"message": message,
}) |
	some [claim, name, operator, message] in [
		["exp", "expiry", "not before now", "AADSTS700024: the assertion has no exp, or is expired"],
		["nbf", "not_before", "not after now", "AADSTS700024: the assertion is not yet valid"],
	]
]
