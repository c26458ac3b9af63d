package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// authority issues certificates for 127.0.0.1 that live for an hour.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key = a.issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.certificate)
	return a
}

func (a *authority) issue(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "throw-away"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// pair issues a certificate for a server and a client and writes it to files.
func (a *authority) pair(t *testing.T) (certificate, key string, loaded tls.Certificate) {
	t.Helper()
	issued, private := a.issue(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = writePEM(t, "CERTIFICATE", issued.Raw), writePEM(t, "PRIVATE KEY", der)
	if loaded, err = tls.LoadX509KeyPair(certificate, key); err != nil {
		t.Fatal(err)
	}
	return certificate, key, loaded
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStrangerReachesAListener(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	ours, others := newAuthority(t), newAuthority(t)
	certificate, key, mine := ours.pair(t)
	_, _, foreign := others.pair(t)
	secure := fmt.Sprintf("{certificate: %s, key: %s, client_ca: %s}", certificate, key, writePEM(t, "CERTIFICATE", ours.certificate.Raw))
	text := strings.Replace(config(issuer, ""), "  - address: 127.0.0.1:0\n", "  - address: 127.0.0.1:0\n    tls: "+secure+"\n", 1)
	text = strings.Replace(text, "admin: {address: \"127.0.0.1:0\"}", "  - {address: \"127.0.0.1:0\", tls: "+secure+", envoy_grpc: {role: deploy}}\nadmin: {address: \"127.0.0.1:0\", tls: "+secure+"}", 1)
	gate := start(t, text, nil)
	for _, test := range []struct {
		name    string
		present []tls.Certificate
		in      bool
	}{
		{"ours", []tls.Certificate{mine}, true},
		{"another authority's", []tls.Certificate{foreign}, false},
		{"none", nil, false},
	} {
		config := &tls.Config{RootCAs: ours.pool, Certificates: test.present}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
		for _, url := range []string{gate.URL + "/nginx/deploy", gate.Admin + "/healthz"} {
			request, _ := http.NewRequest(http.MethodGet, strings.Replace(url, "http:", "https:", 1), nil)
			request.Header.Set("Authorization", "Bearer "+issuer.Token(t))
			response, err := client.Do(request)
			if err == nil {
				response.Body.Close()
			}
			if in := err == nil && response.StatusCode == 200; in != test.in {
				t.Errorf("%s at %s: want in %v, got %v", test.name, url, test.in, err)
			}
		}
		connection, err := grpc.NewClient(gate.all[1], grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}
		response, err := auth.NewAuthorizationClient(connection).Check(t.Context(), &auth.CheckRequest{Attributes: &auth.AttributeContext{
			Request: &auth.AttributeContext_Request{Http: &auth.AttributeContext_HttpRequest{Headers: map[string]string{"authorization": "Bearer " + issuer.Token(t)}}}}})
		if in := err == nil && codes.Code(response.GetStatus().GetCode()) == codes.OK; in != test.in {
			t.Errorf("%s over gRPC: want in %v, got %v, %v", test.name, test.in, response, err)
		}
		connection.Close()
	}
	// Without TLS nobody gets an answer of ours.
	if response, err := http.Get(gate.URL + "/nginx/deploy"); err == nil {
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP: want 400, got %d", response.StatusCode)
		}
	}
}
