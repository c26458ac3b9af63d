package cel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// writer turns a checked tree into Rego, one rule per node. Inside a macro a
// node that uses the macro's variable is a function of it.
type writer struct {
	tree   *ast.AST
	env    Env
	rules  []string
	doubts []string
	scopes []scope
	nodes  int
	macros int
	uses   map[string]bool
}

// scope is a macro's variable while the macro is being written.
type scope struct {
	name   string // in CEL
	rego   string
	over   term
	rounds int // of it and the macros around it, as far as their lists are written out
}

// term is a Rego term. Its free variables are a set of scopes, by their bits.
type term struct {
	text string
	free uint
	// open is set for a reference into input or to a macro's variable, to which
	// further members can be appended: Rego's checker knows nothing of their types.
	open bool
}

func (w *writer) module() (string, error) {
	value, err := w.term(w.tree.Expr())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n", w.env.Package)
	if w.uses["cel"] {
		b.WriteString("\nimport data.trustcheck.cel\n")
	}
	fmt.Fprintf(&b, "\nvalue := %s\n", value.text)
	if len(w.doubts) == 0 {
		b.WriteString("\nundecided := set()\n")
	}
	for _, rule := range w.doubts {
		b.WriteString("\n" + rule)
	}
	for _, rule := range w.rules {
		b.WriteString("\n" + rule)
	}
	return b.String(), nil
}

// term writes the rules of an expression and returns what stands for its value.
// What CEL decides at run time Rego's checker must not decide before.
func (w *writer) term(e ast.Expr) (term, error) {
	t, err := w.write(e)
	if err == nil && w.kind(e) == types.DynKind && (!t.open || e.Kind() == ast.IdentKind && t.free != 0) {
		t.text = w.lib("dyn") + "(" + t.text + ")"
	}
	return t, err
}

// parent writes what a member is taken of.
func (w *writer) parent(e ast.Expr) (term, error) {
	t, err := w.write(e)
	if err == nil && !t.open {
		t.text = w.lib("dyn") + "(" + t.text + ")"
	}
	return t, err
}

func (w *writer) write(e ast.Expr) (term, error) {
	switch e.Kind() {
	case ast.LiteralKind:
		return w.literal(e)
	case ast.IdentKind:
		return w.ident(e)
	case ast.SelectKind:
		return w.selection(e)
	case ast.ListKind:
		return w.list(e)
	case ast.MapKind:
		return w.object(e)
	case ast.CallKind:
		return w.call(e)
	case ast.ComprehensionKind:
		return w.comprehension(e)
	}
	return term{}, w.refuse(e, "messages are not translated")
}

func (w *writer) refuse(e ast.Expr, format string, args ...any) error {
	return unsupported(w.tree, e, format, args...)
}

func (w *writer) literal(e ast.Expr) (term, error) {
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return term{text: strconv.FormatBool(bool(v))}, nil
	case types.Null:
		return term{text: "null"}, nil
	case types.String:
		return term{text: quote(string(v))}, nil
	case types.Int:
		return term{text: strconv.FormatInt(int64(v), 10)}, nil
	case types.Double:
		if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) {
			return term{}, w.refuse(e, "the number is not finite")
		}
		return term{text: strconv.FormatFloat(float64(v), 'g', -1, 64)}, nil
	case types.Uint:
		return term{text: strconv.FormatUint(uint64(v), 10)}, nil
	}
	return term{}, w.refuse(e, "literal of type %s", e.AsLiteral().Type().TypeName())
}

// quote writes a text as JSON, which is how Rego reads it.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (w *writer) ident(e ast.Expr) (term, error) {
	name := e.AsIdent()
	for i := len(w.scopes) - 1; i >= 0; i-- {
		if w.scopes[i].name == name {
			return term{text: w.scopes[i].rego, free: 1 << i, open: true}, nil
		}
	}
	for _, v := range w.env.Variables {
		if v.Name == strings.TrimPrefix(name, ".") {
			open := v.Ref == "input" || strings.HasPrefix(v.Ref, "input.") || strings.HasPrefix(v.Ref, "input[")
			return term{text: v.Ref, open: open}, nil
		}
	}
	return term{}, w.refuse(e, "%s is a type, and types are not values here", name)
}

