package breadth

import (
	"maps"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// filling is what choices set, with what came of the templates that it was put into. Shapes
// that chose alike share it.
type filling struct {
	texts   map[string]string
	filled  map[string]string
	pieces  map[string][]issuer.Piece
	domains map[fieldDomain]*language.Language
	further map[*issuer.Alternative]*filling
}

// fieldDomain is a field's domain: as wide as it may be, or as it surely is.
type fieldDomain struct {
	field  string
	surely bool
}

func newFilling(texts map[string]string) *filling {
	return &filling{
		texts: texts, filled: map[string]string{}, pieces: map[string][]issuer.Piece{},
		domains: map[fieldDomain]*language.Language{}, further: map[*issuer.Alternative]*filling{},
	}
}

// with is the filling that an alternative adds to.
func (f *filling) with(alternative *issuer.Alternative) *filling {
	if len(alternative.Set) == 0 {
		return f
	}
	known := f.further[alternative]
	if known == nil {
		texts := maps.Clone(f.texts)
		maps.Copy(texts, alternative.Set)
		known = newFilling(texts)
		f.further[alternative] = known
	}
	return known
}

// maxNesting bounds how deep what is set may name what is set.
const maxNesting = 4

// fill puts what is set into a template, and into what was put there.
func (f *filling) fill(template string) string {
	if len(f.texts) == 0 || !strings.Contains(template, "{") {
		return template
	}
	text, ok := f.filled[template]
	if ok {
		return text
	}
	text = template
	for range maxNesting {
		before := text
		for name, set := range f.texts {
			text = strings.ReplaceAll(text, "{"+name+"}", set)
		}
		if text == before {
			break
		}
	}
	f.filled[template] = text
	return text
}

// written is a template with everything filled in that is no field, taken apart.
func (f *filling) written(template, issuerURL string) []issuer.Piece {
	known, ok := f.pieces[template]
	if ok {
		return known
	}
	text := f.fill(template)
	if issuerURL != "" {
		text = strings.ReplaceAll(text, "{issuer}", issuerURL)
		text = strings.ReplaceAll(text, "{host}", strings.TrimPrefix(strings.TrimPrefix(issuerURL, "https://"), "http://"))
	}
	known = issuer.Pieces(text)
	f.pieces[template] = known
	return known
}
