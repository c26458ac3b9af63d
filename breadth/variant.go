package breadth

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// variant is one shape of an issuer's tokens: one alternative of every choice, in one
// release.
type variant struct {
	// claims are those of the model in the release; what choices lay over them is found with
	// claim.
	claims  map[string]issuer.Claim
	choices []chosenOf
	set     *filling
	release string
	fork    bool
	cover   bool
	guarded bool
	// covers are the choices whose alternative covers more than the issuer mints, standsFor
	// those of them where it stands for what a fact tells and no shape spells.
	covers, standsFor []string
	// gone are claims that the release or a fact leaves out.
	gone map[string]bool
	// alike holds, by the choice, the names of alternatives with which the tokens look the
	// same, names those of its own that are not plain.
	alike map[string][]string
	names []string
	// key tells variants apart by what is looked at.
	key shapeKey
	// finer are laid over a cover where it finds something, and the lists by the names that
	// these may have finer ones by.
	finer      []issuer.Alternative
	finerLists map[string][]issuer.Alternative
}

// shapeKey is a digest of what is looked at in a shape.
type shapeKey struct {
	cover  bool
	digest [sha256.Size]byte
}

// chosenOf is an alternative that a shape has of one of the model's choices.
type chosenOf struct {
	of string
	*issuer.Alternative
}

// The marks with which a value's text on the tape begins; they tell JSON types apart.
const (
	markText   = "\uE000"
	markList   = "\uE001"
	markNumber = "\uE002"
	markTrue   = "\uE003"
	markFalse  = "\uE004"
	markNull   = "\uE005"
	markAbsent = "\uE006"
	markOther  = "\uE007"
)

// variants are the shapes that exist in a release under the facts. Choices that no claim
// of interest depends on are made in the plainest way.
func variants(model *issuer.Model, release string, facts *Facts, interesting map[string]bool, mentions func(claim, text string) bool, subjects [][]string) []*variant {
	first := &variant{claims: map[string]issuer.Claim{}, set: newFilling(map[string]string{}, nil), release: release, gone: map[string]bool{}}
	known := facts.members()
	for name, claim := range model.Claims {
		if !issuer.Within(release, claim.Since, claim.Until) || ruledOut(known, claim.Unless) {
			claim = issuer.Claim{Absent: true}
			first.gone[name] = true
		}
		first.claims[name] = claim
	}
	all := []*variant{first}
	for c := range model.Choices {
		choice := withComponents(&model.Choices[c], subjects, release)
		relevant := choiceMatters(model, choice, interesting)
		mentioned := slices.ContainsFunc(choice.Alternatives, func(alternative issuer.Alternative) bool {
			return isMentioned(alternative.Mentions, mentions)
		})
		told := ""
		if choice.Fact != "" && isOffered(choice, strings.Join(facts.SubjectTemplate, ","), release) {
			told = strings.Join(facts.SubjectTemplate, ",")
		}
		var offered []int
		for a := range choice.Alternatives {
			alternative := &choice.Alternatives[a]
			switch {
			case !issuer.Within(release, alternative.Since, alternative.Until) || ruledOut(known, alternative.Unless):
			case !relevant && told != "" && alternative.Name != told:
			case len(offered) > 0 && !relevant && !alternative.Fork || mentioned != (len(alternative.Mentions) > 0):
			default:
				offered = append(offered, a)
			}
		}
		var next []*variant
		for _, v := range all {
			first := len(next)
			for _, a := range offered {
				shape := v.with(choice, a)
				// Whether there are such subjects nobody says: GitHub documents that a key
				// environment requires an environment.
				shape.cover = shape.cover || shape.lacks(&choice.Alternatives[a])
				// No tape reads a field twice; a cover stands for such subjects.
				if relevant && choice.Orders > 0 && a > 0 && shape.set.repeats(shape.named(choice.Claim).Text) {
					continue
				}
				next = append(next, shape)
			}
			if choice.Fact != "" && len(facts.SubjectTemplate) > 0 {
				tell(next[first:], choice.Name, strings.Join(facts.SubjectTemplate, ","))
			}
		}
		all = next
	}
	return distinct(model, all, interesting)
}

