package breadth

import "fmt"

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
