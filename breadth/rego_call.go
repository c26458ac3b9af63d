package breadth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck/policies/cel"
)

// maxCases bounds how many combinations of cases the arguments of one call may have.
const maxCases = 64

// calling reads a call. Without a place for its value it asks that this be not false.
func (r *regoReader) calling(expr *ast.Expr, scope *regoScope, then func(*regoScope, claimFormula) claimFormula) claimFormula {
	operator, operands := expr.Operator(), expr.Operands()
	rules := r.functionOf(operator)
	arity := 0
	switch declared, builtin := ast.BuiltinMap[operator.String()]; {
	case len(rules) > 0:
		arity = len(rules[0].Head.Args)
	case builtin:
		arity = declared.Decl.Arity()
	default:
		return r.beyond(expr, scope, "it calls "+operator.String(), then)
	}
	if len(operands) < arity {
		return r.beyond(expr, scope, "it calls "+operator.String(), then)
	}
	return r.findAll(operands[:arity], scope, func(scope *regoScope, arguments []regoValue) claimFormula {
		var value regoValue
		if len(rules) > 0 {
			value = r.function(operator, rules, arguments)
		} else {
			value = r.builtin(operator.String(), arguments)
		}
		if len(operands) == arity {
			return then(scope, value.holds(truthy))
		}
		return r.match(operands[arity], value, scope, then)
	})
}

// function is the value of a user's function.
func (r *regoReader) function(operator ast.Ref, rules []*ast.Rule, arguments []regoValue) regoValue {
	if constants, ok := constantsIn(arguments); ok && !slices.ContainsFunc(rules, r.touches) {
		return r.evaluate(call(operator, constants))
	}
	if r.spent() {
		return r.unsure(tooMany)
	}
	there := alwaysHolds
	for _, argument := range arguments {
		there = allHold(there, argument.defined())
	}
	return r.complete(rules, arguments).given(there)
}

func constantsIn(values []regoValue) ([]ast.Value, bool) {
	constants := make([]ast.Value, len(values))
	for i, value := range values {
		var ok bool
		if constants[i], ok = value.constant(); !ok {
			return nil, false
		}
	}
	return constants, true
}

func call(operator ast.Ref, arguments []ast.Value) *ast.Term {
	terms := []*ast.Term{ast.NewTerm(operator)}
	for _, argument := range arguments {
		terms = append(terms, ast.NewTerm(argument))
	}
	return ast.NewTerm(ast.Call(terms))
}

// builtin is the value of a builtin, case by case of its arguments.
func (r *regoReader) builtin(name string, arguments []regoValue) regoValue {
	combinations := 1
	for _, argument := range arguments {
		combinations *= len(argument)
	}
	if combinations > maxCases || r.spent() {
		return r.unsure(tooMany)
	}
	var all regoValue
	things := make([]thing, len(arguments))
	var from func(i int, when claimFormula)
	from = func(i int, when claimFormula) {
		if when.never() {
			return
		}
		if i == len(arguments) {
			all = append(all, r.applied(name, slices.Clone(things)).given(when)...)
			return
		}
		for _, c := range arguments[i] {
			things[i] = c.is
			from(i+1, allHold(when, c.when))
		}
	}
	from(0, alwaysHolds)
	return all.merged()
}

