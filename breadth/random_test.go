package breadth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/policies/issuer"
	"github.com/trustcheck/trustcheck/verifier"
)

// gitlab mints tokens as GitLab does, written apart from the model on purpose: what the
// analysis calls tight is held against what this mints.
type gitlab struct {
	*rand.Rand
	// ours are the projects of the scope; in these the facts hold.
	ours           func(path string) bool
	branches, tags []string
	protectedEnvs  []string
}

var (
	namespaces = []string{"acme", "acme/sub", "acme/infra", "acme-evil", "acmeevil", "evil", "evil/acme", "acme.x", "xacme", "mallory", "acme-evil/sub"}
	projects   = []string{"app", "app-x", "appx", "x", "infra", "svc-a", "svc", "deploy", "app.io"}
	refNames   = []string{"main", "x", "release/1", "release-x", "v1", "main-x", "release", "feature/main", "prod"}
	envNames   = []string{"production", "prod", "staging", "production-x", "review/x"}
	logins     = []string{"mallory", "alice", "deploy-bot", "alice-x"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// id is the id of a project or group, by its path: today every path has one owner.
func id(path string) string {
	sum := fnv.New32a()
	sum.Write([]byte(path))
	return strconv.Itoa(int(sum.Sum32()%90000) + 1000)
}

func globbed(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		before, after, star := strings.Cut(pattern, "*")
		return pattern == text || star && strings.HasPrefix(text, before) && strings.HasSuffix(text, after) && len(text) >= len(before)+len(after)
	})
}

// mint is some token that somebody can get today.
func (g *gitlab) mint() map[string]any {
	namespace, project := pick(g.Rand, namespaces), pick(g.Rand, projects)
	source := namespace + "/" + project
	job := source
	fork := g.IntN(6) == 0
	if fork {
		job = pick(g.Rand, namespaces) + "/" + pick(g.Rand, projects)
		fork = job != source && !(g.ours(source) && !g.ours(job) && !strings.HasPrefix(job, "acme/"))
		if !fork {
			job = source
		}
	}
	refType, refs := "branch", "heads"
	if !fork && g.IntN(3) == 0 {
		refType, refs = "tag", "tags"
	}
	ref := pick(g.Rand, refNames)
	patterns := g.branches
	if refType == "tag" {
		patterns = g.tags
	}
	protected := g.IntN(2) == 0
	if g.ours(source) {
		protected = globbed(patterns, ref)
	}
	if fork {
		if protected && g.ours(source) {
			ref = "x"
		}
		protected = false
	}
	claims := map[string]any{
		"iss": "https://gitlab.com", "iat": testNow.Unix(), "nbf": testNow.Unix() - 5, "exp": testNow.Unix() + 3600,
		"jti": "1", "project_id": id(source), "project_path": source,
		"namespace_id": id(path.Dir(source)), "namespace_path": path.Dir(source),
		"job_project_id": id(job), "job_project_path": job,
		"job_namespace_id": id(path.Dir(job)), "job_namespace_path": path.Dir(job),
		"user_id": "7", "user_login": pick(g.Rand, logins), "user_email": pick(g.Rand, logins) + "@" + pick(g.Rand, []string{"acme.example", "evil.example", "evilacme.example"}),
		"user_access_level": pick(g.Rand, []any{"developer", "maintainer", "owner", nil}),
		"pipeline_id":       "1", "pipeline_source": pick(g.Rand, []string{"push", "web", "merge_request_event", "schedule"}),
		"job_id": "1", "ref": ref, "ref_type": refType, "ref_path": "refs/" + refs + "/" + ref,
		"ref_protected": strconv.FormatBool(protected), "runner_id": pick(g.Rand, []int{1, 40177123}),
		"runner_environment": pick(g.Rand, []string{"gitlab-hosted", "self-hosted"}), "sha": strings.Repeat("0", 40),
		"project_visibility": "private", "job_source": "pipeline",
		"aud": pick(g.Rand, []any{"v", "v", "v", "", "w", []any{"w", "v"}}),
	}
	if g.IntN(3) == 0 {
		claims["groups_direct"] = []any{pick(g.Rand, namespaces), pick(g.Rand, namespaces)}
	}
	if fork {
		claims["pipeline_source"] = "merge_request_event"
		claims["ci_config_ref_uri"], claims["ci_config_sha"] = nil, nil
	} else {
		if refType == "tag" && claims["pipeline_source"] == "merge_request_event" {
			claims["pipeline_source"] = "push"
		}
		claims["ci_config_ref_uri"] = fmt.Sprintf("gitlab.com/%s//.gitlab-ci.yml@refs/%s/%s", source, refs, ref)
		claims["ci_config_sha"] = strings.Repeat("0", 40)
	}
	if g.IntN(2) == 0 {
		environment := pick(g.Rand, envNames)
		guarded := strconv.FormatBool(g.IntN(2) == 0)
		if g.ours(job) || fork && g.ours(source) {
			guarded = strconv.FormatBool(slices.Contains(g.protectedEnvs, environment))
		}
		tier := pick(g.Rand, []string{"production", "other", "staging"})
		claims["environment"], claims["environment_protected"] = environment, guarded
		claims["deployment_tier"], claims["environment_action"] = tier, "start"
	}
	claims["sub"] = g.subject(claims, source)
	return claims
}

