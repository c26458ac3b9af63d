package bundles

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// Role is a document made ready to be asked about tokens.
type Role struct {
	Ref trustcheck.RoleRef
	// Refused says why the platform would not store the role; empty when it would.
	Refused string
	// Warnings name what the platform ignores, or stores although no token can fit.
	Warnings []string

	prepared   ast.Value
	conditions []condition
	platform   platform.Platform
	engine     *engine
	generated  *generated
}

// Platform finds the platform that a document belongs to; name may be empty where the
// document's shape tells.
func (b *Bundle) Platform(name string, doc *trustcheck.Document) (platform.Platform, error) {
	return b.platforms.Find(name, doc)
}

// Prepare makes a role ready. platformName may be empty where the document's shape
// tells; context is what the platform knows beside role and token. An error means that
// this is no role of that platform, with the place and what was wanted; a role that the
// platform itself would refuse has Refused set instead.
func (b *Bundle) Prepare(ctx context.Context, doc *trustcheck.Document, platformName string, context map[string]any) (*Role, error) {
	known, err := b.platforms.Find(platformName, doc)
	if err != nil {
		return nil, err
	}
	ready, err := known.Prepare(doc, context)
	if err != nil {
		return nil, err
	}
	role := &Role{
		Ref:      trustcheck.RoleRef{Name: ready.Name, Platform: known.Name, File: doc.File, Line: doc.Line},
		Warnings: append(append([]string(nil), doc.Warnings...), ready.Warnings...),
		platform: known,
		engine:   b.engine,
	}
	if role.Ref.Name == "" {
		role.Ref.Name = doc.Name
	}
	if len(ready.Modules) > 0 {
		if role.engine, err = b.extended(ctx, ready.Modules); err != nil {
			return nil, err
		}
	}
	if role.generated, err = b.generates(ctx, ready.Generated); err != nil {
		return nil, fmt.Errorf("%s:%d: compile the role's expressions: %w", doc.File, doc.Line, err)
	}
	result, err := b.lower(ctx, known.Name, ready, context)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: prepare the role: %w", doc.File, doc.Line, err)
	}
	for _, message := range texts(result, "role_errors") {
		role.Refused = message
		break
	}
	role.Warnings = append(role.Warnings, texts(result, "warnings")...)
	role.prepared = placed(result, doc, ready.Pointer)
	if role.conditions, err = conditions(role.prepared, doc.File); err != nil {
		return nil, fmt.Errorf("%s:%d: prepare the role: %w", doc.File, doc.Line, err)
	}
	return role, nil
}

// condition is what can be said of one condition before there is a token.
type condition struct {
	reason  trustcheck.Reason
	parts   []condition
	covered bool
	// paths are the places of the claim that it reads; at most one exists in any token.
	paths []ast.Ref
}

// conditions lists the conditions of a prepared role in the order of its statuses.
func conditions(prepared ast.Value, file string) ([]condition, error) {
	object, ok := prepared.(ast.Object)
	if !ok {
		return nil, errors.New("the prepared role is not an object")
	}
	var all []condition
	complete := true
	each(object, "conditions", func(found ast.Object) {
		known, ok := readCondition(found, file)
		complete = complete && ok
		all = append(all, known)
	})
	if !complete {
		return nil, errors.New("a condition does not say what it shows")
	}
	return all, nil
}

func readCondition(found ast.Object, file string) (condition, bool) {
	shown, ok := value(found, "shown").(ast.Object)
	if !ok {
		return condition{}, false
	}
	known := condition{
		covered: value(found, "covered") == ast.Boolean(true),
		paths:   paths(found),
		reason: trustcheck.Reason{
			Stage:    text(shown, "stage"),
			Claim:    text(shown, "claim"),
			Operator: text(shown, "operator"),
			Source:   text(shown, "source"),
			Message:  text(shown, "message"),
			Refuses:  value(shown, "refuses") != nil,
			Way:      number(shown, "way"),
			Line:     number(shown, "line"),
		},
	}
	if known.reason.Line > 0 {
		known.reason.File = file
	}
	if wanted := value(shown, "wanted"); wanted != nil {
		known.reason.Wanted = spell(wanted)
	}
	each(found, "parts", func(part ast.Object) {
		read, complete := readCondition(part, file)
		ok = ok && complete
		known.parts = append(known.parts, read)
	})
	return known, ok
}

func paths(found ast.Object) []ast.Ref {
	if key, ok := value(found, "key").(ast.String); ok {
		return []ast.Ref{{ast.StringTerm(string(key))}}
	}
	list, ok := value(found, "paths").(*ast.Array)
	if !ok {
		return nil
	}
	var all []ast.Ref
	list.Foreach(func(path *ast.Term) {
		if steps, ok := path.Value.(*ast.Array); ok {
			var ref ast.Ref
			steps.Foreach(func(step *ast.Term) { ref = append(ref, step) })
			all = append(all, ref)
		}
	})
	return all
}

