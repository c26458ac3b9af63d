package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// thousand starts a gate process with 1,000 roles of four bound claims each, one
// of them a pattern, named by route.
func thousand(t testing.TB) (*process, *gatetest.Issuer) {
	t.Helper()
	issuer := gatetest.NewIssuer(t)
	text := strings.Replace(config(issuer, ""),
		"  - {name: deploy, path: roles/deploy.json}\n  - {name: once, path: roles/deploy.json, single_use: true}\n", "  - {path: roles}\n", 1)
	files := []string{"gate.yaml", strings.Replace(text, "roles: [deploy, once]", "roles: [deploy]", 1), "roles/deploy.json", gatetest.RoleText}
	for i := range 999 {
		files = append(files, fmt.Sprintf("roles/r%d.json", i), fmt.Sprintf(`{"role_type": "jwt", "user_claim": "user_login",
 "bound_audiences": %q, "bound_claims_type": "glob",
 "bound_claims": {"project_path": ["acme/p%d", "acme/infra"], "ref_protected": "true", "ref_type": ["branch", "tag"], "ref": "m*"}}`, gatetest.Audience, i))
	}
	return spawn(t, write(t, files...)), issuer
}

// asker is one keep-alive connection. It is written by hand so that what is
// measured is the gate and not a client.
type asker struct {
	net.Conn
	in *bufio.Reader
}

func newAsker(t testing.TB, address string) *asker {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return &asker{connection, bufio.NewReader(connection)}
}

// ask sends a request and returns the status of the answer, which must have no
// body or one with a length.
func (a *asker) ask(request string) (int, error) {
	if _, err := io.WriteString(a, request); err != nil {
		return 0, err
	}
	status, length := 0, 0
	for {
		line, err := a.in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.HasPrefix(name, "HTTP/"):
			status, err = strconv.Atoi(value[:3])
		case name == "Content-Length:":
			length, err = strconv.Atoi(value)
		case name == "":
			_, err := a.in.Discard(length)
			return status, err
		}
		if err != nil {
			return 0, err
		}
	}
}

func subrequest(role, token string) string {
	return "GET /nginx/" + role + " HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer " + token + "\r\n\r\n"
}

// BenchmarkGateHTTP measures decisions over HTTP/1.1 keep-alive on loopback by a
// process of its own: 1,000 roles named by route, RS256, another token each time
// out of 64, no cache, a decision log line each. The processor time is the gate's.
func BenchmarkGateHTTP(b *testing.B) {
	gate, issuer := thousand(b)
	tokens := make([]string, 64)
	for i := range tokens {
		tokens[i] = issuer.Token(b)
	}
	a := newAsker(b, gate.URL)
	for i := range 500 {
		if status, err := a.ask(subrequest("deploy", tokens[i%len(tokens)])); status != 200 || err != nil {
			b.Fatalf("got %d, %v", status, err)
		}
	}
	before := gate.cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		a := newAsker(b, gate.URL)
		for i := 0; pb.Next(); i++ {
			if status, err := a.ask(subrequest(fmt.Sprintf("r%d", i%999), tokens[i%len(tokens)])); status != 200 || err != nil {
				b.Errorf("got %d, %v", status, err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/(gate.cpu(b)-before).Seconds(), "decisions/core-s")
}

// TestLoad prints what the gate does under half of the load that it can take. It
// asserts that everything is admitted, not how fast: set GATE_LOAD to a duration to
// run it.
func TestLoad(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("GATE_LOAD"))
	if err != nil {
		t.Skip("set GATE_LOAD to a duration, as in 10m, to measure under load")
	}
	gate, issuer := thousand(t)
	const connections = 16
	var token sync.Map
	token.Store("", issuer.Token(t))
	askers := make([]*asker, connections)
	for i := range askers {
		askers[i] = newAsker(t, gate.URL)
	}
	// ask loads the gate for a time, at a rate or as fast as it goes, and returns
	// how long each answer took from when it was due.
	ask := func(span time.Duration, rate float64) []time.Duration {
		var mu sync.Mutex
		var all []time.Duration
		var asking sync.WaitGroup
		start := time.Now()
		for n, a := range askers {
			asking.Go(func() {
				var mine []time.Duration
				for i := 0; time.Since(start) < span; i++ {
					due := time.Now()
					if rate > 0 {
						due = start.Add(time.Duration(float64(i*connections+n) / rate * float64(time.Second)))
						time.Sleep(time.Until(due))
					}
					current, _ := token.Load("")
					status, err := a.ask(subrequest(fmt.Sprintf("r%d", (i*connections+n)%999), current.(string)))
					if status != 200 || err != nil {
						t.Errorf("got %d, %v", status, err)
						return
					}
					mine = append(mine, time.Since(due))
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, mine...)
			})
		}
		asking.Wait()
		slices.Sort(all)
		return all
	}
	ask(time.Second, 0)
	before := gate.cpu(t)
	most := len(ask(3*time.Second, 0))
	t.Logf("%d decisions a second at most, %.0f for each second of the gate's processor time", most/3, float64(most)/(gate.cpu(t)-before).Seconds())
	for left := span; left > 0; left -= time.Minute {
		token.Store("", issuer.Token(t))
		took := ask(min(left, time.Minute), float64(most)/6)
		t.Logf("half of it: %d answers, p50 %v, p99 %v, p99.9 %v, resident memory %.1f MB", len(took),
			took[len(took)/2], took[len(took)*99/100], took[len(took)*999/1000], float64(gate.memory(t))/1e6)
	}
}
