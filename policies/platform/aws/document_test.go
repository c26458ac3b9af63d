package aws_test

import (
	"context"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/policies/platform/aws"
)

const someStatement = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/a.example"},"Action":"sts:AssumeRoleWithWebIdentity"}`

func TestDocumentsOfOthersAreLeftToThem(t *testing.T) {
	for text, ours := range map[string]bool{
		`{"Version":"2012-10-17","Statement":[]}`:                      true,
		`{"Role":{"AssumeRolePolicyDocument":{}}}`:                     true,
		`{"assume_role_policy":"{}"}`:                                  true,
		`{"Properties":{"AssumeRolePolicyDocument":{}}}`:               true,
		`{"role":{"role_type":"jwt"}}`:                                 false,
		`{"role_type":"jwt","bound_claims":{}}`:                        false,
		`{"attributeMapping":{},"oidc":{"issuerUri":"https://a"}}`:     false,
		`{"issuer":"https://a","subject":"b","audiences":["c"]}`:       false,
		`{"Roles":[{"AssumeRolePolicyDocument":{}}]}`:                  true,
		`{"RoleDetailList":[{"AssumeRolePolicyDocument":{}}]}`:         true,
		`"{\"Statement\":[]}"`:                                         true,
		`"%7B%22Statement%22%3A%5B%5D%7D"`:                             true,
		`"package a"`:                                                  false,
		`"{\"role_type\":\"jwt\"}"`:                                    false,
		`{"Roles":[{"role_type":"jwt"}]}`:                              false,
		`[{"Statement":[]}]`:                                           false,
		`{"Url":"a.example","ClientIDList":["sts.amazonaws.com"]}`:     false,
		`{"Properties":{"Url":"https://a.example","ClientIdList":[]}}`: false,
	} {
		doc, err := trustcheck.ReadDocument("f.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := aws.Platform().Recognise(doc); got != ours {
			t.Errorf("%s: recognised %v, want %v", text, got, ours)
		}
	}
}

