// Package report prints decisions and verified tokens, for people and as JSON.
package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

// Printer writes results to one place in one format.
type Printer struct {
	// Verbose shows satisfied conditions that do not stand in the role's document too.
	Verbose bool

	out    io.Writer
	json   bool
	colour bool
}

// NewPrinter returns a printer for the format text or json.
func NewPrinter(out io.Writer, format string, colour bool) (*Printer, error) {
	if format != "text" && format != "json" {
		return nil, fmt.Errorf("--format %s: want text or json", format)
	}
	return &Printer{out: out, json: format == "json", colour: colour}, nil
}

func (p *Printer) encode(value any) error {
	encoder := json.NewEncoder(p.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// The colours of a terminal.
const (
	green  = "32"
	red    = "31"
	yellow = "33"
	dim    = "2"
)

func (p *Printer) paint(colour, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// Printable keeps lines of text from reaching the terminal as control characters.
func Printable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// printable keeps text from a token or a role from reaching the terminal as control
// characters, or as others that are not seen.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || isBidi(r) }) < 0 {
		return text
	}
	quoted := fmt.Sprintf("%+q", text)
	return quoted[1 : len(quoted)-1]
}

// isBidi tells the characters that reorder what stands beside them or have no width.
func isBidi(r rune) bool {
	return (r >= 0x202a && r <= 0x202e) || (r >= 0x2060 && r <= 0x2069) || (r >= 0x200b && r <= 0x200f) || r == 0x061c || r == 0xfeff
}

// Decisions prints one decision with its conditions, several as a table with what
// refused. As JSON one decision is an object, several are a list.
func (p *Printer) Decisions(decisions []*trustcheck.Decision) error {
	if p.json {
		if len(decisions) == 1 {
			return p.encode(decisions[0])
		}
		return p.encode(decisions)
	}
	if len(decisions) == 1 {
		return p.decision(decisions[0])
	}
	return p.table(decisions)
}

func (p *Printer) decision(d *trustcheck.Decision) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s  %s (%s)\n", p.verdict(d.Verdict), printable(d.Role.Name), where(d.Role))
	p.tokenLines(&text, d)
	shown, hidden := p.visible(d.Reasons)
	width := 0
	for _, reason := range shown {
		width = max(width, len(subject(reason)))
	}
	for _, reason := range shown {
		p.reason(&text, reason, width)
	}
	if hidden > 0 {
		fmt.Fprintf(&text, "  %s %s\n", p.mark(trustcheck.Satisfied), p.paint(dim, fmt.Sprintf("%d more of %s's own checks (--verbose)", hidden, d.Role.Platform)))
	}
	for _, assumption := range d.Assumed {
		fmt.Fprintf(&text, "  assumed: %s\n", printable(assumption))
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(&text, "  %s %s\n", p.paint(yellow, "warning:"), printable(warning))
	}
	if d.Verdict != trustcheck.Allow && d.Stage != "" {
		fmt.Fprintf(&text, "  stops at: %s\n", d.Stage)
	}
	_, err := io.WriteString(p.out, text.String())
	return err
}

func (p *Printer) tokenLines(text *strings.Builder, d *trustcheck.Decision) {
	for _, objection := range d.TokenReasons {
		status := trustcheck.Failed
		switch {
		case objection.Code == bundles.IssuerUnavailable:
			status = trustcheck.Unknown
		case d.Stage != bundles.StageVerification:
			fmt.Fprintf(text, "  %s our verifier would refuse these claims: %s: %s\n", p.paint(yellow, "warning:"), objection.Code, printable(objection.Message))
			continue
		}
		fmt.Fprintf(text, "  %s token: %s: %s\n", p.mark(status), objection.Code, printable(objection.Message))
	}
	if d.Stage == bundles.StageVerification && d.PlatformVerdict != "" {
		fmt.Fprintf(text, "    %s alone would say %s:\n", d.Role.Platform, d.PlatformVerdict)
	}
	if d.Token != nil && d.Token.Issuer != "" {
		fmt.Fprintf(text, "  %s token: signed by %s for %s, %s\n", p.mark(trustcheck.Satisfied),
			printable(d.Token.Issuer), printable(strings.Join(d.Token.Audience, ", ")), printable(d.Token.Subject))
	}
}

// visible leaves out satisfied conditions that do not stand in the role's document.
func (p *Printer) visible(reasons []trustcheck.Reason) ([]trustcheck.Reason, int) {
	var shown []trustcheck.Reason
	for _, reason := range reasons {
		quiet := reason.Status == trustcheck.Satisfied && reason.Line == 0 && !strings.HasPrefix(reason.Source, "config.")
		if reason.Source == "config.jwt_supported_algs" && reason.Status == trustcheck.Satisfied {
			quiet = true
		}
		if p.Verbose || !quiet {
			shown = append(shown, reason)
		}
	}
	return shown, len(reasons) - len(shown)
}