// subject is what the project's setting makes of it: the default in the scope's projects.
func (g *gitlab) subject(claims map[string]any, source string) string {
	components := []string{"project_path", "ref_type", "ref"}
	if !g.ours(source) {
		rest := []string{"ref_type", "ref", "ref_protected", "environment_protected", "deployment_tier"}
		g.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		components = append([]string{pick(g.Rand, []string{"project_path", "project_path", "project_id"})}, rest[:g.IntN(len(rest)+1)]...)
	}
	var parts []string
	for _, component := range components {
		if value, ok := claims[component].(string); ok {
			parts = append(parts, component, value)
		}
	}
	return strings.Join(parts, ":")
}

// setting is a random role with a scope and facts.
type setting struct {
	role, scope, facts map[string]any
	ours               func(path string) bool
}

func randomSetting(r *rand.Rand) setting {
	branches := pick(r, [][]string{{"main"}, {"main", "release/*"}, {"*"}, {}})
	tags := pick(r, [][]string{{}, {"v*"}, {"main"}})
	environments := map[string]any{}
	for _, name := range pick(r, [][]string{{}, {"production"}, {"production", "prod"}}) {
		environments[name] = map[string]any{"protected": true}
	}
	if r.IntN(2) == 0 {
		environments["staging"] = map[string]any{"protected": false}
	}
	s := setting{facts: map[string]any{"protected_branches": branches, "protected_tags": tags, "environments": environments}}
	switch r.IntN(4) {
	case 0:
		group := pick(r, []string{"acme", "acme/infra", "acme/sub"})
		s.scope = map[string]any{"namespace_path": group}
		s.ours = func(path string) bool { return strings.HasPrefix(path, group+"/") }
	case 1:
		both := []string{"acme/app", "acme/x"}
		s.scope = map[string]any{"project_path": both}
		s.ours = func(path string) bool { return slices.Contains(both, path) }
	case 2:
		s.scope = map[string]any{"project_path": "acme/app", "project_id": id("acme/app")}
		s.ours = func(path string) bool { return path == "acme/app" }
	default:
		s.scope = map[string]any{"project_path": "acme/app"}
		s.ours = func(path string) bool { return path == "acme/app" }
	}
	if r.IntN(3) == 0 {
		s.scope["ref_protected"] = "true"
	}
	if r.IntN(4) == 0 {
		s.scope["ref"] = "main"
	}
	if r.IntN(5) == 0 {
		s.scope["ref_type"] = "branch"
	}
	if r.IntN(8) == 0 {
		s.scope["environment"] = []any{"production", "prod"}
	}
	if r.IntN(8) == 0 {
		s.scope["pipeline_source"] = []any{"push", "web"}
	}
	s.role = randomRole(r)
	return s
}