func (w *writer) selection(e ast.Expr) (term, error) {
	sel := e.AsSelect()
	of, err := w.parent(sel.Operand())
	if err != nil {
		return term{}, err
	}
	key := term{text: quote(sel.FieldName())}
	if sel.IsTestOnly() {
		return w.apply(e, "has", of, key), nil
	}
	return w.member(e, of, key), nil
}

func (w *writer) element(e ast.Expr) (term, error) {
	args := e.AsCall().Args()
	of, err := w.parent(args[0])
	if err != nil {
		return term{}, err
	}
	key, err := w.term(args[1])
	if err != nil {
		return term{}, err
	}
	return w.member(e, of, key), nil
}

// member is a member or an element of a value.
func (w *writer) member(e ast.Expr, of, key term) term {
	if of.open && strings.HasPrefix(key.text, `"`) {
		return term{text: of.text + "[" + key.text + "]", free: of.free, open: true}
	}
	return w.apply(e, "index", of, key)
}

func (w *writer) list(e ast.Expr) (term, error) {
	if len(e.AsList().OptionalIndices()) > 0 {
		return term{}, w.refuse(e, "optional elements")
	}
	out, texts := term{}, []string(nil)
	for _, element := range e.AsList().Elements() {
		t, err := w.term(element)
		if err != nil {
			return term{}, err
		}
		out.free |= t.free
		texts = append(texts, t.text)
	}
	out.text = "[" + strings.Join(texts, ", ") + "]"
	return out, nil
}

func (w *writer) object(e ast.Expr) (term, error) {
	out, members, seen := term{}, []string(nil), map[string]bool{}
	for _, x := range e.AsMap().Entries() {
		entry := x.AsMapEntry()
		key, ok := constant(entry.Key())
		if !ok || entry.IsOptional() {
			return term{}, w.refuse(entry.Key(), "a map is translated when its keys are texts")
		}
		if seen[key] {
			return term{}, w.refuse(entry.Key(), "key %q twice", key)
		}
		seen[key] = true
		t, err := w.term(entry.Value())
		if err != nil {
			return term{}, err
		}
		out.free |= t.free
		members = append(members, quote(key)+": "+t.text)
	}
	out.text = "{" + strings.Join(members, ", ") + "}"
	return out, nil
}

