package gcp_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/carrier"
	"github.com/trustcheck/trustcheck/internal/platformtest"
	"github.com/trustcheck/trustcheck/policies/platform/gcp"
	"github.com/trustcheck/trustcheck/verifier"
)

const gitlabClaims = `{"iss":"https://gitlab.com","aud":"https://gitlab.com","sub":"project_path:acme/infra:ref_type:branch:ref:main","namespace_id":"72","project_id":"20","iat":1768478340,"exp":1768478640}`

// Shapes that do not say what one provider says decide differently.
func TestSameProviderInAnotherFileDecidesDifferently(t *testing.T) {
	bundle := platformtest.Open(t)
	read := 0
	err := carrier.Walk(t.Context(), []string{"../../../carrier/testdata/same/google"}, func(result carrier.Result) error {
		for _, doc := range result.Documents {
			if doc.Kind == "google_iam_workload_identity_pool" {
				continue
			}
			read++
			for claims, want := range map[string]string{
				gitlabClaims: "allow at ",
				strings.Replace(gitlabClaims, `"72"`, `"73"`, 1):                                    "deny at condition",
				strings.Replace(gitlabClaims, `"aud":"https://gitlab.com"`, `"aud":"https://x"`, 1): "deny at audience",
				strings.Replace(gitlabClaims, `"iss":"https://gitlab.com"`, `"iss":"https://x"`, 1): "deny at issuer",
				strings.Replace(gitlabClaims, `"project_id":"20",`, ``, 1):                          "undecided at mapping",
			} {
				if got := asks(t, bundle, doc, nil, claims); got != want {
					t.Errorf("%s: %s, want %s", filepath.Base(doc.File), got, want)
				}
			}
		}
		return result.Err
	})
	if err != nil || read < 7 {
		t.Fatalf("read %d providers, %v", read, err)
	}
}

