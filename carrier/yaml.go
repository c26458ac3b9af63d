package carrier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/trustcheck/trustcheck"
)

// maxYAMLSize bounds a YAML file; the parser needs some thirty times as much.
const maxYAMLSize = 16 << 20

// yaml reads all documents of a YAML file. An error ends the file, as it must: what
// follows a syntax error has no meaning. What came before stays.
func (r *reading) yaml() {
	if len(r.text) > maxYAMLSize {
		r.fail(r.place(0).errorf("want at most %d bytes of YAML, got %d", maxYAMLSize, len(r.text)))
		return
	}
	ascii := isASCII(r.text)
	decoder := yaml.NewDecoder(bytes.NewReader(r.text))
	for i := 0; ; i++ {
		var document yaml.Node
		err := decodeYAML(decoder, &document)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.fail(r.yamlError(err))
			return
		}
		y := yamlReader{source: r.source, ascii: ascii, open: map[*yaml.Node]bool{}}
		n, err := y.node(&document, 0)
		if err != nil {
			r.fail(err)
			continue
		}
		if n.value == nil {
			continue // An empty document, as between two "---".
		}
		address := ""
		if i > 0 {
			address = "/" + strconv.Itoa(i)
		}
		r.openYAML(n, address)
	}
}

func (r *reading) openYAML(n *node, address string) {
	items := n.items()
	if items == nil {
		if !n.isObject() {
			r.fail(n.errorf("want an object or a list, got a scalar"))
			return
		}
		r.open(n, KindYAML, address)
		return
	}
	for i, item := range items {
		if item.isObject() {
			r.open(item, KindYAML, address+"/"+strconv.Itoa(i))
		}
	}
}

// decodeYAML turns the panics that yaml.v3 still has for a few broken inputs into
// errors.
func decodeYAML(decoder *yaml.Decoder, out *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	return decoder.Decode(out)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError gives a parser's error the shape of ours.
func (r *reading) yamlError(err error) error {
	message, line := err.Error(), 1
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		message = message[len(m[0]):]
	}
	return place{file: r.file, line: line, column: 1}.errorf("want YAML: %s", message)
}

// yamlReader makes nodes of one YAML document. open holds the anchors being put in
// place of an alias, to find one that contains itself.
type yamlReader struct {
	*source
	ascii bool
	open  map[*yaml.Node]bool
	count int
}

func (y *yamlReader) place(n *yaml.Node) place {
	p := place{file: y.file, line: n.Line, column: n.Column}
	if !y.ascii {
		p.column = y.bytesColumn(n.Line, n.Column)
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == yaml.LiteralStyle {
		p.text = n.Line + 1
	}
	return p
}

func (y *yamlReader) node(n *yaml.Node, depth int) (*node, error) {
	at := y.place(n)
	if y.count++; y.count > maxMembers {
		return nil, at.errorf("want a document of at most %d members with its aliases in place, got more", maxMembers)
	}
	if depth > trustcheck.MaxDocumentDepth {
		return nil, at.errorf("want at most %d levels of nesting, got more", trustcheck.MaxDocumentDepth)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return y.node(n.Content[0], depth)
	case yaml.AliasNode:
		return y.alias(n, depth)
	case yaml.MappingNode:
		return y.tagged(n)(y.mapping(n, depth))
	case yaml.SequenceNode:
		list := make([]*node, len(n.Content))
		for i, item := range n.Content {
			var err error
			if list[i], err = y.node(item, depth+1); err != nil {
				return nil, err
			}
		}
		return y.tagged(n)(&node{at, list}, nil)
	case yaml.ScalarNode:
		return y.tagged(n)(&node{at, scalar(n)}, nil)
	}
	return &node{place: at}, nil
}

func (y *yamlReader) alias(n *yaml.Node, depth int) (*node, error) {
	if y.open[n.Alias] {
		return nil, y.place(n).errorf("want an anchor that does not contain itself, got *%s", n.Value)
	}
	y.open[n.Alias] = true
	defer delete(y.open, n.Alias)
	return y.node(n.Alias, depth)
}

// mapping reads a mapping; "<<" merges others into it, whose members yield to its
// own and to those merged before (YAML 1.1, type merge).
func (y *yamlReader) mapping(n *yaml.Node, depth int) (*node, error) {
	out := &object{}
	lines := map[string]int{}
	var merged []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, y.place(key).errorf("want a text for a member name, got a %s", kindName(key))
		}
		inner, err := y.node(value, depth+1)
		if err != nil {
			return nil, err
		}
		if key.Value == "<<" && key.Style == 0 {
			if inner.isObject() {
				merged = append(merged, inner)
			}
			merged = append(merged, inner.items()...)
			continue
		}
		if first, twice := lines[key.Value]; twice {
			return nil, y.place(key).twice(key.Value, first)
		}
		lines[key.Value] = key.Line
		out.members = append(out.members, member{key.Value, y.place(key), inner})
	}
	for _, other := range merged {
		for _, m := range other.members() {
			if _, own := lines[m.name]; !own {
				lines[m.name] = m.place.line
				out.members = append(out.members, m)
			}
		}
	}
	return &node{y.place(n), out}, nil
}

func kindName(n *yaml.Node) string {
	if n.Kind == yaml.SequenceNode {
		return "list"
	}
	return "mapping"
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// scalar reads a plain scalar as JSON would have it: null, booleans and JSON's
// numbers. All else is text: dates (Version: 2012-10-17), yes and no, 0777, 1_000,
// 12:30 and account numbers with a leading zero.
func scalar(n *yaml.Node) any {
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	if !plain || n.Style&yaml.TaggedStyle != 0 && n.Tag == "!!str" {
		return n.Value
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	if jsonNumber.MatchString(n.Value) {
		return json.Number(n.Value)
	}
	return n.Value
}

// agrees tells whether a tag of YAML's own says what the value is anyway.
func agrees(tag string, value any) bool {
	switch value.(type) {
	case nil:
		return tag == "!!null"
	case bool:
		return tag == "!!bool"
	case json.Number:
		return tag == "!!int" || tag == "!!float"
	case string:
		return tag == "!!str"
	case []*node:
		return tag == "!!seq"
	case *object:
		return tag == "!!map"
	}
	return false
}

// tagged gives a value with a CloudFormation short tag its long form; any other
// tag leaves a value whose meaning we do not know.
func (y *yamlReader) tagged(n *yaml.Node) func(*node, error) (*node, error) {
	return func(value *node, err error) (*node, error) {
		if err != nil || n.Style&yaml.TaggedStyle == 0 || n.Tag == "!" || agrees(n.Tag, value.value) {
			return value, err
		}
		name := strings.TrimPrefix(n.Tag, "!")
		if !shortTags[name] {
			return &node{value.place, unknown{why: "the tag " + n.Tag + " is not known"}}, nil
		}
		if text, ok := value.value.(string); ok && name == "GetAtt" {
			value = getAttList(value.place, text)
		}
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		return &node{value.place, &object{[]member{{name, value.place, value}}}}, nil
	}
}
