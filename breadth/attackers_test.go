package breadth_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

// attackersOf says whose a token can be, by the definitions of the attackers written once
// more, for the scopes of randomSetting.
func attackersOf(g *gitlab, s setting, claims map[string]any) []string {
	source, _ := claims["project_path"].(string)
	job, _ := claims["job_project_path"].(string)
	root, _, _ := strings.Cut(source, "/")
	login, _ := claims["user_login"].(string)
	mail, _ := claims["user_email"].(string)
	insider := login == "alice" || login == "deploy-bot" || strings.HasSuffix(mail, "@acme.example")
	groups, _ := claims["groups_direct"].([]any)
	for _, group := range groups {
		name, _ := group.(string)
		insider = insider || name == "acme" || strings.HasPrefix(name, "acme/")
	}
	var all []string
	if source != job {
		if g.ours(job) && root != "acme" && claims["environment_protected"] != "true" && unguarded(g, claims) {
			all = append(all, breadth.ForkMR)
		}
		return all
	}
	if root != "acme" {
		all = append(all, breadth.Lured)
		if !insider {
			all = append(all, breadth.Outsider)
			if strings.Contains(root, "acme") {
				all = append(all, breadth.Lookalike)
			}
		}
		return all
	}
	if !g.ours(source) {
		return append(all, breadth.Sibling)
	}
	if claims["ref_protected"] == "false" && claims["environment_protected"] != "true" && unguarded(g, claims) &&
		claims["user_access_level"] == "developer" {
		all = append(all, breadth.Developer)
	}
	return all
}

func unguarded(g *gitlab, claims map[string]any) bool {
	environment, _ := claims["environment"].(string)
	return !slices.Contains(g.protectedEnvs, environment)
}

func TestAttackerCalledTightGetsNothing(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	r := rand.New(rand.NewPCG(uint64(number(t, "BREADTH_SEED", 5)), 2))
	tokens := rounds(t, "BREADTH_TOKENS", 120)
	hits := map[string]int{}
	for range rounds(t, "BREADTH_ROLES", 40) {
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
		gitlab := newGitLab(r, s)
		for range tokens {
			claims := gitlab.mint()
			attackers := attackersOf(gitlab, s, claims)
			if len(attackers) == 0 || decide(t, bundle, role, claims) != trustcheck.Allow {
				continue
			}
			for _, name := range attackers {
				hits[name]++
				if got := result.Attackers[name]; got == breadth.Tight || got == breadth.None {
					t.Fatalf("%s is %s and has %s\nrole %s scope %s facts %s", name, got,
						marshal(t, claims), marshal(t, s.role), marshal(t, s.scope), marshal(t, s.facts))
				}
			}
		}
	}
	t.Log(hits)
}

// one is a role in short: what is bound, and what the user says beside it.
type one struct {
	bound, scope, facts, issuer, model string
	role                               string
}

