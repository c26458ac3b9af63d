package breadth_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// foreignRole is a role for the tokens of an issuer besides GitLab, with what is to be found.
type foreignRole struct {
	name     string
	platform string
	role     any
	issuer   string
	model    string
	config   map[string]any
	scope    string
	facts    string
	verdict  breadth.Verdict
	// attackers that are broad or undecided; the others must be tight or not defined.
	attackers map[string]breadth.Verdict
	// witness holds claims of the witness, as JSON texts.
	witness map[string]string
	// says is part of what the verdict rests on, or why it is what it is.
	says string
}

// trustOf is a trust policy for one provider.
func trustOf(provider string, wanted map[string]map[string]any) map[string]any {
	keyed := map[string]any{}
	for operator, of := range wanted {
		keys := map[string]any{}
		for key, value := range of {
			if !strings.Contains(key, ":") || strings.HasPrefix(key, "oidc.") {
				key = provider + ":" + key
			}
			keys[key] = value
		}
		keyed[operator] = keys
	}
	return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": keyed,
		"Principal": map[string]any{"Federated": "arn:aws:iam::123456789012:oidc-provider/" + provider},
	}}}
}

type conditions = map[string]map[string]any

func like(key string, value any) conditions { return conditions{"StringLike": {key: value}} }

func vaultJWT(boundType string, claims map[string]any) map[string]any {
	return map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"https://vault.example.com"},
		"bound_claims_type": boundType, "bound_claims": claims}
}

func googleProvider(issuerURL, condition string) map[string]any {
	return map[string]any{
		"name": "projects/123456789012/locations/global/workloadIdentityPools/ci/providers/them", "state": "ACTIVE",
		"attributeMapping": map[string]any{"google.subject": "assertion.sub"}, "attributeCondition": condition,
		"oidc": map[string]any{"issuerUri": issuerURL, "allowedAudiences": []string{"https://gcp.example.com"}},
	}
}

func azureCredential(issuerURL, subject, expression string) map[string]any {
	credential := map[string]any{"name": "them", "issuer": issuerURL, "audiences": []string{"api://AzureADTokenExchange"}}
	if subject != "" {
		credential["subject"] = subject
	} else {
		credential["claimsMatchingExpression"] = map[string]any{"value": expression, "languageVersion": 1}
	}
	return credential
}

const (
	buildkite = "agent.buildkite.com"
	hcp       = "app.terraform.io"
	organID   = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	circleOf  = "oidc.circleci.com/org/" + organID
	projectID = "16fd2706-8baf-433b-82eb-8c7fada847da"
	ofCircle  = "oidc.circleci.com/project-id"
	bitbucket = "api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc"
	workspace = "7baee083-4f25-4a97-8a9a-0fde1b623b45"
	reposit   = "{2e9e429c-7b8b-404f-8648-8c40c27c9ebd}"
	clusterID = "0191f956-042f-7ec4-aa62-8e5eeae396d0"
	slugged   = "token.actions.githubusercontent.com/acme-inc"
)

var recyclable = map[string]breadth.Verdict{breadth.Recycler: breadth.Broad}

func and(more map[string]breadth.Verdict, attackers ...string) map[string]breadth.Verdict {
	all := map[string]breadth.Verdict{}
	for name, verdict := range more {
		all[name] = verdict
	}
	for _, attacker := range attackers {
		name, verdict, undecided := strings.Cut(attacker, ":")
		all[name] = breadth.Broad
		if undecided {
			all[name] = breadth.Verdict(verdict)
		}
	}
	return all
}

