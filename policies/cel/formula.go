package cel

import (
	"regexp"
	"slices"
	"strings"
)

// Formula is a boolean combination of tests on claims. Every node is either
// satisfied or not: a test on something absent is not satisfied, so that "not"
// means what it says. An expression of three outcomes is two formulas, see
// Program.
type Formula struct {
	Op Op `json:"op"`
	// Of are the operands: any number of All and Any, one of Not, Some and Every.
	Of []Formula `json:"of,omitempty"`
	// Test belongs to Leaf.
	Test *Test `json:"test,omitempty"`
	// Compare belongs to Compares.
	Compare *Comparison `json:"compare,omitempty"`
	// Over and Var belong to Some and Every: Of[0] is asked of each element of the
	// list (or key of the map) at Over, where it stands as the path [Var].
	Over *Place `json:"over,omitempty"`
	Var  string `json:"var,omitempty"`
	// Reason belongs to Unknown and begins with the place, "line:column: ".
	Reason string `json:"reason,omitempty"`
}

// Op is what a node of a Formula does.
type Op string

// All of nothing is true, Any of nothing is false. Every is satisfied by an
// empty list and not by what is neither list nor map nor the empty text.
const (
	All   Op = "all"
	AnyOf Op = "any"
	Not   Op = "not"
	Some  Op = "some"
	Every Op = "every"
	Leaf  Op = "test"
	// Compares asks of two places how their values stand to each other.
	Compares Op = "compare"
	Unknown  Op = "unknown"
)

// Place is where a test finds its value.
type Place struct {
	// Path is the variable and the members below it: ["assertion", "sub"].
	Path []string `json:"path"`
	// Through are applied in order to the text found there. The value is absent
	// when one of them finds no text or no such piece.
	Through []Transform `json:"through,omitempty"`
	// Parts, in place of both, are texts put together. The value is absent when
	// one of them is no text.
	Parts []Part `json:"parts,omitempty"`
}

// Part is a constant or what stands at a place.
type Part struct {
	Text  string `json:"text,omitempty"`
	Place *Place `json:"place,omitempty"`
}

// Comparison is satisfied when both values are there and Left stands to Right as How says.
type Comparison struct {
	Left  Place `json:"left"`
	Right Place `json:"right"`
	// How is "equals", of values of any type, or of two texts "starts", "ends" or
	// "contains": Left starts with Right, and so on.
	How string `json:"how"`
}

// Transform makes a text of a text.
//
//	extract  Args prefix and suffix, see Google's documentation; "" when not found
//	split    Args[0] the separator; the piece at Index, from 0
//	lower    ASCII capitals to small letters
//	upper    ASCII small letters to capitals
type Transform struct {
	Func  string   `json:"func"`
	Args  []string `json:"args,omitempty"`
	Index int      `json:"index,omitempty"`
}

// Test is one question about the value at a place. Exactly one of Present,
// Type, Values, Language and Elements is set.
type Test struct {
	Place
	Present bool `json:"present,omitempty"`
	// Type is "string", "list", "map".
	Type string `json:"type,omitempty"`
	// Values are JSON scalars of which the value must equal one, with its type.
	Values []any `json:"values,omitempty"`
	// Language holds the value, which must be a text.
	Language *Language `json:"language,omitempty"`
	// Elements are JSON scalars of which an element of the list there must equal
	// one, with its type.
	Elements []any `json:"elements,omitempty"`
}

// Language is a set of texts. Exactly one member is set; an empty one counts
// when it is the only thing asked, as a prefix every text has.
type Language struct {
	Prefix   *string `json:"prefix,omitempty"`
	Suffix   *string `json:"suffix,omitempty"`
	Contains *string `json:"contains,omitempty"`
	// Pattern is RE2, anchored at neither end.
	Pattern *string `json:"pattern,omitempty"`
}

// RE2 returns the language as one anchored RE2.
func (l Language) RE2() string {
	switch {
	case l.Prefix != nil:
		return `\A` + regexp.QuoteMeta(*l.Prefix) + `(?s:.*)\z`
	case l.Suffix != nil:
		return `\A(?s:.*)` + regexp.QuoteMeta(*l.Suffix) + `\z`
	case l.Contains != nil:
		return `\A(?s:.*)` + regexp.QuoteMeta(*l.Contains) + `(?s:.*)\z`
	default:
		return `\A(?s:.*)(?:` + *l.Pattern + `)(?s:.*)\z`
	}
}

