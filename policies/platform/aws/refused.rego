package trustcheck.platform.aws

# METADATA
# description: |
#   Why IAM would refuse to store the role, first the policy, then each statement in order.
#   Where Access Analyzer has a name for it, the message holds that name.
# related_resources:
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html
role_errors := [sprintf("MalformedPolicyDocument: %s", [why]) | some why in array.concat(
	sort(_policy_error),
	[sprintf("%s: %s", [statement.place, why]) | some statement in _statements; some why in sort(_errors_of(statement))],
)]

_policy_error contains sprintf("Version must be 2012-10-17 or 2008-10-17, got %v", [_policy.Version]) if {
	"Version" in object.keys(_policy)
	not _policy.Version in {"2012-10-17", "2008-10-17"}
}

_policy_error contains "the policy has no Statement" if count(_statements) == 0

_policy_error contains sprintf("Unknown field %s", [name]) if {
	some name in object.keys(_policy)
	not name in {"Version", "Id", "Statement"}
}

_policy_error contains sprintf("Statement IDs (SID) in a single policy must be unique: %v", [sid]) if {
	some i, statement in _statements
	sid := statement.value.Sid
	sid != ""
	some j, other in _statements
	i < j
	other.value.Sid == sid
}

_errors_of(statement) := {"a statement must be an object"} if not is_object(statement.value)

_errors_of(statement) := {why | some why in _statement_errors(statement.value)} if is_object(statement.value)

_statement_errors(statement) := array.flatten([
	[sprintf("Unknown field %s", [name]) |
		some name in object.keys(statement)
		not name in {
			"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
		}
	],
	[sprintf("ROLE_TRUST_POLICY_SYNTAX_ERROR_%s: Has prohibited field %s", [upper(name), name]) |
		some name in ["NotPrincipal", "NotResource", "Resource"]
		name in object.keys(statement)
	],
	["Effect must be Allow or Deny" | not object.get(statement, "Effect", null) in {"Allow", "Deny"}],
	["Missing required field Principal" |
		not "Principal" in object.keys(statement)
		not "NotPrincipal" in object.keys(statement)
	],
	["exactly one of Action and NotAction is required" | count({"Action", "NotAction"} & object.keys(statement)) != 1],
	["Sid must consist of letters and digits" |
		"Sid" in object.keys(statement)
		not _alphanumeric(statement.Sid)
	],
	_action_errors(statement),
	_principal_errors(object.get(statement, "Principal", {"AWS": "0"})),
	_condition_errors(object.get(statement, "Condition", {})),
])

_alphanumeric(sid) if {
	is_string(sid)
	regex.match(`\A[0-9A-Za-z]*\z`, sid)
}

_action_errors(statement) := [sprintf("%s must be a text or a list of texts: %v", [member, element]) |
	some member in ["Action", "NotAction"]
	member in object.keys(statement)
	some element in _elements(statement[member])
	not is_string(element)
]

_principal_errors(principal) := ["ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL: Principal must not be *"] if {
	principal == "*"
} else := ["Principal must be an object of AWS, Federated, Service or CanonicalUser"] if {
	not is_object(principal)
} else := ["Principal must not be empty"] if {
	count(principal) == 0
} else := array.flatten([
	[sprintf("Unknown principal type %s", [kind]) |
		some kind in object.keys(principal)
		not kind in {"AWS", "Federated", "Service", "CanonicalUser"}
	],
	[sprintf("Principal %s must be a text or a list of texts", [kind]) |
		some kind, elements in principal
		count([1 | some element in _elements(elements); not is_string(element)]) > 0
	],
	["INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY: Federated must not be *" |
		"*" in _elements(object.get(principal, "Federated", []))
	],
])

_condition_errors(condition) := ["Condition must be an object"] if {
	not is_object(condition)
} else := array.flatten([
_operator_errors(operator, keys) | some operator, keys in condition])

_operator_errors(operator, keys) := [sprintf("INVALID_CONDITION_OPERATOR: Invalid Condition type : %s", [operator])] if {
	not _operator(operator)
	not _null_if_exists(operator)
} else := [sprintf("NULL_WITH_IF_EXISTS: Null takes neither IfExists nor a set operator: %s", [operator])] if {
	not _operator(operator)
} else := [sprintf("%s must be an object of condition keys", [operator])] if {
	not is_object(keys)
} else := array.flatten([
	[sprintf("%s %s: want a text, a number, a boolean or a list of them", [operator, key]) |
		some key, wanted in keys
		count(_wanted_texts(wanted)) != count(_elements(wanted))
	],
	[sprintf("DUPLICATE_KEYS_WITH_DIFFERENT_CASE: %s has %s twice", [operator, folded]) |
		some folded in {_folded(key) | some key in object.keys(keys)}
		count([key | some key in object.keys(keys); _folded(key) == folded]) > 1
	],
])

_null_if_exists(operator) if regex.match(`\A(foranyvalue:|forallvalues:)?null(ifexists)?\z`, _folded(operator))

# METADATA
# description: |
#   What IAM stores although it cannot work as it seems to, or what it would refuse if the
#   role were new.
warnings := array.concat(sort(_policy_warning), [sprintf("%s: %s", [statement.place, why]) |
	some statement in _statements
	some why in sort(_warnings_of(statement))
])

_policy_warning contains sprintf("the policy has %d characters, more than the default limit of 2048", [input.document.size]) if {
	input.document.size > 2048
}

