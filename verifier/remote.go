package verifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// The pace of a Remote.
const (
	// MinRefresh and MaxRefresh bound the time between two background
	// refreshes, whatever Cache-Control says; so they bound how long a
	// withdrawn key is still taken.
	MinRefresh = 5 * time.Minute
	MaxRefresh = 15 * time.Minute
	// DefaultMaxStale is how long the last good keys serve an issuer that
	// cannot be reached.
	DefaultMaxStale = 24 * time.Hour

	// Tokens cause at most askLimit requests to an issuer in each askWindow.
	askLimit  = 3
	askWindow = time.Minute
	// A kid that was looked for in vain is not looked for again for missTime.
	missTime  = time.Minute
	maxMisses = 1024
	// Failed fetches are repeated after firstRetry, doubled up to lastRetry.
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
	// rediscover is how long a discovered jwks_uri is used.
	rediscover = time.Hour
	// defaultRefresh holds where the issuer says nothing.
	defaultRefresh = 10 * time.Minute
)

// RemoteConfig says where an issuer's keys are.
type RemoteConfig struct {
	// Issuer is the issuer's name and, without URL, where its discovery
	// document is looked for.
	Issuer string
	// URL is that of the JWK Set; empty asks OpenID Connect discovery.
	URL     string
	Network Network
	// MaxStale is how long the last good keys are used while no newer ones can
	// be had; 0 is DefaultMaxStale.
	MaxStale time.Duration
	// LastGoodFile, if not empty, names a file that keeps the last good keys
	// for a cold start. Who can write it can forge tokens.
	LastGoodFile string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Remote is a [KeySource] that fetches an issuer's keys and keeps them fresh.
//
// Nothing runs before the first token that is worth a request, [Remote.Start]
// or [Remote.Refresh]; from then on a goroutine refreshes the keys until
// [Remote.Close]. A failed fetch, or one without a usable key, leaves the last
// good keys in place until they are MaxStale old; after that there are none.
//
// Tokens cause few requests, whoever sends them: see [Want] for which of them
// may ask. A known kid whose signature does not verify never does. While
// somebody floods a verifier with invented kids, a new key may take a minute to
// be found.
type Remote struct {
	config RemoteConfig
	client *http.Client

	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}
	work   sync.WaitGroup

	mu      sync.Mutex
	started bool
	closed  bool
	good    *goodKeys
	flight  *flight
	// due is when the next background fetch is.
	due time.Time
	// url is the JWKS URL in use, found at discovered.
	url        string
	discovered time.Time

	// asked holds the times of the last askLimit requests.
	asked      []time.Time
	misses     map[string]time.Time
	requests   uint64
	generation uint64
	failures   int
	failed     error
	// Two warnings: of the discovery document, of the last good file.
	documentWarning string
	fileWarning     string
}

// goodKeys are keys as fetched at a time.
type goodKeys struct {
	set     *JWKS
	text    []byte
	url     string
	etag    string
	fetched time.Time
}

// flight is a fetch that several callers may wait for.
type flight struct {
	done chan struct{}
	err  error
}

var errClosed = errors.New("the key source is closed")

// NewRemote returns a key source, or an error that names the setting at fault.
// It sends no request.
func NewRemote(config RemoteConfig) (*Remote, error) {
	target := config.URL
	if target == "" {
		target = config.Issuer
	}
	u, err := config.Network.checkURL(target)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if config.URL == "" && u.RawQuery != "" {
		return nil, fmt.Errorf("keys: an issuer has no query, got %q", config.Issuer)
	}
	if config.MaxStale < 0 {
		return nil, errors.New("keys: maximum staleness: want 0 or more, got less")
	}
	if config.MaxStale == 0 {
		config.MaxStale = DefaultMaxStale
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	client, err := config.Network.client(u.Scheme == "http")
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	r := &Remote{config: config, client: client, url: config.URL,
		wake: make(chan struct{}, 1), misses: make(map[string]time.Time)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.readLastGood()
	return r, nil
}

// now is the wall clock: the monotonic one stands still while a machine sleeps.
func (r *Remote) now() time.Time { return r.config.Now().Round(0) }

// Start begins to fetch in the background.
func (r *Remote) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start()
}

func (r *Remote) start() {
	if r.started || r.closed {
		return
	}
	r.started = true
	r.work.Go(r.refreshing)
}

// Close stops everything that runs and waits for it. Afterwards the source has
// no keys.
func (r *Remote) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.work.Wait()
	r.client.CloseIdleConnections()
}

