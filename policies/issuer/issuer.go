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
	GitLab = "gitlab"
	GitHub = "github"
)

// Names lists the issuers that have a schema, in alphabetical order.
func Names() []string { return []string{GitHub, GitLab} }

// Recognise says whose token has these claims: GitLab, GitHub, or "" when they
// are neither's. A known host in iss settles it; otherwise at least three claims
// that only one of the two mints. Claims are decoded JSON; what is not an object
// is nobody's.
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
func Recognise(claims any) (name, generation string) {
	c, _ := claims.(map[string]any)
	switch name := nameOf(c); name {
	case GitLab:
		return name, gitlabGeneration(c)
	case GitHub:
		return name, githubGeneration(c)
	default:
		return "", ""
	}
}

func nameOf(claims map[string]any) string {
	iss, _ := claims["iss"].(string)
	switch {
	case isGitHub(iss):
		return GitHub
	case iss == "https://gitlab.com" || iss == "gitlab.com":
		return GitLab
	}
	gitlab := count(claims, "project_path", "project_id", "namespace_path", "namespace_id",
		"job_project_path", "job_project_id", "pipeline_source", "user_login", "ref_path", "ci_config_ref_uri")
	github := count(claims, "repository", "repository_id", "repository_owner", "repository_owner_id",
		"actor", "event_name", "run_id", "workflow_ref", "job_workflow_ref")
	switch {
	case gitlab >= 3 && gitlab > github:
		return GitLab
	case github >= 3 && github > gitlab:
		return GitHub
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
