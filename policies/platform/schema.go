package platform

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// MustCompile compiles a platform's embedded schema (draft 2020-12). It panics where that is
// broken: then so is the build, and every test says so.
func MustCompile(name string, text []byte) *jsonschema.Schema {
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft2020
	address := "platform:///" + name + "/schema.json"
	if err := compiler.AddResource(address, bytes.NewReader(text)); err != nil {
		panic(err)
	}
	return compiler.MustCompile(address)
}

// Violation is one place at which a document does not fit a schema.
type Violation struct {
	// Pointer is the place in the document, Rule the schema's keyword that it breaks; both
	// are JSON pointers.
	Pointer string
	Rule    string
	// Message says what was wanted and what came.
	Message string
}

// Violations lists where a decoded JSON document does not fit a schema, in the order of its
// members.
func Violations(schema *jsonschema.Schema, document any) []Violation {
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(bounded(document)); !errors.As(err, &invalid) {
		return nil
	}
	var all []Violation
	var collect func(*jsonschema.ValidationError)
	collect = func(failure *jsonschema.ValidationError) {
		if len(failure.Causes) == 0 && failure.InstanceLocation != "" {
			all = append(all, Violation{
				Pointer: failure.InstanceLocation,
				Rule:    failure.KeywordLocation,
				Message: strings.ReplaceAll(failure.Message, "expected ", "want "),
			})
		}
		for _, cause := range failure.Causes {
			collect(cause)
		}
	}
	collect(invalid)
	slices.SortFunc(all, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Rule, b.Rule))
	})
	return all
}

// bounded replaces numbers that the validator could not hold: it computes with exact
// fractions, and the exponent of 1e9999999 would fill the memory.
func bounded(value any) any {
	switch value := value.(type) {
	case json.Number:
		if _, err := value.Float64(); err != nil || len(value) > 64 {
			return json.Number("0")
		}
		return value
	case []any:
		copied := make([]any, len(value))
		for i, element := range value {
			copied[i] = bounded(element)
		}
		return copied
	case map[string]any:
		copied := make(map[string]any, len(value))
		for name, member := range value {
			copied[name] = bounded(member)
		}
		return copied
	default:
		return value
	}
}
