package cel

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// reader reads formulas from the tree that writer writes rules from.
type reader struct {
	tree   *ast.AST
	env    Env
	bound  []binding
	macros int
	steps  int
}

// binding is what a macro's variable stands for while its parts are read.
type binding struct {
	name  string
	cases []Case
}

func (r *reader) unknown(e ast.Expr, format string, args ...any) Formula {
	return Formula{Op: Unknown, Reason: r.reason(e, format, args...)}
}

func (r *reader) reason(e ast.Expr, format string, args ...any) string {
	line, column := place(r.tree, e)
	return fmt.Sprintf("%d:%d: ", line, column) + fmt.Sprintf(format, args...)
}

// truth returns when an expression is true and when it is false.
func (r *reader) truth(e ast.Expr) (whenTrue, whenFalse Formula) {
	if r.steps++; r.steps > maxSteps {
		f := r.unknown(e, "the formula is too large")
		return f, f
	}
	whenTrue, whenFalse = r.read(e)
	if whenTrue.size() > maxFormula || whenFalse.size() > maxFormula {
		f := r.unknown(e, "the formula is too large")
		return f, f
	}
	return whenTrue, whenFalse
}

func (r *reader) read(e ast.Expr) (whenTrue, whenFalse Formula) {
	switch e.Kind() {
	case ast.ComprehensionKind:
		return r.quantifier(e)
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			return r.presence(e)
		}
	case ast.CallKind:
		if t, f, ok := r.call(e); ok {
			return t, f
		}
	}
	return r.each(e, func(c Case) (Formula, Formula) {
		if c.Place == nil {
			return decided(c.Value == true), decided(c.Value == false)
		}
		return equals(*c.Place, true), equals(*c.Place, false)
	})
}

func (r *reader) call(e ast.Expr) (whenTrue, whenFalse Formula, ok bool) {
	args := children(e)
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd:
		lt, lf := r.truth(args[0])
		rt, rf := r.truth(args[1])
		return all(lt, rt), anyOf(lf, rf), true
	case operators.LogicalOr:
		lt, lf := r.truth(args[0])
		rt, rf := r.truth(args[1])
		return anyOf(lt, rt), all(lf, rf), true
	case operators.LogicalNot:
		t, f := r.truth(args[0])
		return f, t, true
	case operators.Conditional:
		ct, cf := r.truth(args[0])
		at, af := r.truth(args[1])
		bt, bf := r.truth(args[2])
		return anyOf(all(ct, at), all(cf, bt)), anyOf(all(ct, af), all(cf, bf)), true
	case operators.Equals:
		if t, f, ok := r.sized(e, args); ok {
			return t, f, true
		}
		t, f := r.equality(args[0], args[1])
		return t, f, true
	case operators.NotEquals:
		if t, f, ok := r.sized(e, args); ok {
			return f, t, true
		}
		t, f := r.equality(args[0], args[1])
		return f, t, true
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		if t, f, ok := r.sized(e, args); ok {
			return t, f, true
		}
		return r.ordered(e, args)
	case operators.In:
		t, f := r.membership(args[0], args[1])
		return t, f, true
	case overloads.TypeConvertBool:
		t, f := r.spelled(args[0])
		return t, f, true
	case overloads.StartsWith, overloads.EndsWith, overloads.Contains, overloads.Matches:
		t, f := r.language(e, args[0], args[1])
		return t, f, true
	}
	return Formula{}, Formula{}, false
}

// each asks a question of everything that an expression can be, but for lists whose elements
// are known: those only listed asks about.
func (r *reader) each(e ast.Expr, ask func(Case) (Formula, Formula)) (whenTrue, whenFalse Formula) {
	return r.listed(e, func(c Case) (Formula, Formula) {
		if c.List != nil {
			f := Formula{Op: Unknown, Reason: c.Reason}
			return f, f
		}
		return ask(c)
	})
}

func (r *reader) listed(e ast.Expr, ask func(Case) (Formula, Formula)) (whenTrue, whenFalse Formula) {
	var ts, fs []Formula
	for _, c := range r.cases(e) {
		t, f := Formula{Op: Unknown, Reason: c.Reason}, Formula{Op: Unknown, Reason: c.Reason}
		switch r.steps++; {
		case c.Reason != "" && c.List == nil:
		case r.steps > maxSteps:
			t = r.unknown(e, "the formula is too large")
			f = t
		default:
			t, f = ask(c)
		}
		ts, fs = append(ts, all(c.When, t)), append(fs, all(c.When, f))
	}
	return anyOf(ts...), anyOf(fs...)
}

