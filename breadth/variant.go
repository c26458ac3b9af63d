package breadth

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
	// finer are laid over a cover where it finds something, and the lists, which are a
	// choice's, by the names that these may have finer ones by.
	finer      []issuer.Alternative
	finerLists map[string][]issuer.Alternative
	finerOf    string
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

// variants are the shapes that exist in a release under the facts. Choices that no claim
// of interest depends on are made in the plainest way.
func variants(model *issuer.Model, issuerURL, release string, facts *Facts, interesting map[string]bool, mentions func(claim, text string) bool, subjects [][]string) []*variant {
	first := &variant{claims: map[string]issuer.Claim{}, set: newFilling(issuerURL), release: release, gone: map[string]bool{}}
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
		next.finer, next.finerLists, next.finerOf = of.Finer[alternative.Finer], of.Finer, of.Name
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
				field := model.Fields[piece.Field]
				known += field.Domain + "\n" + field.Surely + "\n"
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
			text = strconv.AppendBool(strconv.AppendBool(text, claim.Null), claim.Absent)
			text = appendParts(text, name, template, also, claim.Fixed, claim.Surely)
			// What is set shows in the domains that name it, too.
			text = appendParts(text, v.set.fill(domainsOf(template)), v.set.fill(domainsOf(also)), valueOf(claim.Value))
			if claim.Value != nil {
				text = appendParts(text, v.set.fill(claim.Value.Before))
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

// appendParts adds texts so that no others read the same: each with its length.
func appendParts(text []byte, parts ...string) []byte {
	for _, part := range parts {
		text = append(append(strconv.AppendInt(text, int64(len(part)), 10), ':'), part...)
	}
	return text
}
