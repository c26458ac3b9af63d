# A role of your own: protected refs of two projects, by id.
package trustcheck.roles.production

import data.trustcheck.match

allow if {
	match.equals("ref_protected", "true")
	match.one_of("project_id", {"20", "21"})
}
