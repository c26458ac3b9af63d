package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/open-policy-agent/opa/v1/ast"
)

// DefaultLeeway is how far clocks may be apart where Config says nothing,
// MaxLeeway how far they may be at most.
const (
	DefaultLeeway = 30 * time.Second
	MaxLeeway     = 5 * time.Minute
)

// Config says which tokens to take.
type Config struct {
	// Issuer is what iss must be, code point for code point.
	Issuer string
	// Audiences are those of which aud must name at least one. An empty list is
	// an error: a token for anybody is a token for nobody.
	Audiences []string
	// Algorithms are the names of the allowed ones, of those that Algorithms
	// lists; empty allows all of them.
	Algorithms []string
	// Leeway is added to exp and taken from nbf and iat. Nil is DefaultLeeway;
	// negative or more than MaxLeeway is an error.
	Leeway *time.Duration
	// MaxLifetime bounds exp minus iat, MaxAge now minus iat (plus leeway); 0
	// does not. A token without iat is refused where one is set.
	MaxLifetime time.Duration
	MaxAge      time.Duration
	// Keys are the issuer's.
	Keys KeySource
}

// KeySource has an issuer's keys.
type KeySource interface {
	// Current returns the keys to verify a token with, now. An error means
	// that it is not known which they are.
	Current(context.Context, Want) (*JWKS, error)
}

// Want is what a token asks of a KeySource.
type Want struct {
	// KeyID is the token's kid; HasKeyID tells an empty one from none.
	KeyID    string
	HasKeyID bool
	// MayAsk says that nothing is known against the token yet: well-formed, of
	// this issuer and for this audience, of an allowed algorithm, unexpired.
	// Only such a token is worth a request to the issuer.
	MayAsk bool
}

// Verifier checks the tokens of one issuer. It may be used by many goroutines.
type Verifier struct {
	config Config
	leeway time.Duration
	oidc   *oidc.Config
}

// New returns a verifier, or an error that names the setting at fault.
func New(config Config) (*Verifier, error) {
	if config.Issuer == "" {
		return nil, errors.New("verifier: issuer: want a text, got an empty one")
	}
	if len(config.Audiences) == 0 || slices.Contains(config.Audiences, "") {
		return nil, errors.New("verifier: audiences: want at least one and none empty; without, tokens for anybody else would pass")
	}
	algorithms := slices.Clone(config.Algorithms)
	if len(algorithms) == 0 {
		algorithms = Algorithms()
	}
	for _, name := range algorithms {
		if _, ok := algorithmNamed(name); !ok {
			return nil, fmt.Errorf("verifier: algorithms: want asymmetric signature algorithms such as RS256, got %q", name)
		}
	}
	leeway := DefaultLeeway
	if config.Leeway != nil {
		leeway = *config.Leeway
	}
	if leeway < 0 || leeway > MaxLeeway {
		return nil, fmt.Errorf("verifier: leeway: want 0 to %v, got %v", MaxLeeway, leeway)
	}
	if config.MaxLifetime < 0 || config.MaxAge < 0 {
		return nil, errors.New("verifier: maximum lifetime and age: want 0 or more, got less")
	}
	if config.Keys == nil {
		return nil, errors.New("verifier: keys: want a key source, got none")
	}
	config.Audiences, config.Algorithms, config.Leeway = slices.Clone(config.Audiences), algorithms, nil
	return &Verifier{config: config, leeway: leeway, oidc: &oidc.Config{
		SupportedSigningAlgs: algorithms,
		// Audience and times are ours: go-oidc knows one audience only, and its
		// leeways are fixed (none for exp, five minutes for nbf).
		SkipClientIDCheck: true,
		SkipExpiryCheck:   true,
	}}, nil
}

// Issuer returns the configured issuer.
func (v *Verifier) Issuer() string { return v.config.Issuer }

// Keys returns the configured key source.
func (v *Verifier) Keys() KeySource { return v.config.Keys }

// Verify checks a compact JWT as of now. The error is a [*Refusal] with every
// fault if the token is bad, an [*Unavailable] if nothing is known against it
// but its issuer's keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, compact string, now time.Time) (*Token, error) {
	return v.verify(ctx, read(compact), now)
}

func (v *Verifier) verify(ctx context.Context, t *reading, now time.Time) (*Token, error) {
	allowed := slices.Contains(v.config.Algorithms, t.algorithm)
	if _, known := algorithmNamed(t.algorithm); known && !allowed {
		t.object(reason(UnsupportedAlgorithm, "header: alg %s is not among the configured algorithms", t.algorithm))
	}
	ours := false
	if t.claims.Value != nil {
		ours = v.checkClaims(t, at(now))
	}
	// No key is touched for another issuer's token, nor for one whose header or
	// algorithm is refused.
	if ours && allowed && t.checkable {
		if err := v.checkSignature(ctx, t); err != nil && len(t.reasons) == 0 {
			return nil, &Unavailable{Issuer: v.config.Issuer, Err: err}
		}
	}
	if len(t.reasons) > 0 {
		return nil, &Refusal{t.reasons}
	}
	return &Token{
		Claims: t.claims, Header: t.header, Algorithm: t.algorithm, KeyID: t.keyID,
		Issuer: t.issuer, Subject: t.subject, Audience: t.audience,
		Expires: t.expires.time(), SHA256: digest(t.text),
	}, nil
}

