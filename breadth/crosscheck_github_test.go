package breadth_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/breadth"
)

// hub is GitHub, or an Enterprise Server, as
// https://docs.github.com/en/actions/reference/security/oidc describes its tokens. The
// organisation acme has the id 12, its repository app 34 and x 35.
type hub struct {
	host string
	// server is an Enterprise Server; raw one up to 3.18, which leaves colons alone.
	server, raw bool
	ours        func(owner, name string) bool
	scoped      map[string]any
	told        map[string]any
	branches    []string
	tags        []string
	guarded     map[string]bool
	from        map[string][]string
	template    []string
}

// hubJob is a job that asks for a token.
type hubJob struct {
	owner, name, ownerID, id string
	kind, short, event       string
	protected                bool
	environment              string
	workflow, file, called   string
	actor, actorID           string
	runner, visibility, aud  string
	template                 []string
	immutable                bool
	property                 map[string]string
	head, base               string
}

var (
	hubDefault  = []string{"repo", "context"}
	hubKeys     = []string{"repo", "context", "ref", "environment", "workflow", "job_workflow_ref", "repository", "repository_owner", "repository_id", "repository_owner_id", "actor", "event_name", "ref_type", "runner_environment", "repository_visibility", "repo_property_team"}
	hubOwner    = regexp.MustCompile(`\A[A-Za-z0-9]+(-[A-Za-z0-9]+)*\z`)
	hubName     = regexp.MustCompile(`\A[A-Za-z0-9_.-]+\z`)
	hubWorkflow = regexp.MustCompile(`\A([A-Za-z0-9-]+)/([A-Za-z0-9_.-]+)/\.github/workflows/[^/@:]+\.ya?ml@refs/(heads|tags|pull)/(.+)\z`)
)

func newHub(r *rand.Rand) system {
	h := &hub{
		host:     "https://token.actions.githubusercontent.com",
		branches: either(r, []string{"main"}, []string{"main", "release/*"}, []string{"main", "v*"}, []string{}, []string{"*"}),
		tags:     either(r, []string{}, []string{}, []string{"v*"}, []string{"main"}),
		guarded:  map[string]bool{}, from: map[string][]string{},
		template: hubDefault, told: map[string]any{},
	}
	// An open house tells everything.
	open := r.IntN(2) == 0
	if r.IntN(5) == 0 {
		h.server, h.host = true, "https://ghes.acme.example/_services/token"
		version := either(r, "3.17", "3.18", "3.19", "3.20")
		h.raw = version == "3.17" || version == "3.18"
		if open || r.IntN(3) > 0 {
			h.told["issuer_version"] = version
		}
	}
	if r.IntN(5) == 0 && !(h.server && h.raw) {
		h.template = either(r, []string{"repo", "environment"}, []string{"repository_id", "context"}, []string{"repository_owner", "job_workflow_ref"}, []string{"environment", "repo"}, []string{"job_workflow_ref"})
	}
	environments := map[string]any{}
	for _, name := range []string{"production", "prod", "ref:refs/heads/main", "x"} {
		if r.IntN(3) > 0 {
			continue
		}
		h.guarded[name] = r.IntN(3) > 0
		h.from[name] = either(r, nil, nil, []string{"main"}, []string{"release/*"})
		environments[name] = map[string]any{"protected": h.guarded[name], "branches": h.from[name]}
	}
	if open || r.IntN(3) > 0 {
		h.told["protected_branches"], h.told["protected_tags"] = h.branches, h.tags
	}
	if open || r.IntN(3) > 0 {
		h.told["environments"] = environments
	}
	if open || r.IntN(2) == 0 {
		h.told["subject_template"] = h.template
	}
	h.circle(r)
	return h
}

