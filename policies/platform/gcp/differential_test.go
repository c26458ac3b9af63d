package gcp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/platformtest"
	"github.com/trustcheck/trustcheck/verifier"
)

// A whole role asked of cel-go: provider, mapping, condition and one binding, as Google
// documents them. Numbers are read as doubles and as ints; where that makes a difference, or
// where a custom mapping fails, nobody knows, and the answer must be undecided or rest on
// something else.

const (
	poolName = "projects/123456789012/locations/global/workloadIdentityPools/ci"
	now      = 1768478400
)

type role struct {
	Mapping   map[string]string
	Condition string
	Member    string
}

func (r role) document() string {
	provider := map[string]any{
		"name": poolName + "/providers/ci", "attributeMapping": r.Mapping, "attributeCondition": r.Condition,
		"oidc": map[string]any{"issuerUri": "https://gitlab.example.com", "allowedAudiences": []string{"https://sts.example.com"}},
	}
	text, _ := json.Marshal(map[string]any{"provider": provider, "iamPolicy": map[string]any{
		"bindings": []any{map[string]any{"role": "roles/iam.workloadIdentityUser", "members": []string{r.Member}}},
	}})
	return string(text)
}

var oracle = sync.OnceValues(func() (*celgo.Env, error) {
	claims := celgo.MapType(celgo.StringType, celgo.DynType)
	return celgo.NewEnv(ext.Strings(),
		celgo.Variable("assertion", claims), celgo.Variable("attribute", claims), celgo.Variable("google", claims),
		celgo.Function("extract", celgo.MemberOverload("string_extract_string",
			[]*celgo.Type{celgo.StringType, celgo.StringType}, celgo.StringType, celgo.BinaryBinding(extract))))
})

func extract(value, template ref.Val) ref.Val {
	before, rest, _ := strings.Cut(string(template.(types.String)), "{")
	_, after, _ := strings.Cut(rest, "}")
	_, found, ok := strings.Cut(string(value.(types.String)), before)
	if !ok {
		return types.String("")
	}
	if after == "" {
		return types.String(found)
	}
	found, _, ok = strings.Cut(found, after)
	if !ok {
		return types.String("")
	}
	return types.String(found)
}

// compiled is a role as cel-go runs it; nil where cel-go refuses an expression.
type compiled struct {
	role
	mapping   map[string]celgo.Program
	condition celgo.Program
}

