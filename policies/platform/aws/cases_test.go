package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

// knownCase is one role, one token and what AWS makes of them. Provenance is observed (somebody
// ran it), documented or inferred; source says where.
type knownCase struct {
	ID         string          `json:"id"`
	Title      string          `json:"title"`
	Role       json.RawMessage `json:"role"`
	Context    map[string]any  `json:"context"`
	Claims     json.RawMessage `json:"claims"`
	Now        int64           `json:"now"`
	Want       wanted          `json:"want"`
	Provenance string          `json:"provenance"`
	Source     string          `json:"source"`
}

// wanted holds texts of which the answer's must contain each.
type wanted struct {
	Verdict   trustcheck.Verdict `json:"verdict"`
	Stage     string             `json:"stage"`
	Message   string             `json:"message"`
	Warning   string             `json:"warning"`
	Assumed   string             `json:"assumed"`
	RoleError string             `json:"role_error"`
}

func TestEveryCaseHasItsAnswer(t *testing.T) {
	bundle := load(t)
	ids := map[string]bool{}
	for _, known := range readCases(t) {
		if ids[known.ID] {
			t.Errorf("%s is given twice", known.ID)
		}
		ids[known.ID] = true
		t.Run(known.ID+" "+known.Title, func(t *testing.T) { answerCase(t, bundle, known) })
	}
}

func answerCase(t *testing.T, bundle *bundles.Bundle, known knownCase) {
	if known.Provenance != "observed" && known.Provenance != "documented" && known.Provenance != "inferred" {
		t.Errorf("provenance %q: want observed, documented or inferred", known.Provenance)
	}
	if !strings.HasPrefix(known.Source, "https://") {
		t.Errorf("source %q: want a link", known.Source)
	}
	doc, err := trustcheck.ReadDocument("role.json", known.Role)
	if err != nil {
		t.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, "", known.Context)
	if refused := refusal(role, err); refused != "" || known.Want.RoleError != "" {
		if known.Want.RoleError == "" || !strings.Contains(refused, known.Want.RoleError) {
			t.Fatalf("role error %q, want %q", refused, known.Want.RoleError)
		}
		return
	}
	decision := decide(t, bundle, role, known.Claims, known.Context, known.Now)
	if decision.Verdict != known.Want.Verdict || (known.Want.Stage != "" && decision.Stage != known.Want.Stage) {
		t.Errorf("%s at %q, want %s at %q\n%s", decision.Verdict, decision.Stage, known.Want.Verdict, known.Want.Stage, spelled(decision.Reasons))
	}
	if decision.Verdict == trustcheck.Allow && decision.Stage != "" {
		t.Errorf("allow stops at %q", decision.Stage)
	}
	var messages []string
	for _, reason := range decision.Reasons {
		messages = append(messages, reason.Message)
	}
	for kind, pair := range map[string][2]string{
		"message":    {known.Want.Message, strings.Join(messages, "\n")},
		"warning":    {known.Want.Warning, strings.Join(decision.Warnings, "\n")},
		"assumption": {known.Want.Assumed, strings.Join(decision.Assumed, "\n")},
	} {
		if !strings.Contains(pair[1], pair[0]) {
			t.Errorf("no %s %q in\n%s", kind, pair[0], pair[1])
		}
	}
	allowed, err := bundle.Allow(context.Background(), role, input(t, known.Claims, known.Context, known.Now))
	if err != nil || allowed != (decision.Verdict == trustcheck.Allow) {
		t.Errorf("Allow says %v, %v beside %s", allowed, err, decision.Verdict)
	}
}

