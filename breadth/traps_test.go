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
)

// trap is a role that other tools judge wrongly, or a neighbour of one that differs by
// one thing.
type trap struct {
	Name      string            `json:"name"`
	Platform  string            `json:"platform"`
	Issuer    string            `json:"issuer"`
	Role      json.RawMessage   `json:"role"`
	Scope     json.RawMessage   `json:"scope"`
	Facts     json.RawMessage   `json:"facts"`
	Verdict   string            `json:"verdict"`
	Attackers map[string]string `json:"attackers"`
}

func TestWordsDoNotDecide(t *testing.T) {
	text, err := os.ReadFile("testdata/traps.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var one trap
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		t.Run(one.Name, func(t *testing.T) {
			doc, err := trustcheck.ReadDocument("role.json", one.Role)
			if err != nil {
				t.Fatal(err)
			}
			subject := breadth.Subject{Limits: patient, Issuer: one.Issuer, Now: time.Unix(1_800_000_000, 0)}
			if subject.Role, err = bundle.Prepare(context.Background(), doc, one.Platform, nil); err != nil {
				t.Fatal(err)
			}
			if subject.Scope, err = breadth.ReadScope(one.Scope); err != nil {
				t.Fatal(err)
			}
			if subject.Facts, err = breadth.ReadFacts(one.Facts); err != nil {
				t.Fatal(err)
			}
			result, err := analyser.Analyse(context.Background(), subject)
			if err != nil {
				t.Fatal(err)
			}
			if string(result.Verdict) != one.Verdict {
				t.Errorf("want %s, got %s by %q: %q", one.Verdict, result.Verdict, result.Attacker, result.Why)
			}
			for name, wanted := range one.Attackers {
				if got := string(result.Attackers[name]); got != wanted {
					t.Errorf("%s: want %s, got %s", name, wanted, got)
				}
			}
			if result.Witness != nil {
				claims, _ := json.Marshal(result.Witness.Claims)
				t.Logf("%s: %s", result.Attacker, claims)
			}
		})
	}
}
