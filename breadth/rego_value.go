package breadth

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck/policies/cel"
)

// regoValue is what a term of Rego comes to, case by case: when a case's formula holds, the
// term is that thing. When none does it is undefined.
type regoValue []regoCase

type regoCase struct {
	when claimFormula
	is   thing
}

// thing is one of the following.
type thing any

type (
	// ground is known before there is a token.
	ground struct{ ast.Value }
	// place is a value of the token, or an element of a list there, that is there.
	place struct{ cel.Place }
	// pieces are those of a text, split at a separator.
	pieces struct {
		of        place
		separator string
	}
	// document is input, or the claims or the context in it, by name.
	document struct{ name string }
	// tuple is an array or a set with elements that depend on the token.
	tuple struct {
		elements []regoValue
		set      bool
	}
	// gathered is what a comprehension or a rule with many values comes to: some says that
	// a formula holds of some key and value of it.
	gathered struct {
		kind gatheredKind
		some func(yield func(key, value regoValue) claimFormula) claimFormula
	}
	// counted is the length of a thing.
	counted struct{ of thing }
	// opaque is not understood.
	opaque struct{ why string }
)

type gatheredKind int

const (
	gatheredSet gatheredKind = iota
	gatheredArray
	gatheredObject
)

func surely(is thing) regoValue { return regoValue{{alwaysHolds, is}} }

func known(value ast.Value) regoValue { return surely(ground{value}) }

// unread is a value that is perhaps undefined, and nobody knows which.
func unread(why string) regoValue { return regoValue{{perhaps(why), opaque{why}}} }

// found is the value of a place, undefined where there is nothing.
func found(p place) regoValue { return regoValue{{p.present(), p}} }

// truths is a boolean: true when the first formula holds, false when the second does.
func truths(yes, no claimFormula) regoValue {
	return regoValue{{yes, ground{ast.Boolean(true)}}, {no, ground{ast.Boolean(false)}}}.merged()
}

// holds says that the value is there and that a formula holds of it.
func (v regoValue) holds(test func(thing) claimFormula) claimFormula {
	parts := make([]claimFormula, len(v))
	for i, c := range v {
		parts[i] = allHold(c.when, test(c.is))
	}
	return anyHolds(parts...)
}

func (v regoValue) defined() claimFormula {
	return v.holds(func(thing) claimFormula { return alwaysHolds })
}

// given restricts a value to where a formula holds.
func (v regoValue) given(when claimFormula) regoValue {
	restricted := make(regoValue, len(v))
	for i, c := range v {
		restricted[i] = regoCase{allHold(when, c.when), c.is}
	}
	return restricted
}

// merged leaves out what never is, and makes one of the cases that are the same constant.
func (v regoValue) merged() regoValue {
	var all regoValue
	for _, c := range v {
		if c.when.never() {
			continue
		}
		at := slices.IndexFunc(all, func(other regoCase) bool { return sameThing(other.is, c.is) })
		if at < 0 {
			all = append(all, c)
		} else {
			all[at].when = anyHolds(all[at].when, c.when)
		}
	}
	return all
}

// constant is the value where it is one, whatever the token.
func (v regoValue) constant() (ast.Value, bool) {
	if len(v) != 1 || !v[0].when.always() {
		return nil, false
	}
	is, ok := v[0].is.(ground)
	return is.Value, ok
}

// sameThing reports whether two things are surely the same.
func sameThing(a, b thing) bool {
	switch a := a.(type) {
	case ground:
		b, ok := b.(ground)
		return ok && a.Compare(b.Value) == 0
	case place:
		b, ok := b.(place)
		return ok && slices.Equal(a.Path, b.Path) && slices.EqualFunc(a.Through, b.Through, sameTransform)
	default:
		return false
	}
}

func (p place) test(t claimTest) claimFormula {
	t.Path, t.Through = p.Path, p.Through
	return tests(t)
}

func (p place) present() claimFormula { return p.test(claimTest{Present: true}) }

func (p place) typed(name string) claimFormula { return p.test(claimTest{Type: name}) }

// isText says that the place holds text; what comes out of a function on texts does.
func (p place) isText() claimFormula {
	if len(p.Through) > 0 {
		return p.present()
	}
	return p.typed("string")
}

func (p place) in(language cel.Language) claimFormula {
	return p.test(claimTest{Language: &language})
}

