package trustcheck.platform.gcp

# METADATA
# description: |
#   Why Google would refuse to store the providers, where it refuses all of them; one that it
#   refuses among others is a warning. Expressions are checked for syntax and types, literals
#   of different types included.
# related_resources:
#   - https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools.providers
role_errors := [sprintf("INVALID_ARGUMENT: %s: %s", [refusal.place, refusal.why]) |
	some p in _providers
	some refusal in _refusals(p)
]

_refusals(p) := [] if {
	p.other != ""
} else := array.flatten([
	[{"place": p.issuer.source, "why": "want an issuer, got none"} | p.issuer.value == null],
	[{"place": p.issuer.source, "why": sprintf("want an https:// URL, got %q", [p.issuer.value])} |
		is_string(p.issuer.value)
		not startswith(p.issuer.value, "https://")
	],
	[{"place": p.audiences.source, "why": sprintf("want at most 10 audiences, got %d", [count(p.audiences.value)])} |
		is_array(p.audiences.value)
		count(p.audiences.value) > 10
	],
	[{"place": p.audiences.source, "why": "want audiences of at most 256 characters"} |
		some audience in p.audiences.value
		is_string(audience)
		count(audience) > 256
	],
	[{"place": "attributeMapping", "why": "want a mapping of google.subject"} | count([m | some m in p.mappings; m.key == "google.subject"]) == 0],
	[{"place": "attributeMapping", "why": sprintf("want at most 50 custom attributes, got %d", [custom])} |
		custom := count([m | some m in p.mappings; startswith(m.key, "attribute.")])
		custom > 50
	],
	[{"place": m.source, "why": sprintf("want google.subject, google.groups or attribute.NAME of [a-z0-9_], got %q", [m.key])} |
		some m in p.mappings
		not regex.match(`\A(google\.subject|google\.groups|attribute\.[a-z0-9_]{1,100})\z`, m.key)
	],
	[{"place": m.source, "why": "want at most 2048 characters"} | some m in p.mappings; count(m.expression) > 2048],
	[{"place": m.source, "why": m.invalid} | some m in p.mappings; m.invalid],
	[{"place": p.condition.source, "why": "want at most 4096 characters"} | count(p.condition.expression) > 4096],
	[{"place": p.condition.source, "why": p.condition.invalid} | p.condition.invalid],
])

# METADATA
# description: |
#   What Google stores without complaint although no token can ever fit, or though it binds
#   less than it seems.
warnings := sort(_warning)

_warning contains message if {
	count(_stored) > 0
	some p in _numbered
	some refusal in _refusals(p)
	message := sprintf("Google refuses to store this provider, and the others stay: INVALID_ARGUMENT: %s: %s", [refusal.place, refusal.why])
}

# https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines,
# read in November 2026. Older providers were left alone.
_shared := {
	"https://token.actions.githubusercontent.com": "GitHub",
	"https://gitlab.com": "GitLab.com",
	"https://app.terraform.io": "HCP Terraform",
}

_warning contains message if {
	some p in _providers
	some issuer, name in _shared
	is_string(p.issuer.value)
	trim_suffix(p.issuer.value, "/") == issuer
	_unconditional(p)
	message := sprintf("%s: no condition, and every customer of %s has tokens of this issuer; Google refuses to store such a provider today", [p.name, name])
}

_unconditional(p) if not p.condition

_unconditional(p) if trim_space(p.condition.expression) == "true"

_warning contains message if {
	some b in input.document.bindings
	b.what in {"subject", "group", "attribute"}
	not b.numbered
	message := sprintf("%s: %s is no project number: the binding never matches", [b.source, b.project])
}

_warning contains message if {
	some b in input.document.bindings
	b.what == "attribute"
	count(_providers) > 0
	every p in _providers {
		not b.attribute in {m.key | some m in p.mappings}
	}
	message := sprintf("%s: no provider maps %s: the binding never matches", [b.source, b.attribute])
}

_warning contains message if {
	some b in input.document.bindings
	b.what in {"everyone", "authenticated"}
	message := sprintf("%s: %s is more than the identities of the pool", [b.source, b.member])
}

_warning contains message if {
	some b in input.document.bindings
	b.what == "attribute"
	contains(b.value, "/attribute.")
	message := sprintf("%s: a member names one attribute: all of %q is its value", [b.source, b.value])
}