// constant returns the text of a text literal.
func constant(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

func (w *writer) call(e ast.Expr) (term, error) {
	call := e.AsCall()
	name := call.FunctionName()
	if name == operators.Index {
		return w.element(e)
	}
	args, err := w.terms(children(e))
	if err != nil {
		return term{}, err
	}
	switch name {
	case operators.LogicalAnd:
		return w.absorb(e, "false", "true", args), nil
	case operators.LogicalOr:
		return w.absorb(e, "true", "false", args), nil
	case operators.Conditional:
		return w.conditional(e, args), nil
	case operators.Add:
		return w.add(e, args)
	case operators.Subtract, operators.Multiply, operators.Negate:
		return w.arithmetic(e, args)
	case operators.Divide, operators.Modulo:
		return term{}, w.refuse(e, "division")
	case overloads.TypeConvertDyn:
		return args[0], nil
	case overloads.TypeConvertString:
		return w.text(e, args[0])
	case overloads.TypeConvertBool, overloads.TypeConvertInt:
		return w.convert(e, args[0])
	case "split", "join", "extract", "substring", "replace", "charAt", "indexOf":
		return w.stringCall(e, args)
	}
	fn := plain(name)
	if fn == "" {
		return term{}, w.refuse(e, "%s is not translated", shown(name))
	}
	if err := w.available(e); err != nil {
		return term{}, err
	}
	return w.apply(e, fn, args...), nil
}

// plain names the library's function for one whose arguments go there as they
// are, or nothing.
func plain(function string) string {
	switch function {
	case operators.Equals:
		return "same"
	case operators.NotEquals:
		return "differ"
	case operators.Less:
		return "less"
	case operators.LessEquals:
		return "at_most"
	case operators.Greater:
		return "more"
	case operators.GreaterEquals:
		return "at_least"
	case operators.LogicalNot:
		return "negate"
	case operators.In:
		return "member"
	case overloads.Size:
		return "size"
	case overloads.StartsWith:
		return "starts_with"
	case overloads.EndsWith:
		return "ends_with"
	case overloads.Contains:
		return "contains_text"
	case overloads.Matches:
		return "matches"
	case "lowerAscii":
		return "lower_ascii"
	case "upperAscii":
		return "upper_ascii"
	case "trim":
		return "trim_text"
	}
	return ""
}

// googleNames tells whether Google's documentation names a function of CEL's
// string extension that is translated.
func googleNames(function string) bool {
	switch function {
	case "lowerAscii", "upperAscii", "trim", "substring", "replace", "charAt", "indexOf":
		return false
	}
	return true
}

// available refuses what the platform is not known to have, and patterns on
// which the RE2 libraries differ.
func (w *writer) available(e ast.Expr) error {
	call := e.AsCall()
	name := call.FunctionName()
	if w.env.Functions == Google && !googleNames(name) {
		return w.refuse(e, "%s is not known to be available", name)
	}
	if name != overloads.Matches {
		return nil
	}
	// RE2 in C++ reads \C as one byte, Go's as an error.
	pattern := children(e)[1]
	if p, ok := constant(pattern); ok && strings.Contains(p, `\C`) {
		return w.refuse(pattern, `pattern with \C`)
	}
	return nil
}

// shown is how a function is called in an expression.
func shown(name string) string {
	if op, ok := operators.FindReverse(name); ok && op != "" {
		return op
	}
	return name
}

func (w *writer) terms(exprs []ast.Expr) ([]term, error) {
	out := make([]term, len(exprs))
	for i, e := range exprs {
		t, err := w.term(e)
		if err != nil {
			return nil, err
		}
		out[i] = t
	}
	return out, nil
}

// add joins texts and lists, and adds numbers.
func (w *writer) add(e ast.Expr, args []term) (term, error) {
	operands := e.AsCall().Args()
	a, b := w.kind(operands[0]), w.kind(operands[1])
	if numeric(a) || numeric(b) || a == types.DynKind && b == types.DynKind {
		return w.arithmetic(e, args)
	}
	if !joins(a) || !joins(b) {
		return term{}, w.refuse(e, "+ of %s and %s", w.tree.GetType(operands[0].ID()), w.tree.GetType(operands[1].ID()))
	}
	return w.apply(e, "add", args...), nil
}

func numeric(k types.Kind) bool {
	return k == types.IntKind || k == types.UintKind || k == types.DoubleKind
}

func joins(k types.Kind) bool {
	return k == types.StringKind || k == types.ListKind || k == types.DynKind
}

// arithmetic is on ints, or on the numbers of two claims, which are either both
// ints or both doubles as long as they are whole. An int beside a claim is an
// error where claims are doubles, and how doubles round is not the same
// everywhere.
func (w *writer) arithmetic(e ast.Expr, args []term) (term, error) {
	claims := 0
	for _, operand := range e.AsCall().Args() {
		switch w.kind(operand) {
		case types.IntKind:
		case types.DynKind:
			claims++
		default:
			return term{}, w.refuse(e, "arithmetic on %s", w.tree.GetType(operand.ID()))
		}
	}
	sign, fn := " + ", "add"
	switch e.AsCall().FunctionName() {
	case operators.Subtract:
		sign, fn = " - ", "sub"
	case operators.Multiply:
		sign = " * "
	case operators.Negate:
		sign, fn = " - ", "sub"
		args = []term{{text: "0", open: true}, args[0]}
	}
	switch {
	case claims == 0:
		sum := args[0].text + sign + args[1].text
		return w.apply(e, "int64", term{text: sum, free: args[0].free | args[1].free}), nil
	case claims == len(e.AsCall().Args()) && e.AsCall().FunctionName() != operators.Multiply:
		differ := w.lib("mixed") + "(" + args[0].text + ", " + args[1].text + ")"
		if !args[0].open || !args[1].open || args[0].free|args[1].free != 0 {
			// Not two claims: one may be a literal of known type in disguise.
			differ = "is_number(" + args[0].text + ")\n\tis_number(" + args[1].text + ")"
		}
		w.doubt(e, "arithmetic depends on whether the numbers are ints or doubles", args[0].free|args[1].free, differ)
		return w.apply(e, fn, args...), nil
	}
	return term{}, w.refuse(e, "arithmetic that depends on whether a claim is an int or a double")
}

// text is string(x). Of a number it is told apart only where its type is known.
func (w *writer) text(e ast.Expr, arg term) (term, error) {
	operand := e.AsCall().Args()[0]
	switch k := w.kind(operand); k {
	case types.StringKind, types.BoolKind:
	case types.DynKind:
		w.doubt(e, "the text of a number depends on whether it is an int or a double",
			arg.free, "is_number("+arg.text+")")
	default:
		return term{}, w.refuse(e, "string() of %s", w.tree.GetType(operand.ID()))
	}
	return w.apply(e, "to_string", arg), nil
}

func (w *writer) convert(e ast.Expr, arg term) (term, error) {
	operand := e.AsCall().Args()[0]
	name := e.AsCall().FunctionName()
	switch k := w.kind(operand); {
	case k == types.StringKind, k == types.DynKind:
	case k == types.BoolKind && name == overloads.TypeConvertBool:
	case numeric(k) && name == overloads.TypeConvertInt:
	default:
		return term{}, w.refuse(e, "%s() of %s", name, w.tree.GetType(operand.ID()))
	}
	return w.apply(e, "to_"+name, arg), nil
}

// stringCall is a function of texts that has several forms or wants constants.
func (w *writer) stringCall(e ast.Expr, args []term) (term, error) {
	if err := w.available(e); err != nil {
		return term{}, err
	}
	name := e.AsCall().FunctionName()
	exprs := children(e)
	for i, x := range exprs[1:] {
		if k := w.kind(x); numeric(k) && k != types.IntKind || k == types.DynKind && takesInt(name, i+1) {
			return term{}, w.refuse(x, "%s wants an int", name)
		}
	}
	form := fmt.Sprintf("%s/%d", name, len(args))
	switch form {
	case "split/2":
		return w.apply(e, "split_text", args...), nil
	case "split/3":
		return w.apply(e, "split_n", args...), nil
	case "join/1":
		return w.apply(e, "join", args[0], term{text: `""`}), nil
	case "join/2":
		return w.apply(e, "join", args...), nil
	case "substring/2":
		end := w.apply(e, "size", args[0])
		return w.apply(e, "slice", args[0], args[1], end), nil
	case "substring/3":
		return w.apply(e, "slice", args...), nil
	case "charAt/2":
		return w.apply(e, "char_at", args...), nil
	case "indexOf/2":
		return w.apply(e, "index_of", args...), nil
	case "replace/3":
		return w.apply(e, "replace_text", args...), nil
	case "extract/2":
		prefix, suffix, err := w.template(exprs[1])
		if err != nil {
			return term{}, err
		}
		return w.apply(e, "extract", args[0], term{text: quote(prefix)}, term{text: quote(suffix)}), nil
	}
	return term{}, w.refuse(e, "%s with %d arguments is not translated", name, len(args)-1)
}

func takesInt(name string, arg int) bool {
	return name == "substring" || name == "charAt" || arg == 2 && (name == "split" || name == "indexOf") || arg == 3
}

func (w *writer) template(e ast.Expr) (prefix, suffix string, err error) {
	t, ok := constant(e)
	if !ok {
		return "", "", w.refuse(e, "extract with a template that is not a literal")
	}
	prefix, suffix, ok = cutTemplate(t)
	if !ok {
		line, column := place(w.tree, e)
		return "", "", &Invalid{Line: line, Column: column, Reason: "extract wants a template with one {name}"}
	}
	return prefix, suffix, nil
}

// absorb is && and ||: one strong operand decides alone, two weak ones
// together, and an error counts only where neither does.
func (w *writer) absorb(e ast.Expr, strong, weak string, args []term) term {
	name, free := w.name(args)
	head := w.head(name, free)
	lines := make([]string, 0, 3)
	for _, arg := range args {
		lines = append(lines, fmt.Sprintf("%s := %s if %s\n", w.headFor(name, free, arg.free), strong, w.is(strong, arg)))
	}
	lines = append(lines, fmt.Sprintf("%s := %s if {\n\t%s\n\t%s\n}\n", head, weak, w.is(weak, args[0]), w.is(weak, args[1])))
	w.rule(e, strings.Join(lines, "\n"))
	return term{text: head, free: free}
}

func (w *writer) conditional(e ast.Expr, args []term) term {
	name, free := w.name(args)
	yes := fmt.Sprintf("%s := %s if %s\n", w.headFor(name, free, args[0].free|args[1].free), args[1].text, w.is("true", args[0]))
	no := fmt.Sprintf("%s := %s if %s\n", w.headFor(name, free, args[0].free|args[2].free), args[2].text, w.is("false", args[0]))
	w.rule(e, yes+"\n"+no)
	return term{text: w.head(name, free), free: free}
}

// is tests a value that need not be a boolean.
func (w *writer) is(boolean string, t term) string {
	return w.lib("is_"+boolean) + "(" + t.text + ")"
}

func (w *writer) lib(fn string) string {
	w.uses["cel"] = true
	return "cel." + fn
}

// apply writes the rule of a library call.
func (w *writer) apply(e ast.Expr, fn string, args ...term) term {
	name, free := w.name(args)
	texts := make([]string, len(args))
	for i, arg := range args {
		texts[i] = arg.text
	}
	head := w.head(name, free)
	w.rule(e, fmt.Sprintf("%s := %s(%s)\n", head, w.lib(fn), strings.Join(texts, ", ")))
	return term{text: head, free: free}
}

func (w *writer) name(args []term) (name string, free uint) {
	for _, arg := range args {
		free |= arg.free
	}
	w.nodes++
	return "n" + strconv.Itoa(w.nodes), free
}

func (w *writer) head(name string, free uint) string { return w.headFor(name, free, free) }

// headFor is the head of a rule over the free variables, of which its body uses
// only some: strict checking refuses an argument that goes unused.
func (w *writer) headFor(name string, free, used uint) string {
	if free == 0 {
		return name
	}
	var params []string
	for i, s := range w.scopes {
		switch bit := uint(1) << i; {
		case used&bit != 0:
			params = append(params, s.rego)
		case free&bit != 0:
			params = append(params, "_")
		}
	}
	return name + "(" + strings.Join(params, ", ") + ")"
}

func (w *writer) rule(e ast.Expr, text string) {
	line, column := place(w.tree, e)
	w.rules = append(w.rules, fmt.Sprintf("# %d:%d\n%s", line, column, text))
}

// doubt writes a member of undecided: a reason that holds when the body does
// for any values of the macro variables.
func (w *writer) doubt(e ast.Expr, reason string, free uint, body ...string) {
	line, column := place(w.tree, e)
	var lines []string
	for i := len(w.scopes) - 1; i >= 0; i-- {
		if free&(1<<i) == 0 {
			continue
		}
		over := w.scopes[i].over
		free |= over.free
		lines = append([]string{"some " + w.scopes[i].rego + " in " + w.lib("elements") + "(" + over.text + ")"}, lines...)
	}
	lines = append(lines, body...)
	w.doubts = append(w.doubts, fmt.Sprintf("undecided contains %s if {\n\t%s\n}\n",
		quote(fmt.Sprintf("%d:%d: %s", line, column, reason)), strings.Join(lines, "\n\t")))
}

func (w *writer) comprehension(e ast.Expr) (term, error) {
	m, ok := macroOf(e)
	if !ok {
		return term{}, w.refuse(e, "a macro of this form is not translated")
	}
	if len(w.scopes) >= maxMacros {
		return term{}, w.refuse(e, "macros nested deeper than %d", maxMacros)
	}
	over, err := w.term(m.over)
	if err != nil {
		return term{}, err
	}
	if m.kind == macroMap && w.kind(m.over) != types.ListKind {
		w.doubt(e, "the order of a map's keys is not defined", over.free,
			"is_object("+over.text+")", "count("+over.text+") > 1")
	}
	rounds := 1
	if len(w.scopes) > 0 {
		rounds = w.scopes[len(w.scopes)-1].rounds
	}
	if m.over.Kind() == ast.ListKind {
		rounds *= max(m.over.AsList().Size(), 1)
	}
	if rounds > maxRounds {
		return term{}, w.refuse(e, "macros of more than %d rounds", maxRounds)
	}
	w.macros++
	bit := uint(1) << len(w.scopes)
	v := "v" + strconv.Itoa(w.macros)
	w.scopes = append(w.scopes, scope{name: m.variable, rego: v, over: over, rounds: rounds})
	test, result, err := w.macroParts(m)
	w.scopes = w.scopes[:len(w.scopes)-1]
	if err != nil {
		return term{}, err
	}
	name, free := w.name([]term{over, {free: (test.free | result.free) &^ bit}})
	w.rule(e, w.macroRule(m, loop{head: w.head(name, free), over: over, variable: v, bit: bit, test: test, result: result}))
	return term{text: w.head(name, free), free: free}, nil
}

func (w *writer) macroParts(m macro) (test, result term, err error) {
	if m.test != nil {
		if test, err = w.term(m.test); err != nil {
			return term{}, term{}, err
		}
	}
	if m.result != nil {
		result, err = w.term(m.result)
	}
	return test, result, err
}

// loop is a macro whose parts have been written.
type loop struct {
	head         string
	over         term
	variable     string
	bit          uint
	test, result term
}

// each is the variable of a loop over one of its parts, or the wildcard where
// that part does not use it.
func (l loop) each(parts ...term) string {
	for _, part := range parts {
		if part.free&l.bit != 0 {
			return l.variable
		}
	}
	return "_"
}

func (w *writer) macroRule(m macro, l loop) string {
	elements := w.lib("elements") + "(" + l.over.text + ")"
	some := func(parts ...term) string { return "some " + l.each(parts...) + " in " + elements }
	every := func(test string) string {
		return fmt.Sprintf("every %s in %s {\n\t\t%s\n\t}", l.each(l.test), elements, test)
	}
	switch m.kind {
	case macroAll, macroExists:
		strong, weak := "true", "false"
		if m.kind == macroAll {
			strong, weak = weak, strong
		}
		return fmt.Sprintf("%s := %s if {\n\t%s\n\t%s\n}\n\n%s := %s if {\n\t%s\n}\n",
			l.head, strong, some(l.test), w.is(strong, l.test),
			l.head, weak, every(w.is(weak, l.test)))
	case macroExistsOne:
		return fmt.Sprintf("%s := count([1 | %s; %s]) == 1 if {\n\t%s\n}\n",
			l.head, some(l.test), w.is("true", l.test), every("is_boolean("+l.test.text+")"))
	}
	if m.test == nil {
		return fmt.Sprintf("%s := out if {\n\tout := [y | %s; y := %s]\n\tcount(out) == count(%s)\n}\n",
			l.head, some(l.result), l.result.text, elements)
	}
	return fmt.Sprintf("%s := out if {\n\t%s\n\tout := [y | %s; %s; y := %s]\n\tcount(out) == count([1 | %s; %s])\n}\n",
		l.head, every("is_boolean("+l.test.text+")"),
		some(l.test, l.result), w.is("true", l.test), l.result.text,
		some(l.test), w.is("true", l.test))
}

func (w *writer) kind(e ast.Expr) types.Kind {
	k := w.tree.GetType(e.ID()).Kind()
	if k == types.AnyKind || k == types.TypeParamKind {
		return types.DynKind
	}
	return k
}