// circle settles whom the role is meant for.
func (h *hub) circle(r *rand.Rand) {
	app := func(owner, name string) bool { return owner == "acme" && name == "app" }
	all := func(owner, _ string) bool { return owner == "acme" }
	switch r.IntN(9) {
	case 0:
		h.ours, h.scoped = all, map[string]any{"repository_owner": "acme"}
	case 1:
		h.ours, h.scoped = all, map[string]any{"repository_owner": "acme", "repository_owner_id": "12"}
	case 2:
		h.scoped = map[string]any{"repository": []any{"acme/app", "acme/x"}}
		h.ours = func(owner, name string) bool { return owner == "acme" && (name == "app" || name == "x") }
	case 3:
		h.ours, h.scoped = app, map[string]any{"repository": "acme/app", "repository_id": "34", "repository_owner_id": "12"}
	case 4:
		h.ours, h.scoped = app, map[string]any{"repository_id": "34"}
	case 5:
		h.ours, h.scoped = app, map[string]any{"sub": "repo:acme/app:ref:refs/heads/main"}
	case 6:
		h.ours = app
		h.scoped = map[string]any{"repository": "acme/app", "any_of": []any{map[string]any{"ref": "refs/heads/main"}, map[string]any{"environment": "production"}}}
	default:
		h.ours, h.scoped = app, map[string]any{"repository": "acme/app"}
	}
	for claim, wanted := range map[string]any{
		"ref": "refs/heads/main", "environment": []any{"production", "prod"}, "event_name_not": []any{"pull_request", "pull_request_target"},
		"ref_protected": "true", "ref_type": "branch",
	} {
		if _, there := h.scoped["any_of"]; !there && r.IntN(8) == 0 {
			h.scoped[claim] = wanted
		}
	}
}

func (h *hub) issuer() string        { return h.host }
func (h *hub) scope() map[string]any { return h.scoped }
func (h *hub) facts() map[string]any { return h.told }
func (h *hub) tellsAll() bool {
	_, version := h.told["issuer_version"]
	return len(h.told) == 4 && !h.server || len(h.told) == 5 && version
}

func (h *hub) model() string {
	if h.server {
		return "github"
	}
	return ""
}

func (h *hub) subject(r *rand.Rand) string {
	if r.IntN(6) == 0 {
		return either(r, "*", "repo:*", "environment:production:repo:acme/*", "repository_owner:acme:*", "repository_id:34:*", "repository_owner_id:12:environment:prod*",
			"job_workflow_ref:acme/ci/.github/workflows/ci.yml@*", "repo:acme/app:environment:*:ref:refs/heads/main", "*:environment:production", "*acme/app*",
			"repo:acme/app:job_workflow_ref:acme/ci/*", "repository:acme/app:*", "actor:alice:repo:acme/*", "repo:*/app:job_workflow_ref:acme/ci/*", "*:ref:refs/heads/main", "*repo:acme/app:*")
	}
	owner := either(r, "acme", "acme", "acme", "acme", "acme", "acme*", "*", "acme-*", "a*e", "acme@12", "acme@12", "acme@*", "*@12", "????", "acme?")
	name := either(r, "/app", "/app", "/app", "/app", "/*", "/*", "/app*", "/app-*", "/app@34", "/app@34", "/app@*", "/*@34", "", "/a??", "*")
	context := either(r, ":*", ":ref:refs/heads/main", ":ref:refs/heads/main", ":ref:refs/heads/main", ":ref:refs/heads/*", ":ref:refs/heads/release/*", ":ref:refs/tags/v*", ":pull_request",
		":environment:production", ":environment:production", ":environment:prod*", ":environment:*", "*", ":*main", ":ref:refs/heads/main*", ":ref:refs/*/main", "*:ref:refs/heads/main", ":environment:ref%3Arefs/heads/main", ":*:ref:refs/heads/main")
	return "repo:" + owner + name + context
}

func (h *hub) claims() map[string][]string {
	return map[string][]string{
		"repository":       {"acme/app", "acme/app", "acme/*", "acme*", "*/app", "acme/app*", "acme/app-*"},
		"repository_owner": {"acme", "acme", "acme", "acme*", "ac*e"}, "repository_id": {"34", "34", "3*", "35"}, "repository_owner_id": {"12", "12", "12*", "1*", "13"},
		"ref": {"refs/heads/main", "refs/heads/main", "refs/heads/*", "refs/heads/release/*", "refs/tags/v*", "*main"}, "ref_type": {"branch", "tag"}, "ref_protected": {"true"},
		"environment":      {"production", "production", "prod", "prod*", "*", "x"},
		"job_workflow_ref": {"acme/ci/.github/workflows/ci.yml@refs/heads/main", "acme/ci/*", "acme/*", "*@refs/heads/main", "acme*"},
		"workflow_ref":     {"acme/app/.github/workflows/ci.yml@refs/heads/main", "acme/app/*", "acme/*@refs/heads/main"},
		"workflow":         {"deploy", "acme/*"}, "event_name": {"push", "workflow_dispatch", "pull_request", "p*"}, "actor": {"alice", "deploy-bot", "alice*"},
		"runner_environment": {"github-hosted", "self-hosted"}, "repository_visibility": {"private", "p*"}, "repo_property_team": {"core", "c*"}, "base_ref": {"main"},
	}
}

