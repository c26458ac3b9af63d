package trustcheck.platform.aws

# METADATA
# description: |
#   Which claims STS turns into condition keys. A claim outside these tables is ignored, so
#   a condition on it sees a missing key. Names are folded, as condition keys are compared.
#   `announced` is the span in which the key came, in Unix seconds: before it the key is
#   absent, inside it nobody knows, after it the key is there. Where it is missing, the key
#   has been there all along. Read in November 2026.
# related_resources:
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
#   - https://cageyv.dev/posts/aws-sts-oidc-claim-validation
_providers := [
	{
		"host": `\A(token\.actions\.githubusercontent\.com(/[^/]+)?|token\.actions\.[^./]+\.ghe\.com|github\.com/enterprises/[^/]+)\z`,
		"keys": object.union(
			{name: {"claim": name, "announced": _first_announcement} |
				some name in [
					"actor", "actor_id", "job_workflow_ref", "repository", "repository_id",
					"workflow", "ref", "environment", "enterprise_id",
				]
			},
			{"repository_owner_id": {"claim": "repository_owner_id", "announced": _later_announcement}},
		),
	},
	{
		"host": `\Agitlab\.com\z`,
		"keys": {name: {"claim": name, "announced": _later_announcement} |
			some name in [
				"namespace_id", "project_id", "user_id", "user_login", "user_email", "user_access_level",
				"ref_protected", "pipeline_source", "runner_environment",
			]
		},
	},
	{
		"host": `\Aagent\.(buildkite\.com|[^./]+\.buildkite\.(dev|site))\z`,
		"keys": {name: {"claim": name, "announced": _later_announcement} |
			some name in [
				"organization_slug", "organization_id", "pipeline_slug", "pipeline_id",
				"cluster_name", "cluster_id", "build_branch",
			]
		},
	},
	{
		"host": `\Aoidc\.circleci\.com/org/[^/]+\z`,
		"keys": {"oidc.circleci.com/project-id": {"claim": "oidc.circleci.com/project-id", "announced": _first_announcement}},
	},
	{
		"host": `\Aaccounts\.google\.com\z`,
		"keys": {"google/organization_number": {"claim": "google:organization_number", "announced": _first_announcement}},
	},
	{
		"host": `\Aidcs-[^./]+\.identity\.oraclecloud\.com\z`,
		"keys": {"rpst_id": {"claim": "rpst_id", "announced": _first_announcement}},
	},
	{"host": `\Awww\.amazon\.com\z`, "alone": true, "keys": {name: {"claim": name} | some name in ["app_id", "user_id"]}},
	{"host": `\Agraph\.facebook\.com\z`, "alone": true, "keys": {name: {"claim": name} | some name in ["app_id", "id"]}},
	{
		"host": `\Acognito-identity\.amazonaws\.com\z`,
		"alone": true,
		"keys": object.filter(_every_provider, ["aud", "sub", "amr"]),
	},
]

# Announced for January 2026; the blogs saw it on 2 or 3 February.
_first_announcement := [1767225600, 1770076800]

# Some time between February 2026 and the Service Authorization Reference of 26 September 2026.
_later_announcement := [1769904000, 1790380800]

# The Default table. `azp` is the audience where a token has it.
_every_provider := {
	"aud": {"claim": "aud", "instead": "azp"},
	"oaud": {"claim": "aud"},
	"sub": {"claim": "sub"},
	"amr": {"claim": "amr", "many": true},
	"email": {"claim": "email"},
}

# Providers that need no resource; their principal is the bare host.
_built_in := {
	"accounts.google.com",
	"www.amazon.com",
	"graph.facebook.com",
	"cognito-identity.amazonaws.com",
}

# METADATA
# description: |
#   A condition key as a condition carries it: its folded `name`; for a key of an identity
#   provider also the `provider` and, where STS fills it, the claim behind it.
# scope: document
_key(text) := {"name": name, "text": text} if {
	name := _folded(text)
	not _of_provider(name)
}

