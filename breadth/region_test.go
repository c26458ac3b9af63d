package breadth_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

// within picks texts of an extent, written apart from the analysis on purpose.
func within(r *rand.Rand, extent breadth.Extent, any []string) string {
	switch {
	case extent.Is != nil:
		return *extent.Is
	case extent.Any:
		return pick(r, any)
	}
	between := []string{"x", "-x", "/x", "1", "x/y", "-evil"}
	if !extent.More {
		between = append(between, "", "")
	}
	return extent.Prefix + pick(r, between) + extent.Suffix
}

// What an outsider may call a group, a project and a ref.
var (
	groupName   = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*[a-z0-9](?:/[a-z0-9][a-z0-9_.-]*[a-z0-9])*$`)
	projectName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?$`)
	refName     = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9/_-]*[a-z0-9])?$`)
)

// minted is the token that an outsider gets in place of another of his, from a project and
// ref of other names: within the region's extents, or nil where the test cannot tell.
func minted(r *rand.Rand, witness map[string]any, region *breadth.Region) map[string]any {
	claims := maps.Clone(witness)
	group, _ := witness["namespace_path"].(string)
	path, _ := witness["project_path"].(string)
	project := strings.TrimPrefix(path, group+"/")
	ref, _ := witness["ref"].(string)
	for _, extent := range region.Extents {
		switch extent.Name {
		case "namespace_path":
			group = within(r, extent, []string{"evil", "mallory/x", "xacme", "acme-evil", "zz"})
		case "project":
			project = within(r, extent, []string{"app", "x", "infra-x", "zz"})
		case "ref":
			ref = within(r, extent, []string{"main", "x", "release/1", "zz"})
		case "ref_type", "ref_protected", "aud", "groups_direct", "project_id", "namespace_id":
			// These stay as they are, and so the witness's.
		case "user_login", "user_email", "pipeline_source":
			if extent.Is == nil && witness[extent.Name] == nil {
				return nil
			}
		default:
			if extent.Is == nil && !extent.Any {
				return nil
			}
		}
	}
	if len(group) < 2 || !groupName.MatchString(group) || !projectName.MatchString(project) || !refName.MatchString(ref) || strings.HasPrefix(group+"/", "acme/") {
		return nil
	}
	refs, _ := witness["ref_path"].(string)
	refs = strings.TrimSuffix(refs, fmt.Sprint(witness["ref"]))
	sub, _ := witness["sub"].(string)
	parts := strings.Split(sub, ":")
	claims["namespace_path"], claims["project_path"], claims["ref"], claims["ref_path"] = group, group+"/"+project, ref, refs+ref
	if witness["job_project_path"] != witness["project_path"] {
		return nil
	}
	claims["job_namespace_path"], claims["job_project_path"] = group, group+"/"+project
	if witness["ci_config_ref_uri"] != nil {
		claims["ci_config_ref_uri"] = "gitlab.com/" + group + "/" + project + "//.gitlab-ci.yml@" + refs + ref
	}
	for i := 0; i+1 < len(parts); i += 2 {
		if value, ok := claims[parts[i]].(string); ok {
			parts[i+1] = value
		}
	}
	claims["sub"] = strings.Join(parts, ":")
	return claims
}

func TestRegionHoldsATokenThatIsRefused(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	r := rand.New(rand.NewPCG(uint64(number(t, "BREADTH_SEED", 1)), 3))
	regions, tokens := 0, 0
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
			Limits: patient, Detail: true,
			Role: role, Issuer: "https://gitlab.com", Scope: scope, Facts: facts, Now: testNow,
		})
		if err != nil {
			t.Fatal(err)
		}
		if result.Attacker != breadth.Outsider {
			continue
		}
		if len(result.Regions) == 0 {
			t.Errorf("want a region around the witness, got none: %s", marshal(t, s.role))
			continue
		}
		// The witness stands in the first.
		region := &result.Regions[0]
		regions++
		for range rounds(t, "BREADTH_TOKENS", 40) {
			claims := minted(r, result.Witness.Claims, region)
			if claims == nil || !outside(s.scope, claims) {
				continue
			}
			tokens++
			if got := decide(t, bundle, role, claims); got != trustcheck.Allow {
				t.Fatalf("%s: want all of %q allowed, got %s: %s\nwitness %s", marshal(t, s.role), region, got, marshal(t, claims), marshal(t, result.Witness.Claims))
			}
		}
	}
	if t.Logf("%d tokens of %d regions", tokens, regions); (tokens < 10*regions || regions == 0) && breadth.Thinned == 1 {
		t.Errorf("want tokens in most regions, got %d in %d", tokens, regions)
	}
}

func TestRegionsOfKnownRoles(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for name, c := range map[string]struct {
		platform, role, scope string
		regions               []string
	}{
		"gh-07, a workflow that anybody may call": {
			"aws", githubTrust(`{"StringLike":{"host:job_workflow_ref":"my-org/workflows/.github/workflows/deploy.yml@refs/tags/v*"}}`), `{"repository_owner":"my-org"}`,
			[]string{"repository_owner any, project any", "my-org/workflows/.github/workflows/deploy.yml@refs/tags/v*"},
		},
		"gh-10, an environment that reads as a repository": {
			"aws", githubTrust(`{"StringLike":{"host:sub":"repo:*/my-repo:ref:refs/heads/main"}}`), `{"repository":"my-org/my-repo"}`,
			[]string{"repository_owner any, project my-repo, ref main", "environment */my-repo"},
		},
		"a group's own projects": {"vault", globClaims(`{"project_path":"acme/*"}`), `{"namespace_path":"acme","ref":"main"}`,
			[]string{"namespace_path acme, project any, ref any", "namespace_path acme/*, project any, ref any"}},
		"a list that holds a group": {"vault", globClaims(`{"groups_direct":"acme/ops"}`), `{"namespace_path":"acme"}`, []string{"groups_direct [acme/ops]"}},
		"a slash forgotten":         {"vault", globClaims(`{"project_path":"acme*"}`), `{"namespace_path":"acme"}`, []string{"namespace_path acme*, project any, ref any, aud v"}},
	} {
		t.Run(name, func(t *testing.T) {
			scope, err := breadth.ReadScope([]byte(c.scope))
			if err != nil {
				t.Fatal(err)
			}
			result, err := analyser.Analyse(context.Background(), breadth.Subject{
				Role: preparedRole(t, bundle, c.platform, c.role), Scope: scope, Detail: true, Now: testNow, Limits: patient,
			})
			if err != nil {
				t.Fatal(err)
			}
			said := make([]string, len(result.Regions))
			for i := range result.Regions {
				said[i] = result.Regions[i].String()
			}
			for _, wanted := range c.regions {
				if !slices.ContainsFunc(said, func(region string) bool { return strings.Contains(region, wanted) }) {
					t.Errorf("want a region with %q, got %q", wanted, said)
				}
			}
			t.Logf("%q complete %t", said, result.Complete)
		})
	}
}
