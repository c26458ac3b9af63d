package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/batch"
	"github.com/trustcheck/trustcheck/internal/report"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// subjectFlags say what is analysed: those of lint and diff beside the shared ones.
type subjectFlags struct {
	platform string
	context  string
	issuer   string
	model    string
	scope    string
	facts    string
	rules    []string
	require  []string
}

// add defines the flags.
func (f *subjectFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.platform, "platform", "", "whose roles these are (default: told by their shape)")
	flags.StringVar(&f.context, "context", "", "a JSON file with what the platform knows beside role and token")
	flags.StringVar(&f.issuer, "issuer", "", "whose tokens these roles take, as in iss (default: as the role says)")
	flags.StringVar(&f.model, "issuer-model", "", "what that issuer mints: "+strings.Join(issuer.Models(), ", ")+" or generic (default: told by issuer and claims)")
	flags.StringVar(&f.scope, "scope", "", "the circle that the roles are meant for: JSON, or a file with it (default: inferred)")
	flags.StringVar(&f.facts, "facts", "", "what is known of the issuer's projects: JSON, or a file with it")
	flags.StringArrayVar(&f.rules, "rules", nil, "a Rego file or directory with your own rules, below package trustcheck.rules")
	flags.StringArrayVar(&f.require, "require", nil, "a package below trustcheck.rules that must allow on top of every role")
}

// lintFlags are those of lint beside the shared ones.
type lintFlags struct {
	subjectFlags
	failOn    []string
	batchFile string
}

func lintCommand(all *shared) *cobra.Command {
	var asked lintFlags
	command := &cobra.Command{
		Use:   "lint PATH...",
		Short: "Find roles that accept more tokens than they are meant for",
		Long: "lint proves for each role that nobody outside its scope gets in, or shows the token with\n" +
			"which somebody does, and who can have it. PATH is a file or directory with roles.",
		RunE: func(command *cobra.Command, arguments []string) error {
			bundle, err := openBundle(command.Context(), asked.rules, asked.require)
			if err != nil {
				return err
			}
			if asked.batchFile != "" {
				return all.runBatch(command, asked.batchFile, func(folder string, now func() time.Time) (batch.Answerer, error) {
					return batch.NewLint(bundle, folder, now), nil
				})
			}
			return runLint(command.Context(), all, &asked, bundle, arguments)
		},
	}
	asked.add(command)
	flags := command.Flags()
	flags.StringSliceVar(&asked.failOn, "fail-on", []string{"high"},
		"fail on a severity and above (low, medium, high, critical), on dead, on undecided, or on none")
	flags.StringVar(&asked.batchFile, "batch", "", "answer JSON lines from a file, or - for standard input")
	return command
}

func runLint(ctx context.Context, all *shared, asked *lintFlags, bundle *bundles.Bundle, paths []string) error {
	if len(paths) == 0 {
		return errors.New("want a file or directory with roles")
	}
	if err := checkFailOn(asked.failOn, append(breadth.Severities(), "broad", "dead", "undecided")); err != nil {
		return err
	}
	subject, err := asked.subject(all)
	if err != nil {
		return err
	}
	subject.Detail = true
	printer, err := all.printer()
	if err != nil {
		return err
	}
	analyser := breadth.New(bundle)
	var roles []report.Linted
	var unread error
	for _, path := range paths {
		found, err := lintPath(ctx, bundle, analyser, path, asked.platform, subject)
		unread = errors.Join(unread, err)
		roles = append(roles, found...)
	}
	if len(roles) == 0 && unread != nil {
		return unread
	}
	if len(roles) == 0 {
		fmt.Fprintf(all.err, "trustcheck: no role found in %s\n", strings.Join(paths, ", "))
		return exit(exitNoInput)
	}
	if err := printer.Linted(roles); err != nil {
		return err
	}
	if unread != nil {
		return unread
	}
	return lintExit(roles, asked.failOn)
}

