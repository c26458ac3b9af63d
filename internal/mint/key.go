package mint

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Key is a throw-away signing key. The private half cannot be taken out of it,
// and printing a Key does not show it.
type Key struct {
	// ID is the kid. NewKey makes it the key's thumbprint (RFC 7638, SHA-256).
	ID string
	// Algorithm is the one that the key was made for, in the names of RFC 7518.
	Algorithm string

	private crypto.Signer
}

// Algorithms lists the algorithms that a key can be made for.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// NewKey makes a fresh key for an algorithm: RSA of 2048 bits, the curve that goes
// with an ES algorithm, or Ed25519.
func NewKey(alg string) (Key, error) {
	private, err := generate(alg)
	if err != nil {
		return Key{}, err
	}
	jwk := jose.JSONWebKey{Key: private.Public()}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, fmt.Errorf("make a key for %s: %w", alg, err)
	}
	return Key{ID: base64.RawURLEncoding.EncodeToString(thumbprint), Algorithm: alg, private: private}, nil
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	default:
		return nil, unknownAlgorithm(alg)
	}
}

func unknownAlgorithm(alg string) error {
	return fmt.Errorf("unknown algorithm %q, want one of %s", alg, strings.Join(Algorithms(), ", "))
}

// String names the key without its private half.
func (k Key) String() string { return k.Algorithm + " key " + k.ID }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// Sign returns the claims as a JWS in compact serialization with a header of
// alg, kid and typ, as GitLab and GitHub write it. An empty alg or kid is the
// key's own; another kid makes a token whose key is not found. Signing with an
// algorithm that the key cannot do is an error.
func Sign(key Key, alg, kid string, claims map[string]any) (string, error) {
	if alg == "" {
		alg = key.Algorithm
	}
	if kid == "" {
		kid = key.ID
	}
	if !slices.Contains(Algorithms(), alg) {
		return "", unknownAlgorithm(alg)
	}
	payload, err := marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write the claims: %w", err)
	}
	options := new(jose.SignerOptions).WithType("JWT").WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key.private}, options)
	if err != nil {
		return "", fmt.Errorf("sign with %s and the %s: %w", alg, key, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign with %s and the %s: %w", alg, key, err)
	}
	return signed.CompactSerialize()
}

// marshal writes claims as one line of JSON, their members in alphabetical order
// and & < > as they are.
func marshal(claims map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(claims); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// JWKS returns the public halves of keys as a JSON Web Key Set.
func JWKS(keys ...Key) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"})
	}
	text, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the key set: %w", err)
	}
	return append(text, '\n'), nil
}
