package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256 for crypto.Hash
	_ "crypto/sha512" // SHA-384 and SHA-512
	"math/big"
)

// Algorithms returns the ten signature algorithms of RFC 7518 section 3.1 and
// RFC 8037 section 3.1 that use a public key. There are no others: none and the
// symmetric ones cannot be configured.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// algorithm says what a key must be to serve an algorithm.
type algorithm struct {
	kty  string
	crv  string
	hash crypto.Hash
	pss  bool
}

func algorithmNamed(name string) (algorithm, bool) {
	switch name {
	case "RS256":
		return algorithm{kty: "RSA", hash: crypto.SHA256}, true
	case "RS384":
		return algorithm{kty: "RSA", hash: crypto.SHA384}, true
	case "RS512":
		return algorithm{kty: "RSA", hash: crypto.SHA512}, true
	case "PS256":
		return algorithm{kty: "RSA", hash: crypto.SHA256, pss: true}, true
	case "PS384":
		return algorithm{kty: "RSA", hash: crypto.SHA384, pss: true}, true
	case "PS512":
		return algorithm{kty: "RSA", hash: crypto.SHA512, pss: true}, true
	case "ES256":
		return algorithm{kty: "EC", crv: "P-256", hash: crypto.SHA256}, true
	case "ES384":
		return algorithm{kty: "EC", crv: "P-384", hash: crypto.SHA384}, true
	case "ES512":
		return algorithm{kty: "EC", crv: "P-521", hash: crypto.SHA512}, true
	case "EdDSA":
		return algorithm{kty: "OKP", crv: "Ed25519"}, true
	}
	return algorithm{}, false
}

// verify reports whether signature is key's over signed. The key has been found
// to fit the algorithm before.
func (a algorithm) verify(key crypto.PublicKey, signed, signature []byte) bool {
	if a.hash == 0 {
		public, ok := key.(ed25519.PublicKey)
		return ok && ed25519.Verify(public, signed, signature)
	}
	h := a.hash.New()
	h.Write(signed)
	sum := h.Sum(nil)
	switch public := key.(type) {
	case *rsa.PublicKey:
		if a.pss {
			// RFC 7518 section 3.5: the salt is as long as the hash.
			return rsa.VerifyPSS(public, a.hash, sum, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(public, a.hash, sum, signature) == nil
	case *ecdsa.PublicKey:
		// RFC 7518 section 3.4: r and s, each as long as a coordinate.
		size := (public.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, sum, r, s)
	}
	return false
}