_key(text) := object.union({"name": name, "text": text, "provider": provider, "part": part}, {"filled": filled | some filled in _filled(provider, part)}) if {
	name := _folded(text)
	_of_provider(name)
	provider := split(name, ":")[0]
	part := substring(name, count(provider) + 1, -1)
}

# A host has a dot; the services that own keys (aws, sts, iam) have none.
_of_provider(name) if regex.match(`\A[^:]*\.[^:]*:`, name)

_filled(provider, part) := [entry |
	some known in _providers
	regex.match(known.host, provider)
	some entry in [known.keys[part]]
] if {
	_alone(provider)
} else := array.slice(
	array.concat(
		[entry | some entry in [_every_provider[part]]],
		[entry |
			some known in _providers
			regex.match(known.host, provider)
			some entry in [known.keys[part]]
		],
	),
	0, 1,
)

_alone(provider) if {
	some known in _providers
	known.alone
	regex.match(known.host, provider)
}

# Key names are folded within ASCII: the Kelvin sign is no k.
_folded(text) := lower(text) if regex.match(`\A[\x00-\x7f]*\z`, text)

else := text

# --- the request: what a key holds ---

# METADATA
# description: |
#   What the request holds for a key: `is` is present (with `values`, texts, and `many` for
#   a multivalued key), absent or unknown; `why` says so in words. `context.keys` comes
#   before everything else, null takes a key away.
# scope: document
_state(key) := _given_state(key.name, _given[key.name]) if _given[key.name]

else := _provider_state(key) if key.provider

else := _authorized(_roles_claim(key)) if key.name == "sts:roleauthorizedbyidp"

else := _present(_of_issuer(key)) if key.providers

else := _service_state(key.name)

# Keys given by the context, all readings of one folded name together.
_given[name] contains value if {
	is_object(input.context.keys)
	some spelling, value in input.context.keys
	name := _folded(spelling)
}

_given_state(_, readings) := {"is": "unknown", "why": "the context gives it twice"} if count(readings) > 1

else := {"is": "absent", "why": "the context takes it away"} if readings == {null}

_given_state(name, readings) := _valued(value, _many(name, value)) if {
	count(readings) == 1
	some value in readings
	value != null
}

# A list makes a key multivalued, and some keys always are.
default _many(_, _) := false

_many(_, value) if is_array(value)

_many(name, _) if name in {"aws:tagkeys", "sts:transitivetagkeys"}

_many(name, _) if endswith(name, ":amr")

_provider_state(key) := {"is": "absent", "why": sprintf("the token comes from %s", [_host])} if {
	key.provider != _folded(_host)
} else := {"is": "absent", "why": sprintf("STS makes no key of this provider's claim %s", [key.part])} if {
	not key.filled
} else := {"is": "absent", "why": "STS did not fill it at that time"} if {
	input.now < key.filled.announced[0]
} else := {"is": "unknown", "why": "whether STS filled it at that time is not known"} if {
	input.now < key.filled.announced[1]
} else := _claim_state(key.filled)

_claim_state(filled) := _audience([input.claims[filled.instead]]) if {
	_claimed(filled.instead)
} else := _audience(_listed(input.claims.aud)) if {
	filled.claim == "aud"
	_claimed("aud")
} else := _valued(input.claims[filled.claim], filled.many) if {
	_claimed(filled.claim)
	filled.many
} else := _valued(input.claims[filled.claim], false) if {
	_claimed(filled.claim)
} else := {"is": "absent", "why": sprintf("the token has no claim %s", [filled.claim])}

_claimed(name) if input.claims[name] != null

_listed(value) := value if is_array(value)

else := [value]

# One audience in a list counts as that audience; what several do is not documented.
_audience(values) := {"is": "absent", "why": "the claim aud is empty"} if {
	count(values) == 0
} else := {"is": "present", "values": values, "many": false} if {
	count(values) == 1
	is_string(values[0])
	values[0] != ""
} else := {"is": "unknown", "there": true, "why": "what STS makes of this audience is not documented"}

# Scalars that are no text become one.
_valued(value, false) := {"is": "present", "values": _scalar(value), "many": false} if {
	count(_scalar(value)) == 1
} else := {"is": "unknown", "why": sprintf("what STS makes of %s here is not documented", [type_name(value)])}

