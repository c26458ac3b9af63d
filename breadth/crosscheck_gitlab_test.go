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

// lab is GitLab 18.9, as https://docs.gitlab.com/ci/secrets/id_token_authentication/
// describes its tokens. The group acme has the id 12, its projects app 34 and x 35.
type lab struct {
	host           string
	own            bool
	ours           func(path string) bool
	scoped, told   map[string]any
	branches, tags []string
	guarded        map[string]bool
	template       []string
}

// labJob is a job that asks for a token.
type labJob struct {
	source, parent                          string
	ids                                     map[string]string
	tag, protected                          bool
	ref, environment, tier                  string
	environmentProtected                    bool
	login, email, level, event, runner, aud string
	groups                                  []any
	file                                    string
	template                                []string
}

var (
	labDefault    = []string{"project_path", "ref_type", "ref"}
	labComponents = []string{"ref_type", "ref", "ref_protected", "environment_protected", "deployment_tier"}
	labPath       = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+\z`)
	labPlace      = regexp.MustCompile(`\A[A-Za-z0-9_/${}. -]+\z`)
	labMail       = regexp.MustCompile(`\A[^@\s]+@[^@\s]+\z`)
	labEvents     = []string{"push", "web", "schedule", "api", "merge_request_event"}
)

func newLab(r *rand.Rand) system {
	l := &lab{
		host:     "https://gitlab.com",
		branches: either(r, []string{"main"}, []string{"main", "release/*"}, []string{"*"}, []string{}),
		tags:     either(r, []string{}, []string{}, []string{"v*"}, []string{"main"}),
		guarded:  map[string]bool{}, template: labDefault, told: map[string]any{},
	}
	open := r.IntN(2) == 0
	if r.IntN(6) == 0 {
		l.own, l.host = true, "https://gitlab.acme.com"
		l.told["issuer_version"] = "18.9"
	}
	if r.IntN(5) == 0 {
		l.template = either(r, []string{"project_id", "ref_type", "ref"}, []string{"project_path", "ref"}, []string{"project_path"})
	}
	environments := map[string]any{}
	for _, name := range []string{"production", "prod", "x"} {
		if r.IntN(2) == 0 {
			l.guarded[name] = r.IntN(3) > 0
			environments[name] = map[string]any{"protected": l.guarded[name]}
		}
	}
	if open || r.IntN(3) > 0 {
		l.told["protected_branches"], l.told["protected_tags"] = l.branches, l.tags
	}
	if open || r.IntN(3) > 0 {
		l.told["environments"] = environments
	}
	if open || r.IntN(2) == 0 {
		l.told["subject_template"] = l.template
	}
	l.circle(r)
	return l
}

func (l *lab) circle(r *rand.Rand) {
	app := func(path string) bool { return path == "acme/app" }
	switch r.IntN(7) {
	case 0:
		l.scoped = map[string]any{"namespace_path": "acme"}
		l.ours = func(path string) bool { return strings.HasPrefix(path, "acme/") }
	case 1:
		l.scoped = map[string]any{"project_path": []any{"acme/app", "acme/sub/x"}}
		l.ours = func(path string) bool { return path == "acme/app" || path == "acme/sub/x" }
	case 2:
		l.ours, l.scoped = app, map[string]any{"project_path": "acme/app", "project_id": "34", "namespace_id": "12"}
	case 3:
		l.ours, l.scoped = app, map[string]any{"project_id": "34"}
	case 4:
		l.ours, l.scoped = app, map[string]any{"sub": "project_path:acme/app:ref_type:branch:ref:main"}
	default:
		l.ours, l.scoped = app, map[string]any{"project_path": "acme/app"}
	}
	for claim, wanted := range map[string]any{
		"ref": "main", "ref_type": "branch", "ref_protected": "true", "environment": []any{"production", "prod"}, "pipeline_source": []any{"push", "web"},
	} {
		if r.IntN(8) == 0 {
			l.scoped[claim] = wanted
		}
	}
}

func (l *lab) issuer() string        { return l.host }
func (l *lab) scope() map[string]any { return l.scoped }
func (l *lab) facts() map[string]any { return l.told }
func (l *lab) tellsAll() bool {
	return len(l.told) == 4 && !l.own || len(l.told) == 5
}

func (l *lab) model() string {
	if l.own {
		return "gitlab"
	}
	return ""
}

func (l *lab) subject(r *rand.Rand) string {
	if r.IntN(6) == 0 {
		return either(r, "*", "project_id:34:*", "project_id:*:ref:main", "*:ref:main", "*acme/app*", "project_path:acme/app:ref:main*", "project_path:acme/app:ref:*:ref_protected:true",
			"project_path:acme/*:ref_protected:true*", "project_id:34:ref_type:branch:ref:main", "project_path:*:deployment_tier:production", "project_path:acme/app:ref_type:tag*")
	}
	group := either(r, "acme", "acme", "acme", "acme", "acme*", "*", "acme/sub", "ac*e", "????", "*/acme")
	project := either(r, "/app", "/app", "/app", "/*", "/*", "/app*", "/app-*", "/*/x", "*", "")
	context := either(r, ":*", ":ref_type:branch:ref:main", ":ref_type:branch:ref:main", ":ref_type:branch:ref:main", ":ref_type:*:ref:main", ":ref_type:branch:ref:*",
		":ref_type:tag:ref:v*", "*:ref:main", "*", ":ref_type:branch:ref:main*", ":ref_type:branch:ref:release/*", "*main")
	return "project_path:" + group + project + context
}

func (l *lab) claims() map[string][]string {
	return map[string][]string{
		"project_path": {"acme/app", "acme/app", "acme/*", "acme*", "*/app", "acme/app*", "acme/*/x"}, "namespace_path": {"acme", "acme", "acme*", "acme/*", "acme/sub"},
		"project_id": {"34", "34", "3*"}, "namespace_id": {"12", "12", "1*"}, "ref": {"main", "main", "main", "release/*", "v*", "*main"}, "ref_type": {"branch", "branch", "tag"},
		"ref_protected": {"true", "true", "t*"}, "ref_path": {"refs/heads/main", "refs/heads/*", "refs/*/main"}, "environment": {"production", "prod*", "*"},
		"environment_protected": {"true"}, "deployment_tier": {"production", "p*"}, "job_project_path": {"acme/app", "acme/*", "acme*"}, "job_namespace_id": {"12"},
		"user_login": {"alice", "deploy-bot", "*"}, "user_email": {"*@acme.example", "alice@acme.example", "*acme.example"}, "user_access_level": {"owner", "maintainer", "developer"},
		"pipeline_source": {"push", "web", "merge_request_event"}, "runner_environment": {"gitlab-hosted", "self-hosted"},
		"ci_config_ref_uri": {strings.TrimPrefix(l.host, "https://") + "/acme/app//.gitlab-ci.yml@refs/heads/main", strings.TrimPrefix(l.host, "https://") + "/acme/app//*"},
	}
}

func (l *lab) fillings() []string {
	return []string{"acme", "evil", "app", "main", "acme/app", "evil/x", "evil/app", "sub", "sub/x", "evil/x:ref_type:branch", "evil/acme/app", ":ref_type:tag:ref:x", "x:ref:main", "34", ":ref_protected:true"}
}

func (l *lab) mint(r *rand.Rand, who string, wishes []wish) map[string]any {
	for range 12 {
		j := l.job(r, who)
		for _, w := range wishes {
			if r.IntN(3) > 0 {
				l.grant(r, j, w)
			}
		}
		if l.settle(r, j, who) {
			return l.token(j)
		}
	}
	return nil
}

func (l *lab) job(r *rand.Rand, who string) *labJob {
	strange := either(r, "evil", "mallory", "acme-evil", "acmeevil", "evil/acme", "acme.x", "xacme", "Acme-x", "acme-evil/sub")
	if who == breadth.Lookalike {
		strange = either(r, "acme-evil", "acmeevil", "acme.x", "xacme", "Acme-x", "acme-evil/sub")
	}
	project := either(r, "app", "app", "x", "app-x", "appx", "main", "svc")
	j := &labJob{
		source: either(r, "acme", "acme", "acme/sub", "acme/infra") + "/" + project, tag: r.IntN(4) == 0, protected: r.IntN(2) == 0,
		ref:         either(r, "main", "main", "x", "release/1", "release/1/x", "v1", "main-x", "MAIN", "feature/main"),
		environment: either(r, "", "", "production", "prod", "x", "production-x", "review/x"), tier: either(r, "production", "staging", "other"), environmentProtected: r.IntN(2) == 0,
		login: either(r, "alice", "deploy-bot", "bob"), level: either(r, "developer", "maintainer", "owner"), event: either(r, labEvents...), runner: either(r, "gitlab-hosted", "self-hosted"),
		aud: either(r, "v", "w", "sts.amazonaws.com"), file: either(r, ".gitlab-ci.yml", "ci/x.yml"), template: l.template,
	}
	j.email = j.login + "@acme.example"
	j.groups = either(r, nil, []any{"acme"}, []any{"acme", "evil"})
	switch who {
	case breadth.Outsider, breadth.Lookalike:
		j.login = either(r, "mallory", "mallory-x", "alice-evil")
		j.email = j.login + either(r, "@evil.example", "@evilacme.example", "@acme.example.evil.com")
		j.groups = either(r, nil, []any{"evil", "acme-evil"})
		fallthrough
	case breadth.Lured:
		j.source = strange + "/" + project
	case breadth.ForkMR:
		j.source, j.parent = strange+"/"+project, either(r, "acme/app", "acme/app", "acme/x", "acme/sub/x")
		j.login = either(r, "alice", "bob", "mallory")
	case breadth.Developer, insider:
		j.source = either(r, "acme/app", "acme/app", "acme/sub/x", "acme/x")
	}
	if who != breadth.Developer && who != insider && r.IntN(2) == 0 {
		j.template = []string{either(r, "project_path", "project_path", "project_id")}
		for range r.IntN(5) {
			if part := either(r, labComponents...); !slices.Contains(j.template, part) {
				j.template = append(j.template, part)
			}
		}
	}
	return j
}

func (l *lab) grant(r *rand.Rand, j *labJob, w wish) {
	text := filled(r, w.glob, l.fillings())
	switch w.claim {
	case "sub":
		l.aim(r, j, text)
	case "aud":
		j.aud = text
	case "namespace_path":
		j.source = text + "/" + path.Base(j.source)
	case "job_project_path":
		if j.parent != "" {
			j.parent = text
		} else {
			j.source = text
		}
	case "ref_path":
		j.tag = strings.HasPrefix(text, "refs/tags/")
		j.ref = strings.TrimPrefix(strings.TrimPrefix(text, "refs/heads/"), "refs/tags/")
	case "environment_protected":
		j.environmentProtected = text == "true"
	case "user_email":
		j.email = text
	case "user_access_level":
		j.level = text
	case "pipeline_source":
		j.event = text
	case "runner_environment":
		j.runner = text
	case "ci_config_ref_uri":
		project, rest, _ := strings.Cut(strings.TrimPrefix(text, strings.TrimPrefix(l.host, "https://")+"/"), "//")
		file, ref, _ := strings.Cut(rest, "@refs/")
		j.source, j.file = project, file
		j.tag = strings.HasPrefix(ref, "tags/")
		j.ref = strings.TrimPrefix(strings.TrimPrefix(ref, "heads/"), "tags/")
	default:
		j.put(w.claim, text)
	}
}

func (j *labJob) put(claim, text string) {
	switch claim {
	case "project_path":
		j.source = text
	case "ref":
		j.ref = text
	case "ref_type":
		j.tag = text == "tag"
	case "ref_protected":
		j.protected = text == "true"
	case "environment":
		j.environment = text
	case "deployment_tier":
		j.tier = text
		if j.environment == "" {
			j.environment = "x"
		}
	case "user_login":
		j.login = text
	}
}

func (l *lab) aim(r *rand.Rand, j *labJob, subject string) {
	keys := append([]string{"project_path", "project_id"}, labComponents...)
	var template []string
	parts := strings.Split(subject, ":")
	for i := 0; i < len(parts); i++ {
		key, value := parts[i], ""
		for i++; i < len(parts) && (value == "" || !slices.Contains(keys, parts[i]) || r.IntN(4) == 0); i++ {
			value += ":" + parts[i]
		}
		i--
		j.put(key, strings.TrimPrefix(value, ":"))
		template = append(template, key)
	}
	if strings.HasPrefix(template[0], "project_") && !slices.ContainsFunc(template, func(key string) bool { return !slices.Contains(keys, key) }) {
		j.template = template
	}
}

// below reports whether a path lies below acme, spelled in any case.
func below(path string) bool {
	root, _, _ := strings.Cut(path, "/")
	return strings.EqualFold(root, "acme")
}

func (l *lab) settle(r *rand.Rand, j *labJob, who string) bool {
	if !labPath.MatchString(j.source) || !legalRef(j.ref) || j.environment != "" && !labPlace.MatchString(j.environment) || !labMail.MatchString(j.email) || !hubName.MatchString(j.login) ||
		!slices.Contains(labEvents, j.event) || !slices.Contains([]string{"developer", "maintainer", "owner"}, j.level) || !slices.Contains([]string{"gitlab-hosted", "self-hosted"}, j.runner) ||
		j.file == "" || strings.Contains(j.file, "@") || below(j.source) && !strings.HasPrefix(j.source, "acme/") {
		return false
	}
	j.tag = j.tag && j.event != "merge_request_event"
	ours := l.ours(j.source)
	named := slices.Contains([]string{"alice", "deploy-bot", "bob"}, j.login)
	switch who {
	case breadth.Outsider, breadth.Lookalike, breadth.Lured:
		if below(j.source) || who != breadth.Lured && (named || strings.HasSuffix(j.email, "@acme.example") || strings.HasSuffix(j.email, ".acme.example")) {
			return false
		}
		root, _, _ := strings.Cut(strings.ToLower(j.source), "/")
		if who == breadth.Lookalike && !strings.Contains(root, "acme") {
			return false
		}
	case breadth.ForkMR:
		if below(j.source) || !labPath.MatchString(j.parent) || !l.ours(j.parent) {
			return false
		}
		j.tag, j.protected, j.event = false, false, "merge_request_event"
	case breadth.Sibling, breadth.Recycler:
		if !below(j.source) || ours && who == breadth.Sibling {
			return false
		}
	default:
		if !ours {
			return false
		}
	}
	l.number(r, j, who)
	if who == breadth.Recycler {
		return true
	}
	return l.allowed(j, who, ours)
}

// allowed gives a job of the scope's projects what their settings say, and reports
// whether they allow it.
func (l *lab) allowed(j *labJob, who string, ours bool) bool {
	runsIn := j.source
	if j.parent != "" {
		runsIn = j.parent
	}
	if l.ours(runsIn) {
		j.environmentProtected = l.guarded[j.environment]
	}
	if who == breadth.ForkMR {
		return !j.environmentProtected
	}
	if !ours {
		return true
	}
	j.template = l.template
	rules := l.branches
	if j.tag {
		rules = l.tags
	}
	j.protected = globbed(rules, j.ref)
	if who != breadth.Developer {
		return true
	}
	j.level = "developer"
	return !j.protected && !(j.environment != "" && j.environmentProtected)
}

// number gives a job its ids: today every path has one owner.
func (l *lab) number(r *rand.Rand, j *labJob, who string) {
	idOf := func(path string) string {
		known := map[string]string{"acme": "12", "acme/app": "34", "acme/x": "35", "acme/sub": "121", "acme/sub/x": "341"}[path]
		if known == "" || who == breadth.Recycler {
			return either(r, "13", "120", "134", "340", "3", "99")
		}
		return known
	}
	j.ids = map[string]string{"project_id": idOf(j.source), "namespace_id": idOf(path.Dir(j.source))}
	j.ids["job_project_id"], j.ids["job_namespace_id"] = j.ids["project_id"], j.ids["namespace_id"]
	if j.parent != "" {
		j.ids["job_project_id"], j.ids["job_namespace_id"] = idOf(j.parent), idOf(path.Dir(j.parent))
	}
}

// token is what GitLab issues to a job.
func (l *lab) token(j *labJob) map[string]any {
	kind, refs, runsIn := "branch", "heads", j.source
	if j.tag {
		kind, refs = "tag", "tags"
	}
	if j.parent != "" {
		runsIn = j.parent
	}
	claims := map[string]any{
		"iss": l.host, "iat": testNow.Unix(), "nbf": testNow.Unix() - 5, "exp": testNow.Unix() + 3600, "jti": "1", "aud": j.aud,
		"project_path": j.source, "namespace_path": path.Dir(j.source), "job_project_path": runsIn, "job_namespace_path": path.Dir(runsIn),
		"user_id": "7", "user_login": j.login, "user_email": j.email, "user_access_level": j.level, "pipeline_id": "1", "pipeline_source": j.event, "job_id": "1",
		"ref": j.ref, "ref_type": kind, "ref_path": "refs/" + refs + "/" + j.ref, "ref_protected": fmt.Sprint(j.protected), "runner_id": 1, "runner_environment": j.runner,
		"sha": strings.Repeat("0", 40), "project_visibility": "private", "job_source": "pipeline",
		"ci_config_ref_uri": fmt.Sprintf("%s/%s//%s@refs/%s/%s", strings.TrimPrefix(l.host, "https://"), runsIn, j.file, refs, j.ref), "ci_config_sha": strings.Repeat("0", 40),
	}
	for name, value := range j.ids {
		claims[name] = value
	}
	if j.groups != nil {
		claims["groups_direct"] = j.groups
	}
	if j.environment != "" {
		claims["environment"], claims["environment_protected"] = j.environment, fmt.Sprint(j.environmentProtected)
		claims["deployment_tier"], claims["environment_action"] = j.tier, "start"
	}
	claims["sub"] = labSubject(claims, j.template)
	return claims
}

func labSubject(claims map[string]any, template []string) string {
	var parts []string
	for _, component := range template {
		if value, ok := claims[component].(string); ok {
			parts = append(parts, component, value)
		}
	}
	return strings.Join(parts, ":")
}

// refuses is the other direction: whether GitLab issues these claims to somebody.
func (l *lab) refuses(who string, claims map[string]any, named map[string][]string) error {
	text := func(claim string) string {
		found, _ := claims[claim].(string)
		return found
	}
	source, runsIn := text("project_path"), text("job_project_path")
	if !labPath.MatchString(source) || text("namespace_path") != path.Dir(source) || text("job_namespace_path") != path.Dir(runsIn) {
		return fmt.Errorf("no project %q of %q", source, text("namespace_path"))
	}
	refs := map[string]string{"branch": "heads", "tag": "tags"}[text("ref_type")]
	if claims["iss"] != l.host || refs == "" || !legalRef(text("ref")) || text("ref_path") != "refs/"+refs+"/"+text("ref") {
		return fmt.Errorf("no ref %q of kind %q, as %q", text("ref"), text("ref_type"), text("ref_path"))
	}
	uri := strings.TrimPrefix(l.host, "https://") + "/" + runsIn + "//"
	if claims["ci_config_ref_uri"] != nil && !(strings.HasPrefix(text("ci_config_ref_uri"), uri) && strings.HasSuffix(text("ci_config_ref_uri"), "@"+text("ref_path"))) {
		return fmt.Errorf("no configuration %q", text("ci_config_ref_uri"))
	}
	if environment, there := claims["environment"]; there && (!labPlace.MatchString(text("environment")) || text("environment_protected") == "") || !there && claims["environment_protected"] != nil {
		return fmt.Errorf("no environment %q", environment)
	}
	ours := l.isOurs(claims, "") && who != breadth.Recycler
	if err := l.checkSubject(claims, ours); err != nil {
		return err
	}
	if text("pipeline_source") == "merge_request_event" && refs != "heads" {
		return errors.New("a merge request's pipeline is one of a tag")
	}
	fork := source != runsIn || text("project_id") != text("job_project_id")
	if fork && (text("pipeline_source") != "merge_request_event" || text("ref_protected") != "false") {
		return errors.New("a fork's pipeline is not a merge request's")
	}
	if ours {
		if err := l.checkFacts(text, who == breadth.Developer); err != nil {
			return err
		}
	}
	return l.checkOwner(who, claims, ours, fork, named)
}

func (l *lab) checkSubject(claims map[string]any, ours bool) error {
	subject := claims["sub"]
	if ours {
		template := labDefault
		if told, ok := l.told["subject_template"].([]string); ok {
			template = told
		}
		if labSubject(claims, template) == subject {
			return nil
		}
		return fmt.Errorf("subject %q, want %q", subject, labSubject(claims, template))
	}
	for _, first := range []string{"project_path", "project_id"} {
		if labComposed(claims, fmt.Sprint(subject), []string{first}) {
			return nil
		}
	}
	return fmt.Errorf("no components give the subject %q", subject)
}

func labComposed(claims map[string]any, subject string, template []string) bool {
	made := labSubject(claims, template)
	if made == subject {
		return true
	}
	if !strings.HasPrefix(subject, made+":") {
		return false
	}
	return slices.ContainsFunc(append([]string{"project_path", "project_id"}, labComponents...), func(next string) bool {
		return claims[next] != nil && !slices.Contains(template, next) && labComposed(claims, subject, append(slices.Clone(template), next))
	})
}

func (l *lab) checkFacts(text func(string) string, developer bool) error {
	protected := text("ref_protected") == "true"
	if _, told := l.told["protected_branches"]; told {
		rules := map[string][]string{"branch": l.branches, "tag": l.tags}[text("ref_type")]
		if protected != globbed(rules, text("ref")) {
			return fmt.Errorf("%s %q has ref_protected %t under %q", text("ref_type"), text("ref"), protected, rules)
		}
	}
	guarded := text("environment_protected") == "true"
	if _, told := l.told["environments"]; told && text("environment") != "" {
		if known, listed := l.guarded[text("environment")]; listed && known != guarded {
			return fmt.Errorf("environment %q is protected: %t", text("environment"), guarded)
		}
	}
	if developer && (protected || guarded || text("user_access_level") != "developer") {
		return errors.New("a developer may not do that")
	}
	return nil
}

// isOurs reports whether claims are of one of the scope's projects, or with the prefix
// job_ of one that runs the job.
func (l *lab) isOurs(claims map[string]any, prefix string) bool {
	circle, as := map[string]any{}, map[string]any{}
	for _, claim := range []string{"project_path", "namespace_path", "project_id", "namespace_id"} {
		as[claim] = claims[prefix+claim]
		if wanted, ok := l.scoped[claim]; ok {
			circle[claim] = wanted
		}
	}
	if _, ok := l.scoped["sub"]; ok {
		circle["project_path"] = "acme/app"
	}
	return liesIn(circle, as)
}

func (l *lab) checkOwner(who string, claims map[string]any, ours, fork bool, named map[string][]string) error {
	text := func(claim string) string {
		found, _ := claims[claim].(string)
		return found
	}
	for _, claim := range []string{"project_id", "namespace_id", "job_project_id", "job_namespace_id"} {
		own := strings.TrimPrefix(claim, "job_")
		// Whoever has the only id that a role names, it goes with the name that the scope has.
		paths := map[string]bool{"project_id": l.isOurs(claims, ""), "namespace_id": below(text("project_path"))}
		settled := who == insider && len(texts(l.scoped[own])) > 0
		if slices.Contains(named[claim], text(claim)) && !slices.Contains(texts(l.scoped[own]), text(claim)) && !settled &&
			!(paths[claim] && len(named[claim]) == 1 && who != breadth.Recycler) {
			return fmt.Errorf("nobody can count on %s %s", claim, text(claim))
		}
	}
	byName := l.scoped["project_path"] != nil || l.scoped["namespace_path"] != nil || l.scoped["sub"] != nil
	acme := below(text("project_path"))
	ids := slices.Contains(texts(l.scoped["project_id"]), text("project_id"))
	groupIDs := slices.Contains(texts(l.scoped["namespace_id"]), text("namespace_id"))
	owned := byName && acme || ids || groupIDs
	// The project of an id beyond the scope is somebody's, whatever it is called.
	beyond := who == insider && slices.Contains(named["project_id"], text("project_id")) && !ids
	if !byName && who != breadth.Developer && acme && !beyond {
		return errors.New("acme is ours")
	}
	if _, told := l.scoped["namespace_id"]; told && who != breadth.Recycler && byName && (text("namespace_path") == "acme") != groupIDs {
		return fmt.Errorf("group %s with the id %s", text("namespace_path"), text("namespace_id"))
	}
	if who != insider && fork != (who == breadth.ForkMR) {
		return fmt.Errorf("a fork's pipeline: %t", fork)
	}
	switch who {
	case breadth.Outsider, breadth.Lookalike, breadth.Lured:
		if owned || who != breadth.Lured && (slices.Contains(named["user_login"], text("user_login")) || strings.HasSuffix(text("user_email"), "@acme.example") && slices.Contains(named["user_email"], "@acme.example")) {
			return errors.New("it is of ours")
		}
		if root, _, _ := strings.Cut(text("project_path"), "/"); who == breadth.Lookalike && !strings.Contains(strings.ToLower(root), "acme") {
			return errors.New("it does not look like ours")
		}
	case breadth.ForkMR:
		if owned || !l.isOurs(claims, "job_") || l.guarded[text("environment")] && l.told["environments"] != nil {
			return errors.New("it is no stranger's fork in one of the scope's projects")
		}
	case breadth.Sibling:
		if !acme || ours || ids {
			return errors.New("it is of no other project of acme")
		}
	case breadth.Developer:
		if !ours {
			return errors.New("it is not of the scope's projects")
		}
	case breadth.Recycler:
		if !acme || ids || groupIDs {
			return errors.New("it is not of acme with fresh ids")
		}
	}
	return nil
}