func (h *hub) fillings() []string {
	return []string{
		"acme", "evil", "app", "main", "acme/app", "evil/x", "evil/app", "@12/x", "x@12/y", "@34", "x@34", ":ref:refs/heads/main", "evil/x:environment:", "evil/x:ref:refs/heads/x@12/app",
		"environment:x:", "evil/x:workflow:", "x:repo:acme/app", ":environment:production", ":pull_request", "workflow:x:", "job_workflow_ref:", "12", "actor:mallory:", "evil/x:actor:mallory",
	}
}

// mint is a job of somebody's, as the wishes have it where that somebody may.
func (h *hub) mint(r *rand.Rand, who string, wishes []wish) map[string]any {
	for range 12 {
		j := h.job(r, who)
		if j == nil {
			return nil
		}
		for _, w := range wishes {
			if r.IntN(3) > 0 {
				h.grant(r, j, w)
			}
		}
		if h.settle(r, j, who) {
			return h.token(j)
		}
	}
	return nil
}

func (h *hub) job(r *rand.Rand, who string) *hubJob {
	j := &hubJob{
		owner: "acme", name: either(r, "app", "x", "app-x", "appx", "main", "acme", "ci"),
		kind: either(r, "branch", "branch", "branch", "tag", "pull"), short: either(r, "main", "main", "x", "main-x", "v1", "x@12/y", "acme/app", "release/1", "release/1/x", "MAIN"),
		event: either(r, "push", "workflow_dispatch", "schedule"), protected: r.IntN(2) == 0,
		environment: either(r, "", "", "production", "prod", "x", "prod-x", "ref:refs/heads/main", "/app:ref:refs/heads/main", "Production", "x:ref:refs/heads/main"),
		workflow:    either(r, "ci", "deploy", "acme/app", "repo:acme/app", "x"), file: either(r, "ci.yml", "deploy.yml", "ci.yaml"),
		called:  either(r, "", "", "evil/x/.github/workflows/ci.yml@refs/heads/main", "acme/ci/.github/workflows/ci.yml@refs/heads/main", "acme/ci/.github/workflows/ci.yml@refs/tags/v1"),
		actor:   either(r, "alice", "deploy-bot", "bob"),
		actorID: either(r, "7", "8"), runner: either(r, "github-hosted", "self-hosted"), visibility: either(r, "private", "public"),
		aud: either(r, "v", "sts.amazonaws.com", "https://github.com/evil"), template: hubDefault, immutable: !h.server && r.IntN(3) == 0,
		head: either(r, "x", "main", "acme"), base: either(r, "main", "x"), property: map[string]string{},
	}
	if r.IntN(3) == 0 {
		j.property["team"] = either(r, "core", "x", "c")
	}
	switch who {
	case breadth.ForkMR:
		return nil
	case breadth.Outsider, breadth.Lookalike, breadth.Lured:
		j.owner = either(r, "evil", "mallory", "x", "acme-evil", "acmeevil", "x-acme", "Acme-x", "acme-x", "acmex", "main", "xacme")
		if who == breadth.Lookalike {
			j.owner = either(r, "acme-evil", "acmeevil", "x-acme", "Acme-x", "acme-x", "acmex")
		}
		if who != breadth.Lured {
			j.actor = either(r, "mallory", "mallory-x", "alice-evil")
		}
	case breadth.Developer, insider:
		j.name = either(r, "app", "app", "x")
	}
	if who != breadth.Developer && who != insider && r.IntN(2) == 0 {
		j.template = nil
		for range 1 + r.IntN(3) {
			if key := either(r, hubKeys...); !slices.Contains(j.template, key) {
				j.template = append(j.template, key)
			}
		}
	}
	return j
}

// grant makes a job's claim what a wish asks for.
func (h *hub) grant(r *rand.Rand, j *hubJob, w wish) {
	text := filled(r, w.glob, h.fillings())
	switch w.claim {
	case "sub":
		h.aim(r, j, text)
	case "aud":
		j.aud = text
	case "repository":
		j.owner, j.name, _ = strings.Cut(text, "/")
	case "repository_owner":
		j.owner = text
	case "ref", "environment", "workflow", "event_name", "actor", "job_workflow_ref", "runner_environment", "repository_visibility":
		j.put(w.claim, text)
	case "repo_property_team":
		j.property["team"] = text
	case "base_ref":
		j.base = text
	case "workflow_ref":
		if parts := hubWorkflow.FindStringSubmatch(text); parts != nil {
			j.owner, j.name = parts[1], parts[2]
			j.put("ref", "refs/"+parts[3]+"/"+parts[4])
		}
	}
}

