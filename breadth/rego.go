package breadth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/trustcheck/trustcheck/policies/cel"
)

// maxSteps bounds how many expressions are read for one rule, those of the rules that it
// calls each time they are called.
const maxSteps = 20_000

// maxOutcomes bounds how many different values of one rule are told apart.
const maxOutcomes = 16

// regoReader reads what rules written in Rego ask of a token, off the compiled rules: there
// every call has its operands in variables, so that what is evaluated before a negation, and
// is undefined for a claim that is absent, stands before it. What does not depend on the token
// is evaluated by OPA itself.
type regoReader struct {
	ctx      context.Context
	compiler *ast.Compiler
	// now and context are what is known of input beside the claims; nil where nothing is.
	now     ast.Value
	context ast.Object
	// steps counts what was read, variables the elements that formulas range over; over
	// holds the list of each.
	steps, variables int
	over             map[string]place
	rules            map[string]regoValue
	touched          map[*ast.Rule]bool
	answers          map[string]regoValue
	// failures says when the evaluation may end in an error: the answer is no answer then.
	failures []claimFormula
	// users are the files that are not ours, at the place that is read, as a prefix.
	users map[string]bool
	at    string
	// digest tells what the user wrote from everything else.
	digest   string
	readsNow bool
}

// scope holds the variables of a body.
type regoScope struct {
	name  ast.Var
	value regoValue
	outer *regoScope
}

func (s *regoScope) bind(name ast.Var, value regoValue) *regoScope {
	return &regoScope{name, value, s}
}

func (s *regoScope) lookup(name ast.Var) (regoValue, bool) {
	for ; s != nil; s = s.outer {
		if s.name == name {
			return s.value, true
		}
	}
	return nil, false
}

// spent reports whether too much was read already.
func (r *regoReader) spent() bool {
	r.steps++
	return r.steps > maxSteps || r.ctx.Err() != nil
}

const tooMany = "it comes to more cases than can be followed"

// fail records when an evaluation ends in an error.
func (r *regoReader) fail(when claimFormula) {
	if !when.never() {
		r.failures = append(r.failures, when)
	}
}

// unsure says that something is not understood, and that it perhaps fails.
func (r *regoReader) unsure(why string) regoValue {
	r.fail(perhaps(""))
	return r.unread(why)
}

// unread is a value that is not understood, with the line that it was read in.
func (r *regoReader) unread(why string) regoValue { return unread(r.at + why) }

// solve says that some way to satisfy the expressions satisfies what follows them too.
func (r *regoReader) solve(body []*ast.Expr, scope *regoScope, then func(*regoScope) claimFormula) claimFormula {
	if len(body) == 0 {
		return then(scope)
	}
	if r.spent() {
		return perhaps(tooMany)
	}
	expr := body[0]
	place := r.where(expr.Location)
	rest := func(scope *regoScope) claimFormula { return r.solve(body[1:], scope, then) }
	before := r.at
	if place != "" {
		r.at = place + ": "
	}
	defer func() { r.at = before }()
	found := r.expression(expr, scope, func(scope *regoScope, holds claimFormula) claimFormula {
		return allHold(holds.placed(place), rest(scope))
	})
	if found.Source == "" && found.Op != cel.All {
		found.Source = place
	}
	return found
}

// where is the place of an expression, as FILE:LINE; the matchers' are none of the user's.
func (r *regoReader) where(location *ast.Location) string {
	if location == nil || location.File == "" || !r.users[location.File] {
		return ""
	}
	return fmt.Sprintf("%s:%d", location.File, location.Row)
}

// expression calls then with the variables that the expression binds and what it asks.
func (r *regoReader) expression(expr *ast.Expr, scope *regoScope, then func(*regoScope, claimFormula) claimFormula) claimFormula {
	if len(expr.With) > 0 {
		return r.beyond(expr, scope, "it replaces documents", then)
	}
	if expr.Negated {
		positive := *expr
		positive.Negated = false
		inside := r.expression(&positive, scope, func(_ *regoScope, holds claimFormula) claimFormula { return holds })
		return then(scope, fails(inside))
	}
	switch terms := expr.Terms.(type) {
	case *ast.SomeDecl:
		return then(scope, alwaysHolds)
	case *ast.Term:
		return r.find(terms, scope, func(scope *regoScope, value regoValue) claimFormula {
			return then(scope, value.holds(truthy))
		})
	case *ast.Every:
		return r.every(terms, scope, then)
	case []*ast.Term:
		if expr.IsEquality() {
			return r.unify(terms[1], terms[2], scope, then)
		}
		return r.calling(expr, scope, then)
	default:
		return r.beyond(expr, scope, "the analysis does not know the expression", then)
	}
}

