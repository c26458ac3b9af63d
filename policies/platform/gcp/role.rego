# METADATA
# title: Google Cloud, workload identity federation
# description: |
#   What the token exchange and the IAM bindings ask of a token. A role is one or several
#   providers of a pool and the bindings that name identities of it; document.go reads both,
#   and translates the providers' CEL to rules below data.trustcheck.generated.
#
#   Every provider is a way through every stage. With several of them a last condition holds
#   the ways together: it is one and the same provider that must accept.
# related_resources:
#   - https://cloud.google.com/iam/docs/workload-identity-federation
#   - https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines
#   - https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
#   - https://cloud.google.com/iam/docs/principal-identifiers
package trustcheck.platform.gcp

# Each provider is stored by itself: one that Google refuses leaves the others.
_providers := _stored if {
	count(_stored) > 0
} else := _numbered

_stored := [p | some p in _numbered; count(_refusals(p)) == 0]

_numbered := [object.union(p, {"number": i}) | some i, p in input.document.providers]

_several if count(_providers) > 1

# METADATA
# description: |
#   The stages of an exchange, then the bindings. Without bindings the answer ends with the
#   exchange, and says so; without a provider it is undecided.
stages := array.concat(
	[{"name": name, "ways": [{"conditions": _checks[name][i]} | some i, _ in _providers], "refusals": []} |
		some name in ["provider", "algorithm", "issuer", "audience", "time", "mapping", "condition"]
		_asked(name)
	],
	_last,
)

_asked(name) if {
	some conditions in _checks[name]
	count(conditions) > 0
}

_last := [
	_binding_stage("provider", [{"conditions": [{
		"test": "unknown",
		"operator": "known",
		"message": "undecided: no provider of the pool was given",
	}]}]),
	_binding_stage("binding", _unprovided),
] if {
	_providers == []
} else := [_binding_stage("binding", _bound)] if {
	input.document.bindings
} else := [_binding_stage("exchange", [{"conditions": array.concat(_accepted(i), [_unbound])} | some i, _ in _providers])]

_binding_stage(name, ways) := {"name": name, "ways": ways, "refusals": []}

# What the exchanged token may then do is not known.
_unbound := {
	"test": "always",
	"operator": "bound",
	"assumes": ["iam_policy", "member"],
	"assumption": "an IAM binding names the identity: no binding was given, the answer ends with the token exchange",
}

_own(name, fields) := object.union({"test": "platform", "platform": "gcp", "name": name}, fields)

# --- the exchange ---

_checks := {
	"provider": [_state(p) | some p in _providers],
	"algorithm": [_algorithm | some _ in _providers],
	"issuer": [[_issuer(p)] | some p in _providers],
	"audience": [[_audience(p)] | some p in _providers],
	"time": [_times | some _ in _providers],
	"mapping": [array.concat([_mapping(m) | some m in p.mappings], _mapped_size(p)) | some p in _providers],
	"condition": [[condition | some condition in _condition(p)] | some p in _providers],
}

# A disabled or deleted provider or pool refuses; outstanding tokens are another matter.
_state(p) := [object.union(p.shown, {"test": "never", "operator": "enabled", "message": why}) | some why in p.gone] if {
	count(p.gone) > 0
} else := [object.union(p.shown, {
	"test": "never",
	"operator": "is an OIDC provider",
	"message": sprintf("invalid_request: the provider takes %s credentials, no ID tokens", [p.other]),
})] if {
	p.other != ""
} else := [object.union(p.shown, {"test": "always", "operator": "enabled"})]

_algorithm := [
	_own("algorithm", {
		"operator": "one of",
		"wanted": ["RS256", "ES256"],
		"analysis": "free",
		"assumes": ["alg"],
		"assumption": "the token is signed with RS256 or ES256: alg was not given",
		"message": "invalid_grant: the ID token's algorithm is neither RS256 nor ES256",
	}),
	_own("key_id", {
		"operator": "present",
		"analysis": "free",
		"assumes": ["header"],
		"assumption": "the token names its key: header was not given",
		"message": "invalid_grant: the ID token's header has no kid",
	}),
]

# Google's own tutorials write GitHub's issuer with a trailing slash that its tokens do not
# have: one too many in the provider is tolerated. The other way round is not documented.
_issuer(p) := _own("issuer", object.union_n([_shown(p.issuer), _texts(["iss"], values), {
	"claim": "iss",
	"key": "iss",
	"operator": "equals",
	"wanted": p.issuer.value,
	"values": values,
	"unsure": [concat("", [p.issuer.value, "/"])],
	"tells": "unless satisfied",
	"message": "invalid_grant: the issuer in the ID token does not match the expected one",
}])) if {
	is_string(p.issuer.value)
	values := array.concat([p.issuer.value], [bare | bare := trim_suffix(p.issuer.value, "/"); bare != p.issuer.value])
} else := object.union(_shown(p.issuer), {
	"test": "unknown",
	"claim": "iss",
	"key": "iss",
	"operator": "equals",
	"message": "undecided: the provider's issuer is not known",
})

