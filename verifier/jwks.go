package verifier

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck"
)

// The bounds of a JWK Set: its text in bytes, its entries in number.
const (
	MaxJWKS = 512 << 10
	MaxKeys = 64

	// maxTried is how many keys of one kid a token is tried against.
	maxTried = 4
)

// JWKS is a JWK Set (RFC 7517 section 5) of which every usable key has been
// read. It does not change. It is a [KeySource] that never asks anybody, and an
// oidc.KeySet of its own.
type JWKS struct {
	keys     []jwk
	known    map[string]bool
	warnings []string
}

// jwk is one usable key.
type jwk struct {
	kid    string
	hasKID bool
	kty    string
	crv    string
	alg    string
	public crypto.PublicKey
	// thumbprint is the key's RFC 7638 thumbprint with SHA-256.
	thumbprint string
}

// Key describes a usable key of a set.
type Key struct {
	KeyID string `json:"kid,omitempty"`
	// Type is RSA, EC or OKP, Curve its curve.
	Type  string `json:"kty"`
	Curve string `json:"crv,omitempty"`
	// Algorithm is the one algorithm that the set allows the key, empty if it
	// leaves that open.
	Algorithm string `json:"alg,omitempty"`
	// Thumbprint is that of RFC 7638 with SHA-256.
	Thumbprint string `json:"thumbprint"`
}

// ParseJWKS reads a JWK Set. A key that cannot or must not be used is left out
// with a warning and spoils nothing (RFC 7517 section 5); the error is for a
// text that is no JWK Set or exceeds a bound. A set without a single usable key
// is a set: see [JWKS.Keys].
func ParseJWKS(text []byte) (*JWKS, error) {
	entries, err := jwksEntries(text)
	if err != nil {
		return nil, fmt.Errorf("read JWKS: %w", err)
	}
	set := &JWKS{known: make(map[string]bool, len(entries))}
	for i, entry := range entries {
		key, err := parseJWK(entry)
		if key.hasKID {
			set.known[key.kid] = true
		}
		if err != nil {
			set.warn("key %d (%s) is not used: %v", i, key.label(), err)
			continue
		}
		for _, other := range set.keys {
			if key.hasKID && other.hasKID && key.kid == other.kid && key.kty == other.kty {
				set.warn("key %d (%s) has the kid of another %s key", i, key.label(), key.kty)
				break
			}
		}
		set.keys = append(set.keys, key)
	}
	if len(set.keys) == 0 {
		set.warn("the set of %d keys holds no usable one", len(entries))
	}
	return set, nil
}

