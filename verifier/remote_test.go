package verifier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// keyServer is an issuer on loopback that counts what it is asked.
type keyServer struct {
	*httptest.Server
	requests atomic.Int64
	mu       sync.Mutex
	jwks     http.HandlerFunc
}

func newKeyServer(t testing.TB) *keyServer {
	s := &keyServer{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *keyServer) answer(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jwks = h
}

func (s *keyServer) serve(keys ...any) {
	text := jwksText(keys...)
	s.answer(func(w http.ResponseWriter, _ *http.Request) { w.Write(text) })
}

func (s *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	if r.URL.Path == "/.well-known/openid-configuration" {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, s.URL, s.URL+"/keys")
		return
	}
	s.mu.Lock()
	h := s.jwks
	s.mu.Unlock()
	if h == nil {
		http.Error(w, "nothing to serve yet", http.StatusServiceUnavailable)
		return
	}
	h(w, r)
}

func newRemote(t testing.TB, config RemoteConfig) *Remote {
	t.Helper()
	config.Network.AllowPrivateNetwork = true
	r, err := NewRemote(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// remoteVerifier verifies tokens of the server by discovery.
func remoteVerifier(t testing.TB, s *keyServer) (*Verifier, *Remote) {
	r := newRemote(t, RemoteConfig{Issuer: s.URL})
	return newVerifier(t, r, func(c *Config) { c.Issuer = s.URL }), r
}

func (s *keyServer) claims(override ...string) string {
	return goodClaims(append([]string{fmt.Sprintf(`"iss":%q`, s.URL)}, override...)...)
}

func verifyOne(t testing.TB, v *Verifier, compact string) error {
	t.Helper()
	_, err := v.Verify(t.Context(), compact, testNow)
	return err
}

func wantCodes(t testing.TB, err error, want ...string) {
	t.Helper()
	if got := codes(t, err); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, want %v", got, want)
	}
}

func wantUnavailable(t testing.TB, err error, text string) {
	t.Helper()
	var unavailable *Unavailable
	if !errors.As(err, &unavailable) {
		t.Fatalf("want Unavailable, got %v", err)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("want %q in %q", text, err)
	}
}

func TestJunkFloodsTheIssuer(t *testing.T) {
	s := newKeyServer(t)
	good, other := newSigner(t, "ES256", "good"), newSigner(t, "ES256", "good")
	s.serve(good.jwk(nil))
	v, r := remoteVerifier(t, s)
	if err := verifyOne(t, v, good.sign(good.header(), s.claims())); err != nil {
		t.Fatal(err)
	}
	badSignature := other.sign(other.header(), s.claims())
	noKid := other.sign(`{"alg":"ES256"}`, s.claims())
	expired := other.sign(`{"alg":"ES256","kid":"expired"}`, s.claims(`"exp":1700000000`))
	foreign := other.sign(`{"alg":"ES256","kid":"foreign"}`, s.claims(`"iss":"https://evil.example.com"`))
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 2000 {
				junk := []string{badSignature, noKid, expired, foreign}[i%4]
				if i%4 == worker%4 {
					junk = "." + b64([]byte(s.claims())) + ".AAAA"
					junk = b64(fmt.Appendf(nil, `{"alg":"ES256","kid":"unknown-%d-%d"}`, worker, i)) + junk
				}
				if err := verifyOne(t, v, junk); err == nil {
					t.Error("junk was taken")
				}
			}
		})
	}
	for i := range 2000 {
		junk := b64(fmt.Appendf(nil, `{"alg":"ES256","kid":"x%d"}`, i)) + "." + b64([]byte(s.claims())) + ".AAAA"
		if err := verifyOne(t, v, junk); err == nil {
			t.Error("junk was taken")
		}
	}
	group.Wait()
	// Discovery, the first fetch, one search for an unseen kid.
	if n := s.requests.Load(); n > 3 {
		t.Errorf("10,000 junk tokens caused %d requests, want at most 3", n)
	}
	if got := r.Status().Requests; got != uint64(s.requests.Load()) {
		t.Errorf("status counts %d requests, the server %d", got, s.requests.Load())
	}
	if err := verifyOne(t, v, good.sign(good.header(), s.claims())); err != nil {
		t.Errorf("afterwards the good token is refused: %v", err)
	}
}

