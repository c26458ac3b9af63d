package mint

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

var now = time.Unix(1768478400, 0)

func overrides(t *testing.T, texts ...string) []Override {
	t.Helper()
	var all []Override
	for _, text := range texts {
		o, err := ParseOverride(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func claims(t *testing.T, shape string, texts ...string) map[string]any {
	t.Helper()
	c, err := Claims(shape, overrides(t, texts...), now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShapeIsNotAsItsIssuerMintsIt(t *testing.T) {
	want := map[string][2]string{
		"github": {issuer.GitHub, "classic"}, "github-immutable": {issuer.GitHub, "immutable"},
		"gitlab": {issuer.GitLab, "id_tokens"}, "gitlab-v1": {issuer.GitLab, "CI_JOB_JWT"}, "gitlab-v2": {issuer.GitLab, "CI_JOB_JWT_V2"},
	}
	for _, shape := range Shapes() {
		for _, change := range [][]string{nil, {"environment=prod"}, {"ref_type=tag"}} {
			c := claims(t, shape, change...)
			name, generation := issuer.Recognise(c)
			if got := [2]string{name, generation}; got != want[shape] {
				t.Errorf("%s %v: recognised as %q", shape, change, got)
			}
			for _, w := range issuer.Check(name, c) {
				t.Errorf("%s %v: %v", shape, change, w)
			}
		}
	}
}

// What follows from an override, and what it must leave alone.
func TestClaimsContradictEachOther(t *testing.T) {
	tests := []struct {
		shape     string
		overrides []string
		want      map[string]string
	}{
		{"gitlab", []string{"project_path=other/deep/app"}, map[string]string{
			"namespace_path": "other/deep", "job_project_path": "other/deep/app", "job_namespace_path": "other/deep",
			"sub":               "project_path:other/deep/app:ref_type:branch:ref:main",
			"ci_config_ref_uri": "gitlab.example.com/other/deep/app//.gitlab-ci.yml@refs/heads/main",
			"ref_protected":     "true",
		}},
		{"gitlab", []string{"namespace_path=other"}, map[string]string{
			"project_path": "other/infra", "sub": "project_path:other/infra:ref_type:branch:ref:main",
		}},
		{"gitlab", []string{"ref=feature/x"}, map[string]string{
			"ref_path": "refs/heads/feature/x", "ref_type": "branch", "ref_protected": "false",
			"sub":               "project_path:acme/infra:ref_type:branch:ref:feature/x",
			"ci_config_ref_uri": "gitlab.example.com/acme/infra//.gitlab-ci.yml@refs/heads/feature/x",
			"project_id":        "20", "namespace_id": "72",
		}},
		{"gitlab", []string{"ref_path=refs/tags/v1"}, map[string]string{
			"ref": "v1", "ref_type": "tag", "ref_protected": "false", "sub": "project_path:acme/infra:ref_type:tag:ref:v1",
		}},
		{"gitlab", []string{"ref=main", "ref_type=tag"}, map[string]string{
			"ref_path": "refs/tags/main", "ref_protected": "false", "sub": "project_path:acme/infra:ref_type:tag:ref:main",
		}},
		{"gitlab", []string{"ref_type=tag", "ref_protected=true"}, map[string]string{
			"ref": "v1.0.0", "ref_protected": "true",
		}},
		{"gitlab", []string{"environment=staging"}, map[string]string{
			"environment_protected": "false", "deployment_tier": "staging", "environment_action": "start",
		}},
		{"gitlab", []string{"deployment_tier=testing"}, map[string]string{
			"environment": "production", "environment_protected": "false",
		}},
		{"gitlab", []string{"project_path=mallory/infra", "job_project_path=acme/infra"}, map[string]string{
			"namespace_path": "mallory", "job_namespace_path": "acme", "job_project_id": "20", "job_namespace_id": "72",
			"pipeline_source": "merge_request_event", "ref_protected": "false",
			"sub":               "project_path:mallory/infra:ref_type:branch:ref:main",
			"ci_config_ref_uri": "gitlab.example.com/acme/infra//.gitlab-ci.yml@refs/heads/main",
		}},
		{"gitlab", []string{"project_id=21"}, map[string]string{"job_project_id": "21", "project_path": "acme/infra"}},
		{"gitlab", []string{"iss=http://127.0.0.1:8200"}, map[string]string{
			"ci_config_ref_uri": "127.0.0.1:8200/acme/infra//.gitlab-ci.yml@refs/heads/main", "aud": "https://vault.example.com",
		}},
		{"gitlab", []string{"user_login=bob"}, map[string]string{"user_email": "bob@example.com"}},
		{"gitlab", []string{"sub=anything", "custom=x"}, map[string]string{
			"sub": "anything", "custom": "x", "project_path": "acme/infra",
		}},
		{"gitlab", []string{"project_path:=5"}, map[string]string{"namespace_path": "acme"}},
		{"gitlab-v2", []string{"iss=https://ci.acme.example"}, map[string]string{"aud": "https://ci.acme.example"}},
		{"gitlab-v1", []string{"job_id=7"}, map[string]string{"sub": "job_7", "iss": "gitlab.example.com"}},
		{"gitlab-v1", []string{"job_id:=7"}, map[string]string{"sub": "job_302"}},
		{"github", []string{"repository=other/app"}, map[string]string{
			"repository_owner": "other", "aud": "https://github.com/other", "sub": "repo:other/app:ref:refs/heads/main",
			"workflow_ref": "other/app/.github/workflows/deploy.yml@refs/heads/main", "job_workflow_ref": "other/app/.github/workflows/deploy.yml@refs/heads/main",
		}},
		{"github", []string{"repository_owner=other"}, map[string]string{"repository": "other/infra"}},
		{"github", []string{"ref=refs/tags/v1"}, map[string]string{
			"ref_type": "tag", "ref_protected": "false", "sub": "repo:acme/infra:ref:refs/tags/v1",
			"workflow_ref": "acme/infra/.github/workflows/deploy.yml@refs/tags/v1",
		}},
		{"github", []string{"ref_type=tag"}, map[string]string{"ref": "refs/tags/v1.0.0"}},
		{"github", []string{"event_name=pull_request"}, map[string]string{
			"sub": "repo:acme/infra:pull_request", "ref": "refs/pull/1/merge", "head_ref": "feature", "base_ref": "main", "ref_protected": "false",
		}},
		{"github", []string{"head_ref=fix"}, map[string]string{"event_name": "pull_request", "base_ref": "main"}},
		{"github", []string{"environment=prod:eu", "event_name=pull_request"}, map[string]string{
			"sub": "repo:acme/infra:environment:prod%3Aeu", "environment": "prod:eu",
		}},
		{"github", []string{"enterprise=acme-inc"}, map[string]string{"sub": "repo:acme/infra:ref:refs/heads/main"}},
		{"github-immutable", []string{"environment=prod"}, map[string]string{
			"sub": "repo:acme@123456/infra@456789:environment:prod",
		}},
		{"github-immutable", []string{"repository_id=9"}, map[string]string{
			"sub": "repo:acme@123456/infra@9:ref:refs/heads/main",
		}},
	}
	for _, tt := range tests {
		got := claims(t, tt.shape, tt.overrides...)
		for claim, want := range tt.want {
			if got[claim] != want {
				t.Errorf("%s %v: %s is %v, want %q", tt.shape, tt.overrides, claim, got[claim], want)
			}
		}
	}
}

func TestAnotherNameKeepsTheID(t *testing.T) {
	tests := []struct{ shape, override, id string }{
		{"gitlab", "project_path=acme/other", "project_id"},
		{"gitlab", "project_path=other/infra", "namespace_id"},
		{"gitlab", "project_path=acme/other", "job_project_id"},
		{"gitlab", "user_login=bob", "user_id"},
		{"gitlab", "ref=other", "sha"},
		{"github", "repository=acme/other", "repository_id"},
		{"github", "repository=other/infra", "repository_owner_id"},
		{"github", "actor=bob", "actor_id"},
		{"github", "job_workflow_ref=acme/ci/.github/workflows/x.yml@refs/heads/main", "job_workflow_sha"},
	}
	for _, tt := range tests {
		base, other := claims(t, tt.shape), claims(t, tt.shape, tt.override)
		if base[tt.id] == other[tt.id] {
			t.Errorf("%s %s: %s stays %v", tt.shape, tt.override, tt.id, other[tt.id])
		}
		if again := claims(t, tt.shape, tt.override); again[tt.id] != other[tt.id] {
			t.Errorf("%s %s: %s is %v, then %v", tt.shape, tt.override, tt.id, other[tt.id], again[tt.id])
		}
	}
}

func TestTimesDoNotFollow(t *testing.T) {
	for _, tt := range []struct {
		shape         string
		overrides     []string
		iat, nbf, exp string
	}{
		{"gitlab", nil, "1768478400", "1768478395", "1768482000"},
		{"gitlab-v1", nil, "1768478400", "1768478395", "1768482000"},
		{"gitlab", []string{"iat=1000"}, "1000", "995", "4600"},
		{"gitlab", []string{"exp=1000"}, "1768478400", "1768478395", "1000"},
		{"github", nil, "1768478400", "1768477800", "1768478700"},
	} {
		c := claims(t, tt.shape, tt.overrides...)
		for claim, want := range map[string]string{"iat": tt.iat, "nbf": tt.nbf, "exp": tt.exp} {
			if c[claim] != json.Number(want) {
				t.Errorf("%s %v: %s is %v, want %s", tt.shape, tt.overrides, claim, c[claim], want)
			}
		}
	}
}

func TestOverrideLosesItsIssuersType(t *testing.T) {
	tests := []struct {
		override string
		want     any
	}{
		{"runner_id=5", json.Number("5")},
		{"runner_id:=\"5\"", "5"},
		{"project_id=5", "5"},
		{"project_id:=5", json.Number("5")},
		{"ref_protected=false", "false"},
		{"ref_protected:=false", false},
		{"user_access_level:=null", nil},
		{"groups_direct=acme,acme/admins", []any{"acme", "acme/admins"}},
		{"groups_direct=", []any{}},
		{"aud=https://a.example", "https://a.example"},
		{`aud:=["https://a.example"]`, []any{"https://a.example"}},
		{`job_config:={"url":"u","sha":"s"}`, map[string]any{"url": "u", "sha": "s"}},
		{"unheard_of=5", "5"},
		{"ref=a=b", "a=b"},
		{"ref=", ""},
		{"https://aws.amazon.com/source_identity=x", "x"},
	}
	for _, tt := range tests {
		name, _, _ := strings.Cut(tt.override, "=")
		name = strings.TrimSuffix(name, ":")
		if got := claims(t, "gitlab", tt.override)[name]; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %#v, want %#v", tt.override, got, tt.want)
		}
	}
}

func TestMistakeIsMintedInsteadOfTold(t *testing.T) {
	for text, want := range map[string]string{
		"ref":         `claim "ref": want claim=value or claim:=json, got no '='`,
		"=main":       `claim "=main": want a name before '='`,
		":=5":         `claim ":=5": want a name before '='`,
		"ref:=main":   `claim ref: want JSON after ':=', got "main": invalid character 'm' looking for beginning of value`,
		"ref:=1 2":    `claim ref: want JSON after ':=', got "1 2": more follows after the value`,
		"runner_id:=": `claim runner_id: want JSON after ':=', got "": EOF`,
	} {
		if _, err := ParseOverride(text); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	for _, tt := range []struct {
		shape     string
		overrides []Override
		want      string
	}{
		{"gitlap", nil, `unknown shape "gitlap", want one of github, github-immutable, gitlab, gitlab-v1, gitlab-v2`},
		{"gitlab", overrides(t, "runner_id=five"), `claim runner_id: want an integer, got "five"`},
		{"gitlab", overrides(t, "exp=007"), `claim exp: want an integer, got "007"`},
		{"gitlab", overrides(t, "job_config=x"), `claim job_config: want job_config:=json, since it is an object, got "x"`},
		{"gitlab", overrides(t, "ref=a", "ref=b"), "claim ref is set twice"},
		{"gitlab", append(overrides(t, "ref=a"), Without("ref")), "claim ref is set twice"},
		{"gitlab", []Override{Without("ref_protectd")}, "claim ref_protectd: nothing to take away, a token of shape gitlab has none here"},
		{"gitlab-v1", []Override{Without("aud")}, "claim aud: nothing to take away, a token of shape gitlab-v1 has none here"},
	} {
		if _, err := Claims(tt.shape, tt.overrides, now); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.shape, err, tt.want)
		}
	}
}

func TestClaimStaysThoughTakenAway(t *testing.T) {
	for _, claim := range []string{"aud", "ref_protected", "jti", "iat"} {
		full := claims(t, "gitlab")
		c, err := Claims("gitlab", []Override{Without(claim)}, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c[claim]; ok || len(c) != len(full)-1 {
			t.Errorf("without %s: %v", claim, c)
		}
	}
}

func TestTokensShareAnID(t *testing.T) {
	jti := func(at time.Time, texts ...string) any {
		c, err := Claims("gitlab", overrides(t, texts...), at)
		if err != nil {
			t.Fatal(err)
		}
		return c["jti"]
	}
	if first, again := jti(now), jti(now); first != again {
		t.Error("the same token has another id")
	}
	if jti(now) == jti(now.Add(1)) {
		t.Error("a nanosecond later the id is the same")
	}
	if jti(now) == jti(now, "ref=other") {
		t.Error("another token has the same id")
	}
	if jti(now, "jti=x") != "x" {
		t.Error("a given id is changed")
	}
}
