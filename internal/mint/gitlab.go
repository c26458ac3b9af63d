package mint

import (
	"strings"
	"time"
)

// What GitLab puts into a token and from where is in lib/gitlab/ci/jwt.rb,
// jwt_v2.rb and lib/json_web_token/user_project_token_claims.rb of GitLab;
// policies/issuer/gitlab/README.md lists it by claim.

// A GitLab job may take an hour unless its project says otherwise, and its token
// lives as long; nbf lies five seconds before iat.
const (
	gitlabLifetime  = 60 * 60
	gitlabNotBefore = 5
)

// fillJobJWT fills in a CI_JOB_JWT. Its iss is the instance's host alone.
func fillJobJWT(d *draft, now time.Time) {
	d.times(now, gitlabNotBefore, gitlabLifetime)
	d.text("iss", "gitlab.example.com")
	p := fillProject(d)
	fillUser(d)
	fillJob(d, p)
	d.text("sub", "job_"+d.texts["job_id"])
}

// fillJobJWTV2 fills in a CI_JOB_JWT_V2. Its aud is the instance itself.
func fillJobJWTV2(d *draft, now time.Time) {
	d.text("aud", fillURLIssuer(d, now))
	p := fillProject(d)
	fillUser(d)
	fillJob(d, p)
	fillPipeline(d, p)
}

// fillIDToken fills in a token that a job's id_tokens asked for, as of GitLab 18.9.
func fillIDToken(d *draft, now time.Time) {
	fillURLIssuer(d, now)
	d.text("aud", "https://vault.example.com")
	p := fillProject(d)
	p.runsIn = d.text("job_project_path", p.path)
	namespace := d.text("job_namespace_path", parent(p.runsIn))
	projectID, namespaceID := p.id, p.namespaceID
	if p.runsIn != p.path {
		projectID = id("project", p.runsIn)
	}
	if namespace != p.namespace {
		namespaceID = id("namespace", namespace)
	}
	d.text("job_project_id", projectID)
	d.text("job_namespace_id", namespaceID)
	fillUser(d)
	fillJob(d, p)
	fillPipeline(d, p)
	d.text("job_source", "pipeline")
}

func fillURLIssuer(d *draft, now time.Time) string {
	d.times(now, gitlabNotBefore, gitlabLifetime)
	return d.text("iss", "https://gitlab.example.com")
}

// A project is what project_path and its like say, and what follows from them.
// runsIn differs from path in a fork's merge request pipeline, which runs in the
// parent while project_path names the fork.
type project struct {
	path, id               string
	namespace, namespaceID string
	runsIn                 string
}

func fillProject(d *draft) project {
	name := "acme/infra"
	if namespace := d.givenText("namespace_path"); namespace != "" {
		name = namespace + "/infra"
	}
	var p project
	p.path = d.text("project_path", name)
	p.namespace = d.text("namespace_path", parent(p.path))
	p.id = d.text("project_id", id("project", p.path))
	p.namespaceID = d.text("namespace_id", id("namespace", p.namespace))
	p.runsIn = p.path
	return p
}

func fillUser(d *draft) {
	login := d.text("user_login", "alice")
	d.text("user_id", id("user", login))
	d.text("user_email", login+"@example.com")
	d.text("user_access_level", "maintainer")
}

func fillJob(d *draft, p project) {
	source, fork := "push", p.runsIn != p.path
	if fork {
		source = "merge_request_event"
	}
	d.text("pipeline_source", source)
	d.text("pipeline_id", "574")
	d.text("job_id", "302")
	name, kind := givenRef(d)
	name = d.text("ref", name)
	kind = d.text("ref_type", kind)
	d.text("ref_path", refPath(kind, name))
	d.text("ref_protected", truth(name == "main" && kind == "branch" && !fork))
	fillEnvironment(d)
}

// givenRef returns the ref and its type that the caller set, through ref_path
// where only that was given.
func givenRef(d *draft) (name, kind string) {
	full := d.givenText("ref_path")
	if name, ok := strings.CutPrefix(full, "refs/tags/"); ok {
		return name, "tag"
	}
	if name, ok := strings.CutPrefix(full, "refs/heads/"); ok {
		return name, "branch"
	}
	if d.givenText("ref_type") == "tag" {
		return "v1.0.0", "tag"
	}
	return "main", "branch"
}

func refPath(kind, name string) string {
	if kind == "tag" {
		return "refs/tags/" + name
	}
	return "refs/heads/" + name
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// fillEnvironment puts the four claims that come with an environment and only
// with one.
func fillEnvironment(d *draft) {
	if !d.has("environment", "environment_protected", "deployment_tier", "environment_action") {
		return
	}
	name := d.text("environment", "production")
	d.text("environment_protected", "false")
	d.text("deployment_tier", tier(name))
	d.text("environment_action", "start")
}

// tier guesses an environment's tier from its name, which GitLab does too where
// the job does not say. It goes by the example names of GitLab's page alone, so
// GitLab may know more names; set deployment_tier where it matters.
// https://docs.gitlab.com/ci/environments/#deployment-tier-of-environments
func tier(environment string) string {
	name := strings.ToLower(environment)
	for _, t := range []struct {
		tier  string
		words []string
	}{
		{"development", []string{"dev", "review", "trunk"}},
		{"testing", []string{"test", "qc"}},
		{"staging", []string{"staging", "model", "demo"}},
		{"production", []string{"prod", "live"}},
	} {
		for _, word := range t.words {
			if strings.Contains(name, word) {
				return t.tier
			}
		}
	}
	return "other"
}

// fillPipeline puts what CI_JOB_JWT_V2 and id_tokens have beyond CI_JOB_JWT, sub
// among it.
func fillPipeline(d *draft, p project) {
	ref, kind, full := d.texts["ref"], d.texts["ref_type"], d.texts["ref_path"]
	d.put("runner_id", number(12))
	d.text("runner_environment", "self-hosted")
	d.text("project_visibility", "private")
	sha := d.text("sha", commit(p.path, full))
	_, server, _ := strings.Cut(d.texts["iss"], "://")
	d.text("ci_config_ref_uri", strings.TrimSuffix(server, "/")+"/"+p.runsIn+"//.gitlab-ci.yml@"+full)
	d.text("ci_config_sha", sha)
	d.text("sub", "project_path:"+p.path+":ref_type:"+kind+":ref:"+ref)
}
