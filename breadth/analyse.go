package breadth

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Verdict is the answer for a role, or for one attacker.
type Verdict string

// Tight is a proof, Broad has a witness. Dead roles accept no token that the issuer
// mints. None is the answer for an attacker that the scope does not define.
const (
	Tight     Verdict = "tight"
	Broad     Verdict = "broad"
	Dead      Verdict = "dead"
	Undecided Verdict = "undecided"
	None      Verdict = "none"
)

// The bounds of one analysis, unless Limits say otherwise.
const (
	DefaultSearch   = 200_000
	DefaultDeadline = 5 * time.Second
)

// Limits bound what one analysis may cost; past them it is undecided. Search counts the
// states of each search's product; Deadline is wall-clock time. Zero is the default.
type Limits struct {
	Search   int
	Deadline time.Duration
}

// Subject is what an analysis is about.
type Subject struct {
	Role *bundles.Role
	// Document is what the role was prepared from; with it, changes to the role are tried.
	Document *trustcheck.Document
	// Issuer is the token's iss; empty where the role says, or where Model or the claims
	// that the role names tell.
	Issuer string
	// Model is an issuer's name, or "generic"; empty where the issuer tells.
	Model string
	// Scope is nil where it is to be inferred, Facts where nothing is known.
	Scope *Scope
	Facts *Facts
	// Context is what the platform knows beside role and token.
	Context map[string]any
	Now     time.Time
	Limits  Limits
	// Detail asks for regions and profile as well, which cost more than the verdict.
	Detail bool

	// several says that the role takes tokens of other issuers too, which may be those that
	// the scope means.
	several bool
}

// Result is what an analysis found.
type Result struct {
	Verdict   Verdict
	Attackers map[string]Verdict
	// Attacker is who can use Witness, a token outside the scope that the role accepts;
	// empty where no attacker is known and where the role is not broad.
	Attacker string
	Witness  *Token
	// Tokens holds a token for every attacker that gets in, outside the scope where there
	// is one.
	Tokens map[string]*Token
	// RestsOn lists the facts and assumptions that the verdict needs.
	RestsOn []string
	// Why says why the role is dead or undecided.
	Why []string
	// Nearest says which change brings a dead role to life; empty where none was found.
	Nearest  string
	Findings []Finding
	// Regions are sets of tokens around Witness, each proven to be let in; all that
	// Attacker has where Complete is set.
	Regions  []Region
	Complete bool
	// Profile says what the accepted tokens have; nil where a limit was reached.
	Profile Profile
	Scope   *Scope
	Issuer  string
	Model   string

	// foreign says that no token of the issuer lies in the scope.
	foreign bool
}

// Token is a token that the issuer mints. Inside says whether it lies in the scope, Fix
// which change of the role refuses it and keeps the scope's tokens.
type Token struct {
	Claims map[string]any
	Inside bool
	Fix    string
}

// Analyser analyses roles. It is safe for concurrent use.
type Analyser struct {
	bundle *bundles.Bundle
	fields fieldLanguages
}

// New returns an analyser that replays what it finds through the bundle.
func New(bundle *bundles.Bundle) *Analyser { return &Analyser{bundle: bundle} }

// analysis is one analysis under way.
type analysis struct {
	Subject
	analyser *Analyser
	ctx      context.Context
	// stages are those of the role and, where it is compared, behind them those of less.
	stages []bundles.Stage
	// leaves are the conditions of every stage: ways first, then refusals.
	leaves [][][]leaf
	// less is the role that this one is held against; nil where it is not compared.
	less    *comparison
	model   *issuer.Model
	issuer  string
	scope   *Scope
	facts   *Facts
	tenants tenants
	guessed []string
	// read holds the claims that the role reads, asked those that role or scope do,
	// interesting those that any formula may.
	read, asked, interesting map[string]bool
	// literals are the values that nobody chooses, named those of them that the role names in full.
	literals, named    map[string][]any
	refs, environments bool
	lower              *lowering
	beside             *beside
	tables             *tables
	// search bounds one search, budget what is left for all.
	search, budget int
	worlds         []world
	// spelled holds, by release and choice, the subjects that a cover leaves to others.
	spelled map[string]map[string]string
	result  *Result
	// hits are what the result's tokens were found by; a result holds none of it, or it would
	// keep all of the analysis alive.
	hits    map[*Token]*hit
	unknown []string
	// proving says that no more is asked than whether a token outside the scope passes, thorough
	// that all is asked of every shape.
	proving, thorough bool
	generic           bool
	// tenanted says that the issuer is one tenant's alone.
	tenanted bool
	// rego says that a rule was read that its user wrote, readsNow that one reads the time.
	rego, readsNow bool
}

