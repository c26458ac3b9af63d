package breadth_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

// isWithin reports whether what a part says of the accepted tokens is true of a token, by its
// members alone.
func isWithin(part *breadth.Part, claims map[string]any) bool {
	value, there := claims[part.Name]
	if part.Name == "project" {
		path, _ := claims["project_path"].(string)
		value, there = path[strings.LastIndexByte(path, '/')+1:], true
	}
	text, isText := value.(string)
	switch {
	case !there:
		// A claim by this name is missing, or the part is no claim.
		return part.Absent || !slices.Contains([]string{"environment", "environment_protected", "deployment_tier", "groups_direct"}, part.Name)
	case !isText:
		return true
	case len(part.Values) > 0:
		return slices.Contains(part.Values, text)
	case part.Below && text != part.Prefix && !strings.HasPrefix(text, part.Prefix+"/"):
		return false
	default:
		return strings.HasPrefix(text, part.Prefix) && strings.HasSuffix(text, part.Suffix)
	}
}

func TestProfileLeavesOutWhatIsAccepted(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	r := rand.New(rand.NewPCG(uint64(number(t, "BREADTH_SEED", 1)), 4))
	accepted, bounded := 0, 0
	for range rounds(t, "BREADTH_ROLES", 40) {
		s := randomSetting(r)
		facts, err := breadth.ReadFacts(marshal(t, s.facts))
		if err != nil {
			t.Fatal(err)
		}
		role := vaultRole(t, bundle, marshal(t, s.role))
		result, err := analyser.Analyse(context.Background(), breadth.Subject{
			Limits: patient, Detail: true, Role: role, Issuer: "https://gitlab.com", Facts: facts, Now: testNow,
		})
		if err != nil {
			t.Fatal(err)
		}
		gitlab := newGitLab(r, s)
		for range rounds(t, "BREADTH_TOKENS", 150) {
			claims := gitlab.mint()
			if decide(t, bundle, role, claims) != trustcheck.Allow {
				continue
			}
			accepted++
			if len(result.Profile) == 0 {
				t.Fatalf("%s: want a profile, for it accepts %s", marshal(t, s.role), marshal(t, claims))
			}
			for i := range result.Profile {
				part := &result.Profile[i]
				if !part.Unbounded || part.Prefix+part.Suffix != "" {
					bounded++
				}
				if !isWithin(part, claims) {
					t.Fatalf("%s: the profile says %s %s, and it accepts %s", marshal(t, s.role), part.Name, part, marshal(t, claims))
				}
			}
		}
	}
	if t.Logf("%d accepted, %d parts that are bounded", accepted, bounded); accepted == 0 || bounded == 0 {
		t.Error("want tokens that are accepted, and parts that say something")
	}
}

func TestProfilesOfKnownRoles(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	for claims, wanted := range map[string]string{
		`{"project_path":"acme/app","ref":"main"}`:            "namespace_path exactly acme, project exactly app, ref exactly main",
		`{"project_path":"acme/*"}`:                           "namespace_path acme or below, project unbounded",
		`{"project_path":"acme*","ref":["main","v*"]}`:        "namespace_path acme*, project unbounded, ref unbounded",
		`{"namespace_path":"acme","environment":"prod*"}`:     "namespace_path exactly acme, project unbounded, environment prod*",
		`{"sub":"project_path:acme/app:ref_type:tag:ref:v*"}`: "namespace_path exactly acme, project exactly app, ref v*",
	} {
		result, err := analyser.Analyse(context.Background(), breadth.Subject{
			Role: preparedRole(t, bundle, "vault", globClaims(claims)), Detail: true, Now: testNow, Limits: patient,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := result.Profile.String(); !strings.Contains(got, strings.Split(wanted, ", environment")[0]) || strings.Contains(wanted, "environment") && !strings.Contains(got, "environment prod*") {
			t.Errorf("%s: want %q, got %q", claims, wanted, got)
		}
	}
}
