package verifier

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
)

// The bounds of every JSON text. MaxMembers counts the members of all objects
// of one text together.
const (
	MaxDepth   = 32
	MaxMembers = 1000
	MaxDigits  = 64
)

// maxExponentDigits keeps exponents below 10,000, which OPA and exact
// arithmetic handle without effort; 1e999999999 would fill the memory.
const maxExponentDigits = 4

// Claims is one JSON object, read exactly once. Value is what the verifier
// checks and what policies see; Text is the same JSON as it came, for what a
// value cannot hold: the order of members and the spelling of numbers. Text is
// not to be written to.
type Claims struct {
	Value ast.Object
	Text  []byte
}

// text returns the claim's text. present says whether the claim is there at
// all, ok whether it is a text.
func (c Claims) text(name string) (value string, present, ok bool) {
	term := c.Value.Get(ast.InternedTerm(name))
	if term == nil {
		return "", false, false
	}
	s, ok := term.Value.(ast.String)
	return string(s), true, ok
}

// ReadClaims reads bare claims, which no signature protects.
//
// Where the strict reading that tokens get objects but JSON still allows a
// value, the objections are returned beside it: of two members of one name the
// last is taken and what is not UTF-8 is replaced, as encoding/json does. The
// error, a [*Refusal], tells that text is no JSON object at all or exceeds a
// bound.
func ReadClaims(text []byte) (Claims, []trustcheck.TokenReason, error) {
	if len(text) > MaxToken {
		return Claims{}, nil, &Refusal{[]trustcheck.TokenReason{
			reason(TooLarge, "claims: %d bytes, want at most %d", len(text), MaxToken)}}
	}
	claims, objections, fault := readObject(text, "claims", claimNames)
	if fault != nil {
		return Claims{}, objections, &Refusal{[]trustcheck.TokenReason{*fault}}
	}
	return claims, objections, nil
}

// names are members of the outermost object that must not have a twin which
// differs in case only.
type names struct {
	registered []string
	code       string
}

var (
	claimNames  = names{[]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}, AmbiguousClaim}
	headerNames = names{[]string{"alg", "kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "enc", "zip"}, AmbiguousHeader}
	jwkNames    = names{[]string{"kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "d", "k"}, AmbiguousHeader}
)

// twin returns the registered name that name equals under case folding without
// being it. Folding is Unicode's: the long s and the Kelvin sign fold to s and
// k as encoding/json has them, and sharp s to ss.
func (n names) twin(name string) string {
	const longest = len("key_ops") + 4
	if len(name) > longest || slices.Contains(n.registered, name) {
		return ""
	}
	if strings.ContainsAny(name, "ßẞ") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "ß", "ss"), "ẞ", "ss")
	}
	for _, registered := range n.registered {
		if strings.EqualFold(name, registered) {
			return registered
		}
	}
	return ""
}

// readObject reads text, which must be one JSON object, in one pass. Objections
// leave a value; a fault does not. what names the text in messages, which never
// quote it.
func readObject(text []byte, what string, top names) (Claims, []trustcheck.TokenReason, *trustcheck.TokenReason) {
	r := &reader{text: string(text), what: what, top: top}
	// An object has as many colons as members, and a text as many values as
	// both together but for one; some may stand in texts.
	colons, commas := strings.Count(r.text, ":"), strings.Count(r.text, ",")
	r.pairs = make([][2]*ast.Term, 0, min(colons, 64))
	r.names = make([]string, 0, min(colons, 64))
	r.terms = make([]ast.Term, min(colons+commas+1, 128))
	value := r.document()
	if r.fault != nil {
		return Claims{}, r.objections, r.fault
	}
	return Claims{Value: value, Text: text}, r.objections, nil
}

// reader is a recursive descent over RFC 8259 that builds the value policies
// are evaluated on, so that nobody reads the text a second time and sees
// something else. Texts without escapes are parts of the original string and
// cost no copy.
type reader struct {
	text string
	what string
	top  names

	pos     int
	depth   int
	members int

	objections []trustcheck.TokenReason
	fault      *trustcheck.TokenReason

	// pairs and elems are stacks shared by all objects and arrays under
	// construction; terms is where the next terms are taken from.
	pairs [][2]*ast.Term
	names []string
	elems []*ast.Term
	terms []ast.Term
}

func (r *reader) document() ast.Object {
	if strings.HasPrefix(r.text, "\ufeff") {
		r.fail(ByteOrderMark, "%s: a byte order mark stands before the JSON text", r.what)
		return nil
	}
	r.space()
	if r.peek() != '{' {
		if r.value(); r.fault == nil {
			r.fail(NotAnObject, "%s: want a JSON object, got another value", r.what)
		}
		return nil
	}
	object := r.object()
	if r.fault != nil {
		return nil
	}
	r.space()
	if r.pos != len(r.text) {
		r.fail(TrailingData, "%s: byte %d: something follows the JSON object", r.what, r.pos)
		return nil
	}
	return object
}

func (r *reader) fail(code, format string, args ...any) {
	if r.fault == nil {
		fault := reason(code, format, args...)
		r.fault = &fault
	}
}