_audience(p) := object.union(_shown(p.audiences), {
	"test": "unknown",
	"claim": "aud",
	"key": "aud",
	"operator": "one of",
	"message": "undecided: the allowed audiences are not known",
}) if {
	"audiences" in p.hidden
} else := _own("audience", object.union_n([_shown(p.audiences), _audience_formula(values, unsure), {
	"claim": "aud",
	"key": "aud",
	"operator": "one of",
	"wanted": values,
	"values": values,
	"unsure": unsure,
	"tells": "unless satisfied",
	"message": "invalid_grant: the audience in the ID token does not match the expected one",
}])) if {
	values := _audiences(p)
	unsure := [pattern | pattern := _audience_pattern(p); values == []]
}

# What is configured replaces the default, which is the provider's full resource name.
_audiences(p) := p.audiences.value if {
	is_array(p.audiences.value)
	count(p.audiences.value) > 0
} else := [concat("", [scheme, _resource(p.project, p)]) | some scheme in ["", "https:"]] if {
	p.project != ""
} else := []

_resource(project, p) := sprintf("//iam.googleapis.com/projects/%s/locations/global/workloadIdentityPools/%s/providers/%s", [project, p.pool, p.name])

# Of a provider whose project number is not known.
_audience_pattern(p) := concat("", [`\A(https:)?`, _resource("[0-9]+", {"pool": _quoted(p.pool), "name": _quoted(p.name)}), `\z`])

_quoted("") := "[a-z0-9-]+"

_quoted(id) := regex.replace(id, `[^a-z0-9-]`, `\x00`) if id != ""

# Google takes a minute of leeway; it does not look at nbf, and how long a token may live is
# contradictory, so no lifetime is refused.
_times := [_own(name, {
	"claim": claim,
	"key": claim,
	"operator": operator,
	"analysis": "free",
	"tells": {"issued_at": "unless satisfied", "expiry": "always"}[name],
	"message": message,
}) |
	some [claim, name, operator, message] in [
		["iat", "issued_at", "not after now", "invalid_grant: the ID token has no iat, or was issued in the future: it is stale to sign-in"],
		["exp", "expiry", "not before now", "invalid_grant: the ID token has no exp, or is expired: it is stale to sign-in"],
	]
]

# Every mapping is evaluated on every exchange, whoever uses it. Nothing is converted.
_mapping(m) := object.union_n([_shown(m), _claim_of(m), {
	"test": "unknown",
	"operator": "is",
	"wanted": m.expression,
	"message": sprintf("undecided: %s: %s", [m.key, m.unread]),
}]) if {
	m.unread
} else := _own("mapping", object.union_n([_shown(m), _claim_of(m), {
	"mapped": m.key,
	"path": m.path,
	"doubts": m.needs,
	"names": m.reads,
	"failing": object.get(input.context, "failed_mapping", ""),
	"tells": "unless satisfied",
	"operator": _mapped_type[m.key],
	"analysis": "free",
	"formula": m.formula,
	"message": _mapping_message(m.key),
}])) if {
	m.formula
} else := object.union(_shown(m), {"test": "never", "operator": "is", "wanted": m.expression, "message": object.get(m, "invalid", "the expression cannot be read")})

_mapped_type := object.union(
	{m.key: sprintf("is text, as %s", [m.key]) | some p in _providers; some m in p.mappings},
	{"google.subject": "is text of 1 to 127 bytes, as google.subject", "google.groups": "is a list of texts, as google.groups"},
)

_mapping_message("google.subject") := "invalid_request: google.subject must be text of at most 127 bytes, and must be there"

_mapping_message("google.groups") := "unauthorized_client: google.groups must be a list of texts"

_mapping_message(key) := sprintf("unauthorized_client: The mapped attribute '%s' must be of type STRING.", [key]) if startswith(key, "attribute.")

_mapped_size(p) := [_own("mapped_size", {
	"paths_of": [m.path | some m in p.mappings; m.formula],
	"names_of": [m.key | some m in p.mappings; m.formula],
	"operator": "at most 8192 bytes together",
	"analysis": "free",
	"message": "invalid_request: the mapped attributes exceed 8 KB",
})] if {
	count(p.mappings) > 1
} else := []

