package breadth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

// What follows is a second implementation of what the analysis rests on: who can get which
// tokens, what a scope means, what four platforms answer. It is written from the vendors'
// documentation alone, knows no model and no automaton, and exists to disagree.

// truth is three-valued: what a vendor does not document is perhaps.
type truth int

const (
	never truth = iota
	perhaps
	surely
)

func truthOf(held bool) truth {
	if held {
		return surely
	}
	return never
}

// system is a CI system as it is on one day: a circle of projects with their settings, of
// which the facts tell a part, and everybody else's.
type system interface {
	issuer() string
	// model is given where the issuer's name does not tell.
	model() string
	scope() map[string]any
	facts() map[string]any
	// tellsAll reports whether the facts leave nothing about the circle open.
	tellsAll() bool
	// subject is a glob of subjects that people write, exactly or carelessly; claims are
	// those that they name otherwise, with globs.
	subject(r *rand.Rand) string
	claims() map[string][]string
	// fillings are texts that a wildcard may stand for.
	fillings() []string
	// mint is some token that one of these can get today, nil where there is nobody like
	// that. Its claims come near to the wishes where they can.
	mint(r *rand.Rand, who string, wishes []wish) map[string]any
	// refuses says why this one does not surely get this token; named are the texts that
	// the role names, by claim.
	refuses(who string, claims map[string]any, named map[string][]string) error
}

// insider is who may do everything in the scope's projects: no attacker, but her tokens
// may lie outside the scope.
const insider = "insider"

// wish is a claim that a role asks about, with a glob of what it asks for.
type wish struct{ claim, glob string }

// document is a role of a platform: as text, and as what it answers.
type document interface {
	platform() string
	text() any
	wishes() []wish
	// named are the texts that the role wants of claims, wildcards left out.
	named() map[string][]string
	admits(claims map[string]any) truth
}

// filled is a text that a glob stands for, and now and then one with a letter more or less.
func filled(r *rand.Rand, glob string, with []string) string {
	var text strings.Builder
	for _, letter := range glob {
		switch letter {
		case '*':
			text.WriteString(either(r, append([]string{"", "", "x", "-x"}, with...)...))
		case '?':
			text.WriteString(either(r, "a", "x", "/", ":", "1"))
		default:
			text.WriteRune(letter)
		}
	}
	made := text.String()
	if made == "" || r.IntN(6) > 0 {
		return made
	}
	at := r.IntN(len(made))
	switch r.IntN(4) {
	case 0:
		return made[:at] + made[at+1:]
	case 1:
		return strings.ToUpper(made[:1]) + made[1:]
	case 2:
		return made + either(r, "x", "-evil", "/x", "1")
	}
	return made[:at] + either(r, "x", "-", "1", "/", "@") + made[at:]
}

// matchesGlob knows * and, where asked, ? by backtracking.
func matchesGlob(pattern, text string, question bool) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		for i := 0; i <= len(text); i++ {
			if matchesGlob(pattern[1:], text[i:], question) {
				return true
			}
		}
		return false
	}
	return text != "" && (pattern[0] == text[0] || question && pattern[0] == '?') && matchesGlob(pattern[1:], text[1:], question)
}

// liesIn is what a scope means.
func liesIn(scope, claims map[string]any) bool {
	for name, wanted := range scope {
		if name == "any_of" {
			some := false
			for _, alternative := range wanted.([]any) {
				some = some || liesIn(alternative.(map[string]any), claims)
			}
			if !some {
				return false
			}
			continue
		}
		values, many := wanted.([]any)
		if !many {
			values = []any{wanted}
		}
		claim, negated := strings.CutSuffix(name, "_not")
		if claim == "issuer" {
			claim = "iss"
		}
		here := slices.ContainsFunc(values, func(value any) bool {
			if list, ok := claims[claim].([]any); ok {
				return slices.Contains(list, value)
			}
			got, _ := claims[claim].(string)
			group, _ := value.(string)
			return claims[claim] == value || name == "namespace_path" && strings.HasPrefix(got, group+"/")
		})
		if here == negated {
			return false
		}
	}
	return true
}

// texts are the texts that a scope or a role wants, as a list.
func texts(wanted any) []string {
	switch wanted := wanted.(type) {
	case string:
		return []string{wanted}
	case []any:
		var all []string
		for _, one := range wanted {
			all = append(all, texts(one)...)
		}
		return all
	}
	return nil
}