func randomRole(r *rand.Rand) map[string]any {
	bound := map[string]any{}
	glob := r.IntN(3) > 0
	add := func(claim string, values ...any) {
		value := pick(r, values)
		if r.IntN(4) == 0 {
			value = []any{value, pick(r, values)}
		}
		bound[claim] = value
	}
	// Sensible roles come out of this often enough for some to be tight.
	conditions := []func(){
		func() {
			add("project_path", "acme/app", "acme/app", "acme/app", "acme/app*", "acme/*", "acme*", "*/app", "acme/svc-*", "acme/*/app", "*acme/app", "ac*e/app")
		},
		func() { add("ref_protected", "true", "true", "true", "false", "t*") },
		func() { add("ref", "main", "main", "main", "release*", "release/*", "*main", "v*", "m*") },
		func() { add("ref_type", "branch", "branch", "tag", "*") },
		func() {
			add("sub", "project_path:acme/app:ref_type:branch:ref:main", "project_path:acme/*:ref_type:branch:ref:*", "project_path:acme/app:*",
				"project_path:acme/app*ref:main", "*:ref:main", "project_path:acme*:ref_type:branch:ref:main", "project_id:*:ref:main", "*acme/app*",
				"project_path:acme/*:ref_protected:true*", "project_path:acme/app:ref:*:ref_protected:true")
		},
		func() { add("namespace_path", "acme", "acme/*", "acme*", "*acme", "acme/infra") },
		func() { add("ref_path", "refs/heads/main", "refs/heads/*", "refs/*/main") },
		func() { add("environment", "production", "prod*", "*") },
		func() { add("environment_protected", "true", "false") },
		func() { add("job_project_path", "acme/app", "acme/*", "acme*") },
		func() { add("project_id", id("acme/app"), id("acme/x"), "1*") },
		func() { add("user_login", "alice", "deploy-bot", "*") },
		func() { add("user_email", "*@acme.example", "*acme.example", "alice@acme.example") },
		func() { add("groups_direct", "acme", "acme/*", "acme*") },
		func() { add("pipeline_source", "push", "web", "*") },
		func() { add("deployment_tier", "production", "p*") },
		func() { add("user_access_level", "owner", "maintainer", "developer") },
		func() {
			add("ci_config_ref_uri", "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main", "gitlab.com/acme/app//*", "gitlab.com/acme*@refs/heads/main")
		},
	}
	conditions[pick(r, []int{0, 0, 0, 4, 4, 5, 9, 10, 17})]()
	for range r.IntN(3) {
		conditions[r.IntN(min(len(conditions), 4+r.IntN(20)))]()
	}
	role := map[string]any{"role_type": "jwt", "user_claim": pick(r, []any{"sub", "project_path", "user_login"}), "bound_claims": bound}
	if r.IntN(6) > 0 || len(bound) == 0 {
		role["bound_audiences"] = []any{"v"}
	}
	if glob {
		role["bound_claims_type"] = "glob"
	}
	return role
}

// outside is the scope's meaning, written once more.
func outside(scope, claims map[string]any) bool {
	for claim, wanted := range scope {
		got := claims[claim]
		if group, ok := wanted.(string); ok && claim == "namespace_path" {
			path, _ := got.(string)
			if path != group && !strings.HasPrefix(path, group+"/") {
				return true
			}
			continue
		}
		values, _ := wanted.([]any)
		if texts, ok := wanted.([]string); ok {
			for _, text := range texts {
				values = append(values, text)
			}
		}
		if one, ok := wanted.(string); ok {
			values = []any{one}
		}
		if !slices.Contains(values, got) {
			return true
		}
	}
	return false
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rounds is how many roles or tokens a random test takes: few, fewer under the race
// detector, or as many as the environment says.
func rounds(t testing.TB, name string, usual int) int {
	t.Helper()
	return number(t, name, max(1, usual/breadth.Thinned))
}

// number is a whole number that the environment may set.
func number(t testing.TB, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: want a number, got %q", name, text)
	}
	return n
}

