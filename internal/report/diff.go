package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

// Changed is a role before and after a change, nil where it does not exist, and what the
// change comes to. The errors say why the platform would refuse to store a side.
type Changed struct {
	Base, Head           *trustcheck.RoleRef
	BaseError, HeadError string
	*breadth.Change
}

// The verdicts on a role that stands on one side only; what that newly admits or refuses is
// said beside them.
const (
	added   = "added"
	removed = "removed"
)

// verdicts are all of them, in the order of a summary.
var verdicts = [...]string{
	string(breadth.Broadened), string(breadth.Changed), added, string(breadth.Unclear),
	string(breadth.Narrowed), string(breadth.NotBroadened), removed, string(breadth.Equivalent),
}

func (c *Changed) verdict() string {
	switch {
	case c.Base == nil:
		return added
	case c.Head == nil:
		return removed
	default:
		return string(c.Verdict)
	}
}

// role is HEAD's, or BASE's where it was removed.
func (c *Changed) role() *trustcheck.RoleRef {
	if c.Head == nil {
		return c.Base
	}
	return c.Head
}

// difference is what a Changed says of a token on which the two sides differ.
type difference struct {
	Attacker string           `json:"attacker"`
	Who      string           `json:"who"`
	Token    map[string]any   `json:"token"`
	Inside   bool             `json:"inside"`
	Regions  []breadth.Region `json:"regions"`
	Complete bool             `json:"complete"`
}

func differenceOf(d *breadth.Difference) *difference {
	if d == nil {
		return nil
	}
	return &difference{d.Attacker, d.Who, d.Token.Claims, d.Token.Inside, listed(d.Regions), d.Complete}
}

// listed is a list that JSON never writes as null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// MarshalJSON writes the same members for every role; admitted and refused are null where no
// token was found.
func (c Changed) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Role       *trustcheck.RoleRef `json:"role"`
		Base       *trustcheck.RoleRef `json:"base"`
		Verdict    string              `json:"verdict"`
		Admitted   *difference         `json:"admitted"`
		Refused    *difference         `json:"refused"`
		Broader    []string            `json:"broader"`
		Narrower   []string            `json:"narrower"`
		Why        []string            `json:"why"`
		WhyRefused []string            `json:"why_refused"`
		RestsOn    []string            `json:"rests_on"`
		Scope      *breadth.Scope      `json:"scope"`
		Issuer     string              `json:"issuer"`
		Model      string              `json:"issuer_model"`
		RoleError  string              `json:"role_error,omitempty"`
		BaseError  string              `json:"base_error,omitempty"`
	}{
		c.role(), c.Base, c.verdict(), differenceOf(c.Admitted), differenceOf(c.Refused), listed(c.Broader), listed(c.Narrower),
		listed(c.Why), listed(c.WhyRefused), listed(c.RestsOn), c.Scope, c.Issuer, c.Model, c.HeadError, c.BaseError,
	})
}

// Changed prints what a change of roles newly admits and refuses: as JSON a list, as text a
// paragraph for each role that changed, a line for each that did not, and a summary of several.
func (p *Printer) Changed(changes []Changed) error {
	if p.json {
		return p.encode(listed(changes))
	}
	var text strings.Builder
	count := map[string]int{}
	for i := range changes {
		changes[i].text(&text)
		count[changes[i].verdict()]++
	}
	if len(changes) > 1 {
		fmt.Fprintf(&text, "%d roles: ", len(changes))
		var parts []string
		for _, verdict := range verdicts {
			if count[verdict] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", count[verdict], verdict))
			}
		}
		fmt.Fprintln(&text, strings.Join(parts, ", "))
	}
	_, err := io.WriteString(p.out, Printable(text.String()))
	return err
}

func (c *Changed) text(text *strings.Builder) {
	line(text, "%s: %s", place(c.role()), c.verdict())
	if c.verdict() == string(breadth.Equivalent) {
		return
	}
	if c.BaseError != "" {
		line(text, "  BASE's is one that %s refuses to store: %s", c.Base.Platform, c.BaseError)
	}
	if c.HeadError != "" {
		line(text, "  HEAD's is one that %s refuses to store: %s", c.Head.Platform, c.HeadError)
	}
	if c.Admitted == nil && c.Refused == nil && len(c.Why)+len(c.WhyRefused) == 0 {
		line(text, "  nobody gets in")
	}
	c.side(text, "newly admitted", c.Admitted, "broader", c.Broader)
	c.side(text, "newly refused", c.Refused, "narrower", c.Narrower)
	for _, why := range c.Why {
		line(text, "  cannot be told whether it admits more: %s", why)
	}
	for _, why := range c.WhyRefused {
		line(text, "  cannot be told whether it refuses more: %s", why)
	}
	for _, fact := range c.RestsOn {
		if !slices.Contains(c.Why, fact) && !slices.Contains(c.WhyRefused, fact) {
			line(text, "  rests on: %s", fact)
		}
	}
}

// side tells of one direction: who with which token, all such tokens, and in which parts.
func (c *Changed) side(text *strings.Builder, says string, found *breadth.Difference, comparative string, parts []string) {
	if found != nil {
		line(text, "  %s: %s", says, found.Who)
		if len(c.Scope.Circles) > 0 {
			line(text, "    %s %s", map[bool]string{true: "inside", false: "outside"}[found.Token.Inside], c.Scope)
		}
		regionLines(text, found.Regions, found.Complete)
	}
	for _, part := range parts {
		line(text, "  %s: %s", comparative, part)
	}
}
