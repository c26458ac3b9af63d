package breadth

import (
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

// What is put into the templates of models, and into patterns with braces of their own, is put
// there; templates that name nothing that is set are everybody's.
func TestFillingsPutIntoTemplatesWhatTheyName(t *testing.T) {
	templates := []string{`\{{ref_part}\}`, `[a-z]{2}{ref_part}`, `{{ref_part}`, `x{ref_part`, `{`, `}{`, ``, `[0-9]{1,5}`}
	var choices []*issuer.Alternative
	for _, name := range issuer.Models() {
		model, err := issuer.ModelOf(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range model.Fields {
			templates = append(templates, field.Domain, field.Surely)
		}
		for _, claim := range model.Claims {
			templates = append(templates, claim.Text, claim.Also)
		}
		for c := range model.Choices {
			for a := range model.Choices[c].Alternatives {
				alternative := &model.Choices[c].Alternatives[a]
				choices = append(choices, alternative)
				for _, text := range alternative.Set {
					templates = append(templates, text)
				}
			}
		}
	}
	shared, own := 0, 0
	for _, choice := range choices {
		f := newFilling("").with(choice)
		for _, template := range templates {
			want := template
			for range maxNesting {
				for name, text := range choice.Set {
					want = strings.ReplaceAll(want, "{"+name+"}", text)
				}
			}
			if got := f.fill(template); got != want {
				t.Errorf("%q with %q: want %q, got %q", template, choice.Set, want, got)
			}
			if f.of(template) == f.bare {
				shared++
			} else {
				own++
			}
		}
	}
	if shared == 0 || own == 0 {
		t.Errorf("%d templates are everybody's, %d are not", shared, own)
	}
}
