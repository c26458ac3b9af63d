package gate

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/trustcheck/trustcheck/bundles"
)

// What holds where a Config is silent.
const (
	// DefaultDeadline bounds the evaluation of one decision.
	DefaultDeadline = 50 * time.Millisecond
	// DefaultKeyWait bounds how long a request waits for an issuer's keys; they
	// go on being fetched when it is over.
	DefaultKeyWait = time.Second
	// DefaultConcurrency is how many questions are worked on at once. At most a
	// quarter of them may wait for an issuer's keys.
	DefaultConcurrency = 256
	// DefaultRealm is the realm of challenges.
	DefaultRealm = "trustcheck"
)

// RetryAfter is what a refused caller is told to wait where the fault is ours.
const RetryAfter = 5 * time.Second

// Config says whom a gate admits.
type Config struct {
	// Tokens verifies tokens: a verifier.Verifier or a verifier.Set.
	Tokens bundles.TokenVerifier
	// Bundle decides about them.
	Bundle *bundles.Bundle
	// Roles are those that can be asked for, by the names that routes use:
	// letters, digits and . _ @ + = : - , at most 128 of them.
	Roles map[string]Role

	// Replay remembers the tokens of single-use roles; nil is a Memory.
	Replay Replay
	// Identity adds to the headers that an admitted request carries: header
	// names, each with the claim whose value it gets. See Gate.IdentityHeaders.
	Identity map[string]string
	// Basic takes a token as Basic password too, for git, pip and docker.
	Basic bool
	// Realm stands in challenges; empty is DefaultRealm.
	Realm string

	// Log gets one record for each decision; nil is no log. LogClaims are the
	// claims that a record holds of a token that was verified; none by default.
	Log       *slog.Logger
	LogClaims []string

	// Deadline, KeyWait and Concurrency are bounds; 0 is the default of each.
	Deadline    time.Duration
	KeyWait     time.Duration
	Concurrency int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Role is a role as a gate uses it.
type Role struct {
	// Role is the role as the bundle prepared it.
	Role *bundles.Role
	// Context is what the platform knows beside role and token, the same for
	// every request. Header and algorithm of the token are added to it.
	Context map[string]any
	// SingleUse admits each token once, told by iss and jti; a token without
	// jti is refused. A token that any single-use role has admitted is spent for
	// all of them.
	SingleUse bool
}

// Gate decides who is admitted. It may be used by many goroutines.
type Gate struct {
	tokens      bundles.TokenVerifier
	bundle      *bundles.Bundle
	roles       map[string]*route
	replay      Replay
	identity    []header
	basic       bool
	realm       string
	log         *slog.Logger
	logClaims   []string
	deadline    time.Duration
	keyWait     time.Duration
	concurrency int64
	now         func() time.Time
	// atOnce is a context that is over: who is given it waits for nothing.
	atOnce context.Context

	inFlight atomic.Int64
	waiting  atomic.Int64
	counts   counters
}

// route is a role with what is counted of it.
type route struct {
	Role
	count []atomic.Uint64 // by the order of Codes
}

// SettingError says what is wrong with a Config. Setting is the member at fault in
// lower case; limits for the bounds.
type SettingError struct {
	Setting string
	Message string
}

// Error names the setting.
func (e *SettingError) Error() string { return "gate: " + e.Setting + ": " + e.Message }

func setting(name, format string, args ...any) error {
	return &SettingError{name, fmt.Sprintf(format, args...)}
}

// New returns a gate, or a *SettingError.
func New(config Config) (*Gate, error) {
	switch {
	case config.Tokens == nil:
		return nil, setting("tokens", "want a verifier, got none")
	case config.Bundle == nil:
		return nil, setting("bundle", "want one, got none")
	case len(config.Roles) == 0:
		return nil, setting("roles", "want at least one, got none")
	case config.Deadline < 0 || config.KeyWait < 0 || config.Concurrency < 0:
		return nil, setting("limits", "deadline, key wait and concurrency: want 0 or more, got less")
	}
	g := &Gate{
		tokens: config.Tokens, bundle: config.Bundle, roles: make(map[string]*route, len(config.Roles)),
		replay: config.Replay, basic: config.Basic, realm: config.Realm, log: config.Log, logClaims: config.LogClaims,
		deadline: or(config.Deadline, DefaultDeadline), keyWait: or(config.KeyWait, DefaultKeyWait),
		concurrency: int64(or(config.Concurrency, DefaultConcurrency)), now: config.Now,
	}
	var over context.CancelFunc
	g.atOnce, over = context.WithCancel(context.Background())
	over()
	if g.now == nil {
		g.now = time.Now
	}
	if g.replay == nil {
		g.replay = NewMemory(0, g.now)
	}
	if g.realm == "" {
		g.realm = DefaultRealm
	}
	if !realmText.MatchString(g.realm) {
		return nil, setting("realm", `want printable ASCII without " and \, got %q`, g.realm)
	}
	var err error
	if g.identity, err = identityHeaders(config.Identity); err != nil {
		return nil, err
	}
	for name, role := range config.Roles {
		if err := checkRole(name, role); err != nil {
			return nil, err
		}
		g.roles[name] = &route{Role: role, count: make([]atomic.Uint64, len(Codes()))}
	}
	return g, nil
}

func or[T comparable](given, otherwise T) T {
	var zero T
	if given == zero {
		return otherwise
	}
	return given
}

var (
	roleName  = regexp.MustCompile(`^[A-Za-z0-9._@+=:-]{1,128}$`)
	realmText = regexp.MustCompile(`^[ !#-\[\]-~]*$`)
)

func checkRole(name string, role Role) error {
	switch {
	case !roleName.MatchString(name) || name == "." || name == "..":
		return setting("roles", "%q: want a name of 1 to 128 letters, digits and . _ @ + = : -", name)
	case role.Role == nil:
		return setting("roles", "%q: want a prepared role, got none", name)
	case role.Role.Refused != "":
		return setting("roles", "%q: %s would refuse to store it: %s", name, role.Role.Ref.Platform, role.Role.Refused)
	}
	return nil
}

// HasRole reports whether there is a role of that name.
func (g *Gate) HasRole(name string) bool { return g.roles[name] != nil }

// Realm returns the realm of challenges.
func (g *Gate) Realm() string { return g.realm }

// withDeadline bounds an evaluation.
func (g *Gate) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, g.deadline)
}
