package vault

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	seed     = flag.Uint64("seed", 1, "the `seed` of the generated cases")
	number   = flag.Uint64("cases", 8000, "how many cases of a seed")
	duration = flag.Duration("duration", 0, "go on with the next seeds until so much time has passed")
	shown    = flag.Int("shown", 3, "how many differences of a kind to print in full")
)

// reply is a line of check --batch, as far as it is compared.
type reply struct {
	ID        string `json:"id"`
	Verdict   string `json:"verdict"`
	Stage     string `json:"stage"`
	RoleError string `json:"role_error"`
	Error     string `json:"error"`
}

// differs tells what is not as the plugin has it, or "": the kind of difference
// and, after a colon, what is peculiar to the case. Texts of refusals are
// not compared: verdict, stage, and whether the role is stored at all.
func (r reply) differs(want Answer) string {
	refused := r.Error != "" || r.RoleError != ""
	switch {
	case want.ConfigError != "" && !refused:
		return "config taken, want refused: " + want.ConfigError
	case want.ConfigError != "":
		return ""
	case r.Error != "":
		return "answered with an error: " + r.Error
	case r.RoleError != "" && want.RoleError == "":
		return "role refused, want stored: " + r.RoleError
	case r.RoleError == "" && want.RoleError != "":
		return "role stored, want refused: " + want.RoleError
	case r.Verdict != want.Verdict:
		return fmt.Sprintf("verdict %q, want %q", r.Verdict, want.Verdict)
	case r.Stage != want.Stage:
		return fmt.Sprintf("stage %q, want %q", r.Stage, want.Stage)
	}
	return ""
}

func TestGeneratedCaseDiffersFromThePlugin(t *testing.T) {
	o := newOracle(t)
	check := startBatch(t)
	begun := time.Now()
	different, asked := map[string]int{}, 0
	for s := *seed; s == *seed || time.Since(begun) < *duration; s++ {
		for from := uint64(0); from < *number; from += 500 {
			var cases []Case
			for i := from; i < min(from+500, *number); i++ {
				cases = append(cases, answered(t, o, Generate(s, i)))
			}
			check.compare(t, cases, different)
			asked += len(cases)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(different)) {
		t.Errorf("%d times: %s", different[kind], kind)
	}
	t.Logf("%d cases from seed %d on, in %s", asked, *seed, time.Since(begun).Round(time.Second))
}

// The cases of the platform go the same way, so that one command holds all.
func TestTabulatedCaseDiffersFromThePlugin(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(casesDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	check := startBatch(t)
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cases, err := ReadCases(f)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		check.compare(t, cases, map[string]int{})
	}
}

func TestStageIsNeverUnknown(t *testing.T) {
	o := newOracle(t)
	count := map[string]int{}
	for i := range uint64(5000) {
		a := answered(t, o, Generate(*seed, i)).Want
		switch {
		case a.ConfigError != "":
			count["config_error"]++
		case a.RoleError != "":
			count["role_error"]++
		default:
			count[a.Verdict+a.Stage]++
		}
	}
	for _, s := range append([]string{"config_error", "role_error", "allow", "denycore", "denyconfig"}, denied()...) {
		if count[s] == 0 {
			t.Errorf("no generated case of 5000 came out as %s", s)
		}
	}
	if share := count["allow"] * 100 / 5000; share < 30 || share > 55 {
		t.Errorf("want about four of ten cases admitted, got %d%%", share)
	}
}

// denied lists the refusals that generated cases must come to, by stage.
func denied() []string {
	var all []string
	for _, stage := range []string{"address", "signature", "algorithm", "claims", "issuer", "subject", "audience", "time", "user_claim", "mapping", "groups", "bound_claims"} {
		all = append(all, "deny"+stage)
	}
	return all
}

// answered returns the case with what the plugin says to it.
func answered(t *testing.T, o *Oracle, c Case) Case {
	t.Helper()
	want, err := o.Answer(c)
	if err != nil {
		t.Fatalf("case %s: %v", c.ID, err)
	}
	c.Want = &want
	return c
}

// batch is a running `trustcheck check --batch -`, built from this checkout.
type batch struct {
	in  io.Writer
	out *bufio.Scanner
}

func startBatch(t *testing.T) *batch {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "trustcheck")
	build := exec.Command("go", "build", "-C", "../../..", "-o", binary, "./cmd/trustcheck")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build trustcheck: %v\n%s", err, text)
	}
	cmd := exec.Command(binary, "check", "--batch", "-")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &batch{in: in, out: bufio.NewScanner(out)}
	b.out.Buffer(nil, 16<<20)
	t.Cleanup(func() {
		in.Close()
		if b.out.Scan() {
			t.Errorf("trustcheck answers more than it was asked: %s", b.out.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("trustcheck: %v", err)
		}
	})
	return b
}

