package verifier_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck/verifier"
)

// issuer makes a throw-away key and tokens signed with it.
func issuer() (jwks []byte, sign func(claims string) string) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	jwks = fmt.Appendf(nil, `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"2026","x":%q}]}`, b64(public))
	return jwks, func(claims string) string {
		signed := b64([]byte(`{"alg":"EdDSA","kid":"2026"}`)) + "." + b64([]byte(claims))
		return signed + "." + b64(ed25519.Sign(private, []byte(signed)))
	}
}

func Example() {
	jwks, sign := issuer()
	keys, err := verifier.ParseJWKS(jwks)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := verifier.New(verifier.Config{
		Issuer:    "https://gitlab.example.com",
		Audiences: []string{"https://vault.example.com"},
		Keys:      keys,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

	token, err := v.Verify(context.Background(), sign(`{"iss":"https://gitlab.example.com","aud":"https://vault.example.com",
		"sub":"project_path:acme/app:ref_type:branch:ref:main","exp":1795176600,"ref_protected":"true"}`), now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Subject, "until", token.Expires.Format(time.RFC3339))
	fmt.Println("ref_protected:", token.Claims.Value.Get(ast.StringTerm("ref_protected")))

	_, err = v.Verify(context.Background(), sign(`{"iss":"https://gitlab.example.com","aud":"https://other.example.com",
		"exp":1795176600,"EXP":1999999999,"nbf":1795180000}`), now)
	var refusal *verifier.Refusal
	if errors.As(err, &refusal) {
		for _, r := range refusal.Reasons {
			fmt.Println(r.Code)
		}
	}
	// Output:
	// project_path:acme/app:ref_type:branch:ref:main until 2026-11-20T12:10:00Z
	// ref_protected: "true"
	// ambiguous_claim
	// wrong_audience
	// not_yet_valid
}

// A dead issuer is another answer than a bad token.
func ExampleRemote() {
	_, sign := issuer()
	keys, err := verifier.NewRemote(verifier.RemoteConfig{
		Issuer:  "https://127.0.0.1:1",
		Network: verifier.Network{AllowPrivateNetwork: false},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	v, err := verifier.New(verifier.Config{Issuer: "https://127.0.0.1:1", Audiences: []string{"x"}, Keys: keys})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(context.Background(), sign(`{"iss":"https://127.0.0.1:1","aud":"x","exp":2000000000}`), time.Unix(1_800_000_000, 0))
	var unavailable *verifier.Unavailable
	fmt.Println(errors.As(err, &unavailable), err)
	fmt.Println("ready:", keys.Status().Ready)
	// Output:
	// true keys of issuer "https://127.0.0.1:1" unavailable: discovery: refused to connect to the loopback address 127.0.0.1
	// ready: false
}

// Bare claims, from a log or a test, are read with objections but no signature.
func ExampleReadClaims() {
	claims, objections, err := verifier.ReadClaims([]byte(`{"ref":"main","ref":"evil","n":1.10}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Value)
	for _, o := range objections {
		fmt.Println(o.Code+":", o.Message)
	}
	// Output:
	// {"n": 1.10, "ref": "evil"}
	// duplicate_member: claims: byte 14: a second member of the same name
}