func (o one) analyse(t *testing.T) *breadth.Result {
	t.Helper()
	bundle := openBundle(t)
	text := o.role
	if text == "" {
		text = fmt.Sprintf(`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims_type":"glob","bound_claims":%s}`, o.bound)
	}
	doc, err := trustcheck.ReadDocument("role.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	subject := breadth.Subject{
		Limits: patient,
		Role:   vaultRole(t, bundle, []byte(text)), Document: doc, Issuer: o.issuer, Model: o.model, Now: testNow,
	}
	if o.issuer == "" {
		subject.Issuer = "https://gitlab.com"
	}
	if o.scope != "" {
		if subject.Scope, err = breadth.ReadScope([]byte(o.scope)); err != nil {
			t.Fatal(err)
		}
	}
	if o.facts != "" {
		if subject.Facts, err = breadth.ReadFacts([]byte(o.facts)); err != nil {
			t.Fatal(err)
		}
	}
	result, err := breadth.New(bundle).Analyse(context.Background(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestVerdictsThatWordsGetWrong holds pairs that differ by one thing.
func TestVerdictsThatWordsGetWrong(t *testing.T) {
	t.Parallel()
	const app, main = `{"project_path":"acme/app"}`, `{"protected_branches":["main"],"protected_tags":[],"environments":{}}`
	const guarded = `{"project_path":"acme/app","ref_protected":"true"}`
	for name, c := range map[string]struct {
		one
		want     breadth.Verdict
		attacker string
	}{
		"prefix without a slash":          {one{bound: `{"project_path":"acme*"}`, scope: `{"namespace_path":"acme"}`}, breadth.Broad, breadth.Outsider},
		"prefix with a slash":             {one{bound: `{"project_path":"acme/*"}`, scope: `{"namespace_path":"acme"}`}, breadth.Tight, ""},
		"id with a star":                  {one{bound: `{"project_id":"12*"}`, scope: `{"project_id":"12"}`}, breadth.Broad, breadth.Outsider},
		"id":                              {one{bound: `{"project_id":"12"}`, scope: `{"project_id":"12"}`}, breadth.Tight, ""},
		"one loose value in a list":       {one{bound: `{"project_path":["acme/app","*/app"]}`, scope: app}, breadth.Broad, breadth.Outsider},
		"star that another claim cuts":    {one{bound: `{"project_path":"*/app","namespace_path":"acme"}`, scope: app}, breadth.Tight, ""},
		"tag called like the branch":      {one{bound: `{"project_path":"acme/app","ref":"main"}`, scope: guarded, facts: main}, breadth.Broad, breadth.Developer},
		"branch of the type branch":       {one{bound: `{"project_path":"acme/app","ref":"main","ref_type":"branch"}`, scope: guarded, facts: main}, breadth.Tight, ""},
		"branch that nobody vouches for":  {one{bound: `{"project_path":"acme/app","ref":"main","ref_type":"branch"}`, scope: guarded}, breadth.Undecided, ""},
		"fork's merge request":            {one{bound: `{"job_project_path":"acme/app"}`, scope: app}, breadth.Broad, breadth.ForkMR},
		"fork's merge request, elsewhere": {one{bound: `{"job_project_path":"acme/app"}`, scope: app, facts: `{"fork_pipelines":"fork"}`}, breadth.Tight, ""},
		"merge requests are no tags":      {one{bound: `{"project_path":"acme/app","pipeline_source":"merge_request_event"}`, scope: `{"project_path":"acme/app","ref_type":"branch"}`}, breadth.Tight, ""},
		"a source that no pipeline has":   {one{bound: `{"project_path":"acme/app","pipeline_source":"merge_request"}`, scope: app}, breadth.Dead, ""},
		"pushes may be tags":              {one{bound: `{"project_path":"acme/app","pipeline_source":"push"}`, scope: `{"project_path":"acme/app","ref_type":"branch"}`}, breadth.Broad, breadth.Developer},
		"a merge request of a tag":        {one{bound: `{"project_path":"acme/app","pipeline_source":"merge_request_event","ref_type":"tag"}`, scope: guarded, facts: main}, breadth.Dead, ""},
		"a comma in a branch's name":      {one{bound: `{"project_path":"acme/app","ref":"main,develop","ref_type":"branch"}`, scope: guarded, facts: main}, breadth.Broad, breadth.Developer},
		"a plus in a branch's name":       {one{bound: `{"project_path":"acme/app","ref":"release+*"}`, scope: guarded, facts: main}, breadth.Broad, breadth.Developer},
		"a hash in a branch's name":       {one{bound: `{"project_path":"acme/app","ref":"*#*","ref_type":"branch"}`, scope: guarded, facts: main}, breadth.Broad, breadth.Developer},
		"a branch that names another": {one{bound: `{"ci_config_ref_uri":"gitlab.com/acme/app//*@refs/heads/main","project_path":"acme/app"}`,
			scope: guarded, facts: main}, breadth.Broad, breadth.Developer},
		"a ref that git forbids":           {one{bound: `{"project_path":"acme/app","ref":"*.lock"}`, scope: app}, breadth.Dead, ""},
		"a ref that it does not":           {one{bound: `{"project_path":"acme/app","ref":"*.locks"}`, scope: app}, breadth.Tight, ""},
		"another ref that it forbids":      {one{bound: `{"project_path":"acme/app","ref":"*..*"}`, scope: app}, breadth.Dead, ""},
		"our project is a fork of our own": {one{bound: `{"project_path":"acme/app","job_project_path":"acme/web"}`, scope: app}, breadth.Tight, ""},
		"our project is a stranger's fork": {one{bound: `{"project_path":"acme/app","job_project_path":"evil/web"}`, scope: app}, breadth.Dead, ""},
		"our fork in a protected scope": {one{bound: `{"project_path":"acme/app","job_project_path":"acme/web"}`,
			scope: guarded, facts: main}, breadth.Undecided, ""},
		"networks that hold no caller": {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims_type":"glob","bound_claims":{"project_path":"*"},"token_bound_cidrs":["/run/x.sock"]}`, scope: app}, breadth.Dead, ""},
		"networks that do":             {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims_type":"glob","bound_claims":{"project_path":"*"},"token_bound_cidrs":["/run/x.sock","10.0.0.0/8"]}`, scope: app}, breadth.Broad, breadth.Outsider},
		"a mapped number":              {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/app"},"claim_mappings":{"runner_id":"runner"}}`, scope: app}, breadth.Dead, ""},
		"a mapped text":                {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/app"},"claim_mappings":{"runner_environment":"runner"}}`, scope: app}, breadth.Tight, ""},
		"fork before 18.4": {one{bound: `{"project_path":"acme/app","ref":"main","ref_type":"branch"}`, scope: guarded,
			facts: `{"issuer_version":"18.3","protected_branches":["main"]}`, issuer: "https://gitlab.example.com"}, breadth.Broad, breadth.ForkMR},
		"fork since 18.4": {one{bound: `{"project_path":"acme/app","ref":"main","ref_type":"branch"}`, scope: guarded,
			facts: `{"issuer_version":"18.4","protected_branches":["main"]}`, issuer: "https://gitlab.example.com"}, breadth.Tight, ""},
		"subject of the whole project":          {one{bound: `{"sub":"project_path:acme/app:*"}`, scope: app}, breadth.Tight, ""},
		"subject without the last colon":        {one{bound: `{"sub":"project_path:acme/app*"}`, scope: app}, breadth.Broad, breadth.Sibling},
		"subject with a star for all":           {one{bound: `{"sub":"*:ref:main"}`, scope: app}, breadth.Broad, breadth.Outsider},
		"component behind a star":               {one{bound: `{"sub":"*environment_protected:true*"}`, scope: app}, breadth.Broad, breadth.Outsider},
		"component behind our path":             {one{bound: `{"sub":"project_path:acme/app:*environment_protected:true*"}`, scope: app}, breadth.Tight, ""},
		"component of a later release":          {one{bound: `{"sub":"*environment_protected:true*"}`, scope: app, facts: `{"issuer_version":"18.6"}`, issuer: "https://gitlab.example.com"}, breadth.Dead, ""},
		"component of this release":             {one{bound: `{"sub":"*environment_protected:true*"}`, scope: app, facts: `{"issuer_version":"18.7"}`, issuer: "https://gitlab.example.com"}, breadth.Broad, breadth.Outsider},
		"name that no project has":              {one{bound: `{"project_path":"acme/app.git"}`, scope: app}, breadth.Dead, ""},
		"name that no group has":                {one{bound: `{"project_path":"acme.atom/*"}`, scope: app}, breadth.Dead, ""},
		"name that an old project may have":     {one{bound: `{"project_path":"acme/app-"}`, scope: app}, breadth.Undecided, ""},
		"name that a wiki may have":             {one{bound: `{"project_path":"acme/app.wiki"}`, scope: app}, breadth.Undecided, ""},
		"guard without scope":                   {one{bound: `{"ref_protected":"true"}`, scope: app}, breadth.Broad, breadth.Outsider},
		"mail with a bare suffix":               {one{bound: `{"user_email":"*acme.example"}`, scope: app}, breadth.Broad, breadth.Outsider},
		"runner of nobody knows whom":           {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"runner_id":7}}`, scope: `{"namespace_path":"acme"}`}, breadth.Undecided, ""},
		"an id that may be ours":                {one{bound: `{"project_id":"12"}`, scope: app}, breadth.Undecided, ""},
		"an id that is ours":                    {one{bound: `{"project_id":"12"}`, scope: `{"project_path":"acme/app","project_id":"12"}`}, breadth.Tight, ""},
		"no audience at all":                    {one{role: `{"role_type":"jwt","user_claim":"sub","bound_claims":{"ref":"main"}}`, scope: app}, breadth.Broad, breadth.Outsider},
		"a boolean for a text":                  {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"ref_protected":true}}`, scope: app}, breadth.Dead, ""},
		"a number for a text":                   {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_id":12}}`, scope: app}, breadth.Dead, ""},
		"a star taken literally":                {one{role: `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/*"}}`, scope: app}, breadth.Dead, ""},
		"a claim of another issuer":             {one{bound: `{"repository":"acme/app"}`, scope: app}, breadth.Dead, ""},
		"an issuer that is not ours":            {one{bound: `{"iss":"https://gitlab.example.com"}`, scope: app}, breadth.Dead, ""},
		"a user_claim that is not there":        {one{role: `{"role_type":"jwt","user_claim":"email","bound_audiences":["v"],"bound_claims":{"project_path":"acme/app"}}`, scope: app}, breadth.Dead, ""},
		"JSON pointer":                          {one{bound: `{"/project_path":"acme*"}`, scope: `{"namespace_path":"acme"}`}, breadth.Broad, breadth.Outsider},
		"deep pointer beside a proof":           {one{bound: `{"/groups_direct/0":"acme","project_path":"acme/app"}`, scope: app}, breadth.Tight, ""},
		"deep pointer alone":                    {one{bound: `{"/groups_direct/0":"acme"}`, scope: app}, breadth.Undecided, ""},
		"our path in capitals":                  {one{bound: `{"project_path":"acme/App"}`, scope: app}, breadth.Dead, ""},
		"our path":                              {one{bound: `{"project_path":"acme/app"}`, scope: app}, breadth.Tight, ""},
		"an account by its number":              {one{bound: `{"user_id":"7"}`, scope: app}, breadth.Broad, breadth.Sibling},
		"an audience in a scope":                {one{bound: `{"project_path":"acme/*"}`, scope: `{"namespace_path":"acme","aud":"v"}`}, breadth.Tight, ""},
		"no circle at all":                      {one{bound: `{"ref_protected":"true"}`}, breadth.Broad, breadth.Outsider},
		"an enterprise's name that nobody gave": {one{bound: `{"enterprise":"acme"}`, scope: `{"repository_owner":"acme"}`, issuer: "https://token.actions.githubusercontent.com"}, breadth.Undecided, ""},
		"scope of two projects":                 {one{bound: `{"project_path":["acme/app","acme/lib"]}`, scope: `{"any_of":[{"project_path":"acme/app"},{"project_path":"acme/lib"}]}`}, breadth.Tight, ""},
		"scope that contradicts itself":         {one{bound: `{"project_path":"acme/*"}`, scope: `{"project_path":"acme/app","namespace_path":"evil"}`}, breadth.Undecided, ""},
		"issuer that nobody knows":              {one{bound: `{"team":"acme"}`, scope: `{"team":["acme","other"]}`, issuer: "https://issuer.example"}, breadth.Tight, ""},
		"issuer that nobody knows, wider":       {one{bound: `{"team":"acme*"}`, scope: `{"team":"acme"}`, issuer: "https://issuer.example"}, breadth.Undecided, ""},
		"an id of a group further down":         {one{bound: `{"namespace_path":"acme/*","namespace_id":"7"}`}, breadth.Tight, ""},
		"an id of one of our groups":            {one{bound: `{"namespace_path":"acme"}`, scope: `{"namespace_path":"acme","namespace_id":"7"}`}, breadth.Undecided, ""},
		"facts that fit no role": {one{bound: `{"project_path":"acme/*"}`, scope: `{"namespace_path":"acme"}`,
			facts: `{"reusable_workflows":{"acme/ci":{"visibility":"public"}},"environments":{"x":{"protected":true}}}`}, breadth.Tight, ""},
		"tag that is perhaps protected": {one{bound: `{"project_path":"acme/app","ref_type":"tag","ref_protected":"true"}`,
			facts: `{"protected_branches":["main"]}`}, breadth.Tight, ""},
		"tag that is surely not": {one{bound: `{"project_path":"acme/app","ref_type":"tag","ref_protected":"true"}`,
			facts: `{"protected_branches":["main"],"protected_tags":null}`}, breadth.Dead, ""},
		"tag that nobody listed": {one{bound: `{"project_path":"acme/app","ref":"main"}`, scope: guarded,
			facts: `{"protected_branches":["main"]}`}, breadth.Broad, breadth.Developer},
		"target of a pull request": {one{bound: `{"repository":"acme/app","sub":"repo:acme/app:ref:refs/heads/main","base_ref":"main"}`,
			scope: `{"repository":"acme/app","event_name_not":["pull_request_target"]}`, issuer: "https://" + gitHub}, breadth.Undecided, ""},
		"no pull request": {one{bound: `{"repository":"acme/app","sub":"repo:acme/app:ref:refs/heads/main","base_ref":"main","event_name":"push"}`,
			scope: `{"repository":"acme/app"}`, issuer: "https://" + gitHub}, breadth.Dead, ""},
		"our environment in capitals": {one{bound: `{"sub":"repo:acme/app:environment:PRODUCTION"}`, scope: `{"repository":"acme/app","environment":"production"}`,
			facts: `{"environments":{"Production":{"protected":true}}}`, issuer: "https://" + gitHub}, breadth.Tight, ""},
		"another environment": {one{bound: `{"sub":"repo:acme/app:environment:PRODUCTION2"}`, scope: `{"repository":"acme/app","environment":"production"}`,
			facts: `{"environments":{"Production":{"protected":true}}}`, issuer: "https://" + gitHub}, breadth.Broad, breadth.Developer},
		"subject of a key unlike others": {one{bound: `{"sub":"repo:acme/app:*"}`, scope: `{"repository":"acme/app","ref":"refs/heads/main"}`,
			facts: `{"subject_template":["repo","head_ref"]}`, issuer: "https://" + gitHub}, breadth.Undecided, ""},
		"subject of other keys": {one{bound: `{"sub":"repo:acme/app:ref:refs/heads/main"}`, scope: `{"repository":"acme/app"}`,
			facts: `{"subject_template":["repo","head_ref"]}`, issuer: "https://" + gitHub}, breadth.Dead, ""},
		"subject that says it twice": {one{bound: `{"sub":"repo:acme@12/app@34:*"}`, scope: `{"repository":"acme/app","ref":"refs/heads/main"}`,
			facts: `{"subject_template":["repo","context","repository_id"]}`, issuer: "https://" + gitHub}, breadth.Undecided, ""},
		"subject that says it twice, unread": {one{bound: `{"repository":"acme/app"}`, scope: `{"repository":"acme/app"}`,
			facts: `{"subject_template":["repository_owner","repo","context"]}`, issuer: "https://" + gitHub}, breadth.Tight, ""},
	} {
		t.Run(name, func(t *testing.T) {
			breadth.Thin(t)
			result := c.analyse(t)
			if result.Verdict != c.want || result.Attacker != c.attacker {
				t.Errorf("want %s %q, got %s %q: why %q rests on %q attackers %v",
					c.want, c.attacker, result.Verdict, result.Attacker, result.Why, result.RestsOn, result.Attackers)
			}
			if (result.Witness != nil) != (result.Verdict == breadth.Broad) {
				t.Errorf("%s with witness %v", result.Verdict, result.Witness)
			}
			if result.Verdict == breadth.Undecided && len(result.RestsOn) == 0 {
				t.Error("undecided and does not say why")
			}
		})
	}
}

// A fork and its parent are two projects, in one group or in two.
func TestForkIsItsOwnParent(t *testing.T) {
	for _, c := range []one{
		{bound: `{"job_project_id":"123"}`, scope: `{"project_id":"123"}`},
		{bound: `{"job_project_path":"acme/app","namespace_path":["acme","acme/*"]}`, scope: `{"project_path":"acme/app"}`},
		{bound: `{"job_project_path":"acme/app"}`, scope: `{"project_path":"acme/app"}`},
		{bound: `{"job_namespace_path":"acme","namespace_id":"12"}`, scope: `{"namespace_path":"acme","namespace_id":"12"}`},
	} {
		result := c.analyse(t)
		for name, token := range result.Tokens {
			claims := token.Claims
			if fork := claims["pipeline_source"] == "merge_request_event"; fork != (claims["project_path"] != claims["job_project_path"]) ||
				fork != (claims["project_id"] != claims["job_project_id"]) || (claims["namespace_path"] == claims["job_namespace_path"]) != (claims["namespace_id"] == claims["job_namespace_id"]) {
				t.Errorf("%s: %s has %s", c.bound, name, marshal(t, claims))
			}
		}
		if result.Witness != nil && result.Witness.Claims["project_id"] == result.Witness.Claims["job_project_id"] {
			t.Errorf("%s: the witness is no fork: %s", c.bound, marshal(t, result.Witness.Claims))
		}
	}
}

// A scope that is printed can be given: it is the same circle.
func TestInferredScopeIsAnotherWhenGiven(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		one
		scope string
	}{
		"group":   {one{bound: `{"project_path":"acme/*"}`}, `{"project_path":"acme/*"}`},
		"family":  {one{bound: `{"project_path":"acme/svc-*"}`}, `{"project_path":"acme/svc-*"}`},
		"several": {one{bound: `{"project_path":["acme/*","acme/app"],"namespace_path":"acme/sub-*"}`}, `{"namespace_path":"acme/sub-*","project_path":["acme/app","acme/*"]}`},
		"owner":   {one{bound: `{"repository":"acme/*"}`, issuer: "https://token.actions.githubusercontent.com"}, `{"repository":"acme/*"}`},
		"below":   {one{bound: `{"organization_slug":"acme","pipeline_slug":"app-*"}`, issuer: "https://agent.buildkite.com"}, `{"organization_slug":"acme","pipeline_slug":"app-*"}`},
	} {
		t.Run(name, func(t *testing.T) {
			breadth.Thin(t)
			inferred := c.analyse(t)
			if got := inferred.Scope.String(); got != c.scope {
				t.Fatalf("want the scope %s, got %s", c.scope, got)
			}
			given := c.one
			given.scope = c.scope
			if got := given.analyse(t); got.Verdict != inferred.Verdict || !maps.Equal(got.Attackers, inferred.Attackers) || got.Scope.String() != c.scope {
				t.Errorf("want %s %v, got %s %v in %s: %q", inferred.Verdict, inferred.Attackers, got.Verdict, got.Attackers, got.Scope, got.Why)
			}
		})
	}
}

func TestAnswerSaysWhatTheRoleDoesNotAskFor(t *testing.T) {
	for says, role := range map[string]string{
		"bound_audiences is missing":     `{"role_type":"jwt","user_claim":"sub","bound_claims":{"project_path":"acme/app"}}`,
		"token_bound_cidrs [10.0.0.0/8]": `{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"ref":"main"},"token_bound_cidrs":["10.0.0.0/8"]}`,
	} {
		result := one{role: role, scope: `{"project_path":"acme/app"}`}.analyse(t)
		if !strings.Contains(strings.Join(result.RestsOn, "; "), says) {
			t.Errorf("%s: want %q, got %q", role, says, result.RestsOn)
		}
	}
	if got := (one{bound: `{"project_path":"acme/app"}`, scope: `{"project_path":"acme/app"}`}).analyse(t).RestsOn; len(got) > 2 {
		t.Errorf("its twin says %q", got)
	}
}

func TestPathologicalRolesEnd(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	for name, role := range pathological() {
		t.Run(name, func(t *testing.T) {
			subject := pathologicalSubject(t, bundle, role)
			subject.Limits.Deadline = 2 * time.Second
			start := cpu()
			result, err := breadth.New(bundle).Analyse(context.Background(), subject)
			if err != nil {
				t.Fatal(err)
			}
			if used := cpu() - start; used > 10*time.Second {
				t.Errorf("took %v of processor time", used)
			}
			if result.Verdict == breadth.Tight {
				t.Errorf("none of these is tight")
			}
		})
	}
}

// What everybody's subject could hold need not be looked into where it is nobody's else.
func TestOwnerSettlesWhatSubjectsMultiply(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	subject := gitHubSubject(t, bundle, gitHubProvider("assertion.repository_owner == 'acme' && "+infixes(8)), `{"repository_owner":"acme"}`)
	subject.Limits.Deadline = patient.Deadline
	result, err := breadth.New(bundle).Analyse(context.Background(), subject)
	if err != nil || result.Verdict != breadth.Tight {
		t.Fatalf("want tight, got %+v %v", result, err)
	}
	subject = gitHubSubject(t, bundle, gitHubProvider("assertion.repository_owner != 'acme' && "+infixes(2)), `{"repository_owner":"acme"}`)
	subject.Limits.Deadline = patient.Deadline
	if result, err = breadth.New(bundle).Analyse(context.Background(), subject); err != nil || result.Verdict != breadth.Broad {
		t.Fatalf("want broad, got %+v %v", result, err)
	}
}

func TestScopeIsReadOffPartsOfClaims(t *testing.T) {
	bundle := openBundle(t)
	for condition, wanted := range map[string]string{
		"assertion.repository.split('/')[0] == 'acme'":                                 `tight {"repository_owner":"acme/*"}`,
		"assertion.repository_owner == 'acme' || assertion.repository == 'globex/app'": `tight {"repository_owner":["acme/*","globex/*"]}`,
		"assertion.repository.split('/')[1] == 'app'":                                  `broad {"repository_owner":"app/*"}`,
		"assertion.ref == 'refs/heads/main'":                                           `broad null`,
	} {
		subject := gitHubSubject(t, bundle, gitHubProvider(condition), `{"repository":"acme/app"}`)
		subject.Scope, subject.Limits.Deadline = nil, patient.Deadline
		result, err := breadth.New(bundle).Analyse(context.Background(), subject)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(result.Verdict) + " " + result.Scope.String(); got != wanted {
			t.Errorf("%s: want %s, got %s", condition, wanted, got)
		}
	}
}

func TestFindingOffersAChangeThatCloses(t *testing.T) {
	for name, c := range map[string]struct {
		one
		says string
	}{
		"slash":     {one{bound: `{"project_path":"acme*"}`, scope: `{"namespace_path":"acme"}`}, `write project_path "acme/*" instead of "acme*"`},
		"value":     {one{bound: `{"project_path":["acme/app","*"]}`, scope: `{"project_path":"acme/app"}`}, `drop "*" from project_path`},
		"scope":     {one{bound: `{"ref":"main"}`, scope: `{"project_path":"acme/app"}`}, `bind project_path to "acme/app" as well`},
		"protected": {one{bound: `{"project_path":"acme/app"}`, scope: `{"project_path":"acme/app","ref_protected":"true"}`}, `bind ref_protected to "true" as well`},
	} {
		t.Run(name, func(t *testing.T) {
			result := c.analyse(t)
			if len(result.Findings) == 0 || !strings.Contains(result.Findings[0].Message, c.says) {
				t.Errorf("want %q in the first of %+v", c.says, result.Findings)
			}
		})
	}
}

func TestDeadRoleNamesItsNearestLivingVariant(t *testing.T) {
	t.Parallel()
	const gitHub = "https://token.actions.githubusercontent.com"
	for role, c := range map[string]struct{ says, scope, issuer string }{
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"ref_protected":true}}`:                             {says: `the text "true" for ref_protected`},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/*"}}`:                          {says: `bound_claims_type "glob"`},
		`{"role_type":"jwt","user_claim":"email","bound_audiences":["v"],"bound_claims":{"ref":"main"}}`:                                   {says: `user_claim "sub"`},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/app","runner_id":"7"}}`:        {says: `the number 7 for runner_id`},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/app","runner_id":7.0}}`:        {says: `the number 7 for runner_id`},
		`{"role_type":"jwt","user_claim":"sub","bound_claims":{"project_path":"acme/app","aud":"https://v"}}`:                              {says: `bound_audiences, which names what jobs ask for, such as "https://v"`},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/App"}}`:                        {says: `project_path "acme/app" as in the scope, from which "acme/App" differs in case alone`, scope: `{"project_path":"acme/app"}`},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/a?p"}}`:                        {},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"ref_protected":"TRUE","project_path":"acme/app"}}`: {},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"repository":"acme/app","ref":"main"}}`:             {says: `no condition on ref`, scope: `{"repository":"acme/app"}`, issuer: gitHub},
		`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"ref":"main"}}`:                                     {scope: `{"repository":"acme/app"}`, issuer: gitHub},
	} {
		if c.scope == "" {
			c.scope = `{"namespace_path":"acme"}`
		}
		result := one{role: role, scope: c.scope, issuer: c.issuer}.analyse(t)
		if result.Verdict != breadth.Dead || result.Nearest != c.says {
			t.Errorf("%s: want dead with %q, got %s with %q", role, c.says, result.Verdict, result.Nearest)
		}
	}
}

