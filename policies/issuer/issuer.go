// Package issuer knows what the tokens of each CI system look like: which
// claims they carry and of which JSON types. It recognises whose a token is and
// says where the token does not fit.
//
// It is about shape alone. That a token is recognised says nothing about who
// signed it, and no decision turns on it.
//
// One folder per issuer holds its schema.json (JSON Schema, draft 2020-12), its
// sample claims and a README.md with the source of every claim.
package issuer

import (
	"net/url"
	"regexp"
	"strings"
)

// The issuers that have a schema.
const (
	Bitbucket = "bitbucket"
	Buildkite = "buildkite"
	CircleCI  = "circleci"
	GitHub    = "github"
	GitLab    = "gitlab"
	Terraform = "terraform"
)

// Names lists the issuers that have a schema, in alphabetical order.
func Names() []string { return []string{Bitbucket, Buildkite, CircleCI, GitHub, GitLab, Terraform} }

// Recognise says whose token has these claims: the name of an issuer, or "" when they are
// nobody's that is known. A known host in iss settles it; otherwise at least three claims
// that only one of them mints. Claims are decoded JSON; what is not an object is nobody's.
//
// The generation of a GitLab token is the name under which its jobs ask for it:
//
//	CI_JOB_JWT     iss has no scheme, there is no aud (removed in GitLab 17.0)
//	CI_JOB_JWT_V2  aud is iss, and nothing from later than 17.0 is there (removed in 17.0)
//	id_tokens      every other
//
// A job whose id_tokens ask for the instance's own URL on a GitLab before 18.4
// is not told from CI_JOB_JWT_V2: they are the same token.
//
// The generation of a GitHub token is the form of its subject:
//
//	classic    repo:OWNER/REPOSITORY:…
//	immutable  repo:OWNER@ID/REPOSITORY@ID:…, for repositories created after 15 July 2026
//	custom     chosen through include_claim_keys, without a leading repo
//
// So it is for the others:
//
//	Buildkite  composite (organization:SLUG:pipeline:…) or id, one UUID that the job chose
//	CircleCI   V2 (…/vcs-origin/…) or V1
//	Bitbucket  deployment, where the step has an environment, or step
//	HCP Terraform  workspace, stack or module, by what runs
func Recognise(claims any) (name, generation string) {
	c, _ := claims.(map[string]any)
	name = nameOf(c)
	sub, _ := c["sub"].(string)
	switch name {
	case GitLab:
		generation = gitlabGeneration(c)
	case GitHub:
		generation = githubGeneration(c)
	case Buildkite:
		generation = either(strings.HasPrefix(sub, "organization:"), "composite", "id")
	case CircleCI:
		generation = either(strings.Contains(sub, "/vcs-origin/"), "V2", "V1")
	case Bitbucket:
		generation = either(count(c, "deploymentEnvironmentUuid") > 0, "deployment", "step")
	case Terraform:
		generation = terraformGeneration(sub)
	}
	return name, generation
}

func either(first bool, yes, no string) string {
	if first {
		return yes
	}
	return no
}

// marks are claims by which an issuer's tokens are known where iss does not tell.
func marks(name string) []string {
	switch name {
	case Bitbucket:
		return []string{"workspaceUuid", "repositoryUuid", "pipelineUuid", "pipelineRunUuid", "stepUuid",
			"deploymentEnvironmentUuid", "branchName"}
	case Buildkite:
		return []string{"organization_slug", "organization_id", "pipeline_slug", "build_number", "build_branch", "build_commit",
			"build_source", "step_key", "agent_id", "cluster_id", "queue_id"}
	case CircleCI:
		return []string{"oidc.circleci.com/project-id", "oidc.circleci.com/org-id", "oidc.circleci.com/context-ids",
			"oidc.circleci.com/job-id", "oidc.circleci.com/ssh-rerun", "oidc.circleci.com/vcs-origin", "oidc.circleci.com/vcs-ref"}
	case GitHub:
		return []string{"repository", "repository_id", "repository_owner", "repository_owner_id",
			"actor", "event_name", "run_id", "workflow_ref", "job_workflow_ref"}
	case GitLab:
		return []string{"project_path", "project_id", "namespace_path", "namespace_id",
			"job_project_path", "job_project_id", "pipeline_source", "user_login", "ref_path", "ci_config_ref_uri"}
	case Terraform:
		return []string{"terraform_organization_id", "terraform_organization_name", "terraform_project_id", "terraform_project_name",
			"terraform_workspace_id", "terraform_workspace_name", "terraform_stack_id", "terraform_run_id", "terraform_run_phase"}
	default:
		return nil
	}
}