func TestRotatedKeyIsNotPickedUp(t *testing.T) {
	s := newKeyServer(t)
	first, second := newSigner(t, "ES256", "first"), newSigner(t, "ES256", "second")
	s.serve(first.jwk(nil))
	v, r := remoteVerifier(t, s)
	if err := verifyOne(t, v, first.sign(first.header(), s.claims())); err != nil {
		t.Fatal(err)
	}
	before := r.Status().Generation
	s.serve(first.jwk(nil), second.jwk(nil))
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := verifyOne(t, v, second.sign(second.header(), s.claims())); err != nil {
				t.Errorf("the first token of the new key: %v", err)
			}
		})
	}
	group.Wait()
	if n := s.requests.Load(); n != 3 {
		t.Errorf("got %d requests, want 3: discovery, first fetch, one for the new kid", n)
	}
	if r.Status().Generation == before {
		t.Error("the generation did not change with the keys")
	}
}

func TestKnownKidThatFailedAsksTheIssuer(t *testing.T) {
	s := newKeyServer(t)
	k, forged := newSigner(t, "RS256", "k"), newSigner(t, "RS256", "k")
	s.serve(k.jwk(nil), newSigner(t, "ES256", "weak").jwk(map[string]any{"use": "enc"}))
	v, _ := remoteVerifier(t, s)
	wantCodes(t, verifyOne(t, v, forged.sign(forged.header(), s.claims())), BadSignature)
	wantCodes(t, verifyOne(t, v, forged.sign(`{"alg":"RS256","kid":"weak"}`, s.claims())), AlgorithmMismatch)
	if n := s.requests.Load(); n != 2 {
		t.Errorf("got %d requests, want only discovery and the first fetch", n)
	}
}

func TestTokenThatIsRefusedAnywayAsksTheIssuer(t *testing.T) {
	s := newKeyServer(t)
	k := newSigner(t, "ES256", "k")
	s.serve(k.jwk(nil))
	v, r := remoteVerifier(t, s)
	for _, claims := range []string{s.claims(`"exp":1`), s.claims(`"aud":"x"`), s.claims(`"iss":"x"`), s.claims(`"exp":1,"exp":2`)} {
		if got := codes(t, verifyOne(t, v, k.sign(k.header(), claims))); len(got) == 0 {
			t.Error("taken")
		}
	}
	wantCodes(t, verifyOne(t, v, k.sign(`{"alg":"HS256","kid":"k"}`, s.claims())), UnsupportedAlgorithm)
	if n := s.requests.Load(); n != 0 {
		t.Errorf("got %d requests, want none", n)
	}
	if r.Status().Ready {
		t.Error("ready without keys")
	}
}

// TestBadAnswerLosesTheGoodKeys serves every kind of bad answer after a good
// one, and before.
func TestBadAnswerLosesTheGoodKeys(t *testing.T) {
	k, next := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "next")
	good := string(jwksText(k.jwk(nil)))
	elsewhere := newKeyServer(t)
	elsewhere.serve(next.jwk(nil))
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	answers := map[string]http.HandlerFunc{
		"html":      text("<html><body>log in</body></html>"),
		"empty":     text(""),
		"truncated": text(good[:len(good)-20]),
		"no keys":   text(`{"keys":[]}`),
		"null":      text(`{"keys":null}`),
		"list":      text(`[]`),
		"twice":     text(strings.Replace(good, `{"keys"`, `{"keys":[],"keys"`, 1)),
		"trailing":  text(good + "{}"),
		"only odd":  text(`{"keys":[{"kty":"oct","kid":"k","k":"AAAA"},null,7]}`),
		"too many":  text(`{"keys":[` + strings.Repeat(`{"kty":"x"},`, MaxKeys) + `{}]}`),
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 14 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		},
		"500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, good, 500) },
		"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"304": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/keys", http.StatusFound)
		},
		"loop":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"hangs up": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"half": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			fmt.Fprint(w, good[:len(good)/2])
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s := newKeyServer(t)
			s.answer(answer)
			cold := newRemote(t, RemoteConfig{Issuer: s.URL, URL: s.URL + "/keys"})
			v := newVerifier(t, cold, func(c *Config) { c.Issuer = s.URL })
			token := k.sign(k.header(), s.claims())
			err := verifyOne(t, v, token)
			wantUnavailable(t, err, "fetch JWKS")
			if strings.Contains(err.Error(), "log in") || strings.Contains(err.Error(), "crv") || len(err.Error()) > 250 {
				t.Errorf("the error quotes the answer: %v", err)
			}
			if cold.Status().Ready {
				t.Error("ready")
			}

			s.serve(k.jwk(nil))
			warm := newRemote(t, RemoteConfig{Issuer: s.URL, URL: s.URL + "/keys"})
			v = newVerifier(t, warm, func(c *Config) { c.Issuer = s.URL })
			if err := verifyOne(t, v, token); err != nil {
				t.Fatal(err)
			}
			s.answer(answer)
			if err := warm.Refresh(t.Context()); err == nil {
				t.Fatal("the bad answer was taken")
			}
			if err := verifyOne(t, v, token); err != nil {
				t.Errorf("the good key was lost: %v", err)
			}
			status := warm.Status()
			if !status.Ready || status.LastError == "" || status.Failures != 1 {
				t.Errorf("got %+v", status)
			}
			// Whether the kid is a new one cannot be told now.
			wantUnavailable(t, verifyOne(t, v, next.sign(next.header(), s.claims())), "fetch JWKS")
		})
	}
	if elsewhere.requests.Load() != 0 {
		t.Error("a redirect to another origin was followed")
	}
}