# What a condition comes to, and where it is a conjunction of tests on claims also each of them:
# together they say the same, so the analysis reads those.
_condition(p) := array.concat(
	[_condition_test(p.condition)],
	[object.union_n([_shown(p.condition), conjunct, {"message": _rejected}]) | some conjunct in p.condition.conjuncts],
) if {
	p.condition
} else := [{"test": "always", "operator": "no attribute condition"}] if {
	_several
} else := []

_condition_test(c) := object.union(_shown(c), {
	"test": "unknown",
	"operator": "is true",
	"wanted": c.expression,
	"message": sprintf("undecided: %s", [c.unread]),
}) if {
	c.unread
} else := _own("condition", object.union(_shown(c), {
	"path": c.path,
	"doubts": c.needs,
	"names": c.reads,
	"tells": "unless satisfied",
	"operator": "is true",
	"wanted": c.expression,
	"analysis": _reading(c.conjuncts),
	"formula": c.formula,
	"message": _rejected,
})) if {
	c.formula
} else := object.union(_shown(c), {"test": "never", "operator": "is true", "wanted": c.expression, "message": object.get(c, "invalid", "the expression cannot be read")})

_rejected := "unauthorized_client: The given credential is rejected by the attribute condition."

# The conjuncts leave nothing for the whole to refuse.
_reading([]) := "formula"

_reading(conjuncts) := "free" if count(conjuncts) > 0

_shown(of) := object.filter(of, ["source", "pointer"])

_claim_of(m) := {"claim": m.claim, "key": m.claim} if m.claim

else := {"claim": m.expression}

# --- the bindings ---

# Bindings name the pool: whichever of its providers accepts the token, the identity is the same.
_bound := ways if {
	ways := array.concat(
		[{"conditions": array.flatten([_accepted(i), _pool(p, b), _member(p, b), _grants(b), _iam_condition(b)])} |
			some i, p in _providers
			some b in input.document.bindings
			_pool_of(p, b) != "no"
		],
		[{"conditions": [object.union(_shown(b), {"test": "never", "operator": "names the pool", "wanted": b.member, "message": _not_the_pool(b)})]} |
			some b in input.document.bindings
			every p in _providers {
				_pool_of(p, b) == "no"
			}
		],
	)
	count(ways) > 0
} else := [{"conditions": [{
	"test": "never",
	"operator": "bound",
	"message": "no binding names an identity of the pool",
}]}]

_unprovided := [{"conditions": array.flatten([
	object.union(_shown(b), {"test": "unknown", "operator": "is", "wanted": b.member, "message": "undecided: what a token maps to is not known without the provider"}),
	_grants(b),
	_iam_condition(b),
])} |
	some b in input.document.bindings
] if {
	count(input.document.bindings) > 0
} else := [{"conditions": [{"test": "never", "operator": "bound", "message": "no binding names an identity of a pool"}]}]

# One provider's own checks, as one condition.
_accepted(i) := [_own("accepted", object.union(_providers[i].shown, {
	"operator": "accepts the token",
	"wanted": _providers[i].name,
	"analysis": "of",
	"of": [condition | some name in object.keys(_checks); some condition in _checks[name][i]],
	"message": sprintf("provider %s does not accept the token", [_providers[i].name]),
}))] if {
	_several
} else := []

_everyone := {"everyone", "authenticated"}

_pool_of(_, b) := "yes" if b.what in _everyone

_pool_of(_, b) := "unknown" if {
	b.what == "unread"
	b.pool == ""
}

_pool_of(p, b) := _same(p, b) if {
	not b.what in _everyone
	b.pool != ""
}

_same(p, b) := "no" if {
	p.pool != b.pool
	p.pool != ""
} else := "no" if {
	not b.numbered
} else := "yes" if {
	p.pooled != ""
	p.pooled == b.project
} else := "unknown" if {
	"" in {p.project, p.pool}
} else := "unknown" if {
	startswith(b.project, "?")
} else := "yes" if {
	p.project == b.project
} else := "no"

_not_the_pool(b) := sprintf("projects/%s is no project number: a member with a project's id never matches", [b.project]) if {
	not b.numbered
} else := sprintf("the member names pool %s of project %s", [b.pool, b.project])

_pool(p, b) := [object.union(_shown(b), {
	"test": "unknown",
	"operator": "names the pool",
	"wanted": b.member,
	"message": "undecided: the project number is not known",
})] if {
	_pool_of(p, b) == "unknown"
	b.what != "unread"
} else := []

