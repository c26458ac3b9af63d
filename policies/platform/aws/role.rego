# METADATA
# title: AWS IAM, roles that trust an OIDC provider
# description: |
#   What STS asks of a web identity token before it hands out a role's credentials, in the
#   order that its error messages suggest: its own checks, then the trust policy, then the
#   policy again for the further actions that session tags and a source identity need.
#   `input.document.policy` is the trust policy, prepared by document.go.
# related_resources:
#   - https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
# schemas:
#   - input.document.policy: schema.platform.aws.schema
package trustcheck.platform.aws

_policy := input.document.policy

_statements := input.document.statements

# METADATA
# description: |
#   The stages of AssumeRoleWithWebIdentity. Allow statements are ways, Deny statements are
#   refusals; every statement is at least one condition of every stage that reads the policy.
stages := array.concat(
	[_checks("issuer", _issuer), _checks("token", _token), _checks("audience", _client_ids), _checks("roles_claim", _roles_listed)],
	[
		_reading("condition", "sts:AssumeRoleWithWebIdentity", [], []),
		_reading("session_tags", "sts:TagSession", [_only_if("no_tags")], [_only_if("has_tags")]),
		_reading("source_identity", "sts:SetSourceIdentity", [_only_if("no_source_identity")], [_only_if("has_source_identity")]),
	],
)

_checks(name, conditions) := {"name": name, "ways": [{"conditions": conditions}], "refusals": []}

# A stage that asks the policy about one action. `otherwise` is the condition under which
# the action is not needed, `needed` the one under which it is; where there is such a
# condition, statements that do not cover the action are left out.
_reading(name, action, otherwise, needed) := {
	"name": name,
	"ways": array.concat(
		[{"conditions": [condition]} | some condition in otherwise],
		[{"conditions": _asked(statement, action)} |
			some statement in _statements
			_may(statement, "Allow")
			_concerns(statement, action, otherwise)
		],
	),
	"refusals": [{"conditions": array.concat(needed, _denying(statement, _asked(statement, action)))} |
		some statement in _statements
		_may(statement, "Deny")
		_concerns(statement, action, otherwise)
	],
}

_concerns(_, _, [])

_concerns(statement, action, [_]) if not _misses(statement, action)

_misses(statement, action) if {
	is_object(statement.value)
	_action(statement, action).test == "never"
}

# What holds of a Deny statement speaks against the token.
_denying(statement, conditions) := [object.union_n([condition, {"message": message}, {"tells": "always" | condition.tells}]) |
	some condition in conditions
	message := _denial(statement, condition)
]

_denial(statement, condition) := sprintf("AccessDenied: explicit deny in %s", [statement.place]) if {
	condition.test == "always"
} else := sprintf("AccessDenied: explicit deny in %s", [statement.place]) if {
	condition.name == "principal"
} else := object.get(condition, "message", "")

# A statement whose effect cannot be read may do either.
_may(statement, effect) if statement.value.Effect == effect

_may(statement, _) if not _effect_read(statement)

_effect_read(statement) if statement.value.Effect in {"Allow", "Deny"}

_only_if(name) := _own(name, {
	"operator": _only[name].operator,
	"claim": _only[name].claim,
	"analysis": "free",
	"message": _only[name].message,
})

_only := {
	"no_tags": {"claim": _tag_claim, "operator": "absent", "message": "the token carries session tags, so sts:TagSession must be allowed as well"},
	"has_tags": {"claim": _tag_claim, "operator": "present", "message": "the token carries session tags"},
	"no_source_identity": {"claim": _source_claim, "operator": "absent", "message": "the token carries a source identity, so sts:SetSourceIdentity must be allowed as well"},
	"has_source_identity": {"claim": _source_claim, "operator": "present", "message": "the token carries a source identity"},
}

_own(name, fields) := object.union({"test": "platform", "platform": "aws", "name": name}, fields)

# --- STS's own checks ---

_issuer := array.concat(
	[object.union(
		_own("issuer", {
			"claim": "iss",
			"key": "iss",
			"operator": "is the provider",
			"analysis": "free",
			"message": "InvalidIdentityToken: No OpenIDConnect provider found in your account for the token's iss",
		}),
		{"wanted": concat("", ["https://", host]) | some host in _known_hosts},
	)],
	[{
		"test": "never",
		"operator": "in the role's account",
		"wanted": role,
		"source": "provider_arn",
		"message": "InvalidIdentityToken: No OpenIDConnect provider found in your account: the provider is in another account than the role",
	} |
		some role in _account(_known_role)
		_provider_given
		some provider in _account(input.context.provider_arn)
		role != provider
	],
)

