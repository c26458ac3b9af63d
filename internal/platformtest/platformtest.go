// Package platformtest runs a platform's cases, and asks what every platform must hold,
// through package bundles. It is for tests only.
package platformtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

// Case is one role, one token and what the platform makes of them. Provenance is observed
// (somebody ran it), documented or inferred; Source says where that can be read.
type Case struct {
	ID         string          `json:"id"`
	Title      string          `json:"title"`
	Role       json.RawMessage `json:"role"`
	Context    map[string]any  `json:"context"`
	Claims     json.RawMessage `json:"claims"`
	ClaimsText string          `json:"claims_text"`
	Now        int64           `json:"now"`
	Want       Want            `json:"want"`
	Provenance string          `json:"provenance"`
	Source     string          `json:"source"`
}

// Want is the answer. Message, Warning, Assumed and RoleError are parts of texts.
type Want struct {
	Verdict   trustcheck.Verdict `json:"verdict"`
	Stage     string             `json:"stage"`
	Message   string             `json:"message"`
	Warning   string             `json:"warning"`
	Assumed   string             `json:"assumed"`
	RoleError string             `json:"role_error"`
}

// Open loads the policies.
func Open(t testing.TB) *bundles.Bundle {
	t.Helper()
	bundle, err := bundles.Open(t.Context(), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// Read reads the case files of a folder; a member that Case does not know is an error.
func Read(t testing.TB, folder string) []Case {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", folder, err)
	}
	var all []Case
	ids := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		decoder.UseNumber()
		var cases []Case
		if err := decoder.Decode(&cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, known := range cases {
			if ids[known.ID] {
				t.Errorf("%s: %s is given twice", file, known.ID)
			}
			if !slices.Contains([]string{"observed", "documented", "inferred"}, known.Provenance) || known.Source == "" {
				t.Errorf("%s: %s: want a source and a provenance of observed, documented or inferred", file, known.ID)
			}
			ids[known.ID] = true
		}
		all = append(all, cases...)
	}
	return all
}

// Run holds every case to its answer.
func Run(t *testing.T, platform string, cases []Case) {
	bundle := Open(t)
	for _, known := range cases {
		t.Run(known.ID+" "+known.Title, func(t *testing.T) {
			role, refused := known.prepare(t, bundle, platform)
			if refused != "" || known.Want.RoleError != "" {
				if known.Want.RoleError == "" || !strings.Contains(refused, known.Want.RoleError) {
					t.Fatalf("role error %q, want %q", refused, known.Want.RoleError)
				}
				return
			}
			known.answered(t, bundle, role)
		})
	}
}

func (c Case) prepare(t testing.TB, bundle *bundles.Bundle, platform string) (*bundles.Role, string) {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", c.Role)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := bundle.Platform("", doc); err != nil || found.Name != platform {
		t.Errorf("recognised as %q, %v, want %s", found.Name, err, platform)
	}
	role, err := bundle.Prepare(t.Context(), doc, platform, c.Context)
	if err != nil {
		return nil, err.Error()
	}
	return role, role.Refused
}

func (c Case) answered(t *testing.T, bundle *bundles.Bundle, role *bundles.Role) {
	input := c.Input(t)
	decision := bundle.Decide(t.Context(), role, input)
	if decision.Verdict != c.Want.Verdict || decision.Stage != c.Want.Stage {
		t.Errorf("%s at %q, want %s at %q\n%s", decision.Verdict, decision.Stage, c.Want.Verdict, c.Want.Stage, spelled(decision.Reasons))
	}
	var messages []string
	for _, reason := range decision.Reasons {
		if reason.Stage == decision.Stage {
			messages = append(messages, reason.Message)
		}
	}
	for kind, pair := range map[string][2]string{
		"message":    {c.Want.Message, strings.Join(messages, "\n")},
		"warning":    {c.Want.Warning, strings.Join(decision.Warnings, "\n")},
		"assumption": {c.Want.Assumed, strings.Join(decision.Assumed, "\n")},
	} {
		if !strings.Contains(pair[1], pair[0]) {
			t.Errorf("no %s %q in %q", kind, pair[0], pair[1])
		}
	}
	allowed, err := bundle.Allow(t.Context(), role, input)
	if err != nil || allowed != (decision.Verdict == trustcheck.Allow) {
		t.Errorf("Allow says %v, %v beside %s", allowed, err, decision.Verdict)
	}
}

// Input is what the case asks about.
func (c Case) Input(t testing.TB) bundles.Input {
	t.Helper()
	text := []byte(c.Claims)
	if c.ClaimsText != "" {
		text = []byte(c.ClaimsText)
	}
	claims, _, err := verifier.ReadClaims(text)
	if err != nil {
		t.Fatal(err)
	}
	return bundles.Input{Claims: claims.Value, Context: c.Context, Now: time.Unix(c.Now, 0)}
}