// What is dead today may come to life for whoever takes over a name.
func TestDeadRoleHidesItsRecycler(t *testing.T) {
	result := one{bound: `{"project_path":"acme/app","ref":"main","ref_type":"branch","ref_protected":"false"}`,
		scope: `{"project_path":"acme/app"}`, facts: `{"protected_branches":["main"]}`}.analyse(t)
	if result.Verdict != breadth.Dead || result.Attackers[breadth.Recycler] != breadth.Broad || len(result.Findings) != 2 || result.Findings[1].Rule != "recyclable-name" {
		t.Errorf("want a dead role that a recycler brings to life, and both said: got %s, %v, %+v", result.Verdict, result.Attackers, result.Findings)
	}
}

// An id that a role names is somebody's: whoever takes over a name gets another.
func TestRecyclerHasNoIDThatTheRoleNames(t *testing.T) {
	for bound, want := range map[string]breadth.Verdict{
		`{"project_path":"acme/app","project_id":"34"}`:        breadth.Tight,
		`{"project_path":"acme/app","namespace_id":"12"}`:      breadth.Tight,
		`{"project_path":"acme/app","ref":"34"}`:               breadth.Broad,
		`{"project_path":"acme/app","project_id":["34","35"]}`: breadth.Tight,
	} {
		result := one{bound: bound, scope: `{"project_path":"acme/app"}`}.analyse(t)
		if got := result.Attackers[breadth.Recycler]; got != want {
			t.Errorf("%s: want %s, got %s", bound, want, got)
		}
		if said := slices.Contains(result.RestsOn, "the ids that the role names are given out: nothing new gets one"); said != (want == breadth.Tight) {
			t.Errorf("%s: rests on %q", bound, result.RestsOn)
		}
	}
}

