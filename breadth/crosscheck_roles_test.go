package breadth_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// asks is a claim that a role is to ask about: often the subject, which most platforms
// have, otherwise one of those that this one reads.
func asks(r *rand.Rand, ci system, read []string) (claim string, globs []string) {
	known := ci.claims()
	var others []string
	for _, claim := range slices.Sorted(maps.Keys(known)) {
		if read == nil || slices.Contains(read, claim) {
			others = append(others, claim)
		}
	}
	if len(others) == 0 || r.IntN(3) > 0 {
		claim = "sub"
		for range 1 + r.IntN(5)/3 {
			globs = append(globs, ci.subject(r))
		}
		return claim, globs
	}
	claim = either(r, others...)
	for range 1 + r.IntN(5)/3 {
		globs = append(globs, either(r, known[claim]...))
	}
	return claim, globs
}

// nameTexts adds to those named of a claim the texts among globs, and the mail domains.
func nameTexts(all map[string][]string, claim string, globs ...string) {
	for _, glob := range globs {
		if !strings.ContainsAny(glob, "*?") || strings.HasPrefix(glob, "*@") {
			if text := strings.TrimPrefix(glob, "*"); !slices.Contains(all[claim], text) {
				all[claim] = append(all[claim], text)
			}
		}
	}
}

// --- AWS: a trust policy, by the IAM user guide's pages on condition operators, on set
// operators and on the keys that STS fills ---

type trust struct {
	host       string
	filled     []string
	statements []trustStatement
}

type trustStatement struct {
	deny       bool
	host       string
	conditions []trustCondition
}

type trustCondition struct {
	set, operator string
	ifExists      bool
	claim         string
	values        []string
}

func newTrust(r *rand.Rand, ci system) document {
	t := &trust{host: strings.TrimPrefix(ci.issuer(), "https://"), filled: []string{"sub", "aud"}}
	switch t.host {
	case "token.actions.githubusercontent.com":
		t.filled = append(t.filled, "actor", "actor_id", "job_workflow_ref", "repository", "repository_id", "repository_owner_id", "workflow", "ref", "environment", "enterprise_id")
	case "gitlab.com":
		t.filled = append(t.filled, "namespace_id", "project_id", "user_id", "user_login", "user_email", "user_access_level", "ref_protected", "pipeline_source", "runner_environment")
	}
	for i := range 1 + r.IntN(3) {
		s := trustStatement{deny: i > 0 && r.IntN(2) == 0, host: t.host}
		if r.IntN(20) == 0 {
			s.host = "other.example"
		}
		if r.IntN(3) > 0 {
			s.conditions = append(s.conditions, trustCondition{operator: "StringEquals", claim: "aud", values: []string{"sts.amazonaws.com"}})
		}
		for range 1 + r.IntN(2) {
			s.conditions = append(s.conditions, t.condition(r, ci))
		}
		t.statements = append(t.statements, s)
	}
	return t
}

func (t *trust) condition(r *rand.Rand, ci system) trustCondition {
	read := t.filled
	if r.IntN(8) == 0 {
		read = nil
	}
	claim, globs := asks(r, ci, read)
	c := trustCondition{claim: claim, values: globs, set: either(r, "", "", "", "", "ForAllValues:", "ForAnyValue:"), ifExists: r.IntN(6) == 0}
	c.operator = either(r, "StringLike", "StringLike", "StringLike", "StringEquals", "StringEqualsIgnoreCase", "StringNotLike", "StringNotEquals", "StringNotEqualsIgnoreCase")
	if !strings.ContainsAny(strings.Join(globs, ""), "*?") {
		c.operator = either(r, "StringEquals", "StringEquals", "StringLike", "StringEqualsIgnoreCase", "StringNotEquals")
	}
	if r.IntN(14) == 0 {
		return trustCondition{operator: "Null", claim: claim, values: []string{either(r, "true", "false")}}
	}
	return c
}

func (t *trust) platform() string { return "aws" }