func (p *Printer) reason(text *strings.Builder, reason trustcheck.Reason, width int) {
	status := reason.Status
	line := fmt.Sprintf("%-*s  %s", width, subject(reason), reason.Operator)
	if len(reason.Wanted) > 0 {
		line += " " + printable(string(reason.Wanted))
	}
	if reason.Status != trustcheck.Satisfied || p.Verbose {
		line += got(reason)
	}
	if reason.Way > 0 {
		line = fmt.Sprintf("[%d] %s", reason.Way, line)
	}
	if reason.Refuses {
		line = "refuses if " + line
		status = map[trustcheck.Status]trustcheck.Status{
			trustcheck.Satisfied: trustcheck.Failed, trustcheck.Failed: trustcheck.Satisfied,
		}[reason.Status]
		status = cmp.Or(status, trustcheck.Unknown)
	}
	if place := position(reason); place != "" {
		line += "  " + p.paint(dim, place)
	}
	fmt.Fprintf(text, "  %s %s\n", p.mark(status), line)
	if reason.Status != trustcheck.Satisfied && reason.Message != "" {
		fmt.Fprintf(text, "      %s\n", p.paint(dim, printable(reason.Message)))
	}
}

func subject(reason trustcheck.Reason) string {
	return printable(cmp.Or(reason.Claim, reason.Source, reason.Stage))
}

func got(reason trustcheck.Reason) string {
	switch {
	case len(reason.Got) > 0:
		return ", got " + printable(clipped(string(reason.Got)))
	case reason.Claim != "":
		return ", got nothing: it is absent"
	default:
		return ""
	}
}