func TestRedirectWithinTheOriginIsRefused(t *testing.T) {
	s := newKeyServer(t)
	k := newSigner(t, "ES256", "k")
	s.answer(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved2" {
			w.Write(jwksText(k.jwk(nil)))
			return
		}
		http.Redirect(w, r, map[string]string{"/keys": "/moved1", "/moved1": "/moved2"}[r.URL.Path], http.StatusTemporaryRedirect)
	})
	v, _ := remoteVerifier(t, s)
	if err := verifyOne(t, v, k.sign(k.header(), s.claims())); err != nil {
		t.Error(err)
	}
}

func TestHangingIssuerBlocksGoodKeys(t *testing.T) {
	s := newKeyServer(t)
	k := newSigner(t, "ES256", "k")
	s.serve(k.jwk(nil))
	v, r := remoteVerifier(t, s)
	token := k.sign(k.header(), s.claims())
	if err := verifyOne(t, v, token); err != nil {
		t.Fatal(err)
	}
	hanging := make(chan struct{})
	s.answer(func(w http.ResponseWriter, r *http.Request) {
		close(hanging)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Refresh(ctx) }()
	<-hanging
	start := time.Now()
	for range 100 {
		if err := verifyOne(t, v, token); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("100 tokens took %v beside a hanging fetch", took)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the caller's cancellation", err)
	}
}

func TestHangingIssuerIsWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSigner(t, "ES256", "k")
		s, r := fakeIssuer(t, RemoteConfig{})
		defer r.Close()
		s.answer(func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() })
		v := newVerifier(t, r, nil)
		token := k.sign(k.header(), goodClaims())
		start := time.Now()
		wantUnavailable(t, verifyOne(t, v, token), "no complete answer within 5s")
		if took := time.Since(start); took != FetchTimeout {
			t.Errorf("the first token waited %v, want %v", took, FetchTimeout)
		}
		start = time.Now()
		for range 100 {
			wantUnavailable(t, verifyOne(t, v, token), "no complete answer within 5s")
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("further tokens waited %v", took)
		}
		s.serve(k.jwk(nil))
		time.Sleep(firstRetry)
		synctest.Wait()
		wantCodes(t, verifyOne(t, v, token))
	})
}

// TestSomethingRunsUnused leaves sources behind unclosed: were a goroutine left
// in the bubble, the test would panic.
func TestSomethingRunsUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSigner(t, "ES256", "k")
		s, r := fakeIssuer(t, RemoteConfig{})
		v := newVerifier(t, r, nil)
		wantCodes(t, verifyOne(t, v, k.sign(k.header(), goodClaims(`"exp":1`))), Expired)
		if n := s.requests.Load(); n != 0 {
			t.Errorf("%d requests", n)
		}
		_, used := fakeIssuer(t, RemoteConfig{})
		used.Start()
		used.Close()
		used.Close()
	})
}