// beyond takes an expression, and what it binds, for not understood.
func (r *regoReader) beyond(node any, scope *regoScope, why string, then func(*regoScope, claimFormula) claimFormula) claimFormula {
	value := r.unsure(why)
	ast.WalkVars(node, func(name ast.Var) bool {
		if _, bound := scope.lookup(name); !bound {
			scope = scope.bind(name, regoValue{{alwaysHolds, value[0].is}})
		}
		return false
	})
	return then(scope, value[0].when)
}

// every says that nothing in the domain fails the body.
func (r *regoReader) every(every *ast.Every, scope *regoScope, then func(*regoScope, claimFormula) claimFormula) claimFormula {
	return r.find(every.Domain, scope, func(scope *regoScope, domain regoValue) claimFormula {
		holds := domain.holds(func(over thing) claimFormula {
			return allHold(iterable(over), fails(r.each(over, func(key, value regoValue) claimFormula {
				inner := scope.named(every.Key, key).named(every.Value, value)
				return allHold(value.defined(), fails(r.solve(every.Body, inner, func(*regoScope) claimFormula { return alwaysHolds })))
			})))
		})
		return then(scope, holds)
	})
}

func (s *regoScope) named(term *ast.Term, value regoValue) *regoScope {
	if term == nil {
		return s
	}
	if name, ok := term.Value.(ast.Var); ok {
		return s.bind(name, value)
	}
	return s
}

// iterable says that a thing has elements at all, if only none.
func iterable(is thing) claimFormula {
	switch is := is.(type) {
	case ground:
		switch is.Value.(type) {
		case *ast.Array, ast.Set, ast.Object:
			return alwaysHolds
		}
		return neverHolds
	case place:
		if len(is.Through) > 0 {
			return neverHolds
		}
		return anyHolds(is.typed("list"), is.typed("map"))
	case counted:
		return neverHolds
	case opaque:
		return perhaps(is.why)
	default:
		return alwaysHolds
	}
}

// unify reads a = b, where either may be, or hold, a variable that has no value yet.
func (r *regoReader) unify(a, b *ast.Term, scope *regoScope, then func(*regoScope, claimFormula) claimFormula) claimFormula {
	if r.open(b, scope) && !r.open(a, scope) {
		a, b = b, a
	}
	if r.open(b, scope) {
		return r.beyond(ast.Equality.Expr(a, b), scope, "both sides of = are open", then)
	}
	return r.find(b, scope, func(scope *regoScope, value regoValue) claimFormula {
		return r.match(a, value, scope, then)
	})
}

// open reports whether a term is, or is a list with, a variable without a value.
func (r *regoReader) open(term *ast.Term, scope *regoScope) bool {
	switch value := term.Value.(type) {
	case ast.Var:
		_, bound := scope.lookup(value)
		return !bound
	case *ast.Array:
		found := false
		value.Foreach(func(element *ast.Term) { found = found || r.open(element, scope) })
		return found
	case ast.Object:
		found := false
		value.Foreach(func(_, element *ast.Term) { found = found || r.open(element, scope) })
		return found
	default:
		return false
	}
}

// match says that a value is what a term says, and binds the variables of the term.
func (r *regoReader) match(term *ast.Term, value regoValue, scope *regoScope, then func(*regoScope, claimFormula) claimFormula) claimFormula {
	if !r.open(term, scope) {
		return r.find(term, scope, func(scope *regoScope, wanted regoValue) claimFormula {
			return then(scope, equalValues(wanted, value))
		})
	}
	if name, ok := term.Value.(ast.Var); ok {
		return then(scope.bind(name, value), value.defined())
	}
	list, ok := term.Value.(*ast.Array)
	if !ok {
		return r.beyond(term, scope, "it takes an object apart", func(scope *regoScope, holds claimFormula) claimFormula {
			return then(scope, allHold(value.defined(), holds))
		})
	}
	ways := make([]claimFormula, len(value))
	for i, c := range value {
		ways[i] = r.apart(list, c, scope, then)
	}
	return anyHolds(ways...)
}