// ReadJWKSFile reads a JWK Set from a file.
func ReadJWKSFile(path string) (*JWKS, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read JWKS: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxJWKS+1))
	if err != nil {
		return nil, fmt.Errorf("read JWKS: %w", err)
	}
	set, err := ParseJWKS(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

func (s *JWKS) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// Warnings tells which keys are not used and why.
func (s *JWKS) Warnings() []string { return slices.Clone(s.warnings) }

// Keys describes the usable keys, in the order of the set.
func (s *JWKS) Keys() []Key {
	keys := make([]Key, len(s.keys))
	for i, k := range s.keys {
		keys[i] = Key{KeyID: k.kid, Type: k.kty, Curve: k.crv, Algorithm: k.alg, Thumbprint: k.thumbprint}
	}
	return keys
}

// Current returns the set itself.
func (s *JWKS) Current(context.Context, Want) (*JWKS, error) { return s, nil }

// fitting returns the keys that may have made a signature, or the reason why
// there are none.
func (s *JWKS) fitting(t *reading) ([]jwk, *trustcheck.TokenReason) {
	a, _ := algorithmNamed(t.algorithm)
	var fit []jwk
	for _, k := range s.keys {
		if t.hasKeyID && !(k.hasKID && k.kid == t.keyID) {
			continue
		}
		if k.kty == a.kty && k.crv == a.crv && (k.alg == "" || k.alg == t.algorithm) {
			fit = append(fit, k)
		}
	}
	var refused trustcheck.TokenReason
	switch {
	case len(fit) == 1, len(fit) > 1 && len(fit) <= maxTried && t.hasKeyID:
		// Two keys of one kid and type break RFC 7517 section 4.5; both are
		// tried.
		return fit, nil
	case len(fit) > 1 && t.hasKeyID:
		refused = reason(AmbiguousKey, "key: %d keys of this kid fit the algorithm, want at most %d", len(fit), maxTried)
	case len(fit) > 1:
		refused = reason(AmbiguousKey, "header: no kid, and %d keys fit the algorithm", len(fit))
	case len(s.keys) == 0:
		refused = reason(NoUsableKey, "key set: no usable key")
	case !t.hasKeyID:
		refused = reason(NoUsableKey, "header: no kid, and no key fits the algorithm")
	case s.known[t.keyID]:
		refused = reason(AlgorithmMismatch, "key: the key of this kid is not for this algorithm, or cannot be used")
	default:
		refused = reason(UnknownKey, "key: the issuer has no key of this kid")
	}
	return nil, &refused
}

// VerifySignature verifies a compact JWS against the set and returns its
// payload. It is the one method of oidc.KeySet and checks no claim; the error
// is a [*Refusal].
func (s *JWKS) VerifySignature(ctx context.Context, compact string) ([]byte, error) {
	t, ok := ctx.Value(readingKey{}).(*reading)
	if !ok || t.compact != compact {
		t = split(compact)
		if t.signed != nil {
			t.decodePayload()
		}
	}
	if len(t.reasons) == 0 {
		s.check(t)
	}
	if len(t.reasons) != 0 {
		return nil, &Refusal{t.reasons}
	}
	return t.payload, nil
}

// check verifies the signature of a token whose header is in order.
func (s *JWKS) check(t *reading) {
	keys, refused := s.fitting(t)
	if refused != nil {
		t.object(*refused)
		return
	}
	a, _ := algorithmNamed(t.algorithm)
	for _, k := range keys {
		if a.verify(k.public, t.signed, t.signature) {
			return
		}
	}
	t.object(reason(BadSignature, "signature: does not verify"))
}

// jwksEntries returns the texts of the keys, unread.
func jwksEntries(text []byte) ([]json.RawMessage, error) {
	if len(text) > MaxJWKS {
		return nil, fmt.Errorf("want at most %d bytes", MaxJWKS)
	}
	// The decoder is asked token by token because decoding into a struct would
	// take KEYS for keys and the last of two.
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("want a JSON object with a member keys, got something else")
	}
	var list json.RawMessage
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("not JSON")
		}
		if name != "keys" {
			continue
		}
		if list != nil {
			return nil, errors.New("two members keys")
		}
		list = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	if list == nil || list[0] != '[' {
		return nil, errors.New("want a list as member keys, got none")
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(list, &entries); err != nil {
		return nil, errors.New("not JSON")
	}
	if len(entries) > MaxKeys {
		return nil, fmt.Errorf("%d keys, want at most %d", len(entries), MaxKeys)
	}
	return entries, nil
}

func (k jwk) label() string {
	if !k.hasKID {
		return "no kid"
	}
	return fmt.Sprintf("kid %.64q", k.kid)
}

// parseJWK reads one key. Whatever the error, the kid is there if the key has
// one.
func parseJWK(text []byte) (jwk, error) {
	value, objections, fault := readObject(text, "key", jwkNames)
	if fault != nil {
		return jwk{}, errors.New(fault.Message)
	}
	m := members{Claims: value}
	k := jwk{hasKID: value.has("kid")}
	k.kid = m.optional("kid")
	if len(objections) > 0 {
		m.fail("%s", objections[0].Message)
	}
	if len(k.kid) > MaxKeyID {
		m.fail("a kid of %d bytes, want at most %d", len(k.kid), MaxKeyID)
	}
	k.kty = m.required("kty")
	k.alg = m.optional("alg")
	m.purpose()
	if m.err != nil {
		return k, m.err
	}
	named, known := algorithmNamed(k.alg)
	if k.alg != "" && !known {
		return k, fmt.Errorf("alg %.32q is no asymmetric signature algorithm", k.alg)
	}
	switch k.kty {
	case "RSA":
		k.rsa(&m)
	case "EC":
		k.ec(&m)
	case "OKP":
		k.okp(&m)
	case "oct":
		m.fail("a symmetric key: whoever reads the set could sign with it")
	default:
		m.fail("unknown kty %.32q", k.kty)
	}
	if known && (named.kty != k.kty || named.crv != k.crv) {
		m.fail("alg %s does not fit the key's type or curve", k.alg)
	}
	return k, m.err
}

// members reads the members of a JWK and keeps the first thing wrong.
type members struct {
	Claims
	err error
}

func (m *members) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

func (m *members) optional(name string) string {
	s, present, ok := m.text(name)
	if present && !ok {
		m.fail("%s is not a text", name)
	}
	return s
}

func (m *members) required(name string) string {
	if !m.has(name) {
		m.fail("%s is missing", name)
	}
	return m.optional(name)
}

// bytes decodes a required member of unpadded base64url.
func (m *members) bytes(name string) []byte {
	text := m.required(name)
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		m.fail("%s is not unpadded base64url", name)
	}
	return decoded
}

