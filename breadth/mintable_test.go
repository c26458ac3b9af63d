package breadth

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// mintable reports whether a model can mint a token with exactly these claims: those that
// it knows have these values, and no other of them is there.
func mintable(t *testing.T, name string, claims map[string]any) bool {
	t.Helper()
	return newMint(t, name, claims).mints(t, claims)
}

// mint is the shapes of an issuer's tokens, for the subject of some claims.
type mint struct {
	*analysis
	interesting map[string]bool
	shapes      []*variant
}

func newMint(t *testing.T, name string, claims map[string]any) *mint {
	t.Helper()
	model := modelFor(t, name, claims)
	iss, _ := claims["iss"].(string)
	if !strings.Contains(iss, "://") {
		iss = "https://" + iss
	}
	a := newAnalysis(context.Background(), New(nil), Subject{})
	a.model, a.issuer = model, iss
	settled, _ := model.TenantOf(iss)
	for field, text := range settled {
		model.Fields[field] = issuer.Field{Domain: quotedAny([]string{text})}
	}
	interesting := map[string]bool{}
	for claim := range model.Claims {
		interesting[claim] = true
	}
	facts, err := ReadFacts(nil)
	if err != nil {
		t.Fatal(err)
	}
	sub, _ := claims["sub"].(string)
	mentions := func(claim, text string) bool {
		return claim == "sub" && strings.Contains(sub, text)
	}
	m := &mint{analysis: a, interesting: interesting}
	for _, release := range model.Releases {
		m.shapes = append(m.shapes, variants(model, a.issuer, release, facts, interesting, mentions, [][]string{keysOf(sub)})...)
	}
	return m
}

func (m *mint) mints(t *testing.T, claims map[string]any) bool {
	t.Helper()
	return slices.ContainsFunc(m.shapes, func(shape *variant) bool {
		return canBe(t, m.analysis, shape, m.interesting, claims)
	})
}

// modelFor is an issuer's model with those claims of its families that a token has.
func modelFor(t *testing.T, name string, claims map[string]any) *issuer.Model {
	t.Helper()
	known, err := issuer.ModelOf(name)
	if err != nil {
		t.Fatal(err)
	}
	model := *known
	model.Claims, model.Fields = maps.Clone(known.Claims), maps.Clone(known.Fields)
	for prefix, family := range known.Families {
		for claim := range claims {
			if strings.HasPrefix(claim, prefix) {
				model.Claims[claim] = family
			}
		}
	}
	return &model
}

// keysOf lists the keys of a subject made of pairs.
func keysOf(sub string) []string {
	var keys []string
	for i, part := range strings.Split(sub, ":") {
		if i%2 == 0 {
			keys = append(keys, part)
		}
	}
	return keys
}

// canBe reports whether a token of a shape can have the claims: its subject first, which
// rules out most shapes at a small price.
func canBe(t *testing.T, a *analysis, shape *variant, interesting map[string]bool, claims map[string]any) bool {
	t.Helper()
	for _, claim := range shape.claimNames() {
		what := shape.named(claim)
		if _, there := claims[claim]; what.Absent && there || !what.Absent && what.Value == nil && !there {
			return false
		}
	}
	return haveAll(t, a, shape, map[string]bool{"sub": true}, claims) && haveAll(t, a, shape, interesting, claims)
}

// haveAll reports whether a token of a shape can have what is given of the claims named.
func haveAll(t *testing.T, a *analysis, shape *variant, named map[string]bool, claims map[string]any) bool {
	t.Helper()
	q, err := newQuestion(shape, a.model, a.issuer, a.lower, named)
	if err != nil {
		t.Fatal(err)
	}
	parts := []node{yes}
	for claim := range named {
		value, there := claims[claim]
		wanted := reading{absent: true}
		if there {
			if of := shape.named(claim).Value; of != nil && of.Before != "" {
				value = firstLast(value)
			}
			wanted = onlyValue(t, a.lower, value)
		}
		part, err := q.claim(claim, wanted, true)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	all := newTables()
	all.add(q.languages)
	all.refine()
	q.ready(all)
	budget := DefaultSearch
	texts, err := q.search(a.ctx, q.forms.all(parts...), wide, nil, &budget)
	if err != nil {
		t.Fatal(err)
	}
	return texts != nil
}

// firstLast is a list as it stands on the tape where a template says how it begins.
func firstLast(value any) any {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return value
	}
	return append(slices.Clone(list[1:]), list[0])
}