// apart matches the elements of a list with those of a thing.
func (r *regoReader) apart(list *ast.Array, c regoCase, scope *regoScope, then func(*regoScope, claimFormula) claimFormula) claimFormula {
	length := neverHolds
	switch is := c.is.(type) {
	case ground:
		if other, ok := is.Value.(*ast.Array); ok && other.Len() == list.Len() {
			length = alwaysHolds
		}
	case tuple:
		if !is.set && len(is.elements) == list.Len() {
			length = alwaysHolds
		}
	case pieces:
		length = is.between(list.Len(), list.Len())
	case place:
		length = allHold(is.typed("list"), perhaps(r.at+"it looks inside of claims"))
	default:
		length = perhaps(r.at + "it takes apart what is not understood")
	}
	if length.never() {
		return neverHolds
	}
	var from func(i int, scope *regoScope, holds claimFormula) claimFormula
	from = func(i int, scope *regoScope, holds claimFormula) claimFormula {
		if i == list.Len() {
			return then(scope, holds)
		}
		element := r.member(c.is, ground{ast.Number(fmt.Sprint(i))})
		return r.match(list.Elem(i), element, scope, func(scope *regoScope, one claimFormula) claimFormula {
			return from(i+1, scope, allHold(holds, one))
		})
	}
	return from(0, scope, allHold(c.when, length))
}

// find calls then for what a term comes to, once for each element where it runs over some.
func (r *regoReader) find(term *ast.Term, scope *regoScope, then func(*regoScope, regoValue) claimFormula) claimFormula {
	switch value := term.Value.(type) {
	case ast.Var:
		if bound, ok := scope.lookup(value); ok {
			return then(scope, bound)
		}
		return then(scope, r.unsure("a variable has no value"))
	case ast.Ref:
		return r.follow(value, scope, then)
	case *ast.Array, ast.Set, ast.Object:
		if term.IsGround() && !dependent(term) {
			return then(scope, known(value))
		}
		return r.composed(value, scope, then)
	case *ast.ArrayComprehension:
		return then(scope, surely(r.gathering(gatheredArray, value.Body, nil, value.Term, scope)))
	case *ast.SetComprehension:
		return then(scope, surely(r.gathering(gatheredSet, value.Body, nil, value.Term, scope)))
	case *ast.ObjectComprehension:
		r.fail(perhaps(""))
		return then(scope, surely(r.gathering(gatheredObject, value.Body, value.Key, value.Value, scope)))
	case ast.String, ast.Number, ast.Boolean, ast.Null:
		return then(scope, known(value))
	default:
		return then(scope, r.unsure("the analysis does not know the term "+term.String()))
	}
}

// dependent reports whether there is a reference, a call or a comprehension in a term.
func dependent(term *ast.Term) bool {
	found := false
	ast.WalkTerms(term, func(inner *ast.Term) bool {
		switch inner.Value.(type) {
		case ast.String, ast.Number, ast.Boolean, ast.Null, *ast.Array, ast.Set, ast.Object:
		default:
			found = true
		}
		return found
	})
	return found
}

// composed is a list or set whose elements depend on the token.
func (r *regoReader) composed(value ast.Value, scope *regoScope, then func(*regoScope, regoValue) claimFormula) claimFormula {
	var terms []*ast.Term
	set := false
	switch value := value.(type) {
	case *ast.Array:
		value.Foreach(func(element *ast.Term) { terms = append(terms, element) })
	case ast.Set:
		set, terms = true, value.Slice()
	default:
		return then(scope, r.unsure("it makes an object of what depends on the token"))
	}
	return r.findAll(terms, scope, func(scope *regoScope, elements []regoValue) claimFormula {
		if constants, ok := constantsIn(elements); ok {
			return then(scope, known(collected(constants, set)))
		}
		when := alwaysHolds
		for _, element := range elements {
			when = allHold(when, element.defined())
		}
		return then(scope, regoValue{{when, tuple{elements, set}}})
	})
}