_known_hosts := [_host_of(input.context.provider_arn)] if _provider_given

else := []

_known_role := input.context.role_arn if is_string(input.context.role_arn)

else := input.document.role_arn

# The partition and the account of an ARN in a list, empty where they are not known.
_account(arn) := [[parts[1], parts[4]] |
	parts := split(arn, ":")
	count(parts) >= 6
	parts[4] != ""
	not contains(arn, "${")
]

_token := [
	_own("algorithm", {
		"operator": "one of",
		"wanted": ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"],
		"analysis": "free",
		"assumes": ["alg"],
		"assumption": "the token is signed with an algorithm that STS knows: alg was not given",
		"message": "InvalidIdentityToken: the token's algorithm is none that STS verifies",
	}),
	object.union_n([_checked, _read, {"parts": [object.union(
		_own("check", {}),
		{"claim": claim, "key": claim, "check": check, "operator": operator, "message": message},
	) |
		some [claim, check, operator, message] in [
			["iat", "integer", "present, an integer", "InvalidIdentityToken: iat is missing or no integer"],
			["exp", "integer", "present, an integer", "InvalidIdentityToken: exp is missing or no integer"],
			["nbf", "integer_or_absent", "absent or an integer", "InvalidIdentityToken: nbf is no integer"],
			["exp", "not_expired", "after now", "ExpiredToken: the token is expired"],
			["nbf", "not_future", "not after now", "whether STS reads nbf is not documented"],
			["iat", "not_future", "not after now", "what leeway STS gives iat is not documented"],
			["sub", "subject_length", "at most 255 characters", "whether STS refuses a longer sub is not documented"],
			["aud", "audience_present", "present", "InvalidIdentityToken: Missing a required claim: aud"],
			[_tag_claim, "tags", "one value each", "the session tags are none that STS takes"],
			[_source_claim, "source_identity", "2 to 64 characters", "the source identity is none that STS takes"],
		]
	]}]),
]

_checked := _own("token", {"analysis": "free", "message": "InvalidIdentityToken"})

# What of the checks the analysis reads: how long a subject is and, where somebody looks at
# the audience, that it is not empty.
_read := {"analysis": "of", "of": array.concat([_checked, _subject_read], _audience_read)}

_subject_read := _own("subject_length", {
	"claim": "sub",
	"reads": "claim",
	"key": "sub",
	"operator": "at most 255 characters",
	"analysis": "free",
	"message": "whether STS refuses a longer sub is not documented",
})

_audience_read := [_own("check", {
	"claim": "aud",
	"reads": "claim",
	"key": "aud",
	"operator": "present",
	"analysis": "nonempty",
	"message": "InvalidIdentityToken: Missing a required claim: aud",
})] if {
	_audience_matters
} else := []

_audience_matters if count(_clients) > 0

_audience_matters if {
	some statement in _statements
	some [_, name, _] in _condition_keys(statement)
	regex.match(`:o?aud\z`, _folded(name))
}

_client_ids := [object.union_n([
	_own("client_ids", {
		"claim": "aud",
		"operator": "one of the provider's client ids",
		"clients": _clients,
		"tells": "always",
		"source": "client_ids",
		"message": "InvalidIdentityToken: Incorrect token audience",
	}),
	_client_ids_read(_clients),
])]

# What of the client ids the analysis can read: those of one provider, where somebody gave them.
_client_ids_read(clients) := {"wanted": ids, "analysis": "leaf", "leaf": {
	"claim": "aud", "instead": "azp", "provider": "", "op": "in",
	"values": ids, "negated": false, "set": "none", "many": false, "if_missing": false,
}} if {
	count(clients) == 1
	some ids in clients
} else := {"analysis": "free"}

# Client ids by the provider's host, "*" for whatever provider it is.
_clients := {"*": input.context.client_ids} if is_array(input.context.client_ids)

else := {provider.host: provider.client_ids | some provider in input.document.providers}

