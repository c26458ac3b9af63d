# A rule that can be required on top of any role: no pipeline started by hand.
package trustcheck.rules.no_web

allow if input.claims.pipeline_source in {"push", "schedule"}
