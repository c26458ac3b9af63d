package vault

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write what the plugin answers into the cases of the platform")

const casesDir = "../../../policies/platform/vault/cases"

// provenances are how an expectation can have come about. What the plugin was
// seen to do is observed; what core does after it was read.
var provenances = []string{"observed", "documented", "inferred"}

func TestCaseExpectsWhatThePluginDoesNot(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(casesDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no cases in %s", casesDir)
	}
	o := newOracle(t)
	ids := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := ReadCases(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, c := range cases {
			if other, ok := ids[c.ID]; ok {
				t.Errorf("%s: id %q is taken by %s", file, c.ID, other)
			}
			ids[c.ID] = file
			if !slices.Contains(provenances, c.Provenance) || c.Source == "" {
				t.Errorf("%s: %s: want a source and a provenance of %q, got %q", file, c.ID, provenances, c.Provenance)
			}
			if otherVault(c) {
				continue // This plugin is asked about itself only.
			}
			got, err := o.Answer(c)
			if err != nil {
				t.Errorf("%s: %s: %v", file, c.ID, err)
				continue
			}
			if *update {
				cases[i].Want = &got
				continue
			}
			if c.Want == nil || *c.Want != got {
				t.Errorf("%s: %s %s:\nplugin %+v\nwant   %+v", file, c.ID, c.Title, got, c.Want)
			}
			if (got.Stage == "core") != (c.Provenance == "documented") {
				t.Errorf("%s: %s: stage %q does not go with provenance %q", file, c.ID, got.Stage, c.Provenance)
			}
		}
		if *update {
			writeCases(t, file, cases)
		}
	}
}

// otherVault tells cases about another version of Vault, or about OpenBao.
func otherVault(c Case) bool { return c.Context.Version != "" || c.Context.Flavor != "" }

// writeCases writes a list of one case a line.
func writeCases(t *testing.T, file string, cases []Case) {
	t.Helper()
	var lines [][]byte
	for _, c := range cases {
		line, err := encode(c)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	text := append([]byte("[\n"), bytes.Join(lines, []byte(",\n"))...)
	if err := os.WriteFile(file, append(text, "\n]\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
}

func newOracle(t *testing.T) *Oracle {
	t.Helper()
	o, err := New(t)
	if err != nil {
		t.Fatal(err)
	}
	return o
}