// Analyse answers about one role. An error means that it was asked wrongly; what cannot
// be told is an undecided result, and so is what an analysis that panics was asked.
func (a *Analyser) Analyse(ctx context.Context, subject Subject) (*Result, error) {
	issuers, err := issuersOf(subject.Issuer, subject.Role)
	if err != nil {
		return nil, err
	}
	subject.several = len(issuers) > 1
	limit := cmp.Or(subject.Limits.Deadline, DefaultDeadline)
	ctx, cancel := context.WithTimeout(ctx, limit*time.Duration(min(len(issuers), maxIssuers)))
	defer cancel()
	var result *Result
	for _, iss := range issuers {
		one, err := a.analyse(ctx, subject.about(iss))
		if err != nil {
			return nil, err
		}
		result = result.with(one)
	}
	if result.foreign && subject.several {
		result.Verdict, result.Attacker, result.Witness = Undecided, "", nil
		result.Why = merged([]string{nobodyInside(result.Scope)}, result.Why)
		result.RestsOn = merged(result.Why, result.RestsOn)
	}
	return result, nil
}

// maxIssuers bounds how many deadlines the issuers of one role have together.
const maxIssuers = 4

// about is the same subject where the tokens are those of one issuer. A model that was given
// with another issuer says nothing of it.
func (s Subject) about(iss string) Subject {
	if s.Issuer != "" && asMinted(s.Issuer) != iss {
		s.Model = ""
	}
	s.Issuer = iss
	return s
}

// analyse answers about the tokens of one issuer.
func (a *Analyser) analyse(ctx context.Context, subject Subject) (result *Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(subject.Limits.Deadline, DefaultDeadline))
	defer cancel()
	work := newAnalysis(ctx, a, subject)
	defer func() {
		if recovered := recover(); recovered != nil {
			result, err = work.broken(recovered), nil
		}
	}()
	if err := work.prepare(); err != nil {
		return nil, err
	}
	if err := work.answer(); limited(err) {
		work.undecided("a limit was reached: " + err.Error())
	} else if err != nil {
		return nil, err
	}
	if subject.Detail {
		if err := work.detail(); err != nil && !limited(err) {
			return nil, err
		}
	}
	work.change()
	work.result.Findings = work.findings()
	return work.result, nil
}

// broken is the result of an analysis that panicked: nothing that it found before counts.
func (a *analysis) broken(recovered any) *Result {
	a.result = newResult()
	a.undecided(panicked(recovered))
	a.result.Scope, a.result.Issuer = a.scope, a.issuer
	a.result.Findings = a.findings()
	return a.result
}

func panicked(recovered any) string {
	return fmt.Sprintf("evaluation_failed: the analysis panicked: %v: this is a bug of trustcheck, please report the role", recovered)
}

// newResult has nothing decided.
func newResult() *Result {
	result := &Result{Verdict: Undecided, Attackers: map[string]Verdict{}, Tokens: map[string]*Token{}}
	for _, name := range Attackers() {
		result.Attackers[name] = Undecided
	}
	return result
}

func newAnalysis(ctx context.Context, analyser *Analyser, subject Subject) *analysis {
	return &analysis{
		Subject: subject, ctx: ctx, analyser: analyser,
		lower:  newLowering(ctx, &analyser.fields),
		tables: newTables(),
		hits:   map[*Token]*hit{},
		search: cmp.Or(subject.Limits.Search, DefaultSearch),
		budget: allSearches * cmp.Or(subject.Limits.Search, DefaultSearch),
	}
}

// detail finds the regions around the witness and the role's profile.
func (a *analysis) detail() error {
	if a.result.Verdict == Dead || len(a.worlds) == 0 {
		return nil
	}
	a.budget = allSearches * a.search
	var err error
	if a.result.Profile, err = a.profile(func(q *ready) node { return q.role[may] }); err != nil {
		a.result.Profile = nil
		return err
	}
	if a.result.Verdict != Broad {
		return nil
	}
	a.result.Regions, a.result.Complete, err = a.regions(a.hits[a.result.Witness], a.result.Attacker, true,
		func(q *ready) node { return q.role[must] })
	return err
}

// change looks for the change that closes a broad role or revives a dead one.
func (a *analysis) change() {
	if !a.changeable() {
		return
	}
	switch a.result.Verdict {
	case Broad:
		a.result.Witness.Fix = a.closing(a.result.Witness)
	case Dead:
		a.result.Nearest = a.reviving()
	case Tight:
		if token := a.result.Tokens[Developer]; token != nil {
			token.Fix = a.closing(token)
		}
	}
}