_roles_listed := [_own("roles_claim", {
	"claim": _roles,
	"key": _roles,
	"operator": "names the role",
	"role_arn": input.document.role_arn,
	"analysis": "free",
	"message": "InvalidIdentityToken: target role ARN is not present in the roles claim",
})]

# --- statements ---

# METADATA
# description: |
#   The conditions of one statement for one action, never none. What can never match is one
#   condition that says so, and the rest is not looked at.
# scope: document
_asked(statement, action) := [_unreadable(statement, "", "the statement is no object")] if {
	not is_object(statement.value)
} else := [_action(statement, action)] if {
	_action(statement, action).test == "never"
} else := [principal] if {
	principal := _principal(statement)
	principal.test == "never"
} else := array.flatten([
	[_unreadable(statement, "/Effect", "Effect is neither Allow nor Deny") | not _effect_read(statement)],
	[_principal(statement), _action(statement, action)],
	_conditions(statement),
	_controls(statement),
])

_unreadable(statement, at, why) := {
	"test": "unknown",
	"operator": "readable",
	"source": concat("", [statement.place, replace(at, "/", ".")]),
	"pointer": concat("", [statement.pointer, at]),
	"message": sprintf("undecided: %s", [why]),
}

# Action and NotAction: 2.4, whole text, without regard to case, with * and ?.
_action(statement, action) := _static(_acts(statement.value, action), object.union(_action_place(statement), {
	"operator": concat(" ", [_action_member(statement.value), "covers", action]),
	"wanted": object.get(statement.value, _action_member(statement.value), null),
	"message": sprintf("%s does not cover %s", [_action_member(statement.value), action]),
}))

_action_member(value) := "NotAction" if {
	"NotAction" in object.keys(value)
	not "Action" in object.keys(value)
} else := "Action"

_action_place(statement) := {
	"source": concat(".", [statement.place, _action_member(statement.value)]),
	"pointer": concat("/", [statement.pointer, _action_member(statement.value)]),
}

_static("yes", fields) := object.union(fields, {"test": "always"})

_static("no", fields) := object.union(fields, {"test": "never"})

_static("unknown", fields) := object.union(fields, {"test": "unknown", "message": "undecided: the actions cannot be read"})

_acts(value, _) := "unknown" if {
	members := {"Action", "NotAction"} & object.keys(value)
	count(members) != 1
}

_acts(value, action) := _covered(value.Action, action) if _only_member(value, "Action")

_acts(value, action) := _flipped[_covered(value.NotAction, action)] if _only_member(value, "NotAction")

_only_member(value, member) if {"Action", "NotAction"} & object.keys(value) == {member}

_flipped := {"yes": "no", "no": "yes", "unknown": "unknown"}

_covered(elements, action) := "yes" if {
	some element in _elements(elements)
	_names(element, action)
} else := "unknown" if {
	some element in _elements(elements)
	not is_string(element)
} else := "unknown" if {
	_elements(elements) == []
} else := "no"

_names("*", _)

_names(element, action) if {
	is_string(element)
	regex.match(_wild(lower(element)), lower(action))
	startswith(lower(element), "sts:")
}

_elements(value) := value if is_array(value)

else := [value]

# Principal: 2.3. A provider is compared byte for byte; wildcards inside mean nothing.
_principal(statement) := object.union_n([
	_principal_place(statement),
	{"operator": "Principal is the provider", "wanted": statement.value.Principal, "message": "the token's provider is not the Principal"},
	_principal_test(statement.value.Principal),
]) if {
	"Principal" in object.keys(statement.value)
} else := _unreadable(statement, "/Principal", "the statement has no Principal")

_principal_place(statement) := {
	"source": concat("", [statement.place, ".Principal"]),
	"pointer": concat("", [statement.pointer, "/Principal"]),
}

_principal_test(principal) := {"test": "never", "message": "the Principal is no identity provider"} if {
	is_object(principal)
	_federated(principal) == []
	not _everyone(principal)
	not _unread_principal(principal)
} else := {"test": "never", "message": "the Principal can be no provider of the role's account"} if {
	not _uncertain(principal)
	_hosts(principal) == set()
} else := object.union(_named(principal), {"everyone": true, "analysis": "unknown"}) if {
	_uncertain(principal)
} else := object.union(_named(principal), {
	"analysis": "leaf",
	"leaf": object.union(
		{
			"claim": "iss", "provider": "", "op": "in", "negated": false, "set": "none", "many": false, "if_missing": false,
			"values": [concat("", ["https://", host]) | some host in _hosts(principal)],
		},
		_doubtful([concat("", ["https://", host]) | some host in _hosts(principal); _of_several(host)]),
	),
})

