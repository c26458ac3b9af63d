package rego

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Explain takes the bodies of `allow` apart so that a refusal can name every requirement
// that was not met. Each expression, or group of expressions that share a variable, is a
// part; the module that it returns evaluates each part by itself, in the rule `__parts` of
// the same package. The parts only explain: the verdict is `allow` and nothing else.
func Explain(module *ast.Module) ([]any, string) {
	bodies := allowBodies(module)
	names := knownNames(module)
	parts := []any{}
	var rules strings.Builder
	for b, body := range bodies {
		for p, group := range groups(body, names) {
			text, err := format.AstWithOpts(group, format.Opts{RegoVersion: ast.RegoV1})
			if err != nil {
				return []any{}, ""
			}
			id := fmt.Sprintf("%d.%d", b+1, p+1)
			fmt.Fprintf(&rules, "\n__parts contains %q if {\n%s\n}\n", id, text)
			way := 0
			if len(bodies) > 1 {
				way = b + 1
			}
			parts = append(parts, part(id, way, group, strings.TrimSpace(string(text))))
		}
	}
	if len(parts) == 0 {
		return parts, ""
	}
	header := fmt.Sprintf("package %s\n", strings.TrimPrefix(module.Package.Path.String(), "data."))
	for _, imported := range module.Imports {
		if uses(bodies, imported) {
			header += imported.String() + "\n"
		}
	}
	generated := header + rules.String()
	// What the formatter writes is not always Rego again, as with an escape in a text.
	if _, err := ast.ParseModuleWithOpts("reasons.rego", generated, ast.ParserOptions{RegoVersion: ast.RegoV1}); err != nil {
		return []any{}, ""
	}
	return parts, generated
}

// uses reports whether a body needs an import: one that nothing needs does not compile.
func uses(bodies []ast.Body, imported *ast.Import) bool {
	root, _ := imported.Path.Value.(ast.Ref)
	if len(root) == 0 || !ast.RootDocumentNames.Contains(root[0]) {
		return true
	}
	found := false
	for _, body := range bodies {
		ast.WalkVars(body, func(name ast.Var) bool {
			found = found || name == imported.Name()
			return found
		})
	}
	return found
}

// allowBodies returns the bodies of all rules `allow` that can be true.
func allowBodies(module *ast.Module) []ast.Body {
	var bodies []ast.Body
	for _, rule := range module.Rules {
		if ruleName(rule) == "allow" && !rule.Default {
			bodies = append(bodies, rule.Body)
		}
	}
	return bodies
}

func ruleName(rule *ast.Rule) string {
	if name, ok := rule.Head.Ref()[0].Value.(ast.Var); ok {
		return string(name)
	}
	return ""
}

// knownNames are the names that are no variables of a body: the documents, the package's
// rules and its imports.
func knownNames(module *ast.Module) ast.VarSet {
	names := ast.NewVarSet("input", "data")
	for _, rule := range module.Rules {
		names.Add(ast.Var(ruleName(rule)))
	}
	for _, imported := range module.Imports {
		names.Add(imported.Name())
	}
	return names
}

// groups splits a body into the smallest runs of expressions that share no variable.
func groups(body ast.Body, known ast.VarSet) []ast.Body {
	var result []ast.Body
	var variables []ast.VarSet
	for _, expression := range body {
		group, used := ast.Body{expression}, locals(expression, known)
		kept := 0
		for i := range result {
			if len(variables[i].Intersect(used)) > 0 {
				group = append(slices.Clone(result[i]), group...)
				used.Update(variables[i])
				continue
			}
			result[kept], variables[kept] = result[i], variables[i]
			kept++
		}
		result, variables = append(result[:kept], group), append(variables[:kept], used)
	}
	return result
}

func locals(expression *ast.Expr, known ast.VarSet) ast.VarSet {
	visitor := ast.NewVarVisitor().WithParams(ast.VarVisitorParams{SkipRefCallHead: true})
	visitor.Walk(expression)
	used := ast.NewVarSet()
	for name := range visitor.Vars() {
		if !known.Contains(name) && !name.IsWildcard() {
			used.Add(name)
		}
	}
	return used
}

// part describes a group: the claim that it reads and the value that it wants where
// these can be told from its shape.
func part(id string, way int, group ast.Body, text string) map[string]any {
	shown := map[string]any{
		"stage":    "rules",
		"operator": strings.Join(strings.Fields(text), " "),
		"line":     group[0].Location.Row,
		"message":  "requirement not met: " + strings.Join(strings.Fields(text), " "),
	}
	if way > 0 {
		shown["way"] = way
	}
	described := map[string]any{"id": id, "shown": shown}
	claims := claimsRead(group)
	if len(claims) != 1 {
		return described
	}
	shown["claim"], described["reads"], described["key"] = claims[0], "claim", claims[0]
	if wanted, ok := wantedBy(group); ok {
		shown["operator"], shown["wanted"] = "requires", wanted
	}
	return described
}

var claimsRef = ast.MustParseRef("input.claims")

func claimsRead(group ast.Body) []string {
	var claims []string
	add := func(term *ast.Term) {
		if name, ok := term.Value.(ast.String); ok && !slices.Contains(claims, string(name)) {
			claims = append(claims, string(name))
		}
	}
	ast.WalkRefs(group, func(ref ast.Ref) bool {
		if len(ref) > len(claimsRef) && ref.HasPrefix(claimsRef) {
			add(ref[len(claimsRef)])
		}
		return false
	})
	for _, expression := range group {
		if operands, ok := matcherCall(expression); ok {
			add(operands[0])
		}
	}
	return claims
}

// matcherCall returns the operands of a call of one of our matchers.
func matcherCall(expression *ast.Expr) ([]*ast.Term, bool) {
	if !expression.IsCall() || len(expression.Operands()) == 0 {
		return nil, false
	}
	operator := expression.Operator().String()
	return expression.Operands(), strings.HasPrefix(operator, "match.") || strings.HasPrefix(operator, "data.trustcheck.match.")
}

func wantedBy(group ast.Body) (any, bool) {
	if len(group) != 1 || group[0].Negated {
		return nil, false
	}
	operands := group[0].Operands()
	if _, ok := matcherCall(group[0]); ok {
		operands = operands[1:]
	} else if !group[0].IsEquality() && !isEqual(group[0]) {
		return nil, false
	}
	for _, operand := range operands {
		if ast.IsConstant(operand.Value) {
			plain, err := ast.JSON(operand.Value)
			if _, bad := json.Marshal(plain); err == nil && bad == nil {
				return plain, true
			}
		}
	}
	return nil, false
}

func isEqual(expression *ast.Expr) bool {
	return expression.IsCall() && expression.Operator().Equal(ast.Equal.Ref())
}
