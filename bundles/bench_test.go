package bundles_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/mint"
	"github.com/trustcheck/trustcheck/verifier"
)

// bench is a token of 1.9 KB, as GitLab issues it, with all that it takes to decide about it.
type bench struct {
	bundle  *bundles.Bundle
	role    *bundles.Role
	tokens  *verifier.Verifier
	jwks    []byte
	compact string
	token   *verifier.Token
	now     time.Time
}

func newBench(b *testing.B, algorithm string) *bench {
	b.Helper()
	fail := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	made := &bench{now: time.Unix(1768478400, 0)}
	key, err := mint.NewKey(algorithm)
	fail(err)
	claims, err := mint.Claims("gitlab", []mint.Override{{Claim: "project_path", Value: "acme/platform/infrastructure"}}, made.now)
	fail(err)
	made.compact, err = mint.Sign(key, "", "", claims)
	fail(err)
	made.jwks, err = mint.JWKS(key)
	fail(err)
	keys, err := verifier.ParseJWKS(made.jwks)
	fail(err)
	made.tokens, err = verifier.New(verifier.Config{
		Issuer: "https://gitlab.example.com", Audiences: []string{"https://vault.example.com"}, Keys: keys,
	})
	fail(err)
	made.token, err = made.tokens.Verify(context.Background(), made.compact, made.now)
	fail(err)
	made.bundle, err = bundles.Open(context.Background(), bundles.Options{})
	fail(err)
	text, err := os.ReadFile("../testdata/roles/vault/deploy.json")
	fail(err)
	doc, err := trustcheck.ReadDocument("deploy.json", text)
	fail(err)
	made.role, err = made.bundle.Prepare(context.Background(), doc, "", nil)
	fail(err)
	return made
}

var algorithms = []string{"RS256", "ES256", "EdDSA"}

// run measures processor time beside wall time, which says little on a machine that others
// use too.
func run(b *testing.B, name string, operation func(b *testing.B, made *bench)) {
	b.Run(name, func(b *testing.B) {
		made := newBench(b, name)
		b.ReportAllocs()
		measureCPU(b)
		b.ResetTimer()
		for b.Loop() {
			operation(b, made)
		}
	})
}

func input(token *verifier.Token, now time.Time) bundles.Input {
	return bundles.Input{Claims: token.Claims.Value, Context: map[string]any{"alg": token.Algorithm}, Now: now}
}

func allow(b *testing.B, made *bench, token *verifier.Token) {
	if allowed, err := made.bundle.Allow(context.Background(), made.role, input(token, made.now)); !allowed || err != nil {
		b.Fatal("denied", err)
	}
}

func verify(b *testing.B, made *bench) *verifier.Token {
	token, err := made.tokens.Verify(context.Background(), made.compact, made.now)
	if err != nil {
		b.Fatal(err)
	}
	return token
}

// The raw signature: what all else is compared with.
func BenchmarkRawSignature(b *testing.B) {
	for _, algorithm := range algorithms {
		b.Run(algorithm, func(b *testing.B) {
			made := newBench(b, algorithm)
			check := rawCheck(b, made)
			b.ReportAllocs()
			measureCPU(b)
			b.ResetTimer()
			for b.Loop() {
				if !check() {
					b.Fatal("bad signature")
				}
			}
		})
	}
}

func rawCheck(b *testing.B, made *bench) func() bool {
	b.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(made.jwks, &set); err != nil {
		b.Fatal(err)
	}
	end := strings.LastIndexByte(made.compact, '.')
	signed := []byte(made.compact[:end])
	signature, err := base64.RawURLEncoding.DecodeString(made.compact[end+1:])
	if err != nil {
		b.Fatal(err)
	}
	switch key := set.Keys[0].Key.(type) {
	case *rsa.PublicKey:
		return func() bool {
			sum := sha256.Sum256(signed)
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
		}
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return func() bool {
			sum := sha256.Sum256(signed)
			return ecdsa.Verify(key, sum[:], r, s)
		}
	default:
		return func() bool { return ed25519.Verify(key.(ed25519.PublicKey), signed, signature) }
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range algorithms {
		run(b, algorithm, func(b *testing.B, made *bench) { verify(b, made) })
	}
}

// The gate's hot path: verified, and allowed or not.
func BenchmarkVerifyAndAllow(b *testing.B) {
	for _, algorithm := range algorithms {
		run(b, algorithm, func(b *testing.B, made *bench) { allow(b, made, verify(b, made)) })
	}
}

// With all reasons, as when something was refused.
func BenchmarkVerifyAndDecide(b *testing.B) {
	for _, algorithm := range algorithms {
		run(b, algorithm, func(b *testing.B, made *bench) {
			if made.bundle.Admit(context.Background(), made.tokens, made.compact, made.role, nil, made.now).Verdict != trustcheck.Allow {
				b.Fatal("denied")
			}
		})
	}
}

func BenchmarkAllow(b *testing.B) {
	run(b, "RS256", func(b *testing.B, made *bench) { allow(b, made, made.token) })
}

func BenchmarkDecide(b *testing.B) {
	run(b, "RS256", func(b *testing.B, made *bench) {
		if made.bundle.Decide(context.Background(), made.role, input(made.token, made.now)).Verdict != trustcheck.Allow {
			b.Fatal("denied")
		}
	})
}

// A role in Rego is compiled by itself: what it takes to make one ready.
func BenchmarkPrepareRego(b *testing.B) {
	made := newBench(b, "ES256")
	doc := &trustcheck.Document{Kind: "rego", File: "role.rego", Line: 1, Value: "package trustcheck.roles.r\n\nallow if input.claims.ref == \"main\"\n"}
	b.ResetTimer()
	for b.Loop() {
		if _, err := made.bundle.Prepare(context.Background(), doc, "", nil); err != nil {
			b.Fatal(err)
		}
	}
}
