package carrier

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
)

// fuzz reads whatever comes and demands what every reader promises: no panic,
// errors with a place, documents whose unknown members have no value, and places
// for every member.
func fuzz(f *testing.F, file string, seeds ...string) {
	for _, pattern := range seeds {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, seed := range files {
			text, err := os.ReadFile(seed)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, err := Read(file, text)
		for _, err := range unjoin(err) {
			var wrong *trustcheck.ReadError
			if !errors.As(err, &wrong) || wrong.Line < 1 || wrong.File != file && wrong.File != "" {
				t.Errorf("want an error with a place in %s, got %#v", file, err)
			}
		}
		for _, doc := range docs {
			if doc.File != file || doc.Kind == "" || doc.Line < 1 {
				t.Errorf("want a document with kind and place, got %q at %s:%d", doc.Kind, doc.File, doc.Line)
			}
			for pointer := range doc.Unknown {
				if v := lookup(doc.Value, pointer); v != nil {
					t.Errorf("%s is unknown and has the value %v", pointer, v)
				}
			}
			checkValue(t, doc, doc.Value, "")
		}
	})
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func checkValue(t *testing.T, doc *trustcheck.Document, value any, pointer string) {
	if doc.Positions[pointer].Line < 1 {
		t.Errorf("%q has no place", pointer)
	}
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			checkValue(t, doc, inner, string(appendToken([]byte(pointer), name)))
		}
	case []any:
		for i := range value {
			checkValue(t, doc, value[i], pointer+"/"+strconv.Itoa(i))
		}
	case string:
		if strings.Contains(value, holeOpen) {
			t.Errorf("%s: a hole came out as a value", pointer)
		}
	}
}

func FuzzReadJSON(f *testing.F) { fuzz(f, "f.json", "testdata/same/*/*.json") }

func FuzzReadYAML(f *testing.F) { fuzz(f, "f.yaml", "testdata/same/*/*.yaml") }

func FuzzReadTerraformJSON(f *testing.F) {
	fuzz(f, "f.tfstate", "testdata/same/*/plan.json", "testdata/same/*/*.tfstate", "testdata/plan/*.json")
}

func FuzzReadHCL(f *testing.F) { fuzz(f, "f.tf", "testdata/same/*/*.tf", "testdata/module/*.tf") }

func FuzzReadCloudFormation(f *testing.F) {
	fuzz(f, "f.template", "testdata/same/aws/*template*", "testdata/same/azure/template.json")
}

func FuzzReadHCLInJSON(f *testing.F) { fuzz(f, "f.tf.json", "testdata/same/*/*.tf.json") }
