package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// installed skips the test where a program is missing.
func installed(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: apt-get install nginx redis-server", strings.Join(names, " or "))
	return ""
}

// freeAddress is one that nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// program runs a server until the test ends and waits until it answers.
func program(t testing.TB, address, name string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command(name, arguments...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	answering(t, address)
	return command
}

func answering(t testing.TB, address string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			connection.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// nginxConfig is the configuration that the README of package gate shows, with
// the addresses of this test.
func nginxConfig(t *testing.T, gate, backend, listen string) string {
	t.Helper()
	folder := t.TempDir()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, ok := strings.Cut(string(readme), "```nginx\n")
	shown, _, closed := strings.Cut(shown, "```")
	if !ok || !closed {
		t.Fatal("the README shows no nginx configuration")
	}
	shown = strings.NewReplacer("127.0.0.1:8080", gate, "127.0.0.1:3000", backend, "listen 80;", "listen "+listen+";").Replace(shown)
	text := fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
%[2]s}
`, folder, shown)
	path := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNginxLetsIn(t *testing.T) {
	nginx := installed(t, "nginx", "/usr/sbin/nginx")
	issuer := gatetest.NewIssuer(t)
	down := gatetest.NewIssuer(t)
	down.Down.Store(true)
	gate := start(t, strings.Replace(config(issuer, ""), "roles:",
		fmt.Sprintf("  - {issuer: %s, audiences: [%q], allow_private_network: true}\nroles:", down.URL, gatetest.Audience), 1), nil)
	var seen atomic.Pointer[http.Header]
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Clone()
		seen.Store(&header)
		io.WriteString(w, "secret")
	}))
	t.Cleanup(backend.Close)
	listen := freeAddress(t)
	program(t, listen, nginx, "-c", nginxConfig(t, strings.TrimPrefix(gate.URL, "http://"), strings.TrimPrefix(backend.URL, "http://"), listen))
	front := "http://" + listen + "/deploy?x=1"

	forged := []string{"X-Trustcheck-Subject", "root", "X-Trustcheck-Role", "admin", "X-Trustcheck-Issuer", "https://evil.example", "X-Ci-Project", "evil/evil",
		"X-Trustcheck-Decision", "0", "X-Original-Uri", "/harmless", "X-Original-Method", "HEAD"}
	for _, test := range []struct {
		name      string
		header    []string
		status    int
		challenge string
	}{
		{"good", []string{"Authorization", "Bearer " + issuer.Token(t)}, 200, ""},
		{"good with forged identity", append([]string{"Authorization", "Bearer " + issuer.Token(t)}, forged...), 200, ""},
		{"none", nil, 401, `Bearer realm="trustcheck"`},
		{"forged identity alone", forged, 401, `Bearer realm="trustcheck"`},
		{"bad", []string{"Authorization", "Bearer x.y.z"}, 401, `Bearer realm="trustcheck", error="invalid_token"`},
		{"expired", []string{"Authorization", "Bearer " + issuer.TokenAt(t, time.Now().Add(-48*time.Hour))}, 401, `error_description="expired"`},
		{"two joined", []string{"Authorization", "Bearer " + issuer.Token(t) + ", Bearer " + issuer.Token(t)}, 401, `error="invalid_request"`},
		// nginx refuses this one itself.
		{"two", []string{"Authorization", "Bearer " + issuer.Token(t), "Authorization", "Bearer " + issuer.Token(t)}, 400, ""},
		{"denied", []string{"Authorization", "Bearer " + issuer.Token(t, "ref_protected=false")}, 403, ""},
		{"issuer down", []string{"Authorization", "Bearer " + down.Token(t)}, 500, ""},
	} {
		seen.Store(nil)
		status, header, body := get(t, front, test.header...)
		if status != test.status || !strings.Contains(header.Get("WWW-Authenticate"), test.challenge) {
			t.Errorf("%s: want %d %s, got %d %s", test.name, test.status, test.challenge, status, header.Get("WWW-Authenticate"))
		}
		if reached := seen.Load() != nil; reached != (test.status == 200) || reached != (body == "secret") {
			t.Errorf("%s: status %d, the backend was reached: %v, body %q", test.name, status, reached, body)
		}
		if test.status != 200 {
			continue
		}
		for name, want := range map[string]string{"X-Trustcheck-Subject": "project_path:acme/infra:ref_type:branch:ref:main",
			"X-Trustcheck-Role": "deploy", "X-Trustcheck-Issuer": issuer.URL, "X-Ci-Project": "acme/infra"} {
			if got := seen.Load().Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: want %s: %s, got %q", test.name, name, want, got)
			}
		}
		if got := seen.Load().Get("X-Trustcheck-Decision"); len(got) < 16 {
			t.Errorf("%s: decision %q", test.name, got)
		}
	}
	if !strings.Contains(gate.Log.String(), `"method":"GET","path":"/deploy"`) || strings.Contains(gate.Log.String(), "harmless") || strings.Contains(gate.Log.String(), "x=1") {
		t.Errorf("the log has the original request wrong: %s", gate.Log.String())
	}
	// The gate itself is gone: nobody is let in.
	if err := gate.Stop(); err != nil {
		t.Fatal(err)
	}
	seen.Store(nil)
	if status, _, body := get(t, front, "Authorization", "Bearer "+issuer.Token(t)); status != 500 || seen.Load() != nil {
		t.Errorf("gate gone: want 500, got %d %s", status, body)
	}
}