func foreignRoles() []foreignRole {
	perhapsFork := "fork-mr:undecided"
	return []foreignRole{
		// Buildkite: one issuer for all.
		{name: "buildkite: a pipeline's branch", platform: "aws", role: trustOf(buildkite, like("sub", "organization:acme:pipeline:app:ref:refs/heads/main:commit:*")),
			facts: `{"protected_branches":["main"]}`, verdict: breadth.Tight, says: "the model of Buildkite",
			// A branch may be called main:commit:x.
			attackers: and(recyclable, "developer:undecided", perhapsFork)},
		{name: "buildkite: the same without forks, and by Vault", platform: "vault", role: vaultJWT("string", map[string]any{"organization_slug": "acme", "pipeline_slug": "app", "build_branch": "main"}),
			facts: `{"protected_branches":["main"],"protected_tags":["*"],"fork_pipelines":"fork"}`, verdict: breadth.Tight, attackers: recyclable},
		{name: "buildkite: a tag takes the name of a branch", platform: "vault", role: vaultJWT("string", map[string]any{"organization_slug": "acme", "pipeline_slug": "app", "build_branch": "main"}),
			facts: `{"protected_branches":["main"],"fork_pipelines":"fork"}`, verdict: breadth.Tight, attackers: and(recyclable, breadth.Developer)},
		{name: "buildkite: look-alike organisation", platform: "aws", role: trustOf(buildkite, like("sub", "organization:acme*")),
			verdict: breadth.Broad, attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer, perhapsFork),
			witness: map[string]string{"organization_slug": `"acme-evil"`}},
		{name: "buildkite: look-alike pipeline", platform: "vault", role: vaultJWT("glob", map[string]any{"organization_slug": "acme", "pipeline_slug": "app*"}),
			verdict: breadth.Broad, attackers: and(recyclable, breadth.Sibling, breadth.Developer, perhapsFork),
			witness: map[string]string{"organization_slug": `"acme"`, "pipeline_slug": `"app-x"`}},
		{name: "buildkite: any organisation's pipeline", platform: "aws", role: trustOf(buildkite, like("sub", "organization:*:pipeline:deploy:*")),
			verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured), witness: map[string]string{"pipeline_slug": `"deploy"`, "organization_slug": `"evil"`}},
		{name: "buildkite: a slug in place of the organisation's", platform: "gcp", role: googleProvider("https://"+buildkite, "assertion.pipeline_slug == 'deploy'"),
			verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured), witness: map[string]string{"pipeline_slug": `"deploy"`}},
		{name: "buildkite: its twin binds the organisation by id", platform: "gcp", role: googleProvider("https://"+buildkite, "assertion.pipeline_slug == 'deploy' && assertion.organization_id == '"+organID+"'"),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},
		{name: "buildkite: a star under StringEquals", platform: "aws", role: trustOf(buildkite, conditions{"StringEquals": {"sub": "organization:acme:pipeline:app:*"}}), verdict: breadth.Dead},
		{name: "buildkite: an id as the subject", platform: "azure", role: azureCredential("https://"+buildkite, clusterID, ""),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},
		{name: "buildkite: an id as the subject, whosever it is", platform: "azure", role: azureCredential("https://"+buildkite, clusterID, ""),
			scope: `{"organization_slug":"acme"}`, verdict: breadth.Undecided, attackers: and(nil, "outsider:undecided", "lured:undecided", "recycler:undecided", "developer:undecided", perhapsFork, "lookalike:undecided"),
			says: "whose sub " + clusterID},
		{name: "buildkite: a subject of the scope's cluster", platform: "azure", role: azureCredential("https://"+buildkite, clusterID, ""),
			scope: `{"cluster_id":"` + clusterID + `"}`, verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},
		{name: "buildkite: a key that STS fills", platform: "aws", role: trustOf(buildkite, conditions{"StringLike": {"sub": "organization:*"}, "StringEquals": {"organization_slug": "acme"}}),
			verdict: breadth.Tight, attackers: and(recyclable, breadth.Developer, perhapsFork)},
		{name: "buildkite: a key that STS does not fill", platform: "aws", role: trustOf(buildkite, conditions{"StringLike": {"sub": "organization:*"}, "StringEqualsIfExists": {"cluster_queue": "acme"}}),
			verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured)},
		{name: "buildkite: an absent claim is no boundary", platform: "gcp", role: googleProvider("https://"+buildkite, "!has(assertion.organization_id) || assertion.organization_id == '"+organID+"'"),
			verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured, breadth.Developer, perhapsFork)},
		{name: "buildkite: session tags are not looked into", platform: "aws", role: trustOf(buildkite, conditions{"StringLike": {"sub": "organization:*", "aws:RequestTag/organization_slug": "acme"}}),
			verdict: breadth.Undecided, attackers: and(nil, "outsider:undecided", "lured:undecided")},

		{name: "buildkite: no audience bound", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_claims": map[string]any{"pipeline_slug": "app"}},
			verdict: breadth.Undecided, attackers: and(nil, "outsider:undecided", "lured:undecided"), says: "bound_audiences is missing"},

		// HCP Terraform: one issuer for all.
		{name: "terraform: a workspace's apply", platform: "aws", role: trustOf(hcp, conditions{"StringEquals": {"aud": "aws.workload.identity", "sub": "organization:acme:project:infra:workspace:prod:run_phase:apply"}}),
			verdict: breadth.Tight, attackers: recyclable},
		{name: "terraform: its plans as well", platform: "aws", role: trustOf(hcp, like("sub", "organization:acme:project:infra:workspace:prod:run_phase:*")),
			verdict: breadth.Tight, attackers: and(recyclable, breadth.Developer)},
		{name: "terraform: look-alike organisation", platform: "aws", role: trustOf(hcp, like("sub", "organization:acme*")),
			verdict: breadth.Broad, attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer),
			witness: map[string]string{"terraform_organization_name": `"acme-evil"`}},
		{name: "terraform: look-alike workspace", platform: "azure", role: azureCredential("https://"+hcp, "", "claims['sub'] matches 'organization:acme:project:infra:workspace:prod*'"),
			verdict: breadth.Broad, attackers: and(recyclable, breadth.Sibling, breadth.Developer), witness: map[string]string{"terraform_organization_name": `"acme"`}},
		{name: "terraform: any organisation's workspace", platform: "aws", role: trustOf(hcp, like("sub", "organization:*:workspace:prod:*")),
			verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured), witness: map[string]string{"terraform_workspace_name": `"prod"`}},
		{name: "terraform: only the audience", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "terraform_full_workspace", "bound_audiences": []string{"vault.workload.identity"}},
			issuer: "https://app.eu.terraform.io", verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured), witness: map[string]string{"iss": `"https://app.eu.terraform.io"`}},
		{name: "terraform: the full workspace", platform: "vault", role: vaultJWT("glob", map[string]any{"terraform_full_workspace": "organization:acme:project:infra:workspace:*"}),
			verdict: breadth.Tight, attackers: and(recyclable, breadth.Developer)},
		{name: "terraform: a prefix of the organisation's name", platform: "gcp", role: googleProvider("https://"+hcp, "assertion.terraform_organization_name.startsWith('acme')"),
			verdict: breadth.Broad, attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer)},
		{name: "terraform: its twin binds the id", platform: "gcp", role: googleProvider("https://"+hcp, "assertion.terraform_organization_id == 'org-GRNbCjYNpBB6NEH9'"),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer)},
		{name: "terraform: a subject without a project", platform: "aws", role: trustOf(hcp, like("sub", "organization:acme:workspace:prod:run_phase:*")), verdict: breadth.Dead},
		{name: "terraform: a stack", platform: "aws", role: trustOf(hcp, like("sub", "organization:acme:project:infra:stack:net:*")),
			verdict: breadth.Tight, attackers: and(recyclable, "developer:undecided")},
		{name: "terraform: names that differ in case alone", platform: "aws", role: trustOf(hcp, conditions{"StringEqualsIgnoreCase": {"sub": "organization:acme:project:infra:workspace:prod:run_phase:apply"}}),
			scope:   `{"terraform_organization_name":"acme","terraform_project_name":"infra","terraform_workspace_name":"prod"}`,
			verdict: breadth.Undecided, attackers: and(recyclable, "outsider:undecided", "lookalike:undecided", "lured:undecided", "sibling:undecided")},
		{name: "terraform: an instance of one's own", platform: "vault", role: vaultJWT("string", map[string]any{"terraform_organization_name": "acme"}),
			issuer: "https://tfe.acme.example", model: issuer.Terraform, verdict: breadth.Tight, attackers: and(recyclable, breadth.Developer)},

		// CircleCI: an issuer for each organisation, and one for all.
		{name: "circleci: the organisation's issuer", platform: "aws", role: trustOf(circleOf, conditions{"StringEquals": {"aud": organID}}),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork), says: "is one tenant's alone"},
		{name: "circleci: a project", platform: "aws", role: trustOf(circleOf, like("sub", "org/"+organID+"/project/"+projectID+"/user/*")),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork), says: "is one tenant's alone"},
		{name: "circleci: a project, by the key that STS fills", platform: "aws", role: trustOf(circleOf, conditions{"StringEquals": {ofCircle: projectID}}),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},
		{name: "circleci: other projects of the organisation", platform: "aws", role: trustOf(circleOf, like("sub", "org/"+organID+"/project/*")),
			scope: `{"` + ofCircle + `":"` + projectID + `"}`, verdict: breadth.Broad, attackers: and(nil, breadth.Sibling, breadth.Developer, perhapsFork)},
		{name: "circleci: the root issuer", platform: "aws", role: trustOf("oidc.circleci.com", like("sub", "org/*/project/*")),
			verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured), witness: map[string]string{"iss": `"https://oidc.circleci.com"`}},
		{name: "circleci: the root issuer, for one organisation", platform: "aws", role: trustOf("oidc.circleci.com", like("sub", "org/"+organID+"/*")),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},
		{name: "circleci: the root issuer and a chosen audience", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{organID}},
			config: map[string]any{"bound_issuer": "https://oidc.circleci.com"}, verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured)},
		{name: "circleci: an issuer that is given and not checked", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{organID}},
			issuer: "https://" + circleOf, verdict: breadth.Undecided, attackers: and(nil, "outsider:undecided", "lured:undecided"), says: "does not check the issuer"},
		{name: "circleci: its twin checks it", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{organID}},
			config: map[string]any{"bound_issuer": "https://" + circleOf}, verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork), says: "is one tenant's alone"},
		{name: "circleci: not checked, but the organisation is bound", platform: "vault", role: vaultJWT("string", map[string]any{"oidc.circleci.com/org-id": organID}),
			issuer: "https://" + circleOf, verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},
		{name: "circleci: a project, by Google", platform: "gcp", role: googleProvider("https://"+circleOf, "assertion['"+ofCircle+"'] == '"+projectID+"'"),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},
		{name: "circleci: another organisation's subject", platform: "aws", role: trustOf(circleOf, like("sub", "org/"+projectID+"/*")), verdict: breadth.Dead},
		{name: "circleci: the audit log", platform: "aws", role: trustOf(circleOf, conditions{"StringEquals": {"sub": "org/" + organID + "/file-streaming/audit-logs"}}),
			verdict: breadth.Tight, attackers: and(nil, "developer:undecided", perhapsFork)},
		{name: "circleci: two providers, each with its own condition", platform: "aws", role: map[string]any{"Version": "2012-10-17", "Statement": []any{
			trustOf(circleOf, conditions{"StringEquals": {"aud": organID}})["Statement"].([]any)[0],
			trustOf("oidc.circleci.com/org/"+projectID, conditions{"StringEquals": {"aud": projectID}})["Statement"].([]any)[0],
		}}, model: issuer.CircleCI, verdict: breadth.Tight, attackers: and(nil, breadth.Developer, perhapsFork)},

		// Bitbucket: an issuer for each workspace.
		{name: "bitbucket: the workspace's issuer", platform: "aws", role: trustOf(bitbucket, conditions{"StringEquals": {"aud": "ari:cloud:bitbucket::workspace/" + workspace}}),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer), says: "is one tenant's alone"},
		{name: "bitbucket: a repository", platform: "aws", role: trustOf(bitbucket, like("sub", reposit+":*")), verdict: breadth.Tight, attackers: and(nil, breadth.Developer)},
		{name: "bitbucket: other repositories of the workspace", platform: "aws", role: trustOf(bitbucket, conditions{"StringEquals": {"aud": "ari:cloud:bitbucket::workspace/" + workspace}}),
			scope: `{"repositoryUuid":"` + reposit + `"}`, verdict: breadth.Broad, attackers: and(nil, breadth.Sibling, breadth.Developer)},
		{name: "bitbucket: a UUID without its braces", platform: "aws", role: trustOf(bitbucket, like("sub", strings.Trim(reposit, "{}")+":*")), verdict: breadth.Dead},
		{name: "bitbucket: an environment", platform: "gcp", role: googleProvider("https://"+bitbucket, "assertion.repositoryUuid == '"+reposit+"' && assertion.deploymentEnvironmentUuid == '{"+clusterID+"}'"),
			facts: `{"environments":{"{` + clusterID + `}":{"protected":true}}}`, verdict: breadth.Tight},
		{name: "bitbucket: its twin, unguarded", platform: "gcp", role: googleProvider("https://"+bitbucket, "assertion.repositoryUuid == '"+reposit+"' && assertion.deploymentEnvironmentUuid == '{"+clusterID+"}'"),
			facts: `{"environments":{"{` + clusterID + `}":{"protected":false}}}`, verdict: breadth.Tight, attackers: and(nil, breadth.Developer)},
		{name: "bitbucket: the workspace, whatever issuer", platform: "vault", role: vaultJWT("string", map[string]any{"workspaceUuid": "{" + workspace + "}"}),
			verdict: breadth.Tight, attackers: and(nil, breadth.Developer)},
		{name: "bitbucket: only the audience, whatever issuer", platform: "vault", role: vaultJWT("glob", map[string]any{"pipelineUuid": "{*"}),
			model: issuer.Bitbucket, verdict: breadth.Undecided, attackers: and(nil, "outsider:undecided", "lured:undecided"), says: "whose issuer the role trusts decides"},
		{name: "bitbucket: an audience that steps add", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"https://vault.example.com"}},
			config: map[string]any{"bound_issuer": "https://" + bitbucket}, scope: `{"repositoryUuid":"` + reposit + `"}`, verdict: breadth.Broad, attackers: and(nil, breadth.Sibling, breadth.Developer),
			witness: map[string]string{"aud": `["ari:cloud:bitbucket::workspace/99999999-9999-4999-8999-999999999990","https://vault.example.com"]`}},
		{name: "bitbucket: the workspace's own audience beside it", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"ari:cloud:bitbucket::workspace/" + workspace},
			"bound_claims": map[string]any{"workspaceUuid": "{" + workspace + "}", "aud": "https://vault.example.com"}},
			config: map[string]any{"bound_issuer": "https://" + bitbucket}, scope: `{"workspaceUuid":"{` + workspace + `}","repositoryUuid":"` + reposit + `"}`, verdict: breadth.Broad, attackers: and(nil, breadth.Sibling, breadth.Developer),
			witness: map[string]string{"aud": `["ari:cloud:bitbucket::workspace/` + workspace + `","https://vault.example.com"]`}},

		{name: "github: no audience bound", platform: "vault", role: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_claims_type": "glob", "bound_claims": map[string]any{"repository_owner": "acme*"}},
			scope: `{"repository_owner":"acme"}`, verdict: breadth.Undecided, says: "bound_audiences is missing",
			attackers: and(nil, "outsider:undecided", "lured:undecided", "lookalike:undecided", "developer:undecided", "recycler:undecided")},
		{name: "github: its twin binds one", platform: "vault", role: vaultJWT("glob", map[string]any{"repository_owner": "acme*"}),
			scope: `{"repository_owner":"acme"}`, verdict: breadth.Broad, attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer),
			witness: map[string]string{"job_workflow_ref": `"acme-evil/x/.github/workflows/ci.yml@refs/heads/main"`, "workflow_ref": `"acme-evil/x/.github/workflows/ci.yml@refs/heads/main"`}},

		{name: "github: a program that acts for everybody", platform: "vault", role: vaultJWT("string", map[string]any{"actor": "dependabot[bot]"}),
			scope: `{"repository_owner":"acme"}`, verdict: breadth.Broad, attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer)},
		{name: "github: any program", platform: "vault", role: vaultJWT("glob", map[string]any{"actor": "*[bot]"}),
			scope: `{"repository_owner":"acme"}`, verdict: breadth.Broad, attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer)},
		{name: "github: a program of nobody knows whose", platform: "vault", role: vaultJWT("string", map[string]any{"actor": "acme-deploy[bot]"}),
			scope: `{"repository_owner":"acme"}`, verdict: breadth.Undecided, says: "whose actor acme-deploy[bot] is decides",
			attackers: and(nil, "outsider:undecided", "lookalike:undecided", "lured:undecided", "developer:undecided", "recycler:undecided")},
		{name: "github: an algorithm that it does not sign by", platform: "vault", role: vaultJWT("glob", map[string]any{"repository": "acme*"}),
			config: map[string]any{"bound_issuer": "https://" + gitHub, "jwt_supported_algs": []string{"ES256"}}, verdict: breadth.Dead, says: "config.jwt_supported_algs"},
		{name: "github: one that it does, beside it", platform: "vault", role: vaultJWT("glob", map[string]any{"repository": "acme*"}), scope: `{"repository_owner":"acme"}`,
			config: map[string]any{"bound_issuer": "https://" + gitHub, "jwt_supported_algs": []string{"ES256", "RS256"}}, verdict: breadth.Broad,
			attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer)},
		{name: "github: a person's account", platform: "vault", role: vaultJWT("string", map[string]any{"actor": "alice"}),
			scope: `{"repository_owner":"acme"}`, verdict: breadth.Broad, attackers: and(recyclable, breadth.Lured, breadth.Developer), says: "belong to insiders"},

		// GitHub: an enterprise's own issuer, against the one for all.
		{name: "github: look-alike owner at the enterprise's issuer", platform: "aws", role: trustOf(slugged, like("sub", "repo:acme*")),
			verdict: breadth.Undecided, attackers: and(nil, breadth.Developer), says: "other groups than the scope's"},
		{name: "github: its twin at the common issuer", platform: "aws", role: trustOf(gitHub, like("sub", "repo:acme*")),
			verdict: breadth.Broad, attackers: and(recyclable, breadth.Outsider, breadth.Lookalike, breadth.Lured, breadth.Developer)},
		{name: "github: everything of the enterprise", platform: "aws", role: trustOf(slugged, like("sub", "repo:*")), verdict: breadth.Tight, attackers: and(nil, "developer:undecided"), says: "is one tenant's alone"},
		{name: "github: everything of a subdomain of ghe.com", platform: "aws", role: trustOf("token.actions.acme.ghe.com", like("sub", "repo:*")), verdict: breadth.Tight, attackers: and(nil, "developer:undecided")},
		{name: "github: everything of everybody", platform: "aws", role: trustOf(gitHub, like("sub", "repo:*")), verdict: breadth.Broad, attackers: and(nil, breadth.Outsider, breadth.Lured)},
		{name: "github: the owner at the enterprise's issuer", platform: "aws", role: trustOf(slugged, like("sub", "repo:acme/*")), verdict: breadth.Tight, attackers: and(nil, breadth.Developer)},
		{name: "github: other repositories of the owner", platform: "aws", role: trustOf(slugged, like("sub", "repo:acme/app*")),
			verdict: breadth.Broad, attackers: and(nil, breadth.Sibling, breadth.Developer)},
		{name: "github: the enterprise's issuer is given and not checked", platform: "vault", role: vaultJWT("glob", map[string]any{"repository": "acme*"}),
			issuer: "https://" + slugged, verdict: breadth.Undecided, attackers: and(nil, "outsider:undecided", "lookalike:undecided", "lured:undecided", "recycler:broad", breadth.Developer), says: "does not check the issuer"},
	}
}