func collected(constants []ast.Value, set bool) ast.Value {
	terms := make([]*ast.Term, len(constants))
	for i, constant := range constants {
		terms[i] = ast.NewTerm(constant)
	}
	if set {
		return ast.NewSet(terms...)
	}
	return ast.NewArray(terms...)
}

func (r *regoReader) findAll(terms []*ast.Term, scope *regoScope, then func(*regoScope, []regoValue) claimFormula) claimFormula {
	var values []regoValue
	var from func(i int, scope *regoScope) claimFormula
	from = func(i int, scope *regoScope) claimFormula {
		if i == len(terms) {
			return then(scope, slices.Clone(values))
		}
		return r.find(terms[i], scope, func(scope *regoScope, value regoValue) claimFormula {
			values = append(values[:i], value)
			return from(i+1, scope)
		})
	}
	return from(0, scope)
}

// gathering is what a comprehension comes to.
func (r *regoReader) gathering(kind gatheredKind, body ast.Body, key, value *ast.Term, scope *regoScope) gathered {
	return gathered{kind, func(yield func(key, value regoValue) claimFormula) claimFormula {
		return r.solve(body, scope, func(scope *regoScope) claimFormula {
			return r.find(value, scope, func(scope *regoScope, is regoValue) claimFormula {
				switch {
				case kind == gatheredSet:
					return yield(is, is)
				case key == nil:
					return yield(surely(opaque{r.at + "the index is not followed"}), is)
				}
				return r.find(key, scope, func(_ *regoScope, at regoValue) claimFormula { return yield(at, is) })
			})
		})
	}}
}

// follow reads a reference: to the input, to a rule, or into a variable.
func (r *regoReader) follow(ref ast.Ref, scope *regoScope, then func(*regoScope, regoValue) claimFormula) claimFormula {
	name, ok := ref[0].Value.(ast.Var)
	switch {
	case !ok:
		return r.find(ref[0], scope, func(scope *regoScope, value regoValue) claimFormula {
			return r.step(value, ref[1:], scope, then)
		})
	case name == "input":
		return r.step(surely(document{"input"}), ref[1:], scope, then)
	case name == "data":
		value, rest := r.rule(ref)
		return r.step(value, rest, scope, then)
	}
	bound, ok := scope.lookup(name)
	if !ok {
		return then(scope, r.unsure("a variable has no value"))
	}
	return r.step(bound, ref[1:], scope, then)
}

// step goes on from a value along the rest of a reference.
func (r *regoReader) step(value regoValue, steps ast.Ref, scope *regoScope, then func(*regoScope, regoValue) claimFormula) claimFormula {
	if len(steps) == 0 {
		return then(scope, value)
	}
	if name, ok := steps[0].Value.(ast.Var); ok {
		if _, bound := scope.lookup(name); !bound {
			return value.holds(func(over thing) claimFormula {
				return r.each(over, func(key, element regoValue) claimFormula {
					return allHold(element.defined(), r.step(element, steps[1:], scope.bind(name, key), then))
				})
			})
		}
	}
	if r.open(steps[0], scope) {
		return r.beyond(steps[0], scope, "it looks for a pattern", func(scope *regoScope, _ claimFormula) claimFormula {
			return then(scope, r.unread("it looks for a pattern"))
		})
	}
	return r.find(steps[0], scope, func(scope *regoScope, key regoValue) claimFormula {
		var next regoValue
		for _, c := range value {
			for _, k := range key {
				next = append(next, r.member(c.is, k.is).given(allHold(c.when, k.when))...)
			}
		}
		return r.step(next.merged(), steps[1:], scope, then)
	})
}

