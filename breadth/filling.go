package breadth

import (
	"maps"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// filling is what choices set, with what came of the templates that it was put into. Shapes
// that chose alike share it, and all share what names nothing that is set.
type filling struct {
	texts map[string]string
	// issuer is the token's iss, "" where it was not given.
	issuer  string
	bare    *filling
	filled  map[string]string
	twice   map[string]bool
	pieces  map[string][]issuer.Piece
	domains map[fieldDomain]*language.Language
	// finer are the domains that a choice's finer covers read.
	finer   map[string][]*language.Language
	further map[*issuer.Alternative]*filling
}

// fieldDomain is a field's domain: as wide as it may be, or as it surely is.
type fieldDomain struct {
	field  string
	surely bool
}

// newFilling sets nothing.
func newFilling(issuerURL string) *filling {
	f := &filling{
		issuer: issuerURL, filled: map[string]string{}, twice: map[string]bool{}, pieces: map[string][]issuer.Piece{},
		domains: map[fieldDomain]*language.Language{}, finer: map[string][]*language.Language{},
		further: map[*issuer.Alternative]*filling{},
	}
	f.bare = f
	return f
}

// with is the filling that an alternative adds to.
func (f *filling) with(alternative *issuer.Alternative) *filling {
	if len(alternative.Set) == 0 {
		return f
	}
	known := f.further[alternative]
	if known == nil {
		known = newFilling(f.issuer)
		known.bare, known.texts = f.bare, map[string]string{}
		maps.Copy(known.texts, f.texts)
		maps.Copy(known.texts, alternative.Set)
		f.further[alternative] = known
	}
	return known
}

// of is the filling that knows what comes of a template: that of all where nothing is put
// into it.
func (f *filling) of(template string) *filling {
	for rest := template; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return f.bare
		}
		name, _, _ := strings.Cut(after, "}")
		if _, set := f.texts[name]; set {
			return f
		}
		rest = after // Not from behind the brace: a domain is a pattern, which has braces of its own.
	}
}

// maxNesting bounds how deep what is set may name what is set.
const maxNesting = 4

// fill puts what is set into a template, and into what was put there.
func (f *filling) fill(template string) string {
	if f.of(template) == f.bare {
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

// repeats reports whether a template reads a field twice.
func (f *filling) repeats(template string) bool {
	f = f.of(template)
	twice, ok := f.twice[template]
	if ok {
		return twice
	}
	seen := map[string]bool{}
	for _, piece := range issuer.Pieces(f.fill(template)) {
		twice = twice || piece.Field != "" && seen[piece.Field]
		seen[piece.Field] = true
	}
	f.twice[template] = twice
	return twice
}

// written is a template with everything filled in that is no field, taken apart.
func (f *filling) written(template string) []issuer.Piece {
	f = f.of(template)
	known, ok := f.pieces[template]
	if ok {
		return known
	}
	text := f.fill(template)
	if f.issuer != "" {
		text = strings.ReplaceAll(text, "{issuer}", f.issuer)
		text = strings.ReplaceAll(text, "{host}", strings.TrimPrefix(strings.TrimPrefix(f.issuer, "https://"), "http://"))
	}
	known = issuer.Pieces(text)
	f.pieces[template] = known
	return known
}

// domain is what is known of a field's domain, which a template says; where nothing is, it is
// built.
func (f *filling) domain(name string, surely bool, template string, build func() (*language.Language, error)) (*language.Language, error) {
	f = f.of(template)
	if known := f.domains[fieldDomain{name, surely}]; known != nil {
		return known, nil
	}
	built, err := build()
	if err == nil {
		f.domains[fieldDomain{name, surely}] = built
	}
	return built, err
}