// tell lets the covers stand for what a fact tells of a choice, where none of the shapes is
// that: GitHub's subjects may repeat head_ref, which is no field of theirs.
func tell(shapes []*variant, choice, told string) {
	if slices.ContainsFunc(shapes, func(v *variant) bool { return v.chosen(choice) == told }) {
		return
	}
	for _, v := range shapes {
		if slices.Contains(v.covers, choice) {
			v.standsFor = append(slices.Clone(v.standsFor), choice)
		}
	}
}

// isOffered reports whether a choice has an alternative of this name in a release.
func isOffered(choice *issuer.Choice, name, release string) bool {
	return slices.ContainsFunc(choice.Alternatives, func(a issuer.Alternative) bool {
		return a.Name == name && issuer.Within(release, a.Since, a.Until)
	})
}

func isMentioned(texts map[string]string, mentions func(claim, text string) bool) bool {
	for claim, text := range texts {
		if mentions(claim, text) {
			return true
		}
	}
	return false
}

// withComponents adds the alternatives of a release that list these components, in this order.
func withComponents(choice *issuer.Choice, lists [][]string, release string) *issuer.Choice {
	if len(choice.Components) == 0 {
		return choice
	}
	extended := *choice
	extended.Alternatives = slices.Clone(choice.Alternatives)
	for _, list := range lists {
		name := strings.Join(list, ",")
		known := slices.ContainsFunc(extended.Alternatives, func(a issuer.Alternative) bool { return a.Name == name }) ||
			len(choice.First) > 0 && !slices.Contains(choice.First, list[0])
		templates := make([]string, len(list))
		for i, component := range list {
			templates[i] = choice.Components[component]
			known = known || templates[i] == "" || !issuer.Within(release, choice.ComponentsSince[component], "")
		}
		if !known {
			extended.Alternatives = append(extended.Alternatives, issuer.Alternative{
				Name: name, Claims: map[string]issuer.Claim{choice.Claim: {Text: strings.Join(templates, ":")}},
			})
		}
	}
	return &extended
}

// choiceMatters reports whether a choice changes a claim that is looked at.
func choiceMatters(model *issuer.Model, choice *issuer.Choice, interesting map[string]bool) bool {
	read := map[string]bool{}
	for name := range interesting {
		maps.Copy(read, reads(model, name))
	}
	for _, alternative := range choice.Alternatives {
		for name := range alternative.Claims {
			if interesting[name] {
				return true
			}
		}
		for field := range alternative.Set {
			if read[field] {
				return true
			}
		}
	}
	return false
}

// reads lists the fields, and what choices set, that a claim's text may depend on in some
// shape.
func reads(model *issuer.Model, claim string) map[string]bool {
	found := map[string]bool{}
	add := func(template string) { readsOf(model, template, found) }
	of := func(claim issuer.Claim) {
		add(claim.Text)
		if claim.Value != nil {
			add(claim.Value.Before)
		}
	}
	of(model.Claims[claim])
	for _, choice := range model.Choices {
		for _, alternative := range choice.Alternatives {
			of(alternative.Claims[claim])
		}
		if choice.Claim == claim && choice.Orders > 0 {
			for _, component := range choice.Components {
				add(component)
			}
		}
	}
	return found
}

// readsOf adds the fields, and what choices set, that a template may depend on.
func readsOf(model *issuer.Model, template string, found map[string]bool) {
	for _, piece := range issuer.Pieces(template) {
		if piece.Field == "" || found[piece.Field] {
			continue
		}
		found[piece.Field] = true
		for _, choice := range model.Choices {
			for _, alternative := range choice.Alternatives {
				readsOf(model, alternative.Set[piece.Field], found)
			}
		}
	}
}

func (v *variant) with(of *issuer.Choice, a int) *variant {
	alternative := &of.Alternatives[a]
	next := *v
	next.choices, next.set = append(slices.Clip(v.choices), chosenOf{of.Name, alternative}), v.set.with(alternative)
	next.fork, next.guarded = v.fork || alternative.Fork, v.guarded || alternative.Guarded
	if alternative.Cover {
		next.cover, next.covers = true, append(slices.Clip(v.covers), of.Name)
	}
	if alternative.Finer != "" {
		next.finer, next.finerLists = of.Finer[alternative.Finer], of.Finer
	}
	if a > 0 {
		next.names = append(slices.Clip(v.names), of.Name+" "+alternative.Name)
	}
	return &next
}

