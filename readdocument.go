package trustcheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of ReadDocument: levels of objects and lists, bytes of text, and members
// and items together. All are far above any document a platform stores (an AWS
// policy has at most 20,480 characters, a Vault request 32 MiB).
const (
	MaxDocumentDepth   = 200
	MaxDocumentSize    = 32 << 20
	MaxDocumentMembers = 1 << 20
)

// ReadError says where a text is not what was wanted. Its message quotes at most
// one character of the text, so it never reveals a secret.
type ReadError struct {
	File    string
	Line    int
	Column  int
	Message string
	// First is the line where a member that is given twice stands first, 0 for
	// any other error.
	First int
}

// Error is "file:line: message", without the file where none was named.
func (e *ReadError) Error() string {
	message := e.Message
	if e.First > 0 {
		message += fmt.Sprintf(", got it on lines %d and %d", e.First, e.Line)
	}
	if e.File == "" {
		return fmt.Sprintf("line %d: %s", e.Line, message)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, message)
}

// ReadDocument reads text as one JSON value (RFC 8259) into a document of kind
// "json".
//
// It is stricter than encoding/json: a member given twice is refused with both
// lines, as are invalid UTF-8, lone surrogates and anything after the value. A
// UTF-8 byte order mark is skipped. Numbers keep their spelling. Positions has an
// entry for every member, at its name, and for every list item; "" is where the
// value begins. Names that differ only in case are different names here.
//
// Every error is a *ReadError.
func ReadDocument(file string, text []byte) (*Document, error) {
	if len(text) > MaxDocumentSize {
		return nil, &ReadError{File: file, Line: 1, Column: 1,
			Message: fmt.Sprintf("want at most %d bytes, got %d", MaxDocumentSize, len(text))}
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, &ReadError{File: file, Line: 1, Column: 1, Message: "want UTF-8, got UTF-16"}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	r := &documentReader{text: text, line: 1, positions: make(map[string]Position, 16)}
	value, err := r.document()
	if err != nil {
		err.File = file
		return nil, err
	}
	return &Document{
		Kind: "json", File: file, Line: r.positions[""].Line,
		Value: value, Positions: r.positions,
	}, nil
}

// documentReader is a one-pass reader. lineStart is the offset of the current
// line's first byte, pointer the JSON pointer of the value being read.
type documentReader struct {
	text      []byte
	at        int
	line      int
	lineStart int
	depth     int
	pointer   []byte
	positions map[string]Position
}

func (r *documentReader) document() (any, *ReadError) {
	r.space()
	r.positions[""] = r.position()
	value, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.space(); r.at < len(r.text) {
		return nil, r.wanted("the end of the text")
	}
	return value, nil
}

func (r *documentReader) position() Position {
	return Position{Line: r.line, Column: r.at - r.lineStart + 1}
}

func (r *documentReader) errorf(format string, args ...any) *ReadError {
	p := r.position()
	return &ReadError{Line: p.Line, Column: p.Column, Message: fmt.Sprintf(format, args...)}
}

// wanted is the error for a character that does not belong here.
func (r *documentReader) wanted(what string) *ReadError {
	if r.at >= len(r.text) {
		return r.errorf("want %s, got the end of the text", what)
	}
	c, size := utf8.DecodeRune(r.text[r.at:])
	if c == utf8.RuneError && size == 1 {
		return r.errorf("want UTF-8, got the byte 0x%02x", r.text[r.at])
	}
	return r.errorf("want %s, got %q", what, c)
}

func (r *documentReader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case '\n':
			r.at++
			r.line++
			r.lineStart = r.at
		case ' ', '\t', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek returns the byte at hand, or 0 at the end; a NUL byte has no place in
// JSON, so the two need not be told apart.
func (r *documentReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *documentReader) value() (any, *ReadError) {
	switch c := r.peek(); {
	case c == '{':
		return r.nested(r.object)
	case c == '[':
		return r.nested(r.list)
	case c == '"':
		return boxed(r.string())
	case c == '-' || isDigit(c):
		return boxed(r.number())
	case r.skip("true"):
		return true, nil
	case r.skip("false"):
		return false, nil
	case r.skip("null"):
		return nil, nil
	}
	return nil, r.wanted("a JSON value")
}

// boxed keeps a failed reading from becoming a value that is not nil.
func boxed[T any](value T, err *ReadError) (any, *ReadError) {
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (r *documentReader) skip(word string) bool {
	if !bytes.HasPrefix(r.text[r.at:], []byte(word)) {
		return false
	}
	r.at += len(word)
	return true
}

func (r *documentReader) nested(read func() (any, *ReadError)) (any, *ReadError) {
	if r.depth == MaxDocumentDepth {
		return nil, r.errorf("want at most %d levels of nesting, got more", MaxDocumentDepth)
	}
	r.depth++
	r.at++
	r.space()
	value, err := read()
	r.depth--
	return value, err
}

func (r *documentReader) object() (any, *ReadError) {
	object := map[string]any{}
	for first := true; ; first = false {
		if first && r.peek() == '}' {
			r.at++
			return object, nil
		}
		if r.peek() != '"' {
			return nil, r.wanted("a member name in quotes")
		}
		if err := r.member(object); err != nil {
			return nil, err
		}
		if done, err := r.next('}'); done || err != nil {
			return object, err
		}
	}
}

func (r *documentReader) member(object map[string]any) *ReadError {
	place := r.position()
	name, err := r.string()
	if err != nil {
		return err
	}
	outer := len(r.pointer)
	r.pointer = appendToken(append(r.pointer, '/'), name)
	pointer := string(r.pointer)
	if _, twice := object[name]; twice {
		return &ReadError{Line: place.Line, Column: place.Column,
			Message: pointer + ": want a member once", First: r.positions[pointer].Line}
	}
	if err := r.record(pointer, place); err != nil {
		return err
	}
	r.space()
	if r.peek() != ':' {
		return r.wanted("':' after a member name")
	}
	r.at++
	r.space()
	value, err := r.value()
	object[name] = value
	r.pointer = r.pointer[:outer]
	return err
}

func (r *documentReader) record(pointer string, place Position) *ReadError {
	if len(r.positions) > MaxDocumentMembers {
		return r.errorf("want at most %d members, got more", MaxDocumentMembers)
	}
	r.positions[pointer] = place
	return nil
}

func (r *documentReader) list() (any, *ReadError) {
	list := []any{}
	if r.peek() == ']' {
		r.at++
		return list, nil
	}
	for {
		outer := len(r.pointer)
		r.pointer = strconv.AppendInt(append(r.pointer, '/'), int64(len(list)), 10)
		if err := r.record(string(r.pointer), r.position()); err != nil {
			return nil, err
		}
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
		r.pointer = r.pointer[:outer]
		if done, err := r.next(']'); done || err != nil {
			return list, err
		}
	}
}

// next moves past what follows a member or item and tells whether that was the
// closing bracket.
func (r *documentReader) next(closing byte) (bool, *ReadError) {
	r.space()
	switch r.peek() {
	case closing:
		r.at++
		return true, nil
	case ',':
		r.at++
		r.space()
		return false, nil
	}
	return false, r.wanted(fmt.Sprintf("',' or %q", closing))
}

// appendToken escapes name as one reference token (RFC 6901 section 3).
func appendToken(pointer []byte, name string) []byte {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '~':
			pointer = append(pointer, "~0"...)
		case '/':
			pointer = append(pointer, "~1"...)
		default:
			pointer = append(pointer, name[i])
		}
	}
	return pointer
}

// number reads a number (RFC 8259 section 6): no leading zero or plus sign, and
// digits on both sides of a point.
func (r *documentReader) number() (json.Number, *ReadError) {
	start := r.at
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
		if isDigit(r.peek()) {
			return "", r.wanted("a number without a leading zero")
		}
	} else if !r.digits() {
		return "", r.wanted("a digit")
	}
	if r.peek() == '.' {
		if r.at++; !r.digits() {
			return "", r.wanted("a digit after the point")
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if !r.digits() {
			return "", r.wanted("a digit in the exponent")
		}
	}
	return json.Number(r.text[start:r.at]), nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (r *documentReader) digits() bool {
	start := r.at
	for isDigit(r.peek()) {
		r.at++
	}
	return r.at > start
}

// string reads a string whose opening quote is at hand. The quick way, a string
// of plain ASCII, does not copy twice.
func (r *documentReader) string() (string, *ReadError) {
	r.at++
	start := r.at
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			s := string(r.text[start:r.at])
			r.at++
			return s, nil
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf:
			return r.anyString(start)
		}
		r.at++
	}
	return "", r.wanted("'\"' at the end of a string")
}

