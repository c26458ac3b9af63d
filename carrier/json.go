package carrier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck"
)

// source is one file's text with the offsets of its lines.
type source struct {
	file  string
	text  []byte
	lines []int
}

func newSource(file string, text []byte) *source {
	lines := append(make([]int, 0, 1+bytes.Count(text, []byte("\n"))), 0)
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return &source{file, text, lines}
		}
		at += i + 1
		lines = append(lines, at)
	}
}

func (s *source) place(at int) place {
	line := sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > at })
	return place{file: s.file, line: line, column: at - s.lines[line-1] + 1}
}

// bytesColumn is the column in bytes of one that counts characters. Far
// into a long line it stays what it is, for counting takes time.
func (s *source) bytesColumn(line, column int) int {
	const longest = 1 << 12
	if line < 1 || line > len(s.lines) || column > longest {
		return column
	}
	at := s.lines[line-1]
	for i := 1; i < column && at < len(s.text); i++ {
		_, size := utf8.DecodeRune(s.text[at:])
		at += size
	}
	return at - s.lines[line-1] + 1
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkText refuses what no reader takes: too much of it, NUL bytes and anything
// but UTF-8. It returns the text without a byte order mark.
func checkText(file string, text []byte) ([]byte, error) {
	start := place{file: file, line: 1, column: 1}
	if len(text) > maxFileSize {
		return nil, start.errorf("want at most %d bytes, got %d", maxFileSize, len(text))
	}
	if bytes.HasPrefix(text, []byte("PK\x03\x04")) {
		return nil, start.errorf("want text, got a zip archive (of a saved Terraform plan, `terraform show -json` makes text)")
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, start.errorf("want UTF-8, got UTF-16")
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, newSource(file, text).place(i).errorf("want text, got a NUL byte")
	}
	if !utf8.Valid(text) {
		at := 0
		for {
			c, size := utf8.DecodeRune(text[at:])
			if c == utf8.RuneError && size == 1 {
				return nil, newSource(file, text).place(at).errorf("want UTF-8, got the byte 0x%02x", text[at])
			}
			at += size
		}
	}
	return text, nil
}

// span is a stretch of well-formed JSON: one value without the space around it.
type span struct {
	*source
	start, end int
}

// jsonSpan returns the one value that the source consists of.
func jsonSpan(s *source) (span, error) {
	if json.Valid(s.text) {
		start := skipSpace(s.text, 0)
		return span{s, start, skipValue(s.text, start)}, nil
	}
	if len(s.text) <= trustcheck.MaxDocumentSize {
		if _, err := trustcheck.ReadDocument(s.file, s.text); err != nil {
			return span{}, err
		}
	}
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(s.text, &raw); errors.As(err, &syntax) {
		at := min(max(int(syntax.Offset)-1, 0), len(s.text))
		return span{}, s.place(at).errorf("want JSON: %s", syntax)
	}
	return span{}, s.place(0).errorf("want JSON")
}

func (v span) place() place { return v.source.place(v.start) }

func (v span) first() byte { return v.text[v.start] }

// node reads the value, strictly.
func (v span) node() (*node, error) {
	doc, err := trustcheck.ReadDocument(v.file, v.raw())
	at := v.place()
	if err != nil {
		var wrong *trustcheck.ReadError
		if errors.As(err, &wrong) {
			moved := *wrong
			moved.Line, moved.Column = at.below(wrong.Line, wrong.Column)
			if wrong.First > 0 {
				moved.First, _ = at.below(wrong.First, 1)
			}
			return nil, &moved
		}
		return nil, err
	}
	if at.line != 1 || at.column != 1 {
		for pointer, p := range doc.Positions {
			p.Line, p.Column = at.below(p.Line, p.Column)
			doc.Positions[pointer] = p
		}
	}
	return fromDocument(doc), nil
}

// below returns the place of a line and column counted from p.
func (p place) below(line, column int) (int, int) {
	if line == 1 {
		column += p.column - 1
	}
	return line + p.line - 1, column
}

// spanMember is a member of an object that has not been read yet.
type spanMember struct {
	name  string
	place place
	value span
}

// object splits an object, without reading the values.
func (v span) object() ([]spanMember, error) {
	if v.first() != '{' {
		return nil, v.place().errorf("want an object, got %s", v.shape())
	}
	var out []spanMember
	seen := map[string]place{}
	for at := skipSpace(v.text, v.start+1); v.text[at] != '}'; {
		end := skipValue(v.text, at)
		var name string
		if err := json.Unmarshal(v.text[at:end], &name); err != nil {
			return nil, v.source.place(at).errorf("want a member name: %s", err)
		}
		here := v.source.place(at)
		if first, twice := seen[name]; twice {
			return nil, here.twice(string(appendToken(nil, name)), first.line)
		}
		seen[name] = here
		start := skipSpace(v.text, skipSpace(v.text, end)+1)
		end = skipValue(v.text, start)
		out = append(out, spanMember{name, here, span{v.source, start, end}})
		at = skipComma(v.text, end)
	}
	return out, nil
}

// list splits a list; null is an empty one.
func (v span) list() ([]span, error) {
	if v.first() == 'n' {
		return nil, nil
	}
	if v.first() != '[' {
		return nil, v.place().errorf("want a list, got %s", v.shape())
	}
	var out []span
	for at := skipSpace(v.text, v.start+1); v.text[at] != ']'; {
		end := skipValue(v.text, at)
		out = append(out, span{v.source, at, end})
		at = skipComma(v.text, end)
	}
	return out, nil
}

func (v span) shape() string {
	switch v.first() {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	}
	return "a scalar"
}

// head returns the texts of an object's members by name, to see whether it is worth
// reading. Names are matched exactly, which encoding/json does not do.
func (v span) head() (map[string]string, error) {
	members, err := v.object()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, m := range members {
		var text string
		if m.value.first() == '"' && json.Unmarshal(m.value.raw(), &text) == nil {
			out[m.name] = text
		}
	}
	return out, nil
}

func (v span) raw() []byte { return v.text[v.start:v.end] }

// The three below only ever see text that json.Valid admitted.

func skipSpace(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	return at
}

func skipComma(text []byte, at int) int {
	at = skipSpace(text, at)
	if text[at] == ',' {
		at = skipSpace(text, at+1)
	}
	return at
}

func skipValue(text []byte, at int) int {
	depth := 0
	for ; at < len(text); at++ {
		switch text[at] {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case '"':
			at = closingQuote(text, at+1)
		case ' ', '\n', '\t', '\r', ',', ':':
			continue
		default:
			for at+1 < len(text) && !bytes.ContainsRune([]byte(" \n\t\r,:]}"), rune(text[at+1])) {
				at++
			}
		}
		if depth == 0 {
			return at + 1
		}
	}
	return at
}

func closingQuote(text []byte, at int) int {
	for text[at] != '"' {
		if text[at] == '\\' {
			at++
		}
		at++
	}
	return at
}

func (r *reading) json() {
	whole, err := jsonSpan(r.source)
	if err != nil {
		if r.jsonLines() {
			return
		}
		r.fail(err)
		return
	}
	r.jsonValue(whole)
}

// jsonValue reads one value: a Terraform plan or state and long lists piece by
// piece, everything else at once.
func (r *reading) jsonValue(v span) {
	switch v.first() {
	case '[':
		items, err := v.list()
		r.fail(err)
		for i, item := range items {
			if item.first() == '{' { // Scalars in a list are no documents.
				r.jsonItem(item, "/"+strconv.Itoa(i))
			}
		}
	case '{':
		members, err := v.object()
		if err != nil {
			r.fail(err)
			return
		}
		switch {
		case isTerraform(members):
			r.terraform(members)
		case isTerraformState(members):
			r.terraformState(members)
		case hasAWSList(members):
			r.jsonAWSList(members)
		default:
			r.jsonItem(v, "")
		}
	default:
		r.fail(v.place().errorf("want an object or a list, got %s", v.shape()))
	}
}

func (r *reading) jsonItem(v span, address string) {
	n, err := v.node()
	if err != nil {
		r.fail(err)
		return
	}
	r.open(n, "json", address)
}

// jsonLines reads several values one after the other, as `jq -c` and log files
// have them. It returns false where the text is not of that kind; a line that is
// not JSON does not stop the rest.
func (r *reading) jsonLines() bool {
	var lines []span
	for i, start := range r.lines {
		end := len(r.text)
		if i+1 < len(r.lines) {
			end = r.lines[i+1]
		}
		if line := bytes.TrimSpace(r.text[start:end]); len(line) > 0 {
			start = skipSpace(r.text, start)
			lines = append(lines, span{r.source, start, start + len(line)})
		}
	}
	if len(lines) < 2 || !json.Valid(lines[0].raw()) || lines[0].first() != '{' || lines[1].first() != '{' {
		return false
	}
	for i, line := range lines {
		r.jsonItem(line, fmt.Sprintf("/%d", i))
	}
	return true
}