func decided(b bool) Formula {
	if b {
		return always
	}
	return never
}

func equals(p Place, v any) Formula { return leaf(Test{Place: p, Values: []any{v}}) }

// where splits the tokens that have a value at a place by a test on it.
func where(there, test Formula) (whenTrue, whenFalse Formula) {
	return test, all(there, not(test))
}

func (r *reader) equality(a, b ast.Expr) (whenTrue, whenFalse Formula) {
	return r.listed(a, func(x Case) (Formula, Formula) {
		return r.listed(b, func(y Case) (Formula, Formula) { return same(x, y) })
	})
}

// same is equality of what two expressions can be.
func same(x, y Case) (whenTrue, whenFalse Formula) {
	switch {
	case x.List != nil:
		return sameList(x, y)
	case y.List != nil:
		return sameList(y, x)
	case x.Place == nil && y.Place == nil:
		same := x.Value == y.Value
		return decided(same), decided(!same)
	case y.Place == nil:
		return where(present(*x.Place), equals(*x.Place, y.Value))
	case x.Place == nil:
		return where(present(*y.Place), equals(*y.Place, x.Value))
	case x.Place.equal(*y.Place):
		return present(*x.Place), never
	}
	return where(all(present(*x.Place), present(*y.Place)), compare(*x.Place, *y.Place, "equals"))
}

// sameList is equality with a list: what is none differs from it.
func sameList(list, other Case) (whenTrue, whenFalse Formula) {
	unknown := Formula{Op: Unknown, Reason: list.Reason}
	constant := list.List.Split == nil
	for _, element := range list.List.Elements {
		constant = constant && len(element) == 1 && element[0].Place == nil && element[0].Reason == "" && element[0].When.always()
	}
	switch {
	case !constant || other.Place == nil:
		return unknown, unknown
	case other.Place.computed():
		return never, present(*other.Place)
	}
	perhaps := all(typed(*other.Place, "list"), unknown)
	return perhaps, anyOf(all(present(*other.Place), not(typed(*other.Place, "list"))), perhaps)
}

func (r *reader) membership(x, xs ast.Expr) (whenTrue, whenFalse Formula) {
	if xs.Kind() == ast.ListKind {
		return r.oneOf(x, xs.AsList().Elements())
	}
	return r.each(x, func(c Case) (Formula, Formula) {
		return r.listed(xs, func(in Case) (Formula, Formula) {
			switch {
			case in.List != nil && in.List.Split == nil:
				return r.among(c, in.List.Elements)
			case c.Place != nil:
				f := r.unknown(x, "looks for a claim in another")
				return f, f
			case in.List != nil:
				return isPiece(c.Value, in.List)
			case in.Place == nil:
				return never, never
			}
			if in.Place.computed() {
				return never, never // a text, never a list or a map
			}
			if r.isMap(*in.Place) {
				key, ok := c.Value.(string)
				return where(always, all(decided(ok), present(in.Place.member(key))))
			}
			found := leaf(Test{Place: *in.Place, Elements: []any{c.Value}})
			if key, ok := c.Value.(string); ok {
				found = anyOf(found, all(typed(*in.Place, "map"), present(in.Place.member(key))))
			}
			return where(anyOf(typed(*in.Place, "list"), typed(*in.Place, "map")), found)
		})
	})
}

// oneOf is membership in a list that is written out. All elements are
// evaluated: one that is an error makes the whole an error.
func (r *reader) oneOf(x ast.Expr, elements []ast.Expr) (whenTrue, whenFalse Formula) {
	var values []any
	for _, element := range elements {
		cases := r.cases(element)
		if len(cases) != 1 || cases[0].Place != nil || cases[0].Reason != "" || !cases[0].When.always() {
			return r.oneOfEach(x, elements)
		}
		values = append(values, cases[0].Value)
	}
	return r.each(x, func(c Case) (Formula, Formula) {
		if c.Place == nil {
			found := false
			for _, v := range values {
				found = found || v == c.Value
			}
			return decided(found), decided(!found)
		}
		if len(values) == 0 {
			return never, present(*c.Place)
		}
		return where(present(*c.Place), leaf(Test{Place: *c.Place, Values: values}))
	})
}