func TestRolesOfOtherIssuers(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for _, one := range foreignRoles() {
		t.Run(one.name, func(t *testing.T) {
			breadth.Thin(t)
			doc, err := trustcheck.ReadDocument("role.json", marshal(t, one.role))
			if err != nil {
				t.Fatal(err)
			}
			surroundings := map[string]any{}
			if one.config != nil {
				surroundings["config"] = one.config
			}
			subject := breadth.Subject{Limits: patient, Issuer: one.issuer, Model: one.model, Context: surroundings, Now: time.Unix(1_800_000_000, 0)}
			if subject.Role, err = bundle.Prepare(context.Background(), doc, one.platform, surroundings); err != nil {
				t.Fatal(err)
			}
			if subject.Role.Refused != "" {
				t.Fatalf("the platform refuses to store the role: %s", subject.Role.Refused)
			}
			if one.scope != "" {
				if subject.Scope, err = breadth.ReadScope([]byte(one.scope)); err != nil {
					t.Fatal(err)
				}
			}
			if subject.Facts, err = breadth.ReadFacts([]byte(one.facts)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			result, err := analyser.Analyse(context.Background(), subject)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v %s by %q, scope %s, why %q, rests on %q", time.Since(start), result.Verdict, result.Attacker, result.Scope, result.Why, result.RestsOn)
			if result.Verdict != one.verdict {
				t.Errorf("want %s, got %s", one.verdict, result.Verdict)
			}
			for _, attacker := range breadth.Attackers() {
				got, wanted := result.Attackers[attacker], one.attackers[attacker]
				if wanted == "" && got != breadth.Tight && got != breadth.None || wanted != "" && got != wanted {
					t.Errorf("%s: want %q, got %s", attacker, wanted, got)
				}
			}
			said := strings.Join(append(result.RestsOn, result.Why...), "\n")
			if !strings.Contains(said, one.says) || strings.Contains(said, "bug of trustcheck") {
				t.Errorf("want %q said, got %q", one.says, said)
			}
			if result.Witness == nil {
				return
			}
			for claim, wanted := range one.witness {
				if got, _ := json.Marshal(result.Witness.Claims[claim]); string(got) != wanted {
					t.Errorf("witness: want %s %s, got %s", claim, wanted, got)
				}
			}
			if warnings := issuer.Check(result.Model, result.Witness.Claims); len(warnings) > 0 {
				t.Errorf("the witness is not as %s mints it: %v", result.Model, warnings)
			}
		})
	}
}
