package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

// Linted is a role and what its analysis found.
type Linted struct {
	Role   trustcheck.RoleRef
	Error  string
	Result *breadth.Result
}

// MarshalJSON writes the members of a `lint --batch` answer, with the role in place of
// the line's id, regions and profile.
func (l Linted) MarshalJSON() ([]byte, error) {
	r := l.Result
	var witness map[string]any
	if r.Witness != nil {
		witness = r.Witness.Claims
	}
	return json.Marshal(struct {
		Role      trustcheck.RoleRef         `json:"role"`
		Verdict   breadth.Verdict            `json:"verdict"`
		Attackers map[string]breadth.Verdict `json:"attackers"`
		Attacker  string                     `json:"attacker"`
		Witness   map[string]any             `json:"witness"`
		Findings  []breadth.Finding          `json:"findings"`
		Regions   []breadth.Region           `json:"regions"`
		Complete  bool                       `json:"regions_complete"`
		Profile   breadth.Profile            `json:"profile"`
		RestsOn   []string                   `json:"rests_on"`
		Scope     *breadth.Scope             `json:"scope"`
		Issuer    string                     `json:"issuer"`
		Model     string                     `json:"issuer_model"`
		RoleError string                     `json:"role_error,omitempty"`
	}{l.Role, r.Verdict, r.Attackers, r.Attacker, witness, r.Findings, listed(r.Regions), r.Complete, r.Profile, listed(r.RestsOn), r.Scope, r.Issuer, r.Model, l.Error})
}

// Linted prints what was found about roles: as JSON a list, as text a paragraph for each.
func (p *Printer) Linted(roles []Linted) error {
	if p.json {
		encoder := json.NewEncoder(p.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(roles)
	}
	for i, role := range roles {
		if i > 0 {
			fmt.Fprintln(p.out)
		}
		if err := p.lintedText(role); err != nil {
			return err
		}
	}
	return nil
}

func (p *Printer) lintedText(l Linted) error {
	r := l.Result
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n", place(&l.Role), r.Verdict)
	for _, finding := range r.Findings {
		fmt.Fprintf(&text, "  %s: %s (%s)\n", finding.Severity, finding.Message, finding.Rule)
	}
	if r.Witness != nil {
		witness, err := json.MarshalIndent(r.Witness.Claims, "  ", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "  the token: %s\n", witness)
		regionLines(&text, r.Regions, r.Complete)
	}
	if profile := r.Profile.String(); profile != "" {
		line(&text, "  lets in: %s", profile)
	}
	if r.Verdict == breadth.Tight {
		fmt.Fprintf(&text, "  nobody outside %s gets in\n", r.Scope)
	}
	for _, fact := range r.RestsOn {
		fmt.Fprintf(&text, "  rests on: %s\n", fact)
	}
	_, err := fmt.Fprint(p.out, Printable(text.String()))
	return err
}

// place is where a role stands, and its name.
func place(role *trustcheck.RoleRef) string {
	if role.File == "" {
		return role.Name
	}
	return fmt.Sprintf("%s:%d: %s", role.File, role.Line, role.Name)
}

// maxLine bounds a line, in bytes.
const maxLine = 1000

// line writes one line, cut where it is too long.
func line(text *strings.Builder, format string, arguments ...any) {
	said := fmt.Sprintf(format, arguments...)
	if len(said) > maxLine {
		said = strings.ToValidUTF8(said[:maxLine], "") + "…"
	}
	fmt.Fprintln(text, said)
}

// maxRegions bounds how many regions are printed where there are more.
const maxRegions = 4

// regionLines tells which tokens beside one that is shown fare alike, of the same people and
// on the same side of the scope, and whether these are all of them.
func regionLines(text *strings.Builder, regions []breadth.Region, complete bool) {
	if !complete {
		regions = regions[:min(len(regions), maxRegions)]
	}
	for i := range regions {
		line(text, "    every such token with %s", &regions[i])
	}
	switch {
	case len(regions) > 0 && complete:
		line(text, "    and no others that they surely have")
	case len(regions) > 0:
		line(text, "    and others")
	}
}
