package bundles_test

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/verifier"
)

const now = 1768478400

func open(t *testing.T, options bundles.Options) *bundles.Bundle {
	t.Helper()
	bundle, err := bundles.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func prepare(t *testing.T, bundle *bundles.Bundle, text string) *bundles.Role {
	t.Helper()
	role, err := bundle.Prepare(context.Background(), document(t, text), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

func document(t *testing.T, text string) *trustcheck.Document {
	t.Helper()
	if strings.HasPrefix(text, "package") {
		return &trustcheck.Document{Kind: "rego", File: "role.rego", Line: 1, Value: text}
	}
	doc, err := trustcheck.ReadDocument("role.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func claims(t *testing.T, text string) bundles.Input {
	t.Helper()
	read, _, err := verifier.ReadClaims([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return bundles.Input{Claims: read.Value, Now: time.Unix(now, 0)}
}

const deploy = `{
  "role_type": "jwt",
  "user_claim": "sub",
  "bound_claims": {
    "ref_protected": "true"
  }
}`

const token = `{"iss":"https://gitlab.example.com","sub":"u","iat":1768478300,"nbf":1768478300,"exp":1768478700,"jti":"1","ref_protected":"true"}`

func TestReasonWithoutItsPlace(t *testing.T) {
	bundle := open(t, bundles.Options{})
	decision := bundle.Decide(context.Background(), prepare(t, bundle, deploy), claims(t, strings.Replace(token, `"true"`, `"false"`, 1)))
	if decision.Verdict != trustcheck.Deny || decision.Stage != "bound_claims" {
		t.Fatalf("%s at %q", decision.Verdict, decision.Stage)
	}
	for _, reason := range decision.Reasons {
		if reason.Claim != "ref_protected" {
			continue
		}
		if reason.Status != trustcheck.Failed || string(reason.Wanted) != `"true"` || string(reason.Got) != `"false"` ||
			reason.File != "role.json" || reason.Line != 5 || reason.Source != "bound_claims.ref_protected" {
			t.Errorf("%+v", reason)
		}
		return
	}
	t.Error("no reason names ref_protected")
}

// A service prepares a changed role while others are asked; the race detector watches.
func TestPreparingWritesToWhatOthersRead(t *testing.T) {
	bundle := open(t, bundles.Options{})
	doc, asked := document(t, deploy), claims(t, `{"iss":"https://gitlab.example.com","aud":"vault"}`)
	wanted := bundle.Decide(t.Context(), prepare(t, bundle, deploy), asked)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			role, err := bundle.Prepare(t.Context(), doc, "", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if got := bundle.Decide(t.Context(), role, asked); !reflect.DeepEqual(got, wanted) {
				t.Errorf("want %+v, got %+v", wanted, got)
			}
		})
	}
	all.Wait()
}

// Every condition is reported, not only the first that fails.
func TestLaterFailureIsHidden(t *testing.T) {
	bundle := open(t, bundles.Options{})
	decision := bundle.Decide(context.Background(), prepare(t, bundle, deploy), claims(t, `{"sub":5,"exp":1}`))
	failed := map[string]bool{}
	for _, reason := range decision.Reasons {
		if reason.Status == trustcheck.Failed {
			failed[reason.Claim] = true
		}
	}
	for _, claim := range []string{"sub", "exp", "ref_protected"} {
		if !failed[claim] {
			t.Errorf("nothing is said of %s", claim)
		}
	}
}

// The idiomatic `not ok(…)` accepts a token without the claim; each of these roles must not.
func TestAbsentClaimOpensRole(t *testing.T) {
	bundle := open(t, bundles.Options{})
	for _, role := range []string{
		deploy,
		`{"role_type":"jwt","user_claim":"sub","bound_claims":{"ref_protected":["true","x"]}}`,
		`{"role_type":"jwt","user_claim":"sub","bound_claims_type":"glob","bound_claims":{"ref_protected":"*"}}`,
		`{"role_type":"jwt","user_claim":"sub","bound_claims":{"/ref_protected":"true"}}`,
		`{"role_type":"jwt","user_claim":"ref_protected","bound_subject":"u"}`,
	} {
		ready := prepare(t, bundle, role)
		if verdict := bundle.Decide(context.Background(), ready, claims(t, token)).Verdict; verdict != trustcheck.Allow {
			t.Errorf("%s: %s with the claim", role, verdict)
		}
		without := strings.Replace(token, `,"ref_protected":"true"`, "", 1)
		if verdict := bundle.Decide(context.Background(), ready, claims(t, without)).Verdict; verdict != trustcheck.Deny {
			t.Errorf("%s: %s without the claim", role, verdict)
		}
		if allowed, err := bundle.Allow(context.Background(), ready, claims(t, without)); allowed || err != nil {
			t.Errorf("%s: allowed %v, %v without the claim", role, allowed, err)
		}
	}
}

func TestRegoRoleNamesUnmetRequirement(t *testing.T) {
	bundle := open(t, bundles.Options{})
	role := prepare(t, bundle, `package trustcheck.roles.production

import data.trustcheck.match

allow if {
	match.equals("ref_protected", "true")
	project_known
	some group in input.claims.groups
	group == "ops"
}

project_known if input.claims.project_id in {"20", "21"}
`)
	allowed := bundle.Decide(context.Background(), role, claims(t, `{"ref_protected":"true","project_id":"20","groups":["ops"]}`))
	if allowed.Verdict != trustcheck.Allow {
		t.Fatalf("%s: %+v", allowed.Verdict, allowed.Reasons)
	}
	denied := bundle.Decide(context.Background(), role, claims(t, `{"ref_protected":"false","project_id":"22","groups":["ops"]}`))
	if denied.Verdict != trustcheck.Deny {
		t.Fatalf("%s", denied.Verdict)
	}
	var failed []string
	for _, reason := range denied.Reasons {
		if reason.Status == trustcheck.Failed {
			failed = append(failed, reason.Message)
		}
	}
	said := strings.Join(failed, "\n")
	if !strings.Contains(said, `match.equals("ref_protected", "true")`) || !strings.Contains(said, "project_known") || strings.Contains(said, "ops") {
		t.Errorf("the refusal says\n%s", said)
	}
}

func TestUndefinedOrOddAllowAdmits(t *testing.T) {
	bundle := open(t, bundles.Options{})
	for _, body := range []string{
		"allow if input.claims.nope == 1",
		`allow := "true"`,
		"allow := 1",
		"allow contains input.claims.sub",
		"default allow := false",
	} {
		role := prepare(t, bundle, "package trustcheck.roles.odd\n\n"+body+"\n")
		if verdict := bundle.Decide(context.Background(), role, claims(t, token)).Verdict; verdict != trustcheck.Deny {
			t.Errorf("%s: %s", body, verdict)
		}
	}
}

func TestRequiredRuleIsSkipped(t *testing.T) {
	bundle := open(t, bundles.Options{
		Rules:   map[string]string{"night.rego": "package trustcheck.rules.night\n\nallow if input.claims.shift == \"night\"\n"},
		Require: []string{"night"},
	})
	role := prepare(t, bundle, deploy)
	day := bundle.Decide(context.Background(), role, claims(t, token))
	if day.Verdict != trustcheck.Deny || day.Stage != "rules" {
		t.Errorf("%s at %q", day.Verdict, day.Stage)
	}
	night := bundle.Decide(context.Background(), role, claims(t, strings.Replace(token, `"sub"`, `"shift":"night","sub"`, 1)))
	if night.Verdict != trustcheck.Allow {
		t.Errorf("%s at %q", night.Verdict, night.Stage)
	}
}

func TestUserRuleLeavesItsFence(t *testing.T) {
	for name, text := range map[string]string{
		"the judge":        "package trustcheck.trust\n\nallow := true\n",
		"a platform":       "package trustcheck.platform.vault\n\nstages := []\n",
		"prepared roles":   "package trustcheck.ways\n\ndeploy := {}\n",
		"the top":          "package trustcheck\n\nrules := {}\n",
		"elsewhere":        "package other\n\nallow := true\n",
		"network":          "package trustcheck.rules.r\n\nallow if http.send({\"method\": \"get\", \"url\": \"http://x\"}).status_code == 200\n",
		"clock":            "package trustcheck.rules.r\n\nallow if time.now_ns() > 0\n",
		"randomness":       "package trustcheck.rules.r\n\nallow if rand.intn(\"a\", 2) == 0\n",
		"machine":          "package trustcheck.rules.r\n\nallow if opa.runtime().env.HOME\n",
		"the judge, read":  "package trustcheck.rules.r\n\nimport data.trustcheck.trust\n\nallow if trust.allow\n",
		"all of it, read":  "package trustcheck.rules.r\n\nallow if data.trustcheck[x].allow\n",
		"with another now": "package trustcheck.rules.r\n\nallow if data.trustcheck.trust.allow with input.now as 0\n",
	} {
		if _, err := bundles.Open(context.Background(), bundles.Options{Rules: map[string]string{"user.rego": text}}); err == nil {
			t.Errorf("%s: loaded", name)
		} else if !strings.Contains(err.Error(), "user.rego:") {
			t.Errorf("%s: the error names no line: %v", name, err)
		}
	}
}

func TestRequiredRuleIsMissing(t *testing.T) {
	_, err := bundles.Open(context.Background(), bundles.Options{Require: []string{"nope"}})
	if err == nil || !strings.Contains(err.Error(), "trustcheck.rules.nope.allow") {
		t.Errorf("%v", err)
	}
}

func TestEndlessRuleIsUndecided(t *testing.T) {
	bundle := open(t, bundles.Options{Deadline: 20 * time.Millisecond})
	role := prepare(t, bundle, `package trustcheck.roles.endless

allow if {
	some i in numbers.range(0, 2000)
	some j in numbers.range(0, 2000)
	i * j == -1
}
`)
	decision := bundle.Decide(context.Background(), role, claims(t, token))
	if decision.Verdict != trustcheck.Undecided || decision.Stage != "evaluation" {
		t.Errorf("%s at %q", decision.Verdict, decision.Stage)
	}
	if allowed, err := bundle.Allow(context.Background(), role, claims(t, token)); allowed || err == nil {
		t.Errorf("allowed %v, %v", allowed, err)
	}
}

func TestBuiltinErrorIsUndecided(t *testing.T) {
	bundle := open(t, bundles.Options{})
	role := prepare(t, bundle, "package trustcheck.roles.strict\n\nallow if not regex.match(\"(\", input.claims.sub)\n")
	if decision := bundle.Decide(context.Background(), role, claims(t, token)); decision.Verdict != trustcheck.Undecided {
		t.Errorf("%s", decision.Verdict)
	}
}

func TestUnavailableIssuerIsTakenForBadToken(t *testing.T) {
	bundle := open(t, bundles.Options{})
	role := prepare(t, bundle, deploy)
	unreachable := verifierFunc(func() error { return &verifier.Unavailable{Issuer: "i", Err: errors.New("no route")} })
	if decision := bundle.Admit(context.Background(), unreachable, "e30.e30.e30", role, nil, time.Unix(now, 0)); decision.Verdict != trustcheck.Undecided ||
		decision.Stage != bundles.StageVerification || decision.TokenReasons[0].Code != bundles.IssuerUnavailable {
		t.Errorf("%+v", decision)
	}
	bad := verifierFunc(func() error {
		return &verifier.Refusal{Reasons: []trustcheck.TokenReason{{Code: verifier.Expired}}}
	})
	if decision := bundle.Admit(context.Background(), bad, "e30.e30.e30", role, nil, time.Unix(now, 0)); decision.Verdict != trustcheck.Deny {
		t.Errorf("%+v", decision)
	}
}

type verifierFunc func() error

func (f verifierFunc) Verify(context.Context, string, time.Time) (*verifier.Token, error) {
	return nil, f()
}

// Whatever stands in a token, there is a decision, and the quick answer is the same.
func FuzzDecide(f *testing.F) {
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		f.Fatal(err)
	}
	sample, err := os.ReadFile("../testdata/tokens/gitlab.claims.json")
	if err != nil {
		f.Fatal(err)
	}
	var roles []*bundles.Role
	for _, text := range []string{
		deploy,
		`{"role_type":"jwt","user_claim":"/a/0","user_claim_json_pointer":true,"groups_claim":"groups","claim_mappings":{"m":"k"},
		  "bound_audiences":["https://vault.example.com"],"bound_claims":{"project_id":[20,"20",true,null,["x"]],"/a/b":"*"},"expiration_leeway":-1}`,
		`{"role_type":"jwt","user_claim":"sub","bound_claims_type":"glob","bound_claims":{"project_path":["acme/*","*/infra"]}}`,
	} {
		doc, err := trustcheck.ReadDocument("role.json", []byte(text))
		if err != nil {
			f.Fatal(err)
		}
		role, err := bundle.Prepare(context.Background(), doc, "", nil)
		if err != nil {
			f.Fatal(err)
		}
		roles = append(roles, role)
	}
	for _, seed := range []string{string(sample), token, `{}`, `{"aud":[null,{}],"exp":1e300,"sub":[[]],"SUB":"u","a":{"b":[1.5]},"project_id":[["x"]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read, _, err := verifier.ReadClaims(text)
		if err != nil {
			return
		}
		for i, role := range roles {
			input := bundles.Input{Claims: read.Value, Now: time.Unix(now, 0)}
			decision := bundle.Decide(context.Background(), role, input)
			if decision.Stage == "evaluation" {
				t.Fatalf("role %d: %+v", i, decision.Reasons)
			}
			allowed, err := bundle.Allow(context.Background(), role, input)
			if err != nil || allowed != (decision.Verdict == trustcheck.Allow) {
				t.Fatalf("role %d: allow is %v, %v beside %s", i, allowed, err, decision.Verdict)
			}
		}
	})
}

// A rule that fails, on a number where it wants text, decides where `allow` reads it only.
func TestFailureOfARuleThatIsNotRead(t *testing.T) {
	bundle := open(t, bundles.Options{})
	const other = "\n\nother if contains(input.claims.exp, \"x\")\n"
	for body, want := range map[string]trustcheck.Verdict{
		`input.claims.ref_protected == "true"`:                    trustcheck.Allow,
		"{\n\tinput.claims.ref_protected == \"true\"\n\tother\n}": trustcheck.Undecided,
	} {
		role := prepare(t, bundle, "package trustcheck.roles.r\n\nallow if "+body+other)
		if got := bundle.Decide(context.Background(), role, claims(t, token)); got.Verdict != want {
			t.Errorf("%s: want %s, got %s at %q", body, want, got.Verdict, got.Stage)
		}
	}
}

func TestImportThatOnlyAHelperUses(t *testing.T) {
	bundle := open(t, bundles.Options{})
	role := prepare(t, bundle, "package trustcheck.roles.r\n\nimport data.trustcheck.match\n\nallow if protected\n\nprotected if match.equals(\"ref_protected\", \"true\")\n")
	if got := bundle.Decide(context.Background(), role, claims(t, token)); got.Verdict != trustcheck.Allow {
		t.Errorf("got %s at %q", got.Verdict, got.Stage)
	}
}