func nameOf(claims map[string]any) string {
	iss, _ := claims["iss"].(string)
	if name := nameOfHost(iss); name != "" {
		return name
	}
	best, most, second := "", 0, 0
	for _, name := range Names() {
		switch n := count(claims, marks(name)...); {
		case n > most:
			best, most, second = name, n, most
		case n > second:
			second = n
		}
	}
	if most < 3 || most == second {
		return ""
	}
	return best
}

var (
	bitbucketIssuer = regexp.MustCompile(`^https://api\.bitbucket\.org/2\.0/workspaces/[^/]+/pipelines-config/identity/oidc$`)
	circleCIIssuer  = regexp.MustCompile(`^https://oidc\.circleci\.com(/org/[^/]+)?$`)
)

// nameOfHost knows the issuers that vendors run themselves.
func nameOfHost(iss string) string {
	switch {
	case isGitHub(iss):
		return GitHub
	case iss == "https://gitlab.com" || iss == "gitlab.com":
		return GitLab
	case iss == "https://agent.buildkite.com":
		return Buildkite
	case iss == "https://app.terraform.io" || iss == "https://app.eu.terraform.io":
		return Terraform
	case circleCIIssuer.MatchString(iss):
		return CircleCI
	case bitbucketIssuer.MatchString(iss):
		return Bitbucket
	default:
		return ""
	}
}

// isGitHub reports whether iss is an issuer of GitHub's: github.com's own, the
// same with an enterprise's slug, GHE.com's, or that of an Enterprise Server,
// https://HOST/_services/token.
// https://docs.github.com/en/actions/reference/security/oidc
func isGitHub(iss string) bool {
	u, err := url.Parse(iss)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return false
	}
	if u.Path == "/_services/token" {
		return true
	}
	slug := strings.TrimPrefix(u.Path, "/")
	if strings.Contains(slug, "/") {
		return false
	}
	if u.Host == "token.actions.githubusercontent.com" {
		return true
	}
	tenant, ok := strings.CutPrefix(u.Host, "token.actions.")
	if !ok {
		return false
	}
	tenant, ok = strings.CutSuffix(tenant, ".ghe.com")
	return ok && tenant != "" && !strings.Contains(tenant, ".")
}

func gitlabGeneration(claims map[string]any) string {
	iss, _ := claims["iss"].(string)
	if iss != "" && !strings.Contains(iss, "://") {
		return "CI_JOB_JWT"
	}
	later := count(claims, "job_project_id", "job_project_path", "job_source", "groups_direct")
	if aud, ok := claims["aud"].(string); ok && aud == iss && later == 0 {
		return "CI_JOB_JWT_V2"
	}
	return "id_tokens"
}

// terraformGeneration tells what runs by the subject.
func terraformGeneration(sub string) string {
	switch {
	case strings.Contains(sub, ":stack:"):
		return "stack"
	case strings.Contains(sub, ":module:"):
		return "module"
	default:
		return "workspace"
	}
}

var immutable = regexp.MustCompile(`^[^/@]+@[0-9]+/[^/@]+@[0-9]+$`)

func githubGeneration(claims map[string]any) string {
	sub, _ := claims["sub"].(string)
	repository, ok := strings.CutPrefix(sub, "repo:")
	if !ok {
		return "custom"
	}
	repository, _, _ = strings.Cut(repository, ":")
	if immutable.MatchString(repository) {
		return "immutable"
	}
	return "classic"
}

// count says how many of the names the claims have, whatever their values.
func count(claims map[string]any, names ...string) int {
	n := 0
	for _, name := range names {
		if _, ok := claims[name]; ok {
			n++
		}
	}
	return n
}
