package bundles

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck/policies/platform/rego"
)

// User Rego is fenced: it may define only packages below these two, read no rule of ours
// but the matchers, and call nothing that reaches the network, the clock, the machine
// or a source of randomness.
var (
	userPackages = []string{"data.trustcheck.rules", "data.trustcheck.roles"}
	readable     = append([]string{"data.trustcheck.match"}, userPackages...)
	forbidden    = []string{
		"http.send", "net.lookup_ip_addr", "opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122", "rego.metadata.chain",
		"io.jwt.decode_verify", "providers.aws.sign_req",
	}
)

func capabilities() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	all.Builtins = slices.DeleteFunc(slices.Clone(all.Builtins), func(builtin *ast.Builtin) bool {
		return slices.Contains(forbidden, builtin.Name)
	})
	return all
}

// parseUserModule parses a user's file and refuses what lies outside the fence.
func parseUserModule(file, text string) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	if module == nil {
		return nil, fmt.Errorf("%s:1: want a Rego file with a package below trustcheck.rules or trustcheck.roles, got an empty file", file)
	}
	name := module.Package.Path.String()
	if !within(name, userPackages) {
		return nil, fmt.Errorf("%s:%d: package %s: want a package below trustcheck.rules or trustcheck.roles",
			file, module.Package.Location.Row, strings.TrimPrefix(name, "data."))
	}
	return module, fenced(file, module)
}

func fenced(file string, module *ast.Module) error {
	var outside error
	ast.WalkRefs(module, func(ref ast.Ref) bool {
		prefix := ref.ConstantPrefix().String()
		if within(prefix, []string{"data.trustcheck"}) && !within(prefix, readable) && outside == nil {
			row := module.Package.Location.Row
			if ref[0].Location != nil {
				row = ref[0].Location.Row
			}
			outside = fmt.Errorf("%s:%d: %s: rules may read data.trustcheck.match, data.trustcheck.rules and data.trustcheck.roles only",
				file, row, ref)
		}
		return false
	})
	return outside
}

func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+".") || strings.HasPrefix(path, root+"[")
	})
}

// explained describes the required rules to the policies, each with the parts of its
// `allow`, and adds the modules that evaluate those parts.
func explained(modules map[string]*ast.Module, require []string) ([]any, error) {
	required := []any{}
	for _, name := range require {
		path := ast.MustParseRef("data.trustcheck.rules").Append(ast.StringTerm(name))
		parts, found := []any{}, false
		for _, file := range slices.Sorted(maps.Keys(modules)) {
			module := modules[file]
			if !module.Package.Path.Equal(path) || !rego.Defines(module, "allow") {
				continue
			}
			found = true
			described, text := rego.Explain(module)
			if text == "" {
				continue
			}
			reasons, err := parseUserModule(file+" (reasons)", text)
			if err != nil {
				return nil, err
			}
			modules[file+" (reasons)"] = reasons
			parts = append(parts, described...)
		}
		if !found {
			return nil, fmt.Errorf("require %s: no rule trustcheck.rules.%s.allow was loaded", name, name)
		}
		required = append(required, map[string]any{"name": name, "parts": parts})
	}
	return required, nil
}