// purpose checks use and key_ops (RFC 7517 sections 4.2 and 4.3).
func (m *members) purpose() {
	if m.has("use") {
		if use := m.optional("use"); use != "sig" {
			m.fail("use is %.32q, want sig", use)
		}
	}
	ops := m.Value.Get(ast.InternedTerm("key_ops"))
	if ops == nil {
		return
	}
	list, ok := ops.Value.(*ast.Array)
	if !ok {
		m.fail("key_ops is not a list")
		return
	}
	seen := make(map[ast.String]bool)
	list.Foreach(func(t *ast.Term) {
		op, ok := t.Value.(ast.String)
		if !ok || seen[op] {
			m.fail("key_ops is not a list of different texts")
		}
		seen[op] = true
	})
	if !seen["verify"] {
		m.fail("key_ops does not hold verify")
	}
}

// public fails if the key carries any of the private members.
func (m *members) public(private ...string) {
	for _, name := range private {
		if m.has(name) {
			m.fail("a private key (%s): it is published and must be taken for stolen", name)
		}
	}
}

func (k *jwk) rsa(m *members) {
	m.public("d", "p", "q", "dp", "dq", "qi", "oth")
	n, e := new(big.Int).SetBytes(m.bytes("n")), new(big.Int).SetBytes(m.bytes("e"))
	if m.err != nil {
		return
	}
	switch bits := n.BitLen(); {
	case bits < 2048 || bits > 8192:
		m.fail("an RSA modulus of %d bits, want 2048 to 8192", bits)
	case n.Bit(0) == 0:
		m.fail("an even RSA modulus")
	case e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0:
		m.fail("RSA exponent: want an odd number from 3 to 2147483647")
	case roca(n):
		m.fail("an RSA modulus of the weak form of CVE-2017-15361 (ROCA)")
	}
	k.public = &rsa.PublicKey{N: n, E: int(e.Int64())}
	k.identify(`{"e":"%s","kty":"RSA","n":"%s"}`, e.Bytes(), n.Bytes())
}

func (k *jwk) ec(m *members) {
	m.public("d")
	k.crv = m.required("crv")
	x, y := m.bytes("x"), m.bytes("y")
	if m.err != nil {
		return
	}
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.crv]
	if !ok {
		m.fail("unknown curve %.32q", k.crv)
		return
	}
	// RFC 7518 section 6.2.1.2: a coordinate has the full length of the field.
	if size := (curve.Params().BitSize + 7) / 8; len(x) != size || len(y) != size {
		m.fail("coordinates of %d and %d bytes, want %d", len(x), len(y), size)
		return
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		m.fail("the point is not on the curve")
		return
	}
	k.public = public
	k.identify(`{"crv":"`+k.crv+`","kty":"EC","x":"%s","y":"%s"}`, x, y)
}

func (k *jwk) okp(m *members) {
	m.public("d")
	k.crv = m.required("crv")
	x := m.bytes("x")
	if m.err != nil {
		return
	}
	if k.crv != "Ed25519" {
		m.fail("unknown curve %.32q", k.crv)
		return
	}
	if len(x) != ed25519.PublicKeySize {
		m.fail("x of %d bytes, want %d", len(x), ed25519.PublicKeySize)
		return
	}
	if smallOrder(x) {
		m.fail("an Ed25519 point of small order, for which anybody can sign")
		return
	}
	k.public = ed25519.PublicKey(x)
	k.identify(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, x)
}

// smallOrder reports whether x encodes a point of the small subgroup of
// edwards25519, canonically or not. The sign bit does not matter.
func smallOrder(x []byte) bool {
	masked := bytes.Clone(x)
	masked[31] &= 0x7f
	return slices.Contains([]string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	}, hex.EncodeToString(masked))
}

// identify sets the thumbprint: the required members in order, hashed (RFC 7638
// section 3, RFC 8037 section 2).
func (k *jwk) identify(format string, values ...[]byte) {
	encoded := make([]any, len(values))
	for i, v := range values {
		encoded[i] = base64.RawURLEncoding.EncodeToString(v)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, format, encoded...))
	k.thumbprint = base64.RawURLEncoding.EncodeToString(sum[:])
}

// roca reports whether n looks like a modulus of the faulty generator of
// CVE-2017-15361, whose primes are powers of 65537 modulo a product of small
// primes; so the modulus is one too, modulo each of them. An honest modulus is
// one in less than a hundred million times. Nemec et al., "The Return of
// Coppersmith's Attack", CCS 2017, section 2.
func roca(n *big.Int) bool {
	remainder := new(big.Int)
	for p := int64(3); p <= 167; p += 2 {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		want := remainder.Mod(n, big.NewInt(p)).Int64()
		power := int64(1)
		for range p {
			if power == want {
				break
			}
			power = power * 65537 % p
		}
		if power != want {
			return false
		}
	}
	return true
}
