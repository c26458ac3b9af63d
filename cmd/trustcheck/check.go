package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/batch"
	"github.com/trustcheck/trustcheck/policies/issuer"
	"github.com/trustcheck/trustcheck/verifier"
)

// checkFlags are those of check beside the shared ones.
type checkFlags struct {
	trusted   issuerFlags
	roles     []string
	platform  string
	claims    string
	context   string
	rules     []string
	require   []string
	batchFile string
	any       bool
	all       bool
}

func checkCommand(all *shared) *cobra.Command {
	var asked checkFlags
	command := &cobra.Command{
		Use:   "check TOKEN --role ROLE...",
		Short: "Verify a token and decide it against one role or many",
		Long: "check verifies a token, decides it against roles as their platform would, and says why,\n" +
			"condition by condition. TOKEN is a file, - for standard input, or @env:NAME; --claims\n" +
			"takes bare claims in its place, and the verdict is then the platform's alone.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			bundle, err := openBundle(command.Context(), asked.rules, asked.require)
			if err != nil {
				return err
			}
			if asked.batchFile != "" {
				return all.runBatch(command, asked.batchFile, func(folder string, now func() time.Time) (batch.Answerer, error) {
					return batch.NewCheck(bundle, folder, now), nil
				})
			}
			return runCheck(command.Context(), all, &asked, bundle, arguments)
		},
	}
	asked.trusted.register(command)
	flags := command.Flags()
	flags.StringArrayVar(&asked.roles, "role", nil, "a file or directory with roles (repeat for several)")
	flags.StringVar(&asked.platform, "platform", "", "whose roles these are (default: told by their shape)")
	flags.StringVar(&asked.claims, "claims", "", "a JSON file with bare claims instead of a token; - for standard input")
	flags.StringVar(&asked.context, "context", "", "a JSON file with what the platform knows beside role and token")
	flags.StringArrayVar(&asked.rules, "rules", nil, "a Rego file or directory with your own rules, below package trustcheck.rules")
	flags.StringArrayVar(&asked.require, "require", nil, "a package below trustcheck.rules that must allow on top of every role")
	flags.StringVar(&asked.batchFile, "batch", "", "answer JSON lines from a file, or - for standard input")
	flags.BoolVar(&asked.any, "any", false, "with several roles: exit 0 when at least one allows")
	flags.BoolVar(&asked.all, "verbose", false, "show satisfied conditions of the platform's own as well")
	return command
}

func runCheck(ctx context.Context, all *shared, asked *checkFlags, bundle *bundles.Bundle, arguments []string) error {
	now, err := all.moment()
	if err != nil {
		return err
	}
	printer, err := all.printer()
	if err != nil {
		return err
	}
	printer.Verbose = asked.all
	surroundings, err := readContext(asked.context)
	if err != nil {
		return err
	}
	roles, err := loadRoles(ctx, bundle, asked.roles, asked.platform, surroundings)
	if err != nil {
		return err
	}
	decide, err := asked.decider(ctx, all, bundle, surroundings, arguments, now)
	if err != nil {
		return err
	}
	decisions := make([]*trustcheck.Decision, len(roles))
	for i, role := range roles {
		decisions[i] = decide(role)
	}
	if err := printer.Decisions(decisions); err != nil {
		return err
	}
	return decisionExit(decisions, asked.any)
}

// decider reads the token or the claims once and returns what decides a role about them.
func (f *checkFlags) decider(ctx context.Context, all *shared, bundle *bundles.Bundle, surroundings map[string]any, arguments []string, now time.Time) (func(*bundles.Role) *trustcheck.Decision, error) {
	if f.claims != "" {
		if len(arguments) > 0 || f.trusted.insecureArgument != "" {
			return nil, errors.New("want a token or --claims, got both")
		}
		return f.claimsDecider(ctx, all, bundle, surroundings, now)
	}
	compact, err := f.trusted.token(arguments, all.in)
	if err != nil {
		return nil, err
	}
	tokens, err := f.trusted.verifier(ctx)
	if err != nil {
		return nil, err
	}
	token, verification := tokens.Verify(ctx, compact, now)
	var warnings []string
	if verification == nil {
		warnings = shapeWarnings(token.Claims)
	}
	return func(role *bundles.Role) *trustcheck.Decision {
		decision := bundle.DecideToken(ctx, token, verification, compact, role, surroundings, now)
		decision.Warnings = append(warnings[:len(warnings):len(warnings)], decision.Warnings...)
		return decision
	}, nil
}

func (f *checkFlags) claimsDecider(ctx context.Context, all *shared, bundle *bundles.Bundle, surroundings map[string]any, now time.Time) (func(*bundles.Role) *trustcheck.Decision, error) {
	text, err := readFile(f.claims, all.in)
	if err != nil {
		return nil, fmt.Errorf("read the claims: %w", err)
	}
	claims, objections, err := verifier.ReadClaims(text)
	if err != nil {
		return nil, fmt.Errorf("%s: read the claims: %w", f.claims, err)
	}
	warnings := shapeWarnings(claims)
	return func(role *bundles.Role) *trustcheck.Decision {
		decision := bundle.Decide(ctx, role, bundles.Input{Claims: claims.Value, Context: surroundings, Now: now})
		decision.TokenReasons = objections
		decision.Warnings = append(warnings[:len(warnings):len(warnings)], decision.Warnings...)
		return decision
	}, nil
}

// shapeWarnings name the claims that their issuer does not mint like this.
func shapeWarnings(claims verifier.Claims) []string {
	decoder := json.NewDecoder(bytes.NewReader(claims.Text))
	decoder.UseNumber()
	var plain any
	if decoder.Decode(&plain) != nil {
		return nil
	}
	name, _ := issuer.Recognise(plain)
	if name == "" {
		return []string{"the token is shaped like no issuer that trustcheck knows: its claims are not checked against a schema"}
	}
	var warnings []string
	for _, warning := range issuer.Check(name, plain) {
		warnings = append(warnings, fmt.Sprintf("claim %s, not as %s mints it", warning, name))
	}
	return warnings
}

// decisionExit is the exit code for decisions: 0 when all allow, or with anyOf at least
// one; 1 when one denies; 3 when nothing denies and something is undecided.
func decisionExit(decisions []*trustcheck.Decision, anyOf bool) error {
	seen := map[trustcheck.Verdict]bool{}
	for _, decision := range decisions {
		seen[decision.Verdict] = true
	}
	switch {
	case anyOf && seen[trustcheck.Allow]:
		return nil
	case anyOf && seen[trustcheck.Undecided]:
		return exit(exitUndecided)
	case seen[trustcheck.Deny]:
		return exit(exitNo)
	case seen[trustcheck.Undecided]:
		return exit(exitUndecided)
	default:
		return nil
	}
}

func readFile(path string, in io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(path)
}

// readContext reads the context file; without one it is empty.
func readContext(path string) (map[string]any, error) {
	if path == "" {
		return map[string]any{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the context: %w", err)
	}
	doc, err := trustcheck.ReadDocument(path, text)
	if err != nil {
		return nil, err
	}
	object, ok := doc.Value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s:%d: the context: want an object", path, doc.Line)
	}
	return object, nil
}