// oneOfEach asks of each element whether it is the one.
func (r *reader) oneOfEach(x ast.Expr, elements []ast.Expr) (whenTrue, whenFalse Formula) {
	cases := make([][]Case, len(elements))
	for i, element := range elements {
		cases[i] = r.cases(element)
	}
	return r.listed(x, func(c Case) (Formula, Formula) { return r.among(c, cases) })
}

// among asks of each element of a list whether it is what is looked for. The whole list must
// have a value.
func (r *reader) among(c Case, elements [][]Case) (whenTrue, whenFalse Formula) {
	var ts, fs, there []Formula
	for _, element := range elements {
		var is, t, f []Formula
		for _, one := range element {
			yes, no := Formula{Op: Unknown, Reason: one.Reason}, Formula{Op: Unknown, Reason: one.Reason}
			if r.steps++; one.Reason == "" || one.List != nil {
				yes, no = same(c, one)
			}
			is, t, f = append(is, all(one.When, defined(one))), append(t, all(one.When, yes)), append(f, all(one.When, no))
		}
		there, ts, fs = append(there, anyOf(is...)), append(ts, anyOf(t...)), append(fs, anyOf(f...))
	}
	whole := all(there...)
	return all(whole, anyOf(ts...)), all(whole, all(fs...))
}

// isPiece says that a constant is a piece of a text that is split.
func isPiece(value any, list *List) (whenTrue, whenFalse Formula) {
	text, ok := value.(string)
	if !ok || strings.Contains(text, list.Separator) {
		return never, typed(*list.Split, "string")
	}
	separator := regexp.QuoteMeta(list.Separator)
	pattern := `\A(?:(?s:.*)` + separator + `)?` + regexp.QuoteMeta(text) + `(?:` + separator + `(?s:.*))?\z`
	return where(typed(*list.Split, "string"), leaf(Test{Place: *list.Split, Language: &Language{Pattern: &pattern}}))
}

// language is startsWith and its like. A constant that is not a text, or a
// pattern that does not compile, is an error: neither true nor false.
func (r *reader) language(e, x, arg ast.Expr) (whenTrue, whenFalse Formula) {
	return r.each(arg, func(a Case) (Formula, Formula) {
		if a.Place != nil {
			return r.compared(e, x, arg, *a.Place)
		}
		text, ok := a.Value.(string)
		if !ok {
			return never, never
		}
		l, ok := languageOf(e.AsCall().FunctionName(), text)
		if !ok {
			return never, never
		}
		return r.each(x, func(c Case) (Formula, Formula) {
			if c.Place != nil {
				return where(typed(*c.Place, "string"), leaf(Test{Place: *c.Place, Language: &l}))
			}
			s, ok := c.Value.(string)
			return decided(ok && l.holds(s)), decided(ok && !l.holds(s))
		})
	})
}

// compared is startsWith and its like with a claim for what is looked for.
func (r *reader) compared(e, x, arg ast.Expr, sought Place) (whenTrue, whenFalse Formula) {
	how := map[string]string{overloads.StartsWith: "starts", overloads.EndsWith: "ends", overloads.Contains: "contains"}[e.AsCall().FunctionName()]
	return r.each(x, func(c Case) (Formula, Formula) {
		if how == "" || c.Place == nil {
			f := r.unknown(arg, "a claim as pattern")
			return f, f
		}
		return where(all(typed(*c.Place, "string"), typed(sought, "string")), compare(*c.Place, sought, how))
	})
}

