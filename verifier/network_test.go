package verifier

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestPrivateAddressIsReached(t *testing.T) {
	s := newKeyServer(t)
	s.serve(newSigner(t, "ES256", "k").jwk(nil))
	if _, err := NewRemote(RemoteConfig{Issuer: s.URL}); err == nil {
		t.Error("http was allowed without a private network")
	}
	// A TLS issuer behind a name: the address is known only after resolution.
	tls := httptest.NewTLSServer(s)
	defer tls.Close()
	ca := caFile(t, tls)
	for _, allowed := range []bool{false, true} {
		for _, url := range []string{tls.URL, strings.Replace(tls.URL, "127.0.0.1", "localhost", 1)} {
			r, err := NewRemote(RemoteConfig{Issuer: "x", URL: url + "/keys", Network: Network{CAFile: ca, AllowPrivateNetwork: allowed}})
			if err != nil {
				t.Fatal(err)
			}
			err = r.Refresh(t.Context())
			r.Close()
			switch refused := err != nil && strings.Contains(err.Error(), "refused to connect to the loopback address"); {
			case !allowed && !refused:
				t.Errorf("%s: got %v, want a refusal", url, err)
			case allowed && strings.Contains(url, "127") && err != nil:
				t.Errorf("%s: %v", url, err)
			case allowed && refused:
				t.Errorf("%s: refused though allowed", url)
			}
		}
	}
	r := newRemote(t, RemoteConfig{Issuer: "x", URL: tls.URL + "/keys"})
	if err := r.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "x509") {
		t.Errorf("without the CA: got %v, want a certificate error", err)
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("the server answered %d requests, want 1", n)
	}
}

func TestAddressKinds(t *testing.T) {
	for address, want := range map[string]string{
		"8.8.8.8": "public", "2606:4700::1111": "public", "127.0.0.1": "loopback", "::1": "loopback", "127.9.9.9": "loopback",
		"::ffff:127.0.0.1": "loopback", "10.0.0.1": "private", "172.16.0.1": "private", "172.32.0.1": "public", "192.168.1.1": "private",
		"100.64.0.1": "private", "fd00::1": "private", "169.254.169.254": "link-local", "::ffff:169.254.169.254": "link-local",
		"fe80::1%eth0": "link-local", "64:ff9b::a9fe:a9fe": "link-local", "2002:7f00:1::": "loopback", "64:ff9b::808:808": "public",
		"0.0.0.0": "special", "::": "special", "224.0.0.1": "special", "ff02::1": "special", "255.255.255.255": "special",
		"240.0.0.1": "special", "198.18.0.1": "special", "2001:db8::1": "special",
	} {
		ip := netip.MustParseAddr(address)
		if got := addressKind(ip); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
		d := &dialer{network: Network{AllowPrivateNetwork: true}}
		if got := d.check(ip) == nil; got != (want == "public" || want == "loopback" || want == "private") {
			t.Errorf("%s: with private networks allowed: got %v", address, got)
		}
		d = &dialer{plain: true, network: d.network}
		if got := d.check(ip) == nil; got != (want == "loopback" || want == "private") {
			t.Errorf("%s: by http: got %v", address, got)
		}
		if got := (&dialer{}).check(ip) == nil; got != (want == "public") {
			t.Errorf("%s: got %v", address, got)
		}
	}
}

// caFile writes the certificate of a TLS server, which it issued itself.
func caFile(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestProxyVariablesAreIgnored has the keys of a public name behind a proxy on
// loopback: the operator chose the proxy, so its address is no objection.
func TestProxyVariablesAreIgnored(t *testing.T) {
	s := newKeyServer(t)
	s.serve(newSigner(t, "ES256", "k").jwk(nil))
	tls := httptest.NewTLSServer(s)
	defer tls.Close()
	var tunnels atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "want CONNECT", http.StatusMethodNotAllowed)
			return
		}
		tunnels.Add(1)
		to, err := net.Dial("tcp", tls.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer to.Close()
		w.WriteHeader(http.StatusOK)
		from, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer from.Close()
		go io.Copy(to, buffered)
		io.Copy(from, to)
	}))
	defer proxy.Close()
	t.Setenv("HTTPS_PROXY", proxy.URL)
	for url, want := range map[string]string{
		// The test server's certificate is for this name.
		"https://example.com/keys":     "",
		"https://169.254.169.254/keys": "refused to connect to the link-local address",
		"https://[fd00::1]/keys":       "refused to connect to the private address",
	} {
		r, err := NewRemote(RemoteConfig{Issuer: "x", URL: url, Network: Network{CAFile: caFile(t, tls)}})
		if err != nil {
			t.Fatal(err)
		}
		err = r.Refresh(t.Context())
		r.Close()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
	if n := tunnels.Load(); n != 1 {
		t.Errorf("%d tunnels, want 1", n)
	}
}

func TestCAFileIsNotRead(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRemote(RemoteConfig{Issuer: testIssuer, Network: Network{CAFile: empty}}); err == nil || !strings.Contains(err.Error(), "want PEM certificates") {
		t.Errorf("got %v", err)
	}
}
