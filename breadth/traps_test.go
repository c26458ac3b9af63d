package breadth_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

var update = flag.Bool("update", false, "rewrite the README's table of roles that matching words judges wrongly")

// trap is a role that other tools judge wrongly, or a neighbour of one that differs by
// one thing. One with a Policy has a row in the README's table, with what Others say.
type trap struct {
	Name      string            `json:"name"`
	Platform  string            `json:"platform"`
	Issuer    string            `json:"issuer"`
	Role      json.RawMessage   `json:"role"`
	Scope     json.RawMessage   `json:"scope"`
	Facts     json.RawMessage   `json:"facts"`
	Verdict   string            `json:"verdict"`
	Attackers map[string]string `json:"attackers"`
	Policy    string            `json:"policy"`
	Others    string            `json:"others"`
}

func TestWordsDoNotDecide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/traps.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	table, rows, told := trapTable, 0, 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one trap
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		if one.Policy != "" {
			rows++
		}
		t.Run(one.Name, func(t *testing.T) {
			breadth.Thin(t)
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
			if one.Policy != "" {
				table += one.row(result)
				told++
			}
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if told == rows {
		readmeHolds(t, table)
	}
}

const trapTable = "| condition | other tools | trustcheck |\n|---|---|---|\n"

// row says what the role is, what others say of it, and what came of it here.
func (t *trap) row(result *breadth.Result) string {
	verdict := string(result.Verdict)
	if result.Attacker != "" {
		verdict += ": " + result.Attacker
	}
	return fmt.Sprintf("| %s | %s | %s |\n", t.Policy, t.Others, verdict)
}

// readmeHolds wants the table in the README, or writes it there.
func readmeHolds(t *testing.T, table string) {
	t.Helper()
	const file = "../README.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(trapTable, "\n")
	before, rest, found := strings.Cut(string(text), head)
	_, after, ends := strings.Cut(rest, "\n\n")
	if !found || !ends {
		t.Fatalf("want a table that begins with %q and ends with an empty line in %s", head, file)
	}
	switch wanted := before + table + "\n" + after; {
	case wanted == string(text):
	case *update:
		if err := os.WriteFile(file, []byte(wanted), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is out of date; go test ./breadth -run Words -update rewrites its table:\n%s", file, table)
	}
}