// holds tells whether a constant is in the language.
func (l Language) holds(s string) bool {
	switch {
	case l.Prefix != nil:
		return strings.HasPrefix(s, *l.Prefix)
	case l.Suffix != nil:
		return strings.HasSuffix(s, *l.Suffix)
	case l.Contains != nil:
		return strings.Contains(s, *l.Contains)
	}
	matched, err := regexp.MatchString(*l.Pattern, s)
	return matched && err == nil
}

// Case is one thing that a value can be. When several hold, they agree.
type Case struct {
	// When tells when the value is this one.
	When Formula `json:"when"`
	// Place is where the value is taken from, nil for a constant.
	Place *Place `json:"place,omitempty"`
	// Value is a constant: nil, bool, float64, int64 or string.
	Value any `json:"value,omitempty"`
	// Reason is set when the value is neither, and tells why.
	Reason string `json:"reason,omitempty"`
	// List is set as well when the value is a list of which the elements are known.
	List *List `json:"list,omitempty"`
}

// List is what a list holds: Elements, each with what it can be; or the pieces of the text
// at Split between separators.
type List struct {
	Elements  [][]Case `json:"elements,omitempty"`
	Split     *Place   `json:"split,omitempty"`
	Separator string   `json:"separator,omitempty"`
}

var (
	always = Formula{Op: All}
	never  = Formula{Op: AnyOf}
)

func (f Formula) always() bool { return f.Op == All && len(f.Of) == 0 }
func (f Formula) never() bool  { return f.Op == AnyOf && len(f.Of) == 0 }

func all(fs ...Formula) Formula { return combine(All, fs) }

func anyOf(fs ...Formula) Formula { return combine(AnyOf, fs) }

// combine flattens, drops what does not matter and decides what is decided.
func combine(op Op, fs []Formula) Formula {
	out := Formula{Op: op}
	for _, f := range fs {
		switch {
		case f.Op == op:
			out.Of = append(out.Of, f.Of...)
		case op == All && f.never():
			return never
		case op == AnyOf && f.always():
			return always
		default:
			out.Of = append(out.Of, f)
		}
	}
	if len(out.Of) == 1 {
		return out.Of[0]
	}
	return out
}

func not(f Formula) Formula {
	switch {
	case f.always():
		return never
	case f.never():
		return always
	case f.Op == Not:
		return f.Of[0]
	}
	return Formula{Op: Not, Of: []Formula{f}}
}

func leaf(t Test) Formula { return Formula{Op: Leaf, Test: &t} }

func present(p Place) Formula { return leaf(Test{Place: p, Present: true}) }

func typed(p Place, t string) Formula { return leaf(Test{Place: p, Type: t}) }

// member is a place one step below another.
func (p Place) member(name string) Place {
	return Place{Path: append(slices.Clone(p.Path), name)}
}

func (p Place) through(t Transform) Place {
	return Place{Path: p.Path, Through: append(slices.Clone(p.Through), t)}
}

// computed tells whether the value is a text that was made of others.
func (p Place) computed() bool { return len(p.Through)+len(p.Parts) > 0 }

func (p Part) equal(q Part) bool {
	if p.Place == nil || q.Place == nil {
		return p.Place == q.Place && p.Text == q.Text
	}
	return p.Place.equal(*q.Place)
}

func compare(left, right Place, how string) Formula {
	return Formula{Op: Compares, Compare: &Comparison{Left: left, Right: right, How: how}}
}

func (p Place) equal(q Place) bool {
	return slices.EqualFunc(p.Parts, q.Parts, Part.equal) && slices.Equal(p.Path, q.Path) && slices.EqualFunc(p.Through, q.Through, func(a, b Transform) bool {
		return a.Func == b.Func && a.Index == b.Index && slices.Equal(a.Args, b.Args)
	})
}

func (f Formula) size() int {
	n := 1
	for _, of := range f.Of {
		n += of.size()
	}
	return n
}

// bounded gives up on a formula that nobody would want to read.
func bounded(f Formula) Formula {
	if f.size() > maxFormula {
		return Formula{Op: Unknown, Reason: "1:1: the formula is too large"}
	}
	return f
}

func boundedCases(cases []Case) []Case {
	for i := range cases {
		cases[i].When = bounded(cases[i].When)
	}
	return cases
}