func TestBrokenPoliciesNameThePlace(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                  "f.json:1: document: want a trust policy or a role with one, got a list",
		`{"assume_role_policy":7}`:            "f.json:1: assume_role_policy: want a trust policy, got a number",
		`{"assume_role_policy":"not json"}`:   "f.json:1: assume_role_policy: want a JSON text or a percent-encoded one",
		`{"assume_role_policy":"%7B%"}`:       "f.json:1: assume_role_policy: want a JSON text or a percent-encoded one",
		`{"assume_role_policy":"%257B%257D"}`: "f.json:1: assume_role_policy: want a JSON text or a percent-encoded one",
		`{"assume_role_policy":"{\"Id\":\"a\",\"Id\":\"b\"}"}`: "/Id: want a member once",
		`"not json"`: "f.json:1: document: want a JSON text or a percent-encoded one",
		`{"Roles":[{"AssumeRolePolicyDocument":{}},{"AssumeRolePolicyDocument":{}}]}`: "f.json:1: want one role, got 2",
		"{\n\"Statement\":7}": "f.json:2: Statement: want a statement or a list of them, got a number",
		`{"Role":{"AssumeRolePolicyDocument":{}},"provider":{"Url":"a.example"}}`: "want an object with Url and ClientIDList",
	} {
		doc, err := trustcheck.ReadDocument("f.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := aws.Platform().Prepare(doc, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// A plus in a percent-encoded policy is a plus.
func TestPercentEncodingIsNotThatOfForms(t *testing.T) {
	doc, err := trustcheck.ReadDocument("f.json", []byte(`{"AssumeRolePolicyDocument":"%7B%22Id%22%3A%22a+b%22%7D"}`))
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := aws.Platform().Prepare(doc, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id := prepared.Document["policy"].(map[string]any)["Id"]; id != "a+b" {
		t.Errorf("Id %q, want a+b", id)
	}
}

// What Terraform does not know before it applies leaves the role undecided, wherever in the
// policy it is; what it does not know elsewhere does not.
func TestUnknownPartsOfThePolicyAreNoPermission(t *testing.T) {
	bundle := load(t)
	claims := []byte(`{"iss":"https://a.example","aud":"a","sub":"subject","iat":1800000000,"exp":1800000300}`)
	for pointer, want := range map[string]trustcheck.Verdict{
		"/assume_role_policy":                                 trustcheck.Undecided,
		"/assume_role_policy/Statement/0/Condition":           trustcheck.Undecided,
		"/assume_role_policy/Statement/0/Principal/Federated": trustcheck.Undecided,
		"/arn": trustcheck.Allow,
	} {
		doc, err := trustcheck.ReadDocument("f.json", []byte(`{"name":"deploy","assume_role_policy":{"Version":"2012-10-17","Statement":[`+someStatement+`]}}`))
		if err != nil {
			t.Fatal(err)
		}
		doc.Kind, doc.Unknown = "aws_iam_role", map[string]string{pointer: "known after apply"}
		if pointer == "/assume_role_policy" {
			doc.Value.(map[string]any)["assume_role_policy"] = nil
		}
		role, err := bundle.Prepare(context.Background(), doc, "", nil)
		if err != nil || role.Refused != "" {
			t.Fatalf("%s: %v, %v", pointer, err, role)
		}
		decision := decide(t, bundle, role, claims, nil, 1800000000)
		if decision.Verdict != want {
			t.Errorf("%s: %s, want %s\n%s", pointer, decision.Verdict, want, spelled(decision.Reasons))
		}
		if role.Ref.Name != "deploy" {
			t.Errorf("name %q, want deploy", role.Ref.Name)
		}
	}
}

// Role and provider of one template: the account is not known, and need not be.
func TestTheAccountOfATemplateIsItsOwn(t *testing.T) {
	bundle := load(t)
	claims := []byte(`{"iss":"https://a.example","aud":"a","sub":"subject","iat":1800000000,"exp":1800000300}`)
	for reason, want := range map[string]trustcheck.Verdict{
		`"arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/a.example": not known offline`: trustcheck.Allow,
		`"arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/b.example": not known offline`: trustcheck.Deny,
		`"arn:${AWS::Partition}:iam::1:oidc-provider/${Host}": not known offline`:                   trustcheck.Undecided,
	} {
		for _, surroundings := range []map[string]any{nil, {"provider_arn": "arn:aws:iam::1:oidc-provider/a.example"}} {
			doc, err := trustcheck.ReadDocument("f.json", []byte(`{"RoleName":"deploy","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":[null]},"Action":"sts:*"}]}}`))
			if err != nil {
				t.Fatal(err)
			}
			doc.Unknown = map[string]string{"/AssumeRolePolicyDocument/Statement/0/Principal/Federated/0": reason}
			role, err := bundle.Prepare(context.Background(), doc, "", surroundings)
			if err != nil || role.Refused != "" {
				t.Fatalf("%s: %v, %v", reason, err, role)
			}
			if decision := decide(t, bundle, role, claims, surroundings, 1800000000); decision.Verdict != want {
				t.Errorf("%s: %s, want %s\n%s", reason, decision.Verdict, want, spelled(decision.Reasons))
			}
		}
	}
}

func TestProvidersAreReadHoweverTheyAreSpelled(t *testing.T) {
	for _, value := range []map[string]any{
		{"Url": "a.example/x", "ClientIDList": []any{"c"}},
		{"Url": "https://a.example/x", "ClientIdList": []any{"c"}},
		{"url": "https://a.example/x", "client_id_list": []any{"c"}},
	} {
		host, clients, ok := aws.ReadProvider(value)
		if !ok || host != "a.example/x" || len(clients) != 1 || clients[0] != "c" {
			t.Errorf("%v: %q, %v, %v", value, host, clients, ok)
		}
	}
	if _, _, ok := aws.ReadProvider(map[string]any{"Url": "a.example"}); ok {
		t.Error("a provider without client ids was read")
	}
}

// However broken a policy, it is prepared or refused; no rule of ours fails on it.
func FuzzPoliciesArePreparedOrRefused(f *testing.F) {
	bundle := load(f)
	for _, known := range readCases(f) {
		f.Add(string(known.Role))
	}
	for _, odd := range []string{
		`{"Statement":[null]}`, `{"Statement":{"Principal":7,"Condition":[1]}}`,
		`{"Version":7,"Statement":[{"Effect":[],"Principal":{"AWS":{},"Federated":[7]},"Action":{"a":1},"NotAction":7,"Condition":{"Bool":[1],"Null":{"k":[null]},"x":{"y":{}}}}]}`,
	} {
		f.Add(odd)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := trustcheck.ReadDocument("f.json", []byte(text))
		if err != nil {
			t.Skip()
		}
		role, err := bundle.Prepare(context.Background(), doc, "aws", nil)
		if err != nil {
			if strings.Contains(err.Error(), "prepare the role") {
				t.Fatal(err)
			}
			return
		}
		decision := decide(t, bundle, role, []byte(`{"iss":"https://a.example","aud":"a","sub":"subject","iat":1800000000,"exp":1800000300}`), nil, 1800000000)
		if decision.Stage == "evaluation" {
			t.Fatal(spelled(decision.Reasons))
		}
	})
}