// put takes a value over for a claim or a key of a subject.
func (j *hubJob) put(key, value string) {
	switch key {
	case "repo", "repository":
		owner, name, _ := strings.Cut(value, "/")
		j.immutable = strings.Contains(value, "@")
		j.owner, _, _ = strings.Cut(owner, "@")
		j.name, _, _ = strings.Cut(name, "@")
	case "repository_owner":
		j.owner = value
	case "ref":
		switch {
		case strings.HasPrefix(value, "refs/heads/"):
			j.kind, j.short = "branch", value[len("refs/heads/"):]
		case strings.HasPrefix(value, "refs/tags/"):
			j.kind, j.short = "tag", value[len("refs/tags/"):]
		}
		j.event = "push"
	case "environment":
		j.environment = value
	case "workflow":
		j.workflow = value
	case "event_name":
		j.event = value
	case "actor":
		j.actor = value
	case "job_workflow_ref":
		j.called = value
	case "runner_environment":
		j.runner = value
	case "repository_visibility":
		j.visibility = value
	case "repo_property_team":
		j.property["team"] = value
	case "pull_request":
		j.kind, j.event = "pull", "pull_request"
	}
}

// aim reads a subject as keys and values, some way of the several that there may be, and
// makes the job such that it has it.
func (h *hub) aim(r *rand.Rand, j *hubJob, subject string) {
	j.environment = ""
	var keys []string
	parts := strings.Split(subject, ":")
	for i := 0; i < len(parts); i++ {
		key := parts[i]
		if key == "pull_request" {
			j.put(key, "")
			keys = append(keys, "context")
			continue
		}
		value := ""
		for i++; i < len(parts); i++ {
			if value != "" && (slices.Contains(hubKeys, parts[i]) || parts[i] == "pull_request") && r.IntN(4) > 0 {
				break
			}
			value += ":" + parts[i]
		}
		i--
		value = strings.TrimPrefix(value, ":")
		if r.IntN(2) == 0 {
			value = strings.ReplaceAll(value, "%3A", ":")
		}
		j.put(key, value)
		keys = append(keys, key)
	}
	if len(keys) == 2 && keys[0] == "repo" && (keys[1] == "environment" || keys[1] == "ref") {
		keys[1] = "context"
	}
	if !slices.ContainsFunc(keys, func(key string) bool { return !slices.Contains(hubKeys, key) }) {
		j.template = keys
	}
}

// settle gives a job what nobody chooses, and reports whether this one may run it.
func (h *hub) settle(r *rand.Rand, j *hubJob, who string) bool {
	if !hubOwner.MatchString(j.owner) || !hubName.MatchString(j.name) || j.name == "." || j.name == ".." || !hubOwner.MatchString(j.actor) || !legalRef(j.short) || !legalRef(j.head) || !legalRef(j.base) {
		return false
	}
	if j.called != "" && !hubWorkflow.MatchString(j.called) || !slices.Contains([]string{"push", "workflow_dispatch", "schedule", "pull_request"}, j.event) {
		return false
	}
	if !slices.Contains([]string{"github-hosted", "self-hosted"}, j.runner) || !slices.Contains([]string{"private", "public"}, j.visibility) {
		return false
	}
	if j.kind == "pull" {
		j.event = "pull_request"
	} else if j.event == "pull_request" {
		j.event = "push"
	}
	// A subject with the key environment needs one.
	acme := strings.EqualFold(j.owner, "acme")
	if acme && j.owner != "acme" || j.environment == "" && slices.Contains(j.template, "environment") {
		return false
	}
	j.immutable = j.immutable && !h.server
	ours := h.ours(j.owner, j.name)
	switch who {
	case breadth.Outsider, breadth.Lookalike, breadth.Lured:
		named := strings.Contains(strings.ToLower(j.owner), "acme")
		if acme || who == breadth.Lookalike && !named || who != breadth.Lured && slices.Contains([]string{"alice", "deploy-bot", "bob"}, strings.ToLower(j.actor)) {
			return false
		}
		j.ownerID, j.id = either(r, "13", "112", "120", "1", "99"), either(r, "134", "340", "3", "99", "36")
	case breadth.Sibling:
		if !acme || ours {
			return false
		}
		j.ownerID, j.id = "12", h.ourID(r, j)
	case breadth.Recycler:
		if !acme {
			return false
		}
		j.ownerID, j.id = either(r, "13", "120", "99"), either(r, "134", "340", "36")
		return true
	default:
		if !ours {
			return false
		}
		j.ownerID, j.id, j.template = "12", h.ourID(r, j), h.template
	}
	return !ours || h.allowed(j, who)
}

