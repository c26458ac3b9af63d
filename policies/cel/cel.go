package cel

import (
	_ "embed"
	"fmt"
	"strings"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

// Bounds of an expression. What exceeds the first is Invalid, as no platform
// takes it; what exceeds one of the others is Unsupported.
const (
	maxBytes    = 16 << 10 // of source text
	maxDepth    = 64       // of the syntax tree
	maxNodes    = 4096     // of the syntax tree, macros expanded
	maxMacros   = 3        // nested in each other: the cost is the product of their ranges
	maxRounds   = 4096     // of nested macros over lists that are written out
	maxFormula  = 2048     // nodes of a formula; a larger one becomes unknown
	maxSteps    = 4096     // questions asked for a formula, of each element of a written list anew
	maxCases    = 16       // of a value
	maxParsing  = 200      // recursion of the parser
	maxTemplate = 2048     // bytes of an extract template
)

//go:embed cel.rego
var library string

// Library returns the Rego module that every generated module imports. Its
// package is trustcheck.cel.
func Library() string { return library }

// Functions says which functions an expression may call beside CEL's own.
type Functions int

const (
	// Google is Google Cloud's workload identity federation: split, join and
	// extract. The other functions of CEL's string extension are refused as not
	// known to be available there.
	Google Functions = iota
	// Strings is CEL's string extension, as Kubernetes and OpenBao have it. Both
	// have more libraries, so a function that is not known here is Unsupported
	// rather than Invalid.
	Strings
)

// Result is the type an expression must have.
type Result int

// An expression whose checked type cannot be the wanted one is Invalid; a value
// that turns out to have another type while evaluating is the caller's to refuse.
const (
	Any    Result = iota
	Bool          // a condition
	String        // a text
)

// Variable is a name that an expression can use.
type Variable struct {
	// Name is a CEL identifier, for example "assertion".
	Name string
	// Ref is the Rego reference that holds the value, for example "input.claims"
	// or `data.trustcheck.generated["x"].attributes`. Undefined is an error.
	Ref string
	// Scalar is set when the value need not be a map with text keys.
	Scalar bool
	// Members, when not nil, says what the members of the variable are: the
	// programs whose values stand there. Only the formula reads it; a member that
	// is not listed does not exist.
	Members map[string]*Program
}

// Env is what an expression is translated against.
type Env struct {
	Variables []Variable
	Functions Functions
	Result    Result
	// Package is the path of the generated Rego package below data, for example
	// `trustcheck.generated["ci/gitlab"]`.
	Package string
}

// Program is an expression in Rego, and what it says as formulas.
type Program struct {
	// Source is a Rego module of package Package. It imports data.trustcheck.cel
	// and refers to nothing else but the variables' references.
	Source string
	// Entry is the full reference of the rule that holds the value. It is
	// undefined where CEL has an error.
	Entry string
	// Undecided is the full reference of a set of texts. While it is not empty the
	// value turns on something that JSON does not tell, such as whether a number is
	// an int or a double, and must not be used.
	Undecided string
	// True and False say when the expression is true and when it is false; it is
	// an error, or no boolean, otherwise.
	True, False Formula
	// Cases says what the value is, for a variable's Members.
	Cases []Case
}

// Unsupported is the error for an expression that is valid CEL and outside the
// translated subset. Line and Column count from 1, columns in code points.
type Unsupported struct {
	Line, Column int
	Reason       string
}

func (e *Unsupported) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Reason)
}

// Invalid is the error for what is not valid CEL in its environment: it does not
// parse, does not type-check, or does not have the wanted type.
type Invalid struct {
	Line, Column int
	Reason       string
}

func (e *Invalid) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Reason)
}

// Translate translates a CEL expression. Its error is *Invalid, *Unsupported, or
// another error when env itself is unusable.
func Translate(expr string, env Env) (*Program, error) {
	checked, err := check(expr, env)
	if err != nil {
		return nil, err
	}
	w := &writer{tree: checked, env: env, uses: map[string]bool{}}
	source, err := w.module()
	if err != nil {
		return nil, err
	}
	r := &reader{tree: checked, env: env}
	whenTrue, whenFalse := r.truth(checked.Expr())
	return &Program{
		Source:    source,
		Entry:     "data." + env.Package + ".value",
		Undecided: "data." + env.Package + ".undecided",
		True:      bounded(whenTrue),
		False:     bounded(whenFalse),
		Cases:     boundedCases(r.cases(checked.Expr())),
	}, nil
}

