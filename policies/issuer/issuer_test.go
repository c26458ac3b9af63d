package issuer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// samples reads every sample of an issuer; a file is named after the generation
// of its token, what follows a dot is free.
func samples(t testing.TB, name string) map[string]map[string]any {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(name, "claims", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples of %s: %v", name, err)
	}
	all := map[string]map[string]any{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = decode(t, string(text))
	}
	return all
}

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestSampleIsAccusedOrTakenForAnother(t *testing.T) {
	for _, name := range Names() {
		for sample, claims := range samples(t, name) {
			wantGeneration, _, _ := strings.Cut(sample, ".")
			if got, generation := Recognise(claims); got != name || generation != wantGeneration {
				t.Errorf("%s/%s: recognised as %q, generation %q", name, sample, got, generation)
			}
			for _, w := range Check(name, claims) {
				t.Errorf("%s/%s: %v", name, sample, w)
			}
			if err := schemaOf(name).compiled[""].Validate(plainNumbers(claims)); err != nil {
				t.Errorf("%s/%s does not fit the schema as a whole: %v", name, sample, err)
			}
		}
	}
}

// Every claim of every sample is given a type that its issuer never mints; each
// must be named by exactly one warning. Their twins are the samples themselves.
func TestWrongTypePassesSilently(t *testing.T) {
	for _, name := range Names() {
		for sample, claims := range samples(t, name) {
			for claim := range claims {
				if claim == "iss" && strings.HasPrefix(sample, "CI_JOB_JWT") {
					continue // decides which generation is checked: TestGenerations
				}
				broken := maps.Clone(claims)
				wrong, got := any(true), "got the boolean true"
				if _, right := claims[claim].(bool); right {
					wrong, got = "true", `got the text "true"`
				}
				broken[claim] = wrong
				named := 0
				for _, w := range Check(name, broken) {
					if w.Claim == claim && strings.Contains(w.Message, got) {
						named++
					}
				}
				if named == 0 {
					t.Errorf("%s/%s: %s may be %v: %v", name, sample, claim, wrong, Check(name, broken))
				}
			}
		}
	}
}

func TestMissingClaimPassesSilently(t *testing.T) {
	// Claims that a true token may lack when it has all the others.
	optional := map[string][]string{
		GitLab: {"runner_id", "runner_environment", "job_source", "groups_direct", "user_identities", "job_config",
			"deployment_tier", "environment_action", "target_audience"},
		GitHub: {"check_run_id", "job_workflow_sha", "enterprise_id", "issuer_scope",
			"repo_property_team", "repo_property_regions", "environment_node_id"},
		Bitbucket: {"deploymentEnvironmentUuid", "pipelineRunUuid", "accountUuid", "branchName"},
		Buildkite: {"jti", "build_tag", "organization_id", "pipeline_id", "cluster_id", "cluster_name", "queue_id", "queue_key", "build_id", "agent_tag:queue"},
		CircleCI: {"oidc.circleci.com/org-id", "oidc.circleci.com/vcs-ref", "oidc.circleci.com/context-ids", "oidc.circleci.com/ssh-rerun",
			"oidc.circleci.com/job-id", "oidc.circleci.com/pipeline-id", "oidc.circleci.com/pipeline-definition-id", "oidc.circleci.com/workflow-id"},
	}
	for name, sample := range map[string]string{
		GitLab: "id_tokens.environment", GitHub: "classic.environment", Bitbucket: "deployment",
		Buildkite: "composite.tag-and-optional-claims", CircleCI: "V2", Terraform: "workspace",
	} {
		claims := samples(t, name)[sample]
		for claim := range claims {
			lacking := maps.Clone(claims)
			delete(lacking, claim)
			warned := slices.ContainsFunc(Check(name, lacking), func(w Warning) bool {
				return w.Claim == claim && strings.Contains(w.Message, "got nothing")
			})
			if want := !slices.Contains(optional[name], claim); warned != want {
				t.Errorf("%s/%s without %s: warned %t, want %t: %v", name, sample, claim, warned, want, Check(name, lacking))
			}
		}
	}
}

