package server_test

import (
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// store starts Valkey or Redis at an address.
func store(t *testing.T, name, address string) *exec.Cmd {
	t.Helper()
	host, port, _ := strings.Cut(address, ":")
	return program(t, address, name, "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
}

func TestTwoGatesAdmitOneToken(t *testing.T) {
	name := installed(t, "valkey-server", "redis-server")
	issuer := gatetest.NewIssuer(t)
	address := freeAddress(t)
	running := store(t, name, address)
	path := write(t, "gate.yaml", config(issuer, "replay: {redis: {address: \""+address+"\", timeout: 2s}}"), "roles/deploy.json", gatetest.RoleText)
	gates := []*process{spawn(t, path), spawn(t, path)}

	for range 5 {
		token := issuer.Token(t)
		var admitted, refused atomic.Int64
		var asking sync.WaitGroup
		for i := range 20 {
			asking.Go(func() {
				switch status, code := check(t, "http://"+gates[i%2].URL, "once", token); {
				case status == 200 && code == "allowed":
					admitted.Add(1)
				case status == 401 && code == "replayed":
					refused.Add(1)
				default:
					t.Errorf("got %d %s", status, code)
				}
			})
		}
		asking.Wait()
		if admitted.Load() != 1 || refused.Load() != 19 {
			t.Errorf("want one admission and 19 refusals, got %d and %d", admitted.Load(), refused.Load())
		}
	}

	running.Process.Kill()
	running.Wait()
	fresh := issuer.Token(t)
	for _, gate := range gates {
		if status, code := check(t, "http://"+gate.URL, "once", fresh); status != 503 || code != "replay_unavailable" {
			t.Errorf("store killed: want 503 replay_unavailable, got %d %s", status, code)
		}
		if status, code := check(t, "http://"+gate.URL, "deploy", fresh); status != 200 {
			t.Errorf("a role of many uses: want 200, got %d %s", status, code)
		}
		if status, _, body := get(t, "http://"+gate.Admin+"/readyz"); status != 200 || !strings.Contains(body, `"replay":"`) || strings.Contains(body, `"replay":"ok"`) {
			t.Errorf("readiness does not show the store: %d %s", status, body)
		}
	}

	store(t, name, address)
	status, code := 0, ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if status, code = check(t, "http://"+gates[0].URL, "once", fresh); status != 503 {
			break
		}
	}
	if status != 200 {
		t.Errorf("store back: want 200, got %d %s", status, code)
	}
	if status, code := check(t, "http://"+gates[1].URL, "once", fresh); status != 401 || code != "replayed" {
		t.Errorf("the other gate: want 401 replayed, got %d %s", status, code)
	}
}