// sized is a comparison of a size with a constant: a text's is a language. A list's or a
// map's is not looked at.
func (r *reader) sized(e ast.Expr, args []ast.Expr) (whenTrue, whenFalse Formula, ok bool) {
	of, bound := args[0], args[1]
	lengths := lengthsOf(e.AsCall().FunctionName(), false)
	if !isSize(of) {
		of, bound = bound, of
		lengths = lengthsOf(e.AsCall().FunctionName(), true)
	}
	if !isSize(of) || bound.Kind() != ast.LiteralKind {
		return Formula{}, Formula{}, false
	}
	n, isInt := bound.AsLiteral().(types.Int)
	if !isInt || n < -maxLength || n > maxLength {
		return Formula{}, Formula{}, false
	}
	language, some := lengths(int(n))
	whenTrue, whenFalse = r.each(children(of)[0], func(c Case) (Formula, Formula) {
		if c.Place == nil {
			text, isText := c.Value.(string)
			return decided(isText && some && language.holds(text)), decided(isText && !(some && language.holds(text)))
		}
		fits := never
		if some {
			fits = leaf(Test{Place: *c.Place, Language: &language})
		}
		t, f := where(typed(*c.Place, "string"), fits)
		if c.Place.computed() {
			return t, f
		}
		other := all(anyOf(typed(*c.Place, "list"), typed(*c.Place, "map")), r.unknown(e, "the size of a list or a map"))
		return anyOf(t, other), anyOf(f, other)
	})
	return whenTrue, whenFalse, true
}

// ordered is a comparison of a text with a constant, by code points.
func (r *reader) ordered(e ast.Expr, args []ast.Expr) (whenTrue, whenFalse Formula, ok bool) {
	operator, of := e.AsCall().FunctionName(), args[0]
	bound, ok := constant(args[1])
	if !ok {
		operator, of = turned(operator), args[1]
		if bound, ok = constant(args[0]); !ok {
			return Formula{}, Formula{}, false
		}
	}
	pattern, ok := below(bound, operator == operators.LessEquals || operator == operators.Greater)
	if !ok {
		return Formula{}, Formula{}, false
	}
	language := Language{Pattern: &pattern}
	whenTrue, whenFalse = r.each(of, func(c Case) (Formula, Formula) {
		if c.Place == nil {
			text, isText := c.Value.(string)
			return decided(isText && language.holds(text)), decided(isText && !language.holds(text))
		}
		return where(typed(*c.Place, "string"), leaf(Test{Place: *c.Place, Language: &language}))
	})
	if operator == operators.Greater || operator == operators.GreaterEquals {
		return whenFalse, whenTrue, true
	}
	return whenTrue, whenFalse, true
}

// below matches the texts before a text, with itself that as well; false where the pattern
// would be too deep, or nothing is before it.
func below(text string, itself bool) (pattern string, ok bool) {
	letters := []rune(text)
	if len(letters) > maxOrdered || len(letters) == 0 {
		return "", false
	}
	rest := ""
	for i, letter := range slices.Backward(letters) {
		var ways []string
		if letter > 0 {
			ways = append(ways, fmt.Sprintf(`[\x{0}-\x{%x}](?s:.*)`, letter-1))
		}
		if i < len(letters)-1 || itself {
			ways = append(ways, regexp.QuoteMeta(string(letter))+rest)
		}
		if len(ways) > 0 {
			rest = `(?:` + strings.Join(ways, "|") + `)?`
		}
	}
	return `\A` + rest + `\z`, true
}

// maxOrdered bounds the texts by which others are ordered: each letter nests a pattern.
const maxOrdered = 200

func turned(operator string) string {
	switch operator {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	case operators.GreaterEquals:
		return operators.LessEquals
	}
	return operator
}

// maxLength bounds the lengths that RE2 can count.
const maxLength = 998

func isSize(e ast.Expr) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == overloads.Size && len(children(e)) == 1
}

// lengthsOf returns the texts whose length stands to a number as an operator says, or with
// turn the number to the length; false where there are none.
func lengthsOf(operator string, turn bool) func(n int) (Language, bool) {
	if turn {
		operator = turned(operator)
	}
	return func(n int) (Language, bool) {
		least, most := 0, -1
		switch operator {
		case operators.Equals, operators.NotEquals:
			least, most = n, n
		case operators.Less:
			most = n - 1
		case operators.LessEquals:
			most = n
		case operators.Greater:
			least = n + 1
		case operators.GreaterEquals:
			least = n
		}
		bounded := most >= 0
		if least < 0 && operator != operators.Equals && operator != operators.NotEquals {
			least = 0
		}
		unbounded := operator == operators.Greater || operator == operators.GreaterEquals
		if least < 0 || !bounded && !unbounded {
			return Language{}, false
		}
		pattern := fmt.Sprintf(`\A(?s:.{%d,})\z`, least)
		if bounded {
			pattern = fmt.Sprintf(`\A(?s:.{%d,%d})\z`, least, most)
		}
		return Language{Pattern: &pattern}, true
	}
}

