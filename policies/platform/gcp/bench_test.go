package gcp_test

import (
	"os"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/platformtest"
	"github.com/trustcheck/trustcheck/verifier"
)

func sample(b *testing.B) (*trustcheck.Document, bundles.Input) {
	b.Helper()
	text, err := os.ReadFile("../../../testdata/roles/gcp/deploy.json")
	if err != nil {
		b.Fatal(err)
	}
	doc, err := trustcheck.ReadDocument("deploy.json", text)
	if err != nil {
		b.Fatal(err)
	}
	if text, err = os.ReadFile("../../../testdata/tokens/gitlab.claims.json"); err != nil {
		b.Fatal(err)
	}
	claims, _, err := verifier.ReadClaims(text)
	if err != nil {
		b.Fatal(err)
	}
	return doc, bundles.Input{Claims: claims.Value, Now: time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)}
}

func BenchmarkPrepare(b *testing.B) {
	bundle := platformtest.Open(b)
	doc, _ := sample(b)
	for b.Loop() {
		if _, err := bundle.Prepare(b.Context(), doc, "gcp", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	bundle := platformtest.Open(b)
	doc, input := sample(b)
	role, err := bundle.Prepare(b.Context(), doc, "gcp", nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if allowed, err := bundle.Allow(b.Context(), role, input); err != nil || !allowed {
			b.Fatalf("%v, %v", allowed, err)
		}
	}
}
