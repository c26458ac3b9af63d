package breadth

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Region is a set of tokens around a witness that is proven to be let in: every token of
// these shapes that lies outside the scope, as the witness does, as long as each of its parts
// is within the extent given. No extent can be made wider by itself. Where tokens that are
// as the witness in all that it is asked for are told apart by who has them, it speaks of
// the attacker's alone.
type Region struct {
	// Shapes lists the shapes of its tokens, each by what sets it apart from the plainest;
	// AllShapes says that there are no others within the extents.
	Shapes    [][]string `json:"shapes"`
	AllShapes bool       `json:"all_shapes"`
	Extents   []Extent   `json:"extents"`
}

// Extent is what one part of a token may be: anything but the texts in Except, one text, or
// all texts that begin with Prefix or end with Suffix; with More, longer ones only.
type Extent struct {
	Name   string   `json:"name"`
	Any    bool     `json:"any,omitempty"`
	Except []string `json:"except,omitempty"`
	Is     *string  `json:"is,omitempty"`
	Prefix string   `json:"prefix,omitempty"`
	Suffix string   `json:"suffix,omitempty"`
	More   bool     `json:"more,omitempty"`
}

// String says it in words: "ref any", "ref main", "ref release/*".
func (e Extent) String() string {
	switch {
	case len(e.Except) > 0:
		return e.Name + " any but " + strings.Join(shownTexts(e.Except), " and ")
	case e.Any:
		return e.Name + " any"
	case e.Is != nil && *e.Is == "":
		return e.Name + ` ""`
	case e.Is != nil:
		return e.Name + " " + *e.Is
	case e.Prefix+e.Suffix == "" && !e.More:
		return e.Name + " any text"
	case e.More:
		return e.Name + " " + e.Prefix + "?*" + e.Suffix
	default:
		return e.Name + " " + e.Prefix + "*" + e.Suffix
	}
}

// String says it in words, part by part.
func (r *Region) String() string {
	words := make([]string, len(r.Extents))
	for i, extent := range r.Extents {
		words[i] = extent.String()
	}
	said := strings.Join(words, ", ")
	if r.AllShapes {
		return said
	}
	var shapes []string
	for _, shape := range r.Shapes {
		if len(shape) == 0 {
			shape = []string{"what is usual"}
		}
		shapes = append(shapes, strings.Join(shape, ", "))
	}
	if more := len(shapes) - maxShapes; more > 0 {
		shapes = append(shapes[:maxShapes], fmt.Sprintf("%d more", more))
	}
	return said + ", with " + strings.Join(shapes, " or ")
}

// maxShapes bounds how many shapes of a region are named.
const maxShapes = 3

// maxRegions bounds how many regions are told apart.
const maxRegions = 6

// regions generalises a witness: it widens one part after the other as far as every token
// of anybody's in between is let in, or every one of the attacker's, sets what it found
// aside, and goes on with a token outside of it. What a limit cuts short is not complete.
func (a *analysis) regions(first *hit, attacker string, outside bool, admitted func(*ready) node) (found []Region, complete bool, err error) {
	theirs, anybodys := circle(attacker, outside, may), circle("", outside, may)
	next := first
	for next != nil {
		if len(found) == maxRegions {
			return found, false, nil
		}
		who := anybodys
		hole, err := a.widest(next, admitted, who)
		if err == nil && hole == nil {
			who = theirs
			hole, err = a.widest(next, admitted, who)
		}
		if err != nil || hole == nil {
			return found, false, err
		}
		region := Region{Extents: a.extents(hole), AllShapes: true}
		for w := range a.worlds {
			for _, q := range a.worlds[w].questions {
				held, others, err := a.fills(q, hole, admitted, who)
				if err != nil {
					return found, false, err
				}
				if !held {
					region.AllShapes = region.AllShapes && !others
					continue
				}
				if !slices.ContainsFunc(region.Shapes, func(shape []string) bool { return slices.Equal(shape, q.names) }) {
					region.Shapes = append(region.Shapes, append([]string{}, q.names...))
				}
				if err := a.setAside(q, hole); err != nil {
					return found, false, err
				}
			}
		}
		found = append(found, region)
		if next, _, err = a.find(must, func(q *ready) node {
			return q.forms.all(admitted(q), theirs(q), q.forms.not(q.told))
		}); err != nil {
			return found, false, err
		}
		if next != nil {
			texts, err := a.plainest(next)
			if err != nil {
				return found, false, err
			}
			next.texts = texts
		}
	}
	return found, true, nil
}

// widest holds each part of a token to the widest span with which all tokens of the
// circle are admitted; nil where with the very same parts some are not, or none is there.
func (a *analysis) widest(h *hit, admitted, circle func(*ready) node) (*widening, error) {
	w := &widening{
		analysis: a, hit: h, spans: map[int]span{}, except: map[int][]string{},
		admitted: h.forms.all(circle(h.ready), admitted(h.ready)),
		refused:  h.forms.all(circle(h.ready), h.forms.not(admitted(h.ready))),
	}
	for field, text := range h.texts {
		w.spans[field] = exactly(text)
	}
	if !w.holds() || w.member() == nil {
		return nil, w.failed
	}
	for field := range h.fields {
		if _, matters := h.texts[field]; !matters {
			continue
		}
		if !w.free(field) && !w.allBut(field) {
			w.widen(field)
		}
		if held, ok := w.spans[field]; (!ok || held.open) && !w.others(field) {
			w.spans[field] = exactly(h.texts[field])
		}
	}
	return w, w.failed
}