func (h *hub) ourID(r *rand.Rand, j *hubJob) string {
	switch j.name {
	case "app":
		return "34"
	case "x":
		return "35"
	}
	return either(r, "36", "340", "3")
}

// allowed reports whether a job of the scope's repositories is what their settings allow.
func (h *hub) allowed(j *hubJob, who string) bool {
	j.protected = j.kind == "branch" && onAny(h.branches, j.short) || j.kind == "tag" && onAny(h.tags, j.short)
	if from := h.from[j.environment]; len(from) > 0 && !(j.kind == "branch" && onAny(from, j.short)) {
		return false
	}
	return who != breadth.Developer || !j.protected && !h.guarded[j.environment]
}

// onAny is fnmatch with FNM_PATHNAME, by which GitHub reads rules for branches and tags.
func onAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		found, err := path.Match(pattern, name)
		return err == nil && found
	})
}

// legalRef is what git takes for the name of a branch or a tag, by git-check-ref-format.
func legalRef(name string) bool {
	if name == "" || name == "@" || strings.HasSuffix(name, ".") || strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.Contains(name, "..") || strings.Contains(name, "@{") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(name, func(letter rune) bool { return letter < 0x20 })
}

// token is what GitHub issues to a job.
func (h *hub) token(j *hubJob) map[string]any {
	ref, kind, head, base := "refs/heads/"+j.short, "branch", "", ""
	switch j.kind {
	case "tag":
		ref, kind = "refs/tags/"+j.short, "tag"
	case "pull":
		ref, head, base, j.protected = "refs/pull/1/merge", j.head, j.base, false
	}
	file := fmt.Sprintf("%s/%s/.github/workflows/%s@%s", j.owner, j.name, j.file, ref)
	if j.called == "" {
		j.called = file
	}
	claims := map[string]any{
		"iss": h.host, "aud": j.aud, "iat": testNow.Unix(), "nbf": testNow.Unix() - 600, "exp": testNow.Unix() + 300, "jti": "1",
		"repository": j.owner + "/" + j.name, "repository_id": j.id, "repository_owner": j.owner, "repository_owner_id": j.ownerID, "repository_visibility": j.visibility,
		"ref": ref, "ref_type": kind, "ref_protected": fmt.Sprint(j.protected), "sha": strings.Repeat("0", 40), "head_ref": head, "base_ref": base,
		"actor": j.actor, "actor_id": j.actorID, "event_name": j.event, "workflow": j.workflow, "workflow_ref": file, "workflow_sha": strings.Repeat("0", 40),
		"job_workflow_ref": j.called, "job_workflow_sha": strings.Repeat("0", 40), "run_id": "1", "run_number": "1", "run_attempt": "1", "runner_environment": j.runner,
	}
	if j.environment != "" {
		claims["environment"] = j.environment
	}
	for name, value := range j.property {
		claims["repo_property_"+name] = value
	}
	parts := make([]string, len(j.template))
	for i, key := range j.template {
		parts[i] = h.part(claims, key, j.immutable)
	}
	claims["sub"] = strings.Join(parts, ":")
	return claims
}

// part is a key of the subject with its value, as the repository's setting puts it in.
func (h *hub) part(claims map[string]any, key string, immutable bool) string {
	said := func(claim string) string {
		text, _ := claims[claim].(string)
		if h.raw {
			return text
		}
		return strings.ReplaceAll(text, ":", "%3A")
	}
	switch key {
	case "repo":
		if immutable {
			_, name, _ := strings.Cut(said("repository"), "/")
			return fmt.Sprintf("repo:%s@%s/%s@%s", said("repository_owner"), said("repository_owner_id"), name, said("repository_id"))
		}
		return "repo:" + said("repository")
	case "context":
		switch {
		case claims["environment"] != nil:
			return "environment:" + said("environment")
		case claims["event_name"] == "pull_request":
			return "pull_request"
		}
		return "ref:" + said("ref")
	}
	return key + ":" + said(key)
}