func compileRole(t *testing.T, r role) *compiled {
	t.Helper()
	env, err := oracle()
	if err != nil {
		t.Fatal(err)
	}
	program := func(text string) celgo.Program {
		tree, issues := env.Compile(text)
		if issues.Err() != nil {
			return nil
		}
		made, err := env.Program(tree)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	c := &compiled{role: r, mapping: map[string]celgo.Program{}, condition: program(r.Condition)}
	if c.condition == nil {
		return nil
	}
	for key, text := range r.Mapping {
		if c.mapping[key] = program(text); c.mapping[key] == nil {
			return nil
		}
	}
	return c
}

// answer is Google's as documented: "allow", "deny", or "unknown" where a custom mapping fails.
func (c *compiled) answer(claims map[string]any) string {
	if claims["iss"] != "https://gitlab.example.com" || !hasAudience(claims["aud"]) {
		return "deny"
	}
	mapped, unknown := map[string]any{}, false
	for key, program := range c.mapping {
		value, _, err := program.Eval(map[string]any{"assertion": claims})
		if err != nil {
			if key == "google.subject" {
				return "deny"
			}
			unknown = true
			continue
		}
		text, ok := value.Value().(string)
		if !ok || key == "google.subject" && (text == "" || len(text) > 127) {
			return "deny"
		}
		mapped[key] = text
	}
	google, attribute := map[string]any{}, map[string]any{}
	for key, value := range mapped {
		if name, ok := strings.CutPrefix(key, "google."); ok {
			google[name] = value
		} else {
			attribute[strings.TrimPrefix(key, "attribute.")] = value
		}
	}
	holds, _, err := c.condition.Eval(map[string]any{"assertion": claims, "google": google, "attribute": attribute})
	if err != nil || holds != types.True {
		return "deny"
	}
	if !c.member(mapped) {
		return "deny"
	}
	if unknown {
		return "unknown"
	}
	return "allow"
}

func (c *compiled) member(mapped map[string]any) bool {
	_, rest, _ := strings.Cut(c.Member, "/workloadIdentityPools/ci/")
	if rest == "*" {
		return true
	}
	key, value, _ := strings.Cut(rest, "/")
	if key == "subject" {
		key = "google.subject"
	}
	found, ok := mapped[key]
	return ok && found == value
}

func hasAudience(aud any) bool {
	if list, ok := aud.([]any); ok {
		return slices.Contains(list, any("https://sts.example.com"))
	}
	return aud == "https://sts.example.com"
}

// author writes conditions and mappings of the kinds that documents and public repositories
// have, and mixes them.
type author struct{ *rand.Rand }

func (a author) pick(of ...string) string { return of[a.IntN(len(of))] }

func (a author) claim() string {
	return "assertion." + a.pick("sub", "ref", "ref_protected", "namespace_id", "namespace_path", "project_path", "project_id",
		"environment", "user_access_level", "runner_id", "groups_direct", "aud", "nope", "flag", "user_identities", "job_config")
}

func (a author) text() string {
	return a.pick("'main'", "'true'", "'72'", "'acme'", "'acme/'", "'acme/infra'", "'20'", "'production'", "'maintainer'", "''", "'a'", "72", "true", "null")
}

func (a author) value() string {
	switch a.IntN(8) {
	case 0:
		return fmt.Sprintf("%s.split('%s')[%d]", a.claim(), a.pick("/", ":", "_"), a.IntN(3))
	case 1:
		return fmt.Sprintf("%s.extract('%s')", a.claim(), a.pick("project_path:{x}:", "{x}/", "/{x}", ":ref:{x}", "acme{x}"))
	case 2:
		return fmt.Sprintf("%s + ':' + %s", a.claim(), a.claim())
	case 3:
		claim := a.claim()
		return fmt.Sprintf("has(%s) ? %s : ''", claim, claim)
	case 4:
		return a.pick("string("+a.claim()+")", a.claim()+" == "+a.text(), a.claim()+".groups.join(',')", "attribute.a")
	}
	return a.claim()
}

func (a author) leaf() string {
	switch a.IntN(12) {
	case 0:
		return "has(" + a.claim() + ")"
	case 1:
		return fmt.Sprintf("%s.%s('%s')", a.claim(), a.pick("startsWith", "endsWith", "contains"), a.pick("acme", "acme/", "main", "project_path:acme/", ""))
	case 2:
		return fmt.Sprintf("%s.matches('%s')", a.claim(), a.pick("^acme/", "acme", "main$", "^(main|release/.*)$", ".", "(?i)ACME"))
	case 3:
		return fmt.Sprintf("%s in [%s, %s]", a.claim(), a.text(), a.text())
	case 4:
		return fmt.Sprintf("%s in %s", a.pick("'acme'", "'url'", "'https://sts.example.com'"), a.claim())
	case 5:
		return fmt.Sprintf("%s.%s(x, %s)", a.claim(), a.pick("all", "exists", "exists_one"), a.pick("x == 'acme'", "x.startsWith('acme')", "x.extern_uid == 'u'", "x in assertion.groups_direct"))
	case 6:
		return fmt.Sprintf("%s %s %s", a.pick("attribute.a", "attribute.b", "google.subject", "attribute.c"), a.pick("==", "!="), a.pick(a.claim(), "'main'", "'acme/infra'"))
	case 7:
		return fmt.Sprintf("size(%s) %s %d", a.claim(), a.pick("<", ">", "==", ">="), a.IntN(20))
	case 8:
		return a.pick("true", "false", a.claim(), "assertion.iss == 'https://gitlab.example.com'", "assertion['ref'] == 'main'")
	}
	return fmt.Sprintf("%s %s %s", a.claim(), a.pick("==", "==", "==", "!="), a.text())
}

func (a author) condition(depth int) string {
	if depth == 0 {
		return a.leaf()
	}
	switch a.IntN(6) {
	case 0, 1:
		return "(" + a.condition(depth-1) + " && " + a.condition(depth-1) + ")"
	case 2, 3:
		return "(" + a.condition(depth-1) + " || " + a.condition(depth-1) + ")"
	case 4:
		return "!(" + a.condition(depth-1) + ")"
	}
	return "(" + a.condition(depth-1) + " ? " + a.condition(depth-1) + " : " + a.condition(depth-1) + ")"
}

func (a author) role() role {
	mapping := map[string]string{"google.subject": a.pick("assertion.sub", "assertion.sub", "assertion.project_path", a.value())}
	for _, name := range []string{"attribute.a", "attribute.b"} {
		if a.IntN(3) > 0 {
			mapping[name] = a.pick("assertion.ref", "assertion.project_path", "assertion.namespace_path", a.value())
		}
	}
	return role{
		Mapping:   mapping,
		Condition: a.condition(a.IntN(4)),
		Member: "principalSet://iam.googleapis.com/" + poolName + "/" +
			a.pick("*", "*", "attribute.a/main", "attribute.b/acme/infra", "attribute.a/acme", "attribute.c/x"),
	}
}

var good = map[string]any{
	"iss": "https://gitlab.example.com", "aud": "https://sts.example.com", "sub": "project_path:acme/infra:ref_type:branch:ref:main",
	"ref": "main", "ref_protected": "true", "namespace_id": "72", "namespace_path": "acme", "project_path": "acme/infra", "project_id": "20",
	"environment": "production", "user_access_level": "maintainer", "runner_id": 12270840, "groups_direct": []any{"acme", "acme/admins"},
	"flag": true, "user_identities": []any{map[string]any{"provider": "saml", "extern_uid": "u"}},
	"job_config": map[string]any{"url": "https://x", "sha": "0"}, "iat": now - 60, "exp": now + 240,
}

var odd = []any{nil, true, false, "", "a", "acme", "acme-evil/x", "main\n", "é", 0, 72, -1.5, []any{}, []any{"acme"}, []any{"acme", 1}, map[string]any{}, map[string]any{"x": "y"}}

// claims are those of a good token with up to two of them gone or odd.
func (a author) claims() map[string]any {
	claims := maps.Clone(good)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(good)), func(name string) bool { return name == "iat" || name == "exp" })
	for range a.IntN(3) {
		name := names[a.IntN(len(names))]
		if a.IntN(2) == 0 {
			delete(claims, name)
			continue
		}
		claims[name] = odd[a.IntN(len(odd))]
	}
	return claims
}

