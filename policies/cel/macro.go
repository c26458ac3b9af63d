package cel

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

type macroKind int

const (
	macroAll macroKind = iota
	macroExists
	macroExistsOne
	macroMap // also filter, which maps each element to itself
)

// macro is a comprehension read back as the macro it was written as.
type macro struct {
	kind     macroKind
	over     ast.Expr
	variable string
	// test is the predicate, nil in a map without one; result is the element of
	// the new list, nil in the tests.
	test, result ast.Expr
}

// macroOf reads back what the parser made of a macro. The parser is the only
// source of comprehensions, so each has one of the shapes of cel-go's
// parser/macro.go; any other is not understood.
func macroOf(e ast.Expr) (macro, bool) {
	c := e.AsComprehension()
	if c.HasIterVar2() || c.LoopStep().Kind() != ast.CallKind {
		return macro{}, false
	}
	m := macro{over: c.IterRange(), variable: c.IterVar()}
	step := c.LoopStep().AsCall()
	args := step.Args()
	switch step.FunctionName() {
	case operators.LogicalAnd:
		m.kind, m.test = macroAll, args[1]
		return m, isAccumulator(c, args[0])
	case operators.LogicalOr:
		m.kind, m.test = macroExists, args[1]
		return m, isAccumulator(c, args[0])
	case operators.Add:
		return m.collect(c, c.LoopStep())
	case operators.Conditional:
		m.test = args[0]
		if c.AccuInit().Kind() == ast.ListKind {
			return m.collect(c, args[1])
		}
		m.kind = macroExistsOne
		return m, c.AccuInit().Kind() == ast.LiteralKind && c.AccuInit().AsLiteral() == types.IntZero
	}
	return macro{}, false
}

// collect reads the step "accumulator + [result]".
func (m macro) collect(c ast.ComprehensionExpr, step ast.Expr) (macro, bool) {
	if step.Kind() != ast.CallKind || step.AsCall().FunctionName() != operators.Add {
		return macro{}, false
	}
	args := step.AsCall().Args()
	if !isAccumulator(c, args[0]) || args[1].Kind() != ast.ListKind || args[1].AsList().Size() != 1 {
		return macro{}, false
	}
	m.kind, m.result = macroMap, args[1].AsList().Elements()[0]
	return m, true
}

func isAccumulator(c ast.ComprehensionExpr, e ast.Expr) bool {
	return e.Kind() == ast.IdentKind && e.AsIdent() == c.AccuVar()
}