func TestScopeAndFactsAreReadStrictly(t *testing.T) {
	star := `want one star, at the end and behind an owner's name, as in acme/* or acme/svc-*: got `
	for wrong, says := range map[string]string{
		`{`:                             `scope: want an object: unexpected EOF`,
		`{"ref":"main"} {}`:             `scope: want one object, got more behind it`,
		`[]`:                            `scope: want an object of claims, got []`,
		`{}`:                            `scope: want at least one claim, got none`,
		`{"ref":[]}`:                    `scope: ref: want at least one value, got []`,
		`{"namespace_path":5}`:          `scope: namespace_path: want a group's path, got 5`,
		`{"project_path":{"a":1}}`:      `scope: project_path: want a text, a number, a boolean or a list of these, got {"a":1}`,
		`{"any_of":{}}`:                 `scope: any_of: want a list of at least one object, got {}`,
		`{"any_of":[]}`:                 `scope: any_of: want a list of at least one object, got []`,
		`{"any_of":null}`:               `scope: any_of: want a list of at least one object, got null`,
		`{"any_of":["main"]}`:           `scope: any_of[0]: want an object of claims, got "main"`,
		`{"any_of":[{"ref":[[]]}]}`:     `scope: any_of[0]: ref: want a text, a number, a boolean or a list of these, got [[]]`,
		`{"project_path":"*"}`:          `scope: project_path: ` + star + `"*"`,
		`{"project_path":"acme*"}`:      `scope: project_path: ` + star + `"acme*"`,
		`{"project_path":"*/app"}`:      `scope: project_path: ` + star + `"*/app"`,
		`{"repository":"acme/*/x"}`:     `scope: repository: ` + star + `"acme/*/x"`,
		`{"namespace_path":"acme/*/*"}`: `scope: namespace_path: ` + star + `"acme/*/*"`,
		`{"repository_owner":"acme-*"}`: `scope: repository_owner: ` + star + `"acme-*"`,
	} {
		if _, err := breadth.ReadScope([]byte(wrong)); err == nil || err.Error() != says {
			t.Errorf("scope %s: want the error %q, got %v", wrong, says, err)
		}
	}
	for wrong, says := range map[string]string{
		`[]`:                                                `facts: want an object, got []`,
		`{"protected_branches":"main"}`:                     `facts: protected_branches: want a list of texts, got "main"`,
		`{"protected_tags":["v*",1]}`:                       `facts: protected_tags[1]: want a text, got 1`,
		`{"registration":"maybe"}`:                          `facts: registration: want open or closed, got "maybe"`,
		`{"issuer_version":"new"}`:                          `facts: issuer_version: want a version such as 18.9, got "new"`,
		`{"groups_direct":"no"}`:                            `facts: groups_direct: want true or false, got "no"`,
		`{"environments":["production"]}`:                   `facts: environments: want an object, got ["production"]`,
		`{"environments":{"production":"protected"}}`:       `facts: environments["production"]: want an object, got "protected"`,
		`{"environments":{"production":{"protectd":true}}}`: `facts: environments["production"]: want no members but protected and branches, got "protectd"`,
		`{"environments":{"x":{"branches":"main"}}}`:        `facts: environments["x"].branches: want a list of texts, got "main"`,
		`{"runners":{"7":{"scop":"acme"}}}`:                 `facts: runners["7"]: want no members but scope, got "scop"`,
		`{"reusable_workflows":{"acme/ci":{}}}`:             `facts: reusable_workflows["acme/ci"].visibility: want public, internal or private, got null`,
		`{"registration":"maybe","fork_pipelines":"none"}`:  `facts: fork_pipelines: want parent or fork, got "none"`,
	} {
		if _, err := breadth.ReadFacts([]byte(wrong)); err == nil || err.Error() != says {
			t.Errorf("facts %s: want the error %q, got %v", wrong, says, err)
		}
	}
	scope, err := breadth.ReadScope([]byte(`{"namespace_path":"acme/","any_of":[{"ref":"main"},{"ref":["v1","v2"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := scope.String(); got != `{"any_of":[{"namespace_path":"acme","ref":"main"},{"namespace_path":"acme","ref":["v1","v2"]}]}` {
		t.Errorf("got %s", got)
	}
}

// Facts need not be read from JSON: what a field holds is known.
func TestFactsInGoAreNotKnown(t *testing.T) {
	bundle := openBundle(t)
	role := []byte(`{"role_type":"jwt","user_claim":"sub","bound_audiences":["v"],"bound_claims":{"project_path":"acme/app","ref":"main","ref_type":"branch"}}`)
	scope, err := breadth.ReadScope([]byte(`{"project_path":"acme/app","ref_protected":"true"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		facts *breadth.Facts
		want  breadth.Verdict
	}{
		{&breadth.Facts{ProtectedBranches: []string{"main"}}, breadth.Tight},
		{&breadth.Facts{ProtectedBranches: []string{}}, breadth.Broad},
		{&breadth.Facts{}, breadth.Undecided},
		{nil, breadth.Undecided},
	} {
		subject := breadth.Subject{Limits: patient, Role: vaultRole(t, bundle, role), Issuer: "https://gitlab.com", Scope: scope, Facts: c.facts, Now: testNow}
		result, err := breadth.New(bundle).Analyse(context.Background(), subject)
		if err != nil {
			t.Fatal(err)
		}
		if result.Verdict != c.want {
			t.Errorf("%+v: want %s, got %s: %q", c.facts, c.want, result.Verdict, result.Why)
		}
	}
}
