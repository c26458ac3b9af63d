package main

import (
	"context"
	"errors"
	"strings"

	"github.com/trustcheck/trustcheck/verifier"
)

// keys finds the issuer's keys: in a file, at an address, or by discovery.
func (f *issuerFlags) keys(_ context.Context) (verifier.KeySource, error) {
	if f.jwks != "" && !strings.Contains(f.jwks, "://") {
		return verifier.ReadJWKSFile(f.jwks)
	}
	return nil, errors.New("want --jwks, a JWKS file")
}