func TestWarningsSayWhatWasWantedAndWhatCame(t *testing.T) {
	tests := []struct {
		name, sample, claim, value, want string
	}{
		{GitLab, "id_tokens", "ref_protected", `true`, `ref_protected: want the text "true" or "false", got the boolean true`},
		{GitLab, "id_tokens", "ref_protected", `"True"`, `ref_protected: want the text "true" or "false", got the text "True"`},
		{GitLab, "id_tokens", "project_id", `20`, `project_id: want decimal digits as text, got the number 20`},
		{GitLab, "id_tokens", "runner_id", `"12"`, `runner_id: want an integer, got the text "12"`},
		{GitLab, "id_tokens", "runner_id", `12.5`, `runner_id: want an integer, got the number 12.5`},
		{GitLab, "id_tokens", "runner_id", `1e9999999`, `runner_id: want an integer, got the number 1e9999999`},
		{GitLab, "id_tokens", "project_path", `null`, `project_path: want a project's path such as group/project, got null`},
		{GitLab, "id_tokens", "sub", `"job_302"`, `sub: want text that starts with project_path: or project_id:, got the text "job_302"`},
		{GitLab, "id_tokens", "aud", `[]`, `aud: want a text or a list of texts, got a list of 0`},
		{GitLab, "id_tokens", "aud", `["a", 7]`, `aud: want text, got the number 7 at "/1"`},
		{GitLab, "id_tokens", "groups_direct", `"acme"`, `groups_direct: want a list of at most 200 group paths, got the text "acme"`},
		{GitLab, "id_tokens", "user_identities", `[{"provider": "saml"}]`, `user_identities: want an object with provider and extern_uid, got an object at "/0"`},
		{GitLab, "id_tokens", "environment", `"production"`, `environment_protected: want the text "true" or "false" wherever there is environment, got nothing`},
		{GitLab, "CI_JOB_JWT", "aud", `"https://vault.example.com"`, `aud: want no such claim, got the text "https://vault.example.com"`},
		{GitLab, "CI_JOB_JWT", "sub", `"project_path:acme/infra"`, `sub: want job_ and the job's id, got the text "project_path:acme/infra"`},
		{Buildkite, "composite", "sub", `"pipeline:infra"`, `sub: want organization:SLUG:pipeline:SLUG:ref:REF:commit:COMMIT:step:KEY, or a UUID, got the text "pipeline:infra"`},
		{Buildkite, "composite", "build_number", `"12"`, `build_number: want an integer, got the text "12"`},
		{CircleCI, "V2", "oidc.circleci.com/ssh-rerun", `"false"`, `oidc.circleci.com/ssh-rerun: want a boolean, got the text "false"`},
		{CircleCI, "V2", "oidc.circleci.com/context-ids", `["acme"]`, `oidc.circleci.com/context-ids: want a UUID, got the text "acme" at "/0"`},
		{Bitbucket, "step", "repositoryUuid", `"2e9e429c-7b8b-404f-8648-8c40c27c9ebd"`, `repositoryUuid: want a UUID in braces, got the text "2e9e429c-7b8b-404f-8648-8c40c27c9ebd"`},
		{Terraform, "workspace", "terraform_workspace_id", `"infra"`, `terraform_workspace_id: want a workspace's id such as ws-1a2b, got the text "infra"`},
		{GitHub, "classic", "repository_id", `456789`, `repository_id: want decimal digits as text, got the number 456789`},
		{GitHub, "classic", "ref", `"main"`, `ref: want text that starts with refs/, or "", got the text "main"`},
		{GitHub, "classic", "repo_property_a/b~%", `true`, `repo_property_a/b~%: want text, got the boolean true`},
		{GitHub, "classic", "environment_node_id", `"EN_x"`, `environment: want text wherever there is environment_node_id, got nothing`},
	}
	for _, tt := range tests {
		claims := maps.Clone(samples(t, tt.name)[tt.sample])
		maps.Copy(claims, decode(t, `{`+quote(t, tt.claim)+`:`+tt.value+`}`))
		if got := Check(tt.name, claims); len(got) != 1 || got[0].String() != tt.want {
			t.Errorf("%s %s=%s:\ngot  %v\nwant %s", tt.name, tt.claim, tt.value, got, tt.want)
		}
	}
}