_valued(value, true) := {"is": "present", "values": [text | some element in elements; some text in _scalar(element)], "many": true} if {
	elements := _listed(value)
	every element in elements {
		count(_scalar(element)) == 1
	}
} else := {"is": "unknown", "why": "what STS makes of this list is not documented"}

default _scalar(_) := []

_scalar(value) := [value] if is_string(value)

_scalar(value) := [json.marshal(value)] if type_name(value) in {"number", "boolean"}

# Keys of the services themselves (documented as far as a link is given above).
_service_state(name) := _service[name] if _service[name]

else := _tag_state(trim_prefix(name, "aws:requesttag/")) if startswith(name, "aws:requesttag/")

else := {"is": "absent", "why": "a web identity's request never has it"} if _never_there(name)

else := {"is": "unknown", "why": "its value was not given: put it into context.keys"} if regex.match("\\A(aws:|iam:resourcetag/)", name)

else := {"is": "absent", "why": "a web identity's request never has it"}

# A key that no request of a web identity has, whatever the token and the caller are.
_never_of_web_identity(name) if _never_there(name)

_never_of_web_identity(name) if {
	not _of_provider(name)
	not regex.match(`\A(aws:|iam:resourcetag/)`, name)
	not name in {"sts:rolesessionname", "sts:roleauthorizedbyidp", "sts:sourceidentity", "sts:transitivetagkeys"}
}

# A key that is there with session tags or a source identity only.
_of_tags(name) if startswith(name, "aws:requesttag/")

_of_tags(name) if name in {"aws:tagkeys", "sts:sourceidentity", "sts:transitivetagkeys"}

_never_there(name) if startswith(name, "aws:principaltag/")

_never_there(name) if {
	name in {
		"aws:principalorgid", "aws:principalorgpaths", "aws:username", "aws:multifactorauthpresent",
		"aws:multifactorauthage", "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths",
	}
}

# Every request has a session name, so it is there even where nobody says what it is.
_service["sts:rolesessionname"] := object.union({"there": true}, _from_context("role_session_name"))

_service["aws:sourceip"] := _from_context("source_ip")

_service["aws:federatedprovider"] := _from_context("provider_arn")

# The only provider of the document that the token can come from, where nobody names it.
_of_issuer(key) := arn if {
	not _provider_given
	[arn] := [named | some named in key.providers; concat("", ["https://", _host_of(named)]) == input.claims.iss]
	not contains(arn, "${")
}

_service["aws:currenttime"] := _present(time.format([_now_ns, "UTC", "2006-01-02T15:04:05Z07:00"]))

_service["aws:epochtime"] := _present(json.marshal((_now_ns - (_now_ns % 1000000000)) / 1000000000))

# An endpoint of a VPC takes the address away, so an address tells that there was none.
_service[name] := {"is": "absent", "why": "the request came from an address, not through an endpoint"} if {
	some name in ["aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip"]
	_has_address
}

_has_address if is_string(input.context.source_ip)

_has_address if {
	some value in _given["aws:sourceip"]
	value != null
}

# Always there; true when the token's own list of roles names this one.
_authorized("satisfied") := _present("true")

_authorized("failed") := _present("false")

_authorized("absent") := _present("false")

_authorized("unknown") := {"is": "unknown", "why": "the role's ARN was not given"}

_service["sts:sourceidentity"] := {"is": "absent", "why": "the token has no source identity"} if _source_identity == []

_service["sts:sourceidentity"] := _valued(_source_identity[0], false) if count(_source_identity) == 1

_service["aws:tagkeys"] := {"is": "absent", "why": "the token has no session tags"} if count(_tags) == 0

_service["aws:tagkeys"] := {"is": "present", "values": sort(object.keys(_tags)), "many": true} if count(_tags) > 0

_service["sts:transitivetagkeys"] := {"is": "absent", "why": "the token has no transitive tag keys"} if _transitive == []

_service["sts:transitivetagkeys"] := _valued(_transitive, true) if _transitive != []

_present(text) := {"is": "present", "values": [text], "many": false}

