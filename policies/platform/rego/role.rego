# METADATA
# title: Roles written in Rego
# description: |
#   A role that its user wrote: `package trustcheck.roles.NAME` with a rule `allow`, which
#   reads input.claims, input.context, input.now and the matchers of
#   data.trustcheck.match. An undefined `allow` is deny, and so is every value but true.
package trustcheck.platform.rego

# METADATA
# description: One stage with one condition, that `allow` is true; its parts say why not.
stages := [{
	"name": "rules",
	"ways": [{"conditions": [{
		"test": "role",
		"role": input.document.name,
		"parts": input.document.parts,
		"operator": "allows",
		"source": concat(".", ["trustcheck.roles", input.document.name, "allow"]),
		"message": sprintf("trustcheck.roles.%s.allow is not true", [input.document.name]),
		"analysis": "rego",
	}]}],
	"refusals": [],
}]

# METADATA
# description: Nobody but the loader refuses a role written in Rego.
role_errors := []

# METADATA
# description: None.
warnings := []