// widening is the search for the spans of a region.
type widening struct {
	*analysis
	*hit
	spans             map[int]span
	except            map[int][]string
	admitted, refused node
	failed            error
}

// free reports whether a field may be anything, and leaves it so.
func (w *widening) free(field int) bool {
	before := w.spans[field]
	delete(w.spans, field)
	if w.holds() {
		return true
	}
	w.spans[field] = before
	return false
}

// allBut reports whether a field may be anything but a few texts, and leaves it so.
func (w *widening) allBut(field int) bool {
	if w.failed != nil {
		return false
	}
	before := w.spans[field]
	delete(w.spans, field)
	refused, err := w.project(w.question, w.refused, w.spans)
	if limited(err) {
		err = nil
	}
	w.failed = err
	if texts := refused[field]; texts != nil {
		if values, few := texts.Values(maxValues); few && len(values) > 0 && !slices.Contains(values, w.texts[field]) {
			w.except[field] = values
			w.failed = w.leaveOut(field, values)
			return true
		}
	}
	w.spans[field] = before
	return false
}

// leaveOut keeps what is asked from tokens in which a field has one of the texts.
func (w *widening) leaveOut(field int, values []string) error {
	there, err := w.oneOf(w.fields[field].name, values)
	if err != nil {
		return err
	}
	w.admitted = w.forms.all(w.admitted, w.forms.not(there))
	w.refused = w.forms.all(w.refused, w.forms.not(there))
	w.retable()
	return nil
}

// fits reports whether a field may have a span, and leaves it there.
func (w *widening) fits(field int, wider span) bool {
	before := w.spans[field]
	w.spans[field] = wider
	if w.holds() {
		return true
	}
	w.spans[field] = before
	return false
}

// holds reports whether every token within the spans is admitted.
func (w *widening) holds() bool {
	if w.failed != nil {
		return false
	}
	texts, err := w.ask(w.question, w.refused, wide, w.spans)
	w.failed = err
	return texts == nil && err == nil
}

// widen holds a field to its text's shortest prefix with which all is admitted, else to
// its shortest suffix. Of a list neither says anything.
func (w *widening) widen(field int) {
	text := w.texts[field]
	if strings.ContainsRune(text, language.End) {
		return
	}
	letters := []rune(text)
	prefix := func(more bool) func(int) bool {
		return func(n int) bool { return w.fits(field, span{prefix: string(letters[:n]), open: true, more: more}) }
	}
	length := len(letters)
	if prefix(false)(length) {
		length = shortest(length, prefix(false))
	}
	shortest(length, prefix(true))
	if !w.spans[field].open && w.fits(field, span{suffix: text, open: true}) {
		shortest(len(letters), func(n int) bool {
			return w.fits(field, span{suffix: string(letters[len(letters)-n:]), open: true})
		})
	}
}

// others reports whether the span of a field holds more that is admitted than its text:
// another of few, a shorter text, or a longer one.
func (w *widening) others(field int) bool {
	held, ok := w.spans[field]
	defer func() {
		delete(w.spans, field)
		if ok {
			w.spans[field] = held
		}
	}()
	text := w.texts[field]
	if found := w.member(); found != nil && found[field] != text {
		return true
	}
	if values, few := w.fields[field].domains[wide].Values(maxValues); few {
		return slices.ContainsFunc(values, func(value string) bool {
			w.spans[field] = exactly(value)
			return value != text && (!ok || held.holds(value)) && w.member() != nil
		})
	}
	w.spans[field] = span{prefix: text, open: true, more: true}
	if held.suffix != "" {
		w.spans[field] = span{suffix: text, open: true, more: true}
	}
	return w.member() != nil
}

// holds reports whether a text is in an open span.
func (s span) holds(text string) bool {
	return strings.HasPrefix(text, s.prefix) && strings.HasSuffix(text, s.suffix)
}

// member is a token within the spans that is admitted, or nil.
func (w *widening) member() map[int]string {
	if w.failed != nil {
		return nil
	}
	texts, err := w.ask(w.question, w.admitted, wide, w.spans)
	w.failed = err
	return texts
}

// shortest returns the least length below n that holds, as all above it do; n if none does.
// The last that it asks for and that holds is the one that it returns.
func shortest(n int, holds func(int) bool) int {
	low := 0
	for low < n {
		middle := (low + n) / 2
		if holds(middle) {
			n = middle
		} else {
			low = middle + 1
		}
	}
	return n
}

