package trustcheck.platform.azure

# METADATA
# description: |
#   Why Entra would refuse to write the credentials, where it refuses all of them; one that it
#   refuses among others is a warning.
# related_resources:
#   - https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
#   - https://learn.microsoft.com/entra/workload-id/workload-identities-flexible-federated-identity-credentials
role_errors := array.concat(
	[sprintf("%s: %s", [refusal.place, refusal.why]) |
		some c in _credentials
		some refusal in _refusals(c)
	],
	array.concat(
		[sprintf("want at most 20 credentials, got %d", [count(_credentials)]) | count(_credentials) > 20],
		[sprintf("%s: the issuer and subject of %s are taken by %s", [d.source, d.name, c.name]) |
			some i, c in _credentials
			some j, d in _credentials
			i < j
			is_string(c.subject.value)
			c.subject.value == d.subject.value
			c.issuer.value == d.issuer.value
		],
	),
)

_refusals(c) := array.flatten([
	[{"place": place(c, "issuer"), "why": "want an issuer, got none"} | c.issuer.value == null],
	[{"place": place(c, "issuer"), "why": "want no white space around it"} | is_string(c.issuer.value); trim_space(c.issuer.value) != c.issuer.value],
	[{"place": place(c, "audiences"), "why": sprintf("want exactly one, got %d", [count(c.audiences.value)])} | count(c.audiences.value) != 1],
	[{"place": place(c, "subject"), "why": "want subject or claimsMatchingExpression, got both"} | is_string(c.subject.value); c.expression],
	[{"place": place(c, "subject"), "why": "want subject or claimsMatchingExpression, got neither"} | c.subject.value == null; not c.expression],
	[{"place": place(c, name), "why": sprintf("want at most 600 characters, got %d", [count(c[name].value)])} |
		some name in ["issuer", "subject", "description"]
		is_string(c[name].value)
		count(c[name].value) > 600
	],
	[{"place": place(c, "audiences"), "why": "want at most 600 characters"} | some audience in c.audiences.value; is_string(audience); count(audience) > 600],
	[{"place": place(c, "name"), "why": sprintf("want 3 to 120 of A-Z, a-z, 0-9, _ and -, got %q", [c.name])} |
		is_string(c.name)
		not regex.match(`\A([^/]*/)*[A-Za-z0-9_-]{3,120}\z`, c.name)
	],
	[refusal | some refusal in _flexible(c)],
])

# METADATA
# description: The member of a credential, as it is called in messages.
# scope: document
place(c, name) := c[name].source if {
	is_object(c[name])
} else := trim_prefix(sprintf("%s.%s", [c.source, name]), ".")

# What the pages of 2026-08-14 and 2026-09-18 allow.
_flexible(c) := [] if {
	not c.expression
} else := [{"place": c.expression.source, "why": sprintf("want languageVersion 1, got %v", [c.expression.version])}] if {
	c.expression.version != 1
} else := [{"place": place(c, "issuer"), "why": sprintf("claimsMatchingExpression is not supported for the issuer %s", [c.issuer.value])}] if {
	is_string(c.issuer.value)
	not _issuer_kind(c.issuer.value)
} else := array.concat(
	[{"place": c.expression.source, "why": sprintf("the expression contains a claim that is not allowed: %s %s", [term.claim, term.operator])} |
		some term in object.get(c.expression, "terms", [])
		not [term.claim, term.operator] in _allowed[_issuer_kind(c.issuer.value)]
	],
	[{"place": c.expression.source, "why": "the expression lacks a required claim: sub"} |
		c.expression.terms
		_issuer_kind(c.issuer.value) != "gitlab"
		not "sub" in {term.claim | some term in c.expression.terms}
	],
)

_issuer_kind("https://token.actions.githubusercontent.com") := "github"

_issuer_kind(issuer) := "gitlab" if {
	is_string(issuer)
	regex.match(`\Ahttps://gitlab(\.[A-Za-z0-9.-]+)?\.com\z|\Ahttps://gitlab\.[A-Za-z0-9.-]+\.ca\z`, issuer)
}

_issuer_kind(issuer) := "terraform" if issuer in {"https://app.terraform.io", "https://app.eu.terraform.io"}

_allowed := {
	"github": {
		["sub", "eq"], ["sub", "matches"],
		["job_workflow_ref", "eq"], ["job_workflow_ref", "matches"],
		["repository_id", "eq"], ["repository_owner_id", "eq"],
	},
	"gitlab": {["sub", "eq"], ["sub", "matches"], ["project_id", "eq"], ["namespace_id", "eq"], ["user_id", "eq"]},
	"terraform": {["sub", "eq"], ["sub", "matches"]},
}

# METADATA
# description: |
#   What Entra writes without complaint although no token can ever fit, or what its pages
#   tell differently.
warnings := sort(_warning)

_warning contains message if {
	count(_written) > 0
	some c in input.document.credentials
	some refusal in _refusals(c)
	message := sprintf("Entra refuses to write this credential, and the others stay: %s: %s", [refusal.place, refusal.why])
}

_warning contains message if {
	some c in _credentials
	is_string(c.subject.value)
	contains(c.subject.value, "*")
	message := sprintf("%s: %q is compared literally: a subject knows no wildcards", [c.subject.source, c.subject.value])
}

_warning contains message if {
	some c in _credentials
	some exact in {
		"https://token.actions.githubusercontent.com", "https://gitlab.com",
		"https://app.terraform.io", "https://agent.buildkite.com",
	}
	is_string(c.issuer.value)
	c.issuer.value != exact
	lower(trim_suffix(c.issuer.value, "/")) == exact
	message := sprintf("%s: no token has the issuer %s: they have %s", [c.issuer.source, c.issuer.value, exact])
}

_warning contains message if {
	some c in _credentials
	some audience in c.audiences.value
	is_string(audience)
	not audience in {"api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina"}
	message := sprintf("%s: %s is not the audience that Microsoft recommends", [c.audiences.source, audience])
}

# Required since about 2026-07-15; older credentials live on.
_warning contains message if {
	some c in _credentials
	_issuer_kind(c.issuer.value) == "github"
	claims := {term.claim | some term in c.expression.terms}
	claims & {"repository_id", "repository_owner_id"} == set()
	message := sprintf("%s: no repository_id or repository_owner_id: Entra refuses to write this since July 2026", [c.expression.source])
}

_warning contains message if {
	some c in _credentials
	_issuer_kind(c.issuer.value) == "gitlab"
	claims := {term.claim | some term in c.expression.terms}
	_gitlab_disputed(claims)
	message := sprintf("%s: Microsoft's pages disagree about which claims GitLab credentials need and may name", [c.expression.source])
}

_gitlab_disputed(claims) if not "sub" in claims

_gitlab_disputed(claims) if not "project_id" in claims

_warning contains message if {
	some c in _credentials
	count(c.expression.value) > 128
	message := sprintf("%s: %d characters, one tenant reported a limit of 128", [c.expression.source, count(c.expression.value)])
}

_warning contains message if {
	count(_credentials) >= 18
	count(_credentials) <= 20
	message := sprintf("%d of 20 credentials are taken", [count(_credentials)])
}
