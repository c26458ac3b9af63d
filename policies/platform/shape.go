package platform

import (
	"errors"
	"fmt"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// WrongShape is the error for a member of a document that is not what was wanted.
func WrongShape(doc *trustcheck.Document, pointer, wanted string, got any) error {
	return fmt.Errorf("%s:%d: %s: want %s, got %s", doc.File, doc.LineOf(pointer), Place(pointer), wanted, KindOf(got))
}

// ErrSeveral says that a document has several roles where one is asked about: that is no
// fault of any of them.
var ErrSeveral = errors.New("want one role")

// Place spells a JSON pointer as people read it: members joined by dots.
func Place(pointer string) string {
	if pointer == "" {
		return "document"
	}
	return strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
}

// KindOf names the JSON type of a decoded value.
func KindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	default:
		return "a number"
	}
}
