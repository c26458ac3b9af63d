package carrier

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// maxMembers bounds one document after aliases, locals and references are put in
// place of their names, so that a few lines cannot stand for gigabytes.
const maxMembers = trustcheck.MaxDocumentMembers

// node is a value with its place. Every reader makes nodes, and every envelope is
// opened on nodes, so a shape is recognised in JSON and in YAML alike.
//
// value is nil, bool, json.Number, string, []*node, *object, jsonText or unknown.
type node struct {
	place
	value any
}

// place is where a value stands; the file matters where a Terraform module puts
// together values from several.
type place struct {
	file   string
	line   int
	column int
	// text is the line at which the lines of a heredoc or block scalar begin, 0
	// where a text has no lines of its own.
	text int
}

// object keeps its members in the order of the file.
type object struct {
	members []member
}

type member struct {
	name  string
	place place
	value *node
}

// jsonText is a string that is the JSON encoding of a value still at hand, with
// its places and unknown members.
type jsonText struct {
	inner *node
}

// unknown is a value that cannot be known offline. Where parts of a text are
// known, text holds them, with a hole for each unknown part.
type unknown struct {
	why  string
	text string
}

// A hole in a text is the name of what would fill it, percent-encoded between two
// noncharacters (Unicode section 23.7), so that it can stand inside JSON.
const (
	holeOpen  = "\uFDD0"
	holeClose = "\uFDD1"
)

func hole(name string) string {
	return holeOpen + url.PathEscape(name) + holeClose
}

// holes returns text as its user would write it, with ${name} for each hole, and
// the names.
func holes(text string) (written string, names []string) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, holeOpen)
		b.WriteString(before)
		if !found {
			return b.String(), names
		}
		var name string
		name, text, _ = strings.Cut(rest, holeClose)
		if plain, err := url.PathUnescape(name); err == nil {
			name = plain
		}
		b.WriteString("${" + name + "}")
		names = append(names, name)
	}
}

// unknownText is the value of a text with holes.
func unknownText(text string) unknown {
	_, names := holes(text)
	return unknown{text: text, why: notKnown(names...)}
}

func notKnown(names ...string) string {
	names = unique(names)
	if len(names) == 1 {
		return names[0] + " is not known offline"
	}
	return strings.Join(names, ", ") + " are not known offline"
}

func unique(names []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out
}

func (u unknown) reason() string {
	written, names := holes(u.text)
	if known := len(names) != 1 || written != "${"+names[0]+"}"; u.text != "" && known && len(written) <= 512 {
		return fmt.Sprintf("%q: %s", written, u.why)
	}
	return u.why
}

func hasUnknown(n *node) bool {
	_, ok := n.value.(unknown)
	return ok
}

// get returns the member of n called name, or nil.
func (n *node) get(name string) *node {
	if m := n.find(name); m != nil {
		return m.value
	}
	return nil
}

func (n *node) find(name string) *member {
	for i, m := range n.members() {
		if m.name == name {
			return &n.value.(*object).members[i]
		}
	}
	return nil
}

// at returns the node below n by member names, or nil.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		if n = n.get(name); n == nil {
			return nil
		}
	}
	return n
}

func (n *node) has(names ...string) bool {
	for _, name := range names {
		if n.find(name) == nil {
			return false
		}
	}
	return true
}

func (n *node) members() []member {
	if n == nil {
		return nil
	}
	if o, ok := n.value.(*object); ok {
		return o.members
	}
	return nil
}

func (n *node) items() []*node {
	if n == nil {
		return nil
	}
	list, _ := n.value.([]*node)
	return list
}

func (n *node) isObject() bool {
	if n == nil {
		return false
	}
	_, ok := n.value.(*object)
	return ok
}

// text returns the string that n is, or "".
func (n *node) text() string {
	if n == nil {
		return ""
	}
	s, _ := n.value.(string)
	return s
}

