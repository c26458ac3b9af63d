package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
	"github.com/trustcheck/trustcheck/gate/server"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// running is a server that answers.
type running struct {
	URL, Admin string
	Log        *lines
	// all are the addresses of every listener, in order.
	all  []string
	stop func() error
}

// Stop ends the server as SIGTERM does.
func (r *running) Stop() error { return r.stop() }

// write puts files into a directory of their own and returns the path of the
// first.
func write(t testing.TB, files ...string) string {
	t.Helper()
	folder := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(folder, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, files[0])
}

func documents(file string) ([]*trustcheck.Document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := trustcheck.ReadDocument(file, text)
	return []*trustcheck.Document{doc}, err
}

func open(t testing.TB, path string, log io.Writer) (*server.Server, error) {
	t.Helper()
	config, err := server.ReadConfig(path)
	if err != nil {
		return nil, err
	}
	return server.Open(context.Background(), config, server.Environment{Bundle: gatetest.Bundle(t), Documents: documents,
		Log: slog.New(slog.NewJSONHandler(log, nil)), Now: time.Now})
}

// start opens a configuration with admin listener and answers until the test ends.
func start(t testing.TB, config string, log io.Writer) *running {
	t.Helper()
	r := &running{Log: &lines{}}
	if log == nil {
		log = r.Log
	}
	s, err := open(t, write(t, "gate.yaml", config, "roles/deploy.json", gatetest.RoleText), log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	var once sync.Once
	var failed error
	r.stop = func() error {
		once.Do(func() { cancel(); failed = <-ended })
		return failed
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, address := range s.Addresses() {
		r.all = append(r.all, address.String())
	}
	r.URL, r.Admin = "http://"+s.Addresses()[0].String(), "http://"+s.AdminAddress().String()
	return r
}

// config is a configuration for the issuer with one route of each kind.
func config(issuer *gatetest.Issuer, more string) string {
	return fmt.Sprintf(`issuers:
  - issuer: %s
    audiences: [%q]
    allow_private_network: true
roles:
  - {name: deploy, path: roles/deploy.json}
  - {name: once, path: roles/deploy.json, single_use: true}
listeners:
  - address: 127.0.0.1:0
    routes:
      - {path: "/nginx/{role}", face: nginx}
      - {path: /v1/check, face: check, roles: [deploy, once]}
      - {path: /v1/data/ci/deploy, face: opa, role: deploy}
      - {path: /envoy, face: envoy, role: deploy}
      - {path: /tokenreview, face: kubernetes, role: deploy, kubernetes: {groups: [ci]}}
admin: {address: "127.0.0.1:0"}
identity: {X-Ci-Project: project_path, X-Ci-Environment: environment}
# Tests share their machine with other tests.
limits: {evaluation: 1s, key_wait: 5s}
%s`, issuer.URL, gatetest.Audience, more)
}

// check asks the decision API and returns the status and the code.
func check(t testing.TB, url, role, token string) (int, string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"role": role, "token": token})
	response, err := http.Post(url+"/v1/check", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Code string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer.Code
}

func get(t testing.TB, url string, header ...string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

func TestRoutesAnswerAsConfigured(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	gate := start(t, config(issuer, ""), nil)
	bearer := "Bearer " + issuer.Token(t)
	for path, want := range map[string]int{
		"/nginx/deploy": 200, "/nginx/admin": 403, "/nginx/": 404, "/nginx/deploy/": 404, "/nginx/x/../deploy": 404, "/nginx/dep%6coy": 403,
		"/nginx%2fdeploy": 404, "//nginx/deploy": 404, "/": 404,
		"/envoy": 200, "/envoy/": 200, "/envoy/a/../../b?c": 200, "/envoy/%2e%2e/x": 200, "/envoyx": 404,
		"/v1/check": 405, "/v1/data/ci/deploy": 405, "/v1/data/ci/deploy/allow": 405, "/v1/data/ci": 404, "/metrics": 404, "/readyz": 404, "/v1/explain": 404,
	} {
		request, err := http.NewRequest(http.MethodGet, gate.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		// The path is sent as it is written here.
		request.URL.Opaque = strings.Replace(path, "//", "//"+request.URL.Host+"//", 1)
		request.Header.Set("Authorization", bearer)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: want %d, got %d", path, want, response.StatusCode)
		}
	}
	for role, want := range map[string]int{"deploy": 200, "admin": 400} {
		if status, _ := check(t, gate.URL, role, issuer.Token(t)); status != want {
			t.Errorf("check %s: want %d, got %d", role, want, status)
		}
	}
}

func TestOperatorIsLeftInTheDark(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	gate := start(t, config(issuer, "log: {claims: [ref]}"), nil)
	token := issuer.Token(t)
	check(t, gate.URL, "deploy", token)
	for path, want := range map[string]string{
		"/healthz": `"ok"`, "/readyz": `"ready":true`, "/readyz?issuer=" + issuer.URL: `"ready":true`,
		"/metrics": `trustcheck_jwks_ready{issuer="` + issuer.URL + `"} 1`,
	} {
		if status, _, body := get(t, gate.Admin+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: want %s, got %d: %s", path, want, status, body)
		}
	}
	if status, _, _ := get(t, gate.Admin+"/readyz?issuer=https://other.example"); status != 404 {
		t.Errorf("an issuer that there is not: want 404, got %d", status)
	}
	if status, _, _ := get(t, gate.Admin+"/v1/check"); status != 404 {
		t.Errorf("the admin listener decides: %d", status)
	}
	_, _, metrics := get(t, gate.Admin+"/metrics")
	for _, want := range []string{`trustcheck_gate_decisions_total{role="deploy",code="allowed"} 1`, "trustcheck_jwks_age_seconds{", "trustcheck_jwks_requests_total{", "trustcheck_gate_duration_seconds_bucket{"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	var line struct {
		Msg, Code, Role, Face, Verdict string
		TokenSHA256                    string            `json:"token_sha256"`
		DecisionID                     string            `json:"decision_id"`
		Claims                         map[string]string `json:"claims"`
	}
	if err := json.Unmarshal([]byte(strings.SplitN(gate.Log.String(), "\n", 2)[0]), &line); err != nil {
		t.Fatal(err)
	}
	if line.Msg != "decision" || line.Code != "allowed" || line.Role != "deploy" || line.Face != "check" || line.Verdict != "allow" ||
		len(line.TokenSHA256) != 64 || line.DecisionID == "" || line.Claims["ref"] != "main" {
		t.Errorf("got %+v", line)
	}
	if strings.Contains(gate.Log.String(), token) {
		t.Error("the log holds the token")
	}
}

func TestIssuerDownTakesTheOtherWithIt(t *testing.T) {
	up, down := gatetest.NewIssuer(t), gatetest.NewIssuer(t)
	down.Down.Store(true)
	two := strings.Replace(config(up, ""), "roles:", fmt.Sprintf("  - {issuer: %s, audiences: [%q], allow_private_network: true}\nroles:", down.URL, gatetest.Audience), 1)
	gate := start(t, two, nil)
	if status, code := check(t, gate.URL, "deploy", up.Token(t)); status != 200 {
		t.Errorf("want 200, got %d %s", status, code)
	}
	if status, code := check(t, gate.URL, "deploy", down.Token(t)); status != 503 || code != "issuer_unavailable" {
		t.Errorf("want 503 issuer_unavailable, got %d %s", status, code)
	}
	for path, want := range map[string]int{"/readyz": 200, "/readyz?issuer=" + up.URL: 200, "/readyz?issuer=" + down.URL: 503} {
		if status, _, body := get(t, gate.Admin+path); status != want {
			t.Errorf("%s: want %d, got %d: %s", path, want, status, body)
		}
	}
	down.Down.Store(false)
	response, err := http.Post(gate.Admin+"/v1/refresh", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if status, code := check(t, gate.URL, "deploy", down.Token(t)); status != 200 {
		t.Errorf("after it came back: want 200, got %d %s", status, code)
	}
}

func TestShutdownCutsRequestsOff(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	gate := start(t, config(issuer, ""), nil)
	token := issuer.Token(t)
	body := `{"role":"deploy","token":"` + token + `"}`
	// A request whose body is still on its way when the server is told to stop: it
	// is being read, or the server would not ask for it.
	a := newAsker(t, strings.TrimPrefix(gate.URL, "http://"))
	head := fmt.Sprintf("POST /v1/check HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	if status, err := a.ask(head); status != 100 || err != nil {
		t.Fatalf("want 100, got %d, %v", status, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- gate.Stop() }()
	for !strings.Contains(gate.Log.String(), `"draining"`) {
		time.Sleep(time.Millisecond)
	}
	if status, _, _ := get(t, gate.Admin+"/readyz"); status != 503 {
		t.Errorf("draining: want readiness 503, got %d", status)
	}
	if status, err := a.ask(body); status != 200 || err != nil {
		t.Errorf("the request under way: want 200, got %d, %v", status, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(gate.URL); err == nil {
		t.Error("the server still answers")
	}
}
