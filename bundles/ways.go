package bundles

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Stage is one stage of a prepared role as plain data: all stages must pass, and a stage
// passes when one of its ways is satisfied and none of its refusals is. See the README of
// package policies for the meaning of every member.
type Stage struct {
	Name     string `json:"name"`
	Ways     []Way  `json:"ways"`
	Refusals []Way  `json:"refusals"`
}

// Way is the conditions of one way, or of one refusal: all of them together.
type Way struct {
	Conditions []Condition `json:"conditions"`
}

// Condition is one leaf of the neutral form. Values and Wanted hold decoded JSON with
// numbers as json.Number; members that a test does not use are empty.
type Condition struct {
	Test      string    `json:"test"`
	Reads     string    `json:"reads"`
	Key       string    `json:"key"`
	Paths     [][]any   `json:"paths"`
	Values    []any     `json:"values"`
	Spellings []*string `json:"spellings"`
	Pattern   string    `json:"pattern"`
	Platform  string    `json:"platform"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	Rule      string    `json:"rule"`
	Analysis  string    `json:"analysis"`
	Claim     string    `json:"claim"`
	Operator  string    `json:"operator"`
	Wanted    any       `json:"wanted"`
	Source    string    `json:"source"`
	Message   string    `json:"message"`
	// Leaf, Formula and Of describe a platform's own test to the analysis, by what
	// Analysis names: "leaf", "formula" and "of". See the platform's README.
	Leaf    json.RawMessage `json:"leaf,omitempty"`
	Formula json.RawMessage `json:"formula,omitempty"`
	Of      []Condition     `json:"of,omitempty"`
}

// Rules returns the compiled modules that the role is decided by: its own, if it is written
// in Rego, the user's rules that are required, and the matchers. They are shared, and nobody
// may change them.
func (r *Role) Rules() *ast.Compiler { return r.engine.compiler }

// Stages returns the conditions that the role was lowered to, those that Decide asks.
func (r *Role) Stages() ([]Stage, error) {
	object, ok := r.prepared.(ast.Object)
	if !ok {
		return nil, fmt.Errorf("%s:%d: the prepared role is not an object", r.Ref.File, r.Ref.Line)
	}
	plain, err := ast.JSON(value(object, "stages"))
	if err != nil {
		return nil, fmt.Errorf("%s:%d: read the stages: %w", r.Ref.File, r.Ref.Line, err)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: read the stages: %w", r.Ref.File, r.Ref.Line, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var stages []Stage
	if err := decoder.Decode(&stages); err != nil {
		return nil, fmt.Errorf("%s:%d: read the stages: %w", r.Ref.File, r.Ref.Line, err)
	}
	return stages, nil
}