_doubtful([]) := {}

_doubtful(issuers) := {
	"doubtful": issuers,
	"doubt": "several providers of one host are named, and which is in the role's account was not given",
} if {
	issuers != []
}

_named(principal) := _own("principal", {
	"values": _federated(principal),
	"among": _arns,
	"partial": [arn | some arn in _federated(principal); arn in object.get(input.document, "partial", [])],
	"role_arn": input.document.role_arn,
})

# Hosts and paths of the providers that a principal names and the role can have.
_hosts(principal) := {_host_of(arn) | some arn in _federated(principal); _possible(arn)}

# The role has one provider of a host, and nobody says which of these it is.
_of_several(host) if {
	not _provider_given
	count([arn | some arn in _arns; _host_of(arn) == host; _possible(arn)]) > 1
}

# METADATA
# description: |
#   Whether an ARN may be that of the provider from which a token comes: the one of the
#   context, or one in the role's account, where that is known.
# scope: document
_possible(arn) if {
	not _provider_given
	_may_be_provider(_known_role, arn)
}

_possible(arn) if {
	_provider_given
	arn == input.context.provider_arn
}

_possible(arn) if {
	_provider_given
	arn in object.get(input.document, "partial", [])
	_host_of(arn) == _host_of(input.context.provider_arn)
}

# An ARN is compared as it stands: one with a wildcard is nobody's, nor is a host that is not
# built in. What a template leaves open may be any.
_may_be_provider(_, arn) if arn in _built_in

_may_be_provider(_, arn) if contains(arn, "${")

_may_be_provider(role, arn) if {
	contains(arn, ":oidc-provider/")
	not regex.match(`[*?]`, arn)
	not _elsewhere(_account(role), arn)
}

_elsewhere([account], arn) if _account(arn) != [account]

# Whether {"AWS": "*"} admits a web identity is not documented; what cannot be read may.
_uncertain(principal) if not is_object(principal)

_uncertain(principal) if _everyone(principal)

_uncertain(principal) if _unread_principal(principal)

_everyone(principal) if {
	is_object(principal)
	"*" in _elements(principal.AWS)
}

_unread_principal(principal) if {
	is_object(principal)
	some kind in object.keys(principal)
	not kind in {"AWS", "Federated", "Service", "CanonicalUser"}
}

_unread_principal(principal) if {
	is_object(principal)
	some elements in principal
	some element in _elements(elements)
	not is_string(element)
}

default _federated(_) := []

_federated(principal) := [arn | some arn in _elements(principal.Federated); is_string(arn)]

# Every provider that the document names.
_arns := sort({arn | some statement in _statements; some arn in _federated(statement.value.Principal)})

_host_of(arn) := substring(arn, indexof(arn, ":oidc-provider/") + 15, -1) if contains(arn, ":oidc-provider/")

else := arn

# 3: for this issuer STS itself refuses when the policy does not look at the key.
_controls(statement) := [_own("controls", {
	"operator": "evaluated",
	"provider": host,
	"elsewhere": _evaluated_somewhere(key),
	"analysis": "unknown",
	"source": concat("", [statement.place, ".Condition"]),
	"pointer": concat("", [statement.pointer, "/Condition"]),
	"wanted": key,
	"message": sprintf("STS refuses tokens of %s where the policy does not evaluate %s", [host, key]),
}) |
	statement.value.Effect == "Allow"
	some host, key in {"app.terraform.io": "app.terraform.io:sub"}
	some arn in _federated(statement.value.Principal)
	_host_of(arn) == host
	not _evaluates(statement, key)
]

_evaluated_somewhere(key) if {
	some statement in _statements
	statement.value.Effect == "Allow"
	_evaluates(statement, key)
} else := false

# Operator, key and wanted values of every condition that has that shape.
_condition_keys(statement) := [[operator, key, wanted] |
	is_object(statement.value.Condition)
	some operator, keys in statement.value.Condition
	is_object(keys)
	some key, wanted in keys
]

_evaluates(statement, key) if {
	some [_, name, _] in _condition_keys(statement)
	_folded(name) == key
}
