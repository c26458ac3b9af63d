package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck/internal/batch"
	"github.com/trustcheck/trustcheck/internal/report"
)

// streams are the three standard ones.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// shared are the flags of every command.
type shared struct {
	streams
	format  string
	config  string
	now     string
	quiet   bool
	noColor bool
}

func rootCommand(std streams) *cobra.Command {
	all := &shared{streams: std}
	root := &cobra.Command{
		Use:   "trustcheck",
		Short: "Verify CI tokens and decide what a relying party would answer for them",
		Long: "trustcheck verifies the OIDC tokens of CI systems and tells, condition by condition,\n" +
			"what HashiCorp Vault, AWS, Google Cloud or Azure would answer for a role.",
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			return all.applyConfig(command)
		},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	flags := root.PersistentFlags()
	flags.StringVar(&all.format, "format", "text", "text or json")
	flags.StringVar(&all.config, "config", "", "configuration file (default: .trustcheck.yaml, looked for upward)")
	flags.StringVar(&all.now, "now", "", "the time to decide at, RFC 3339 or Unix seconds (default: the clock)")
	flags.BoolVar(&all.quiet, "quiet", false, "print nothing but what was asked for")
	flags.BoolVar(&all.noColor, "no-color", false, "never use colour")
	root.AddCommand(
		verifyCommand(all),
		checkCommand(all),
		lintCommand(all),
		diffCommand(all),
		tokenCommand(all),
		issuerCommand(all),
		serveCommand(all),
		versionCommand(all),
	)
	return root
}

// moment is the time that --now gives, or the clock's.
func (s *shared) moment() (time.Time, error) {
	if s.now == "" {
		return time.Now(), nil
	}
	moment, err := batch.ParseTime(s.now)
	if err != nil {
		return moment, fmt.Errorf("--now: %w", err)
	}
	return moment, nil
}

// printer writes results in the format asked for.
func (s *shared) printer() (*report.Printer, error) {
	return report.NewPrinter(s.out, s.format, s.coloured())
}

// coloured says whether standard output is a terminal that wants colour.
func (s *shared) coloured() bool {
	if s.noColor || os.Getenv("NO_COLOR") != "" {
		return false
	}
	file, ok := s.out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
