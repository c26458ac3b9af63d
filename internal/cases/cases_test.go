package cases_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/batch"
	"github.com/trustcheck/trustcheck/internal/cases"
	"github.com/trustcheck/trustcheck/verifier"
)

const platforms = "../../policies/platform"

// everyCase calls check for each case of each platform.
func everyCase(t *testing.T, check func(t *testing.T, platform string, known cases.Case)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(platforms, "*", "cases", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no case file: %v", err)
	}
	done := map[string]bool{}
	for _, file := range files {
		folder := filepath.Dir(file)
		if done[folder] {
			continue
		}
		done[folder] = true
		platform := filepath.Base(filepath.Dir(folder))
		all, err := cases.Read(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, known := range all {
			check(t, platform, known)
		}
	}
}

func open(t *testing.T) *bundles.Bundle {
	t.Helper()
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

type answer struct {
	ID        string              `json:"id"`
	Verdict   trustcheck.Verdict  `json:"verdict"`
	Stage     string              `json:"stage"`
	Reasons   []trustcheck.Reason `json:"reasons"`
	Assumed   []string            `json:"assumed"`
	Warnings  []string            `json:"warnings"`
	RoleError string              `json:"role_error"`
	Error     string              `json:"error"`
}

// Every case is asked through `check --batch` and answered as it says.
func TestCaseHasAnotherAnswer(t *testing.T) {
	checker := batch.NewCheck(open(t), ".", func() time.Time { return time.Unix(1700000000, 0) })
	everyCase(t, func(t *testing.T, platform string, known cases.Case) {
		line, err := known.Line(platform)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := batch.Run(context.Background(), bytes.NewReader(line), &out, checker); err != nil {
			t.Fatal(err)
		}
		var got answer
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if problem := compare(known.Want, got); problem != "" {
			t.Errorf("%s %s: %s", known.ID, known.Title, problem)
		}
	})
}

func compare(want cases.Want, got answer) string {
	switch {
	case got.Error != "":
		return "not answered: " + got.Error
	case want.RoleError != "" && got.RoleError == "":
		return fmt.Sprintf("the role is taken, want it refused: %s", want.RoleError)
	case want.RoleError == "" && got.RoleError != "":
		return fmt.Sprintf("the role is refused: %s", got.RoleError)
	case got.RoleError != "":
		return ""
	case got.Verdict != want.Verdict || (want.Stage != "" && got.Stage != want.Stage):
		return fmt.Sprintf("%s at %q, want %s at %q", got.Verdict, got.Stage, want.Verdict, want.Stage)
	case got.Verdict == trustcheck.Allow && got.Stage != "":
		return fmt.Sprintf("allow stops at %q", got.Stage)
	case want.Assumed != "" && !strings.Contains(strings.Join(got.Assumed, "\n"), want.Assumed):
		return fmt.Sprintf("assumed %q, want %q", got.Assumed, want.Assumed)
	default:
		return ""
	}
}

// A stock OPA, run as its own authors build it, gives the same decision for every case,
// with builtin errors strict and lax.
func TestStockOPADiffers(t *testing.T) {
	client := startOPA(t)
	bundle := open(t)
	asked := 0
	everyCase(t, func(t *testing.T, platform string, known cases.Case) {
		question, decision := prepare(t, bundle, platform, known)
		if question == nil {
			return
		}
		asked++
		for _, strict := range []string{"false", "true"} {
			got := askOPA(t, client, strict, question)
			if got.Verdict != decision.Verdict || got.Stage != decision.Stage || len(got.Reasons) != len(decision.Reasons) {
				t.Errorf("%s (strict %s): %s at %q with %d reasons, want %s at %q with %d", known.ID, strict,
					got.Verdict, got.Stage, len(got.Reasons), decision.Verdict, decision.Stage, len(decision.Reasons))
				continue
			}
			for i, reason := range got.Reasons {
				if reason.Status != decision.Reasons[i].Status || !sameJSON(reason.Got, decision.Reasons[i].Got) {
					t.Errorf("%s (strict %s): reason %d is %s with %s, want %s with %s", known.ID, strict, i,
						reason.Status, reason.Got, decision.Reasons[i].Status, decision.Reasons[i].Got)
				}
			}
		}
	})
	if asked < 100 {
		t.Errorf("only %d cases were asked", asked)
	}
}

// prepare returns what a stock OPA is asked and what we answer; nothing for roles that are
// refused and for claims that cannot be read.
func prepare(t *testing.T, bundle *bundles.Bundle, platform string, known cases.Case) ([]byte, *trustcheck.Decision) {
	t.Helper()
	surroundings := map[string]any{}
	if len(known.Context) > 0 {
		doc, err := trustcheck.ReadDocument("context", known.Context)
		if err != nil {
			t.Fatal(err)
		}
		surroundings = doc.Value.(map[string]any)
	}
	doc, err := trustcheck.ReadDocument("role", known.Role)
	if err != nil {
		return nil, nil
	}
	role, err := bundle.Prepare(context.Background(), doc, platform, surroundings)
	if err != nil || role.Refused != "" {
		return nil, nil
	}
	text := []byte(known.Claims)
	if known.ClaimsText != nil {
		text = []byte(*known.ClaimsText)
	}
	claims, _, err := verifier.ReadClaims(text)
	if err != nil {
		return nil, nil
	}
	now, err := batch.ParseTime(strings.Trim(string(known.Now), `"`))
	if err != nil {
		t.Fatal(err)
	}
	input := bundles.Input{Claims: claims.Value, Context: surroundings, Now: now}
	question, err := bundle.InputJSON(context.Background(), role, input)
	if err != nil {
		t.Fatal(err)
	}
	return question, bundle.Decide(context.Background(), role, input)
}

func sameJSON(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var left, right any
	if json.Unmarshal(a, &left) != nil || json.Unmarshal(b, &right) != nil {
		return bytes.Equal(a, b) // beyond float64
	}
	leftText, _ := json.Marshal(left)
	rightText, _ := json.Marshal(right)
	return bytes.Equal(leftText, rightText)
}

func askOPA(t *testing.T, client *http.Client, strict string, question []byte) answer {
	t.Helper()
	body := append(append([]byte(`{"input":`), question...), '}')
	response, err := client.Post("http://opa/v1/data/trustcheck/trust/decision?strict-builtin-errors="+strict, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var result struct{ Result answer }
	if response.StatusCode != http.StatusOK || json.Unmarshal(text, &result) != nil {
		t.Fatalf("OPA answers %s: %s", response.Status, text)
	}
	return result.Result
}

// startOPA runs OPA's own server, from its own module, over the bundle as it lies on disk,
// and returns a client that speaks to it.
func startOPA(t *testing.T) *http.Client {
	t.Helper()
	folder := t.TempDir()
	binary, socket := filepath.Join(folder, "opa"), filepath.Join(folder, "socket")
	if output, err := exec.Command("go", "build", "-o", binary, "github.com/open-policy-agent/opa").CombinedOutput(); err != nil {
		t.Fatalf("build OPA: %v\n%s", err, output)
	}
	var log bytes.Buffer
	server := exec.Command(binary, "run", "--server", "--addr", "unix://"+socket, "--skip-version-check", "--bundle", "../../policies")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	for range 600 {
		if response, err := client.Get("http://opa/health"); err == nil {
			response.Body.Close()
			return client
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = server.Process.Kill()
	_ = server.Wait()
	t.Fatalf("OPA does not listen:\n%s", log.String())
	return nil
}