_member(p, b) := [object.union_n([_shown(b), _claim_of(mapping), {
	"test": "in",
	"reads": "claim",
	"values": [b.value],
	"operator": "equals",
	"wanted": b.value,
	"message": sprintf("the binding's member names another identity: %s", [b.member]),
}])] if {
	some mapping in p.mappings
	mapping.key == b.attribute
	mapping.claim
	b.what in {"subject", "attribute"}
	not b.decoded
} else := [_own("member", object.union_n([_shown(b), _claim_of(mapping), {
	"path": mapping.path,
	"doubts": mapping.needs,
	"names": mapping.reads,
	"what": b.what,
	"value": b.value,
	"decoded": object.get(b, "decoded", b.value),
	"tells": "unless satisfied",
	"operator": _member_operator[b.what],
	"wanted": b.value,
	"analysis": "formula",
	"formula": b.formulas[p.number],
	"message": sprintf("the binding's member names another identity: %s", [b.member]),
}]))] if {
	some mapping in p.mappings
	mapping.key == b.attribute
	mapping.formula
} else := [object.union(_shown(b), {"test": "unknown", "operator": "is", "wanted": b.member, "message": sprintf("undecided: the mapping of %s cannot be read", [b.attribute])})] if {
	some mapping in p.mappings
	mapping.key == b.attribute
} else := [object.union(_shown(b), {"test": "always", "operator": "any identity", "wanted": b.member})] if {
	b.what in {"pool", "everyone"}
} else := [object.union(_shown(b), {"test": "unknown", "operator": "any identity", "wanted": b.member, "message": "undecided: whether allAuthenticatedUsers includes federated identities depends on the resource"})] if {
	b.what == "authenticated"
} else := [object.union(_shown(b), {"test": "unknown", "operator": "is", "wanted": b.member, "message": sprintf("undecided: %s", [b.why])})] if {
	b.what == "unread"
} else := [object.union(_shown(b), {"test": "unknown", "operator": "is", "wanted": b.member, "message": "undecided: the mapping is not known"})] if {
	"mapping" in p.hidden
} else := [object.union(_shown(b), {"test": "never", "operator": "is", "wanted": b.member, "message": sprintf("the provider does not map %s", [b.attribute])})]

_member_operator := {"subject": "equals", "attribute": "equals", "group": "has the group"}

# Asked only where a service account was named: without one, whatever the role gives is access.
_grants(b) := [] if {
	not input.document.service_account
} else := [] if {
	b.role == ""
} else := [object.union(_shown(b), {"test": "always", "operator": "lets impersonate", "wanted": b.role})] if {
	b.role in _impersonating
} else := [object.union(_shown(b), {"test": "never", "operator": "lets impersonate", "wanted": b.role, "message": sprintf("%s does not let its members act as the service account", [b.role])})] if {
	b.role in _harmless
} else := [object.union(_shown(b), {"test": "unknown", "operator": "lets impersonate", "wanted": b.role, "message": sprintf("undecided: whether %s lets its members act as the service account", [b.role])})]

# iam.serviceAccounts.getAccessToken or getOpenIdToken. Read in November 2026.
_impersonating := {
	"roles/iam.workloadIdentityUser",
	"roles/iam.serviceAccountTokenCreator",
	"roles/iam.serviceAccountOpenIdTokenCreator",
}

_harmless := {
	"roles/iam.serviceAccountUser",
	"roles/iam.serviceAccountViewer",
	"roles/iam.securityReviewer",
	"roles/browser",
	"roles/viewer",
}

# IAM conditions look at the request's time and the resource, not at the token.
_iam_condition(b) := [object.union(_shown(b.condition), {"test": "always", "operator": "is true", "wanted": b.condition.expression})] if {
	b.condition.expression == "true"
} else := [object.union(_shown(b.condition), {
	"test": "unknown",
	"operator": "is true",
	"wanted": b.condition.expression,
	"message": "undecided: the binding's condition is about the request, not the token",
})] if {
	b.condition
} else := []

# --- what the analysis reads ---

_texts(path, values) := {"analysis": "formula", "formula": {
	"true": _test(path, "values", values),
	"false": {"op": "not", "of": [_test(path, "values", values)]},
}}

_test(path, kind, values) := {"op": "test", "test": {"path": array.concat(["assertion"], path), kind: values}}

_audience_formula(values, []) := {"analysis": "formula", "formula": {"true": fits, "false": {"op": "not", "of": [fits]}}} if {
	fits := {"op": "any", "of": [_test(["aud"], "values", values), _test(["aud"], "elements", values)]}
}

_audience_formula(_, unsure) := {"analysis": "unknown"} if unsure != []