// each says that a formula holds of some key and element of a thing.
func (r *regoReader) each(over thing, yield func(key, value regoValue) claimFormula) claimFormula {
	if r.spent() {
		return perhaps(tooMany)
	}
	doubt := func(why string) claimFormula {
		is := surely(opaque{r.at + why})
		return allHold(perhaps(r.at+why), yield(is, is))
	}
	var ways []claimFormula
	switch over := over.(type) {
	case ground:
		eachConstant(over.Value, func(key, value ast.Value) { ways = append(ways, yield(known(key), known(value))) })
	case tuple:
		for i, element := range over.elements {
			key := element
			if !over.set {
				key = known(ast.Number(fmt.Sprint(i)))
			}
			ways = append(ways, yield(key, element))
		}
	case gathered:
		return over.some(yield)
	case place:
		if len(over.Through) > 0 {
			return neverHolds
		}
		if !over.isClaim() {
			return doubt("it runs over the elements of elements")
		}
		r.variables++
		variable := fmt.Sprintf("e%d", r.variables)
		r.over[variable] = over
		element := surely(place{cel.Place{Path: []string{variable}}})
		return someElement(over.Place, variable, yield(surely(opaque{r.at + "the index is not followed"}), element))
	case document:
		return doubt("it runs over all claims")
	case pieces:
		return doubt("it runs over the pieces of a text")
	case opaque:
		return allHold(perhaps(over.why), yield(surely(over), surely(over)))
	}
	return anyHolds(ways...)
}

func eachConstant(value ast.Value, visit func(key, value ast.Value)) {
	switch value := value.(type) {
	case *ast.Array:
		for i := range value.Len() {
			visit(ast.Number(fmt.Sprint(i)), value.Elem(i).Value)
		}
	case ast.Set:
		for _, element := range value.Slice() {
			visit(element.Value, element.Value)
		}
	case ast.Object:
		for _, key := range value.Keys() {
			visit(key.Value, value.Get(key).Value)
		}
	}
}

// member is what a thing has at a key.
func (r *regoReader) member(of, key thing) regoValue {
	if opaque, ok := key.(opaque); ok {
		return unread(opaque.why)
	}
	literal, isGround := key.(ground)
	switch of := of.(type) {
	case ground:
		var all regoValue
		eachConstant(of.Value, func(at, value ast.Value) {
			all = append(all, regoCase{equalThings(key, ground{at}), ground{value}})
		})
		return all.merged()
	case document:
		if !isGround {
			return r.unread("which claim is read depends on the token")
		}
		name, isText := literal.Value.(ast.String)
		if !isText {
			return nil
		}
		return r.documentMember(of, string(name))
	case place:
		if len(of.Through) > 0 {
			return nil
		}
		return r.unread("it looks inside of claims")
	case pieces:
		number, isNumber := literal.Value.(ast.Number)
		if !isGround {
			return r.unread("which piece is read depends on the token")
		}
		index, whole := number.Int()
		if !isNumber || !whole || index < 0 {
			return nil
		}
		return of.at(index)
	case tuple:
		var all regoValue
		for i, element := range of.elements {
			if of.set {
				all = append(all, element.given(equalValues(element, surely(key)))...)
			} else {
				all = append(all, element.given(equalThings(key, ground{ast.Number(fmt.Sprint(i))}))...)
			}
		}
		return all.merged()
	case gathered:
		if of.kind != gatheredSet {
			return r.unread("it looks inside of what a rule or comprehension makes")
		}
		return regoValue{{of.some(func(_, value regoValue) claimFormula { return equalValues(value, surely(key)) }), key}}
	case opaque:
		return unread(of.why)
	default:
		return nil
	}
}

// documentMember is a claim, or what is known of the rest of the input.
func (r *regoReader) documentMember(of document, name string) regoValue {
	switch {
	case of.name == "claims":
		return found(place{cel.Place{Path: []string{"assertion", name}}})
	case of.name == "context" && r.context != nil:
		if given := r.context.Get(ast.StringTerm(name)); given != nil {
			return known(given.Value)
		}
		if name != "header" && name != "alg" {
			return nil
		}
		// Whoever verifies a token adds these.
	case of.name == "input" && (name == "claims" || name == "context"):
		return surely(document{name})
	case of.name == "input" && name == "now" && r.now != nil:
		r.readsNow = true
		return known(r.now)
	}
	if of.name == "context" {
		name = "context." + name
	}
	return r.unread("input." + name + " was not given")
}