// applied is what a builtin makes of things that are there.
func (r *regoReader) applied(name string, of []thing) regoValue {
	constants := make([]ast.Value, len(of))
	grounds := 0
	for i, one := range of {
		if is, ok := one.(ground); ok {
			constants[i] = is.Value
			grounds++
		}
	}
	if grounds == len(of) && !slices.Contains([]string{"glob.match", ast.Print.Name, ast.InternalPrint.Name}, name) {
		return r.evaluate(call(ast.BuiltinMap[name].Ref(), constants))
	}
	switch name {
	case ast.InternalPrint.Name:
		return known(ast.Boolean(true))
	case ast.Equal.Name:
		return r.decided(equalThings(of[0], of[1]))
	case ast.NotEqual.Name:
		return r.decided(fails(equalThings(of[0], of[1])))
	case ast.LessThan.Name, ast.LessThanEq.Name, ast.GreaterThan.Name, ast.GreaterThanEq.Name:
		return r.ordered(name, of[0], of[1])
	case ast.Member.Name:
		return r.decided(r.amongst(of[0], of[1]))
	case ast.MemberWithKey.Name:
		return r.unread("it looks for an element at an index")
	case ast.IsString.Name, ast.IsArray.Name, ast.IsNumber.Name, ast.IsBoolean.Name, ast.IsNull.Name, ast.IsObject.Name, ast.IsSet.Name:
		return r.typed(name, of[0])
	case ast.ObjectGet.Name:
		return r.got(of[0], of[1], of[2])
	case ast.Count.Name:
		return r.count(of[0])
	case ast.StartsWith.Name, ast.EndsWith.Name, ast.Contains.Name:
		return r.affix(name, of[0], of[1])
	case ast.RegexMatch.Name:
		return r.matched(of[0], of[1])
	case ast.Lower.Name:
		return r.text(of[0], func(p place) regoValue { return found(p.through(lowercase, 0)) })
	case ast.Upper.Name:
		return r.text(of[0], func(p place) regoValue { return found(p.through(uppercase, 0)) })
	case ast.TrimPrefix.Name, ast.TrimSuffix.Name:
		if affix, ok := constants[1].(ast.String); ok {
			return r.text(of[0], func(p place) regoValue { return found(p.through(name, 0, string(affix))) })
		}
	case ast.Replace.Name:
		return r.replaced(of[0], constants)
	case ast.Split.Name:
		if separator, ok := constants[1].(ast.String); ok && separator != "" {
			return r.text(of[0], func(p place) regoValue { return surely(pieces{p, string(separator)}) })
		}
	case ast.Concat.Name:
		return r.joined(constants[0], of[1])
	case ast.Sprintf.Name:
		return r.formatted(constants[0], of[1])
	case ast.GlobMatch.Name:
		return r.unsure("glob.match is not followed: like of data.trustcheck.match is")
	}
	return r.unsure(name + " is not followed")
}

// decided is a boolean.
func (r *regoReader) decided(holds claimFormula) regoValue {
	if holds.Op == cel.Unknown && holds.Reason != "" && !strings.HasPrefix(holds.Reason, r.at) {
		holds.Reason = r.at + holds.Reason
	}
	return truths(holds, fails(holds))
}

// text is what becomes of the text at a place; on what is no text builtins fail.
func (r *regoReader) text(of thing, become func(place) regoValue) regoValue {
	switch of := of.(type) {
	case place:
		r.expect(of)
		return become(of).given(of.isText())
	case opaque:
		return r.unsure(strings.TrimPrefix(of.why, r.at))
	case ground:
		return r.unsure("it makes a text of parts that depend on the token")
	default:
		// Lists, sets and numbers are no text.
		r.fail(alwaysHolds)
		return nil
	}
}

// expect records that there is an error where a place holds something other than text, or a
// list may hold elements that are none.
func (r *regoReader) expect(p place) {
	over, isElement := r.over[p.Path[0]]
	switch {
	case isElement:
		r.fail(over.typed("map"))
	case p.isClaim():
		r.fail(allHold(p.present(), fails(p.typed("string"))))
	}
}

func (r *regoReader) affix(name string, of, wanted thing) regoValue {
	text, ok := wanted.(ground)
	if !ok {
		if _, known := of.(ground); known {
			return r.unsure("what it looks for depends on the token")
		}
		return r.unsure("it compares two claims")
	}
	part, ok := text.Value.(ast.String)
	if !ok {
		r.fail(alwaysHolds)
		return nil
	}
	sought := string(part)
	language := cel.Language{Contains: &sought}
	switch name {
	case ast.StartsWith.Name:
		language = cel.Language{Prefix: &sought}
	case ast.EndsWith.Name:
		language = cel.Language{Suffix: &sought}
	}
	return r.text(of, func(p place) regoValue { return truths(p.in(language), fails(p.in(language))) })
}

func (r *regoReader) matched(pattern, of thing) regoValue {
	is, ok := pattern.(ground)
	if !ok {
		return r.unsure("its pattern depends on the token")
	}
	text, ok := is.Value.(ast.String)
	if valid, known := r.evaluate(call(ast.RegexIsValid.Ref(), []ast.Value{is.Value})).constant(); !ok || !known || valid.Compare(ast.Boolean(true)) != 0 {
		r.fail(alwaysHolds)
		return nil
	}
	return r.text(of, func(p place) regoValue {
		matches := p.matches(string(text))
		return truths(matches, fails(matches))
	})
}