func decide(t testing.TB, bundle *bundles.Bundle, role *bundles.Role, claims map[string]any) trustcheck.Verdict {
	t.Helper()
	read, _, err := verifier.ReadClaims(marshal(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Decide(context.Background(), role, bundles.Input{Claims: read.Value, Now: testNow}).Verdict
}

func TestTightRoleAcceptsNoTokenOutside(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	seed := uint64(number(t, "BREADTH_SEED", 1))
	r := rand.New(rand.NewPCG(seed, 1))
	verdicts := map[breadth.Verdict]int{}
	tokens := rounds(t, "BREADTH_TOKENS", 150)
	for range rounds(t, "BREADTH_ROLES", 60) {
		s := randomSetting(r)
		scope, err := breadth.ReadScope(marshal(t, s.scope))
		if err != nil {
			t.Fatal(err)
		}
		facts, err := breadth.ReadFacts(marshal(t, s.facts))
		if err != nil {
			t.Fatal(err)
		}
		role := vaultRole(t, bundle, marshal(t, s.role))
		result, err := analyser.Analyse(context.Background(), breadth.Subject{
			Limits: patient,
			Role:   role, Issuer: "https://gitlab.com", Scope: scope, Facts: facts, Now: testNow,
		})
		if err != nil {
			t.Fatal(err)
		}
		verdicts[result.Verdict]++
		about := fmt.Sprintf("role %s scope %s facts %s", marshal(t, s.role), marshal(t, s.scope), marshal(t, s.facts))
		for name, token := range result.Tokens {
			checkWitness(t, about+" "+name, bundle, role, s.scope, token)
		}
		for _, why := range result.Why {
			if strings.Contains(why, "bug") {
				t.Errorf("%s: %s", about, why)
			}
		}
		if result.Verdict == breadth.Undecided {
			t.Logf("undecided %s: %q", about, result.Why)
		}
		if result.Verdict != breadth.Tight && result.Verdict != breadth.Dead {
			continue
		}
		gitlab := newGitLab(r, s)
		for range tokens {
			claims := gitlab.mint()
			if !outside(s.scope, claims) && result.Verdict == breadth.Tight {
				continue
			}
			if decide(t, bundle, role, claims) == trustcheck.Allow {
				t.Fatalf("called %s, accepts %s\n%s", result.Verdict, marshal(t, claims), about)
			}
		}
	}
	t.Log(verdicts)
}

func newGitLab(r *rand.Rand, s setting) *gitlab {
	gitlab := &gitlab{Rand: r, ours: s.ours}
	gitlab.branches, _ = s.facts["protected_branches"].([]string)
	gitlab.tags, _ = s.facts["protected_tags"].([]string)
	environments, _ := s.facts["environments"].(map[string]any)
	for name, environment := range environments {
		if is, _ := environment.(map[string]any); is["protected"] == true {
			gitlab.protectedEnvs = append(gitlab.protectedEnvs, name)
		}
	}
	return gitlab
}

func checkWitness(t *testing.T, about string, bundle *bundles.Bundle, role *bundles.Role, scope map[string]any, token *breadth.Token) {
	t.Helper()
	if decide(t, bundle, role, token.Claims) != trustcheck.Allow {
		t.Errorf("%s: the role refuses the witness %s", about, marshal(t, token.Claims))
	}
	if outside(scope, token.Claims) == token.Inside {
		t.Errorf("%s: inside is %t of %s", about, token.Inside, marshal(t, token.Claims))
	}
	if warnings := issuer.Check(issuer.GitLab, token.Claims); len(warnings) > 0 {
		t.Errorf("%s: GitLab does not mint the witness: %v", about, warnings)
	}
}
