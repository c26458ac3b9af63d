// Package verifier answers who said this: it turns a compact JWT into a verified
// [Token] or into every reason why not.
package verifier