_warnings_of(statement) := {why | some why in array.flatten([
	[why | some arn in _federated(statement.value.Principal); some why in _principal_warning(arn)],
	[why | some [operator, _, _] in _condition_keys(statement); some why in _operator_warning(operator)],
	[why |
		some [operator, key, wanted] in _condition_keys(statement)
		some why in _key_warning(statement, operator, key, wanted)
	],
	_unprotected(statement),
])}

_principal_warning(arn) := [sprintf("%s: a wildcard inside a principal matches nothing", [arn])] if {
	regex.match(`[*?]`, arn)
} else := []

_operator_warning(operator) := [sprintf("%s: the operator is %s: whether IAM accepts another case is not known", [operator, _documented(operator)])] if {
	_operator(operator).as_documented == false
} else := []

_documented(operator) := concat("", [_set_spelt[o.set], _spelt[o.base], _if_exists_spelt[o.if_exists]]) if o := _operator(operator)

_key_warning(statement, operator, key, wanted) := array.flatten([
	_never_filled(statement, operator, key, wanted),
	[sprintf("%s %s: StringEquals takes * and ? literally", [operator, key]) |
		_operator(operator).how == "exact"
		count([1 | some text in _wanted_texts(wanted); regex.match(`[*?]`, regex.replace(text, `\$\{[^}]*\}`, ""))]) > 0
	],
	[sprintf("%s %s: INVALID_CONDITION_MULTIPLE_BOOLEAN: true and false together", [operator, key]) |
		_operator(operator).how in {"bool", "null"}
		count({lower(text) | some text in _wanted_texts(wanted)}) > 1
	],
	[sprintf("%s %s: MISSING_BRACE_IN_VARIABLE: ${ without } is literal text", [operator, key]) |
		_variables_count
		count([1 | some text in _wanted_texts(wanted); contains(regex.replace(text, `\$\{[^}]*\}`, ""), "${")]) > 0
	],
	[sprintf("%s %s: true as well where the key is absent", [operator, key]) |
		_operator(operator).set == "all"
	],
])

# The key of another provider than the statement's, or one that STS makes of no claim.
_never_filled(statement, operator, key, wanted) := [sprintf("%s %s: STS never fills this key%s: the condition is always %v", [
	operator,
	key,
	why,
	_if_missing(_operator(operator), _wanted_texts(wanted)),
])] if {
	read := _key(key)
	read.provider
	some why in _why_never(statement, read)
} else := []

_why_never(statement, key) := [sprintf(" for %s", [key.provider])] if {
	not key.filled
} else := [" for the statement's provider"] if {
	hosts := {_folded(_host_of(arn)) | some arn in _federated(statement.value.Principal)}
	count(hosts) > 0
	not key.provider in hosts
} else := []

# METADATA
# description: |
#   Shared issuers for which IAM asks every new or changed trust policy to evaluate a key
#   that tells tenants apart; policies from before June 2025 live on. Read in November 2026.
# related_resources:
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
_shared := object.union(
	{
		"cognito-identity.amazonaws.com": "cognito-identity.amazonaws.com:aud",
		"sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d": "sts:rolesessionname",
		"api.pulumi.com/oidc": "api.pulumi.com/oidc:aud",
		"sandboxes.cloud": "sandboxes.cloud:aud",
		"oidc.vercel.com": "oidc.vercel.com:aud",
	},
	{host: concat("", [host, ":sub"]) |
		some host in [
			"agent.buildkite.com", "oidc.codefresh.io", "studio.datachain.ai/api", "token.actions.githubusercontent.com",
			"oidc-configuration.audit-log.githubusercontent.com", "vstoken.actions.githubusercontent.com", "gitlab.com",
			"rh-oidc.s3.us-east-1.amazonaws.com/22ejnvnnturfmt6km08idd0nt4hekbn7",
			"rh-oidc.s3.us-east-1.amazonaws.com/23e3sd27sju1hoou6ohfs68vbno607tr",
			"rh-oidc.s3.us-east-1.amazonaws.com/23ne21h005qjl3n33d8dui5dlrmv2tmg",
			"rh-oidc.s3.us-east-1.amazonaws.com/24jrf12m5dj7ljlfb4ta2frhrcoadm26",
			"oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb",
			"oidc.op1.openshiftapps.com/2c51blsaqa9gkjt0o9rt11mle8mmropu",
			"scalr.io", "tokens.cloud.shisho.dev", "app.terraform.io", "proidc.upbound.io",
		]
	},
)

_unprotected(statement) := [sprintf("IAM would refuse this policy today: it does not evaluate %s%s; older roles live on", [key, how]) |
	statement.value.Effect == "Allow"
	some arn in _federated(statement.value.Principal)
	key := _shared[_host_of(arn)]
	some how in _insufficient(statement, _host_of(arn), key)
]

_insufficient(statement, _, key) := [""] if not _evaluates(statement, key)

# GitHub is looked at harder: not only wildcards.
_insufficient(statement, host, key) := [" with more than wildcards"] if {
	host == "token.actions.githubusercontent.com"
	_evaluates(statement, key)
	every text in _wanted_for(statement, key) {
		regex.match(`\A[*?]*\z`, text)
	}
}

_wanted_for(statement, key) := [text |
	some [_, name, wanted] in _condition_keys(statement)
	_folded(name) == key
	some text in _wanted_texts(wanted)
]