func (r *reader) unexpected(want string) {
	if r.pos >= len(r.text) {
		r.fail(BadJSON, "%s: want %s, got the end", r.what, want)
		return
	}
	r.fail(BadJSON, "%s: byte %d: want %s, got something else", r.what, r.pos, want)
}

// objection notes what a value survives, once per code, at its first place.
func (r *reader) objection(code, format string, args ...any) {
	for _, o := range r.objections {
		if o.Code == code {
			return
		}
	}
	r.objections = append(r.objections, reason(code, format, args...))
}

// peek returns the next byte, or 0 at the end; no JSON token starts with 0.
func (r *reader) peek() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *reader) space() {
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *reader) term(v ast.Value) *ast.Term {
	if len(r.terms) == 0 {
		r.terms = make([]ast.Term, 32)
	}
	t := &r.terms[0]
	r.terms = r.terms[1:]
	t.Value = v
	return t
}

func (r *reader) value() *ast.Term {
	switch c := r.peek(); {
	case c == '"':
		s := r.string()
		if r.fault != nil {
			return nil
		}
		if s == "" {
			return ast.InternedEmptyString
		}
		return r.term(ast.String(s))
	case c == '{':
		if o := r.object(); r.fault == nil {
			return r.term(o)
		}
		return nil
	case c == '[':
		return r.array()
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	case c == 't':
		return r.literal("true", ast.InternedTerm(true))
	case c == 'f':
		return r.literal("false", ast.InternedTerm(false))
	case c == 'n':
		return r.literal("null", ast.InternedNullTerm)
	}
	r.unexpected("a JSON value")
	return nil
}

func (r *reader) literal(word string, t *ast.Term) *ast.Term {
	if !strings.HasPrefix(r.text[r.pos:], word) {
		r.unexpected(word)
		return nil
	}
	r.pos += len(word)
	return t
}

// enter steps over an opening bracket and reports whether the depth is allowed.
func (r *reader) enter() bool {
	r.pos++
	if r.depth++; r.depth > MaxDepth {
		r.fail(TooDeep, "%s: byte %d: nested deeper than %d", r.what, r.pos-1, MaxDepth)
		return false
	}
	return true
}

// next reads what stands between two elements: true for a comma, false for the
// closing bracket or a fault.
func (r *reader) next(closing byte) bool {
	r.space()
	switch r.peek() {
	case ',':
		r.pos++
		return true
	case closing:
		r.pos++
		r.depth--
	default:
		r.unexpected("a comma or " + string(rune(closing)))
	}
	return false
}

func (r *reader) object() ast.Object {
	if !r.enter() {
		return nil
	}
	first := len(r.pairs)
	if r.space(); r.peek() == '}' {
		r.pos++
		r.depth--
		return ast.NewObject()
	}
	var index map[string]int
	for more := true; more; more = r.next('}') {
		r.space()
		start := r.pos
		if r.peek() != '"' {
			r.unexpected("a member's name")
			return nil
		}
		name := r.string()
		if r.fault != nil {
			return nil
		}
		if r.members++; r.members > MaxMembers {
			r.fail(TooManyMembers, "%s: byte %d: more than %d members", r.what, start, MaxMembers)
			return nil
		}
		if r.depth == 1 {
			if twin := r.top.twin(name); twin != "" {
				r.objection(r.top.code, "%s: byte %d: a member is named like %s but for the case of letters", r.what, start, twin)
			}
		}
		if r.space(); r.peek() != ':' {
			r.unexpected("a colon")
			return nil
		}
		r.pos++
		r.space()
		v := r.value()
		if r.fault != nil {
			return nil
		}
		if i := r.find(first, name, &index); i >= 0 {
			r.objection(DuplicateMember, "%s: byte %d: a second member of the same name", r.what, start)
			r.pairs[i][1] = v
			continue
		}
		r.pairs = append(r.pairs, [2]*ast.Term{r.term(ast.String(name)), v})
		r.names = append(r.names, name)
	}
	if r.fault != nil {
		return nil
	}
	o := ast.NewObject(r.pairs[first:]...)
	r.pairs, r.names = r.pairs[:first], r.names[:first]
	return o
}

// find returns the place in pairs of the member called name of the object that
// starts at first, or -1. Small objects are searched, large ones indexed, so
// that a thousand members do not cost half a million comparisons.
func (r *reader) find(first int, name string, index *map[string]int) int {
	const large = 48
	own := r.names[first:]
	if len(own) < large {
		if i := slices.Index(own, name); i >= 0 {
			return first + i
		}
		return -1
	}
	if *index == nil {
		*index = make(map[string]int, 2*large)
	}
	for i := len(*index); i < len(own); i++ {
		(*index)[own[i]] = first + i
	}
	if i, ok := (*index)[name]; ok {
		return i
	}
	return -1
}