// each calls visit for the objects of a list.
func each(object ast.Object, key string, visit func(ast.Object)) {
	list, ok := value(object, key).(*ast.Array)
	if !ok {
		return
	}
	list.Foreach(func(element *ast.Term) {
		if member, ok := element.Value.(ast.Object); ok {
			visit(member)
		}
	})
}

func number(object ast.Object, key string) int {
	found, _ := value(object, key).(ast.Number)
	whole, _ := found.Int()
	return whole
}

// withoutPlatforms stands in for trust/platforms.rego where no platform is loaded.
const withoutPlatforms = `package trustcheck.trust

default platform_test(_, _) := "unknown"

platform_tells(_, condition) := condition.nothing
`

// extended compiles the modules that a role brings together with the judge, the matchers and
// the user's other rules. No platform's own tests are asked for such a role, so the
// platforms, by far the largest part, stay out.
func (b *Bundle) extended(ctx context.Context, brought map[string]string) (*engine, error) {
	modules := make(map[string]*ast.Module, len(b.modules)+len(brought))
	for file, module := range b.modules {
		name := module.Package.Path.String()
		if file == "trust/platforms.rego" || within(name, []string{"data.trustcheck.platform", generatedLibrary}) {
			continue
		}
		modules[file] = module.Copy()
	}
	stub, err := ast.ParseModule("trust/platforms.rego", withoutPlatforms)
	if err != nil {
		return nil, err
	}
	modules["trust/platforms.rego"] = stub
	for file, text := range brought {
		module, err := parseUserModule(file, text)
		if err != nil {
			return nil, err
		}
		modules[file] = module
	}
	compiler, err := compile(modules)
	if err != nil {
		return nil, err
	}
	return newEngine(ctx, compiler)
}

// lower asks the platform's Rego for the stages of a role.
func (b *Bundle) lower(ctx context.Context, name string, ready *platform.Prepared, context map[string]any) (ast.Object, error) {
	surroundings := maps.Clone(context)
	if surroundings == nil {
		surroundings = map[string]any{}
	}
	input, err := ast.InterfaceToValue(map[string]any{
		"platform": name,
		"document": ready.Document,
		"context":  surroundings,
		"unknown":  ready.Unknown,
		"require":  b.require,
	})
	if err != nil {
		return nil, err
	}
	results, err := b.prepare.Eval(ctx, rego.EvalParsedInput(input), rego.EvalInterQueryBuiltinValueCache(b.values))
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, errors.New("the platform's rules gave no stages")
	}
	return results[0].Expressions[0].Value.(*ast.Term).Value.(ast.Object), nil
}

// placed is what was prepared, with the line of its member in the document in every
// condition. Terms are made anew: what Rego returns shares its own with the policies, and
// with OPA's interned ones, which others are reading.
func placed(prepared ast.Value, doc *trustcheck.Document, at string) ast.Value {
	switch prepared := prepared.(type) {
	case ast.Object:
		copied := ast.NewObject()
		prepared.Foreach(func(key, member *ast.Term) {
			below := placed(member.Value, doc, at)
			if shown, ok := below.(ast.Object); ok && key.Equal(ast.StringTerm("shown")) {
				if line, given := lineOf(shown, doc, at); given {
					shown.Insert(ast.StringTerm("line"), ast.IntNumberTerm(line))
				}
			}
			copied.Insert(key, ast.NewTerm(below))
		})
		return copied
	case *ast.Array:
		elements := make([]*ast.Term, 0, prepared.Len())
		prepared.Foreach(func(element *ast.Term) {
			elements = append(elements, ast.NewTerm(placed(element.Value, doc, at)))
		})
		return ast.NewArray(elements...)
	case ast.Set:
		copied := ast.NewSet()
		prepared.Foreach(func(element *ast.Term) {
			copied.Add(ast.NewTerm(placed(element.Value, doc, at)))
		})
		return copied
	default:
		return prepared
	}
}

// lineOf is the line of the member that a condition is shown for.
func lineOf(shown ast.Object, doc *trustcheck.Document, at string) (int, bool) {
	pointer := text(shown, "pointer")
	if source := text(shown, "source"); pointer == "" && source != "" && !strings.Contains(source, ".") {
		pointer = "/" + source
	}
	place, given := doc.Positions[at+pointer]
	return place.Line, pointer != "" && given
}

func value(object ast.Object, key string) ast.Value {
	if found := object.Get(ast.StringTerm(key)); found != nil {
		return found.Value
	}
	return nil
}

func text(object ast.Object, key string) string {
	found, _ := value(object, key).(ast.String)
	return string(found)
}

func texts(object ast.Object, key string) []string { return textsOf(value(object, key)) }

func textsOf(list ast.Value) []string {
	array, ok := list.(*ast.Array)
	if !ok {
		return nil
	}
	all := make([]string, 0, array.Len())
	array.Foreach(func(element *ast.Term) {
		if found, ok := element.Value.(ast.String); ok {
			all = append(all, string(found))
		}
	})
	return all
}
