package platformtest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/carrier"
	"github.com/trustcheck/trustcheck/verifier"
)

// One directory, four relying parties: which of the roles does each sample token open?
func TestMixedDirectoryOpensOtherRoles(t *testing.T) {
	bundle := Open(t)
	var docs []*trustcheck.Document
	if err := carrier.Walk(t.Context(), []string{"../../testdata/roles/azure", "../../testdata/roles/gcp", "../../testdata/roles/vault", "../../testdata/roles/aws"},
		func(result carrier.Result) error {
			docs = append(docs, result.Documents...)
			return result.Err
		}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for token, want := range map[string][]string{
		"gitlab":             {"azure main allow", "azure tags deny", "gcp audit undecided", "gcp gitlab allow", "vault deploy allow"},
		"gitlab-unprotected": {"azure main deny", "azure tags deny", "gcp audit undecided", "gcp gitlab deny", "vault deploy deny"},
		"gitlab-v2":          {"azure main deny", "azure tags deny", "gcp audit deny", "gcp gitlab deny", "vault deploy deny"},
		"github":             {"azure main deny", "azure tags deny", "gcp audit deny", "gcp gitlab deny", "vault deploy deny"},
	} {
		text, err := os.ReadFile("../../testdata/tokens/" + token + ".claims.json")
		if err != nil {
			t.Fatal(err)
		}
		claims, _, err := verifier.ReadClaims(text)
		if err != nil {
			t.Fatal(err)
		}
		answers := map[string]bool{}
		for _, doc := range docs {
			known, err := bundle.Platform("", doc)
			if err != nil {
				continue // what belongs to a role and is none
			}
			context := map[string]any{}
			if known.Beside != nil {
				maps.Copy(context, known.Beside(doc, docs))
			}
			role, err := bundle.Prepare(t.Context(), doc, "", context)
			if err != nil || role.Refused != "" {
				t.Fatalf("%s: %v, refused %q", doc.File, err, role.Refused)
			}
			decision := bundle.Decide(t.Context(), role, bundles.Input{Claims: claims.Value, Context: context, Now: time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)})
			name := role.Ref.Name
			if name == "" {
				name = strings.TrimSuffix(filepath.Base(doc.File), ".json")
			}
			answers[known.Name+" "+name+" "+string(decision.Verdict)] = true
			seen[known.Name] = true
		}
		for _, one := range want {
			if !answers[one] {
				t.Errorf("%s: want %s among %v", token, one, slices.Sorted(maps.Keys(answers)))
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("roles of %v, want four platforms", slices.Sorted(maps.Keys(seen)))
	}
}
