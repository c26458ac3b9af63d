package verifier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// FetchTimeout bounds one request for keys, from the look-up of the name to the
// last byte of the answer.
const FetchTimeout = 5 * time.Second

// maxRedirects is how many redirects within one origin are followed.
const maxRedirects = 2

// Network says how an issuer may be reached. The variables HTTPS_PROXY,
// HTTP_PROXY and NO_PROXY are honoured, in either case of letters.
type Network struct {
	// CAFile names a file of PEM certificates that are trusted beside the
	// system's.
	CAFile string
	// AllowPrivateNetwork admits loopback and private addresses and, there
	// only, http. Link-local addresses, at which clouds keep their machines'
	// credentials, stay refused.
	AllowPrivateNetwork bool
}

// checkURL says whether a URL may be asked at all. The address behind its host
// is checked when it is known.
func (n Network) checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("want an https URL without user and fragment, got %q", text)
	case u.Scheme == "https", u.Scheme == "http" && n.AllowPrivateNetwork:
		return u, nil
	}
	return nil, fmt.Errorf("want an https URL (http only in an allowed private network), got %q", text)
}

// client returns an HTTP client for one origin. If plain, that origin is
// reached by http, and every address must be loopback or private.
func (n Network) client(plain bool) (*http.Client, error) {
	roots, err := n.roots()
	if err != nil {
		return nil, err
	}
	d := &dialer{network: n, plain: plain}
	transport := &http.Transport{
		DialContext:            d.dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    FetchTimeout,
		MaxIdleConns:           2,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if !plain {
		d.proxy = httpproxy.FromEnvironment().ProxyFunc()
		transport.Proxy = d.proxyFor
	}
	return &http.Client{
		Transport:     &bounded{transport, d},
		CheckRedirect: sameOrigin,
		Timeout:       FetchTimeout,
	}, nil
}

func (n Network) roots() (*x509.CertPool, error) {
	if n.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(n.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file: %s: want PEM certificates, got none", n.CAFile)
	}
	return pool, nil
}

// sameOrigin follows at most maxRedirects, and none that leaves the origin.
func sameOrigin(to *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return answerError(fmt.Sprintf("more than %d redirects", maxRedirects))
	}
	if from := via[0].URL; to.URL.Scheme != from.Scheme || to.URL.Host != from.Host {
		return answerError("a redirect to another origin")
	}
	return nil
}

// bounded refuses every answer but a good one before anybody reads it, so that
// no answer's text can end in an error, and cuts bodies off at MaxJWKS.
type bounded struct {
	transport *http.Transport
	dialer    *dialer
}

func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	// A proxy would look a name up for us, but an address is an address.
	if ip, err := netip.ParseAddr(request.URL.Hostname()); err == nil {
		if err := b.dialer.check(ip); err != nil {
			return nil, err
		}
	}
	response, err := b.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	switch code := response.StatusCode; {
	case code == http.StatusOK, code == http.StatusNotModified, code/100 == 3 && response.Header.Get("Location") != "":
		response.Body = http.MaxBytesReader(nil, response.Body, MaxJWKS)
		return response, nil
	default:
		response.Body.Close()
		return nil, answerError(fmt.Sprintf("want HTTP status 200, got %d", code))
	}
}

func (b *bounded) CloseIdleConnections() { b.transport.CloseIdleConnections() }

// dialer connects to allowed addresses only. It looks at the address after the
// name has been resolved: a name proves nothing.
type dialer struct {
	network Network
	plain   bool
	proxy   func(*url.URL) (*url.URL, error)
	// proxies holds host:port of the proxies in use, which the operator chose.
	proxies sync.Map
}

func (d *dialer) proxyFor(request *http.Request) (*url.URL, error) {
	proxy, err := d.proxy(request.URL)
	if err != nil || proxy == nil {
		return nil, err
	}
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[proxy.Scheme]
	}
	d.proxies.Store(net.JoinHostPort(proxy.Hostname(), port), true)
	return proxy, nil
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{Timeout: FetchTimeout}
	if _, proxy := d.proxies.Load(address); !proxy {
		nd.Control = func(_, resolved string, _ syscall.RawConn) error {
			ip, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return fmt.Errorf("address %q cannot be checked", resolved)
			}
			return d.check(ip.Addr())
		}
	}
	return nd.DialContext(ctx, network, address)
}

func (d *dialer) check(ip netip.Addr) error {
	switch kind := addressKind(ip); {
	case kind == "public" && d.plain:
		return answerError(fmt.Sprintf("http to the public address %s: want https", ip))
	case kind == "public", d.network.AllowPrivateNetwork && (kind == "loopback" || kind == "private"):
		return nil
	default:
		return answerError(fmt.Sprintf("refused to connect to the %s address %s", kind, ip))
	}
}

// addressKind sorts addresses by the registries of RFC 6890: public, loopback,
// private, link-local, or special for everything that no issuer can have.
func addressKind(ip netip.Addr) string {
	ip = embeddedIPv4(ip.Unmap().WithZone(""))
	switch {
	case ip.IsLoopback():
		return "loopback"
	case ip.IsLinkLocalUnicast():
		return "link-local"
	case ip.IsPrivate(), netip.MustParsePrefix("100.64.0.0/10").Contains(ip):
		return "private"
	case !ip.IsGlobalUnicast():
		return "special"
	}
	for _, special := range []string{
		"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "fec0::/10",
	} {
		if netip.MustParsePrefix(special).Contains(ip) {
			return "special"
		}
	}
	return "public"
}

// embeddedIPv4 returns the IPv4 address that NAT64 (RFC 6052) or 6to4 (RFC
// 3056) would reach through an IPv6 address, else the address.
func embeddedIPv4(ip netip.Addr) netip.Addr {
	b := ip.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case netip.MustParsePrefix("2002::/16").Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}
