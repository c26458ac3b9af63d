package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/carrier"
	"github.com/trustcheck/trustcheck/internal/report"
)

// What diff can fail on. admitted is any token that is newly admitted, broad one that lies
// outside the scope and is not only a recycler's.
const (
	onAdmitted  = "admitted"
	onBroad     = "broad"
	onRefused   = "refused"
	onUndecided = "undecided"
)

func diffCommand(all *shared) *cobra.Command {
	var asked subjectFlags
	var failOn []string
	command := &cobra.Command{
		Use:   "diff BASE HEAD",
		Short: "Find the tokens that a change of roles newly admits or newly refuses",
		Long: "diff proves for each role that BASE and HEAD answer alike on every token that the issuer mints,\n" +
			"or shows a token that is newly admitted and one that is newly refused. BASE and HEAD are files or\n" +
			"directories with roles; one Terraform plan in JSON stands for both. Roles are paired by platform and\n" +
			"name, where that is not unique by file and by address too; two files with one role each are a pair.",
		RunE: func(command *cobra.Command, arguments []string) error {
			bundle, err := openBundle(command.Context(), asked.rules, asked.require)
			if err != nil {
				return err
			}
			return runDiff(command.Context(), all, &asked, failOn, bundle, arguments)
		},
	}
	asked.add(command)
	command.Flags().StringSliceVar(&failOn, "fail-on", []string{onAdmitted, onUndecided},
		"fail on what is newly admitted, on broad (that only outside the scope), refused, undecided, or on none")
	command.Flags().Lookup("fail-on").Annotations = map[string][]string{onlyFlag: {}}
	return command
}

func runDiff(ctx context.Context, all *shared, asked *subjectFlags, failOn []string, bundle *bundles.Bundle, paths []string) error {
	if err := checkFailOn(failOn, []string{onAdmitted, onBroad, onRefused, onUndecided}); err != nil {
		return err
	}
	subject, err := asked.subject(all)
	if err != nil {
		return err
	}
	printer, err := all.printer()
	if err != nil {
		return err
	}
	base, head, err := bothSides(ctx, bundle, paths, asked.platform, subject.Context)
	if err != nil {
		return err
	}
	if len(base)+len(head) == 0 {
		fmt.Fprintf(all.err, "trustcheck: no role found in %s\n", strings.Join(paths, ", "))
		return exit(exitNoInput)
	}
	pairs, err := pairUp(base, head)
	if err != nil {
		return err
	}
	analyser := breadth.New(bundle)
	changes := make([]report.Changed, len(pairs))
	for i, two := range pairs {
		if changes[i], err = compare(ctx, analyser, two, subject); err != nil {
			return err
		}
	}
	if err := printer.Changed(changes); err != nil {
		return err
	}
	return diffExit(changes, failOn)
}

// bothSides reads the roles before and after a change.
func bothSides(ctx context.Context, bundle *bundles.Bundle, paths []string, platform string, given map[string]any) (base, head []placed, err error) {
	switch len(paths) {
	case 1:
		return planSides(ctx, bundle, paths[0], platform, given)
	case 2:
		base, unread := sideOf(ctx, bundle, paths[0], platform, given)
		head, alsoUnread := sideOf(ctx, bundle, paths[1], platform, given)
		return base, head, errors.Join(unread, alsoUnread)
	default:
		return nil, nil, fmt.Errorf("want BASE and HEAD, files or directories with roles, or one Terraform plan; got %d arguments", len(paths))
	}
}

func sideOf(ctx context.Context, bundle *bundles.Bundle, path, platform string, given map[string]any) ([]placed, error) {
	var roles []placed
	err := eachRoleBelow(ctx, bundle, path, platform, given, func(found prepared) error {
		roles = append(roles, placed{found, withinPath(path, found.document.File), isFile(path)})
		return nil
	})
	return roles, err
}

// planSides reads a Terraform plan: what stands before it is applied, and what behind.
func planSides(ctx context.Context, bundle *bundles.Bundle, file, platform string, given map[string]any) (base, head []placed, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	for _, side := range []struct {
		read  func(string, []byte) ([]*trustcheck.Document, error)
		roles *[]placed
	}{{carrier.ReadBefore, &base}, {carrier.Read, &head}} {
		docs, unread := side.read(file, text)
		wrong := eachRole(ctx, bundle, docs, platform, given, func(found prepared) error {
			*side.roles = append(*side.roles, placed{prepared: found})
			return nil
		})
		err = errors.Join(err, unread, wrong)
	}
	return base, head, err
}

// compare asks what HEAD's role newly admits and newly refuses.
func compare(ctx context.Context, analyser *breadth.Analyser, two pair, subject breadth.Subject) (report.Changed, error) {
	before, after := subject, subject
	changed := report.Changed{}
	if role := two.base; role != nil {
		before.Role, before.Document, before.Context = role.role, role.document, role.context
		changed.Base, changed.BaseError = &role.role.Ref, role.role.Refused
	}
	if role := two.head; role != nil {
		after.Role, after.Document, after.Context = role.role, role.document, role.context
		changed.Head, changed.HeadError = &role.role.Ref, role.role.Refused
	}
	var err error
	if changed.Change, err = analyser.Compare(ctx, before, after); err != nil {
		return changed, fmt.Errorf("%s: %w", cmp.Or(two.head, two.base), err)
	}
	return changed, nil
}

// diffExit is 1 where a change does what is failed on, 3 where it could not be told and that
// fails.
func diffExit(changes []report.Changed, failOn []string) error {
	undecided := false
	for _, change := range changes {
		admitted := change.Admitted
		does := map[string]bool{
			onAdmitted: admitted != nil,
			onBroad:    admitted != nil && !admitted.Token.Inside && admitted.Attacker != breadth.Recycler,
			onRefused:  change.Refused != nil,
		}
		if slices.ContainsFunc(failOn, func(on string) bool { return does[on] }) {
			return exit(exitNo)
		}
		undecided = undecided || len(change.Why) > 0 || len(change.WhyRefused) > 0 && slices.Contains(failOn, onRefused)
	}
	if undecided && slices.Contains(failOn, onUndecided) {
		return exit(exitUndecided)
	}
	return nil
}
