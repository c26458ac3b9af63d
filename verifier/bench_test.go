package verifier

import (
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

// gitlabClaims has the 33 claims of a GitLab id_token with groups_direct and is
// as long as one.
func gitlabClaims() string {
	return goodClaims(
		`"iss":"`+testIssuer+`"`,
		`"namespace_id":"72"`, `"namespace_path":"acme/platform/services"`, `"project_id":"20481"`,
		`"project_path":"acme/platform/services/payments"`, `"user_id":"4127"`, `"user_login":"j.doe"`,
		`"user_email":"jane.doe@acme.example.com"`, `"user_access_level":"maintainer"`,
		`"user_identities":[{"provider":"saml","extern_uid":"jane.doe@acme.example.com"}]`,
		`"pipeline_id":"1829471"`, `"pipeline_source":"push"`, `"job_id":"9310377"`, `"ref_type":"branch"`,
		`"ref_path":"refs/heads/main"`, `"ref_protected":"true"`, `"groups_direct":["acme","acme/platform","acme/release"]`,
		`"environment":"production"`, `"environment_protected":"true"`,
		`"environment_action":"start"`, `"runner_id":40177,"runner_environment":"self-hosted"`,
		`"sha":"714a629c0b401fdce83e847fc9589983fc6f46bc"`, `"project_visibility":"internal"`,
		`"ci_config_ref_uri":"gitlab.example.com/acme/platform/services/payments//.gitlab-ci.yml@refs/heads/main"`,
		`"ci_config_sha":"714a629c0b401fdce83e847fc9589983fc6f46bc"`,
	)
}

func benchmark(b *testing.B, run func(b *testing.B, s signer, keys *JWKS, compact string)) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			s := newSigner(b, alg, "vEXkTtCaw4hKnq6UQGyF8w")
			compact := s.sign(s.header(), gitlabClaims())
			b.ReportAllocs()
			run(b, s, parseJWKS(b, s.jwk(nil)), compact)
		})
	}
}

// BenchmarkVerify is the whole of it: strict reading into the value that
// policies see, all checks, the signature, go-oidc's second opinion.
func BenchmarkVerify(b *testing.B) {
	benchmark(b, func(b *testing.B, _ signer, keys *JWKS, compact string) {
		v := newVerifier(b, keys, nil)
		for b.Loop() {
			if _, err := v.Verify(b.Context(), compact, testNow); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRawSignature is the floor: hash and signature, nothing decoded.
func BenchmarkRawSignature(b *testing.B) {
	benchmark(b, func(b *testing.B, s signer, _ *JWKS, compact string) {
		t := read(compact)
		a, _ := algorithmNamed(s.alg)
		public := s.private.Public()
		for b.Loop() {
			if !a.verify(public, t.signed, t.signature) {
				b.Fatal("the signature does not verify")
			}
		}
	})
}

// BenchmarkGoOIDC is what a program does that uses go-oidc as its documentation
// says, with keys that it fetched before.
func BenchmarkGoOIDC(b *testing.B) {
	benchmark(b, func(b *testing.B, s signer, _ *JWKS, compact string) {
		server := newKeyServer(b)
		server.serve(s.jwk(nil))
		keys := oidc.NewRemoteKeySet(b.Context(), server.URL+"/keys")
		v := oidc.NewVerifier(testIssuer, keys, &oidc.Config{
			ClientID: testAudience, SupportedSigningAlgs: Algorithms(), SkipExpiryCheck: true})
		for b.Loop() {
			token, err := v.Verify(b.Context(), compact)
			if err != nil {
				b.Fatal(err)
			}
			var claims map[string]any
			if err := token.Claims(&claims); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRead is the strict reading alone.
func BenchmarkRead(b *testing.B) {
	s := newSigner(b, "EdDSA", "k")
	compact := s.sign(s.header(), gitlabClaims())
	b.ReportAllocs()
	for b.Loop() {
		if t := read(compact); len(t.reasons) > 0 {
			b.Fatal(t.reasons)
		}
	}
}

func TestBenchmarkTokenIsNotGitLabShaped(t *testing.T) {
	s := newSigner(t, "RS256", "vEXkTtCaw4hKnq6UQGyF8w")
	compact := s.sign(s.header(), gitlabClaims())
	token, err := newVerifier(t, parseJWKS(t, s.jwk(nil)), nil).Verify(t.Context(), compact, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if n := token.Claims.Value.Len(); n != 33 {
		t.Errorf("got %d claims", n)
	}
	if n := len(compact); n < 1850 || n > 2150 || strings.Count(compact, ".") != 2 {
		t.Errorf("got %d bytes", n)
	}
}