// compare asks for the cases and counts in different, by kind, the answers that
// differ. The first few of a kind are printed with the line to be asked again.
func (b *batch) compare(t *testing.T, cases []Case, different map[string]int) {
	t.Helper()
	lines := make([][]byte, len(cases))
	for i, c := range cases {
		line, err := c.Line()
		if err != nil {
			t.Fatalf("case %s: %v", c.ID, err)
		}
		lines[i] = append(line, '\n')
	}
	go func() { // answers are flushed line by line: reading goes on meanwhile
		for _, line := range lines {
			if _, err := b.in.Write(line); err != nil {
				return // the reader below misses an answer and says so
			}
		}
	}()
	for i, c := range cases {
		if !b.out.Scan() {
			t.Fatalf("case %s: no answer: %v", c.ID, b.out.Err())
		}
		var r reply
		if err := json.Unmarshal(b.out.Bytes(), &r); err != nil {
			t.Fatalf("case %s: answer: %v", c.ID, err)
		}
		if r.ID != c.ID {
			t.Fatalf("answer to %q where %q was asked", r.ID, c.ID)
		}
		difference := r.differs(*c.Want)
		if difference == "" {
			continue
		}
		kind, _, _ := strings.Cut(difference, ": ")
		different[kind]++
		t.Fail()
		if different[kind] <= *shown {
			t.Errorf("case %s: %s\nVault: %+v\n%s", c.ID, difference, *c.Want, lines[i])
		}
	}
}

func TestDifferenceGoesUnnoticed(t *testing.T) {
	deny := Answer{Verdict: "deny", Stage: "time", Message: "late"}
	for _, c := range []struct {
		name  string
		want  Answer
		reply string
		same  bool
	}{
		{"same verdict and stage", deny, `{"verdict":"deny","stage":"time"}`, true},
		{"other verdict", deny, `{"verdict":"allow"}`, false},
		{"undecided", deny, `{"verdict":"undecided","stage":"time"}`, false},
		{"other stage", deny, `{"verdict":"deny","stage":"issuer"}`, false},
		{"role refused", deny, `{"role_error":"x"}`, false},
		{"role refused in other words", Answer{RoleError: "x"}, `{"role_error":"y"}`, true},
		{"role admitted", Answer{RoleError: "x"}, `{"verdict":"deny","stage":"role"}`, false},
		{"error", deny, `{"error":"x"}`, false},
		{"config refused", Answer{ConfigError: "x"}, `{"error":"y"}`, true},
		{"config taken", Answer{ConfigError: "x"}, `{"verdict":"deny","stage":"config"}`, false},
		{"nothing", deny, `{}`, false},
	} {
		var r reply
		if err := json.Unmarshal([]byte(c.reply), &r); err != nil {
			t.Fatal(err)
		}
		if got := r.differs(c.want) == ""; got != c.same {
			t.Errorf("%s: want same=%t, got %t", c.name, c.same, got)
		}
	}
}
