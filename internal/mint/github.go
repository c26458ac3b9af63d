package mint

import (
	"strings"
	"time"
)

// What GitHub puts into a token is in
// https://docs.github.com/en/actions/reference/security/oidc;
// policies/issuer/github/README.md lists it by claim.

// A GitHub token lives five minutes; nbf lies ten minutes before iat.
const (
	githubLifetime  = 5 * 60
	githubNotBefore = 10 * 60
)

func fillGitHub(d *draft, now time.Time, immutable bool) {
	d.times(now, githubNotBefore, githubLifetime)
	d.text("iss", "https://token.actions.githubusercontent.com")

	repository := "acme/infra"
	if owner := d.givenText("repository_owner"); owner != "" {
		repository = owner + "/infra"
	}
	repository = d.text("repository", repository)
	owner := d.text("repository_owner", parent(repository))
	repositoryID := d.text("repository_id", id("repository", repository))
	ownerID := d.text("repository_owner_id", id("owner", owner))
	d.text("repository_visibility", "private")
	d.text("aud", "https://github.com/"+owner)

	event := fillEvent(d)
	ref := d.texts["ref"]
	sha := d.text("sha", commit(repository, ref))
	fillWorkflow(d, repository, ref, sha)
	actor := d.text("actor", "alice")
	d.text("actor_id", id("user", actor))
	if d.has("enterprise", "enterprise_id") {
		enterprise := d.text("enterprise", "acme-inc")
		d.text("enterprise_id", id("enterprise", enterprise))
	}

	subject := "repo:" + repository
	if immutable {
		subject = "repo:" + owner + "@" + ownerID + strings.TrimPrefix(repository, parent(repository)) + "@" + repositoryID
	}
	d.text("sub", subject+":"+subjectContext(d, event, ref))
}

// fillEvent puts the event and the refs that come with it. A pull request runs on
// a merge ref of its own and alone has a head and a base.
func fillEvent(d *draft) string {
	event := "push"
	if d.givenText("head_ref") != "" {
		event = "pull_request"
	}
	event = d.text("event_name", event)
	ref, head, base := "refs/heads/main", "", ""
	switch {
	case event == "pull_request":
		ref, head, base = "refs/pull/1/merge", "feature", "main"
	case d.givenText("ref_type") == "tag":
		ref = "refs/tags/v1.0.0"
	}
	ref = d.text("ref", ref)
	kind := "branch"
	if strings.HasPrefix(ref, "refs/tags/") {
		kind = "tag"
	}
	d.text("ref_type", kind)
	d.text("ref_protected", truth(ref == "refs/heads/main"))
	d.text("head_ref", head)
	d.text("base_ref", base)
	return event
}

// fillWorkflow puts the workflow of the run and of the job; they differ only
// where a reusable workflow is called.
func fillWorkflow(d *draft, repository, ref, sha string) {
	name := d.text("workflow", "deploy")
	workflow := d.text("workflow_ref", repository+"/.github/workflows/"+name+".yml@"+ref)
	workflowSHA := d.text("workflow_sha", sha)
	called := d.text("job_workflow_ref", workflow)
	if called != workflow {
		workflowSHA = commit(called)
	}
	d.text("job_workflow_sha", workflowSHA)
	d.text("run_id", "9876543210")
	d.text("run_number", "10")
	d.text("run_attempt", "1")
	d.text("check_run_id", "34567890123")
	d.text("runner_environment", "github-hosted")
}

// subjectContext returns the end of a subject: an environment wins over a pull
// request, and that over the ref. A colon in a value is written %3A.
func subjectContext(d *draft, event, ref string) string {
	escape := func(s string) string { return strings.ReplaceAll(s, ":", "%3A") }
	if d.has("environment") {
		return "environment:" + escape(d.text("environment", ""))
	}
	if event == "pull_request" {
		return "pull_request"
	}
	return "ref:" + escape(ref)
}