// tally counts what came of the roles of one system and platform.
type tally struct {
	roles, refused, minted, admitted, told, untold, found, elsewhere int

	verdicts  map[breadth.Verdict]int
	attackers map[string]map[breadth.Verdict]int
	undecided map[string]int
}

// actors are those whose tokens there are today; a recycler's come to be later.
var actors = []string{breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Sibling, breadth.Developer, breadth.ForkMR, insider}

// TestAnotherImplementationDisagrees holds the analysis against the second implementation:
// what it calls tight or dead against minted tokens, what it calls broad by its witness.
// BREADTH_FIRST is the number of the first role, to see one again.
func TestAnotherImplementationDisagrees(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	systems := map[string]func(*rand.Rand) system{"github": newHub, "gitlab": newLab}
	platforms := map[string]func(*rand.Rand, system) document{"aws": newTrust, "gcp": newProvider, "azure": newCredential, "vault": newVaultRole}
	seed, first := uint64(number(t, "BREADTH_SEED", 1)), number(t, "BREADTH_FIRST", 0)
	roles, tokens := rounds(t, "BREADTH_ROLES", 6), rounds(t, "BREADTH_TOKENS", 40)
	for _, pair := range []string{"github/aws", "github/gcp", "github/azure", "github/vault", "gitlab/aws", "gitlab/gcp", "gitlab/azure", "gitlab/vault"} {
		t.Run(pair, func(t *testing.T) {
			from, to, _ := strings.Cut(pair, "/")
			count := &tally{verdicts: map[breadth.Verdict]int{}, attackers: map[string]map[breadth.Verdict]int{}, undecided: map[string]int{}}
			for i := range roles {
				r := rand.New(rand.NewPCG(seed, uint64(first+i)))
				ci := systems[from](r)
				role := platforms[to](r, ci)
				crossing := &crossing{T: t, r: r, ci: ci, role: role, bundle: bundle, count: count, tokens: tokens}
				crossing.about = fmt.Sprintf("role %d: %s\nissuer %s scope %s facts %s", first+i, marshal(t, role.text()), ci.issuer(), marshal(t, ci.scope()), marshal(t, ci.facts()))
				crossing.check(analyser)
			}
			t.Logf("%d roles, %d refused to be stored, %d tokens, %d of them admitted, %d witnesses of other issuers, %v, per attacker %v", count.roles, count.refused, count.minted, count.admitted, count.elsewhere, count.verdicts, count.attackers)
			for why, times := range count.undecided {
				t.Logf("undecided %d: %s", times, why)
			}
			t.Logf("undecided under all facts: %d of %d, %d of these although a minted token shows that the role is broad; under some: %d", count.verdicts[breadth.Undecided]-count.untold, count.told, count.found, count.untold)
		})
	}
}

// crossing is one role under test.
type crossing struct {
	*testing.T
	r      *rand.Rand
	ci     system
	role   document
	bundle *bundles.Bundle
	count  *tally
	tokens int
	about  string
	loaded *bundles.Role
	result *breadth.Result
}

func (c *crossing) check(analyser *breadth.Analyser) {
	c.Helper()
	doc, err := trustcheck.ReadDocument("role.json", marshal(c, c.role.text()))
	if err != nil {
		c.Fatal(err)
	}
	c.loaded, err = c.bundle.Prepare(context.Background(), doc, c.role.platform(), nil)
	if err != nil {
		c.Fatal(err)
	}
	c.count.roles++
	if c.loaded.Refused != "" {
		c.count.refused++
		return
	}
	scope, err := breadth.ReadScope(marshal(c, c.ci.scope()))
	if err != nil {
		c.Fatal(err)
	}
	facts, err := breadth.ReadFacts(marshal(c, c.ci.facts()))
	if err != nil {
		c.Fatal(err)
	}
	c.result, err = analyser.Analyse(context.Background(), breadth.Subject{
		Limits: patient, Role: c.loaded, Issuer: c.ci.issuer(), Model: c.ci.model(), Scope: scope, Facts: facts, Now: testNow,
	})
	if err != nil {
		c.Fatal(err)
	}
	c.count.verdicts[c.result.Verdict]++
	if c.ci.tellsAll() {
		c.count.told++
	}
	for name, verdict := range c.result.Attackers {
		if c.count.attackers[name] == nil {
			c.count.attackers[name] = map[breadth.Verdict]int{}
		}
		c.count.attackers[name][verdict]++
	}
	for name, token := range c.result.Tokens {
		c.witness(name, token)
	}
	if witness := c.result.Witness; c.result.Verdict == breadth.Broad && (witness == nil || witness.Inside) {
		c.Errorf("%s\nbroad without a token outside the scope: %+v", c.about, witness)
	} else if witness != nil && c.result.Attacker == "" {
		c.witness(insider, witness)
	}
	found := c.hold()
	if c.result.Verdict == breadth.Undecided {
		c.undecided(found)
	}
}