func (r *documentReader) anyString(start int) (string, *ReadError) {
	s := append([]byte(nil), r.text[start:r.at]...)
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return string(s), nil
		case c == '\\':
			unescaped, err := r.escape()
			if err != nil {
				return "", err
			}
			s = utf8.AppendRune(s, unescaped)
		case c < ' ':
			return "", r.wanted("control characters of a string escaped")
		case c < utf8.RuneSelf:
			s = append(s, c)
			r.at++
		default:
			_, size := utf8.DecodeRune(r.text[r.at:])
			if size == 1 {
				return "", r.wanted("UTF-8")
			}
			s = append(s, r.text[r.at:r.at+size]...)
			r.at += size
		}
	}
	return "", r.wanted("'\"' at the end of a string")
}

func (r *documentReader) escape() (rune, *ReadError) {
	r.at++
	c := r.peek()
	if c == 'u' {
		return r.unicodeEscape()
	}
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	i := strings.IndexByte(letters, c)
	if i < 0 {
		return 0, r.wanted(`one of "\/bfnrtu after a backslash`)
	}
	r.at++
	return rune(meanings[i]), nil
}

func (r *documentReader) unicodeEscape() (rune, *ReadError) {
	first, err := r.hex()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	if bytes.HasPrefix(r.text[r.at:], []byte(`\u`)) {
		r.at++
		second, err := r.hex()
		if err != nil {
			return 0, err
		}
		if c := utf16.DecodeRune(first, second); c != utf8.RuneError {
			return c, nil
		}
	}
	return 0, r.errorf(`want surrogates in pairs, got a lone \u%04x`, first)
}

// hex reads the u and four digits of an escape.
func (r *documentReader) hex() (rune, *ReadError) {
	r.at++
	if r.at+4 > len(r.text) {
		r.at = len(r.text)
		return 0, r.wanted(`four hexadecimal digits after \u`)
	}
	n, err := strconv.ParseUint(string(r.text[r.at:r.at+4]), 16, 16)
	if err != nil {
		return 0, r.wanted(`four hexadecimal digits after \u`)
	}
	r.at += 4
	return rune(n), nil
}
