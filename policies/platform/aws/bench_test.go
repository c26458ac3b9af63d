package aws_test

import (
	"context"
	"testing"

	"github.com/trustcheck/trustcheck"
)

// BenchmarkDecide asks about a role with a Deny statement and six conditions.
func BenchmarkDecide(b *testing.B) {
	bundle := load(b)
	doc, err := trustcheck.ReadDocument("role.json", []byte(`{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity",
"Condition":{"StringEquals":{"gitlab.com:aud":"a","gitlab.com:project_id":"22"},"StringLike":{"gitlab.com:sub":"project_path:acme/*"},"Bool":{"gitlab.com:ref_protected":"true"}}},
{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity",
"Condition":{"StringEquals":{"gitlab.com:user_login":["mallory","eve"]}}}]}`))
	if err != nil {
		b.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, "aws", nil)
	if err != nil {
		b.Fatal(err)
	}
	asked := input(b, []byte(`{"iss":"https://gitlab.com","aud":"a","sub":"project_path:acme/web:ref_type:branch:ref:main","project_id":"22","ref_protected":"true","user_login":"alice","iat":1800000000,"exp":1800000300}`), nil, 1800000000)
	b.Run("decision", func(b *testing.B) {
		for b.Loop() {
			if got := bundle.Decide(context.Background(), role, asked); got.Verdict != trustcheck.Allow {
				b.Fatal(got.Verdict)
			}
		}
	})
	b.Run("allow", func(b *testing.B) {
		for b.Loop() {
			if got, err := bundle.Allow(context.Background(), role, asked); err != nil || !got {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("prepare", func(b *testing.B) {
		for b.Loop() {
			if _, err := bundle.Prepare(context.Background(), doc, "aws", nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