// check parses and type-checks, and refuses what no later step may see.
func check(expr string, env Env) (*ast.AST, error) {
	if len(expr) > maxBytes {
		return nil, &Invalid{Line: 1, Column: 1, Reason: fmt.Sprintf("expression of %d bytes, want at most %d", len(expr), maxBytes)}
	}
	celEnv, err := environment(env)
	if err != nil {
		return nil, err
	}
	parsed, issues := celEnv.Parse(expr)
	if issues.Err() != nil {
		return nil, invalid(issues.Errors())
	}
	if err := bound(parsed.NativeRep()); err != nil {
		return nil, err
	}
	if env.Functions == Strings {
		if err := foreign(celEnv, parsed.NativeRep()); err != nil {
			return nil, err
		}
	}
	checked, issues := celEnv.Check(parsed)
	if issues.Err() != nil {
		return nil, invalid(issues.Errors())
	}
	if err := wanted(checked.OutputType(), env.Result); err != nil {
		return nil, err
	}
	return checked.NativeRep(), nil
}

func environment(env Env) (*celgo.Env, error) {
	opts := []celgo.EnvOption{
		celgo.ParserExpressionSizeLimit(maxBytes),
		celgo.ParserRecursionLimit(maxParsing),
		ext.Strings(),
	}
	switch env.Functions {
	case Google:
		opts = append(opts, celgo.Function("extract",
			celgo.MemberOverload("string_extract_string", []*celgo.Type{celgo.StringType, celgo.StringType}, celgo.StringType)))
	case Strings:
		opts = append(opts, celgo.OptionalTypes())
	default:
		return nil, fmt.Errorf("no function set %d", env.Functions)
	}
	for _, v := range env.Variables {
		t := celgo.MapType(celgo.StringType, celgo.DynType)
		if v.Scalar {
			t = celgo.DynType
		}
		opts = append(opts, celgo.Variable(v.Name, t))
	}
	celEnv, err := celgo.NewEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("set up the variables: %w", err)
	}
	return celEnv, nil
}

// invalid keeps the first of cel-go's complaints.
func invalid(errs []*common.Error) *Invalid {
	if len(errs) == 0 {
		return &Invalid{Line: 1, Column: 1, Reason: "not an expression"}
	}
	first := errs[0]
	return &Invalid{
		Line:   max(first.Location.Line(), 1),
		Column: max(first.Location.Column()+1, 1),
		Reason: strings.TrimSpace(first.Message),
	}
}

// bound refuses a tree that is too large or too deep to be worked on by
// recursion.
func bound(tree *ast.AST) error {
	nodes := 0
	var visit func(e ast.Expr, depth int) error
	visit = func(e ast.Expr, depth int) error {
		if nodes++; nodes > maxNodes {
			return unsupported(tree, e, "more than %d operations", maxNodes)
		}
		if depth > maxDepth {
			return unsupported(tree, e, "nested deeper than %d", maxDepth)
		}
		for _, child := range children(e) {
			if err := visit(child, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(tree.Expr(), 1)
}

// foreign refuses messages and functions that this environment does not declare
// although the platform may have them.
func foreign(celEnv *celgo.Env, tree *ast.AST) error {
	declared := celEnv.Functions()
	var visit func(e ast.Expr) error
	visit = func(e ast.Expr) error {
		switch e.Kind() {
		case ast.StructKind:
			return unsupported(tree, e, "message %s", e.AsStruct().TypeName())
		case ast.CallKind:
			name := e.AsCall().FunctionName()
			if _, ok := declared[name]; !ok {
				return unsupported(tree, e, "function %s", name)
			}
		}
		for _, child := range children(e) {
			if err := visit(child); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(tree.Expr())
}

func children(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			return append([]ast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.MapKind:
		var out []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			out = append(out, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return out
	case ast.StructKind:
		var out []ast.Expr
		for _, field := range e.AsStruct().Fields() {
			out = append(out, field.AsStructField().Value())
		}
		return out
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}
	}
	return nil
}

func wanted(got *celgo.Type, want Result) error {
	kind := got.Kind()
	if kind == types.DynKind || kind == types.AnyKind {
		return nil
	}
	switch want {
	case Bool:
		if kind != types.BoolKind {
			return &Invalid{Line: 1, Column: 1, Reason: fmt.Sprintf("want a bool, got %s", got)}
		}
	case String:
		if kind != types.StringKind {
			return &Invalid{Line: 1, Column: 1, Reason: fmt.Sprintf("want a string, got %s", got)}
		}
	}
	return nil
}

func unsupported(tree *ast.AST, e ast.Expr, format string, args ...any) *Unsupported {
	line, column := place(tree, e)
	return &Unsupported{Line: line, Column: column, Reason: fmt.Sprintf(format, args...)}
}

// place returns where an expression stands, counted from 1. A macro's inner
// parts stand where they were written; what the parser added stands nowhere and
// is told as 1:1.
func place(tree *ast.AST, e ast.Expr) (line, column int) {
	at := tree.SourceInfo().GetStartLocation(e.ID())
	if at.Line() < 1 {
		return 1, 1
	}
	return at.Line(), at.Column() + 1
}