// undecided counts why the analysis could not tell; where it knows all facts, that is worth
// a look.
func (c *crossing) undecided(found bool) {
	if !c.ci.tellsAll() {
		c.count.untold++
		return
	}
	if found {
		c.count.found++
	}
	for _, why := range c.result.Why {
		why, _, _ = strings.Cut(why, ":")
		c.count.undecided[why]++
	}
	c.Logf("%s\nundecided (a minted token shows that it is broad: %t) %q", c.about, found, c.result.Why)
}

// witness holds a token that the analysis shows against the second implementation.
func (c *crossing) witness(who string, token *breadth.Token) {
	c.Helper()
	switch token.Claims["iss"] {
	case c.ci.issuer():
	case "https://other.example":
		c.count.elsewhere++ // The role trusts that issuer, too, of which this one knows nothing.
		return
	default:
		c.Errorf("%s\nthe %s's token is of issuer %v", c.about, who, token.Claims["iss"])
	}
	text := marshal(c, token.Claims)
	if got := c.role.admits(token.Claims); got != surely {
		c.Errorf("%s\nthe role does not surely admit the %s's %s", c.about, who, text)
	}
	if liesIn(c.ci.scope(), token.Claims) != token.Inside {
		c.Errorf("%s\ninside is %t of the %s's %s", c.about, token.Inside, who, text)
	}
	if err := c.ci.refuses(who, token.Claims, c.role.named()); err != nil {
		c.Errorf("%s\n%s has no such token: %v\n%s", c.about, who, err, text)
	}
}

// hold mints tokens for everybody; it reports whether one of them shows that the role is
// broad.
func (c *crossing) hold() bool {
	c.Helper()
	found := false
	wishes := c.role.wishes()
	for i := range c.tokens {
		who := actors[i%len(actors)]
		if c.r.IntN(12) == 0 {
			who = breadth.Recycler
		}
		claims := c.ci.mint(c.r, who, wishes)
		if claims == nil || who == breadth.Recycler && c.namesID(claims) {
			continue
		}
		c.count.minted++
		admits := c.role.admits(claims)
		if c.r.IntN(16) == 0 {
			c.decides(claims, admits)
		}
		if admits != surely {
			continue
		}
		c.count.admitted++
		outside := who != breadth.Recycler && !liesIn(c.ci.scope(), claims)
		found = found || outside
		switch {
		case c.result.Attackers[who] == breadth.Tight:
			c.Errorf("%s\ncalled tight for %s, admits %s", c.about, who, marshal(c, claims))
		case outside && c.result.Verdict == breadth.Tight, who != breadth.Recycler && c.result.Verdict == breadth.Dead:
			c.Errorf("%s\ncalled %s, admits %s's %s", c.about, c.result.Verdict, who, marshal(c, claims))
		default:
			continue
		}
		return found
	}
	return found
}

// namesID reports whether the role names an id of a token, which is somebody's then.
func (c *crossing) namesID(claims map[string]any) bool {
	named := c.role.named()
	return slices.ContainsFunc([]string{"repository_id", "repository_owner_id", "project_id", "namespace_id"}, func(claim string) bool {
		return slices.Contains(named[claim], fmt.Sprint(claims[claim]))
	})
}

// decides holds the platform's Rego against the second evaluation of it.
func (c *crossing) decides(claims map[string]any, admits truth) {
	c.Helper()
	read, _, err := verifier.ReadClaims(marshal(c, claims))
	if err != nil {
		c.Fatal(err)
	}
	decision := c.bundle.Decide(context.Background(), c.loaded, bundles.Input{Claims: read.Value, Now: testNow})
	wanted := map[truth]trustcheck.Verdict{never: trustcheck.Deny, perhaps: trustcheck.Undecided, surely: trustcheck.Allow}[admits]
	if decision.Verdict != wanted {
		c.Errorf("%s\n%s at %q, want %s of %s", c.about, decision.Verdict, decision.Stage, wanted, marshal(c, claims))
	}
}