// spelled is bool(x).
func (r *reader) spelled(e ast.Expr) (whenTrue, whenFalse Formula) {
	yes := []any{true, "1", "t", "T", "TRUE", "true", "True"}
	no := []any{false, "0", "f", "F", "FALSE", "false", "False"}
	return r.each(e, func(c Case) (Formula, Formula) {
		if c.Place == nil {
			return decided(slices.Contains(yes, c.Value)), decided(slices.Contains(no, c.Value))
		}
		return leaf(Test{Place: *c.Place, Values: yes}), leaf(Test{Place: *c.Place, Values: no})
	})
}

func (r *reader) presence(e ast.Expr) (whenTrue, whenFalse Formula) {
	sel := e.AsSelect()
	return r.each(sel.Operand(), func(c Case) (Formula, Formula) {
		if c.Place == nil {
			return never, always
		}
		if c.Place.computed() {
			return never, present(*c.Place)
		}
		if cases, ok := r.memberCases(*c.Place, sel.FieldName()); ok {
			var ts []Formula
			for _, m := range cases {
				ts = append(ts, all(m.When, defined(m)))
			}
			return where(always, anyOf(ts...))
		}
		found := present(c.Place.member(sel.FieldName()))
		if r.isMap(*c.Place) {
			return where(always, found)
		}
		return where(all(present(*c.Place), not(typed(*c.Place, "list"))), found)
	})
}

func defined(c Case) Formula {
	switch {
	case c.Reason != "":
		return Formula{Op: Unknown, Reason: c.Reason}
	case c.Place != nil:
		return present(*c.Place)
	}
	return always
}

// isMap tells whether a place is a whole variable that is always a map.
func (r *reader) isMap(p Place) bool {
	if len(p.Path) != 1 {
		return false
	}
	for _, v := range r.env.Variables {
		if v.Name == p.Path[0] {
			return !v.Scalar
		}
	}
	return false
}

func (r *reader) quantifier(e ast.Expr) (whenTrue, whenFalse Formula) {
	m, ok := macroOf(e)
	if !ok || m.kind != macroAll && m.kind != macroExists {
		f := r.unknown(e, "this macro")
		return f, f
	}
	if m.over.Kind() == ast.ListKind {
		return r.quantifyConstants(m)
	}
	return r.each(m.over, func(c Case) (Formula, Formula) {
		if c.Place == nil || c.Place.computed() {
			f := r.unknown(m.over, "a macro over a text")
			return f, f
		}
		r.macros++
		v := fmt.Sprintf("%s#%d", m.variable, r.macros)
		r.bound = append(r.bound, binding{m.variable, []Case{{When: always, Place: &Place{Path: []string{v}}}}})
		t, f := r.truth(m.test)
		r.bound = r.bound[:len(r.bound)-1]
		some := func(of Formula) Formula { return Formula{Op: Some, Over: c.Place, Var: v, Of: []Formula{of}} }
		every := func(of Formula) Formula { return Formula{Op: Every, Over: c.Place, Var: v, Of: []Formula{of}} }
		if m.kind == macroAll {
			return every(t), some(f)
		}
		return some(t), every(f)
	})
}

// quantifyConstants asks the predicate of each element of a list that is
// written out. The whole list must have a value first.
func (r *reader) quantifyConstants(m macro) (whenTrue, whenFalse Formula) {
	var ts, fs, there []Formula
	for _, element := range m.over.AsList().Elements() {
		cases := r.cases(element)
		var is []Formula
		for _, c := range cases {
			is = append(is, all(c.When, defined(c)))
		}
		there = append(there, anyOf(is...))
		r.bound = append(r.bound, binding{m.variable, cases})
		t, f := r.truth(m.test)
		r.bound = r.bound[:len(r.bound)-1]
		ts, fs = append(ts, t), append(fs, f)
	}
	whole := all(there...)
	if m.kind == macroAll {
		return all(whole, all(ts...)), all(whole, anyOf(fs...))
	}
	return all(whole, anyOf(ts...)), all(whole, all(fs...))
}

