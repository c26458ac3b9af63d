package verifier

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// fetch asks the issuer for its keys and says for how long they are fresh.
func (r *Remote) fetch() (*goodKeys, time.Duration, error) {
	target, err := r.discover()
	if err != nil {
		return nil, 0, fmt.Errorf("discovery: %w", err)
	}
	r.mu.Lock()
	old := r.good
	r.mu.Unlock()
	keys, interval, err := r.get(target, old)
	if err != nil {
		return nil, 0, fmt.Errorf("fetch JWKS: %w", err)
	}
	return keys, interval, nil
}

// get fetches the set at target; old is what is known already.
func (r *Remote) get(target string, old *goodKeys) (*goodKeys, time.Duration, error) {
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, 0, errors.New("not a URL")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	// A cache on the way must not hide a rotation.
	request.Header.Set("Cache-Control", "no-cache")
	if old != nil && old.etag != "" && old.url == target {
		request.Header.Set("If-None-Match", old.etag)
	}
	r.count()
	response, err := r.client.Do(request)
	if err != nil {
		return nil, 0, plainError(err)
	}
	defer response.Body.Close()
	interval := freshness(response.Header)
	if response.StatusCode == http.StatusNotModified && request.Header.Get("If-None-Match") != "" {
		again := *old
		return &again, interval, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("want HTTP status 200, got %d", response.StatusCode)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, 0, plainError(err)
	}
	set, err := ParseJWKS(text)
	if err != nil {
		return nil, 0, err
	}
	if len(set.keys) == 0 {
		return nil, 0, errors.New("the set holds no usable key")
	}
	return &goodKeys{set: set, text: text, url: target, etag: response.Header.Get("ETag")}, interval, nil
}

// discover returns the URL of the JWK Set.
func (r *Remote) discover() (string, error) {
	r.mu.Lock()
	known, fresh := r.url, r.now().Sub(r.discovered) < rediscover
	r.mu.Unlock()
	if r.config.URL != "" || known != "" && fresh {
		return known, nil
	}
	// go-oidc compares the issuer; a difference of one slash is let through
	// here because it harms nobody and is better told than refused.
	ctx := oidc.InsecureIssuerURLContext(oidc.ClientContext(r.ctx, r.client), r.config.Issuer)
	r.count()
	provider, err := oidc.NewProvider(ctx, r.config.Issuer)
	if err != nil {
		return "", plainError(err)
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return "", errors.New("the document cannot be read")
	}
	warning := ""
	if document.Issuer != r.config.Issuer {
		if strings.TrimSuffix(document.Issuer, "/") != strings.TrimSuffix(r.config.Issuer, "/") {
			return "", fmt.Errorf("want the document of issuer %q, got that of another", r.config.Issuer)
		}
		warning = fmt.Sprintf("the issuer calls itself %q, but %q is configured: tokens that name it otherwise are refused", document.Issuer, r.config.Issuer)
	}
	target, err := r.config.Network.checkURL(document.JWKSURI)
	if err != nil || target.Scheme == "http" && !strings.HasPrefix(r.config.Issuer, "http:") {
		return "", errors.New("jwks_uri: want an https URL")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.url, r.discovered, r.documentWarning = document.JWKSURI, r.now(), warning
	return r.url, nil
}

// count notes a request to the issuer.
func (r *Remote) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.asked = append(r.asked, r.now())
	r.asked = r.asked[max(0, len(r.asked)-askLimit):]
}

// answerError says what is wrong with an answer, in our own words.
type answerError string

func (e answerError) Error() string { return string(e) }

// plainError keeps of an error what comes from our own machine and from TLS;
// others of net/http and all of go-oidc's may quote the answer.
func plainError(err error) error {
	var (
		ours      answerError
		large     *http.MaxBytesError
		timeout   interface{ Timeout() bool }
		operation *net.OpError
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &large):
		return fmt.Errorf("an answer of more than %d bytes", large.Limit)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no complete answer within %v", FetchTimeout)
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &operation):
		return operation
	case errors.As(err, &authority):
		return authority
	case errors.As(err, &host):
		return host
	case errors.As(err, &invalid):
		return invalid
	case errors.Is(err, context.Canceled):
		return errClosed
	}
	return errors.New("the answer cannot be read")
}

// freshness reads how long an answer may be kept (RFC 9111 section 5.2.2) and
// clamps it.
func freshness(h http.Header) time.Duration {
	interval := defaultRefresh
	for _, directive := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return MinRefresh
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				interval = time.Duration(seconds) * time.Second
			} else {
				interval = MinRefresh
			}
		}
	}
	return min(max(interval, MinRefresh), MaxRefresh)
}
