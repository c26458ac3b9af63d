package breadth

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
)

// unsure names the conditions that a token perhaps satisfies and perhaps does not: they
// read what differs from token to token, or what lies inside of a list or an object. What is
// not understood is named elsewhere.
func (a *analysis) unsure(h *hit) []string {
	var why []string
	for s := range a.leaves {
		for w := range a.leaves[s] {
			for c := range a.leaves[s][w] {
				leaf := &a.leaves[s][w][c]
				if leaf.settled || leaf.unknown != "" || a.rego && len(a.unknown) > 0 {
					continue
				}
				perhaps, err := h.leaf(leaf, true)
				if err != nil {
					continue
				}
				surely, err := h.leaf(leaf, false)
				if err == nil && perhaps != surely && a.decides(h, h.forms.any(surely, h.forms.not(perhaps))) {
					why = append(why, fmt.Sprintf("%s decides: it reads what the analysis does not look into", said(a.condition(s, w, c))))
				}
			}
		}
	}
	return why
}

// decides reports whether no token passes with which a condition is in no doubt.
func (a *analysis) decides(h *hit, certain node) bool {
	texts, err := a.ask(h.question, h.forms.all(h.goal, certain), may, nil)
	return err == nil && texts == nil
}

// doubt says what the answer turns on.
func (a *analysis) doubt(possible, sure *hit, missing int) []string {
	var why []string
	if a.tenanted && !a.tenantIsGroup() && sure == nil {
		why = append(why, "whether the issuer's tenant has other groups than the scope's decides: a token may pass of one that the role admits")
	}
	why = append(why, a.unknown...)
	why = append(why, a.unsure(possible)...)
	if a.generic {
		why = append(why, "nothing is known of the issuer: with the generic model every claim is anybody's to choose")
	}
	if a.issuer == "" && !a.generic {
		why = append(why, "whose issuer the role trusts decides: it was not given")
	}
	if possible.unordered {
		why = append(why, "a claim reads the token's parts in an order that the analysis does not follow")
	}
	if sure != nil && missing > 0 {
		why = append(why, "the fact issuer_version decides")
	}
	for _, claim := range a.families() {
		why = append(why, fmt.Sprintf("what the scope's owners put into %s decides: nobody has said", claim))
	}
	if a.tenants.named() && len(a.tenants.roots()) == 0 && len(a.guessed) > 0 {
		why = append(why, fmt.Sprintf("whose %s is decides: the scope names ids only", strings.Join(a.guessed, ", ")))
	}
	for _, claim := range slices.Sorted(maps.Keys(a.literals)) {
		says := "whose %s %v is decides: the scope does not name it"
		if a.inScope(claim, a.literals[claim][0]) {
			says = "whose tokens have the %s %v decides: others than the scope's perhaps do"
		}
		why = append(why, fmt.Sprintf(says, claim, a.literals[claim][0]))
	}
	if possible.cover && !a.generic {
		decides := "the fact subject_template decides"
		switch {
		case len(possible.standsFor) > 0:
			decides = "the analysis does not spell out the subjects of the fact subject_template"
		case a.facts.knows("subject_template"):
			decides = "whose projects' subjects are set otherwise decides"
		}
		why = append(why, decides+": a token may pass whose subject is set to other components")
	}
	for _, fact := range []struct {
		name    string
		matters bool
	}{
		{"protected_branches", a.refs}, {"protected_tags", a.refs}, {"environments", a.environments},
	} {
		if fact.matters && a.tenants.named() && !a.facts.knows(fact.name) {
			why = append(why, "the fact "+fact.name+" may decide: it was not given")
		}
	}
	if len(why) == 0 {
		why = append(why, "a token may pass that the issuer perhaps mints: "+a.sketch(possible))
	}
	return why
}

// sketch shows the parts of a token that matter.
func (a *analysis) sketch(h *hit) string {
	var parts []string
	for i, field := range h.fields {
		if text, ok := h.texts[i]; ok {
			parts = append(parts, fmt.Sprintf("%s=%s", strings.TrimPrefix(field.name, "="), plainText(text)))
		}
	}
	return strings.Join(parts, " ")
}

// deadBecause names the conditions that nothing satisfies by themselves.
func (a *analysis) deadBecause() []string {
	var why []string
	for s := range a.leaves {
		if len(a.stages[s].Ways) != 1 {
			continue
		}
		for c := range a.leaves[s][0] {
			found, _, err := a.findAny(may, func(q *ready) node {
				alone, err := q.leaf(&a.leaves[s][0][c], true)
				if err != nil {
					return yes
				}
				return alone
			})
			if err != nil || found != nil {
				continue
			}
			condition := &a.stages[s].Ways[0].Conditions[c]
			if reason := a.deadCondition(condition); !slices.Contains(why, reason) {
				why = append(why, reason)
			}
		}
	}
	if len(why) == 0 {
		why = append(why, "no token satisfies all conditions together")
	}
	return why
}

func (a *analysis) deadCondition(c *bundles.Condition) string {
	claim := claimOf(c)
	_, known := a.model.Claims[claim]
	switch {
	case c.Test == "never" || c.Wanted == nil && c.Message != "":
		return fmt.Sprintf("%s: no token passes: %s", said(c), c.Message)
	case claim != "" && !known && !a.generic:
		return fmt.Sprintf("%s: %s mints no claim %q", said(c), a.model.Title, claim)
	default:
		return fmt.Sprintf("%s: no token of %s satisfies it: wanted %v", said(c), a.model.Title, c.Wanted)
	}
}