func (t *trust) text() any {
	var statements []any
	for _, s := range t.statements {
		conditions := map[string]any{}
		for _, c := range s.conditions {
			operator := c.set + c.operator
			if c.ifExists {
				operator += "IfExists"
			}
			if conditions[operator] == nil {
				conditions[operator] = map[string]any{}
			}
			conditions[operator].(map[string]any)[t.host+":"+c.claim] = c.values
		}
		statements = append(statements, map[string]any{
			"Effect": map[bool]string{true: "Deny", false: "Allow"}[s.deny], "Action": "sts:AssumeRoleWithWebIdentity", "Condition": conditions,
			"Principal": map[string]any{"Federated": "arn:aws:iam::123456789012:oidc-provider/" + s.host},
		})
	}
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

func (t *trust) wishes() []wish {
	all := []wish{{"aud", "sts.amazonaws.com"}}
	for _, s := range t.statements {
		for _, c := range s.conditions {
			if c.operator != "Null" {
				all = append(all, wish{c.claim, c.values[0]}, wish{c.claim, c.values[len(c.values)-1]})
			}
		}
	}
	return all
}

func (t *trust) named() map[string][]string {
	all := map[string][]string{}
	for _, s := range t.statements {
		for _, c := range s.conditions {
			if !s.deny && !strings.Contains(c.operator, "Not") && c.operator != "Null" {
				nameTexts(all, c.claim, c.values...)
			}
		}
	}
	return all
}

func (t *trust) admits(claims map[string]any) truth {
	allowed := false
	for i, s := range t.statements {
		// Where two conditions of a statement have one operator and key, the later is all
		// that the document says.
		holds := "https://"+s.host == claims["iss"]
		for j, c := range s.conditions {
			overridden := slices.ContainsFunc(t.statements[i].conditions[j+1:], func(later trustCondition) bool {
				return later.set == c.set && later.operator == c.operator && later.ifExists == c.ifExists && later.claim == c.claim
			})
			holds = holds && (overridden || t.holds(c, claims))
		}
		if holds && s.deny {
			return never
		}
		allowed = allowed || holds
	}
	subject, _ := claims["sub"].(string)
	if allowed && len(subject) > 255 {
		return perhaps
	}
	return truthOf(allowed)
}

func (t *trust) holds(c trustCondition, claims map[string]any) bool {
	value, there := claims[c.claim].(string)
	there = there && slices.Contains(t.filled, c.claim)
	if c.operator == "Null" {
		return there != (c.values[0] == "true")
	}
	negated := strings.Contains(c.operator, "Not")
	if !there {
		return c.ifExists || c.set == "ForAllValues:" || negated && c.set == ""
	}
	return negated != slices.ContainsFunc(c.values, func(wanted string) bool {
		switch {
		case strings.HasSuffix(c.operator, "Like"):
			return matchesGlob(wanted, value, true)
		case strings.HasSuffix(c.operator, "IgnoreCase"):
			return strings.EqualFold(wanted, value)
		}
		return wanted == value
	})
}

// --- Google: a provider and a binding, run by cel-go ---

type provider struct {
	iss, member string
	mapping     map[string]string
	condition   string
	wanted      []wish
	positive    map[string][]string
	programs    map[string]cel.Program
}

const poolPath = "projects/123456789012/locations/global/workloadIdentityPools/ci"

var celHost = sync.OnceValues(func() (*cel.Env, error) {
	texts := cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(ext.Strings(), cel.Variable("assertion", texts), cel.Variable("attribute", texts), cel.Variable("google", texts),
		cel.Function("extract", cel.MemberOverload("extract_text", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType, cel.BinaryBinding(between))))
})

// between is Google's extract: what stands between the first of the one text and the first
// of the other behind it, and nothing where either is missing.
func between(value, template ref.Val) ref.Val {
	head, tail, _ := strings.Cut(string(template.(types.String)), "{")
	_, tail, _ = strings.Cut(tail, "}")
	_, rest, found := strings.Cut(string(value.(types.String)), head)
	if !found || tail == "" {
		return types.String(rest)
	}
	inner, _, found := strings.Cut(rest, tail)
	if !found {
		return types.String("")
	}
	return types.String(inner)
}

func newProvider(r *rand.Rand, ci system) document {
	p := &provider{iss: ci.issuer(), mapping: map[string]string{"google.subject": "assertion.sub"}, positive: map[string][]string{}, programs: map[string]cel.Program{}}
	path, group := "repository", "repository_owner"
	if _, lab := ci.(*lab); lab {
		path, group = "project_path", "namespace_path"
	}
	p.mapping["attribute.path"] = "assertion." + path
	p.mapping["attribute.owner"] = either(r, "assertion."+group, "assertion."+path+".split('/')[0]", "assertion."+path+".extract('{x}/')")
	if r.IntN(4) == 0 {
		p.mapping["attribute.place"] = either(r, "assertion.environment", "has(assertion.environment) ? assertion.environment : ''", "assertion.ref")
	}
	if r.IntN(6) == 0 {
		p.mapping["google.subject"] = "assertion." + path
	}
	p.condition = p.expression(r, ci, r.IntN(3))
	member := either(r, "/*", "/*", "/*", "/attribute.path/acme/app", "/attribute.owner/acme", "/attribute.path/acme/app", "/attribute.place/production")
	switch {
	case strings.HasPrefix(member, "/attribute.path/"):
		p.want(path, "acme/app", true)
	case strings.HasPrefix(member, "/attribute.owner/"):
		p.want(group, "acme", true)
	case strings.HasPrefix(member, "/attribute.place/"):
		p.want("environment", "production", true)
	}
	p.member = "principalSet://iam.googleapis.com/" + poolPath + member
	return p
}

func (p *provider) want(claim, glob string, positive bool) {
	p.wanted = append(p.wanted, wish{claim, glob})
	if positive {
		nameTexts(p.positive, claim, glob)
	}
}

func (p *provider) expression(r *rand.Rand, ci system, depth int) string {
	if depth == 0 {
		return p.leaf(r, ci)
	}
	left, right := p.expression(r, ci, depth-1), p.expression(r, ci, r.IntN(depth))
	switch r.IntN(8) {
	case 0, 1, 2, 3:
		return "(" + left + " && " + right + ")"
	case 4, 5:
		return "(" + left + " || " + right + ")"
	case 6:
		return left + " && !(" + right + ")"
	}
	return "(" + p.leaf(r, ci) + " ? " + left + " : " + right + ")"
}

func (p *provider) leaf(r *rand.Rand, ci system) string {
	claim, globs := asks(r, ci, nil)
	glob, read := globs[0], "assertion."+claim
	for i, one := range globs {
		p.want(claim, one, i == 0)
	}
	plain := strings.ReplaceAll(glob, "?", "")
	head, rest, starred := strings.Cut(plain, "*")
	if r.IntN(10) == 0 {
		return "has(" + read + ")"
	}
	if (claim == "sub" || strings.Contains(plain, "/")) && r.IntN(6) == 0 {
		return p.cut(r, claim, read)
	}
	if !starred {
		return either(r, fmt.Sprintf("%s == '%s'", read, plain), fmt.Sprintf("%s == '%s'", read, plain), fmt.Sprintf("%s in ['%s', 'other']", read, plain),
			fmt.Sprintf("%s != '%s'", read, plain), fmt.Sprintf("%s.startsWith('%s')", read, plain), fmt.Sprintf("%s.contains('%s')", read, plain), fmt.Sprintf("%s.matches('%s')", read, plain),
			fmt.Sprintf("(has(%s) && %s == '%s')", read, read, plain))
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(plain), `\*`, either(r, ".*", ".*", "[^/]*", "[^:]+", "[a-z-]*"))
	switch {
	case rest == "" && r.IntN(2) == 0:
		return fmt.Sprintf("%s.startsWith('%s')", read, head)
	case head == "" && !strings.Contains(rest, "*") && r.IntN(2) == 0:
		return fmt.Sprintf("%s.endsWith('%s')", read, rest)
	case r.IntN(5) == 0:
		return fmt.Sprintf("%s.matches(r'%s')", read, pattern)
	case r.IntN(8) == 0:
		return fmt.Sprintf("%s.matches(r'^%s|^other$')", read, pattern)
	}
	return fmt.Sprintf("%s.matches(r'^%s$')", read, pattern)
}

// cut compares a part of a claim.
func (p *provider) cut(r *rand.Rand, claim, read string) string {
	switch r.IntN(4) {
	case 0:
		p.want(claim, "*:acme/app:*", true)
		return fmt.Sprintf("%s.split(':')[%d] == 'acme/app'", read, 1+r.IntN(2))
	case 1:
		p.want(claim, "*:acme/app:*", true)
		return read + ".extract('" + either(r, "repo:{x}:", "project_path:{x}:", ":{x}:") + "') == 'acme/app'"
	case 2:
		p.want(claim, "*:ref:*main", true)
		return read + ".extract('ref:{x}')" + either(r, " == 'refs/heads/main'", " == 'main'", ".startsWith('refs/heads/')", ".endsWith('main')")
	}
	p.want(claim, "*acme/*", true)
	return read + ".split('/')[0]" + either(r, " == 'acme'", ".endsWith(':acme')", " == 'repo:acme'", " == 'project_path:acme'")
}

func (p *provider) platform() string           { return "gcp" }
func (p *provider) wishes() []wish             { return append(slices.Clone(p.wanted), wish{"aud", "v"}) }
func (p *provider) named() map[string][]string { return p.positive }

func (p *provider) text() any {
	return map[string]any{
		"provider": map[string]any{
			"name": poolPath + "/providers/ci", "attributeMapping": p.mapping, "attributeCondition": p.condition,
			"oidc": map[string]any{"issuerUri": p.iss, "allowedAudiences": []string{"v"}},
		},
		"iamPolicy": map[string]any{"bindings": []any{map[string]any{"role": "roles/iam.workloadIdentityUser", "members": []string{p.member}}}},
	}
}

func (p *provider) eval(expression string, in map[string]any) (ref.Val, error) {
	program := p.programs[expression]
	if program == nil {
		env, err := celHost()
		if err != nil {
			return nil, err
		}
		tree, issues := env.Compile(expression)
		if issues.Err() != nil {
			return nil, issues.Err()
		}
		if program, err = env.Program(tree); err != nil {
			return nil, err
		}
		p.programs[expression] = program
	}
	value, _, err := program.Eval(in)
	return value, err
}

func (p *provider) admits(claims map[string]any) truth {
	if claims["iss"] != p.iss || claims["aud"] != "v" {
		return never
	}
	in := map[string]any{"assertion": claims, "attribute": map[string]any{}, "google": map[string]any{}}
	answer, mapped := surely, map[string]string{}
	for key, expression := range p.mapping {
		value, err := p.eval(expression, in)
		text, isText := "", false
		if err == nil {
			text, isText = value.Value().(string)
		}
		switch {
		case err != nil && key != "google.subject":
			// Nobody says whether the exchange goes on where a mapping fails.
			answer = perhaps
			continue
		case !isText, key == "google.subject" && (text == "" || len(text) > 127):
			return never
		}
		mapped[key] = text
	}
	holds, err := p.eval(p.condition, in)
	if err != nil || holds != types.True {
		return never
	}
	member := strings.TrimPrefix(p.member, "principalSet://iam.googleapis.com/"+poolPath+"/")
	if key, value, _ := strings.Cut(member, "/"); member != "*" {
		if found, there := mapped[key]; !there || found != value {
			return never
		}
	}
	return answer
}

// --- Azure: a federated identity credential, by Microsoft's pages on both kinds ---

type credential struct {
	iss, subject string
	terms        []credentialTerm
}

type credentialTerm struct{ claim, operator, value string }

func newCredential(r *rand.Rand, ci system) document {
	c := &credential{iss: ci.issuer()}
	_, isLab := ci.(*lab)
	if r.IntN(4) == 0 || !isLab && ci.model() != "" {
		c.subject = ci.subject(r)
		if r.IntN(4) > 0 {
			c.subject = strings.NewReplacer("*", "app", "?", "a").Replace(c.subject)
		}
		return c
	}
	add := func(claim, value string) {
		operator := "eq"
		if strings.Contains(value, "*") || r.IntN(4) == 0 {
			operator = "matches"
		}
		c.terms = append(c.terms, credentialTerm{claim, operator, value})
	}
	add("sub", ci.subject(r))
	if isLab {
		if r.IntN(2) == 0 {
			c.terms = append(c.terms, credentialTerm{either(r, "project_id", "namespace_id"), "eq", either(r, "34", "12", "35")})
		}
		return c
	}
	if r.IntN(3) == 0 {
		add("job_workflow_ref", either(r, ci.claims()["job_workflow_ref"]...))
	}
	if r.IntN(3) == 0 {
		c.terms = append(c.terms, either(r, credentialTerm{"repository_owner_id", "eq", "12"}, credentialTerm{"repository_id", "eq", "34"}))
	}
	return c
}

func (c *credential) platform() string { return "azure" }

func (c *credential) text() any {
	all := map[string]any{"name": "ci-role", "issuer": c.iss, "audiences": []string{"api://AzureADTokenExchange"}}
	if len(c.terms) == 0 {
		all["subject"] = c.subject
		return all
	}
	var parts []string
	for _, term := range c.terms {
		parts = append(parts, fmt.Sprintf("claims['%s'] %s '%s'", term.claim, term.operator, strings.ReplaceAll(term.value, "'", "''")))
	}
	all["claimsMatchingExpression"] = map[string]any{"value": strings.Join(parts, " and "), "languageVersion": 1}
	return all
}

func (c *credential) wishes() []wish {
	all := []wish{{"aud", "api://AzureADTokenExchange"}}
	if len(c.terms) == 0 {
		return append(all, wish{"sub", c.subject})
	}
	for _, term := range c.terms {
		all = append(all, wish{term.claim, term.value})
	}
	return all
}

func (c *credential) named() map[string][]string {
	all := map[string][]string{}
	for _, w := range c.wishes() {
		nameTexts(all, w.claim, w.glob)
	}
	return all
}

func (c *credential) admits(claims map[string]any) truth {
	if claims["iss"] != c.iss || claims["aud"] != "api://AzureADTokenExchange" {
		return never
	}
	if len(c.terms) == 0 {
		return truthOf(claims["sub"] == c.subject)
	}
	for _, term := range c.terms {
		value, there := claims[term.claim].(string)
		if !there || term.operator == "eq" && value != term.value || term.operator == "matches" && !matchesGlob(term.value, value, true) {
			return never
		}
	}
	return surely
}

// --- Vault: a role of the JWT auth method, by its documentation and claims.go of
// hashicorp/vault-plugin-auth-jwt ---

type vaultLogin struct {
	bound     map[string][]string
	globs     bool
	userClaim string
	audience  bool
	subject   string
}

func newVaultRole(r *rand.Rand, ci system) document {
	v := &vaultLogin{bound: map[string][]string{}, globs: r.IntN(4) > 0, userClaim: either(r, "sub", "sub", "iss", "environment"), audience: r.IntN(6) > 0}
	for range 1 + r.IntN(3) {
		claim, globs := asks(r, ci, nil)
		v.bound[claim] = globs
	}
	if r.IntN(8) == 0 {
		v.subject = strings.NewReplacer("*", "app", "?", "a").Replace(ci.subject(r))
	}
	return v
}

func (v *vaultLogin) platform() string { return "vault" }

func (v *vaultLogin) text() any {
	role := map[string]any{"role_type": "jwt", "user_claim": v.userClaim, "bound_claims": v.bound}
	if v.audience {
		role["bound_audiences"] = []string{"v"}
	}
	if v.globs {
		role["bound_claims_type"] = "glob"
	}
	if v.subject != "" {
		role["bound_subject"] = v.subject
	}
	return role
}

func (v *vaultLogin) wishes() []wish {
	all := []wish{{"aud", "v"}}
	if !v.audience {
		all[0].glob = ""
	}
	if v.subject != "" {
		all = append(all, wish{"sub", v.subject})
	}
	for _, claim := range slices.Sorted(maps.Keys(v.bound)) {
		all = append(all, wish{claim, v.bound[claim][0]}, wish{claim, v.bound[claim][len(v.bound[claim])-1]})
	}
	return all
}

func (v *vaultLogin) named() map[string][]string {
	all := map[string][]string{}
	for claim, globs := range v.bound {
		nameTexts(all, claim, globs...)
	}
	return all
}

func (v *vaultLogin) admits(claims map[string]any) truth {
	audience, _ := claims["aud"].(string)
	if v.audience && audience != "v" || !v.audience && audience != "" {
		return never
	}
	if user, ok := claims[v.userClaim].(string); !ok || user == "" || v.subject != "" && claims["sub"] != v.subject {
		return never
	}
	for claim, wanted := range v.bound {
		got, many := claims[claim].([]any)
		if !many {
			got = []any{claims[claim]}
		}
		if !slices.ContainsFunc(got, func(value any) bool {
			text, ok := value.(string)
			return ok && utf8.ValidString(text) && slices.ContainsFunc(wanted, func(glob string) bool {
				return glob == text || v.globs && matchesGlob(glob, text, false)
			})
		}) {
			return never
		}
	}
	return surely
}