// rule is the value of the rule that a reference names, and the rest of the reference.
func (r *regoReader) rule(ref ast.Ref) (regoValue, ast.Ref) {
	node := r.compiler.RuleTree.Child(ref[0].Value)
	for i := 1; i < len(ref) && node != nil; i++ {
		if node = node.Child(ref[i].Value); node == nil {
			if ast.IsConstant(ref[i].Value) {
				// There is no data but rules.
				return nil, nil
			}
			break
		}
		if len(node.Values) > 0 {
			if len(node.Children) > 0 {
				return r.unsure("the rules " + ref[:i+1].String() + " lie inside of each other"), nil
			}
			return r.ruleValue(ref[:i+1], node.Values), ref[i+1:]
		}
	}
	return r.unsure(ref.String() + " is no rule that the analysis finds"), nil
}

func (r *regoReader) ruleValue(ref ast.Ref, rules []*ast.Rule) regoValue {
	name := ref.String()
	if value, ok := r.rules[name]; ok {
		return value
	}
	value := r.readRule(ref, rules)
	r.rules[name] = value
	return value
}

func (r *regoReader) readRule(ref ast.Ref, rules []*ast.Rule) regoValue {
	if !slices.ContainsFunc(rules, r.touches) {
		return r.evaluate(ast.NewTerm(ref))
	}
	kind := gatheredSet
	for _, rule := range rules {
		head := rule.Head
		switch {
		case len(head.Args) > 0:
			return r.unsure(ref.String() + " is a function")
		case head.RuleKind() == ast.SingleValue && head.Ref().IsGround():
			return r.complete(rules, nil)
		case head.RuleKind() == ast.SingleValue && len(head.Ref()) == 2 && head.Key != nil:
			// Two values for one key are an error.
			r.fail(perhaps(""))
			kind = gatheredObject
		case head.RuleKind() == ast.MultiValue && head.Ref().IsGround():
		default:
			return r.unsure("the analysis does not know the head of " + ref.String())
		}
	}
	return surely(gathered{kind, func(yield func(key, value regoValue) claimFormula) claimFormula {
		var ways []claimFormula
		for _, rule := range rules {
			value := rule.Head.Value
			if kind == gatheredSet {
				value = rule.Head.Key
			}
			ways = append(ways, r.gathering(kind, rule.Body, rule.Head.Key, value, nil).some(yield))
		}
		return anyHolds(ways...)
	}})
}

// complete is the value of a rule or function that has one, with the values of its
// arguments.
func (r *regoReader) complete(rules []*ast.Rule, arguments []regoValue) regoValue {
	var all regoValue
	var fallback *ast.Rule
	none := alwaysHolds
	for _, rule := range rules {
		if rule.Default {
			fallback = rule
			continue
		}
		cases := r.chain(rule, arguments)
		for _, c := range cases {
			for _, other := range all {
				if !sameThing(c.is, other.is) {
					r.fail(allHold(c.when, other.when, fails(equalThings(c.is, other.is))))
				}
			}
		}
		none = allHold(none, fails(cases.defined()))
		all = append(all, cases...).merged()
	}
	if fallback != nil {
		all = append(all, r.defaulted(fallback.Head.Value).given(none)...).merged()
	}
	return all
}

// defaulted is the value of a default, which a comprehension may be.
func (r *regoReader) defaulted(value *ast.Term) regoValue {
	if dependent(value) {
		return r.unsure("its default is a comprehension")
	}
	return known(value.Value)
}

// chain is the value of a rule with those that follow it as else.
func (r *regoReader) chain(rule *ast.Rule, arguments []regoValue) regoValue {
	var all regoValue
	before := alwaysHolds
	for ; rule != nil; rule = rule.Else {
		whole, values := r.outcomes(rule, arguments)
		all = append(all, values.given(before)...)
		before = allHold(before, fails(whole))
	}
	return all.merged()
}

