package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
)

// The Rego and the model of model_test.go answer for random policies and requests; they
// must agree on all three verdicts.
func TestRegoAgreesWithTheModel(t *testing.T) {
	bundle := load(t)
	policies := 200
	if testing.Short() {
		policies = 100
	}
	seen := map[trustcheck.Verdict]int{}
	for seed := range uint64(policies) {
		for verdict, count := range compareSeed(t, bundle, seed, nil) {
			seen[verdict] += count
		}
	}
	for _, verdict := range []trustcheck.Verdict{trustcheck.Allow, trustcheck.Deny, trustcheck.Undecided} {
		if seen[verdict] < policies/100 {
			t.Errorf("%d times %s: the policies say too little", seen[verdict], verdict)
		}
	}
	t.Logf("%v", seen)
}

func FuzzRegoAgreesWithTheModel(f *testing.F) {
	bundle := load(f)
	f.Add(uint64(1), "repo:acme/*", "repo:acme/web")
	f.Add(uint64(2), "${*}?a", "*ba")
	f.Add(uint64(3), "arn:aws:iam::*:role/?", "arn:aws:iam::1:role/x")
	f.Fuzz(func(t *testing.T, seed uint64, pattern, value string) {
		for _, text := range []string{pattern, value} {
			// Left out: what JSON cannot hold, and open points the model does not know.
			if !utf8.ValidString(text) || len(text) > 200 || strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 || r < ' ' }) {
				t.Skip()
			}
		}
		if strings.Contains(readableVariable.ReplaceAllString(pattern, ""), "${") {
			t.Skip()
		}
		compareSeed(t, bundle, seed, []string{pattern, value})
	})
}

// readableVariable is what both read alike; the rest is no variable AWS documents.
var readableVariable = regexp.MustCompile(`\$\{([*?$]|[a-z]+:[a-z-]+)\}`)

const (
	modelHost     = "gitlab.com"
	modelProvider = "arn:aws:iam::123456789012:oidc-provider/gitlab.com"
	modelNow      = 1800000000
)

// compareSeed makes one policy and some requests, and counts the verdicts.
func compareSeed(t *testing.T, bundle *bundles.Bundle, seed uint64, texts []string) map[trustcheck.Verdict]int {
	g := &generator{rand.New(rand.NewPCG(seed, 7)), texts}
	policy := g.policy()
	text := policy.spell()
	doc, err := trustcheck.ReadDocument("role.json", text)
	if err != nil {
		t.Fatal(err)
	}
	role, err := bundle.Prepare(context.Background(), doc, "aws", nil)
	if err != nil || role.Refused != "" {
		t.Fatalf("seed %d: %v, %v\n%s", seed, err, refusal(role, err), text)
	}
	seen := map[trustcheck.Verdict]int{}
	for range 6 {
		claims, given := g.claims(), g.context()
		want := policy.verdict(modelProvider, modelKeys(claims, given))
		spelledClaims, _ := json.Marshal(claims)
		got := decide(t, bundle, role, spelledClaims, map[string]any{"provider_arn": modelProvider, "keys": given}, modelNow)
		seen[want]++
		if got.Verdict != want {
			spelledKeys, _ := json.Marshal(given)
			t.Fatalf("seed %d: Rego %s, model %s\npolicy %s\nclaims %s\nkeys %s\n%s", seed, got.Verdict, want, text, spelledClaims, spelledKeys, spelled(got.Reasons))
		}
	}
	return seen
}

// modelKeys reads the table of condition keys once more.
func modelKeys(claims map[string]any, given map[string]any) map[string]held {
	keys := map[string]held{}
	for _, name := range []string{"sub", "email", "ref_protected", "user_id", "user_login"} {
		if value, ok := claims[name]; ok {
			keys[modelHost+":"+name] = held{values: []string{fmt.Sprint(value)}}
		}
	}
	keys[modelHost+":aud"] = held{values: []string{claims["aud"].(string)}}
	keys[modelHost+":oaud"] = keys[modelHost+":aud"]
	if azp, ok := claims["azp"].(string); ok {
		keys[modelHost+":aud"] = held{values: []string{azp}}
	}
	if amr, ok := claims["amr"].([]string); ok {
		keys[modelHost+":amr"] = held{values: amr, many: true}
	}
	for _, name := range []string{"sts:rolesessionname", "aws:sourceip"} {
		keys[name] = held{hidden: true}
	}
	for name, value := range given {
		switch value := value.(type) {
		case nil:
			delete(keys, strings.ToLower(name))
		case string:
			keys[strings.ToLower(name)] = held{values: []string{value}}
		case []any:
			many := held{many: true}
			for _, element := range value {
				many.values = append(many.values, element.(string))
			}
			keys[strings.ToLower(name)] = many
		}
	}
	return keys
}