// cases returns what a value can be. It is an error where none of them holds,
// or where the one that holds is absent.
func (r *reader) cases(e ast.Expr) []Case {
	switch e.Kind() {
	case ast.LiteralKind:
		if v, ok := scalar(e); ok {
			return []Case{{When: always, Value: v}}
		}
	case ast.IdentKind:
		return r.variable(e)
	case ast.SelectKind:
		if !e.AsSelect().IsTestOnly() {
			return r.member(e, e.AsSelect().Operand(), e.AsSelect().FieldName())
		}
	case ast.CallKind:
		return r.value(e)
	case ast.ListKind:
		list := &List{}
		for _, element := range e.AsList().Elements() {
			list.Elements = append(list.Elements, r.cases(element))
		}
		return []Case{{When: always, Reason: r.reason(e, "a list that is written out"), List: list}}
	}
	if r.tree.GetType(e.ID()).Kind() == types.BoolKind {
		return r.boolean(e)
	}
	return []Case{{When: always, Reason: r.reason(e, "a value that is computed")}}
}

// boolean makes a value of a condition.
func (r *reader) boolean(e ast.Expr) []Case {
	if e.Kind() == ast.CallKind {
		if t, f, ok := r.call(e); ok {
			return []Case{{When: t, Value: true}, {When: f, Value: false}}
		}
		return []Case{{When: always, Reason: r.reason(e, "%s is not analysed", shown(e.AsCall().FunctionName()))}}
	}
	t, f := r.truth(e)
	return []Case{{When: t, Value: true}, {When: f, Value: false}}
}

func scalar(e ast.Expr) (any, bool) {
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return bool(v), true
	case types.String:
		return string(v), true
	case types.Null:
		return nil, true
	case types.Int:
		return float64(v), int64(float64(v)) == int64(v)
	case types.Double:
		return float64(v), true
	}
	return nil, false
}

func (r *reader) variable(e ast.Expr) []Case {
	for i := len(r.bound) - 1; i >= 0; i-- {
		if r.bound[i].name == e.AsIdent() {
			return r.bound[i].cases
		}
	}
	return []Case{{When: always, Place: &Place{Path: []string{strings.TrimPrefix(e.AsIdent(), ".")}}}}
}

func (r *reader) member(e, of ast.Expr, name string) []Case {
	var out []Case
	for _, c := range r.cases(of) {
		switch {
		case c.Reason != "":
			out = append(out, Case{When: c.When, Reason: c.Reason})
		case c.Place == nil || c.Place.computed():
			// a text has no members: an error
		default:
			if cases, ok := r.memberCases(*c.Place, name); ok {
				out = append(out, cases...)
				continue
			}
			p := c.Place.member(name)
			out = append(out, Case{When: c.When, Place: &p})
		}
	}
	return out
}

// memberCases returns what a member of a variable is, where that is known.
func (r *reader) memberCases(of Place, name string) ([]Case, bool) {
	if len(of.Path) != 1 {
		return nil, false
	}
	for _, v := range r.env.Variables {
		if v.Name == of.Path[0] && v.Members != nil {
			if p, ok := v.Members[name]; ok {
				return p.Cases, true
			}
			return nil, true
		}
	}
	return nil, false
}

func (r *reader) value(e ast.Expr) []Case {
	args := children(e)
	switch name := e.AsCall().FunctionName(); name {
	case operators.Conditional:
		t, f := r.truth(args[0])
		cases := append(under(t, r.cases(args[1])), under(f, r.cases(args[2]))...)
		if len(cases) > maxCases {
			return []Case{{When: always, Reason: r.reason(e, "a value of more than %d cases", maxCases)}}
		}
		return cases
	case overloads.TypeConvertDyn:
		return r.cases(args[0])
	case overloads.TypeConvertString:
		return r.text(e, args[0])
	case operators.Index:
		return r.element(e, args[0], args[1])
	case operators.Add:
		return r.concatenation(e, args)
	case "split":
		if separator, ok := constant(args[1]); ok && len(args) == 2 && !overlaps(separator) {
			return r.pieces(e, args[0], separator)
		}
	case "join":
		if separator, ok := separatorOf(args); ok {
			return r.together(e, args[0], separator)
		}
	case "lowerAscii":
		return r.transformed(e, args[0], Transform{Func: "lower"})
	case "upperAscii":
		return r.transformed(e, args[0], Transform{Func: "upper"})
	case "extract":
		if template, ok := constant(args[1]); ok {
			if prefix, suffix, ok := cutTemplate(template); ok {
				return r.transformed(e, args[0], Transform{Func: "extract", Args: []string{prefix, suffix}})
			}
		}
	}
	if r.tree.GetType(e.ID()).Kind() == types.BoolKind {
		return r.boolean(e)
	}
	return []Case{{When: always, Reason: r.reason(e, "%s is not analysed", shown(e.AsCall().FunctionName()))}}
}

