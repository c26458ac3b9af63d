package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/trustcheck/trustcheck/verifier"
)

// keys finds the issuer's keys: in a file, at an address, or by discovery. Nothing is
// fetched before there is a token that is worth it.
func (f *issuerFlags) keys(ctx context.Context) (verifier.KeySource, error) {
	if f.jwks != "" && !strings.Contains(f.jwks, "://") {
		return readKeys(f.jwks)
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

// readKeys reads a JWKS file; one without a usable key says what is wrong with each.
func readKeys(path string) (verifier.KeySource, error) {
	keys, err := verifier.ReadJWKSFile(path)
	if err != nil {
		return nil, err
	}
	if len(keys.Keys()) == 0 {
		return nil, fmt.Errorf("%s: want at least one usable key, got none: %s", path,
			cmp.Or(strings.Join(keys.Warnings(), "; "), "the set is empty"))
	}
	return keys, nil
}