func TestForcedRefreshJoinsAnOldFetch(t *testing.T) {
	s := newKeyServer(t)
	k, next := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "next")
	asked, proceed := make(chan struct{}), make(chan struct{})
	s.answer(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-proceed
		w.Write(jwksText(k.jwk(nil)))
	})
	v, r := remoteVerifier(t, s)
	r.Start()
	<-asked
	done := make(chan error, 1)
	go func() { done <- r.Refresh(t.Context()) }()
	s.serve(next.jwk(nil))
	close(proceed)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantCodes(t, verifyOne(t, v, next.sign(next.header(), s.claims())))
	wantCodes(t, verifyOne(t, v, k.sign(k.header(), s.claims())), UnknownKey)
}

func TestDeadIssuerStarvesAnother(t *testing.T) {
	alive, dead := newKeyServer(t), newKeyServer(t)
	k := newSigner(t, "ES256", "k")
	alive.serve(k.jwk(nil))
	dead.answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	good, _ := remoteVerifier(t, alive)
	bad, badKeys := remoteVerifier(t, dead)
	set, err := NewSet(good, bad)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			_, err := set.Verify(ctx, k.sign(k.header(), dead.claims()), testNow)
			wantUnavailable(t, err, dead.URL)
		})
		group.Go(func() {
			if _, err := set.Verify(t.Context(), k.sign(k.header(), alive.claims()), testNow); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := dead.requests.Load(); n != 2 {
		t.Errorf("the dead issuer was asked %d times, want 2: discovery and keys", n)
	}
	if badKeys.Status().Ready {
		t.Error("the dead issuer is ready")
	}
}

func TestUnusableSourceIsConfigured(t *testing.T) {
	for _, c := range []RemoteConfig{
		{}, {Issuer: "gitlab.example.com"}, {Issuer: "ftp://gitlab.example.com"}, {Issuer: "https://u:p@gitlab.example.com"},
		{Issuer: "https://gitlab.example.com#x"}, {Issuer: "https://gitlab.example.com?x=1"}, {Issuer: "http://127.0.0.1:1"},
		{Issuer: testIssuer, MaxStale: -1}, {Issuer: testIssuer, Network: Network{CAFile: "no-such-file"}},
	} {
		if _, err := NewRemote(c); err == nil {
			t.Errorf("%+v: want an error", c)
		}
	}
	r, err := NewRemote(RemoteConfig{Issuer: testIssuer})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Current(t.Context(), Want{MayAsk: true}); err == nil {
		t.Error("a closed source has keys")
	}
}

// roundTrips answers without a network, so that time can be faked.
type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fakeIssuer is a Remote whose issuer lives in the test's fake time.
func fakeIssuer(t *testing.T, config RemoteConfig) (*keyServer, *Remote) {
	t.Helper()
	config.Issuer, config.URL = testIssuer, testIssuer+"/keys"
	r, err := NewRemote(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &keyServer{}
	r.client.Transport = roundTrips(func(request *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request)
		if err := request.Context().Err(); err != nil {
			return nil, err
		}
		return w.Result(), nil
	})
	return s, r
}

func TestWithdrawnKeyIsTakenAfterTheInterval(t *testing.T) {
	for header, interval := range map[string]time.Duration{
		"": defaultRefresh, "max-age=1": MinRefresh, "public, max-age=86400": MaxRefresh, "max-age=600": 10 * time.Minute,
		"no-store": MinRefresh, "max-age=nonsense": MinRefresh, `max-age="420"`: 7 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			k, other := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "other")
			s, r := fakeIssuer(t, RemoteConfig{})
			defer r.Close()
			serve := func(keys ...any) {
				s.answer(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", header)
					w.Write(jwksText(keys...))
				})
			}
			serve(k.jwk(nil), other.jwk(nil))
			v := newVerifier(t, r, nil)
			token := k.sign(k.header(), goodClaims())
			if err := verifyOne(t, v, token); err != nil {
				t.Fatal(err)
			}
			serve(other.jwk(nil))
			time.Sleep(interval*8/10 - time.Second)
			if err := verifyOne(t, v, token); err != nil || s.requests.Load() != 1 {
				t.Errorf("%q: too early: %d requests, %v", header, s.requests.Load(), err)
			}
			time.Sleep(interval*2/10 + 2*time.Second)
			synctest.Wait()
			wantCodes(t, verifyOne(t, v, token), UnknownKey)
			if err := verifyOne(t, v, other.sign(other.header(), goodClaims())); err != nil {
				t.Errorf("%q: the key that stayed: %v", header, err)
			}
		})
	}
}

func TestStaleKeysServeForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSigner(t, "ES256", "k")
		s, r := fakeIssuer(t, RemoteConfig{MaxStale: 2 * time.Hour})
		defer r.Close()
		s.serve(k.jwk(nil))
		v := newVerifier(t, r, nil)
		token := k.sign(k.header(), goodClaims())
		if err := verifyOne(t, v, token); err != nil {
			t.Fatal(err)
		}
		s.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) })
		time.Sleep(110 * time.Minute)
		if err := verifyOne(t, v, token); err != nil {
			t.Errorf("within the staleness: %v", err)
		}
		if s := r.Status(); !s.Ready || s.Failures == 0 || s.Age < 100*time.Minute || s.LastError != "fetch JWKS: want HTTP status 200, got 503" {
			t.Errorf("got %+v", s)
		}
		if n := s.requests.Load(); n > 140 {
			t.Errorf("%d requests to an issuer that is down, want about one a minute", n)
		}
		time.Sleep(11 * time.Minute)
		wantUnavailable(t, verifyOne(t, v, token), "older than 2h0m0s")
		if r.Status().Ready {
			t.Error("ready with stale keys")
		}
		s.serve(k.jwk(nil))
		time.Sleep(lastRetry)
		synctest.Wait()
		if err := verifyOne(t, v, token); err != nil {
			t.Errorf("after recovery: %v", err)
		}
	})
}

func TestEntityTagIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSigner(t, "ES256", "k")
		text := jwksText(k.jwk(nil))
		var full, short atomic.Int64
		s, r := fakeIssuer(t, RemoteConfig{})
		defer r.Close()
		s.answer(func(w http.ResponseWriter, request *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			if request.Header.Get("If-None-Match") == `"v1"` {
				short.Add(1)
				w.WriteHeader(http.StatusNotModified)
				return
			}
			full.Add(1)
			w.Write(text)
		})
		r.Start()
		time.Sleep(time.Hour)
		synctest.Wait()
		status := r.Status()
		if full.Load() != 1 || short.Load() < 5 || status.Generation != 1 || status.Age > MaxRefresh || !status.Ready {
			t.Errorf("%d full and %d short answers, %+v", full.Load(), short.Load(), status)
		}
	})
}

func TestUnseenKidsAreLookedForTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, late := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "late")
		s, r := fakeIssuer(t, RemoteConfig{})
		defer r.Close()
		s.serve(k.jwk(nil))
		v := newVerifier(t, r, nil)
		token := late.sign(late.header(), goodClaims())
		for range 100 {
			wantCodes(t, verifyOne(t, v, token), UnknownKey)
		}
		if n := s.requests.Load(); n != 1 {
			t.Errorf("got %d requests for a kid that the first answer did not have, want 1", n)
		}
		// The set is published late: the kid is found once the miss is forgotten.
		s.serve(k.jwk(nil), late.jwk(nil))
		wantCodes(t, verifyOne(t, v, token), UnknownKey)
		time.Sleep(missTime)
		if err := verifyOne(t, v, token); err != nil {
			t.Errorf("after %v: %v", missTime, err)
		}
		// All kids together may not exceed the issuer's share of requests.
		time.Sleep(askWindow)
		before := s.requests.Load()
		for range 60 {
			for i := range 20 {
				verifyOne(t, v, late.sign(fmt.Sprintf(`{"alg":"ES256","kid":"r%d"}`, i), goodClaims()))
			}
			time.Sleep(time.Second)
		}
		if made := s.requests.Load() - before; made != askLimit {
			t.Errorf("%d requests in a minute, want %d", made, askLimit)
		}
		if n := len(r.misses); n > maxMisses {
			t.Errorf("%d misses kept, want at most %d", n, maxMisses)
		}
		// An operator who knows better does not wait.
		before = s.requests.Load()
		if err := r.Refresh(t.Context()); err != nil || s.requests.Load() != before+1 {
			t.Errorf("forced refresh: %d requests, %v", s.requests.Load()-before, err)
		}
	})
}