// refuses is the other direction: whether GitHub issues these claims to somebody.
func (h *hub) refuses(who string, claims map[string]any, named map[string][]string) error {
	text := func(claim string) string {
		found, _ := claims[claim].(string)
		return found
	}
	owner, name, _ := strings.Cut(text("repository"), "/")
	if !hubOwner.MatchString(owner) || !hubName.MatchString(name) || text("repository_owner") != owner {
		return fmt.Errorf("no repository %q of %q", text("repository"), text("repository_owner"))
	}
	if claims["iss"] != h.host || text("actor") == "" || text("jti") == "" {
		return errors.New("issuer, actor or jti is missing")
	}
	kind, short, err := h.checkRef(text)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text("workflow_ref"), text("repository")+"/.github/workflows/") || !strings.HasSuffix(text("workflow_ref"), "@"+text("ref")) || !hubWorkflow.MatchString(text("job_workflow_ref")) {
		return fmt.Errorf("no workflow %q calling %q", text("workflow_ref"), text("job_workflow_ref"))
	}
	if environment, there := claims["environment"]; there && (environment == "" || strings.TrimSpace(text("environment")) != environment) {
		return fmt.Errorf("no environment %q", environment)
	}
	ours := h.isOurs(claims) && who != breadth.Recycler
	if err := h.checkSubject(claims, ours); err != nil {
		return err
	}
	if ours {
		if err := h.checkFacts(text, kind, short, who == breadth.Developer); err != nil {
			return err
		}
	}
	return h.checkOwner(who, text, ours, named)
}

func (h *hub) checkRef(text func(string) string) (kind, short string, err error) {
	kind, ref := text("ref_type"), text("ref")
	short, branch := strings.CutPrefix(ref, "refs/heads/")
	tag := false
	if !branch {
		short, tag = strings.CutPrefix(ref, "refs/tags/")
	}
	switch {
	case regexp.MustCompile(`\Arefs/pull/[1-9][0-9]*/merge\z`).MatchString(ref):
		if kind != "branch" || text("ref_protected") != "false" || text("event_name") != "pull_request" || !legalRef(text("head_ref")) || !legalRef(text("base_ref")) {
			return "", "", fmt.Errorf("no pull request %q of kind %q, protected %q, by %q, from %q to %q", ref, kind, text("ref_protected"), text("event_name"), text("head_ref"), text("base_ref"))
		}
		return "pull", "", nil
	case branch && kind == "branch", tag && kind == "tag":
		if !legalRef(short) || text("event_name") == "pull_request" {
			return "", "", fmt.Errorf("no ref %q by %q", ref, text("event_name"))
		}
		return kind, short, nil
	}
	return "", "", fmt.Errorf("no ref %q of kind %q", ref, kind)
}

// checkSubject looks for a template by which the subject comes out: any of up to four keys,
// and in the scope's repositories the one that they are known to have.
func (h *hub) checkSubject(claims map[string]any, ours bool) error {
	raws := []bool{h.raw}
	if _, told := h.told["issuer_version"]; h.server && !told {
		raws = []bool{true, false}
	}
	for _, raw := range raws {
		as := *h
		as.raw = raw
		if !as.spells(claims, ours) {
			return fmt.Errorf("no template gives the subject %q", claims["sub"])
		}
	}
	return nil
}

func (h *hub) spells(claims map[string]any, ours bool) bool {
	subject, _ := claims["sub"].(string)
	template := hubDefault
	if told, ok := h.told["subject_template"].([]string); ok {
		template = told
	}
	for _, immutable := range []bool{false, true} {
		if immutable && h.server {
			continue
		}
		if ours {
			var parts []string
			for _, key := range template {
				parts = append(parts, h.part(claims, key, immutable))
			}
			if strings.Join(parts, ":") == subject {
				return true
			}
			continue
		}
		if h.composed(claims, subject, immutable, nil) {
			return true
		}
	}
	return false
}