// clipped keeps a huge claim from flooding the terminal.
func clipped(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func position(reason trustcheck.Reason) string {
	switch {
	case reason.Line > 0:
		return fmt.Sprintf("line %d", reason.Line)
	case reason.Claim != "" && reason.Source != "":
		return reason.Source
	default:
		return ""
	}
}

func where(role *trustcheck.RoleRef) string {
	if role.File == "" {
		return role.Platform
	}
	return role.Platform + ", " + printable(role.File)
}

func (p *Printer) verdict(verdict trustcheck.Verdict) string {
	word := strings.ToUpper(string(verdict))
	switch verdict {
	case trustcheck.Allow:
		return p.paint(green, word)
	case trustcheck.Deny:
		return p.paint(red, word)
	default:
		return p.paint(yellow, word)
	}
}

func (p *Printer) mark(status trustcheck.Status) string {
	switch status {
	case trustcheck.Satisfied:
		return p.paint(green, "✓")
	case trustcheck.Failed:
		return p.paint(red, "✗")
	default:
		return p.paint(yellow, "?")
	}
}

// table prints a line a role: what this token opens.
func (p *Printer) table(decisions []*trustcheck.Decision) error {
	rows := [][4]string{{"ROLE", "PLATFORM", "VERDICT", "WHY"}}
	named := map[string]int{}
	for _, d := range decisions {
		named[d.Role.Name]++
	}
	for _, d := range decisions {
		name := printable(d.Role.Name)
		if named[d.Role.Name] > 1 {
			name += " (" + printable(d.Role.File) + ")"
		}
		rows = append(rows, [4]string{name, d.Role.Platform, strings.ToUpper(string(d.Verdict)), why(d)})
	}
	var widths [3]int
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], len([]rune(row[i])))
		}
	}
	for i, row := range rows {
		verdict := fmt.Sprintf("%-*s", widths[2], row[2])
		if i > 0 {
			verdict = strings.Replace(verdict, row[2], p.verdict(decisions[i-1].Verdict), 1)
		}
		line := fmt.Sprintf("%-*s  %-*s  %s  %s", widths[0], row[0], widths[1], row[1], verdict, row[3])
		if _, err := fmt.Fprintln(p.out, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return p.tableNotes(decisions)
}

// tableNotes prints each warning and assumption once, however many roles share it.
func (p *Printer) tableNotes(decisions []*trustcheck.Decision) error {
	seen := map[string]bool{}
	for _, d := range decisions {
		for _, warning := range d.Warnings {
			note := fmt.Sprintf("%s %s", p.paint(yellow, "warning:"), printable(warning))
			if seen[note] {
				continue
			}
			seen[note] = true
			if _, err := fmt.Fprintln(p.out, note); err != nil {
				return err
			}
		}
	}
	return nil
}

// why names, in one line, what refused or stayed open at the stage where it ends.
func why(d *trustcheck.Decision) string {
	if d.Verdict == trustcheck.Allow {
		return ""
	}
	if d.Stage == bundles.StageVerification {
		var codes []string
		for _, objection := range d.TokenReasons {
			codes = append(codes, objection.Code)
		}
		return "token: " + strings.Join(codes, ", ")
	}
	var parts []string
	for _, reason := range d.Reasons {
		if reason.Stage != d.Stage || (reason.Status == trustcheck.Satisfied) != reason.Refuses {
			continue
		}
		part := subject(reason) + " " + reason.Operator
		if len(reason.Wanted) > 0 {
			part += " " + printable(clipped(string(reason.Wanted)))
		}
		parts = append(parts, part+got(reason))
	}
	return d.Stage + ": " + strings.Join(parts, "; ")
}

// Verification prints a verified token's claims, or why there is none.
func (p *Printer) Verification(token *verifier.Token, verification error) error {
	var reasons []trustcheck.TokenReason
	valid, unsure := verification == nil, false
	if verification != nil {
		refused := (*verifier.Refusal)(nil)
		if unsure = !errors.As(verification, &refused); unsure {
			reasons = []trustcheck.TokenReason{{Code: bundles.IssuerUnavailable, Message: verification.Error()}}
		} else {
			reasons = refused.Reasons
		}
	}
	if p.json {
		answer := struct {
			Valid   *bool                    `json:"valid"`
			Token   *trustcheck.TokenRef     `json:"token,omitempty"`
			Claims  json.RawMessage          `json:"claims,omitempty"`
			Reasons []trustcheck.TokenReason `json:"reasons,omitempty"`
		}{Valid: &valid, Reasons: reasons}
		if unsure {
			answer.Valid = nil
		}
		if valid {
			answer.Token, answer.Claims = token.Ref(), token.Claims.Text
		}
		return p.encode(answer)
	}
	if !valid {
		return p.refusal(reasons, unsure)
	}
	fmt.Fprintf(p.out, "%s  signed by %s for %s, good until %s\n", p.paint(green, "VALID"), printable(token.Issuer),
		printable(strings.Join(token.Audience, ", ")), token.Expires.UTC().Format("2006-01-02 15:04:05 MST"))
	return p.claims(token.Claims)
}

func (p *Printer) refusal(reasons []trustcheck.TokenReason, unsure bool) error {
	word, status := p.paint(red, "INVALID"), trustcheck.Failed
	if unsure {
		word, status = p.paint(yellow, "UNDECIDED"), trustcheck.Unknown
	}
	fmt.Fprintln(p.out, word)
	for _, reason := range reasons {
		if _, err := fmt.Fprintf(p.out, "  %s %s: %s\n", p.mark(status), reason.Code, printable(reason.Message)); err != nil {
			return err
		}
	}
	return nil
}

// Unverified prints what a token says of itself, with what the reader objects to.
func (p *Printer) Unverified(token *verifier.Unverified, objections []trustcheck.TokenReason) error {
	if p.json {
		answer := struct {
			Verified bool                     `json:"verified"`
			Header   json.RawMessage          `json:"header,omitempty"`
			Claims   json.RawMessage          `json:"claims,omitempty"`
			Reasons  []trustcheck.TokenReason `json:"reasons,omitempty"`
		}{Header: token.Header.Text, Claims: token.Claims.Text, Reasons: objections}
		if token.Header.Value == nil {
			answer.Header = nil
		}
		if token.Claims.Value == nil {
			answer.Claims = nil
		}
		return p.encode(answer)
	}
	for _, objection := range objections {
		fmt.Fprintf(p.out, "  %s %s: %s\n", p.mark(trustcheck.Failed), objection.Code, printable(objection.Message))
	}
	if token.Header.Value != nil {
		fmt.Fprintln(p.out, "header")
		if err := p.claims(token.Header); err != nil {
			return err
		}
	}
	if token.Claims.Value != nil {
		fmt.Fprintln(p.out, "claims")
		return p.claims(token.Claims)
	}
	return nil
}

// claims prints the members of an object in order, one a line.
func (p *Printer) claims(claims verifier.Claims) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(claims.Text, &members); err != nil {
		return fmt.Errorf("print the claims: %w", err)
	}
	width := 0
	for name := range members {
		width = max(width, len(name))
	}
	for _, name := range sortedNames(members) {
		if _, err := fmt.Fprintf(p.out, "  %-*s  %s\n", width, printable(name), printable(clipped(string(members[name])))); err != nil {
			return err
		}
	}
	return nil
}

func sortedNames(members map[string]json.RawMessage) []string {
	return slices.Sorted(maps.Keys(members))
}
