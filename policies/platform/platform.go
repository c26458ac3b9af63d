// Package platform knows the relying parties whose rules are reproduced below this
// folder. What a platform decides is Rego; its Go part knows its documents by shape and
// prepares them, and decides nothing.
package platform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
)

// Prepared is a role's document made ready for the platform's Rego.
type Prepared struct {
	// Name is the role's name where the document knows it.
	Name string
	// Document is what the platform's Rego reads as input.document: JSON values
	// with numbers as json.Number.
	Document map[string]any
	// Pointer turns a pointer into the role, as conditions carry it, into one into
	// the document that was read.
	Pointer string
	// Modules are Rego files that the role brings, text by file name: the user's own
	// rules.
	Modules map[string]string
	// Generated are Rego files translated from expressions of the platform's own language,
	// text by file name, with packages below trustcheck.generated.
	Generated map[string]string
	// Warnings name what the platform ignores in silence.
	Warnings []string
	// Unknown names members of the role whose value is not known offline, with the
	// reason; they make the role undecided.
	Unknown []string
}

// Platform is one relying party.
type Platform struct {
	// Name is the word used for it everywhere: folder, flag, JSON.
	Name string
	// Recognise says whether a document is one of this platform's roles.
	Recognise func(*trustcheck.Document) bool
	// Prepare makes a document ready; context is what is known beside role and token.
	// Its error names the place and says what came and what was wanted.
	Prepare func(doc *trustcheck.Document, context map[string]any) (*Prepared, error)
	// Beside finds, among the documents that were read together with a role, what its
	// context gains from them: the auth method's configuration, the provider's client ids.
	// Nil where a platform needs nothing.
	Beside func(role *trustcheck.Document, all []*trustcheck.Document) map[string]any
	// PerToken lists the members of the context that belong to a request, not to the
	// role: a prepared role does not depend on them.
	PerToken []string
	// ClaimsInput adds to the input what the claims' JSON values cannot hold; nil where
	// the platform needs nothing.
	ClaimsInput func(claims ast.Object, context map[string]any) [][2]*ast.Term
}

// Platforms is the set of platforms by name.
type Platforms map[string]Platform

// Names returns the names in order.
func (p Platforms) Names() []string { return slices.Sorted(maps.Keys(p)) }

// Named returns the platform called name.
func (p Platforms) Named(name string) (Platform, error) {
	if found, ok := p[name]; ok {
		return found, nil
	}
	return Platform{}, fmt.Errorf("unknown platform %q: want one of %s", name, strings.Join(p.Names(), ", "))
}

// Find returns the platform called name or, when name is empty, the one that
// recognises the document.
func (p Platforms) Find(name string, doc *trustcheck.Document) (Platform, error) {
	if name != "" {
		return p.Named(name)
	}
	for _, known := range p.Names() {
		if p[known].Recognise(doc) {
			return p[known], nil
		}
	}
	return Platform{}, fmt.Errorf("%s:%d: not a role of any known platform (%s): name the platform, or check the file",
		doc.File, doc.Line, strings.Join(p.Names(), ", "))
}

// PerToken lists the members of the context that belong to a request for every platform
// that reads them.
func (p Platforms) PerToken() []string {
	var common []string
	for _, name := range p.Names() {
		common = append(common, p[name].PerToken...)
	}
	slices.Sort(common)
	return slices.Compact(common)
}
