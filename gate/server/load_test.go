package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// thousand starts a gate with 1,000 roles of four bound claims each, one of them
// a pattern, named by route.
func thousand(t testing.TB) (*running, *gatetest.Issuer) {
	t.Helper()
	issuer := gatetest.NewIssuer(t)
	files := []string{"gate.yaml", strings.Replace(strings.Replace(config(issuer, ""),
		"  - {name: deploy, path: roles/deploy.json}\n  - {name: once, path: roles/deploy.json, single_use: true}\n", "  - {path: roles}\n", 1),
		"{path: /v1/check, face: check, roles: [deploy, once]}", `{path: /v1/check, face: check, roles: [deploy]}`, 1),
		"roles/deploy.json", gatetest.RoleText}
	for i := range 999 {
		files = append(files, fmt.Sprintf("roles/r%d.json", i), fmt.Sprintf(`{"role_type": "jwt", "user_claim": "user_login",
 "bound_audiences": %q, "bound_claims_type": "glob",
 "bound_claims": {"project_path": ["acme/p%d", "acme/infra"], "ref_protected": "true", "ref_type": ["branch", "tag"], "ref": "m*"}}`, gatetest.Audience, i))
	}
	r := &running{Log: &lines{}}
	s, err := open(t, write(t, files...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	r.URL, r.Admin = s.Addresses()[0].String(), s.AdminAddress().String()
	return r, issuer
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

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkGateHTTP measures decisions over HTTP/1.1 keep-alive on loopback: 1,000
// roles named by route, RS256, another token each time out of 64, no cache, with
// decision log. The processor time is of gate and client together.
func BenchmarkGateHTTP(b *testing.B) {
	gate, issuer := thousand(b)
	tokens := make([]string, 64)
	for i := range tokens {
		tokens[i] = issuer.Token(b)
	}
	b.ReportAllocs()
	before := cpu()
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
	b.ReportMetric(float64(b.N)/(cpu()-before).Seconds(), "decisions/core-s")
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
	before := cpu()
	most := len(ask(3*time.Second, 0))
	perCore := float64(most) / (cpu() - before).Seconds()
	t.Logf("%d decisions a second at most, %.0f for each second of processor time (gate and client), GOMAXPROCS %d", most/3, perCore, runtime.GOMAXPROCS(0))
	for left := span; left > 0; left -= time.Minute {
		token.Store("", issuer.Token(t))
		took := ask(min(left, time.Minute), float64(most)/6)
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		t.Logf("half of it: %d answers, p50 %v, p99 %v, p99.9 %v, heap in use %.1f MB, goroutines %d", len(took),
			took[len(took)/2], took[len(took)*99/100], took[len(took)*999/1000], float64(memory.HeapInuse)/1e6, runtime.NumGoroutine())
	}
}
