package verifier

import (
	"context"
	"fmt"
	"time"
)

// MaxIssuers is how many verifiers a Set holds at most.
const MaxIssuers = 64

// Set verifies tokens of several issuers. It may be used by many goroutines.
type Set struct {
	issuers map[string]*Verifier
}

// NewSet returns a set of verifiers of different issuers.
func NewSet(verifiers ...*Verifier) (*Set, error) {
	if len(verifiers) == 0 || len(verifiers) > MaxIssuers {
		return nil, fmt.Errorf("verifier: want 1 to %d issuers, got %d", MaxIssuers, len(verifiers))
	}
	s := &Set{issuers: make(map[string]*Verifier, len(verifiers))}
	for _, v := range verifiers {
		if s.issuers[v.Issuer()] != nil {
			return nil, fmt.Errorf("verifier: issuer %q is configured twice", v.Issuer())
		}
		s.issuers[v.Issuer()] = v
	}
	return s, nil
}

// Verify hands the token to the verifier of the issuer that it names, as
// [Verifier.Verify] does. Naming an issuer proves nothing: it only selects whose
// keys and rules the token must stand up to. A token of no configured issuer is
// refused before any key is looked at.
func (s *Set) Verify(ctx context.Context, compact string, now time.Time) (*Token, error) {
	t := read(compact)
	if t.claims.Value == nil {
		return nil, &Refusal{t.reasons}
	}
	issuer, present, ok := t.claims.text("iss")
	if v := s.issuers[issuer]; ok && v != nil {
		return v.verify(ctx, t, now)
	}
	switch {
	case !present:
		t.object(reason(MissingIssuer, "claims: no iss"))
	case !ok:
		t.object(reason(BadIssuer, "claims: iss is not a text"))
	default:
		t.object(reason(WrongIssuer, "claims: want iss to be a configured issuer, got another"))
	}
	return nil, &Refusal{t.reasons}
}