// text is string(x), which of a number nobody knows.
func (r *reader) text(e, of ast.Expr) []Case {
	var out []Case
	for _, c := range r.cases(of) {
		b, isBool := c.Value.(bool)
		_, isText := c.Value.(string)
		switch {
		case c.Reason != "":
			out = append(out, Case{When: c.When, Reason: c.Reason})
		case isText:
			out = append(out, c)
		case isBool:
			out = append(out, Case{When: c.When, Value: strconv.FormatBool(b)})
		case c.Place != nil:
			text, yes, no := typed(*c.Place, "string"), equals(*c.Place, true), equals(*c.Place, false)
			out = append(out,
				Case{When: all(c.When, text), Place: c.Place},
				Case{When: all(c.When, yes), Value: "true"},
				Case{When: all(c.When, no), Value: "false"},
				Case{When: all(c.When, present(*c.Place), not(anyOf(text, yes, no))), Reason: r.reason(e, "string of a number")})
		default:
			out = append(out, Case{When: c.When, Reason: r.reason(e, "string of a number")})
		}
	}
	return out
}

func under(f Formula, cases []Case) []Case {
	out := make([]Case, len(cases))
	for i, c := range cases {
		out[i] = c
		out[i].When = all(f, c.When)
	}
	return out
}

// element is m['key'], or a piece of a text that is split by a constant.
func (r *reader) element(e, of, index ast.Expr) []Case {
	if key, ok := constant(index); ok {
		return r.member(e, of, key)
	}
	if index.Kind() == ast.LiteralKind && of.Kind() == ast.CallKind && of.AsCall().FunctionName() == "split" {
		i, isInt := index.AsLiteral().(types.Int)
		args := children(of)
		separator, isText := constant(args[1])
		if isInt && i >= 0 && i < maxBytes && isText && separator != "" && len(args) == 2 {
			return r.transformed(e, args[0], Transform{Func: "split", Args: []string{separator}, Index: int(i)})
		}
	}
	return []Case{{When: always, Reason: r.reason(e, "an element by its place")}}
}

func (r *reader) transformed(e, of ast.Expr, t Transform) []Case {
	var out []Case
	for _, c := range r.cases(of) {
		switch {
		case c.Reason != "":
			c.List = nil
		case c.Place == nil:
			c = Case{When: c.When, Reason: r.reason(e, "%s of a constant", t.Func)}
		default:
			p := c.Place.through(t)
			c.Place = &p
		}
		out = append(out, c)
	}
	return out
}

// pieces is a text split by a constant.
func (r *reader) pieces(e, of ast.Expr, separator string) []Case {
	var out []Case
	for _, c := range r.cases(of) {
		text, isText := c.Value.(string)
		switch {
		case c.Reason != "":
			out = append(out, Case{When: c.When, Reason: c.Reason})
			continue
		case c.Place != nil:
			c.List = &List{Split: c.Place, Separator: separator}
		case isText:
			c.List = &List{}
			for piece := range strings.SplitSeq(text, separator) {
				c.List.Elements = append(c.List.Elements, []Case{{When: always, Value: piece}})
			}
		default:
			continue // What is no text cannot be split.
		}
		out = append(out, Case{When: c.When, Reason: r.reason(e, "a text that is split"), List: c.List})
	}
	return out
}

// overlaps tells whether a separator can begin before another ends, or is empty: then the
// text alone does not tell where it is split.
func overlaps(separator string) bool {
	for i := range separator {
		if i > 0 && strings.HasPrefix(separator, separator[i:]) {
			return true
		}
	}
	return separator == ""
}

