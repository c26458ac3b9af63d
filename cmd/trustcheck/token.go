package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck/internal/mint"
	"github.com/trustcheck/trustcheck/verifier"
)

func tokenCommand(all *shared) *cobra.Command {
	command := &cobra.Command{
		Use:   "token",
		Short: "Mint tokens for trying things, and look inside a token",
		Args:  cobra.NoArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(mintCommand(all), inspectCommand(all))
	return command
}

// mintFlags describe the claims of a token to mint.
type mintFlags struct {
	shape     string
	claims    []string
	without   []string
	algorithm string
}

func (f *mintFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.shape, "shape", "gitlab", "whose token: "+strings.Join(mint.Shapes(), ", "))
	flags.StringArrayVar(&f.claims, "claim", nil, "claim=value, typed as the issuer types it, or claim:=JSON (repeat)")
	flags.StringArrayVar(&f.without, "without", nil, "a claim to leave out (repeat)")
	flags.StringVar(&f.algorithm, "algorithm", "RS256", "signature algorithm")
}

func (f *mintFlags) overrides() ([]mint.Override, error) {
	var overrides []mint.Override
	for _, claim := range f.claims {
		override, err := mint.ParseOverride(claim)
		if err != nil {
			return nil, err
		}
		overrides = append(overrides, override)
	}
	for _, claim := range f.without {
		overrides = append(overrides, mint.Without(claim))
	}
	return overrides, nil
}

func mintCommand(all *shared) *cobra.Command {
	var asked mintFlags
	var jwks string
	command := &cobra.Command{
		Use:   "mint",
		Short: "Mint a token with a throw-away key",
		Long: "mint makes a key, signs one token with it, prints the token and forgets the key. With --jwks\n" +
			"it writes the public half to a file, for verify and check.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			now, err := all.moment()
			if err != nil {
				return err
			}
			overrides, err := asked.overrides()
			if err != nil {
				return err
			}
			claims, err := mint.Claims(asked.shape, overrides, now)
			if err != nil {
				return err
			}
			key, err := mint.NewKey(asked.algorithm)
			if err != nil {
				return err
			}
			token, err := mint.Sign(key, "", "", claims)
			if err != nil {
				return err
			}
			if jwks != "" {
				set, err := mint.JWKS(key)
				if err != nil {
					return err
				}
				if err := writeWhole(jwks, append(set, '\n')); err != nil {
					return fmt.Errorf("write the keys: %w", err)
				}
			}
			_, err = fmt.Fprintln(all.out, token)
			return err
		},
	}
	asked.register(command)
	command.Flags().StringVar(&jwks, "jwks", "", "write the public key to this file, as a JWKS")
	return command
}

// writeWhole writes a file completely or not at all.
func writeWhole(path string, content []byte) error {
	temporary := fmt.Sprintf("%s.%s", path, rand.Text()[:8])
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Clean(path)); err != nil {
		os.Remove(temporary)
		return err
	}
	return nil
}

func inspectCommand(all *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect TOKEN",
		Short: "Decode a token WITHOUT verifying it",
		Long:  "inspect decodes a token and checks nothing: anybody may have written what it prints.",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, arguments []string) error {
			printer, err := all.printer()
			if err != nil {
				return err
			}
			compact, err := readToken(arguments[0], all.in)
			if err != nil {
				return err
			}
			token, objections := verifier.ReadToken(compact)
			fmt.Fprintln(all.err, "trustcheck: NOT VERIFIED: nobody has checked who wrote this token")
			if err := printer.Unverified(token, objections); err != nil {
				return err
			}
			if token.Claims.Value == nil {
				return exit(exitNo)
			}
			return nil
		},
	}
}
