package bundles

import (
	"context"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Rules generated from a role's expressions read the claims and data.trustcheck.cel, and
// nothing else. So they compile alone, in a few milliseconds whatever else is loaded, and
// their values are handed to the policies as input.generated. An OPA of its own finds the
// same rules below data.trustcheck.generated.
const (
	generatedPackages = "data.trustcheck.generated"
	generatedLibrary  = "data.trustcheck.cel"
	// generatedKept is how many roles' compiled rules are kept, some 0.4 MB each.
	generatedKept = 256
	// generatedValues gathers what the policies read of the rules.
	generatedValues = `{
		"value": {name: value | some name; value := data.trustcheck.generated[name].value},
		"undecided": {name: doubt | some name; doubt := count(data.trustcheck.generated[name].undecided) > 0},
	}`
)

// generated is a role's generated modules with the digest that they are kept under.
type generated struct {
	modules map[string]string
	digest  string
}

// Generated returns the modules that were generated from the role's expressions, text by
// file name: they belong into a bundle that decides about the role.
func (r *Role) Generated() map[string]string {
	if r.generated == nil {
		return nil
	}
	return r.generated.modules
}

// generates compiles what a role generated, so that what does not compile is an error now.
func (b *Bundle) generates(ctx context.Context, modules map[string]string) (*generated, error) {
	if len(modules) == 0 {
		return nil, nil
	}
	brought := &generated{modules: modules, digest: digest(modules)}
	_, err := b.generatedQuery(ctx, brought)
	return brought, err
}

func (b *Bundle) generatedQuery(ctx context.Context, brought *generated) (rego.PreparedEvalQuery, error) {
	if prepared, ok := b.compiled.Get(brought.digest); ok {
		return prepared, nil
	}
	modules := map[string]*ast.Module{}
	for file, module := range b.modules {
		if within(module.Package.Path.String(), []string{generatedLibrary}) {
			modules[file] = module.Copy()
		}
	}
	for file, text := range brought.modules {
		module, err := parseGenerated(file, text)
		if err != nil {
			return rego.PreparedEvalQuery{}, err
		}
		modules[file] = module
	}
	compiler, err := compile(modules)
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	prepared, err := query(ctx, generatedValues, compiler, b.engine.store)
	if err == nil {
		b.compiled.Add(brought.digest, prepared)
	}
	return prepared, err
}

// parseGenerated holds a generated module to its place: it was written from what users wrote.
func parseGenerated(file, text string) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	name := module.Package.Path.String()
	if !within(name, []string{generatedPackages}) {
		return nil, fmt.Errorf("%s: package %s: want one below trustcheck.generated", file, strings.TrimPrefix(name, "data."))
	}
	return module, nil
}

// evaluated adds the values of the role's generated rules to the input.
func (b *Bundle) evaluated(ctx context.Context, role *Role, input ast.Object, cancel topdown.Cancel) error {
	if role.generated == nil {
		return nil
	}
	question, err := b.generatedQuery(ctx, role.generated)
	if err != nil {
		return err
	}
	values, err := b.eval(ctx, question, input, cancel)
	if err == nil {
		input.Insert(ast.StringTerm("generated"), ast.NewTerm(values))
	}
	return err
}