// separatorOf is what a call of join puts between the texts.
func separatorOf(args []ast.Expr) (string, bool) {
	if len(args) == 1 {
		return "", true
	}
	return constant(args[1])
}

// together is a list of texts that are joined. One that is no text is an error.
func (r *reader) together(e, of ast.Expr, separator string) []Case {
	var out []Case
	for _, list := range r.cases(of) {
		if list.List == nil || list.List.Split != nil {
			out = append(out, Case{When: list.When, Reason: r.reason(e, "join of a list that is not written out")})
			continue
		}
		wholes := []Case{{When: list.When, Value: ""}}
		for i, element := range list.List.Elements {
			if i > 0 && separator != "" {
				wholes = r.append(e, wholes, []Case{{When: always, Value: separator}})
			}
			if wholes = r.append(e, wholes, element); len(wholes) > maxCases {
				break
			}
		}
		out = append(out, wholes...)
	}
	if len(out) > maxCases {
		return []Case{{When: always, Reason: r.reason(e, "a value of more than %d cases", maxCases)}}
	}
	return out
}

// append puts texts behind texts.
func (r *reader) append(e ast.Expr, heads, tails []Case) []Case {
	var out []Case
	for _, head := range heads {
		for _, tail := range tails {
			when := all(head.When, tail.When)
			x, isText := head.Value.(string)
			y, areTexts := tail.Value.(string)
			switch {
			case head.Reason != "" || tail.Reason != "":
				out = append(out, Case{When: when, Reason: r.reason(e, "joins other than texts")})
			case isText && areTexts:
				out = append(out, Case{When: when, Value: x + y})
			case tail.Place == nil && !areTexts:
				// What is no text cannot be joined.
			case isText && x == "":
				out = append(out, Case{When: when, Place: &Place{Parts: partsOf(tail)}})
			default:
				out = append(out, Case{When: when, Place: &Place{Parts: slices.Concat(partsOf(head), partsOf(tail))}})
			}
		}
	}
	return out
}

// concatenation is the sum of texts. Of what is no text, a list for example, it is not
// looked at.
func (r *reader) concatenation(e ast.Expr, args []ast.Expr) []Case {
	var out []Case
	for _, a := range r.cases(args[0]) {
		for _, b := range r.cases(args[1]) {
			out = append(out, r.joined(e, a, b)...)
		}
	}
	if len(out) > maxCases {
		return []Case{{When: always, Reason: r.reason(e, "a value of more than %d cases", maxCases)}}
	}
	return out
}

func (r *reader) joined(e ast.Expr, a, b Case) []Case {
	when := all(a.When, b.When)
	if a.Reason != "" || b.Reason != "" {
		return []Case{{When: when, Reason: a.Reason + b.Reason}}
	}
	parts := slices.Concat(partsOf(a), partsOf(b))
	x, isText := a.Value.(string)
	y, areTexts := b.Value.(string)
	switch {
	case isText && areTexts:
		return []Case{{When: when, Value: x + y}}
	case a.Place == nil && !isText || b.Place == nil && !areTexts:
		return []Case{{When: when, Reason: r.reason(e, "joins other than texts")}}
	case isText || areTexts || a.Place.computed() || b.Place.computed():
		// A text with what is none is an error.
		return []Case{{When: when, Place: &Place{Parts: parts}}}
	}
	texts := all(typed(*a.Place, "string"), typed(*b.Place, "string"))
	return []Case{
		{When: all(when, texts), Place: &Place{Parts: parts}},
		{When: all(when, present(*a.Place), present(*b.Place), not(texts)), Reason: r.reason(e, "joins other than texts")},
	}
}

func partsOf(c Case) []Part {
	switch text, isText := c.Value.(string); {
	case isText:
		return []Part{{Text: text}}
	case c.Place == nil:
		return nil
	case len(c.Place.Parts) > 0:
		return c.Place.Parts
	default:
		return []Part{{Place: c.Place}}
	}
}

func languageOf(function, text string) (Language, bool) {
	switch function {
	case overloads.StartsWith:
		return Language{Prefix: &text}, true
	case overloads.EndsWith:
		return Language{Suffix: &text}, true
	case overloads.Contains:
		return Language{Contains: &text}, true
	}
	return Language{Pattern: &text}, compiles(text)
}