func (p place) matches(pattern string) claimFormula {
	return p.in(cel.Language{Pattern: &pattern})
}

func (p place) through(name string, index int, arguments ...string) place {
	return place{cel.Place{Path: p.Path, Through: append(slices.Clone(p.Through), cel.Transform{Func: name, Args: arguments, Index: index})}}
}

// isClaim tells a whole claim from an element and from what a function makes of it.
func (p place) isClaim() bool { return len(p.Path) == 2 && len(p.Through) == 0 }

func equalValues(a, b regoValue) claimFormula {
	return a.holds(func(x thing) claimFormula {
		return b.holds(func(y thing) claimFormula { return equalThings(x, y) })
	})
}

// equalThings says that two things that are there are equal, type and all.
func equalThings(a, b thing) claimFormula {
	if sameThing(a, b) {
		return alwaysHolds
	}
	if doubt, ok := firstOpaque(a, b); ok {
		return doubt
	}
	if _, ok := a.(ground); ok {
		a, b = b, a
	}
	wanted, isConstant := b.(ground)
	if !isConstant {
		return perhaps("it compares what depends on the token with each other")
	}
	switch a := a.(type) {
	case ground:
		return neverHolds
	case place:
		return a.equals(wanted.Value)
	case pieces:
		return a.equal(wanted.Value)
	case tuple:
		return a.equals(wanted.Value)
	case counted:
		return a.compared(ast.Equal.Name, wanted.Value)
	case gathered:
		return a.equals(wanted.Value)
	default:
		return perhaps("it compares a whole document")
	}
}

func firstOpaque(things ...thing) (claimFormula, bool) {
	for _, one := range things {
		if opaque, ok := one.(opaque); ok {
			return perhaps(opaque.why), true
		}
	}
	return claimFormula{}, false
}

func (p place) equals(wanted ast.Value) claimFormula {
	switch wanted := wanted.(type) {
	case ast.Number:
		if strings.ContainsAny(string(wanted), ".eE") {
			return allHold(p.present(), perhaps("it wants the number "+string(wanted)))
		}
	case ast.String, ast.Boolean, ast.Null:
	case ast.Set:
		return neverHolds
	default:
		return allHold(p.present(), perhaps("it compares whole lists or objects"))
	}
	if _, isText := wanted.(ast.String); !isText && len(p.Through) > 0 {
		return neverHolds
	}
	plain, err := ast.JSON(wanted)
	if err != nil {
		return perhaps(err.Error())
	}
	return p.test(claimTest{Values: []any{plain}})
}

func (t tuple) equals(wanted ast.Value) claimFormula {
	list, ok := wanted.(*ast.Array)
	if !ok || t.set {
		if _, set := wanted.(ast.Set); set && t.set {
			return perhaps("it compares whole sets")
		}
		return neverHolds
	}
	if list.Len() != len(t.elements) {
		return neverHolds
	}
	var parts []claimFormula
	for i, element := range t.elements {
		parts = append(parts, equalValues(element, known(list.Elem(i).Value)))
	}
	return allHold(parts...)
}

func (g gathered) equals(wanted ast.Value) claimFormula {
	_, isSet := wanted.(ast.Set)
	_, isArray := wanted.(*ast.Array)
	_, isObject := wanted.(ast.Object)
	if isSet && g.kind != gatheredSet || isArray && g.kind != gatheredArray || isObject && g.kind != gatheredObject || !isSet && !isArray && !isObject {
		return neverHolds
	}
	if wanted.(interface{ Len() int }).Len() == 0 {
		return fails(g.filled())
	}
	return perhaps("it compares whole collections")
}

// filled says that there is something in it.
func (g gathered) filled() claimFormula {
	return g.some(func(key, value regoValue) claimFormula { return allHold(key.defined(), value.defined()) })
}

// at is the piece at an index.
func (p pieces) at(index int) regoValue { return found(p.of.through("split", index, p.separator)) }

