package breadth_test

import (
	"context"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck/breadth"
)

// alsoDenied adds a statement that denies to a trust policy of one provider.
func alsoDenied(policy map[string]any, wanted conditions) map[string]any {
	allowed := policy["Statement"].([]any)[0].(map[string]any)
	provider := allowed["Principal"].(map[string]any)["Federated"].(string)
	denied := trustOf(provider[strings.IndexByte(provider, '/')+1:], wanted)["Statement"].([]any)[0].(map[string]any)
	denied["Effect"] = "Deny"
	policy["Statement"] = append(policy["Statement"].([]any), denied)
	return policy
}

// TestScopeIsReadOffTheWrongPart holds roles whose scope nobody gave to the scope that they
// show; one that shows none makes every token a stranger's.
func TestScopeIsReadOffTheWrongPart(t *testing.T) {
	t.Parallel()
	const branch = "ref:refs/heads/main"
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for name, c := range map[string]struct {
		role    map[string]any
		scope   string
		verdict breadth.Verdict
	}{
		"any case": {trustOf(gitHub, conditions{"StringEqualsIgnoreCase": {"sub": "repo:acme/app:" + branch}}),
			`{"repository":"acme/app"}`, breadth.Tight},
		"any case, the key too": {trustOf(gitHub, conditions{"StringEqualsIgnoreCase": {"sub": "REPO:acme/App:" + branch}}),
			`{"repository":"acme/App"}`, breadth.Tight},
		"any case, letters that fold thrice": {trustOf(gitHub, conditions{"StringEqualsIgnoreCase": {"sub": []any{"repo:acme/Kiosk:" + branch, "repo:acme/tasks:" + branch}}}),
			`{"repository":["acme/Kiosk","acme/tasks"]}`, breadth.Tight},
		"any case, GitLab": {trustOf("gitlab.com", conditions{"StringEqualsIgnoreCase": {"sub": "project_path:acme/app:ref_type:branch:ref:main"}}),
			`{"project_path":"acme/app"}`, breadth.Tight},
		"ids in the owner alone": {trustOf(gitHub, like("sub", "repo:acme@12/*")),
			`{"repository":"acme/*","repository_owner_id":"12"}`, breadth.Tight},
		"ids in the owner, a family below": {trustOf(gitHub, like("sub", "repo:acme@12/app-*")),
			`{"repository":"acme/app-*","repository_owner_id":"12"}`, breadth.Tight},
		"ids in the owner, a star glued to a name": {trustOf(gitHub, like("sub", "repo:acme@12/app*")),
			`{"repository":"acme/app","repository_owner_id":"12"}`, breadth.Broad},
		"ids in both": {trustOf(gitHub, like("sub", "repo:acme@12/app@34:*")),
			`{"repository":"acme/app","repository_id":"34","repository_owner_id":"12"}`, breadth.Tight},
		"an owner's name among the keys": {trustOf(gitHub, like("sub", "repository_owner:acme:environment:prod")),
			`{"repository":"acme/*"}`, breadth.Tight},
		"an owner's id among the keys": {trustOf(gitHub, like("sub", "repository_owner_id:12:*")),
			`{"repository_owner_id":"12"}`, breadth.Tight},
		"a project behind other keys": {trustOf(gitHub, like("sub", "environment:prod:repo:acme/app")),
			`{"repository":"acme/app"}`, breadth.Tight},
		"an id before a project": {trustOf(gitHub, like("sub", []any{"repository_id:34:*", "repo:acme/app:*"})),
			`{"repository":"acme/app"}`, breadth.Undecided},
		"an account alone": {trustOf(gitHub, like("actor_id", "777")),
			`null`, breadth.Broad},
		"an account among the keys": {trustOf(gitHub, like("sub", "*actor_id:7:*")),
			`null`, breadth.Broad},
		"a refusal of all but a project's subjects": {alsoDenied(trustOf(gitHub, like("sub", "repo:*")), conditions{"StringNotLike": {"sub": "repo:acme/app:*"}}),
			`{"repository":"acme/app"}`, breadth.Tight},
		"a refusal of all but a project": {alsoDenied(trustOf(gitHub, like("sub", "repo:*")), conditions{"StringNotEquals": {"repository": "acme/app"}}),
			`{"repository":"acme/app"}`, breadth.Tight},
		"a refusal of all but an id": {alsoDenied(trustOf(gitHub, like("sub", "repo:*")), conditions{"StringNotEquals": {"repository_id": "34"}}),
			`{"repository_id":"34"}`, breadth.Tight},
		"a refusal of all but what is one project twice": {alsoDenied(trustOf(gitHub, like("sub", "repo:*")), conditions{
			"StringNotEquals": {"repository": "acme/app"}, "StringNotLike": {"sub": "repo:acme/app:*"}}),
			`{"repository":"acme/app"}`, breadth.Tight},
		"a refusal of all but one of two things": {alsoDenied(trustOf(gitHub, like("sub", "repo:*")), conditions{
			"StringNotEquals": {"event_name": "push"}, "StringNotLike": {"sub": "repo:acme/app:*"}}),
			`null`, breadth.Broad},
		"a refusal of all but a project, sometimes": {alsoDenied(trustOf(gitHub, like("sub", "repo:*")), conditions{
			"StringEquals": {"event_name": "push"}, "StringNotLike": {"sub": "repo:acme/app:*"}}),
			`null`, breadth.Broad},
		"a refusal of a project": {alsoDenied(trustOf(gitHub, like("sub", "repo:*")), like("sub", "repo:acme/app:*")),
			`null`, breadth.Broad},
	} {
		t.Run(name, func(t *testing.T) {
			breadth.Thin(t)
			result, err := analyser.Analyse(context.Background(), breadth.Subject{Role: awsRole(t, bundle, c.role), Now: testNow, Limits: patient})
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Scope.String(); got != c.scope || result.Verdict != c.verdict {
				t.Errorf("want %s under %s, got %s under %s: %q", c.verdict, c.scope, result.Verdict, got, result.RestsOn)
			}
		})
	}
}

