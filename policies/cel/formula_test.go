package cel

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// verdict is what a formula says of one token: yes, no, or that it rests on
// something unknown.
type verdict int

const (
	no verdict = iota
	maybe
	yes
)

// checkFormulas holds the two formulas of a program to an answer.
func checkFormulas(t *testing.T, expr string, p *Program, input map[string]any, got answer) {
	t.Helper()
	vars := map[string]any{"assertion": input["claims"], "claims": input["claims"], "attribute": input["attribute"], "google": input["google"]}
	for _, f := range []struct {
		formula Formula
		holds   bool
	}{{p.True, got.value == true}, {p.False, !got.failed && got.value == false}} {
		v := f.formula.ask(vars)
		if v == yes && !f.holds || v == no && f.holds {
			t.Fatalf("%s came to %v\nof %v\nbut the formula %+v says %d", expr, got, input, f.formula, v)
		}
	}
}

// ask evaluates a formula, in which the claims are variables.
func (f Formula) ask(vars map[string]any) verdict {
	switch f.Op {
	case All:
		out := yes
		for _, of := range f.Of {
			out = min(out, of.ask(vars))
		}
		return out
	case AnyOf:
		out := no
		for _, of := range f.Of {
			out = max(out, of.ask(vars))
		}
		return out
	case Not:
		return yes - f.Of[0].ask(vars)
	case Some, Every:
		return f.quantify(vars)
	case Leaf:
		return verdict(2 * boolInt(f.Test.holds(vars)))
	case Compares:
		return verdict(2 * boolInt(f.Compare.holds(vars)))
	}
	return maybe
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (f Formula) quantify(vars map[string]any) verdict {
	at, _ := f.Over.find(vars)
	var elements []any
	switch over := at.(type) {
	case []any:
		elements = over
	case map[string]any:
		for k := range over {
			elements = append(elements, k)
		}
	case string:
		if over != "" {
			return no
		}
	default:
		return no
	}
	out := Formula{Op: AnyOf}
	if f.Op == Every {
		out.Op = All
	}
	result := out.ask(vars)
	for _, element := range elements {
		inner := map[string]any{f.Var: element}
		for k, v := range vars {
			if k != f.Var {
				inner[k] = v
			}
		}
		v := f.Of[0].ask(inner)
		if f.Op == Every {
			result = min(result, v)
		} else {
			result = max(result, v)
		}
	}
	return result
}

func (c Comparison) holds(vars map[string]any) bool {
	left, ok := c.Left.find(vars)
	right, there := c.Right.find(vars)
	if !ok || !there {
		return false
	}
	if c.How == "equals" {
		return reflect.DeepEqual(left, right)
	}
	x, isText := left.(string)
	y, areTexts := right.(string)
	holds := map[string]func(string, string) bool{"starts": strings.HasPrefix, "ends": strings.HasSuffix, "contains": strings.Contains}
	return isText && areTexts && holds[c.How](x, y)
}

func (p Place) find(vars map[string]any) (any, bool) {
	if len(p.Parts) > 0 {
		whole := ""
		for _, part := range p.Parts {
			text, ok := any(part.Text), true
			if part.Place != nil {
				text, ok = part.Place.find(vars)
			}
			piece, isText := text.(string)
			if !ok || !isText {
				return nil, false
			}
			whole += piece
		}
		return whole, true
	}
	var at any = vars
	for _, name := range p.Path {
		m, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = m[name]; !ok {
			return nil, false
		}
	}
	for _, step := range p.Through {
		s, ok := at.(string)
		if !ok {
			return nil, false
		}
		switch step.Func {
		case "split":
			pieces := strings.Split(s, step.Args[0])
			if step.Index >= len(pieces) {
				return nil, false
			}
			at = pieces[step.Index]
		case "extract":
			_, after, found := strings.Cut(s, step.Args[0])
			if step.Args[1] != "" && found {
				after, _, found = strings.Cut(after, step.Args[1])
			}
			if !found {
				after = ""
			}
			at = after
		case "lower", "upper":
			at = strings.Map(func(r rune) rune {
				switch {
				case step.Func == "lower" && 'A' <= r && r <= 'Z':
					return r + 'a' - 'A'
				case step.Func == "upper" && 'a' <= r && r <= 'z':
					return r - 'a' + 'A'
				}
				return r
			}, s)
		}
	}
	return at, true
}

func (t Test) holds(vars map[string]any) bool {
	at, ok := t.find(vars)
	if !ok {
		return false
	}
	switch {
	case t.Present:
		return true
	case t.Type == "string":
		_, ok := at.(string)
		return ok
	case t.Type == "list":
		_, ok := at.([]any)
		return ok
	case t.Type == "map":
		_, ok := at.(map[string]any)
		return ok
	case t.Language != nil:
		s, ok := at.(string)
		return ok && regexp.MustCompile(t.Language.RE2()).MatchString(s)
	case t.Elements != nil:
		list, _ := at.([]any)
		for _, element := range list {
			if sameScalar(element, t.Elements[0]) {
				return true
			}
		}
		return false
	}
	for _, v := range t.Values {
		if sameScalar(at, v) {
			return true
		}
	}
	return false
}

func sameScalar(a, b any) bool {
	switch a.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}