func TestSleepingMachineUsesOldKeys(t *testing.T) {
	k, other := newSigner(t, "ES256", "k"), newSigner(t, "ES256", "other")
	var slept atomic.Int64
	s, r := fakeIssuer(t, RemoteConfig{Now: func() time.Time { return testNow.Add(time.Duration(slept.Load())) }})
	defer r.Close()
	s.serve(k.jwk(nil))
	v := newVerifier(t, r, nil)
	token := k.sign(k.header(), goodClaims())
	if err := verifyOne(t, v, token); err != nil {
		t.Fatal(err)
	}
	s.serve(other.jwk(nil))
	slept.Store(int64(time.Hour))
	wantCodes(t, verifyOne(t, v, token), UnknownKey)
}

func TestColdStartWithoutIssuer(t *testing.T) {
	s := newKeyServer(t)
	k := newSigner(t, "ES256", "k")
	s.serve(k.jwk(nil))
	file := filepath.Join(t.TempDir(), "keys.json")
	config := RemoteConfig{Issuer: s.URL, LastGoodFile: file, Network: Network{AllowPrivateNetwork: true}}
	first := newRemote(t, config)
	if err := first.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.Close()
	s.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) })
	token := k.sign(k.header(), s.claims())
	verify := func(change func(*RemoteConfig)) (*Remote, error) {
		c := config
		change(&c)
		r := newRemote(t, c)
		v := newVerifier(t, r, func(c *Config) { c.Issuer = s.URL })
		_, err := v.Verify(t.Context(), token, testNow)
		return r, err
	}
	if _, err := verify(func(*RemoteConfig) {}); err != nil {
		t.Errorf("with the last good keys: %v", err)
	}
	_, err := verify(func(c *RemoteConfig) { c.LastGoodFile = "" })
	wantUnavailable(t, err, "502")
	_, err = verify(func(c *RemoteConfig) { c.Now = func() time.Time { return time.Now().Add(25 * time.Hour) } })
	wantUnavailable(t, err, "older than")
	r, err := verify(func(c *RemoteConfig) { c.Now = func() time.Time { return time.Now().Add(-25 * time.Hour) } })
	wantUnavailable(t, err, "502")
	if w := r.Status().Warnings; len(w) != 1 || !strings.Contains(w[0], "future") {
		t.Errorf("got warnings %q", w)
	}
	if err := os.WriteFile(file, []byte(`{"issuer"`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = verify(func(*RemoteConfig) {})
	wantUnavailable(t, err, "502")

	// A full or missing disk costs a warning, not the keys.
	s.serve(k.jwk(nil))
	r, err = verify(func(c *RemoteConfig) { c.LastGoodFile = filepath.Join(t.TempDir(), "missing", "keys.json") })
	if err != nil {
		t.Error(err)
	}
	if w := r.Status().Warnings; len(w) != 1 || !strings.Contains(w[0], "not kept") {
		t.Errorf("got warnings %q", w)
	}
}

func TestDiscoveryOfAnotherIssuerIsBelieved(t *testing.T) {
	k := newSigner(t, "ES256", "k")
	for name, c := range map[string]struct {
		document func(url string) string
		err      string
		warning  string
	}{
		"same":  {func(u string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, u, u+"/keys") }, "", ""},
		"slash": {func(u string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, u+"/", u+"/keys") }, "", "calls itself"},
		"another": {func(u string) string {
			return fmt.Sprintf(`{"issuer":"https://secret.example.com","jwks_uri":%q}`, u+"/keys")
		}, "that of another", ""},
		"no jwks_uri":  {func(u string) string { return fmt.Sprintf(`{"issuer":%q}`, u) }, "jwks_uri", ""},
		"odd jwks_uri": {func(u string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":"file:///etc/secret"}`, u) }, "jwks_uri", ""},
		"html":         {func(string) string { return "<html>secret" }, "cannot be read", ""},
		"huge":         {func(string) string { return strings.Repeat(" secret", 1<<17) }, "cannot be read", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var s *httptest.Server
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/keys" {
					w.Write(jwksText(k.jwk(nil)))
					return
				}
				fmt.Fprint(w, c.document(s.URL))
			}))
			defer s.Close()
			r := newRemote(t, RemoteConfig{Issuer: s.URL})
			err := r.Refresh(t.Context())
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the answer: %v", err)
			}
			if got := strings.Join(r.Status().Warnings, ""); (got == "") != (c.warning == "") || !strings.Contains(got, c.warning) {
				t.Errorf("got warnings %q, want %q", got, c.warning)
			}
		})
	}
}