// checkFailOn wants some of what may be failed on, or none alone.
func checkFailOn(failOn, levels []string) error {
	if len(failOn) == 0 || (len(failOn) > 1 && slices.Contains(failOn, "none")) {
		return fmt.Errorf("--fail-on: want none alone, or what to fail on, got %q", strings.Join(failOn, ","))
	}
	for _, on := range failOn {
		if on != "none" && !slices.Contains(levels, on) {
			return fmt.Errorf("--fail-on: want %s or none, got %q", strings.Join(levels, ", "), on)
		}
	}
	return nil
}

// subject reads what the flags say of all roles.
func (f *subjectFlags) subject(all *shared) (breadth.Subject, error) {
	subject := breadth.Subject{Issuer: f.issuer, Model: f.model}
	if models := append(issuer.Models(), "generic"); f.model != "" && !slices.Contains(models, f.model) {
		return subject, fmt.Errorf("--issuer-model: want one of %s, got %q", strings.Join(models, ", "), f.model)
	}
	var err error
	if subject.Now, err = all.moment(); err != nil {
		return subject, err
	}
	if subject.Context, err = readContext(f.context); err != nil {
		return subject, err
	}
	if subject.Issuer == "" {
		subject.Issuer = batch.ConfiguredIssuer(subject.Context)
	}
	if f.scope != "" {
		if subject.Scope, err = jsonOrFile("--scope", f.scope, breadth.ReadScope); err != nil {
			return subject, err
		}
	}
	if f.facts != "" {
		if subject.Facts, err = jsonOrFile("--facts", f.facts, breadth.ReadFacts); err != nil {
			return subject, err
		}
	}
	return subject, nil
}

// jsonOrFile reads what a flag holds or names; an error names the file, and the line where
// the text is no JSON.
func jsonOrFile[T any](flag, text string, read func([]byte) (T, error)) (T, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return read([]byte(text))
	}
	content, err := os.ReadFile(text)
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", flag, err)
	}
	value, err := read(content)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		end := min(max(syntax.Offset, 0), int64(len(content)))
		return value, fmt.Errorf("%s:%d: %w", text, 1+bytes.Count(content[:end], []byte("\n")), err)
	case err != nil:
		return value, fmt.Errorf("%s: %w", text, err)
	}
	return value, nil
}

// lintPath analyses the roles that a file or directory holds, and returns what it could with
// the errors.
func lintPath(ctx context.Context, bundle *bundles.Bundle, analyser *breadth.Analyser, path, platform string, subject breadth.Subject) ([]report.Linted, error) {
	var roles []report.Linted
	err := eachRoleBelow(ctx, bundle, path, platform, subject.Context, func(found prepared) error {
		subject.Role, subject.Document, subject.Context = found.role, found.document, found.context
		result, err := analyser.Analyse(ctx, subject)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", found.document.File, found.document.Line, err)
		}
		roles = append(roles, report.Linted{Role: found.role.Ref, Error: found.role.Refused, Result: result})
		return nil
	})
	return roles, err
}

// lintExit is 1 where something is at or above the failing level, 3 where a role is
// undecided and that fails.
func lintExit(roles []report.Linted, failOn []string) error {
	undecided := false
	for _, role := range roles {
		verdict := string(role.Result.Verdict)
		if verdict == string(breadth.Undecided) {
			undecided = undecided || slices.Contains(failOn, verdict)
		} else if slices.Contains(failOn, verdict) {
			return exit(exitNo)
		}
		for _, finding := range role.Result.Findings {
			if fails(finding.Severity, failOn) && finding.Rule != "undecided-role" {
				return exit(exitNo)
			}
		}
	}
	if undecided {
		return exit(exitUndecided)
	}
	return nil
}

func fails(severity string, failOn []string) bool {
	order := breadth.Severities()
	return slices.ContainsFunc(failOn, func(level string) bool {
		at := slices.Index(order, level)
		return at >= 0 && slices.Index(order, severity) >= at
	})
}