type generator struct {
	*rand.Rand
	texts []string
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

var kinds = map[string][2][]string{
	"text": {
		{"acme", "ACME", "acme/web", "a*", "*", "?", "b?c", "project_path:acme/web:ref_type:branch:ref:main", "main", "x\ny", "a.c", "[b]", "true", ""},
		{"acme", "acme/*", "*", "?", "*web*", "a*e", "A*", "project_path:acme/*:ref:main", "project_path:*", "a?me", "a.c", "[b]", "x?y", "b?c", "\\*", "(a|b)", "a${*}", "${?}", "${$}", "${gitlab.com:user_login}", "${GitLab.com:Email}*", "${aws:PrincipalTag/x, 'acme'}", "x${acme:absent}", "${acme:list}", "${sts:RoleSessionName}", "a${b", ""},
	},
	"arn": {
		{"arn:aws:iam::1:role/x", "arn:aws:sns:us-east-1:12:topic:sub", "arn:aws", "acme", "arn:aws:s3:::bucket/key*"},
		{"arn:aws:iam::*:role/x", "arn:*:iam::1:role/?", "arn:aws:sns:*:*:topic:*", "arn:aws:sns:*:topic:sub", "arn:*", "*", "arn:aws:s3:::bucket/${*}", "arn:aws:s3:::bucket/*", "arn:aws:iam::1:role/${gitlab.com:user_login}"},
	},
	"number": {{"1", "01", "1.0", "-1.5", "9007199254740993", "1e3", "x", "+2", "0", "-0"}, {"1", "1.00", "-1.5", "9007199254740992", "2", "abc", "10", "0.0"}},
	"date": {
		{"2026", "2026-03", "2026-03-01", "2026-03-01T00:00:00Z", "2026-03-01T02:00:00+02:00", "1772323200", "2026-02-30", "soon", "2026-03-01T00:00:00.5Z", "1969-12-31"},
		{"2026-03-01T00:00Z", "2026-03", "1772323200", "2026-03-01T00:00:00.25Z", "2025", "never", "1960-01-01"},
	},
	"address": {{"10.1.2.3", "192.0.2.1", "2001:db8::1", "nowhere", "10.0.0.0/8"}, {"10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.0.0.0/33", "192.0.2.7/24"}},
	"bool":    {{"true", "false", "TRUE", "yes"}, {"true", "false", "True", "maybe"}},
	"binary":  {{"QQ==", "QUI=", "?"}, {"QQ==", "QUI=", "!"}},
	"null":    {{""}, {"true", "false"}},
}

var operatorsOf = map[string][]string{
	"text":    {"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"},
	"arn":     {"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"},
	"number":  {"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"},
	"date":    {"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"},
	"address": {"IpAddress", "NotIpAddress"},
	"bool":    {"Bool"},
	"binary":  {"BinaryEquals"},
	"null":    {"Null"},
}

var kindNames = []string{"text", "text", "text", "text", "text", "arn", "number", "date", "address", "bool", "binary", "null"}

func (g *generator) kind() string { return pick(g, kindNames...) }

func (g *generator) value(kind string, side int) string {
	if kind == "text" && len(g.texts) == 2 && g.chance(40) {
		return g.texts[1-side]
	}
	return pick(g, kinds[kind][side]...)
}

func (g *generator) policy() modelPolicy {
	p := modelPolicy{Variables: g.chance(80)}
	for range 1 + g.IntN(3) {
		s := modelStatement{
			Effect:    pick(g, "Allow", "Allow", "Allow", "Deny"),
			Federated: pick(g, []string{modelProvider}, []string{modelProvider}, []string{modelProvider}, []string{"arn:aws:iam::123456789012:oidc-provider/*", modelProvider}, []string{modelProvider + "/x"}, nil),
			Everyone:  g.chance(4),
			Actions:   pick(g, []string{"sts:AssumeRoleWithWebIdentity"}, []string{"sts:*"}, []string{"STS:assumerole?ithwebidentity", "sts:TagSession"}, []string{"*"}, []string{"sts:AssumeRole"}),
		}
		s.NotActions = s.Actions[0] == "sts:AssumeRole" && g.chance(60)
		used := map[string]bool{}
		for range g.IntN(4) {
			if c := g.condition(); !used[c.Operator+strings.ToLower(c.Key)] {
				used[c.Operator+strings.ToLower(c.Key)] = true
				s.Conditions = append(s.Conditions, c)
			}
		}
		p.Statements = append(p.Statements, s)
	}
	return p
}

func (g *generator) condition() modelCondition {
	kind := g.kind()
	c := modelCondition{Operator: pick(g, operatorsOf[kind]...)}
	if kind != "null" {
		c.Operator = pick(g, "", "", "", "ForAllValues:", "ForAnyValue:") + c.Operator + pick(g, "", "", "", "IfExists")
	}
	c.Key = pick(g, "acme:"+kind, "acme:"+kind, "Acme:"+kind, "acme:absent", "acme:list-"+kind, "acme:list-"+kind, "sts:RoleSessionName")
	if kind == "text" || kind == "bool" || kind == "null" {
		c.Key = pick(g, c.Key, "gitlab.com:sub", "gitlab.com:aud", "gitlab.com:oaud", "GITLAB.com:email", "gitlab.com:ref_protected", "gitlab.com:user_id", "gitlab.com:amr", "gitlab.com:project_path", "gitlab.example.com:sub")
	}
	for range 1 + g.IntN(2) {
		c.Values = append(c.Values, g.value(kind, 1))
	}
	return c
}

func (p modelPolicy) spell() []byte {
	var statements []any
	for _, s := range p.Statements {
		principal := map[string]any{"Service": "ec2.amazonaws.com"}
		if len(s.Federated) > 0 {
			principal["Federated"] = s.Federated
		}
		if s.Everyone {
			principal["AWS"] = "*"
		}
		conditions := map[string]map[string]any{}
		for _, c := range s.Conditions {
			if conditions[c.Operator] == nil {
				conditions[c.Operator] = map[string]any{}
			}
			conditions[c.Operator][c.Key] = c.Values
			if len(c.Values) == 1 {
				conditions[c.Operator][c.Key] = c.Values[0]
			}
		}
		spelt := map[string]any{"Effect": s.Effect, "Principal": principal, "Condition": conditions}
		spelt[map[bool]string{false: "Action", true: "NotAction"}[s.NotActions]] = s.Actions
		statements = append(statements, spelt)
	}
	version := map[bool]string{true: "2012-10-17", false: "2008-10-17"}[p.Variables]
	text, _ := json.Marshal(map[string]any{"Version": version, "Statement": statements})
	return text
}

func (g *generator) claims() map[string]any {
	claims := map[string]any{
		"iss": "https://" + modelHost, "aud": g.some("acme"), "iat": modelNow - 1, "exp": modelNow + 60,
		"project_path": "acme/web",
	}
	optional := map[string]any{
		"sub": g.value("text", 0), "azp": g.some("ACME"), "email": g.value("text", 0), "user_login": g.value("text", 0),
		"ref_protected": pick[any](g, "true", "false", true), "user_id": pick[any](g, "acme", 1, "1"),
		"amr": pick(g, []string{"acme"}, []string{"acme", "web"}, []string{}),
	}
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		if g.chance(60) {
			claims[name] = optional[name]
		}
	}
	return claims
}

// some is a text with something in it.
func (g *generator) some(otherwise string) string {
	if text := g.value("text", 0); text != "" {
		return text
	}
	return otherwise
}

func (g *generator) context() map[string]any {
	given := map[string]any{}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if g.chance(70) {
			given["acme:"+kind] = g.value(kind, 0)
		}
		if g.chance(60) {
			list := []any{}
			for range g.IntN(3) {
				list = append(list, g.value(kind, 0))
			}
			given["Acme:list-"+kind] = list
		}
	}
	given["acme:list"] = []any{"acme"}
	if g.chance(70) {
		given["sts:RoleSessionName"] = g.value("text", 0)
	}
	if g.chance(5) {
		given["gitlab.com:sub"] = nil
	}
	return given
}
