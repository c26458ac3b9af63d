package breadth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/cel"
)

// claimFormula is a formula over claims as a platform's documents describe themselves; see
// type Formula of package cel.
type claimFormula struct {
	Op      cel.Op          `json:"op"`
	Of      []claimFormula  `json:"of,omitempty"`
	Test    *claimTest      `json:"test,omitempty"`
	Compare *cel.Comparison `json:"compare,omitempty"`
	Over    *cel.Place      `json:"over,omitempty"`
	Var     string          `json:"var,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	// Source is where this part of the formula was written, if it has a place of its own.
	Source string `json:"source,omitempty"`
}

// claimTest is a cel.Test whose numbers keep their spelling.
type claimTest struct {
	Path     []string        `json:"path"`
	Through  []cel.Transform `json:"through,omitempty"`
	Parts    []cel.Part      `json:"parts,omitempty"`
	Present  bool            `json:"present,omitempty"`
	Type     string          `json:"type,omitempty"`
	Values   []any           `json:"values,omitempty"`
	Language *cel.Language   `json:"language,omitempty"`
	Elements []any           `json:"elements,omitempty"`
}

func readFormula(text []byte) (claimFormula, error) {
	var read claimFormula
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return read, fmt.Errorf("read the formula: %w", err)
	}
	read.spellPlainly()
	return read, nil
}

// spellPlainly writes out the numbers that a formula wants.
func (f *claimFormula) spellPlainly() {
	if f.Test != nil {
		for _, values := range [][]any{f.Test.Values, f.Test.Elements} {
			for i := range values {
				if number, ok := values[i].(json.Number); ok {
					values[i] = json.Number(plainNumber(number.String()))
				}
			}
		}
	}
	for i := range f.Of {
		f.Of[i].spellPlainly()
	}
}

// claims lists the claims that a formula reads, each once.
func (f *claimFormula) claims() []string {
	var all []string
	see := func(path []string) {
		if len(path) > 1 && path[0] == "assertion" && !slices.Contains(all, path[1]) {
			all = append(all, path[1])
		}
	}
	var place func(p cel.Place)
	place = func(p cel.Place) {
		see(p.Path)
		for _, part := range p.Parts {
			if part.Place != nil {
				place(*part.Place)
			}
		}
	}
	if f.Test != nil {
		place(cel.Place{Path: f.Test.Path, Parts: f.Test.Parts})
	}
	if f.Compare != nil {
		place(f.Compare.Left)
		place(f.Compare.Right)
	}
	if f.Over != nil {
		see(f.Over.Path)
	}
	for i := range f.Of {
		for _, claim := range f.Of[i].claims() {
			see([]string{"assertion", claim})
		}
	}
	return all
}

// wanted are the tests of claims that a formula does not negate.
func (f *claimFormula) wanted() []*claimTest {
	var all []*claimTest
	switch {
	case f.Op == cel.Not:
		return nil
	case f.Test != nil && len(f.Test.Path) == 2 && f.Test.Path[0] == "assertion":
		all = append(all, f.Test)
	}
	for i := range f.Of {
		all = append(all, f.Of[i].wanted()...)
	}
	return all
}

// globs are the texts that a test wants, as far as wildcards can say it.
func (t *claimTest) globs() []any {
	all := slices.Concat(t.Values, t.Elements)
	if language := t.Language; language != nil {
		switch {
		case language.Prefix != nil:
			all = append(all, *language.Prefix+"*")
		case language.Suffix != nil:
			all = append(all, "*"+*language.Suffix)
		case language.Contains != nil:
			all = append(all, "*"+*language.Contains+"*")
		}
	}
	return all
}

// formula is a combination of leaves.
type formula struct {
	op   cel.Op
	of   []formula
	leaf *leaf
}

// described turns a formula that a condition brings into one over leaves. What is not
// understood is unknown where it stands, so that the rest still counts.
func (l *lowering) described(c *bundles.Condition) (leaf, error) {
	read, err := readFormula(c.Formula)
	if err != nil {
		return leaf{}, fmt.Errorf("%s: %w", said(c), err)
	}
	found := leaf{}
	whole, err := l.combined(c, &read, &found)
	if err != nil {
		return leaf{}, fmt.Errorf("%s: %w", said(c), err)
	}
	found.formula = &whole
	return found, nil
}

// wished is a formula whose unknown parts are no doubts of ours.
func (l *lowering) wished(c *bundles.Condition) (leaf, error) {
	found, err := l.described(c)
	found.unknown = ""
	if err == nil {
		l.measure(found.formula)
	}
	return found, err
}

// measure notes the languages of a formula about lengths: automata that count are the last
// to be looked at.
func (l *lowering) measure(f *formula) {
	for i := range f.of {
		l.measure(&f.of[i])
	}
	switch {
	case f.leaf == nil:
	case f.leaf.compare != nil:
		l.measures[f.leaf.compare.wanted] = true
	default:
		l.measures[f.leaf.may.text] = true
	}
}

func (l *lowering) combined(c *bundles.Condition, f *claimFormula, whole *leaf) (formula, error) {
	doubt := func(why string) formula {
		one := l.unknown(c, why)
		if whole.unknown == "" {
			whole.unknown = one.unknown
		}
		one.unknown = ""
		return formula{op: cel.Leaf, leaf: &one}
	}
	switch {
	case f.Op == cel.All || f.Op == cel.AnyOf || f.Op == cel.Not && len(f.Of) == 1:
		found := formula{op: f.Op}
		for i := range f.Of {
			part, err := l.combined(c, &f.Of[i], whole)
			if err != nil {
				return found, err
			}
			found.of = append(found.of, part)
		}
		return found, nil
	case f.Op == cel.Unknown && f.Reason == "":
		return formula{op: cel.Leaf, leaf: &leaf{settled: true, mayHold: true}}, nil
	case f.Op == cel.Unknown:
		return doubt(f.Reason), nil
	case f.Op == cel.Compares && f.Compare != nil:
		return l.comparison(c, f.Compare, doubt)
	case f.Op == cel.Leaf && f.Test != nil && len(f.Test.Parts) > 0:
		return l.joined(c, f.Test, doubt)
	}
	name, values, err := l.tested(f)
	if limited(err) {
		return doubt(err.Error()), nil
	}
	if err != nil {
		return formula{}, err
	}
	if values == nil {
		return doubt("it looks inside of claims"), nil
	}
	l.note(f.Test, values)
	return formula{op: cel.Leaf, leaf: &leaf{paths: [][]any{{name}}, may: *values, must: *values}}, nil
}

// tested is the claim that a test, or a quantifier over a claim, is about, and the values
// that satisfy it; nil where it is not understood.
func (l *lowering) tested(f *claimFormula) (string, *reading, error) {
	switch {
	case f.Op == cel.Leaf && f.Test != nil && len(f.Test.Path) == 2 && f.Test.Path[0] == "assertion":
		values, err := l.testOf(f.Test)
		return f.Test.Path[1], values, err
	case (f.Op == cel.Some || f.Op == cel.Every) && f.Over != nil && len(f.Of) == 1 &&
		len(f.Over.Path) == 2 && f.Over.Path[0] == "assertion" && len(f.Over.Through) == 0:
		values, err := l.quantified(f)
		return f.Over.Path[1], values, err
	default:
		return "", nil, nil
	}
}

func (l *lowering) testOf(t *claimTest) (*reading, error) {
	found, err := l.valueOf(t)
	if err != nil || found == nil || len(t.Through) == 0 {
		return found, err
	}
	// What comes out of a transform is a text, and so is what goes in.
	text := found.text
	if t.Present || t.Type == "string" {
		text = language.All()
	}
	if text == nil {
		text = language.None()
	}
	if text, err = l.before(t.Through, text); err != nil || text == nil {
		return nil, err
	}
	return &reading{text: text}, nil
}

func (l *lowering) valueOf(t *claimTest) (*reading, error) {
	switch {
	case t.Present:
		present := everything
		lists, err := l.lists(language.All())
		present.list, present.absent = lists, false
		return &present, err
	case t.Type == "string":
		return &reading{text: language.All()}, nil
	case t.Type == "list":
		lists, err := l.lists(language.All())
		// A list of other things than texts is none that the models have.
		return &reading{list: lists}, err
	case t.Type == "number":
		return &reading{number: language.All()}, nil
	case t.Type == "map" && !l.generic:
		// Of objects only that they are there is known, and not even that for sure.
		return &reading{other: true}, nil
	case t.Values != nil:
		return l.values(t.Values, false)
	case t.Elements != nil:
		texts := textsIn(t.Elements)
		if len(texts) != len(t.Elements) {
			return nil, nil
		}
		exact, err := l.exact(texts...)
		if err != nil {
			return nil, err
		}
		some, err := l.some(exact)
		return &reading{list: some}, err
	case t.Language != nil:
		text, err := l.compile(t.Language.RE2())
		return &reading{text: text}, err
	default:
		return nil, nil
	}
}

// comparison is a leaf that asks how two places stand to each other.
func (l *lowering) comparison(c *bundles.Condition, of *cel.Comparison, doubt func(string) formula) (formula, error) {
	found := &comparing{how: of.How}
	for _, side := range []struct {
		from *cel.Place
		into *term
	}{{&of.Left, &found.left}, {&of.Right, &found.right}} {
		read, ok := termOf(side.from)
		if !ok {
			return doubt("it compares what lies inside of claims"), nil
		}
		*side.into = read
		l.terms = append(l.terms, read)
	}
	return formula{op: cel.Leaf, leaf: &leaf{compare: found}}, nil
}

// joined is a leaf about a text that is put together.
func (l *lowering) joined(c *bundles.Condition, t *claimTest, doubt func(string) formula) (formula, error) {
	read, ok := termOf(&cel.Place{Parts: t.Parts})
	if !ok {
		return doubt("it puts together what lies inside of claims"), nil
	}
	l.terms = append(l.terms, read)
	values, err := l.valueOf(t)
	if limited(err) {
		return doubt(err.Error()), nil
	}
	if err != nil {
		return formula{}, err
	}
	l.note(t, values)
	wanted := language.None()
	switch {
	case values == nil:
		return doubt("it looks inside of claims"), nil
	case t.Present:
		wanted = language.All()
	case values.text != nil:
		wanted = values.text
	}
	return formula{op: cel.Leaf, leaf: &leaf{compare: &comparing{left: read, wanted: wanted}}}, nil
}

// before is the texts that the transforms, one after the other, make members of x. What is
// asked again gets the same language, and so the same atom.
func (l *lowering) before(through []cel.Transform, x *language.Language) (*language.Language, error) {
	l.named[x] = true
	return l.cached(fmt.Sprintf("before %#v %p", through, x), func() (*language.Language, error) { return l.undone(through, x) })
}

func (l *lowering) undone(through []cel.Transform, x *language.Language) (*language.Language, error) {
	for _, transform := range slices.Backward(through) {
		var err error
		switch {
		case transform.Func == "extract" && len(transform.Args) == 2:
			x, err = l.limits.Extracting(l.ctx, x, transform.Args[0], transform.Args[1])
		case transform.Func == "split" && len(transform.Args) == 1:
			x, err = l.limits.Splitting(l.ctx, x, transform.Args[0], transform.Index)
		case transform.Func == "lower" && len(transform.Args) == 0:
			x, err = l.limits.Replacing(l.ctx, x, language.LowerASCII())
		default:
			x, err = l.beforeRego(transform, x)
		}
		if err != nil || x == nil {
			return nil, err
		}
	}
	return x, nil
}

// quantified is the lists with some element, or only such, that satisfy the inner formula.
func (l *lowering) quantified(f *claimFormula) (*reading, error) {
	element, err := l.element(&f.Of[0], f.Var)
	if err != nil || element == nil {
		return nil, err
	}
	if f.Op == cel.Some {
		some, err := l.some(element)
		return &reading{list: some}, err
	}
	every, err := l.lists(element)
	if err != nil {
		return nil, err
	}
	empty, err := l.exact("")
	return &reading{list: every, text: empty}, err
}

// element is the texts that satisfy a formula over an element; nil where that asks for
// more than the element.
func (l *lowering) element(f *claimFormula, variable string) (*language.Language, error) {
	switch f.Op {
	case cel.All, cel.AnyOf, cel.Not:
		var parts []*language.Language
		for i := range f.Of {
			part, err := l.element(&f.Of[i], variable)
			if err != nil || part == nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		switch {
		case f.Op == cel.All:
			return l.limits.Intersect(l.ctx, parts...)
		case f.Op == cel.AnyOf:
			return l.limits.Union(l.ctx, parts...)
		case len(parts) == 1:
			return parts[0].Complement(), nil
		}
	case cel.Leaf:
		if f.Test == nil || !slices.Equal(f.Test.Path, []string{variable}) {
			return nil, nil
		}
		found, err := l.testOf(f.Test)
		if err != nil || found == nil {
			return nil, err
		}
		if found.text == nil {
			return language.None(), nil
		}
		return found.text, nil
	}
	return nil, nil
}

// formula is a combination of leaves as a formula over the tape.
func (q *question) formula(f *formula, may bool) (node, error) {
	if f.op == cel.Leaf {
		return q.leaf(f.leaf, may)
	}
	var parts []node
	for i := range f.of {
		part, err := q.formula(&f.of[i], may != (f.op == cel.Not))
		if err != nil {
			return no, err
		}
		parts = append(parts, part)
	}
	switch f.op {
	case cel.All:
		return q.forms.all(parts...), nil
	case cel.AnyOf:
		return q.forms.any(parts...), nil
	default:
		return q.forms.not(parts[0]), nil
	}
}