_from_context(name) := _present(input.context[name]) if is_string(input.context[name])

else := {"is": "unknown", "why": sprintf("its value was not given: put it into context.%s", [name])}

_now_ns := object.get(input, "now_ns", input.now * 1000000000)

# --- claims that STS reads beside the condition keys ---

# METADATA
# description: |
#   The roles that the issuer allows for this token, where it says so: whether the role in
#   question (of the context, or of the document) is among them, literally.
# related_resources:
#   - https://awsteele.com/blog/2026/07/13/oidc-tokens-can-restrict-which-aws-roles-they-assume.html
# scope: document
default _roles_claim(_) := "absent"

_roles_claim(facts) := _listed_role(input.claims[_roles], _role_arn(facts)) if _roles in object.keys(input.claims)

_roles := "https://aws.amazon.com/roles"

_role_arn(facts) := input.context.role_arn if is_string(input.context.role_arn)

else := object.get(facts, "role_arn", "")

_listed_role(null, _) := "unknown"

_listed_role(value, _) := "failed" if type_name(value) in {"number", "boolean", "object"}

_listed_role(value, "") := "unknown" if type_name(value) in {"string", "array"}

_listed_role(value, arn) := _among(arn, split(value, ";")) if {
	is_string(value)
	arn != ""
}

_listed_role(value, arn) := _among(arn, value) if {
	is_array(value)
	arn != ""
}

_among(arn, arns) := "satisfied" if arn in arns

else := "failed"

# METADATA
# description: |
#   The session tags of the token, name to values, from either of the documented shapes.
# related_resources:
#   - https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
# scope: document
_tags := {name: values |
	some [name, _] in _tag_entries
	values := {value | some [other, value] in _tag_entries; other == name}
}

_tag_entries contains [name, _tag_value(value)] if {
	is_object(input.claims[_tag_claim].principal_tags)
	some name, value in input.claims[_tag_claim].principal_tags
}

_tag_entries contains [name, _tag_value(value)] if {
	some claim, value in input.claims
	startswith(claim, _flat_tags)
	name := trim_prefix(claim, _flat_tags)
}

_tag_claim := "https://aws.amazon.com/tags"

_flat_tags := "https://aws.amazon.com/tags/principal_tags/"

_flat_transitive := "https://aws.amazon.com/tags/transitive_tag_keys"

# A text, or a list of one text; null stands for what STS would refuse.
_tag_value(value) := value if is_string(value)

else := value[0] if {
	is_array(value)
	count(value) == 1
	is_string(value[0])
} else := null

_transitive := input.claims[_flat_transitive] if _claimed(_flat_transitive)

else := input.claims[_tag_claim].transitive_tag_keys if input.claims[_tag_claim].transitive_tag_keys != null

else := []

_carries_tags if count(_tags) > 0

_carries_tags if _transitive != []

_tags_unreadable if {
	_claimed(_tag_claim)
	not is_object(input.claims[_tag_claim])
}

_tags_unreadable if {
	tags := input.claims[_tag_claim].principal_tags
	not is_object(tags)
	tags != null
}

_tags_unreadable if not _texts(_transitive)

_texts(list) if {
	is_array(list)
	every element in list {
		is_string(element)
	}
}

_tags_refused if count(_tags) > 50

_tags_refused if {
	some name, values in _tags
	not _fitting_tag(name, values)
}

_fitting_tag(name, values) if {
	count(name) in numbers.range(1, 128)
	count(values) == 1
	some value in values
	is_string(value)
	count(value) <= 256
}

_tag_state(name) := {"is": "absent", "why": "the token has no such session tag"} if count(_tag_values(name)) == 0

else := _valued([value | some value in _tag_values(name)][0], false) if count(_tag_values(name)) == 1

else := {"is": "unknown", "why": "the token gives the session tag twice"}

_tag_values(name) := {value |
	some tag, values in _tags
	_folded(tag) == name
	some value in values
}

# The source identity in a list, empty where there is none.
_source_identity := [input.claims[_source_claim]] if _claimed(_source_claim)

else := []

_source_claim := "https://aws.amazon.com/source_identity"