// onlyValue is one JSON value.
func onlyValue(t *testing.T, l *lowering, value any) reading {
	t.Helper()
	var wanted reading
	var err error
	switch value := value.(type) {
	case nil:
		wanted.null = true
	case bool:
		wanted.yes, wanted.no = value, !value
	case string:
		wanted.text, err = l.exact(value)
	case json.Number:
		wanted.number, err = l.exact(value.String())
	case []any:
		texts := textsIn(value)
		if len(texts) != len(value) {
			wanted.other, wanted.list = true, language.All()
			break
		}
		wanted.list, err = l.exact(language.List(texts...))
	default:
		wanted.other, wanted.list = true, language.All()
	}
	if err != nil {
		t.Fatal(err)
	}
	return wanted
}

// A condition on a claim that a model cannot mint as it is counts as dead, or as proof.
func TestModelCannotMintWhatItsIssuerDid(t *testing.T) {
	t.Parallel()
	for _, name := range issuer.Models() {
		files, err := filepath.Glob(filepath.Join("../policies/issuer", name, "claims", "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no samples: %v", name, err)
		}
		for _, file := range files {
			t.Run(name+"/"+filepath.Base(file), func(t *testing.T) {
				Thin(t)
				claims := readSample(t, file)
				made := newMint(t, name, claims)
				if !made.mints(t, claims) {
					t.Error("the model cannot mint it")
				}
				exp := claims["exp"]
				delete(claims, "exp")
				if made.mints(t, claims) {
					t.Error("it is mintable without exp")
				}
				claims["exp"], claims["sub"] = exp, fmt.Sprint("x", claims["sub"])
				if mintable(t, name, claims) {
					t.Error("it is mintable with another sub")
				}
			})
		}
	}
}

// The claims of a token hang together: one that is changed alone makes a token that the
// issuer never mints.
func TestModelMintsClaimsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	for _, twin := range []struct{ name, sample, claim, value string }{
		{issuer.Buildkite, "composite", "organization_slug", "evil"},
		{issuer.Buildkite, "composite", "build_branch", "x"},
		{issuer.Buildkite, "id.cluster", "cluster_id", "0191f956-0000-7ec4-aa62-8e5eeae396d0"},
		{issuer.CircleCI, "V1", "oidc.circleci.com/project-id", "16fd2706-0000-433b-82eb-8c7fada847da"},
		{issuer.CircleCI, "V2", "oidc.circleci.com/vcs-ref", "refs/heads/x"},
		{issuer.CircleCI, "V1", "iss", "https://oidc.circleci.com/org/7c9e6679-0000-40de-944b-e07fc1f90ae7"},
		{issuer.Terraform, "workspace", "terraform_organization_name", "evil"},
		{issuer.Terraform, "workspace", "terraform_full_workspace", "organization:acme:project:x:workspace:infra"},
		{issuer.Terraform, "stack", "terraform_stack_name", "x"},
		{issuer.Bitbucket, "step", "repositoryUuid", "{2e9e429c-0000-404f-8648-8c40c27c9ebd}"},
		{issuer.Bitbucket, "step", "workspaceUuid", "{7baee083-0000-4a97-8a9a-0fde1b623b45}"},
		{issuer.Bitbucket, "step.own-audience-without-branch", "workspaceUuid", "{7baee083-0000-4a97-8a9a-0fde1b623b45}"},
		{issuer.GitLab, "id_tokens", "project_path", "evil/infra"},
		{issuer.GitHub, "classic", "repository_owner", "evil"},
	} {
		claims := readSample(t, filepath.Join("../policies/issuer", twin.name, "claims", twin.sample+".json"))
		claims[twin.claim] = twin.value
		if mintable(t, twin.name, claims) {
			t.Errorf("%s: %s is mintable with %s %q alone changed", twin.name, twin.sample, twin.claim, twin.value)
		}
	}
}

func readSample(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var claims map[string]any
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