// Refresh fetches now, whatever was fetched when: for an operator who knows
// that keys changed. It forgets which kids were looked for in vain.
func (r *Remote) Refresh(ctx context.Context) error {
	r.mu.Lock()
	// A fetch under way may have been answered before the keys changed.
	if earlier := r.flight; earlier != nil {
		r.mu.Unlock()
		_ = earlier.wait(ctx)
		r.mu.Lock()
	}
	clear(r.misses)
	r.discovered = time.Time{}
	r.start()
	f := r.fly()
	r.mu.Unlock()
	return f.wait(ctx)
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Current returns the keys to verify a token with. See [Remote] for when it
// asks the issuer.
func (r *Remote) Current(ctx context.Context, want Want) (*JWKS, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if want.MayAsk {
		r.start()
	}
	var err error
	if f := r.ask(want); f != nil {
		r.mu.Unlock()
		err = f.wait(ctx)
		r.mu.Lock()
		if err == nil && r.unseen(want) {
			r.miss(want.KeyID)
		}
	}
	unseen := r.unseen(want)
	switch {
	case r.closed:
		return nil, errClosed
	case r.usable() && unseen && want.MayAsk && (err != nil || r.failures > 0):
		// The key may be a new one: with the issuer down nobody can tell.
		return nil, r.why(err)
	case r.usable():
		return r.good.set, nil
	case err == nil && r.failed == nil:
		return nil, errors.New("not fetched yet")
	}
	return nil, r.why(err)
}

// miss remembers that a kid was looked for in vain.
func (r *Remote) miss(kid string) {
	now := r.now()
	maps.DeleteFunc(r.misses, func(_ string, at time.Time) bool { return now.Sub(at) >= missTime })
	if len(r.misses) < maxMisses {
		r.misses[kid] = now
	}
}

// why says why there are no keys.
func (r *Remote) why(err error) error {
	if err == nil {
		err = r.failed
	}
	if r.good != nil && !r.usable() && !r.closed {
		return fmt.Errorf("the last good keys are older than %v: %w", r.config.MaxStale, err)
	}
	return err
}

// usable reports whether there are keys that are not too old.
func (r *Remote) usable() bool {
	return !r.closed && r.good != nil && r.now().Sub(r.good.fetched) < r.config.MaxStale
}

// unseen reports whether there are keys, but none of the kid wanted, usable or
// not.
func (r *Remote) unseen(want Want) bool {
	return want.HasKeyID && r.good != nil && !r.good.set.known[want.KeyID]
}

// ask decides whether a token is worth a request, and returns the fetch to wait
// for or nil.
func (r *Remote) ask(want Want) *flight {
	if !want.MayAsk || r.closed {
		return nil
	}
	now := r.now()
	switch {
	case r.flight != nil && (!r.usable() || r.unseen(want)):
		// Joining costs the issuer nothing.
	case !r.usable():
		if r.failures > 0 && now.Before(r.due) {
			return nil
		}
	case r.failures == 0 && now.After(r.due.Add(MinRefresh/10)):
		// The background refresh is late: the machine slept, or the keys are a
		// file's. Where it fails instead, nobody waits for it again.
	case r.unseen(want):
		if now.Sub(r.misses[want.KeyID]) < missTime || r.failures > 0 || !r.mayAskAgain(now) {
			return nil
		}
	default:
		return nil
	}
	return r.fly()
}

// mayAskAgain reports whether tokens have caused fewer requests lately than
// they may.
func (r *Remote) mayAskAgain(now time.Time) bool {
	lately := 0
	for _, t := range r.asked {
		if now.Sub(t) < askWindow {
			lately++
		}
	}
	return lately < askLimit
}

// fly starts a fetch, or joins the one under way.
func (r *Remote) fly() *flight {
	if r.flight != nil {
		return r.flight
	}
	f := &flight{done: make(chan struct{})}
	if r.closed {
		f.err = errClosed
		close(f.done)
		return f
	}
	r.flight = f
	r.work.Go(func() {
		keys, interval, err := r.fetch()
		if err == nil {
			keys.fetched = r.now()
			r.writeLastGood(keys)
		}
		r.land(f, keys, interval, err)
	})
	return f
}

// land takes over what a fetch brought.
func (r *Remote) land(f *flight, keys *goodKeys, interval time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(f.done)
	r.flight = nil
	now := r.now()
	if f.err = err; err != nil {
		r.failures++
		r.failed = err
		// What was discovered may be what is wrong.
		r.discovered = time.Time{}
		r.due = now.Add(jitter(min(lastRetry, firstRetry<<min(r.failures-1, 10))))
	} else {
		if r.good == nil || !bytes.Equal(r.good.text, keys.text) {
			r.generation++
		}
		r.good, r.failures, r.failed = keys, 0, nil
		r.due = now.Add(jitter(interval))
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// jitter spreads fetches over the last fifth of the time.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d/5)+1))
}

// refreshing fetches whenever it is due.
func (r *Remote) refreshing() {
	for {
		r.mu.Lock()
		wait := r.due.Sub(r.now())
		if wait <= 0 && r.flight == nil {
			r.fly()
		}
		busy := r.flight != nil
		r.mu.Unlock()
		var timer <-chan time.Time
		if !busy {
			timer = time.After(wait)
		}
		select {
		case <-r.ctx.Done():
			return
		case <-timer:
		case <-r.wake:
		}
	}
}

// Status is what there is to know about an issuer's keys, as values.
type Status struct {
	Issuer string `json:"issuer"`
	URL    string `json:"url,omitempty"`
	// Ready says that there are keys to verify with.
	Ready bool `json:"ready"`
	// Age is how old they are, Fetched when they came, Next when they are
	// fetched again.
	Age     time.Duration `json:"age_ns"`
	Fetched time.Time     `json:"fetched,omitzero"`
	Next    time.Time     `json:"next,omitzero"`
	// LastError is that of the last fetch, empty after a good one; Failures
	// counts those in a row.
	LastError string `json:"last_error,omitempty"`
	Failures  int    `json:"failures"`
	// Requests counts all requests to the issuer, Generation the changes of its
	// keys: what is cached under one generation must not serve another.
	Requests   uint64   `json:"requests"`
	Generation uint64   `json:"generation"`
	Keys       []Key    `json:"keys"`
	Warnings   []string `json:"warnings,omitempty"`
}

// Status returns the present state.
func (r *Remote) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{Issuer: r.config.Issuer, URL: r.url, Ready: r.usable(), Next: r.due,
		Failures: r.failures, Requests: r.requests, Generation: r.generation}
	if r.failed != nil {
		s.LastError = r.failed.Error()
	}
	for _, w := range []string{r.documentWarning, r.fileWarning} {
		if w != "" {
			s.Warnings = append(s.Warnings, w)
		}
	}
	if r.good != nil {
		s.Fetched, s.Age = r.good.fetched, r.now().Sub(r.good.fetched)
		s.Warnings = append(s.Warnings, r.good.set.warnings...)
	}
	if s.Ready {
		s.Keys = r.good.set.Keys()
	}
	return s
}
