package main

import (
	"context"
	"strings"

	"github.com/trustcheck/trustcheck/verifier"
)

// keys finds the issuer's keys: in a file, at an address, or by discovery. Nothing is
// fetched before there is a token that is worth it.
func (f *issuerFlags) keys(ctx context.Context) (verifier.KeySource, error) {
	if f.jwks != "" && !strings.Contains(f.jwks, "://") {
		return verifier.ReadJWKSFile(f.jwks)
	}
	remote, err := verifier.NewRemote(verifier.RemoteConfig{
		Issuer:  f.issuer,
		URL:     f.jwks,
		Network: verifier.Network{CAFile: f.caFile, AllowPrivateNetwork: f.allowPrivateNetwork},
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, remote.Close)
	return remote, nil
}