func spelled(reasons []trustcheck.Reason) string {
	text, _ := json.MarshalIndent(reasons, "", " ")
	return string(text)
}

// Damage asks every third case again with each of its claims gone, and with an odd one in its
// place: there must be an answer, and the same from Allow.
func Damage(t *testing.T, platform string, cases []Case) {
	odd := []string{`null`, `true`, `12.5`, `[]`, `[null,1]`, `{"a":null}`, `""`}
	bundle := Open(t)
	for i, known := range cases {
		if i%3 != 0 {
			continue
		}
		role, refused := known.prepare(t, bundle, platform)
		var claims map[string]json.RawMessage
		if refused != "" || json.Unmarshal(known.Claims, &claims) != nil {
			continue
		}
		for turn, name := range slices.Sorted(maps.Keys(claims)) {
			changed := maps.Clone(claims)
			changed[name] = json.RawMessage(odd[(i+turn)%len(odd)])
			known.damaged(t, bundle, role, changed)
			delete(changed, name)
			known.damaged(t, bundle, role, changed)
		}
	}
}

func (c Case) damaged(t *testing.T, bundle *bundles.Bundle, role *bundles.Role, claims map[string]json.RawMessage) {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	c.Claims, c.ClaimsText = text, ""
	input := c.Input(t)
	decision := bundle.Decide(t.Context(), role, input)
	allowed, err := bundle.Allow(t.Context(), role, input)
	if decision.Stage == "evaluation" || err != nil || allowed != (decision.Verdict == trustcheck.Allow) {
		t.Fatalf("%s with %s: %s, Allow says %v, %v\n%s", c.ID, text, decision.Verdict, allowed, err, spelled(decision.Reasons))
	}
}

// Maul replaces every member of the roles of the cases by an odd value, one at a time: there
// must be a role, or an error that names the place, and never a failing evaluation.
func Maul(t *testing.T, platform string, cases []Case) {
	odd := []any{nil, true, json.Number("7"), "", "x", []any{}, []any{nil}, map[string]any{}, map[string]any{"a": nil}}
	bundle := Open(t)
	turn := 0
	for i, known := range cases {
		if i%4 != 0 || len(known.Role) > 4096 {
			continue
		}
		doc, err := trustcheck.ReadDocument("role.json", known.Role)
		if err != nil {
			t.Fatal(err)
		}
		replaceEach(doc.Value, func(replace func(any)) {
			replace(odd[turn%len(odd)])
			turn++
			known.mauled(t, bundle, platform, doc)
		})
	}
}

func (c Case) mauled(t *testing.T, bundle *bundles.Bundle, platform string, doc *trustcheck.Document) {
	t.Helper()
	text, _ := json.Marshal(doc.Value)
	role, err := bundle.Prepare(t.Context(), doc, platform, c.Context)
	if err != nil {
		if strings.Contains(err.Error(), "prepare the role") || strings.Contains(err.Error(), "compile the role") {
			t.Errorf("%s as %s: %v", c.ID, text, err)
		}
		return
	}
	if decision := bundle.Decide(t.Context(), role, c.Input(t)); decision.Stage == "evaluation" {
		t.Errorf("%s as %s:\n%s", c.ID, text, spelled(decision.Reasons))
	}
}

// replaceEach calls visit for every member and element below value, which is put back after.
func replaceEach(value any, visit func(replace func(any))) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			kept := value[name]
			visit(func(with any) { value[name] = with })
			value[name] = kept
			replaceEach(kept, visit)
		}
	case []any:
		for i, kept := range value {
			visit(func(with any) { value[i] = with })
			value[i] = kept
			replaceEach(kept, visit)
		}
	}
}

// Fits holds the roles of all cases against the platform's schema: it takes what the
// platform would store, and it refuses what shapes alone show.
func Fits(t *testing.T, schema []byte, cases []Case) {
	compiled, err := jsonschema.CompileString("schema.json", string(schema))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, known := range cases {
		decoder := json.NewDecoder(bytes.NewReader(known.Role))
		decoder.UseNumber()
		var role any
		if err := decoder.Decode(&role); err != nil {
			t.Fatal(err)
		}
		err := compiled.Validate(role)
		if known.Want.RoleError == "" && err != nil {
			t.Errorf("%s %s: %v", known.ID, known.Title, err)
		}
		if known.Want.RoleError != "" && err != nil {
			refused++
		}
	}
	if refused < 5 {
		t.Errorf("the schema refuses %d roles, want some of those that the platform does", refused)
	}
}