// TestWitnessThatNobodyCanMint holds roles to scopes that leave open whose something is:
// what nobody surely has is no witness, and its twin that somebody has is.
func TestWitnessThatNobodyCanMint(t *testing.T) {
	t.Parallel()
	const app = `{"repository":"acme/app"}`
	const deploy = "acme/ci/.github/workflows/deploy.yml@refs/heads/main"
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for name, c := range map[string]struct {
		role         map[string]any
		scope, facts string
		verdict      breadth.Verdict
		attacker     string
		says         string
	}{
		"a repository that may not be called so": {role: trustOf(gitHub, like("sub", "repo:acme/app.git:*")), scope: app, verdict: breadth.Undecided},
		"a repository that may be called so":     {role: trustOf(gitHub, like("sub", "repo:acme/app.x:*")), scope: app, verdict: breadth.Broad, attacker: breadth.Sibling},
		"an owner's id among the keys":           {role: trustOf(gitHub, like("sub", "repository_owner_id:12:*")), scope: app, verdict: breadth.Broad, attacker: breadth.Sibling},
		"an owner's id behind a star":            {role: trustOf(gitHub, like("sub", "*repository_owner_id:12")), scope: app, verdict: breadth.Broad, attacker: breadth.Sibling},
		"an id that a refusal leaves alone": {role: alsoDenied(trustOf(gitHub, like("sub", "repo:*")), conditions{"StringNotEquals": {"repository_id": "34"}}),
			scope: app, verdict: breadth.Undecided, says: "whose repository_id 34 is"},
		"a workflow that the subject shows": {role: trustOf(gitHub, like("sub", "repo:acme/app:job_workflow_ref:"+deploy)),
			scope: `{"repository":"acme/app","job_workflow_ref":"` + deploy + `"}`, facts: `{"subject_template":["repo","job_workflow_ref"]}`, verdict: breadth.Tight},
		"any workflow that the subject shows": {role: trustOf(gitHub, like("sub", "repo:acme/app:job_workflow_ref:*")),
			scope: `{"repository":"acme/app","job_workflow_ref":"` + deploy + `"}`, facts: `{"subject_template":["repo","job_workflow_ref"]}`, verdict: breadth.Broad, attacker: breadth.Developer},
		"keys that a condition does not rule out": {role: trustOf(gitHub, conditions{"StringNotLike": {"sub": "repo:*"}}),
			scope: app, verdict: breadth.Broad, attacker: breadth.Outsider},
		"keys that a refusal leaves alone": {role: alsoDenied(trustOf(gitHub, conditions{"StringEquals": {"aud": "sts.amazonaws.com"}}), conditions{"StringNotEquals": {"sub": "environment:prod"}}),
			scope: app, verdict: breadth.Broad, attacker: breadth.Outsider},
		"keys that a refusal rules out": {role: alsoDenied(trustOf(gitHub, conditions{"StringEquals": {"aud": "sts.amazonaws.com"}}), like("sub", "*")),
			scope: app, verdict: breadth.Dead},
		"an account in another repository": {role: trustOf(gitHub, like("actor_id", "777")), scope: app, verdict: breadth.Broad, attacker: breadth.Sibling},
		"an id beside that of the scope":   {role: trustOf(gitHub, like("repository_id", []any{"34", "35"})), scope: `{"repository_id":"34"}`, verdict: breadth.Broad},
		"an enterprise beside the scope's": {role: trustOf(gitHub, like("enterprise_id", []any{"77", "78"})), scope: `{"enterprise_id":"77","repository_owner":"acme"}`, verdict: breadth.Broad},
		"the id of the scope":              {role: trustOf(gitHub, like("repository_id", "34")), scope: `{"repository_id":"34"}`, verdict: breadth.Tight},
		"another's id with another's name": {role: trustOf(gitHub, like("sub", "repo:partner@13/web@35:*")), scope: `{"repository_id":"34"}`, verdict: breadth.Broad},
		"another's name":                   {role: trustOf(gitHub, like("sub", "repo:partner/web:*")), scope: `{"repository_id":"34"}`, verdict: breadth.Undecided, says: "whose partner is decides"},
		"an enterprise of which the scope is a part": {role: trustOf(gitHub, like("enterprise_id", "77")), scope: `{"enterprise_id":"77","repository_owner":"acme"}`,
			verdict: breadth.Undecided, says: "others than the scope's perhaps do"},
		"an account, where the claim is there": {role: trustOf("gitlab.com", conditions{"StringEqualsIfExists": {"user_login": "alice"}, "StringLike": {"sub": "project_path:*"}}),
			scope: `{"namespace_path":"acme"}`, verdict: breadth.Broad, attacker: breadth.ForkMR},
		"another's workflow": {role: trustOf(gitHub, like("job_workflow_ref", deploy)), scope: `{"repository_owner":"x"}`, verdict: breadth.Broad,
			attacker: breadth.Outsider, says: "others may call the workflows of acme/ci"},
		"an enterprise": {role: trustOf(gitHub, like("enterprise_id", "77")), scope: `{"enterprise_id":"77"}`, verdict: breadth.Tight},
	} {
		t.Run(name, func(t *testing.T) {
			breadth.Thin(t)
			scope, err := breadth.ReadScope([]byte(c.scope))
			if err != nil {
				t.Fatal(err)
			}
			facts, err := breadth.ReadFacts([]byte(c.facts))
			if err != nil {
				t.Fatal(err)
			}
			result, err := analyser.Analyse(context.Background(), breadth.Subject{Role: awsRole(t, bundle, c.role), Scope: scope, Facts: facts, Now: testNow, Limits: patient})
			if err != nil {
				t.Fatal(err)
			}
			if result.Verdict != c.verdict || result.Attacker != c.attacker || !strings.Contains(strings.Join(append(result.Why, result.RestsOn...), " "), c.says) {
				t.Errorf("want %s %q, said %q, got %s %q: why %q attackers %v", c.verdict, c.attacker, c.says, result.Verdict, result.Attacker, result.Why, result.Attackers)
			}
		})
	}
}
