// Package rego prepares roles that their users wrote in Rego.
package rego

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// Kind is what a carrier calls a Rego file.
const Kind = "rego"

// rolePackage is where roles live; the element behind it is the role's name.
var rolePackage = ast.MustParseRef("data.trustcheck.roles")

// Platform describes roles in Rego to the loader.
func Platform() platform.Platform {
	return platform.Platform{Name: "rego", Recognise: recognise, Prepare: prepare}
}

func recognise(doc *trustcheck.Document) bool {
	text, ok := source(doc)
	return ok && strings.Contains(text, "package trustcheck.roles.")
}

// source returns the Rego text of a document: a Rego file, a JSON text, or {"rego": text}.
func source(doc *trustcheck.Document) (string, bool) {
	switch value := doc.Value.(type) {
	case string:
		return value, true
	case map[string]any:
		text, ok := value["rego"].(string)
		return text, ok
	default:
		return "", false
	}
}

func prepare(doc *trustcheck.Document, _ map[string]any) (*platform.Prepared, error) {
	text, ok := source(doc)
	if !ok {
		return nil, fmt.Errorf(`%s:%d: want Rego text, or an object with the text in "rego"`, doc.File, doc.Line)
	}
	file := doc.File
	if doc.Kind != Kind {
		file += ".rego"
	}
	module, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	if module == nil {
		return nil, fmt.Errorf("%s:1: want `package trustcheck.roles.NAME` with a rule `allow`, got an empty file", file)
	}
	path := module.Package.Path
	if len(path) != len(rolePackage)+1 || !path.HasPrefix(rolePackage) {
		return nil, fmt.Errorf("%s:%d: package %s: want package trustcheck.roles.NAME",
			file, module.Package.Location.Row, strings.TrimPrefix(path.String(), "data."))
	}
	name := string(path[len(path)-1].Value.(ast.String))
	parts, reasons := Explain(module)
	if len(parts) == 0 && !Defines(module, "allow") {
		return nil, fmt.Errorf("%s:%d: package trustcheck.roles.%s has no rule `allow`", file, module.Package.Location.Row, name)
	}
	if doc.Kind != Kind {
		for _, part := range parts {
			delete(part.(map[string]any)["shown"].(map[string]any), "line")
		}
	}
	prepared := &platform.Prepared{
		Name:     name,
		Document: map[string]any{"name": name, "parts": parts},
		Modules:  map[string]string{file: text},
	}
	if reasons != "" {
		prepared.Modules[file+" (reasons)"] = reasons
	}
	return prepared, nil
}

// Defines reports whether a module has a rule of this name.
func Defines(module *ast.Module, name string) bool {
	for _, rule := range module.Rules {
		if ruleName(rule) == name {
			return true
		}
	}
	return false
}