// decoded reads claims with every number a double, or whole ones as ints.
func decoded(t *testing.T, text []byte, ints bool) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var claims map[string]any
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return numbers(claims, ints).(map[string]any)
}

func numbers(value any, ints bool) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil && ints {
			return whole
		}
		double, _ := value.Float64()
		return double
	case []any:
		for i := range value {
			value[i] = numbers(value[i], ints)
		}
	case map[string]any:
		for name := range value {
			value[name] = numbers(value[name], ints)
		}
	}
	return value
}

func TestWholeRoleDiffersFromCEL(t *testing.T) {
	roles, tokens := 100, 30
	if testing.Short() {
		roles = 20
	}
	bundle := platformtest.Open(t)
	a := author{rand.New(rand.NewPCG(7, 7))}
	asked := map[trustcheck.Verdict]int{}
	needless := 0
	for made := 0; made < roles; {
		r := a.role()
		known := compileRole(t, r)
		if known == nil {
			continue
		}
		if plain, _ := json.Marshal(good); known.answer(decoded(t, plain, false)) == "deny" && a.IntN(5) > 0 {
			continue // a role that admits nobody shows little
		}
		doc, err := trustcheck.ReadDocument("role.json", []byte(r.document()))
		if err != nil {
			t.Fatal(err)
		}
		prepared, err := bundle.Prepare(t.Context(), doc, "gcp", nil)
		if err != nil || prepared.Refused != "" {
			t.Fatalf("%+v: %v, refused %q, while cel-go takes it", r, err, prepared.Refused)
		}
		made++
		for range tokens {
			verdict, excused := compareToken(t, bundle, prepared, known, a.claims())
			asked[verdict]++
			if verdict == trustcheck.Undecided && !excused {
				needless++
			}
		}
	}
	t.Logf("%d roles, %v; undecided without need: %d", roles, asked, needless)
	total := asked[trustcheck.Allow] + asked[trustcheck.Deny] + asked[trustcheck.Undecided]
	if asked[trustcheck.Allow] < total/5 || needless > total/20 {
		t.Errorf("of %d answers %d allow and %d are undecided without need", total, asked[trustcheck.Allow], needless)
	}
}

// compareToken holds one decided answer against cel-go's in both readings of numbers, and
// says whether cel-go has no one answer either.
func compareToken(t *testing.T, bundle *bundles.Bundle, prepared *bundles.Role, known *compiled, claims map[string]any) (trustcheck.Verdict, bool) {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	read, _, err := verifier.ReadClaims(text)
	if err != nil {
		t.Fatal(err)
	}
	decision := bundle.Decide(t.Context(), prepared, bundles.Input{Claims: read.Value, Now: time.Unix(now, 0)})
	doubles, ints := known.answer(decoded(t, text, false)), known.answer(decoded(t, text, true))
	if decision.Verdict == trustcheck.Undecided {
		return decision.Verdict, doubles != ints || doubles == "unknown"
	}
	if string(decision.Verdict) != doubles || string(decision.Verdict) != ints {
		reasons, _ := json.Marshal(decision.Reasons)
		t.Errorf("%s\n%s\n%s at %q, cel-go says %s with doubles and %s with ints\n%s", known.document(), text, decision.Verdict, decision.Stage, doubles, ints, reasons)
	}
	return decision.Verdict, true
}
