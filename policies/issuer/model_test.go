package issuer

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestModelHangsTogether(t *testing.T) {
	for _, name := range Models() {
		if _, err := ModelOf(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModelKnowsEveryClaimOfTheSchema(t *testing.T) {
	for _, name := range Models() {
		model, err := ModelOf(name)
		if err != nil {
			t.Fatal(err)
		}
		properties, ok := at(schemaOf(name).text, "$defs/claims/properties").(map[string]any)
		if !ok {
			t.Fatalf("%s: no claims in the schema", name)
		}
		for claim := range properties {
			if _, ok := model.Claims[claim]; !ok {
				t.Errorf("%s: the schema has %s, the model does not: a condition on it would count as dead", name, claim)
			}
		}
	}
}

func TestModelRefusesWhatDangles(t *testing.T) {
	read, err := modelFiles.ReadFile("gitlab/model.json")
	if err != nil {
		t.Fatal(err)
	}
	text := string(read)
	for wrong, change := range map[string][2]string{
		`no field "nobody"`:          {`"text": "{namespace}"`, `"text": "{nobody}"`},
		`no source "hearsay"`:        {`"sources": ["refs"]`, `"sources": ["hearsay"]`},
		"outside its domain":         {`"plain": ["x", "app"]`, `"plain": ["a/b"]`},
		"missing properties":         {`"as_of"`, `"as_off"`},
		"error parsing regexp":       {`"domain": "true|false"`, `"domain": "true|(false"`},
		`names: no claim "nickname"`: {`"persons": ["user_login"`, `"below": ["nickname"], "persons": ["user_login"`},
		`tenants: no field "who"`:    {`"issuers": [`, `"tenants": "https://(?P<who>[a-z]+)", "issuers": [`},
		"invalid character '}'":      {`"issuers": ["https://gitlab.com"],`, `"issuers": },`},
	} {
		_, err := ReadModel("model.json", []byte(strings.Replace(text, change[0], change[1], 1)))
		if err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: got %v", wrong, err)
		}
	}
}

func TestTenantsIssuerIsTakenForASharedOne(t *testing.T) {
	tests := []struct {
		model, issuer string
		tenant        bool
		settled       map[string]string
	}{
		{CircleCI, "https://oidc.circleci.com/org/1f0c", true, map[string]string{"organization": "1f0c"}},
		{CircleCI, "https://oidc.circleci.com", false, nil},
		{CircleCI, "https://oidc.circleci.com/org/1f0c/x", false, nil},
		{Bitbucket, "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", true, map[string]string{}},
		{Bitbucket, "https://api.bitbucket.org/2.0/workspaces/pipelines-config/identity/oidc", false, nil},
		{GitHub, "https://token.actions.githubusercontent.com/acme-inc", true, map[string]string{}},
		{GitHub, "https://token.actions.acme.ghe.com", true, map[string]string{}},
		{GitHub, "https://token.actions.githubusercontent.com", false, nil},
		{GitHub, "https://ghes.acme.example/_services/token", false, nil},
		{GitLab, "https://gitlab.com", false, nil},
		{Buildkite, "https://agent.buildkite.com", false, nil},
		{Terraform, "https://app.terraform.io", false, nil},
	}
	for _, tt := range tests {
		model, err := ModelOf(tt.model)
		if err != nil {
			t.Fatal(err)
		}
		if settled, tenant := model.TenantOf(tt.issuer); tenant != tt.tenant || !maps.Equal(settled, tt.settled) {
			t.Errorf("%s: got %t %v, want %t %v", tt.issuer, tenant, settled, tt.tenant, tt.settled)
		}
	}
}

// Every issuer that a model calls its own is recognised as that one's, and nobody else's.
func TestModelAndRecognitionDisagreeAboutAnIssuer(t *testing.T) {
	for _, name := range Models() {
		model, err := ModelOf(name)
		if err != nil {
			t.Fatal(err)
		}
		issuers := slices.Clone(model.Issuers)
		for _, claims := range samples(t, name) {
			if iss, _ := claims["iss"].(string); strings.Contains(iss, "://") {
				issuers = append(issuers, iss)
			}
		}
		for _, iss := range issuers {
			if got, _ := Recognise(map[string]any{"iss": iss}); got != name && model.IsHosted(iss) {
				t.Errorf("%s is %s's by its model, and recognised as %q", iss, name, got)
			}
			for _, other := range Models() {
				if model, err := ModelOf(other); err != nil || other != name && model.IsHosted(iss) {
					t.Errorf("%s is %s's and %s's", iss, name, other)
				}
			}
		}
	}
}

func TestReleasesCompareAsNumbers(t *testing.T) {
	if Within("18.10", "", "18.9") || !Within("18.9-ee", "18.9", "18.10") || Within("16.11", "17.0", "") {
		t.Error("releases compare as texts")
	}
}