// fills reports whether the same spans are a region in another shape: it has the fields,
// somebody is in it, and all who are get in. Otherwise others says whether somebody is in it
// at all.
func (a *analysis) fills(q *ready, w *widening, admitted, circle func(*ready) node) (held, others bool, err error) {
	if q == w.hit.ready {
		return true, false, nil
	}
	if q.cover || a.generic {
		return false, false, nil
	}
	here := map[int]span{}
	for field, held := range w.spans {
		at, ok := q.order[w.fields[field].name]
		if !ok {
			return false, false, nil
		}
		here[at] = held
	}
	if err := a.complete(q); err != nil {
		return false, false, err
	}
	who := circle(q)
	for field, values := range w.except {
		if _, ok := q.order[w.fields[field].name]; !ok {
			return false, false, nil
		}
		there, err := q.oneOf(w.fields[field].name, values)
		if err != nil {
			return false, false, err
		}
		who = q.forms.all(who, q.forms.not(there))
		q.retable()
	}
	refused, err := a.ask(q.question, q.forms.all(who, q.forms.not(admitted(q))), wide, here)
	if err != nil || refused != nil {
		return false, refused != nil, err
	}
	some, err := a.ask(q.question, q.forms.all(who, admitted(q)), sure, here)
	return some != nil, false, err
}

// setAside notes that the tokens within the spans have been told of.
func (a *analysis) setAside(q *ready, w *widening) error {
	parts := []node{yes}
	for field, held := range w.spans {
		part, err := q.within(w.fields[field].name, held)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	for field, values := range w.except {
		there, err := q.oneOf(w.fields[field].name, values)
		if err != nil {
			return err
		}
		parts = append(parts, q.forms.not(there))
	}
	q.told = q.forms.any(q.told, q.forms.all(parts...))
	q.retable()
	return nil
}

// retable gives a question an alphabet of its own, with the atoms that came late.
func (q *question) retable() {
	own := newTables()
	own.add(q.languages)
	own.refine()
	q.ready(own)
}

// oneOf says that a field is one of the texts.
func (q *question) oneOf(field string, values []string) (node, error) {
	texts, err := q.lower.exact(values...)
	if err != nil {
		return no, err
	}
	return q.reads([]issuer.Piece{{Field: field}}, texts, false), nil
}

// within says that a field lies in a span.
func (q *question) within(field string, held span) (node, error) {
	text, err := q.lower.exact(held.prefix)
	if err != nil {
		return no, err
	}
	if held.open {
		between := `.*`
		if held.more {
			between = `.+`
		}
		text, err = q.lower.compile(`(?s)\A` + regexp.QuoteMeta(held.prefix) + between + regexp.QuoteMeta(held.suffix) + `\z`)
	} else if only, ok := onlyText(held.prefix); ok {
		text, err = q.lower.naming(only)
	}
	if err != nil {
		return no, err
	}
	return q.reads([]issuer.Piece{{Field: field}}, text, false), nil
}

// onlyText is the text that a claim of several types is, or the only element of its list.
func onlyText(marked string) (string, bool) {
	if text, ok := strings.CutPrefix(marked, markText); ok {
		return text, true
	}
	element, ok := strings.CutPrefix(marked, markList)
	element, ended := strings.CutSuffix(element, string(language.End))
	return element, ok && ended && !strings.ContainsRune(element, language.End)
}

// naming is a claim's being a text or a list that holds it.
func (l *lowering) naming(text string) (*language.Language, error) {
	only, err := l.exact(text)
	if err != nil {
		return nil, err
	}
	some, err := l.some(only)
	if err != nil {
		return nil, err
	}
	texts, err := l.exact(markText + text)
	if err != nil {
		return nil, err
	}
	lists, err := l.limits.Around(l.ctx, some, markList, "")
	if err != nil {
		return nil, err
	}
	return l.limits.Union(l.ctx, texts, lists)
}

// extents lists the spans by the names of their fields: those that are held to something,
// and those that the role, a project's path or its ref read.
func (a *analysis) extents(w *widening) []Extent {
	h := w.hit
	tells := map[string]bool{}
	for _, claim := range append(a.shown(), a.model.Names.Ref) {
		for _, piece := range h.pieces(claim) {
			tells[piece.Field] = true
		}
	}
	order := make([]int, len(h.fields))
	for field := range order {
		order[field] = field
	}
	slices.SortStableFunc(order, func(x, y int) int { return a.rank(h.fields[x].name) - a.rank(h.fields[y].name) })
	var all []Extent
	for _, field := range order {
		name := h.fields[field].name
		held, ok := w.spans[field]
		extent := Extent{Name: a.called(name)}
		switch {
		case ok && !held.open:
			only := plainText(held.prefix)
			extent.Is = &only
		case len(w.except[field]) > 0:
			for _, value := range w.except[field] {
				extent.Except = append(extent.Except, plainText(value))
			}
			extent.Any = true
		case !ok && !tells[name]:
			continue
		case !ok:
			extent.Any = true
		default:
			extent.Prefix, extent.Suffix, extent.More = plainPrefix(held.prefix), held.suffix, held.more
			extent.Any = held.prefix+held.suffix == "" && !held.more
		}
		all = append(all, extent)
	}
	return all
}
