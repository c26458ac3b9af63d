package verifier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
)

// The bounds of a token, in bytes: of the whole text and of its decoded header.
const (
	MaxToken  = 16 << 10
	MaxHeader = 4 << 10
	MaxKeyID  = 1 << 10
)

// Token is a token whose signature, issuer, audience and times have been
// checked. Only a [Verifier] makes one.
type Token struct {
	Claims    Claims
	Header    Claims
	Algorithm string
	// KeyID is the header's kid, empty if it has none.
	KeyID string

	Issuer   string
	Subject  string
	Audience []string
	// Expires is exp cut to nanoseconds.
	Expires time.Time
	// SHA256 is the hexadecimal digest of the compact serialization.
	SHA256 string
}

// Ref describes the token for a decision.
func (t *Token) Ref() *trustcheck.TokenRef {
	expires := t.Expires
	return &trustcheck.TokenRef{Issuer: t.Issuer, Subject: t.Subject, Audience: t.Audience,
		Expires: &expires, SHA256: t.SHA256}
}

// Unverified is what a token says of itself. Nobody has checked who wrote it:
// it is for showing to people and must not decide anything.
type Unverified struct {
	// Header and Claims have a nil Value where they could not be read.
	Header Claims
	Claims Claims
	// Algorithm and KeyID are the header's alg and kid where they are texts.
	Algorithm string
	KeyID     string
	Signature []byte
	// SHA256 is the hexadecimal digest of the text as it came.
	SHA256 string
}

// ReadToken reads a compact JWT as strictly as [Verifier.Verify] does but
// checks no signature, issuer, audience or time. Parts that cannot be read stay
// empty; the reasons tell why. What it returns is for inspection only.
func ReadToken(compact string) (*Unverified, []trustcheck.TokenReason) {
	t := read(compact)
	return &Unverified{
		Header: t.header, Claims: t.claims, Algorithm: t.algorithm, KeyID: t.keyID,
		Signature: t.signature, SHA256: digest([]byte(compact)),
	}, t.reasons
}

func digest(compact []byte) string {
	sum := sha256.Sum256(compact)
	return hex.EncodeToString(sum[:])
}

// reading is a token read once, with every objection so far. The same reading
// serves our own checks, the key set that go-oidc asks, and the policy.
type reading struct {
	compact string
	text    []byte
	// signed is what the signature is over: header and payload as they came. It
	// is nil where the text is no compact token.
	signed    []byte
	header    Claims
	claims    Claims
	payload   []byte
	signature []byte

	algorithm string
	keyID     string
	hasKeyID  bool
	// checkable says that header and signature are fit for looking up a key.
	checkable bool

	reasons []trustcheck.TokenReason
	// issuer, subject, audience, expires: set by the verifier's checks.
	issuer, subject string
	audience        []string
	expires         instant
}

func (t *reading) object(reasons ...trustcheck.TokenReason) {
	t.reasons = append(t.reasons, reasons...)
}

// read takes a compact JWT apart and reads header and claims.
func read(compact string) *reading {
	t := split(compact)
	if t.signed == nil {
		return t
	}
	if t.decodePayload(); t.payload != nil {
		t.claims = t.json(t.payload, "claims", claimNames)
	}
	return t
}

func (t *reading) decodePayload() {
	t.payload = t.decode("payload", t.compact[bytes.IndexByte(t.signed, '.')+1:len(t.signed)])
}

// split takes a compact JWS apart and reads its header, not its payload. signed
// stays nil if the text is no compact JWS.
func split(compact string) *reading {
	t := &reading{compact: compact}
	if len(compact) > MaxToken {
		t.object(reason(TooLarge, "token: %d bytes, want at most %d", len(compact), MaxToken))
		return t
	}
	dots := strings.Count(compact, ".")
	switch {
	case strings.HasPrefix(strings.TrimLeft(compact, " \t\r\n"), "{"):
		t.object(reason(UnsupportedSerialization, "token: JSON serialization, want the compact one"))
		return t
	case dots == 4:
		t.object(reason(Encrypted, "token: five parts, an encrypted token; want three"))
		return t
	case dots != 2:
		t.object(reason(NotAJWT, "token: %d parts separated by dots, want three", dots+1))
		return t
	}
	first, last := strings.IndexByte(compact, '.'), strings.LastIndexByte(compact, '.')
	t.text = []byte(compact)
	t.signed = t.text[:last]
	if text := t.decode("header", compact[:first]); text != nil {
		if len(text) > MaxHeader {
			t.object(reason(TooLarge, "header: %d bytes, want at most %d", len(text), MaxHeader))
		} else {
			t.header = t.json(text, "header", headerNames)
		}
	}
	t.signature = t.decode("signature", compact[last+1:])
	if t.header.Value != nil {
		t.checkHeader()
	}
	t.checkable = len(t.reasons) == 0
	return t
}

// decode decodes canonical base64url: no padding, no other character, no bits
// left over. It returns nil after an objection, never nil otherwise.
func (t *reading) decode(part, encoded string) []byte {
	// Even a strict decoder skips line ends.
	if strings.ContainsAny(encoded, "\r\n") {
		t.object(reason(BadEncoding, "%s: a line end inside base64url", part))
		return nil
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		t.object(reason(BadEncoding, "%s: want unpadded canonical base64url", part))
		return nil
	}
	return decoded
}

func (t *reading) json(text []byte, part string, top names) Claims {
	value, objections, fault := readObject(text, part, top)
	t.object(objections...)
	if fault != nil {
		t.object(*fault)
	}
	return value
}

// checkHeader applies the rules that hold whatever the key. Embedded keys and
// their addresses (jwk, jku, x5u, x5c) are not looked at: no key comes from
// them and no request goes to them. go-oidc refuses malformed ones.
func (t *reading) checkHeader() {
	alg, present, ok := t.header.text("alg")
	switch {
	case !present:
		t.object(reason(MissingAlgorithm, "header: no alg"))
	case !ok:
		t.object(reason(UnsupportedAlgorithm, "header: alg is not a text"))
	default:
		if _, known := algorithmNamed(alg); !known {
			t.object(reason(UnsupportedAlgorithm, "header: want an asymmetric signature algorithm, got another"))
		}
	}
	t.algorithm = alg
	if t.header.has("crit") {
		t.object(reason(CriticalHeader, "header: crit is present, but no extension is understood"))
	}
	if t.header.has("b64") {
		t.object(reason(UnencodedPayload, "header: b64 is present, which RFC 7797 section 7 forbids in a JWT"))
	}
	for _, name := range []string{"typ", "cty"} {
		if _, present, ok := t.header.text(name); present && !ok {
			t.object(reason(BadHeader, "header: %s is not a text", name))
		}
	}
	t.keyID, t.hasKeyID, ok = t.header.text("kid")
	if t.hasKeyID && !ok {
		t.object(reason(BadKeyID, "header: kid is not a text"))
	} else if len(t.keyID) > MaxKeyID {
		t.object(reason(BadKeyID, "header: a kid of %d bytes, want at most %d", len(t.keyID), MaxKeyID))
	}
}

func (c Claims) has(name string) bool {
	return c.Value.Get(ast.InternedTerm(name)) != nil
}

// readingKey carries the reading of a token past go-oidc to our key set.
type readingKey struct{}

func (t *reading) attach(ctx context.Context) context.Context {
	return context.WithValue(ctx, readingKey{}, t)
}