// claim is a claim of the shape; false where there is none of that name.
func (v *variant) claim(name string) (issuer.Claim, bool) {
	if !v.gone[name] {
		for _, made := range slices.Backward(v.choices) {
			if claim, ok := made.Claims[name]; ok {
				return claim, true
			}
		}
	}
	claim, ok := v.claims[name]
	return claim, ok
}

// named is a claim of the shape, nothing at all where there is none of that name.
func (v *variant) named(name string) issuer.Claim {
	claim, _ := v.claim(name)
	return claim
}

// claimNames lists the claims of the shape in alphabetical order.
func (v *variant) claimNames() []string {
	names := slices.Collect(maps.Keys(v.claims))
	for _, made := range v.choices {
		names = slices.AppendSeq(names, maps.Keys(made.Claims))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// chosen is the name of the alternative that the shape has of a choice.
func (v *variant) chosen(of string) string {
	for _, made := range v.choices {
		if made.of == of {
			return made.Name
		}
	}
	return ""
}

// lacks reports whether an alternative lists a component whose claim is not there.
func (v *variant) lacks(alternative *issuer.Alternative) bool {
	return slices.ContainsFunc(strings.Split(alternative.Name, ","), func(component string) bool {
		claim := v.named(component)
		return claim.Absent || claim.Null
	})
}

// parts are the finer covers of a cover.
func (v *variant) parts() []*variant {
	var all []*variant
	for i := range v.finer {
		part := *v
		part.finer = v.finerLists[v.finer[i].Finer]
		part.names = append(slices.Clone(v.names), v.finer[i].Name)
		part.choices = append(slices.Clip(v.choices), chosenOf{Alternative: &v.finer[i]})
		all = append(all, &part)
	}
	return all
}

// distinct drops variants that differ in nothing that is looked at, covers also from what is
// no cover.
func distinct(model *issuer.Model, all []*variant, interesting map[string]bool) []*variant {
	names := slices.Sorted(maps.Keys(interesting))
	domains, values := map[string]string{}, map[*issuer.Value]string{}
	// domainsOf are the domains of the fields that a template reads.
	domainsOf := func(template string) string {
		known, ok := domains[template]
		if !ok {
			for _, piece := range issuer.Pieces(template) {
				known += model.Fields[piece.Field].Domain
			}
			domains[template] = known
		}
		return known
	}
	valueOf := func(value *issuer.Value) string {
		if _, ok := values[value]; !ok && value != nil {
			values[value] = fmt.Sprintf("%+v", *value)
		}
		return values[value]
	}
	var kept []*variant
	seen := map[shapeKey]*variant{}
	var text []byte
	for _, v := range all {
		text = strconv.AppendBool(text[:0], v.fork)
		for _, name := range names {
			claim := v.named(name)
			template, also := v.set.fill(claim.Text), v.set.fill(claim.Also)
			text = strconv.AppendBool(strconv.AppendBool(append(text, ';'), claim.Null), claim.Absent)
			// What is set shows in the domains that name it, too.
			for _, part := range []string{name, template, also, claim.Fixed, v.set.fill(domainsOf(template)), v.set.fill(domainsOf(also)), valueOf(claim.Value)} {
				text = append(append(text, '|'), part...)
			}
		}
		v.key = shapeKey{v.cover, sha256.Sum256(text)}
		like := seen[v.key]
		if like == nil {
			like = seen[shapeKey{false, v.key.digest}]
		}
		if like == nil {
			seen[v.key], v.alike = v, map[string][]string{}
			kept = append(kept, v)
			continue
		}
		for _, made := range v.choices {
			like.alike[made.of] = append(like.alike[made.of], made.Name)
		}
		like.standsFor = append(slices.Clone(like.standsFor), v.standsFor...)
	}
	return kept
}

// question is a variant made ready to be searched: its tape, and the formulas over it.
type question struct {
	*tape
	*variant
	lower  *lowering
	model  *issuer.Model
	issuer string
	order  map[string]int
	index  map[asked]int32
	// layouts are those of the templates that were read, by their pieces.
	layouts map[string]*layout
	// asked are the atoms' in their order.
	asked []asked
	// languages are those of the domains and atoms.
	languages []*language.Language
	unordered bool
}

// asked is what an atom asks: that the text of a template is a member of a language.
type asked struct {
	*layout
	language *language.Language
}

func newQuestion(v *variant, model *issuer.Model, issuerURL string, lower *lowering, interesting map[string]bool) (*question, error) {
	q := &question{
		variant: v, model: model, issuer: issuerURL, lower: lower,
		tape:  &tape{forms: newFormulas(), room: &lower.room},
		order: map[string]int{}, index: map[asked]int32{}, layouts: map[string]*layout{},
	}
	for _, name := range q.fieldOrder(interesting) {
		field := tapeField{name: name}
		for i, surely := range []bool{false, true} {
			domain, err := q.domain(name, surely)
			if err != nil {
				return nil, fmt.Errorf("field %s: %w", name, err)
			}
			field.domains[i].Language = domain
			q.languages = append(q.languages, domain)
		}
		q.order[name] = len(q.fields)
		q.fields = append(q.fields, field)
	}
	return q, nil
}

// fieldOrder lists the fields that the interesting claims read, so that every template
// reads them from left to right.
func (q *question) fieldOrder(interesting map[string]bool) []string {
	before := map[string]map[string]bool{}
	var appeared []string
	meet := func(name string) {
		if before[name] == nil {
			before[name] = map[string]bool{}
			appeared = append(appeared, name)
		}
	}
	follow := func(template []issuer.Piece) {
		previous := ""
		for _, piece := range template {
			if piece.Field == "" {
				continue
			}
			meet(piece.Field)
			if previous != "" {
				before[piece.Field][previous] = true
			}
			previous = piece.Field
		}
	}
	for _, name := range slices.Sorted(maps.Keys(interesting)) {
		follow(q.pieces(name))
		follow(q.also(name))
	}
	for _, term := range q.lower.terms {
		if template, known := q.template(term); known {
			follow(template)
		}
	}
	var order []string
	for len(order) < len(appeared) {
		found := false
		for _, name := range appeared {
			if slices.Contains(order, name) {
				continue
			}
			ready := true
			for other := range before[name] {
				ready = ready && slices.Contains(order, other)
			}
			if ready {
				order, found = append(order, name), true
				break
			}
		}
		if !found {
			// Templates disagree; those that do not fit the order are told by atom.
			for _, name := range appeared {
				if !slices.Contains(order, name) {
					order = append(order, name)
				}
			}
		}
	}
	return order
}

// pieces is the template of a claim with everything filled in that is no field. A value
// of its own reads the field that is called like the claim. What a list begins with is read
// behind the others: in which order elements stand no condition asks.
func (q *question) pieces(name string) []issuer.Piece {
	claim := q.named(name)
	if claim.Value != nil && claim.Value.Before != "" {
		return append([]issuer.Piece{{Field: "=" + name}}, q.written(claim.Value.Before+string(language.End))...)
	}
	if claim.Value != nil {
		return []issuer.Piece{{Field: "=" + name}}
	}
	return q.written(claim.Text)
}

// also is the second template of a claim, nil where it has none.
func (q *question) also(name string) []issuer.Piece { return q.written(q.named(name).Also) }

func (q *question) written(template string) []issuer.Piece { return q.set.written(template, q.issuer) }

// leaf is a leaf as a formula over the tape: over the values that perhaps satisfy it, or
// over those that surely do.
func (q *question) leaf(l *leaf, may bool) (node, error) {
	if l.settled {
		return truth(l.holds || may && l.mayHold), nil
	}
	wanted := l.must
	if may {
		wanted = l.may
	}
	if l.formula != nil {
		return q.formula(l.formula, may)
	}
	if l.compare != nil {
		return q.compared(l.compare, may)
	}
	if !l.pointer {
		return q.at(l.paths[0], wanted, may)
	}
	// A null behind a pointer counts as absent, and at most one of the places is there.
	here := wanted
	here.null, here.absent = false, false
	var found []node
	nowhere := []node{truth(wanted.absent)}
	for _, path := range l.paths {
		there, err := q.at(path, here, may)
		if err != nil {
			return no, err
		}
		found = append(found, there)
		gone, err := q.at(path, reading{null: true, absent: true}, may)
		if err != nil {
			return no, err
		}
		nowhere = append(nowhere, gone)
	}
	return q.forms.any(append(found, q.forms.all(nowhere...))...), nil
}

// at says that the value at a path is one of those wanted.
func (q *question) at(path []any, wanted reading, may bool) (node, error) {
	if len(path) == 0 {
		return truth(may), nil
	}
	name, ok := path[0].(string)
	if !ok {
		return truth(wanted.absent), nil
	}
	if len(path) == 1 {
		return q.claim(name, wanted, may)
	}
	claim, known := q.variant.claim(name)
	if !known || claim.Value == nil || claim.Value.List == "" && !claim.Value.Objects {
		// Nothing lies inside of a text, a number or null.
		return truth(wanted.absent), nil
	}
	return truth(may), nil
}

// claim says that a top-level claim is one of the values wanted.
func (q *question) claim(name string, wanted reading, may bool) (node, error) {
	claim, known := q.variant.claim(name)
	switch {
	case !known || claim.Absent:
		return truth(wanted.absent), nil
	case claim.Null:
		return truth(wanted.null), nil
	case claim.Fixed == "now" || claim.Fixed == "later":
		return q.fixed(wanted.number, may), nil
	case claim.Fixed != "":
		return q.fixed(wanted.text, may), nil
	case claim.Value != nil:
		marked, err := q.marked(claim.Value, wanted, may)
		if err != nil {
			return no, err
		}
		return q.reads(q.pieces(name), marked, may), nil
	default:
		if wanted.text == nil {
			return no, nil
		}
		found := q.reads(q.pieces(name), wanted.text, may)
		if claim.Also != "" {
			found = q.forms.all(found, q.reads(q.also(name), wanted.text, may))
		}
		return found, nil
	}
}

// fixed is a condition on a value that differs from token to token: only what is said of
// all values of its type is known.
func (q *question) fixed(wanted *language.Language, may bool) node {
	switch {
	case wanted == nil || wanted.Empty():
		return no
	case wanted.Everything():
		return yes
	default:
		return truth(may)
	}
}

// marked writes the wanted values of a claim that may have several types as texts of its
// field.
func (q *question) marked(value *issuer.Value, wanted reading, may bool) (*language.Language, error) {
	for _, of := range []*language.Language{wanted.text, wanted.list, wanted.number} {
		q.lower.named[of] = true
	}
	key := fmt.Sprintf("marked %+v %t %p %p %p %t%t%t%t%t", *value, may && value.Objects, wanted.text, wanted.list, wanted.number,
		wanted.yes, wanted.no, wanted.null, wanted.absent, wanted.other)
	return q.lower.cached(key, func() (*language.Language, error) {
		var parts []*language.Language
		for _, typed := range []struct {
			there bool
			mark  string
			of    *language.Language
		}{
			{value.Text != "", markText, wanted.text},
			{value.List != "", markList, wanted.list},
			{value.Number != "", markNumber, wanted.number},
		} {
			if !typed.there || typed.of == nil {
				continue
			}
			part, err := q.lower.limits.Around(q.lower.ctx, typed.of, typed.mark, "")
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		for mark, there := range map[string]bool{
			markTrue: value.Boolean && wanted.yes, markFalse: value.Boolean && wanted.no,
			markNull: value.Null && wanted.null, markAbsent: value.Absent && wanted.absent,
			// Of objects only presence is known.
			markOther: value.Objects && (wanted.other && wanted.list != nil || may && (wanted.other || wanted.list != nil)),
		} {
			if there {
				part, err := q.lower.exact(mark)
				if err != nil {
					return nil, err
				}
				parts = append(parts, part)
			}
		}
		return q.lower.limits.Union(q.lower.ctx, parts...)
	})
}

// reads says that the text of a template is a member of a language.
func (q *question) reads(pieces []issuer.Piece, wanted *language.Language, may bool) node {
	switch {
	case wanted.Empty():
		return no
	case wanted.Everything():
		return yes
	}
	read := q.layout(pieces)
	switch {
	case read.unordered:
		q.unordered = true
		return truth(may)
	case read.last < 0:
		return truth(wanted.Contains(read.first))
	}
	key := asked{read, wanted}
	known, ok := q.index[key]
	if !ok {
		known = int32(len(q.atoms))
		q.index[key] = known
		q.atoms = append(q.atoms, tapeAtom{automaton{Language: wanted}, read, wanted.Walk(wanted.Start(), read.first)})
		q.asked = append(q.asked, key)
		q.languages = append(q.languages, wanted)
	}
	return q.forms.literal(known, false)
}

// layout is how a template reads the question's fields; the same for equal pieces.
func (q *question) layout(pieces []issuer.Piece) *layout {
	q.lower.marked = markedOff(q.lower.marked[:0], pieces)
	known := q.layouts[string(q.lower.marked)]
	if known == nil {
		known = newLayout(pieces, q.order)
		q.layouts[string(q.lower.marked)] = known
	}
	return known
}

func newLayout(pieces []issuer.Piece, order map[string]int) *layout {
	l := &layout{
		reads: make([]bool, len(order)), escapes: make([]bool, len(order)), after: make([]string, len(order)),
		last: -1, pieces: pieces,
	}
	for _, piece := range pieces {
		switch {
		case piece.Field == "" && l.last < 0:
			l.first += piece.Literal
		case piece.Field == "":
			l.after[l.last] += piece.Literal
		default:
			at, ok := order[piece.Field]
			if !ok || at <= l.last {
				l.unordered = true
				return l
			}
			l.reads[at], l.escapes[at], l.last = true, piece.Escaped, at
		}
	}
	return l
}

// markedOff adds a text that stands for these pieces alone: each with its lengths, for the
// letters between fields are a user's where terms put them together.
func markedOff(text []byte, pieces []issuer.Piece) []byte {
	for _, piece := range pieces {
		mark := byte('r')
		if piece.Escaped {
			mark = 'e'
		}
		for _, part := range []string{piece.Literal, piece.Field} {
			text = append(append(strconv.AppendInt(text, int64(len(part)), 10), mark), part...)
		}
	}
	return text
}

// ready gives all automata their tables over one alphabet.
func (q *question) ready(tables *tables) {
	q.alphabet, q.classes = tables.alphabet, tables.classes
	for i := range q.fields {
		for d, domain := range q.fields[i].domains {
			q.fields[i].domains[d] = tables.of(domain.Language, false)
		}
	}
	for i := range q.atoms {
		atom := &q.atoms[i]
		atom.automaton = tables.of(atom.Language, slices.Contains(atom.escapes, true))
	}
}

// tables shares one alphabet, and the tables over it, among the questions about a role.
type tables struct {
	alphabet *language.Alphabet
	// classes are the alphabet's, that with the best representative first.
	classes   []int
	languages []*language.Language
	known     map[*language.Language]automaton
}

func newTables() *tables { return &tables{known: map[*language.Language]automaton{}} }

func (t *tables) add(languages []*language.Language) {
	for _, l := range languages {
		if _, ok := t.known[l]; !ok {
			t.languages = append(t.languages, l)
			t.known[l] = automaton{Language: l}
		}
	}
}

// admit adds languages where the alphabet tells apart all that they do; else none.
func (t *tables) admit(languages []*language.Language) bool {
	for _, l := range languages {
		if _, ok := t.known[l]; !ok && !t.alphabet.Refines(l.Alphabet()) {
			return false
		}
	}
	t.add(languages)
	return true
}

func (t *tables) refine() {
	for l := range t.known {
		t.known[l] = automaton{Language: l}
	}
	t.alphabet = language.Refine(t.languages, ':')
	t.classes = t.alphabet.Preferred()
}

// of is the automaton of a language, with the table for escaped fields where that is wanted.
func (t *tables) of(l *language.Language, escaped bool) automaton {
	found := t.known[l]
	if found.table == nil {
		found.Language, found.table, found.distances = l, l.Table(t.alphabet, nil), l.Distances()
		t.known[l] = found
	}
	if escaped && found.escaped == nil {
		found.escaped = l.Table(t.alphabet, language.Morphism{':': issuer.Escape(":")})
		t.known[l] = found
	}
	return found
}

// domain is what a field can be: as wide as the issuer's rules leave it, or as narrow as
// is sure.
func (q *question) domain(name string, surely bool) (*language.Language, error) {
	if claim, ok := strings.CutPrefix(name, "="); ok {
		return q.lower.valueDomain(q.named(claim), surely)
	}
	if name == "issuer" {
		// It was not given, and there is none that all others share.
		return q.lower.compile(issuer.Whole(q.model.Hosted))
	}
	field, ok := q.model.Fields[name]
	if !ok {
		return nil, fmt.Errorf("the model has no field %q", name)
	}
	text, except := field.Domain, []string{field.Except}
	if surely {
		text, except = cmp.Or(field.Surely, field.Domain), []string{field.Except, field.Unsure}
	}
	return q.set.domain(name, surely, text, func() (*language.Language, error) { return q.restricted(text, except...) })
}

// restricted is the language of a field's domain without what the field is not.
func (q *question) restricted(domain string, except ...string) (*language.Language, error) {
	pattern := issuer.Whole(q.model.Pattern(q.set.fill(domain)))
	return q.lower.domains.of(fmt.Sprintf("%s except %q", pattern, except), func() (*language.Language, error) {
		found, err := q.lower.compile(pattern)
		for _, never := range except {
			if err != nil || never == "" {
				continue
			}
			if found, err = q.lower.except(found, never); err != nil {
				return nil, err
			}
		}
		return found, err
	})
}

// except is a domain without the whole texts of a pattern.
func (l *lowering) except(domain *language.Language, pattern string) (*language.Language, error) {
	never, err := l.compile(issuer.Whole(pattern))
	if err != nil {
		return nil, err
	}
	return l.cached(fmt.Sprintf("domain %p except %s", domain, pattern), func() (*language.Language, error) {
		return l.limits.Minus(l.ctx, domain, never)
	})
}

func (l *lowering) valueDomain(claim issuer.Claim, surely bool) (*language.Language, error) {
	value := claim.Value
	text := value.Text
	if surely && claim.Surely != "" {
		text = claim.Surely
	}
	// What is narrowed to some texts is surely not null either.
	null := value.Null && (!surely || claim.Surely == "")
	return l.domains.of(fmt.Sprintf("value %+v %s %t", *value, text, null), func() (*language.Language, error) {
		var parts []*language.Language
		add := func(pattern, mark string, list bool) error {
			if pattern == "" {
				return nil
			}
			of, err := l.compile(issuer.Whole(pattern))
			if err == nil && list {
				of, err = l.listsOf(of, value)
			}
			if err != nil {
				return err
			}
			part, err := l.limits.Around(l.ctx, of, mark, "")
			parts = append(parts, part)
			return err
		}
		if err := add(text, markText, false); err != nil {
			return nil, err
		}
		if err := add(value.List, markList, true); err != nil {
			return nil, err
		}
		if err := add(value.Number, markNumber, false); err != nil {
			return nil, err
		}
		var marks []string
		for _, m := range []struct {
			there bool
			mark  string
		}{
			{value.Boolean, markTrue}, {value.Boolean, markFalse}, {null, markNull},
			{value.Absent, markAbsent}, {value.Objects, markOther},
		} {
			if m.there {
				marks = append(marks, m.mark)
			}
		}
		if len(marks) > 0 {
			part, err := l.exact(marks...)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		return l.limits.Union(l.ctx, parts...)
	})
}

func (l *lowering) listsOf(element *language.Language, value *issuer.Value) (*language.Language, error) {
	lists, err := l.limits.Every(l.ctx, element)
	if err != nil || !value.ListNonempty {
		return lists, err
	}
	none, err := l.exact("")
	if err != nil {
		return nil, err
	}
	return l.limits.Minus(l.ctx, lists, none)
}