// equal is split(text, "/") == ["a", "b"]: the text is a/b.
func (p pieces) equal(wanted ast.Value) claimFormula {
	list, ok := wanted.(*ast.Array)
	if !ok || list.Len() == 0 {
		return neverHolds
	}
	if p.separator == "" {
		return perhaps("it splits into letters")
	}
	var texts []string
	for i := range list.Len() {
		text, isText := list.Elem(i).Value.(ast.String)
		if !isText || strings.Contains(string(text), p.separator) {
			return neverHolds
		}
		texts = append(texts, string(text))
	}
	// Pieces whose ends are a part of the separator do not come apart where they were joined.
	whole := strings.Join(texts, p.separator)
	if !slices.Equal(strings.Split(whole, p.separator), texts) {
		return neverHolds
	}
	return p.of.equals(ast.String(whole))
}

// truthy says that a thing that is there is not false.
func truthy(is thing) claimFormula {
	switch is := is.(type) {
	case ground:
		if is.Compare(ast.Boolean(false)) == 0 {
			return neverHolds
		}
	case place:
		if len(is.Through) == 0 {
			return fails(is.equals(ast.Boolean(false)))
		}
	case opaque:
		return perhaps(is.why)
	}
	return alwaysHolds
}

// maxLength bounds the lengths that texts are compared with.
const maxLength = 200

// compared says that a length is equal to, less than, … a number.
func (c counted) compared(operator string, wanted ast.Value) claimFormula {
	number, ok := wanted.(ast.Number)
	if !ok {
		return comparedTypes(operator, wanted)
	}
	n, whole := number.Int()
	if !whole || n > maxLength || n < -maxLength {
		return perhaps("it compares a length with " + string(number))
	}
	switch operator {
	case ast.Equal.Name:
		return c.between(n, n)
	case ast.NotEqual.Name:
		return fails(c.between(n, n))
	case ast.LessThan.Name:
		return c.between(0, n-1)
	case ast.LessThanEq.Name:
		return c.between(0, n)
	case ast.GreaterThan.Name:
		return fails(c.between(0, n))
	default:
		return fails(c.between(0, n-1))
	}
}

// comparedTypes compares a number with what is none: types are ordered null, boolean,
// number, text and what follows.
func comparedTypes(operator string, wanted ast.Value) claimFormula {
	less := ast.Compare(ast.Number("0"), wanted) < 0
	switch operator {
	case ast.Equal.Name:
		return neverHolds
	case ast.NotEqual.Name:
		return alwaysHolds
	case ast.LessThan.Name, ast.LessThanEq.Name:
		less = !less
	}
	if less {
		return neverHolds
	}
	return alwaysHolds
}

// between says that a length that there is lies from low to high.
func (c counted) between(low, high int) claimFormula {
	if high < 0 || high < low {
		return neverHolds
	}
	switch of := c.of.(type) {
	case place:
		text := of.matches(fmt.Sprintf(`\A(?s:.){%d,%d}\z`, low, high))
		if len(of.Through) > 0 {
			return text
		}
		return anyHolds(text, allHold(of.typed("list"), emptiness(low, high, of.element())),
			allHold(of.typed("map"), perhaps("it counts an object's members")))
	case gathered:
		return emptiness(low, high, of.filled())
	case pieces:
		return of.between(low, high)
	case opaque:
		return perhaps(of.why)
	default:
		return perhaps("it counts what depends on the token")
	}
}

// emptiness says that a length lies from low to high where only that is known whether there
// is something at all.
func emptiness(low, high int, filled claimFormula) claimFormula {
	if low == 0 && high == 0 {
		return fails(filled)
	}
	some := allHold(filled, perhaps("it counts more than none"))
	if low == 0 {
		return anyHolds(fails(filled), some)
	}
	return some
}

// element says that a list has some element.
func (p place) element() claimFormula {
	if !p.isClaim() {
		return perhaps("it counts elements of elements")
	}
	return someElement(p.Place, "any", alwaysHolds)
}

// between says that there are so many pieces; there is always one.
func (p pieces) between(low, high int) claimFormula {
	low = max(low, 1)
	if high < low {
		return neverHolds
	}
	if len([]rune(p.separator)) != 1 {
		return perhaps("it counts the pieces between separators of several letters")
	}
	other := `[^` + regexp.QuoteMeta(p.separator) + `]*`
	if p.separator == `-` || p.separator == `^` || p.separator == `]` {
		other = `[^\` + p.separator + `]*`
	}
	return p.of.matches(fmt.Sprintf(`\A%s(?:%s%s){%d,%d}\z`, other, regexp.QuoteMeta(p.separator), other, low-1, high-1))
}