func quote(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestUncheckablePassesSilently(t *testing.T) {
	for want, got := range map[string][]Warning{
		`no schema for issuer "jenkins", want one of bitbucket, buildkite, circleci, github, gitlab, terraform`: Check("jenkins", map[string]any{}),
		`want an object of claims, got a list of 0`:                                                             Check(GitLab, []any{}),
		`want an object of claims, got null`:                                                                    Check(GitHub, nil),
	} {
		if len(got) != 1 || got[0].String() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestGenerations(t *testing.T) {
	gitlab := `"project_path":"acme/infra","namespace_path":"acme","pipeline_source":"push"`
	github := `"repository":"acme/infra","repository_owner":"acme","event_name":"push"`
	tests := []struct{ claims, name, generation string }{
		{`{}`, "", ""},
		{`{"iss":"https://accounts.google.com","sub":"1"}`, "", ""},
		{`{"project_path":"acme/infra","namespace_path":"acme"}`, "", ""},
		{`{` + gitlab + `}`, GitLab, "id_tokens"},
		{`{"iss":"https://ci.acme.example",` + gitlab + `}`, GitLab, "id_tokens"},
		{`{"iss":"https://gitlab.com"}`, GitLab, "id_tokens"},
		{`{"iss":"https://gitlab.com.evil.example"}`, "", ""},
		{`{"iss":"ci.acme.example",` + gitlab + `}`, GitLab, "CI_JOB_JWT"},
		{`{"iss":"https://ci.acme.example","aud":"https://ci.acme.example",` + gitlab + `}`, GitLab, "CI_JOB_JWT_V2"},
		{`{"iss":"https://ci.acme.example","aud":"https://ci.acme.example","job_project_id":"1",` + gitlab + `}`, GitLab, "id_tokens"},
		{`{"iss":"https://ci.acme.example","aud":"https://vault.example",` + gitlab + `}`, GitLab, "id_tokens"},
		{`{` + github + `}`, GitHub, "custom"},
		{`{"iss":"https://token.actions.githubusercontent.com","sub":"repo:acme/infra:pull_request"}`, GitHub, "classic"},
		{`{"iss":"https://token.actions.githubusercontent.com/acme-inc","sub":"repo:acme/infra:pull_request"}`, GitHub, "classic"},
		{`{"iss":"https://token.actions.acme.ghe.com","sub":"repo:acme@1/infra@2:pull_request"}`, GitHub, "immutable"},
		{`{"iss":"https://token.actions.acme.ghe.com/acme","sub":"repository_owner:acme"}`, GitHub, "custom"},
		{`{"iss":"https://ghes.acme.example/_services/token","sub":"repo:acme/infra:ref:refs/heads/a@1/b@2"}`, GitHub, "classic"},
		{`{"iss":"https://token.actions.githubusercontent.com.evil.example"}`, "", ""},
		{`{"iss":"https://token.actions.evil.example/x.ghe.com"}`, "", ""},
		{`{"iss":"https://token.actions.a.b.ghe.com"}`, "", ""},
		{`{"iss":"http://token.actions.githubusercontent.com"}`, "", ""},
		{`{"iss":"https://token.actions.githubusercontent.com/a/b"}`, "", ""},
		{`{"iss":"https://agent.buildkite.com","sub":"organization:acme:pipeline:x:ref:refs/heads/main:commit:0:step:"}`, Buildkite, "composite"},
		{`{"organization_slug":"acme","pipeline_slug":"x","build_branch":"main"}`, Buildkite, "id"},
		{`{"organization_slug":"acme","pipeline_slug":"x"}`, "", ""},
		{`{"iss":"https://oidc.circleci.com"}`, CircleCI, "V1"},
		{`{"iss":"https://oidc.circleci.com/org/1/2"}`, "", ""},
		{`{"iss":"https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc","deploymentEnvironmentUuid":"{}"}`, Bitbucket, "deployment"},
		{`{"iss":"https://api.bitbucket.org/2.0/workspaces/acme"}`, "", ""},
		{`{"iss":"https://app.eu.terraform.io","sub":"organization:acme:module:x:operation:test_run"}`, Terraform, "module"},
		{`{"iss":"https://tfe.acme.example","terraform_organization_id":"org-1","terraform_run_id":"run-1","terraform_run_phase":"plan"}`, Terraform, "workspace"},
		{`{"iss":"https://app.terraform.io.evil.example"}`, "", ""},
		{`{"project_path":"a/b","project_id":"1","namespace_path":"a","repository":"a/b","repository_id":"1","actor":"a"}`, "", ""},
	}
	for _, tt := range tests {
		if name, generation := Recognise(decode(t, tt.claims)); name != tt.name || generation != tt.generation {
			t.Errorf("%s: got %q %q, want %q %q", tt.claims, name, generation, tt.name, tt.generation)
		}
	}
	if name, _ := Recognise([]any{}); name != "" {
		t.Errorf("a list is recognised as %q", name)
	}
}

func TestTypeOf(t *testing.T) {
	for claim, want := range map[string]string{
		"runner_id": "integer", "iat": "integer", "project_id": "string", "ref_protected": "string",
		"user_access_level": "string", "aud": "string", "groups_direct": "array", "job_config": "object", "unheard_of": "",
	} {
		if got := TypeOf(GitLab, claim); got != want {
			t.Errorf("%s: got %q, want %q", claim, got, want)
		}
	}
	if got := TypeOf(GitHub, "run_number"); got != "string" {
		t.Errorf("GitHub's run_number: got %q", got)
	}
	if got := TypeOf("jenkins", "iss"); got != "" {
		t.Errorf("an unknown issuer's iss: got %q", got)
	}
}

// A subschema without a title would fall back on the validator's own words.
func TestSubschemaHasNoWordsForItsWarning(t *testing.T) {
	wanted := map[string]int{Bitbucket: 13, Buildkite: 25, CircleCI: 15, GitHub: 30, GitLab: 30, Terraform: 21}
	for _, name := range Names() {
		claims, _ := at(schemaOf(name).text, "$defs/claims/properties").(map[string]any)
		if len(claims) < wanted[name] {
			t.Fatalf("%s: only %d claims", name, len(claims))
		}
		for claim := range claims {
			if got := schemaOf(name).title(claim); got == "it" {
				t.Errorf("%s: %s has no title", name, claim)
			}
		}
	}
}

// The README's table is where a claim's source is, so none may be left out.
func TestREADMELeavesOutAClaim(t *testing.T) {
	for _, name := range Names() {
		text, err := os.ReadFile(filepath.Join(name, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		claims, _ := at(schemaOf(name).text, "$defs/claims/properties").(map[string]any)
		for claim := range claims {
			if !strings.Contains(string(text), "| `"+claim+"`") {
				t.Errorf("%s/README.md has no row for %s", name, claim)
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(`{"iss":"https://gitlab.com","aud":[[]],"runner_id":1e9999999,"user_identities":[{"provider":1}]}`)
	f.Add(`{"iss":"https://token.actions.githubusercontent.com","repo_property_%2~1":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var claims any
		if d.Decode(&claims) != nil {
			return
		}
		Recognise(claims)
		for _, name := range Names() {
			if len(Check(name, claims)) == 0 {
				if err := schemaOf(name).compiled[""].Validate(plainNumbers(claims)); err != nil {
					t.Errorf("%s: %s passes silently: %v", name, text, err)
				}
			}
		}
	})
}