// amongst says that a thing is an element of a collection.
func (r *regoReader) amongst(is, of thing) claimFormula {
	switch of := of.(type) {
	case ground:
		var ways []claimFormula
		eachConstant(of.Value, func(_, value ast.Value) { ways = append(ways, equalThings(is, ground{value})) })
		return inOrder(ways)
	case place:
		wanted, ok := is.(ground)
		text, isText := wanted.Value.(ast.String)
		switch {
		case len(of.Through) > 0:
			return neverHolds
		case !of.isClaim():
			return perhaps("it looks inside of elements")
		case !ok:
			return perhaps("it compares what depends on the token with each other")
		case !isText:
			return allHold(iterable(of), perhaps("it looks for an element that is no text"))
		}
		return of.test(claimTest{Elements: []any{string(text)}})
	case tuple:
		var ways []claimFormula
		for _, element := range of.elements {
			ways = append(ways, equalValues(element, surely(is)))
		}
		return anyHolds(ways...)
	case gathered:
		return of.some(func(_, value regoValue) claimFormula { return equalValues(value, surely(is)) })
	case counted:
		return neverHolds
	case pieces:
		return perhaps("it looks among the pieces of a text")
	case opaque:
		return perhaps(of.why)
	default:
		return perhaps("it looks among all claims")
	}
}

// inOrder is a disjunction in which tests of one place against values are one test.
func inOrder(ways []claimFormula) claimFormula {
	var all []claimFormula
	for _, way := range ways {
		at := slices.IndexFunc(all, func(other claimFormula) bool {
			return other.Op == cel.Leaf && way.Op == cel.Leaf && len(other.Test.Values) > 0 && len(way.Test.Values) > 0 &&
				slices.Equal(other.Test.Path, way.Test.Path) && slices.EqualFunc(other.Test.Through, way.Test.Through, sameTransform)
		})
		if at < 0 {
			all = append(all, way)
			continue
		}
		both := *all[at].Test
		both.Values = slices.Concat(both.Values, way.Test.Values)
		all[at].Test = &both
	}
	return anyHolds(all...)
}

func (r *regoReader) ordered(name string, a, b thing) regoValue {
	if of, ok := a.(counted); ok {
		if wanted, ok := b.(ground); ok {
			return r.decided(of.compared(name, wanted.Value))
		}
	}
	if of, ok := b.(counted); ok {
		if wanted, ok := a.(ground); ok {
			return r.decided(of.compared(mirrored(name), wanted.Value))
		}
	}
	return r.decided(perhaps("it asks which of two values is the greater"))
}

func mirrored(comparison string) string {
	switch comparison {
	case ast.LessThan.Name:
		return ast.GreaterThan.Name
	case ast.LessThanEq.Name:
		return ast.GreaterThanEq.Name
	case ast.GreaterThan.Name:
		return ast.LessThan.Name
	default:
		return ast.LessThanEq.Name
	}
}

// typed is what is_string and its like say. A builtin that says no says so: false.
func (r *regoReader) typed(name string, of thing) regoValue {
	holds := neverHolds
	switch of := of.(type) {
	case place:
		if len(of.Through) > 0 {
			holds = map[bool]claimFormula{true: alwaysHolds, false: neverHolds}[name == ast.IsString.Name]
			break
		}
		switch name {
		case ast.IsString.Name:
			holds = of.typed("string")
		case ast.IsArray.Name:
			holds = of.typed("list")
		case ast.IsNumber.Name:
			holds = of.typed("number")
		case ast.IsObject.Name:
			holds = of.typed("map")
		case ast.IsNull.Name:
			holds = of.equals(ast.NullValue)
		case ast.IsBoolean.Name:
			holds = anyHolds(of.equals(ast.Boolean(true)), of.equals(ast.Boolean(false)))
		}
	case pieces:
		if name == ast.IsArray.Name {
			holds = alwaysHolds
		}
	case opaque:
		holds = perhaps(of.why)
	default:
		holds = perhaps("it asks for the type of what a rule makes")
	}
	return r.decided(holds)
}

