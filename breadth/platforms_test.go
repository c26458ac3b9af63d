package breadth_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
)

// platformSample is a role of another platform than Vault with the verdict for each
// attacker, as the design study found them.
type platformSample struct {
	sample
	Platform string `json:"platform"`
	Model    string `json:"issuer_model"`
	Guarded  struct {
		Branches     []string `json:"protected_branches"`
		Tags         []string `json:"protected_tags"`
		Environments []string `json:"protected_environments"`
	} `json:"facts"`
}

func readPlatformSamples(t testing.TB) []platformSample {
	t.Helper()
	text, err := os.ReadFile("testdata/platforms.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []platformSample
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one platformSample
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func (s *platformSample) subject(t testing.TB, bundle *bundles.Bundle) breadth.Subject {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", s.Role)
	if err != nil {
		t.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, s.Platform, nil)
	if err != nil {
		t.Fatal(err)
	}
	environments := map[string]any{}
	for _, name := range s.Guarded.Environments {
		environments[name] = map[string]any{"protected": true}
	}
	known := map[string]any{
		"protected_branches": s.Guarded.Branches, "protected_tags": s.Guarded.Tags, "environments": environments,
	}
	names := []string{"project_path", "namespace_path", "project_id", "namespace_id", "user_login"}
	if s.Model == "github" {
		names = []string{"repository", "repository_owner", "repository_id", "repository_owner_id", "actor"}
		// The study takes it that the scope's repositories keep the default.
		known["subject_template"] = []string{"repo", "context"}
	}
	facts, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	// Later than every span in which AWS introduced keys.
	subject := breadth.Subject{Limits: patient, Role: role, Issuer: s.Issuer, Now: time.Unix(1_800_000_000, 0)}
	if subject.Facts, err = breadth.ReadFacts(facts); err != nil {
		t.Fatal(err)
	}
	if !s.Scope.Given {
		return subject
	}
	var circles []map[string]any
	for i, values := range [][]string{s.Scope.Projects, s.Scope.Groups, s.Scope.ProjectIDs, s.Scope.NamespaceIDs, s.Scope.Logins} {
		if len(values) > 0 {
			circles = append(circles, map[string]any{names[i]: values})
		}
	}
	text, err := json.Marshal(map[string]any{"any_of": circles})
	if err != nil {
		t.Fatal(err)
	}
	if subject.Scope, err = breadth.ReadScope(text); err != nil {
		t.Fatal(err)
	}
	return subject
}

func TestSamplesOfOtherPlatformsComeOutTheSame(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for _, one := range readPlatformSamples(t) {
		t.Run(one.Name, func(t *testing.T) {
			breadth.Thin(t)
			start := time.Now()
			result, err := analyser.Analyse(context.Background(), one.subject(t, bundle))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v %s scope %s why %q rests on %q", time.Since(start), result.Verdict, result.Scope, result.Why, result.RestsOn)
			for name, token := range result.Tokens {
				text, _ := json.Marshal(token.Claims)
				t.Logf("  %s inside=%t %s", name, token.Inside, text)
			}
			for name, wanted := range one.Attackers {
				got := string(result.Attackers[name])
				// Where the study did not know, a token that the role takes tells.
				if wanted == "undecided" && got == "broad" && result.Tokens[name] != nil {
					continue
				}
				if got != wanted {
					t.Errorf("%s: want %s, got %s", name, wanted, got)
				}
			}
		})
	}
}

// sampleSubjects are the samples of all platforms.
func sampleSubjects(t testing.TB, bundle *bundles.Bundle) []breadth.Subject {
	t.Helper()
	var all []breadth.Subject
	for _, one := range readSamples(t) {
		all = append(all, one.subject(t, bundle))
	}
	for _, one := range readPlatformSamples(t) {
		all = append(all, one.subject(t, bundle))
	}
	return all
}
