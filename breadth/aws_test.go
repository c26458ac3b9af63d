package breadth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
)

// statement is one of a trust policy, for a provider as it is spelled.
func statement(effect, provider, condition string) string {
	return fmt.Sprintf(`{"Effect":%q,"Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":%q},"Condition":%s}`,
		effect, provider, strings.ReplaceAll(condition, "host:", githubHost+":"))
}

func trustPolicy(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func inAccount(account string) string {
	return "arn:aws:iam::" + account + ":oidc-provider/" + githubHost
}

const (
	here      = "111122223333"
	elsewhere = "999999999999"
	mainOnly  = `{"StringEquals":{"host:sub":"repo:acme/app:ref:refs/heads/main"}}`
	anybody   = `{"StringLike":{"host:sub":"repo:*"}}`
	strangers = `{"StringNotLike":{"host:sub":"repo:acme/app:*"}}`
)

// trusting is a role of AWS for GitHub's tokens, meant for acme/app, with what is to be found.
type trusting struct {
	role    string
	context map[string]any
	verdict breadth.Verdict
	// says is part of what the verdict rests on, or of why it is what it is.
	says string
}

func (c trusting) subject(t *testing.T) breadth.Subject {
	t.Helper()
	bundle := openBundle(t)
	doc, err := trustcheck.ReadDocument("role.json", []byte(c.role))
	if err != nil {
		t.Fatal(err)
	}
	subject := breadth.Subject{Limits: patient, Now: testNow, Context: c.context}
	if subject.Role, err = bundle.Prepare(context.Background(), doc, "aws", c.context); err != nil {
		t.Fatal(err)
	}
	if subject.Scope, err = breadth.ReadScope([]byte(`{"repository":"acme/app"}`)); err != nil {
		t.Fatal(err)
	}
	return subject
}

func (c trusting) check(t *testing.T) {
	t.Helper()
	breadth.Thin(t)
	result, err := breadth.New(openBundle(t)).Analyse(context.Background(), c.subject(t))
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(append(result.RestsOn, result.Why...), "\n")
	if result.Verdict != c.verdict || !strings.Contains(said, c.says) || strings.Contains(said, "bug of trustcheck") {
		t.Errorf("want %s and %q, got %s:\n%s", c.verdict, c.says, result.Verdict, said)
	}
}

func TestForeignPrincipalNeitherAdmitsNorRefuses(t *testing.T) {
	t.Parallel()
	role := map[string]any{"role_arn": "arn:aws:iam::" + here + ":role/x"}
	provider := map[string]any{"provider_arn": inAccount(here)}
	denied := func(principal string) string {
		return trustPolicy(statement("Allow", inAccount(here), anybody), statement("Deny", principal, strangers))
	}
	two := trustPolicy(statement("Allow", inAccount(here), mainOnly), statement("Allow", inAccount(elsewhere), anybody))
	china := strings.Replace(inAccount(here), "arn:aws:", "arn:aws-cn:", 1)
	for name, c := range map[string]trusting{
		"denied to strangers":                      {denied(inAccount(here)), nil, breadth.Tight, ""},
		"denied to a wildcard":                     {denied(inAccount("*")), nil, breadth.Broad, ""},
		"denied to a wildcard, the provider given": {denied(inAccount("*")), provider, breadth.Broad, ""},
		"denied to a bare host":                    {denied(githubHost), nil, breadth.Broad, ""},
		"denied to another account":                {denied(inAccount(elsewhere)), role, breadth.Broad, ""},
		"denied to one of two accounts":            {denied(inAccount(elsewhere)), nil, breadth.Undecided, "which is in the role's account was not given"},
		"denied to another partition":              {denied(china), role, breadth.Broad, ""},
		"allowed to a wildcard":                    {trustPolicy(statement("Allow", inAccount("*"), anybody)), nil, breadth.Dead, ""},
		"allowed to a bare host":                   {trustPolicy(statement("Allow", githubHost, anybody)), nil, breadth.Dead, ""},
		"allowed to another account":               {two, provider, breadth.Tight, ""},
		"allowed to another account, by the role":  {two, role, breadth.Tight, ""},
		"allowed to both accounts":                 {two, nil, breadth.Undecided, "which is in the role's account was not given"},
		"the document names the role": {
			`{"Role":{"RoleName":"x","Arn":"arn:aws:iam::` + elsewhere + `:role/x","AssumeRolePolicyDocument":` + trustPolicy(statement("Allow", inAccount(here), anybody)) + `}}`,
			nil, breadth.Dead, "can be no provider of the role's account",
		},
	} {
		t.Run(name, c.check)
	}
}

// with adds operators to a condition.
func with(condition, more string) string {
	return strings.TrimSuffix(condition, "}") + "," + strings.TrimPrefix(more, "{")
}

func (c trusting) checks(condition string) func(*testing.T) {
	c.role = trustPolicy(statement("Allow", inAccount(here), condition))
	return c.check
}

func TestNoTokenOfTwoAudiences(t *testing.T) {
	t.Parallel()
	wanted := with(mainOnly, `{"ForAnyValue:StringEquals":{"host:aud":"sts.amazonaws.com"}}`)
	loose := with(anybody, `{"StringEquals":{"host:aud":"sts.amazonaws.com"}}`)
	other, both := map[string]any{"client_ids": []any{"other"}}, map[string]any{"client_ids": []any{"other", "sts.amazonaws.com"}}
	t.Run("no client id", trusting{"", other, breadth.Dead, ""}.checks(wanted))
	t.Run("no client id, any subject", trusting{"", other, breadth.Dead, ""}.checks(loose))
	t.Run("a client id", trusting{"", both, breadth.Tight, ""}.checks(wanted))
	denied := func(audience string) string {
		return trustPolicy(statement("Allow", inAccount(here), loose), statement("Deny", inAccount(here), `{"StringEquals":{"host:aud":"`+audience+`"}}`))
	}
	t.Run("denied", trusting{denied("sts.amazonaws.com"), nil, breadth.Dead, ""}.check)
	t.Run("another denied", trusting{denied("other"), nil, breadth.Broad, ""}.check)
}

// What a key comes to that the token does not fill is Rego's to say: the analysis asks it.
func TestRequestIsReadAsTheGateReadsIt(t *testing.T) {
	t.Parallel()
	name := func(text string) string { return `{"StringEqualsIfExists":{"sts:RoleSessionName":"` + text + `"}}` }
	keys := func(key string, value any) map[string]any {
		return map[string]any{"keys": map[string]any{key: value}}
	}
	for title, c := range map[string]struct {
		condition string
		trusting
	}{
		"no roles claim":               {with(mainOnly, `{"Bool":{"sts:RoleAuthorizedByIdp":"true"}}`), trusting{"", nil, breadth.Dead, "RoleAuthorizedByIdp"}},
		"no roles claim wanted":        {with(mainOnly, `{"Bool":{"sts:RoleAuthorizedByIdp":"false"}}`), trusting{"", nil, breadth.Tight, ""}},
		"a date in the past":           {with(mainOnly, `{"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}`), trusting{"", nil, breadth.Dead, "CurrentTime"}},
		"a date to come":               {with(anybody, `{"DateLessThan":{"aws:CurrentTime":"2099-01-01T00:00:00Z"}}`), trusting{"", nil, breadth.Broad, "the role reads the time: the answer is that of 2027-01-15"}},
		"seconds to come":              {with(anybody, `{"NumericLessThan":{"aws:EpochTime":"1900000000"}}`), trusting{"", nil, breadth.Broad, ""}},
		"TLS":                          {with(anybody, `{"Bool":{"aws:SecureTransport":"true"}}`), trusting{"", nil, breadth.Broad, "the caller uses TLS"}},
		"the provider":                 {with(anybody, `{"StringEquals":{"aws:FederatedProvider":"`+inAccount(here)+`"}}`), trusting{"", nil, breadth.Broad, ""}},
		"another provider":             {with(anybody, `{"StringEquals":{"aws:FederatedProvider":"`+inAccount(elsewhere)+`"}}`), trusting{"", nil, breadth.Dead, "FederatedProvider"}},
		"a key that nobody gave":       {with(anybody, `{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`), trusting{"", nil, breadth.Undecided, "put it into context.keys"}},
		"a key that was given":         {with(anybody, `{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`), trusting{"", keys("aws:sourcevpc", "vpc-1"), breadth.Broad, ""}},
		"a key given otherwise":        {with(anybody, `{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`), trusting{"", keys("aws:sourcevpc", "vpc-2"), breadth.Dead, ""}},
		"a claim's key given":          {with(anybody, `{"StringEquals":{"host:environment":"prod"}}`), trusting{"", keys(githubHost+":environment", "test"), breadth.Dead, ""}},
		"a claim's key taken away":     {mainOnly, trusting{"", keys(githubHost+":sub", nil), breadth.Dead, ""}},
		"a session name":               {with(anybody, name("ci")), trusting{"", nil, breadth.Broad, "the caller chooses the session name: taken for ci"}},
		"a session name that is given": {with(anybody, name("ci")), trusting{"", map[string]any{"role_session_name": "other"}, breadth.Dead, ""}},
		"a session name as the actor":  {with(anybody, name("${"+githubHost+":actor}")), trusting{"", nil, breadth.Undecided, "the caller chooses it"}},
		"main, named as the actor":     {with(mainOnly, name("${"+githubHost+":actor}")), trusting{"", nil, breadth.Tight, ""}},
		"any network":                  {with(anybody, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`), trusting{"", nil, breadth.Broad, "the address is taken for"}},
		"a network":                    {with(anybody, `{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), trusting{"", nil, breadth.Undecided, ""}},
		"a list that GitHub mints not": {with(anybody, `{"ForAllValues:StringEquals":{"host:amr":"x"}}`), trusting{"", nil, breadth.Broad, ""}},
		"one of a list that is absent": {with(anybody, `{"ForAnyValue:StringEquals":{"host:amr":"x"}}`), trusting{"", nil, breadth.Dead, "mints no claim"}},
	} {
		t.Run(title, c.trusting.checks(c.condition))
	}
	// The caller takes whichever name lets him in.
	t.Run("two session names", trusting{trustPolicy(statement("Allow", inAccount(here), with(mainOnly, name("one"))), statement("Allow", inAccount(here), with(anybody, name("two")))),
		nil, breadth.Undecided, ""}.check)
	t.Run("an address or an endpoint", trusting{trustPolicy(statement("Allow", inAccount(here), with(mainOnly, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`)),
		statement("Allow", inAccount(here), with(anybody, `{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`))), nil, breadth.Undecided, ""}.check)
	t.Run("other session names denied", trusting{trustPolicy(statement("Allow", inAccount(here), anybody), statement("Deny", inAccount(here), `{"StringNotLike":{"sts:RoleSessionName":"ci-*"}}`)),
		nil, breadth.Broad, "taken for ci-x"}.check)
}

func TestPolicyVariablesLeaveTheTextAround(t *testing.T) {
	t.Parallel()
	sub := func(operator, text string) string {
		return `{"` + operator + `":{"host:sub":"` + text + `"}}`
	}
	given := map[string]any{"keys": map[string]any{"aws:PrincipalTag/x": "acme"}}
	for title, c := range map[string]struct {
		condition string
		trusting
	}{
		"never a value":          {sub("StringEquals", "${aws:PrincipalTag/x}"), trusting{"", nil, breadth.Dead, ""}},
		"never a value, negated": {sub("StringNotEquals", "${aws:PrincipalTag/x}"), trusting{"", nil, breadth.Broad, ""}},
		"a default":              {sub("StringLike", "repo:${aws:PrincipalTag/x, 'acme'}/app:*"), trusting{"", nil, breadth.Tight, ""}},
		"a default of the owner": {sub("StringLike", "repo:${aws:PrincipalTag/x, 'acme'}/*"), trusting{"", nil, breadth.Broad, ""}},
		"a value after all":      {sub("StringLike", "repo:${aws:PrincipalTag/x, 'acme'}/app:*"), trusting{"", given, breadth.Undecided, "the context gives"}},
		"the token's own ref":    {sub("StringEquals", "repo:acme/app:ref:${host:ref}"), trusting{"", nil, breadth.Tight, ""}},
		"any owner's own ref":    {sub("StringLike", "repo:*:ref:${host:ref}"), trusting{"", nil, breadth.Undecided, "policy variable"}},
		"the session's name":     {sub("StringLike", "repo:acme/app:${sts:RoleSessionName}"), trusting{"", nil, breadth.Tight, ""}},
	} {
		t.Run(title, c.trusting.checks(c.condition))
	}
	t.Run("all but the token's own ref denied", trusting{
		trustPolicy(statement("Allow", inAccount(here), anybody), statement("Deny", inAccount(here), sub("StringNotLike", "repo:acme/app:ref:${host:ref}"))), nil, breadth.Tight, "",
	}.check)
	// Whether what is no ARN matches a negated operator, AWS does not say.
	t.Run("denied what is no ARN", trusting{
		trustPolicy(statement("Allow", inAccount(here), anybody), statement("Deny", inAccount(here), sub("ArnNotLike", "arn:aws:a:b:c:d"))), nil, breadth.Undecided, "",
	}.check)
}