// checkSignature verifies the signature; of a token that is good so far, as
// part of go-oidc's own verification. The error is the key source's.
func (v *Verifier) checkSignature(ctx context.Context, t *reading) error {
	good := len(t.reasons) == 0
	keys, err := v.config.Keys.Current(ctx, Want{KeyID: t.keyID, HasKeyID: t.hasKeyID, MayAsk: good})
	if err != nil {
		return err
	}
	if !good {
		keys.check(t)
		return nil
	}
	second, err := oidc.NewVerifier(v.config.Issuer, keys, v.oidc).Verify(t.attach(ctx), t.compact)
	switch {
	case len(t.reasons) > 0:
		// Our key set refused; go-oidc's error only repeats it.
	case err != nil:
		// The error itself is kept back: it may quote claims.
		t.object(reason(Disagreement, "second opinion: go-oidc refused the token"))
	case second.Issuer != t.issuer || second.Subject != t.subject || !slices.Equal(second.Audience, t.audience) ||
		second.Expiry.Sub(t.expires.time()).Abs() > time.Second:
		t.object(reason(Disagreement, "second opinion: go-oidc read iss, sub, aud or exp differently"))
	}
	return nil
}

// checkClaims checks issuer, audience and times and reports whether the token
// says that it is of our issuer.
func (v *Verifier) checkClaims(t *reading, now instant) bool {
	ours := v.checkIssuer(t)
	subject, present, ok := t.claims.text("sub")
	if present && !ok {
		t.object(reason(BadSubject, "claims: sub is not a text"))
	}
	t.subject = subject
	v.checkAudience(t)
	v.checkTimes(t, now)
	return ours
}

func (v *Verifier) checkIssuer(t *reading) bool {
	issuer, present, ok := t.claims.text("iss")
	switch {
	case !present:
		t.object(reason(MissingIssuer, "claims: no iss"))
	case !ok:
		t.object(reason(BadIssuer, "claims: iss is not a text"))
	case issuer != v.config.Issuer:
		t.object(reason(WrongIssuer, "claims: want iss %q, got another", v.config.Issuer))
	default:
		t.issuer = issuer
		return true
	}
	return false
}

func (v *Verifier) checkAudience(t *reading) {
	aud := t.claims.Value.Get(ast.InternedTerm("aud"))
	if aud == nil {
		t.object(reason(MissingAudience, "claims: no aud"))
		return
	}
	switch value := aud.Value.(type) {
	case ast.String:
		t.audience = []string{string(value)}
	case *ast.Array:
		for i := range value.Len() {
			s, ok := value.Elem(i).Value.(ast.String)
			if !ok {
				t.audience = nil
				break
			}
			t.audience = append(t.audience, string(s))
		}
	}
	if t.audience == nil {
		t.object(reason(BadAudience, "claims: aud: want a text or a list of texts, got something else or an empty list"))
		return
	}
	for _, wanted := range v.config.Audiences {
		if slices.Contains(t.audience, wanted) {
			return
		}
	}
	t.object(reason(WrongAudience, "claims: want aud to name one of %q, got others", v.config.Audiences))
}

func (v *Verifier) checkTimes(t *reading, now instant) {
	early, late := now.add(v.leeway), now.add(-v.leeway)
	exp, hasExp, expOK := t.seconds("exp")
	if !hasExp {
		t.object(reason(MissingExpiry, "claims: no exp"))
	} else if expOK {
		t.expires = exp
		if exp.compare(late) <= 0 {
			t.object(reason(Expired, "claims: now is at or after exp, with a leeway of %v", v.leeway))
		}
	}
	if nbf, _, ok := t.seconds("nbf"); ok && early.compare(nbf) < 0 {
		t.object(reason(NotYetValid, "claims: now is before nbf, with a leeway of %v", v.leeway))
	}
	iat, hasIat, iatOK := t.seconds("iat")
	if !hasIat && (v.config.MaxAge > 0 || v.config.MaxLifetime > 0) {
		t.object(reason(MissingIssuedAt, "claims: no iat, which the maximum age or lifetime needs"))
	}
	if !iatOK {
		return
	}
	if early.compare(iat) < 0 {
		t.object(reason(IssuedInFuture, "claims: now is before iat, with a leeway of %v", v.leeway))
	}
	if v.config.MaxAge > 0 && iat.add(v.config.MaxAge).compare(late) < 0 {
		t.object(reason(TooOld, "claims: iat is longer ago than %v, with a leeway of %v", v.config.MaxAge, v.leeway))
	}
	if v.config.MaxLifetime > 0 && expOK && iat.add(v.config.MaxLifetime).compare(exp) < 0 {
		t.object(reason(LifetimeTooLong, "claims: exp is more than %v after iat", v.config.MaxLifetime))
	}
}

// seconds reads a NumericDate; ok tells that it is present and in range.
func (t *reading) seconds(name string) (when instant, present, ok bool) {
	term := t.claims.Value.Get(ast.InternedTerm(name))
	if term == nil {
		return instant{}, false, false
	}
	if number, isNumber := term.Value.(ast.Number); isNumber {
		when, ok = parseInstant(string(number))
	}
	if !ok {
		t.object(reason(BadTime, "claims: %s: want a number of seconds from 0 to %d, got something else", name, lastSecond))
	}
	return when, true, ok
}