// Whatever stands in a claim, or nothing at all, a token gets an answer.
func TestOddClaimsStopNoEvaluation(t *testing.T) {
	odd := []string{`null`, `true`, `12.5`, `[]`, `[null,1]`, `{"a":null}`, `""`}
	bundle := load(t)
	for i, known := range readCases(t) {
		doc, err := trustcheck.ReadDocument("role.json", known.Role)
		if err != nil {
			t.Fatal(err)
		}
		role, err := bundle.Prepare(context.Background(), doc, "aws", known.Context)
		if err != nil || role.Refused != "" || i%5 != 0 {
			continue
		}
		var claims map[string]json.RawMessage
		if err := json.Unmarshal(known.Claims, &claims); err != nil {
			t.Fatal(err)
		}
		for turn, name := range slices.Sorted(maps.Keys(claims)) {
			changed := maps.Clone(claims)
			changed[name] = json.RawMessage(odd[(i/5+turn)%len(odd)])
			answered(t, bundle, role, known, changed)
			delete(changed, name)
			answered(t, bundle, role, known, changed)
		}
	}
}

func answered(t *testing.T, bundle *bundles.Bundle, role *bundles.Role, known knownCase, claims map[string]json.RawMessage) {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	decision := decide(t, bundle, role, text, known.Context, known.Now)
	if decision.Stage == "evaluation" {
		t.Fatalf("%s with %s: %s", known.ID, text, spelled(decision.Reasons))
	}
}

// A refusal that vanishes opens the role.
func TestNoStatementGetsLost(t *testing.T) {
	bundle := load(t)
	for _, text := range []string{
		`{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:*"}`,
		`{"Effect":"Deny","Principal":"*","Action":"sts:*"}`,
		`{"Effect":"Deny","Principal":{"Federated":7},"Action":"sts:*"}`,
		`{"Effect":"Deny","Principal":{"Nobody":"x"},"Action":"sts:*"}`,
		`{"Effect":"Deny","Action":"sts:*"}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"}}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":[null]}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":[]}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*","Condition":7}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*","Condition":null}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*","Condition":{"Bool":7}}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*","Condition":{"Weird":{"a":"b"}}}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*","Condition":{"StringEquals":{"a.example:sub":null}}}`,
		`{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*","Condition":{"StringEquals":{"a.example:sub":"${ }"}}}`,
		`{"Effect":"Maybe","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*"}`,
		`{"Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"*"}`,
		`[]`, `7`, `null`, `"Deny"`,
	} {
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"sts:AssumeRoleWithWebIdentity"},` + text + `]}`
		doc, err := trustcheck.ReadDocument("role.json", []byte(policy))
		if err != nil {
			t.Fatal(err)
		}
		role, err := bundle.Prepare(context.Background(), doc, "aws", nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		claims := []byte(`{"iss":"https://a.example","aud":"a","sub":"subject","iat":1800000000,"exp":1800000300}`)
		decision := decide(t, bundle, role, claims, nil, 1800000000)
		if decision.Verdict != trustcheck.Undecided || decision.Stage != "condition" {
			t.Errorf("%s: %s at %q, want undecided at condition\n%s", text, decision.Verdict, decision.Stage, spelled(decision.Reasons))
		}
	}
}

func load(t testing.TB) *bundles.Bundle {
	t.Helper()
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func readCases(t testing.TB) []knownCase {
	t.Helper()
	files, err := filepath.Glob("cases/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("cases: %v, %v", files, err)
	}
	var all []knownCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		var cases []knownCase
		if err := decoder.Decode(&cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, cases...)
	}
	return all
}

func refusal(role *bundles.Role, err error) string {
	if err != nil {
		return err.Error()
	}
	return role.Refused
}

func input(t testing.TB, claims []byte, surroundings map[string]any, now int64) bundles.Input {
	t.Helper()
	read, _, err := verifier.ReadClaims(claims)
	if err != nil {
		t.Fatal(err)
	}
	return bundles.Input{Claims: read.Value, Context: surroundings, Now: time.Unix(now, 0)}
}

func decide(t testing.TB, bundle *bundles.Bundle, role *bundles.Role, claims []byte, surroundings map[string]any, now int64) *trustcheck.Decision {
	t.Helper()
	return bundle.Decide(context.Background(), role, input(t, claims, surroundings, now))
}

func spelled(reasons []trustcheck.Reason) string {
	text, _ := json.MarshalIndent(reasons, "", " ")
	return string(text)
}
