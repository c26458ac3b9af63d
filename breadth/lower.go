package breadth

import (
	"encoding/json"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/cel"
)

// neutral brings the tests that only one platform has, and that describe themselves, into
// a form in which scope, issuer and shapes can be read off them. What it returns decides
// the same: a way stays a conjunction, and one condition becomes several.
func neutral(stages []bundles.Stage) ([]bundles.Stage, error) {
	all := make([]bundles.Stage, len(stages))
	length := lengthOfStages(stages)
	for s, stage := range stages {
		all[s] = bundles.Stage{Name: stage.Name}
		for _, of := range []struct {
			from []bundles.Way
			into *[]bundles.Way
		}{{stage.Ways, &all[s].Ways}, {stage.Refusals, &all[s].Refusals}} {
			for _, way := range of.from {
				conditions, err := neutralAll(way.Conditions, length)
				if err != nil {
					return nil, fmt.Errorf("stage %s: %w", stage.Name, err)
				}
				*of.into = append(*of.into, bundles.Way{Conditions: conditions})
			}
		}
	}
	return all, nil
}

func neutralAll(conditions []bundles.Condition, length int) ([]bundles.Condition, error) {
	var all []bundles.Condition
	for _, condition := range conditions {
		found := []bundles.Condition{condition}
		var err error
		switch condition.Analysis {
		case "of":
			found, err = neutralAll(condition.Of, length)
		case "leaf":
			err = neutralLeaf(&found[0])
		case "formula":
			found, err = neutralFormula(condition)
		case "free":
			switch {
			case condition.Platform == "gcp":
				err = neutralMapping(&found[0], length > longestOfGoogle-roomFor)
			case condition.Platform != "aws" || condition.Name != "subject_length":
			case length > longestOfAWS-roomFor:
				err = neutralLength(&found[0])
			default:
				found = nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", said(&condition), err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// neutralMapping shows the claims that a mapping of Google reads. What is mapped to another
// type than text refuses; what a mapping whose claim is missing does is not documented, so
// a token surely passes only where none is. A subject that is sub is text in every token; how
// long one may be is asked where the role's own texts are long.
func neutralMapping(c *bundles.Condition, long bool) error {
	if c.Name != "mapping" || len(c.Formula) == 0 {
		return nil
	}
	var both struct {
		True   json.RawMessage `json:"true"`
		False  json.RawMessage `json:"false"`
		Filled json.RawMessage `json:"filled"`
	}
	if err := json.Unmarshal(c.Formula, &both); err != nil {
		return fmt.Errorf("read the formula: %w", err)
	}
	fits, err := readFormula(both.True)
	if err != nil {
		return err
	}
	fails, err := readFormula(both.False)
	if err != nil {
		return err
	}
	if both.Filled != nil && !long {
		if fits, err = readFormula(both.Filled); err != nil {
			return err
		}
		if fits.whole("sub") {
			return nil
		}
		fails = claimFormula{Op: cel.Not, Of: []claimFormula{fits}}
	}
	claims := fits.claims()
	for _, claim := range fails.claims() {
		if !slices.Contains(claims, claim) {
			claims = append(claims, claim)
		}
	}
	perhaps := claimFormula{Op: cel.Unknown, Reason: "a mapping whose claim is missing"}
	not := claimFormula{Op: cel.Not, Of: []claimFormula{fails}}
	if c.Formula, err = json.Marshal(claimFormula{Op: cel.AnyOf, Of: []claimFormula{fits, {Op: cel.All, Of: []claimFormula{not, perhaps}}}}); err != nil {
		return err
	}
	c.Analysis, c.Reads, c.Paths = "wish", "pointer", nil
	for _, claim := range claims {
		c.Paths = append(c.Paths, []any{claim})
	}
	return nil
}

// roomFor is how long a subject surely is at most that consists of an issuer's plain names.
const roomFor = 64

// What platforms take for a subject: 127 bytes, and 255 characters; see their READMEs.
const (
	longestOfGoogle = 127
	longestOfAWS    = 255
)

// neutralLength is AWS's bound on the length of a subject. Whether STS refuses a longer one
// is not documented: it perhaps passes.
func neutralLength(c *bundles.Condition) error {
	short := fmt.Sprintf(`\A(?s:.{0,%d})\z`, longestOfAWS)
	var err error
	c.Formula, err = json.Marshal(claimFormula{Op: cel.AnyOf, Of: []claimFormula{
		{Op: cel.Leaf, Test: &claimTest{Path: []string{"assertion", c.Claim}, Language: &cel.Language{Pattern: &short}}},
		{Op: cel.Unknown, Reason: c.Message},
	}})
	c.Analysis, c.Reads, c.Paths = "wish", "pointer", [][]any{{c.Claim}}
	return err
}

// lengthOfStages is how long the texts are that a role wants at once. Where they leave room
// for an issuer's plain names, whatever passes has a twin that is short enough for a subject,
// and names too long for one are nothing that a role is judged by.
func lengthOfStages(stages []bundles.Stage) int {
	length := 0
	for _, stage := range stages {
		longest := 0
		for _, way := range stage.Ways {
			longest = max(longest, lengthOf(way.Conditions))
		}
		length += longest
	}
	return length
}

// lengthOf is how long the texts are that conditions want at once.
func lengthOf(conditions []bundles.Condition) int {
	length := 0
	for i := range conditions {
		c := &conditions[i]
		switch {
		case c.Key == "iss" || c.Key == "aud":
		case c.Analysis == "of":
			length += lengthOf(c.Of)
		case c.Analysis == "leaf":
			longest := 0
			for _, text := range wantedTexts(c) {
				longest = max(longest, len(text))
			}
			length += longest
		case c.Test == "in" || c.Test == "pattern":
			longest := lengthOfPattern(c.Pattern)
			for _, text := range textsIn(c.Values) {
				longest = max(longest, len(text))
			}
			length += longest
		case c.Analysis == "formula" || c.Name == "mapping":
			var both struct {
				True json.RawMessage `json:"true"`
			}
			// What cannot be read is refused where it is lowered.
			if json.Unmarshal(c.Formula, &both) == nil {
				if read, err := readFormula(both.True); err == nil {
					length += read.length()
				}
			}
		}
	}
	return length
}

// length is how long the texts are that a formula wants at once.
func (f *claimFormula) length() int {
	length := 0
	if f.Test != nil {
		for _, text := range textsIn(slices.Concat(f.Test.Values, f.Test.Elements)) {
			length = max(length, len(text))
		}
		if f.Test.Language != nil {
			length = lengthOfPattern(f.Test.Language.RE2())
		}
		length += lengthOfParts(f.Test.Parts)
	}
	if f.Compare != nil {
		length += lengthOfParts(f.Compare.Left.Parts) + lengthOfParts(f.Compare.Right.Parts)
	}
	longest := 0
	for i := range f.Of {
		switch of := f.Of[i].length(); f.Op {
		case cel.Not:
		case cel.AnyOf:
			longest = max(longest, of)
		default:
			length += of
		}
	}
	return length + longest
}

// lengthOfPattern is how many letters the longest alternative of a pattern has at least.
func lengthOfPattern(pattern string) int {
	read, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	return lengthOfSyntax(read)
}

func lengthOfSyntax(read *syntax.Regexp) int {
	length := 0
	for _, sub := range read.Sub {
		of := lengthOfSyntax(sub)
		if read.Op == syntax.OpAlternate {
			length = max(length, of)
		} else {
			length += of
		}
	}
	switch read.Op {
	case syntax.OpLiteral:
		return len(string(read.Rune))
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpStar, syntax.OpQuest:
		return 0
	case syntax.OpRepeat:
		return read.Min * length
	default:
		return length
	}
}

func lengthOfParts(parts []cel.Part) int {
	length := 0
	for _, part := range parts {
		length += len(part.Text)
	}
	return length
}

// whole reports whether a formula says no more than that a claim, as it is, is text that is
// not empty.
func (f *claimFormula) whole(claim string) bool {
	for (f.Op == cel.All || f.Op == cel.AnyOf) && len(f.Of) > 0 {
		var rest []claimFormula
		for _, of := range f.Of {
			if of.Op != cel.All || len(of.Of) > 0 {
				rest = append(rest, of)
			}
		}
		if len(rest) != 1 {
			return false
		}
		f = &rest[0]
	}
	return f.Op == cel.Leaf && f.Test.Language != nil && len(f.Test.Through) == 0 && slices.Equal(f.Test.Path, []string{"assertion", claim})
}

// keyLeaf is how an AWS condition describes itself; see the README of the platform.
type keyLeaf struct {
	Claim    string `json:"claim"`
	Instead  string `json:"instead"`
	Provider string `json:"provider"`
	Op       string `json:"op"`
	Values   []any  `json:"values"`
	Pattern  string `json:"pattern"`
	// Doubtful and Perhaps are values and a pattern that perhaps match, Doubt says why.
	Doubtful []any  `json:"doubtful"`
	Perhaps  string `json:"perhaps"`
	Doubt    string `json:"doubt"`
	// Without are keys that the context must not give, Lacks is a claim that the token must
	// not have.
	Without   []any   `json:"without"`
	Lacks     string  `json:"lacks"`
	Holds     []int   `json:"holds"`
	Tags      bool    `json:"tags"`
	Negated   bool    `json:"negated"`
	Set       string  `json:"set"`
	Many      bool    `json:"many"`
	IfMissing bool    `json:"if_missing"`
	Announced []int64 `json:"announced"`
}

// neutralLeaf shows the claim that a leaf reads, and what it wants where it is positive.
func neutralLeaf(c *bundles.Condition) error {
	var read keyLeaf
	if err := json.Unmarshal(c.Leaf, &read); err != nil {
		return fmt.Errorf("read the leaf: %w", err)
	}
	c.Values, c.Pattern = nil, ""
	if read.Claim == "" {
		return nil
	}
	c.Reads, c.Key = "claim", read.Claim
	if !read.Negated {
		read.show(c)
	}
	return nil
}

// show puts what a leaf names into the members of a condition.
func (l *keyLeaf) show(c *bundles.Condition) {
	switch l.Op {
	case "in":
		c.Test, c.Values = "in", l.Values
	case "pattern":
		patterns := slices.DeleteFunc([]string{l.Pattern, l.Perhaps}, func(pattern string) bool { return pattern == "" })
		c.Test, c.Pattern = "pattern", strings.Join(patterns, "|")
	}
}

// allBut is the condition that holds where a negated one does not: a refusal of all but
// what it names wants just that. False where it is not negated.
func allBut(c *bundles.Condition) (bundles.Condition, bool) {
	var read keyLeaf
	if c.Analysis != "leaf" || json.Unmarshal(c.Leaf, &read) != nil || !read.Negated || read.Claim == "" {
		return bundles.Condition{}, false
	}
	wanted := *c
	read.show(&wanted)
	return wanted, true
}

// neutralFormula takes a conjunction apart: tests of one claim that are wanted become
// conditions as other platforms have them.
func neutralFormula(c bundles.Condition) ([]bundles.Condition, error) {
	var both struct {
		True json.RawMessage `json:"true"`
	}
	if err := json.Unmarshal(c.Formula, &both); err != nil {
		return nil, fmt.Errorf("read the formula: %w", err)
	}
	read, err := readFormula(both.True)
	if err != nil {
		return nil, err
	}
	parts := []claimFormula{read}
	if read.Op == "all" {
		parts = read.Of
	}
	var all []bundles.Condition
	for _, part := range parts {
		one := c
		one.Values, one.Pattern = nil, ""
		if one.Formula, err = json.Marshal(part); err != nil {
			return nil, err
		}
		one.Analysis = "formula"
		claims := part.claims()
		one.Key, one.Reads, one.Paths = "", "pointer", nil
		for _, claim := range claims {
			one.Paths = append(one.Paths, []any{claim})
		}
		if len(claims) == 0 {
			one.Reads = ""
		}
		part.show(&one)
		all = append(all, one)
	}
	return all, nil
}

// wish is what a formula wants of a claim that it lets be absent, or of an element of it.
func (f *claimFormula) wish() *claimFormula {
	if f.Op == cel.Some && f.Of[0].Op == cel.Leaf {
		test := *f.Of[0].Test
		test.Path = f.Over.Path
		return &claimFormula{Op: cel.Leaf, Test: &test}
	}
	if f.Op != cel.AnyOf {
		return f
	}
	wanted := slices.DeleteFunc(slices.Clone(f.Of), func(of claimFormula) bool {
		return of.Op == cel.Not && of.Of[0].Op == cel.Leaf && of.Of[0].Test.Present
	})
	if len(wanted) == 1 {
		return &wanted[0]
	}
	return &claimFormula{Op: cel.AnyOf, Of: wanted}
}

// show puts what a positive test of a claim wants into the members of a condition.
func (f *claimFormula) show(c *bundles.Condition) {
	f = f.wish()
	test := f.Test
	if f.Op == "any" && len(f.Of) > 0 && !slices.ContainsFunc(f.Of, func(of claimFormula) bool { return of.Op != "test" }) {
		test = f.Of[0].Test
		for _, of := range f.Of[1:] {
			if !slices.Equal(of.Test.Path, test.Path) || len(of.Test.Through)+len(test.Through) > 0 ||
				len(of.Test.Values)+len(of.Test.Elements) == 0 || len(test.Values)+len(test.Elements) == 0 {
				return
			}
		}
		var values []any
		for _, of := range f.Of {
			values = append(values, append(slices.Clone(of.Test.Values), of.Test.Elements...)...)
		}
		test = &claimTest{Path: test.Path, Values: values}
	}
	if test == nil || len(test.Through) > 0 || len(test.Path) != 2 {
		return
	}
	switch {
	case len(test.Values) > 0 || len(test.Elements) > 0:
		c.Test, c.Values = "in", slices.Concat(test.Values, test.Elements)
	case test.Language != nil:
		c.Test, c.Pattern = "pattern", test.Language.RE2()
	}
	if c.Wanted == nil {
		c.Wanted = c.Values
	}
}
