package breadth

import (
	"maps"
	"slices"
)

// with adds what was found of another issuer's tokens. What is told beside the verdict, such
// as regions, scope and issuer, is told of the issuer on which the verdict turns.
func (r *Result) with(other *Result) *Result {
	if r == nil {
		return other
	}
	if other.weight() < r.weight() {
		r, other = other, r
	}
	joined := *r
	joined.foreign = r.foreign && other.foreign
	if r.Scope.Inferred {
		joined.Scope = &Scope{Inferred: true, Circles: slices.Concat(r.Scope.Circles, other.Scope.Circles)}
	}
	joined.Attackers, joined.Tokens = maps.Clone(r.Attackers), maps.Clone(r.Tokens)
	for _, name := range Attackers() {
		if slices.Index(openFirst, other.Attackers[name]) < slices.Index(openFirst, r.Attackers[name]) {
			joined.Attackers[name] = other.Attackers[name]
		}
		if joined.Tokens[name] == nil && other.Tokens[name] != nil {
			joined.Tokens[name] = other.Tokens[name]
		}
	}
	joined.RestsOn, joined.Why = merged(r.RestsOn, other.RestsOn), merged(r.Why, other.Why)
	joined.Findings = slices.Clone(r.Findings)
	for _, finding := range other.Findings {
		if !slices.Contains(joined.Findings, finding) {
			joined.Findings = append(joined.Findings, finding)
		}
	}
	return &joined
}

// openFirst are the verdicts in the order in which one issuer's decides.
var openFirst = []Verdict{Broad, Undecided, Tight, Dead, None}

// weight orders results: the verdict that decides first, and of several broad ones that of
// the most distant attacker.
func (r *Result) weight() int {
	attacker := slices.Index(Attackers(), r.Attacker)
	if attacker < 0 {
		attacker = len(Attackers())
	}
	return slices.Index(openFirst, r.Verdict)*(len(Attackers())+1) + attacker
}
