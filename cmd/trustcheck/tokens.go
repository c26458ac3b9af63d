package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck/verifier"
)

// issuerFlags say whose tokens are good.
type issuerFlags struct {
	issuer              string
	audiences           []string
	jwks                string
	algorithms          []string
	leeway              time.Duration
	maxLifetime         time.Duration
	maxAge              time.Duration
	caFile              string
	allowPrivateNetwork bool
	insecureArgument    string
}

func (f *issuerFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.issuer, "issuer", "", "the issuer whose tokens are good; its keys are found by discovery unless --jwks is given")
	flags.StringArrayVar(&f.audiences, "audience", nil, "an audience the token may be for (repeat for any of several)")
	flags.StringVar(&f.jwks, "jwks", "", "the issuer's keys: a JWKS file, or the https address of one")
	flags.StringArrayVar(&f.algorithms, "algorithm", nil, "an allowed signature algorithm (default: all ten asymmetric ones)")
	flags.DurationVar(&f.leeway, "leeway", verifier.DefaultLeeway, "how far clocks may be apart")
	flags.DurationVar(&f.maxLifetime, "max-lifetime", 0, "refuse tokens that live longer (0: no bound)")
	flags.DurationVar(&f.maxAge, "max-age", 0, "refuse tokens issued longer ago (0: no bound)")
	flags.StringVar(&f.caFile, "ca-file", "", "PEM file of a private certificate authority, for fetching keys")
	flags.BoolVar(&f.allowPrivateNetwork, "allow-private-network", false, "fetch keys from loopback and private addresses too")
	flags.StringVar(&f.insecureArgument, "insecure-token-argument", "", "the token itself; everybody on this machine can read it in the process list")
}

// verifier builds the verifier that the flags describe.
func (f *issuerFlags) verifier(ctx context.Context) (*verifier.Verifier, error) {
	if f.issuer == "" {
		return nil, errors.New("want --issuer, the issuer whose tokens are good")
	}
	if len(f.audiences) == 0 {
		return nil, errors.New("want --audience, whom the token must be for")
	}
	keys, err := f.keys(ctx)
	if err != nil {
		return nil, err
	}
	leeway := f.leeway
	return verifier.New(verifier.Config{
		Issuer: f.issuer, Audiences: f.audiences, Algorithms: f.algorithms,
		Leeway: &leeway, MaxLifetime: f.maxLifetime, MaxAge: f.maxAge, Keys: keys,
	})
}

// token reads the token that an argument names: a file, - for standard input, or
// @env:NAME.
func (f *issuerFlags) token(arguments []string, in io.Reader) (string, error) {
	if f.insecureArgument != "" {
		if len(arguments) > 0 {
			return "", errors.New("want one token, got an argument and --insecure-token-argument")
		}
		return f.insecureArgument, nil
	}
	if len(arguments) != 1 {
		return "", errors.New("want one TOKEN: a file, - for standard input, or @env:NAME")
	}
	return readToken(arguments[0], in)
}

func readToken(argument string, in io.Reader) (string, error) {
	if name, ok := strings.CutPrefix(argument, "@env:"); ok {
		token, set := os.LookupEnv(name)
		if !set {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return strings.TrimRight(token, "\r\n"), nil
	}
	var text []byte
	var err error
	if argument == "-" {
		text, err = io.ReadAll(io.LimitReader(in, verifier.MaxToken+2))
	} else {
		text, err = readTokenFile(argument)
	}
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return "", fmt.Errorf("read the token: %s is empty", argument)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// readTokenFile never repeats an argument that may itself be a token.
func readTokenFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		if strings.HasPrefix(path, "eyJ") {
			return nil, errors.New("TOKEN is a file, - or @env:NAME; the token itself is taken only by --insecure-token-argument")
		}
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, verifier.MaxToken+2))
}
