package breadth_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
)

var testNow = time.Unix(1_800_000_000, 0)

// policies are opened once for all tests: that takes longer than most of them.
var policies = sync.OnceValues(func() (*bundles.Bundle, error) {
	return bundles.Open(context.Background(), bundles.Options{Deadline: time.Minute})
})

// patient leaves time to the benchmarks: a busy machine must not change a verdict.
var patient = breadth.Limits{Deadline: 2 * time.Minute}

func openBundle(t testing.TB) *bundles.Bundle {
	t.Helper()
	bundle, err := policies()
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func vaultRole(t testing.TB, bundle *bundles.Bundle, text []byte) *bundles.Role {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", text)
	if err != nil {
		t.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, "vault", nil)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// sample is a role with the verdict for each attacker, as the design study found them.
type sample struct {
	Name      string          `json:"name"`
	Role      json.RawMessage `json:"role"`
	Issuer    string          `json:"issuer"`
	Attackers map[string]string
	Scope     struct {
		Given        bool     `json:"given"`
		Projects     []string `json:"projects"`
		Groups       []string `json:"groups"`
		ProjectIDs   []string `json:"project_ids"`
		NamespaceIDs []string `json:"namespace_ids"`
		Logins       []string `json:"logins"`
	}
	Facts struct {
		Branches []string `json:"protected_branches"`
		Tags     []string `json:"protected_tags"`
	}
}

func readSamples(t testing.TB) []sample {
	t.Helper()
	text, err := os.ReadFile("testdata/vault-gitlab.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one sample
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func (s *sample) subject(t testing.TB, bundle *bundles.Bundle) breadth.Subject {
	t.Helper()
	facts, err := json.Marshal(map[string]any{
		"protected_branches": s.Facts.Branches, "protected_tags": s.Facts.Tags, "environments": nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	subject := breadth.Subject{Limits: patient, Role: vaultRole(t, bundle, s.Role), Issuer: s.Issuer, Now: testNow}
	if subject.Facts, err = breadth.ReadFacts(facts); err != nil {
		t.Fatal(err)
	}
	if s.Scope.Given {
		var circles []map[string]any
		for claim, values := range map[string][]string{
			"project_path": s.Scope.Projects, "namespace_path": s.Scope.Groups, "project_id": s.Scope.ProjectIDs,
			"namespace_id": s.Scope.NamespaceIDs, "user_login": s.Scope.Logins,
		} {
			if len(values) > 0 {
				circles = append(circles, map[string]any{claim: values})
			}
		}
		text, err := json.Marshal(map[string]any{"any_of": circles})
		if err != nil {
			t.Fatal(err)
		}
		if subject.Scope, err = breadth.ReadScope(text); err != nil {
			t.Fatal(err)
		}
	}
	return subject
}

func TestSamplesComeOutTheSame(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for _, one := range readSamples(t) {
		t.Run(one.Name, func(t *testing.T) {
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
			if refused := one.subject(t, bundle).Role.Refused; refused != "" {
				// The study did not ask whether Vault stores the role.
				if result.Verdict != breadth.Dead {
					t.Errorf("want a refused role dead, got %s", result.Verdict)
				}
				return
			}
			for name, wanted := range one.Attackers {
				if got := string(result.Attackers[name]); got != wanted {
					t.Errorf("%s: want %s, got %s", name, wanted, got)
				}
			}
		})
	}
}

// TestAPanicIsNoAnswer has the analysis ask a bundle that is not there.
func TestAPanicIsNoAnswer(t *testing.T) {
	role := vaultRole(t, openBundle(t), []byte(`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/app"}}`))
	result, err := breadth.New(nil).Analyse(context.Background(), breadth.Subject{Role: role, Issuer: "https://gitlab.com", Limits: patient, Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != breadth.Undecided || len(result.Attackers) != len(breadth.Attackers()) || result.Witness != nil {
		t.Errorf("want it undecided, got %+v", result)
	}
	if why := strings.Join(result.Why, " "); !strings.Contains(why, "evaluation_failed") || len(result.Findings) != 1 {
		t.Errorf("want the panic among the reasons, got %q and %v", why, result.Findings)
	}
}

// What a caller keeps of many roles must not keep their analyses.
func TestResultHoldsTheAnalysis(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		if seen[of] {
			return
		}
		seen[of] = true
		if name := of.Name(); strings.HasSuffix(of.PkgPath(), "/breadth") && strings.ToUpper(name[:1]) != name[:1] {
			t.Errorf("a result holds a %s", name)
		}
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(of.Elem())
		case reflect.Map:
			walk(of.Key())
			walk(of.Elem())
		case reflect.Struct:
			for i := range of.NumField() {
				walk(of.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[breadth.Result]())
}