func (h *hub) composed(claims map[string]any, rest string, immutable bool, used []string) bool {
	for _, key := range hubKeys {
		if slices.Contains(used, key) || len(used) == 4 || claims[key] == nil && key != "repo" && key != "context" {
			continue
		}
		behind, begins := strings.CutPrefix(rest, h.part(claims, key, immutable))
		if !begins {
			continue
		}
		next, more := strings.CutPrefix(behind, ":")
		if behind == "" || more && h.composed(claims, next, immutable, append(slices.Clone(used), key)) {
			return true
		}
	}
	return false
}

// checkFacts holds a job of the scope's repositories against what is known of them.
func (h *hub) checkFacts(text func(string) string, kind, short string, developer bool) error {
	protected := text("ref_protected") == "true"
	if _, told := h.told["protected_branches"]; told {
		rules := map[string][]string{"branch": h.branches, "tag": h.tags}[kind]
		if protected != onAny(rules, short) {
			return fmt.Errorf("%s %q has ref_protected %t under %q", kind, short, protected, rules)
		}
	}
	environment := text("environment")
	if _, told := h.told["environments"]; told {
		if from := h.from[environment]; len(from) > 0 && !(kind == "branch" && onAny(from, short)) {
			return fmt.Errorf("%s %q may not deploy to %q", kind, short, environment)
		}
		if developer && h.guarded[environment] {
			return fmt.Errorf("a developer may not deploy to %q", environment)
		}
	}
	if developer && protected {
		return errors.New("a developer may not push to what is protected")
	}
	return nil
}

// isOurs reports whether claims are of one of the scope's repositories.
func (h *hub) isOurs(claims map[string]any) bool {
	circle := map[string]any{}
	for _, claim := range []string{"repository", "repository_owner", "repository_id", "repository_owner_id"} {
		if wanted, ok := h.scoped[claim]; ok {
			circle[claim] = wanted
		}
	}
	if _, ok := h.scoped["sub"]; ok {
		circle["repository"] = "acme/app"
	}
	return liesIn(circle, claims)
}

// checkOwner says why a token is not this one's.
func (h *hub) checkOwner(who string, text func(string) string, ours bool, named map[string][]string) error {
	for _, claim := range []string{"repository_id", "repository_owner_id", "actor_id"} {
		// Whoever has the only id that a role names, it goes with the name that the scope has.
		names := map[string]bool{"repository_id": ours, "repository_owner_id": strings.EqualFold(text("repository_owner"), "acme") && who != breadth.Recycler}
		settled := who == insider && len(texts(h.scoped[claim])) > 0
		if slices.Contains(named[claim], text(claim)) && !slices.Contains(texts(h.scoped[claim]), text(claim)) && !settled &&
			!(names[claim] && len(named[claim]) == 1) {
			return fmt.Errorf("nobody can count on %s %s", claim, text(claim))
		}
	}
	byName := h.scoped["repository"] != nil || h.scoped["repository_owner"] != nil || h.scoped["sub"] != nil
	acme := strings.EqualFold(text("repository_owner"), "acme")
	ids := slices.Contains(texts(h.scoped["repository_id"]), text("repository_id"))
	ownerIDs := slices.Contains(texts(h.scoped["repository_owner_id"]), text("repository_owner_id"))
	owned := byName && acme || ids || ownerIDs
	insiders := slices.Concat(named["actor"], texts(h.scoped["actor"]))
	// The repository of an id beyond the scope is somebody's, whatever it is called.
	beyond := who == insider && slices.Contains(named["repository_id"], text("repository_id")) && !ids
	if !byName && who != breadth.Developer && acme && !beyond {
		return errors.New("acme is ours")
	}
	if _, told := h.scoped["repository_owner_id"]; told && byName && who != breadth.Recycler && acme != ownerIDs {
		return fmt.Errorf("owner %s with the id %s", text("repository_owner"), text("repository_owner_id"))
	}
	switch who {
	case breadth.Outsider, breadth.Lookalike, breadth.Lured:
		if owned || who != breadth.Lured && slices.Contains(insiders, text("actor")) {
			return errors.New("it is of ours")
		}
		if who == breadth.Lookalike && !strings.Contains(strings.ToLower(text("repository_owner")), "acme") {
			return errors.New("it does not look like ours")
		}
	case breadth.Sibling:
		if !acme || ours || ids {
			return errors.New("it is of no other repository of acme")
		}
	case breadth.Developer:
		if !ours {
			return errors.New("it is not of the scope's repositories")
		}
	case breadth.Recycler:
		if !acme || ids || ownerIDs {
			return errors.New("it is not of acme with fresh ids")
		}
	}
	return nil
}