// with returns a copy of the object n in which name is value.
func (n *node) with(name string, value *node) *node {
	members := make([]member, 0, len(n.members())+1)
	found := false
	for _, m := range n.members() {
		if m.name == name {
			m.value, found = value, true
		}
		members = append(members, m)
	}
	if !found {
		members = append(members, member{name: name, place: value.place, value: value})
	}
	return &node{place: n.place, value: &object{members}}
}

// fromDocument makes nodes of what ReadDocument read.
func fromDocument(doc *trustcheck.Document) *node {
	b := nodeBuilder{file: doc.File, positions: doc.Positions}
	return b.build(doc.Value)
}

type nodeBuilder struct {
	file      string
	positions map[string]trustcheck.Position
	pointer   []byte
}

func (b *nodeBuilder) place() place {
	p := b.positions[string(b.pointer)]
	return place{file: b.file, line: p.Line, column: p.Column}
}

func (b *nodeBuilder) build(value any) *node {
	n := &node{place: b.place(), value: value}
	outer := len(b.pointer)
	switch value := value.(type) {
	case map[string]any:
		o := &object{make([]member, 0, len(value))}
		for name, v := range value {
			b.pointer = appendToken(b.pointer[:outer], name)
			inner := b.build(v)
			o.members = append(o.members, member{name, inner.place, inner})
		}
		sort.Slice(o.members, func(i, j int) bool {
			p, q := o.members[i].place, o.members[j].place
			return p.line < q.line || p.line == q.line && p.column < q.column
		})
		n.value = o
	case []any:
		list := make([]*node, len(value))
		for i, v := range value {
			b.pointer = strconv.AppendInt(append(b.pointer[:outer], '/'), int64(i), 10)
			list[i] = b.build(v)
		}
		n.value = list
	}
	b.pointer = b.pointer[:outer]
	return n
}

