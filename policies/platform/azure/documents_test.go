package azure_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/carrier"
	"github.com/trustcheck/trustcheck/internal/platformtest"
	"github.com/trustcheck/trustcheck/verifier"
)

const gitlabClaims = `{"iss":"https://gitlab.com","aud":"api://AzureADTokenExchange","sub":"project_path:acme/app:ref_type:branch:ref:main","iat":1768478340,"exp":1768478640}`

func asks(t *testing.T, bundle *bundles.Bundle, doc *trustcheck.Document, text string) string {
	t.Helper()
	role, err := bundle.Prepare(t.Context(), doc, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if role.Ref.Platform != "azure" || role.Refused != "" {
		t.Fatalf("%s: %+v, refused %q", doc.File, role.Ref, role.Refused)
	}
	claims, _, err := verifier.ReadClaims([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	decision := bundle.Decide(t.Context(), role, bundles.Input{Claims: claims.Value, Now: time.Unix(1768478400, 0)})
	return string(decision.Verdict) + " at " + decision.Stage
}

func TestSameCredentialInAnotherFileDecidesDifferently(t *testing.T) {
	bundle := platformtest.Open(t)
	read := 0
	err := carrier.Walk(t.Context(), []string{"../../../carrier/testdata/same/azure"}, func(result carrier.Result) error {
		for _, doc := range result.Documents {
			read++
			for claims, want := range map[string]string{
				gitlabClaims: "allow at ",
				strings.Replace(gitlabClaims, "ref:main", "ref:dev", 1): "deny at subject",
				strings.Replace(gitlabClaims, "api://", "", 1):          "deny at audience",
				strings.Replace(gitlabClaims, "gitlab.com", "x", 1):     "deny at issuer",
			} {
				if got := asks(t, bundle, doc, claims); got != want {
					t.Errorf("%s %s: %s, want %s", filepath.Base(doc.File), doc.Kind, got, want)
				}
			}
		}
		return result.Err
	})
	if err != nil || read < 6 {
		t.Fatalf("read %d credentials, %v", read, err)
	}
}

// What is not known before apply must neither admit nor refuse by being left out.
func TestUnknownInTerraformDecides(t *testing.T) {
	bundle := platformtest.Open(t)
	const classic = `
resource "azuread_application_federated_identity_credential" "ci" {
  application_id = azuread_application.ci.id
  display_name   = "gitlab-main"
  issuer         = "https://gitlab.com"
  subject        = "project_path:acme/app:ref_type:branch:ref:main"
  audiences      = ["api://AzureADTokenExchange"]
}`
	const flexible = `
resource "azuread_application_flexible_federated_identity_credential" "ci" {
  application_id             = azuread_application.ci.id
  display_name               = "gitlab"
  issuer                     = "https://gitlab.com"
  audience                   = "api://AzureADTokenExchange"
  claims_matching_expression = "claims['sub'] matches 'project_path:acme/*:ref:main' and claims['project_id'] eq '20'"
}`
	withID := strings.Replace(gitlabClaims, "{", `{"project_id":"20",`, 1)
	for _, c := range []struct{ title, text, old, new, claims, want string }{
		{"all is known", classic, "", "", gitlabClaims, "allow at "},
		{"the issuer is not", classic, `"https://gitlab.com"`, "var.issuer", gitlabClaims, "undecided at role"},
		{"the subject is not", classic, "acme/app", "${var.project}", gitlabClaims, "undecided at role"},
		{"another audience refuses all the same", classic, "acme/app", "${var.project}", strings.Replace(gitlabClaims, "api://", "", 1), "deny at audience"},
		{"the audiences are not", classic, `["api://AzureADTokenExchange"]`, "var.audiences", gitlabClaims, "undecided at role"},
		{"the audience is not", classic, `"api://AzureADTokenExchange"`, "var.audience", gitlabClaims, "undecided at role"},
		{"all of a flexible one is known", flexible, "", "", withID, "allow at "},
		{"the id of a flexible one differs", flexible, "'20'", "'21'", withID, "deny at subject"},
		{"the expression is not", flexible, "acme/*", "${var.group}/*", withID, "undecided at role"},
	} {
		docs, err := carrier.Read("main.tf", []byte(strings.Replace(c.text, c.old, c.new, 1)))
		if err != nil || len(docs) != 1 {
			t.Fatalf("%s: %d documents, %v", c.title, len(docs), err)
		}
		if got := asks(t, bundle, docs[0], c.claims); got != c.want {
			t.Errorf("%s: %s, want %s", c.title, got, c.want)
		}
	}
}
