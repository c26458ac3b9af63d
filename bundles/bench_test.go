package bundles_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

// sample returns the bundle, the sample role and the sample token's claims.
func sample(b *testing.B) (*bundles.Bundle, *bundles.Role, bundles.Input) {
	b.Helper()
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("../testdata/roles/vault/deploy.json")
	if err != nil {
		b.Fatal(err)
	}
	doc, err := trustcheck.ReadDocument("deploy.json", text)
	if err != nil {
		b.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	payload, err := os.ReadFile("../testdata/tokens/gitlab.claims.json")
	if err != nil {
		b.Fatal(err)
	}
	claims, _, err := verifier.ReadClaims(payload)
	if err != nil {
		b.Fatal(err)
	}
	return bundle, role, bundles.Input{Claims: claims.Value, Context: map[string]any{"alg": "RS256"}, Now: time.Unix(1768478400, 0)}
}

func BenchmarkDecide(b *testing.B) {
	bundle, role, input := sample(b)
	b.ReportAllocs()
	measureCPU(b)
	for b.Loop() {
		if bundle.Decide(context.Background(), role, input).Verdict != trustcheck.Allow {
			b.Fatal("denied")
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	bundle, role, input := sample(b)
	b.ReportAllocs()
	measureCPU(b)
	for b.Loop() {
		if allowed, err := bundle.Allow(context.Background(), role, input); !allowed || err != nil {
			b.Fatal("denied", err)
		}
	}
}

func BenchmarkRawSignature(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	measureCPU(b)
	text := make([]byte, 1500)
	sum := sha256.Sum256(text)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		sum := sha256.Sum256(text)
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}