// appendToken adds one reference token (RFC 6901) to a JSON pointer.
func appendToken(pointer []byte, name string) []byte {
	pointer = append(pointer, '/')
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

// document makes a document of n. A member that came from another file takes the
// place of what it stands in.
func (n *node) document(kind string) (*trustcheck.Document, error) {
	doc := &trustcheck.Document{
		Kind: kind, File: n.file, Line: n.line,
		Positions: map[string]trustcheck.Position{},
	}
	f := flattener{doc: doc}
	doc.Value = f.flatten(n, n.place)
	if f.count > maxMembers {
		return nil, n.errorf("want a document of at most %d members, got more", maxMembers)
	}
	return doc, nil
}

func (p place) errorf(format string, args ...any) error {
	return &trustcheck.ReadError{File: p.file, Line: max(p.line, 1), Column: p.column, Message: fmt.Sprintf(format, args...)}
}

// twice is the error for a member whose name stood at the line first already.
func (p place) twice(name string, first int) error {
	return &trustcheck.ReadError{File: p.file, Line: p.line, Column: p.column, Message: name + ": want a member once", First: first}
}

type flattener struct {
	doc     *trustcheck.Document
	pointer []byte
	count   int
}

func (f *flattener) flatten(n *node, at place) any {
	if f.count++; f.count > maxMembers {
		return nil
	}
	pointer := string(f.pointer)
	f.doc.Positions[pointer] = trustcheck.Position{Line: at.line, Column: at.column}
	outer := len(f.pointer)
	defer func() { f.pointer = f.pointer[:outer] }()
	switch value := n.value.(type) {
	case *object:
		out := make(map[string]any, len(value.members))
		for _, m := range value.members {
			f.pointer = appendToken(f.pointer[:outer], m.name)
			out[m.name] = f.flatten(m.value, f.inFile(m.place, at))
		}
		return out
	case []*node:
		out := make([]any, len(value))
		for i, item := range value {
			f.pointer = strconv.AppendInt(append(f.pointer[:outer], '/'), int64(i), 10)
			out[i] = f.flatten(item, f.inFile(item.place, at))
		}
		return out
	case jsonText:
		return f.flatten(encoded(n), at)
	case unknown:
		if f.doc.Unknown == nil {
			f.doc.Unknown = map[string]string{}
		}
		f.doc.Unknown[pointer] = value.reason()
		return nil
	default:
		return value
	}
}

func (f *flattener) inFile(p, outer place) place {
	if p.file != f.doc.File || p.line == 0 {
		return outer
	}
	return p
}

// opened returns the value that n holds as JSON text, plain or percent-encoded
// once ('+' is not a blank there). All of it stands where n stands. What holds no
// JSON comes back as it is, with an error.
func opened(n *node) (*node, error) {
	switch value := n.value.(type) {
	case jsonText:
		return value.inner, nil
	case string:
		return openedText(n.place, value)
	case unknown:
		if value.text == "" {
			return n, nil
		}
		inner, err := openedText(n.place, value.text)
		if err != nil {
			return n, nil // What is missing may be what makes it JSON.
		}
		return inner, nil
	}
	return n, nil
}

func openedText(at place, text string) (*node, error) {
	doc, err := trustcheck.ReadDocument("", []byte(text))
	if err != nil && strings.HasPrefix(text, "%") {
		if plain, unescapeErr := url.PathUnescape(text); unescapeErr == nil {
			doc, err = trustcheck.ReadDocument("", []byte(plain))
		}
	}
	if err != nil {
		return &node{at, text}, fmt.Errorf("want JSON text: %w", err)
	}
	n := fromDocument(doc)
	if at.text > 0 {
		lower(n, at)
	} else {
		move(n, at)
	}
	return punched(n), nil
}

// lower puts n, with places counted from the begin of a text, where the text's
// lines stand.
func lower(n *node, at place) {
	n.place = place{file: at.file, line: at.text + n.line - 1, column: n.column}
	for _, item := range n.items() {
		lower(item, at)
	}
	members := n.members()
	for i := range members {
		lower(members[i].value, at)
		p := members[i].place
		members[i].place = place{file: at.file, line: at.text + p.line - 1, column: p.column}
	}
}

// move puts n and everything in it at one place.
func move(n *node, at place) {
	n.place = at
	for _, item := range n.items() {
		move(item, at)
	}
	members := n.members()
	for i := range members {
		members[i].place = at
		move(members[i].value, at)
	}
}

// punched returns n with every text that has a hole unknown. An object with a hole
// in a member's name is unknown as a whole.
func punched(n *node) *node {
	switch value := n.value.(type) {
	case string:
		if strings.Contains(value, holeOpen) {
			return &node{n.place, unknownText(value)}
		}
	case []*node:
		for i, item := range value {
			value[i] = punched(item)
		}
	case *object:
		for i, m := range value.members {
			if strings.Contains(m.name, holeOpen) {
				return &node{n.place, unknownText(m.name)}
			}
			value.members[i].value = punched(m.value)
		}
	}
	return n
}

// encoded returns the text that a jsonText stands for.
func encoded(n *node) *node {
	inner := n.value.(jsonText).inner
	text, whole := jsonEncode(inner)
	if whole {
		return &node{n.place, text}
	}
	return &node{n.place, unknownText(text)}
}

// jsonEncode writes n as JSON, a hole for everything unknown; whole tells that
// there was none. Members are in the order of their names, as encoding/json has
// them.
func jsonEncode(n *node) (text string, whole bool) {
	whole = true
	var plain func(n *node) any
	plain = func(n *node) any {
		switch value := n.value.(type) {
		case *object:
			out := make(map[string]any, len(value.members))
			for _, m := range value.members {
				out[m.name] = plain(m.value)
			}
			return out
		case []*node:
			out := make([]any, len(value))
			for i, item := range value {
				out[i] = plain(item)
			}
			return out
		case jsonText:
			text, ok := jsonEncode(value.inner)
			whole = whole && ok
			return text
		case unknown:
			whole = false
			if value.text != "" {
				return value.text
			}
			return hole(strings.TrimSuffix(value.why, " is not known offline"))
		default:
			return value
		}
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(plain(n)); err != nil {
		return hole("jsonencode"), false
	}
	return strings.TrimSuffix(b.String(), "\n"), whole
}