func (r *reader) array() *ast.Term {
	if !r.enter() {
		return nil
	}
	first := len(r.elems)
	if r.space(); r.peek() == ']' {
		r.pos++
		r.depth--
		return r.term(ast.NewArray())
	}
	for more := true; more; more = r.next(']') {
		r.space()
		v := r.value()
		if r.fault != nil {
			return nil
		}
		r.elems = append(r.elems, v)
	}
	if r.fault != nil {
		return nil
	}
	// The array keeps the slice that it is given.
	a := ast.NewArray(slices.Clone(r.elems[first:])...)
	r.elems = r.elems[:first]
	return r.term(a)
}

func (r *reader) digits() int {
	start := r.pos
	for r.pos < len(r.text) && '0' <= r.text[r.pos] && r.text[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}

func (r *reader) number() *ast.Term {
	start := r.pos
	if r.peek() == '-' {
		r.pos++
	}
	zero := r.peek() == '0'
	n := r.digits()
	if n == 0 {
		r.unexpected("a digit")
		return nil
	}
	if zero && n > 1 {
		r.fail(BadJSON, "%s: byte %d: a number with a leading zero", r.what, start)
		return nil
	}
	total, tooBig := n, false
	if r.peek() == '.' {
		r.pos++
		if n = r.digits(); n == 0 {
			r.unexpected("a digit")
			return nil
		}
		total += n
	}
	if r.peek()|0x20 == 'e' {
		r.pos++
		if c := r.peek(); c == '+' || c == '-' {
			r.pos++
		}
		at := r.pos
		if n = r.digits(); n == 0 {
			r.unexpected("a digit")
			return nil
		}
		total += n
		tooBig = len(strings.TrimLeft(r.text[at:r.pos], "0")) > maxExponentDigits
	}
	if total > MaxDigits {
		r.fail(NumberTooLong, "%s: byte %d: a number of %d digits, want at most %d", r.what, start, total, MaxDigits)
		return nil
	}
	if tooBig {
		r.fail(NumberTooBig, "%s: byte %d: an exponent of more than %d digits", r.what, start, maxExponentDigits)
		return nil
	}
	spelling := r.text[start:r.pos]
	if interned := ast.InternedIntNumberTermFromString(spelling); interned != nil {
		return interned
	}
	return r.term(ast.Number(spelling))
}

// string reads a JSON string. The common one, without escapes, is a part of the
// text.
func (r *reader) string() string {
	r.pos++
	start, ascii := r.pos, true
	for i := start; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.pos = i + 1
			return r.valid(r.text[start:i], start, ascii)
		case c == '\\':
			r.pos = i
			return r.escaped(start, ascii)
		case c < ' ':
			r.pos = i
			r.unexpected("a character, control characters being escaped")
			return ""
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.pos = len(r.text)
	r.unexpected("a closing quotation mark")
	return ""
}

// valid returns s, or what encoding/json would make of it and an objection.
func (r *reader) valid(s string, at int, ascii bool) string {
	if ascii || utf8.ValidString(s) {
		return s
	}
	r.objection(BadUTF8, "%s: byte %d: a text that is not UTF-8", r.what, at)
	return string([]rune(s))
}

// escaped reads the rest of a string from its first escape on, at pos.
func (r *reader) escaped(start int, ascii bool) string {
	var b strings.Builder
	b.WriteString(r.valid(r.text[start:r.pos], start, ascii))
	for r.pos < len(r.text) {
		switch c := r.text[r.pos]; {
		case c == '"':
			r.pos++
			return b.String()
		case c == '\\':
			r.escape(&b)
			if r.fault != nil {
				return ""
			}
		case c < ' ':
			r.unexpected("a character, control characters being escaped")
			return ""
		default:
			from := r.pos
			for r.pos < len(r.text) && r.text[r.pos] != '"' && r.text[r.pos] != '\\' && r.text[r.pos] >= ' ' {
				r.pos++
			}
			b.WriteString(r.valid(r.text[from:r.pos], from, false))
		}
	}
	r.unexpected("a closing quotation mark")
	return ""
}

func (r *reader) escape(b *strings.Builder) {
	r.pos++
	c := r.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 && c != 0 {
		b.WriteByte("\"\\/\b\f\n\r\t"[i])
		r.pos++
		return
	}
	if c != 'u' {
		r.unexpected("an escape")
		return
	}
	at := r.pos - 1
	r.pos++
	char, ok := r.hex4()
	if !ok {
		r.unexpected("four hexadecimal digits")
		return
	}
	if utf16.IsSurrogate(char) {
		if rest := r.text[r.pos:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			back := r.pos
			r.pos += 2
			if low, ok := r.hex4(); ok {
				if pair := utf16.DecodeRune(char, low); pair != utf8.RuneError {
					b.WriteRune(pair)
					return
				}
			}
			r.pos = back
		}
		r.objection(LoneSurrogate, "%s: byte %d: half of a surrogate pair", r.what, at)
		char = utf8.RuneError
	}
	b.WriteRune(char)
}

func (r *reader) hex4() (rune, bool) {
	if len(r.text)-r.pos < 4 {
		return 0, false
	}
	var v rune
	for i := range 4 {
		c := r.text[r.pos+i]
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	r.pos += 4
	return v, true
}
