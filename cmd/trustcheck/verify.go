package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trustcheck/trustcheck/internal/batch"
	"github.com/trustcheck/trustcheck/verifier"
)

func verifyCommand(all *shared) *cobra.Command {
	var trusted issuerFlags
	var batchFile string
	command := &cobra.Command{
		Use:   "verify TOKEN",
		Short: "Check one token: signature, issuer, audience, times",
		Long: "verify checks one token and prints its claims, or every reason for refusing it.\n" +
			"TOKEN is a file, - for standard input, or @env:NAME.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			if batchFile != "" {
				return all.runBatch(command, batchFile, func(folder string, now func() time.Time) (batch.Answerer, error) {
					return batch.NewVerify(folder, now), nil
				})
			}
			now, err := all.moment()
			if err != nil {
				return err
			}
			printer, err := all.printer()
			if err != nil {
				return err
			}
			compact, err := trusted.token(arguments, all.in)
			if err != nil {
				return err
			}
			tokens, err := trusted.verifier(command.Context())
			if err != nil {
				return err
			}
			token, err := tokens.Verify(command.Context(), compact, now)
			if err := printer.Verification(token, err); err != nil {
				return err
			}
			return verificationExit(err)
		},
	}
	trusted.register(command)
	command.Flags().StringVar(&batchFile, "batch", "", "answer JSON lines from a file, or - for standard input")
	return command
}

func verificationExit(err error) error {
	if err == nil {
		return nil
	}
	if refused := (*verifier.Refusal)(nil); errors.As(err, &refused) {
		return exit(exitNo)
	}
	return exit(exitUndecided)
}

// runBatch answers the JSON lines of a file or of standard input.
func (s *shared) runBatch(command *cobra.Command, file string, answerer func(folder string, now func() time.Time) (batch.Answerer, error)) error {
	if err := refuseBeside(command); err != nil {
		return err
	}
	clock := time.Now
	if s.now != "" {
		fixed, err := s.moment()
		if err != nil {
			return err
		}
		clock = func() time.Time { return fixed }
	}
	in, folder := s.in, "."
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer opened.Close()
		in, folder = opened, filepath.Dir(file)
	}
	lines, err := answerer(folder, clock)
	if err != nil {
		return err
	}
	// Lines make garbage and keep little: collecting it less often spares a fifth of the time.
	debug.SetGCPercent(400)
	return batch.Run(command.Context(), in, s.out, lines)
}

// withBatch are the flags that mean something beside --batch; whatever else there is to say,
// each line says itself.
var withBatch = []string{"batch", "config", "format", "no-color", "now", "quiet", "require", "rules"}

func refuseBeside(command *cobra.Command) error {
	var wrong error
	command.Flags().Visit(func(flag *pflag.Flag) {
		if wrong == nil && !slices.Contains(withBatch, flag.Name) {
			wrong = fmt.Errorf("--%s: not with --batch, whose lines say it themselves", flag.Name)
		}
	})
	if wrong == nil && command.Flags().NArg() > 0 {
		wrong = errors.New("want no argument beside --batch")
	}
	return wrong
}