func asks(t *testing.T, bundle *bundles.Bundle, doc *trustcheck.Document, context map[string]any, text string) string {
	t.Helper()
	role, err := bundle.Prepare(t.Context(), doc, "", context)
	if err != nil {
		t.Fatal(err)
	}
	if role.Ref.Platform != "gcp" || role.Refused != "" {
		t.Fatalf("%s: %+v, refused %q", doc.File, role.Ref, role.Refused)
	}
	claims, _, err := verifier.ReadClaims([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	decision := bundle.Decide(t.Context(), role, bundles.Input{Claims: claims.Value, Context: context, Now: time.Unix(1768478400, 0)})
	return string(decision.Verdict) + " at " + decision.Stage
}

const terraform = `
resource "google_iam_workload_identity_pool" "ci" {
  workload_identity_pool_id = "ci"
}

resource "google_iam_workload_identity_pool_provider" "ci" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.ci.workload_identity_pool_id
  workload_identity_pool_provider_id = "gitlab"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.project_id" = "assertion.project_id"
  }
  attribute_condition = CONDITION
  oidc {
    issuer_uri = "https://gitlab.com"
    AUDIENCES
  }
}

resource "google_service_account_iam_member" "ci" {
  service_account_id = "projects/acme/serviceAccounts/deploy@acme.iam.gserviceaccount.com"
  role               = "roles/iam.workloadIdentityUser"
  member             = MEMBER
}
`

var mapping = regexp.MustCompile(`(?s)attribute_mapping = \{.*?\}`)

const provided = `{"name":"projects/1/locations/global/workloadIdentityPools/ci/providers/gitlab","attributeMapping":{"google.subject":"assertion.sub","attribute.project_id":"assertion.project_id"},"attributeCondition":"assertion.namespace_id == '72'","oidc":{"issuerUri":"https://gitlab.com","allowedAudiences":["https://gitlab.com"]}}`

// What is not known before apply must neither admit nor refuse by being left out.
func TestUnknownInTerraformDecides(t *testing.T) {
	bundle := platformtest.Open(t)
	provider, err := trustcheck.ReadDocument("provider.json", []byte(provided))
	if err != nil {
		t.Fatal(err)
	}
	beside := map[string]any{"provider": provider.Value}
	audiences := `allowed_audiences = ["https://gitlab.com"]`
	for _, c := range []struct{ title, condition, audiences, member, kind, claims, want string }{
		{"all is known", `"assertion.namespace_id == '72'"`, audiences, `"x"`, "provider", gitlabClaims, "allow at "},
		{"the condition is not", `"assertion.namespace_id == '${var.group}'"`, audiences, `"x"`, "provider", gitlabClaims, "undecided at role"},
		{"another issuer refuses all the same", `"assertion.namespace_id == '${var.group}'"`, audiences, `"x"`, "provider", strings.Replace(gitlabClaims, `"iss":"https://gitlab.com"`, `"iss":"https://x"`, 1), "deny at issuer"},
		{"the default audience is not", `"true"`, ``, `"x"`, "provider", strings.Replace(gitlabClaims, `"aud":"https://gitlab.com"`, `"aud":"https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/gitlab"`, 1), "undecided at audience"},
		{"another provider's audience", `"true"`, ``, `"x"`, "provider", strings.Replace(gitlabClaims, `"aud":"https://gitlab.com"`, `"aud":"https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/github"`, 1), "deny at audience"},
		{"the audiences are not", `"true"`, `allowed_audiences = var.audiences`, `"x"`, "provider", gitlabClaims, "undecided at role"},
		{"the mapping is not", `"true"`, audiences, `"x"`, "provider", gitlabClaims, "undecided at role"},
		{"the pool's number is not", `"true"`, audiences, `"principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.ci.name}/attribute.project_id/20"`, "member", gitlabClaims, "undecided at binding"},
		{"the pool's number is not, another value", `"true"`, audiences, `"principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.ci.name}/attribute.project_id/21"`, "member", gitlabClaims, "deny at binding"},
		{"the member is not", `"true"`, audiences, `"principalSet://${var.member}"`, "member", gitlabClaims, "undecided at binding"},
		{"the member is known", `"true"`, audiences, `"principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/attribute.project_id/20"`, "member", gitlabClaims, "allow at "},
	} {
		text := strings.NewReplacer("CONDITION", c.condition, "AUDIENCES", c.audiences, "MEMBER", c.member).Replace(terraform)
		if c.title == "the mapping is not" {
			text = mapping.ReplaceAllString(text, "attribute_mapping = var.mapping")
		}
		docs, err := carrier.Read("main.tf", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		for _, doc := range docs {
			if strings.HasSuffix(doc.Kind, c.kind) {
				asked++
				context := map[string]any(nil)
				if c.kind == "member" {
					context = beside
				}
				if got := asks(t, bundle, doc, context, c.claims); got != c.want {
					t.Errorf("%s: %s, want %s", c.title, got, c.want)
				}
			}
		}
		if asked != 1 {
			t.Errorf("%s: asked %d documents", c.title, asked)
		}
	}
}

// What a directory's resources say of each other: members refer to the pool, not to its number.
func TestGrantBesideItsProviderStaysUndecided(t *testing.T) {
	bundle := platformtest.Open(t)
	const ours = `"principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.ci.name}/attribute.project_id/20"`
	audiences := `allowed_audiences = ["https://gitlab.com"]`
	for _, c := range []struct{ title, condition, member, more, want string }{
		{"the pool's own name", `"true"`, ours, "", "allow at "},
		{"another value", `"true"`, strings.Replace(ours, "/20", "/21", 1), "", "deny at binding"},
		{"the provider's condition refuses", `"assertion.namespace_id == '73'"`, ours, "", "deny at condition"},
		{"the provider's condition is not known", `"assertion.namespace_id == '${var.group}'"`, ours, "", "undecided at provider"},
		{"the number of some pool", `"true"`, strings.Replace(ours, "google_iam_workload_identity_pool.ci.name", "var.pool", 1), "", "undecided at binding"},
		{"another pool of the same id", `"true"`, strings.Replace(ours, "pool.ci", "pool.other", 1), `
resource "google_iam_workload_identity_pool" "other" {
  project                   = "elsewhere"
  workload_identity_pool_id = "ci"
}`, "undecided at binding"},
		{"the pool is disabled", `"true"`, ours, "", "deny at provider"},
	} {
		text := strings.NewReplacer("CONDITION", c.condition, "AUDIENCES", audiences, "MEMBER", c.member).Replace(terraform) + c.more
		if c.title == "the pool is disabled" {
			text = strings.Replace(text, "{\n", "{\n  disabled = true\n", 1)
		}
		docs, err := carrier.Read("main.tf", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			if strings.HasSuffix(doc.Kind, "_iam_member") {
				if got := asks(t, bundle, doc, gcp.Platform().Beside(doc, docs), gitlabClaims); got != c.want {
					t.Errorf("%s: %s, want %s", c.title, got, c.want)
				}
			}
		}
	}
}