// outcomes says when a rule has a value, and tells its values apart.
func (r *regoReader) outcomes(rule *ast.Rule, arguments []regoValue) (claimFormula, regoValue) {
	first := r.variables
	var things []thing
	whole := r.values(rule, arguments, func(value regoValue) claimFormula {
		for _, c := range value {
			if !slices.ContainsFunc(things, func(other thing) bool { return sameThing(c.is, other) }) {
				things = append(things, c.is)
			}
		}
		return value.defined()
	})
	switch {
	case len(things) == 0:
		return whole, nil
	case len(things) == 1 && !r.escapes(things[0], first):
		return whole, regoValue{{whole, things[0]}}
	}
	told := func(is thing) bool {
		switch is.(type) {
		case ground, place:
			return !r.escapes(is, first)
		}
		return false
	}
	if len(things) > maxOutcomes || slices.ContainsFunc(things, func(is thing) bool { return !told(is) }) {
		r.fail(perhaps(""))
		return whole, regoValue{{whole, opaque{r.at + "its value is not followed"}}}
	}
	all := make(regoValue, len(things))
	for i, is := range things {
		all[i] = regoCase{r.values(rule, arguments, func(value regoValue) claimFormula {
			return value.holds(func(other thing) claimFormula {
				if sameThing(is, other) {
					return alwaysHolds
				}
				return neverHolds
			})
		}), is}
	}
	for i := range all {
		for _, other := range all[:i] {
			r.fail(allHold(all[i].when, other.when, fails(equalThings(all[i].is, other.is))))
		}
	}
	return whole, all
}

// escapes reports whether a thing is, or may hold, an element that was introduced since.
func (r *regoReader) escapes(is thing, first int) bool {
	switch is := is.(type) {
	case ground, opaque:
		return false
	case place:
		var number int
		_, err := fmt.Sscanf(is.Path[0], "e%d", &number)
		return len(is.Path) == 1 && (err != nil || number > first)
	default:
		return r.variables > first
	}
}

// values says that a formula holds of some value of a rule.
func (r *regoReader) values(rule *ast.Rule, arguments []regoValue, yield func(regoValue) claimFormula) claimFormula {
	var from func(i int, scope *regoScope, holds claimFormula) claimFormula
	from = func(i int, scope *regoScope, holds claimFormula) claimFormula {
		if i < len(arguments) {
			return r.match(rule.Head.Args[i], arguments[i], scope, func(scope *regoScope, one claimFormula) claimFormula {
				return from(i+1, scope, allHold(holds, one))
			})
		}
		return allHold(holds, r.solve(rule.Body, scope, func(scope *regoScope) claimFormula {
			return r.find(rule.Head.Value, scope, func(_ *regoScope, value regoValue) claimFormula { return yield(value) })
		}))
	}
	return from(0, nil, alwaysHolds)
}

// touches reports whether a rule may read the input, by itself or through others.
func (r *regoReader) touches(rule *ast.Rule) bool {
	if known, ok := r.touched[rule]; ok {
		return known
	}
	r.touched[rule] = true
	found := false
	ast.WalkRefs(rule, func(ref ast.Ref) bool {
		name, _ := ref[0].Value.(ast.Var)
		if name == "input" || name == "data" && slices.ContainsFunc(r.compiler.GetRules(ref), r.touches) {
			found = true
		}
		return found
	})
	r.touched[rule] = found
	return found
}

// evaluate asks OPA for a term that does not depend on the token.
func (r *regoReader) evaluate(term *ast.Term) regoValue {
	question := term.String()
	if answer, ok := r.answers[question]; ok {
		return answer
	}
	answer := r.answer(ast.NewBody(ast.Equality.Expr(ast.VarTerm("answer"), term)))
	r.answers[question] = answer
	return answer
}

func (r *regoReader) answer(body ast.Body) regoValue {
	results, err := rego.New(
		rego.ParsedQuery(body), rego.Compiler(r.compiler), rego.StrictBuiltinErrors(true),
		rego.GenerateJSON(func(term *ast.Term, _ *rego.EvalContext) (any, error) { return term, nil }),
	).Eval(r.ctx)
	switch {
	case r.ctx.Err() != nil:
		return r.unsure(r.ctx.Err().Error())
	case err != nil:
		// Where builtins that fail are taken for undefined it is undefined.
		r.fail(perhaps(""))
		return nil
	case len(results) == 0:
		return nil
	case len(results) > 1:
		return r.unsure("it has several values")
	}
	is, ok := results[0].Bindings["answer"].(*ast.Term)
	if !ok {
		return r.unsure("its value is not known")
	}
	return known(is.Value)
}

// functionOf is the rules of a user's function, nil where it is none.
func (r *regoReader) functionOf(operator ast.Ref) []*ast.Rule {
	if !strings.HasPrefix(operator.String(), "data.") {
		return nil
	}
	return r.compiler.GetRulesExact(operator)
}