// got is object.get: a claim, or the default where there is none.
func (r *regoReader) got(of, key, otherwise thing) regoValue {
	in, isDocument := of.(document)
	at, isGround := key.(ground)
	if !isDocument || !isGround {
		return r.unsure("object.get is followed for claims only")
	}
	path := []ast.Value{at.Value}
	if list, ok := at.Value.(*ast.Array); ok {
		path = nil
		list.Foreach(func(step *ast.Term) { path = append(path, step.Value) })
	}
	value := surely(in)
	for _, step := range path {
		var next regoValue
		for _, c := range value {
			next = append(next, r.member(c.is, ground{step}).given(c.when)...)
		}
		value = next.merged()
	}
	return append(value, surely(otherwise).given(fails(value.defined()))...).merged()
}

func (r *regoReader) count(of thing) regoValue {
	switch of := of.(type) {
	case place:
		if len(of.Through) > 0 {
			return surely(counted{of})
		}
		countable := anyHolds(of.typed("string"), of.typed("list"), of.typed("map"))
		if over, isElement := r.over[of.Path[0]]; isElement {
			r.fail(over.typed("map"))
		} else {
			r.fail(allHold(of.present(), fails(countable)))
		}
		return surely(counted{of}).given(countable)
	case gathered, pieces:
		return surely(counted{of})
	case tuple:
		if !of.set {
			return known(ast.Number(fmt.Sprint(len(of.elements))))
		}
	}
	return r.unsure("it counts what is not understood")
}

// replaced is a text with one letter replaced by another text.
func (r *regoReader) replaced(of thing, constants []ast.Value) regoValue {
	from, isText := constants[1].(ast.String)
	to, isTextToo := constants[2].(ast.String)
	if !isText || !isTextToo || len([]rune(string(from))) != 1 {
		return r.unsure("replace is followed for single letters only")
	}
	return r.text(of, func(p place) regoValue { return found(p.through(replace, 0, string(from), string(to))) })
}

// joined is concat: constants around one text of the token.
func (r *regoReader) joined(separator ast.Value, of thing) regoValue {
	parts, ok := of.(tuple)
	glue, isText := separator.(ast.String)
	if !ok || parts.set || !isText {
		return r.unsure("concat is followed for lists with one claim only")
	}
	before, after := "", ""
	var middle *regoCase
	for i, element := range parts.elements {
		if len(element) != 1 {
			return r.unsure("concat is followed for lists with one claim only")
		}
		var piece string
		if is, ok := element[0].is.(ground); ok {
			text, isText := is.Value.(ast.String)
			if !isText {
				r.fail(alwaysHolds)
				return nil
			}
			piece = string(text)
		} else if _, ok := element[0].is.(place); !ok || middle != nil {
			return r.unsure("concat is followed for lists with one claim only")
		} else {
			if i > 0 {
				before += string(glue)
			}
			middle = &element[0]
			continue
		}
		if i > 0 {
			piece = string(glue) + piece
		}
		if middle == nil {
			before += piece
		} else {
			after += piece
		}
	}
	if middle == nil {
		return r.unsure("concat is followed for lists with one claim only")
	}
	return r.text(middle.is, func(p place) regoValue { return found(p.through(between, 0, before, after)) })
}

// formatted is sprintf with one text of the token.
func (r *regoReader) formatted(format ast.Value, of thing) regoValue {
	text, ok := format.(ast.String)
	values, isTuple := of.(tuple)
	if !ok || !isTuple || values.set || len(values.elements) != 1 || len(values.elements[0]) != 1 {
		return r.unsure("sprintf is followed for one claim only")
	}
	at, isPlace := values.elements[0][0].is.(place)
	before, after, found := strings.Cut(strings.ReplaceAll(string(text), "%v", "%s"), "%s")
	if !isPlace || !found || strings.Contains(before+after, "%") {
		return r.unsure("sprintf is followed for one claim only")
	}
	whole := at.through(between, 0, before, after)
	return regoValue{
		{at.isText(), whole},
		{fails(at.isText()), opaque{r.at + "it writes out what is no text"}},
	}.merged()
}
