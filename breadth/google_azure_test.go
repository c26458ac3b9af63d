package breadth_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
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
	"github.com/trustcheck/trustcheck/breadth"
)

// reasoned is a role with the verdict that follows from the platforms' and issuers' rules,
// and why: written apart from the analysis, broad roles beside twins that differ by one thing.
type reasoned struct {
	trap
	Why   string `json:"why"`
	Model string `json:"issuer_model"`
}

func readReasoned(t *testing.T, file string) []reasoned {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []reasoned
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one reasoned
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func TestGoogleAndAzureRolesAreJudgedByTheirRules(t *testing.T) {
	t.Parallel()
	bundle := openBundle(t)
	analyser := breadth.New(bundle)
	witnesses := map[string]int{}
	for _, one := range readReasoned(t, "testdata/google-azure.jsonl") {
		t.Run(one.Name, func(t *testing.T) {
			breadth.Thin(t)
			doc, err := trustcheck.ReadDocument("role.json", one.Role)
			if err != nil {
				t.Fatal(err)
			}
			subject := breadth.Subject{Limits: patient, Issuer: one.Issuer, Model: one.Model, Now: time.Unix(1_800_000_000, 0)}
			if subject.Role, err = bundle.Prepare(context.Background(), doc, one.Platform, nil); err != nil {
				t.Fatal(err)
			}
			if len(one.Scope) > 0 {
				if subject.Scope, err = breadth.ReadScope(one.Scope); err != nil {
					t.Fatal(err)
				}
			}
			if subject.Facts, err = breadth.ReadFacts(one.Facts); err != nil {
				t.Fatal(err)
			}
			result, err := analyser.Analyse(context.Background(), subject)
			if err != nil {
				t.Fatal(err)
			}
			if string(result.Verdict) != one.Verdict {
				t.Errorf("want %s, as %s; got %s: %q", one.Verdict, one.Why, result.Verdict, result.Why)
			}
			for name, wanted := range one.Attackers {
				if got := string(result.Attackers[name]); got != wanted {
					t.Errorf("%s: want %s, got %s", name, wanted, got)
				}
			}
			accepts := map[string]func(*testing.T, json.RawMessage, map[string]any) bool{"gcp": googleAccepts, "azure": azureAccepts}[one.Platform]
			for name, token := range result.Tokens {
				claims := asJSON(t, token.Claims)
				if !accepts(t, one.Role, claims) {
					t.Errorf("%s: the token is refused: %v", name, claims)
				}
				if len(one.Scope) > 0 && token.Inside != withinScope(t, one.Scope, claims) {
					t.Errorf("%s: said to be inside %s: %t: %v", name, one.Scope, token.Inside, claims)
				}
				witnesses[one.Platform]++
			}
			if result.Witness != nil && len(one.Scope) > 0 && withinScope(t, one.Scope, asJSON(t, result.Witness.Claims)) {
				t.Errorf("the witness lies inside %s: %v", one.Scope, result.Witness.Claims)
			}
		})
	}
	t.Logf("tokens that the evaluators took: %v", witnesses)
}

func asJSON(t *testing.T, claims map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

// withinScope is a scope as contracts have it, read apart from the analysis.
func withinScope(t *testing.T, text []byte, claims map[string]any) bool {
	t.Helper()
	var scope map[string]any
	if err := json.Unmarshal(text, &scope); err != nil {
		t.Fatal(err)
	}
	return holds(scope, claims)
}

func holds(scope, claims map[string]any) bool {
	for name, wanted := range scope {
		values, isList := wanted.([]any)
		if !isList {
			values = []any{wanted}
		}
		got := claims[name]
		one := false
		for _, value := range values {
			switch name {
			case "any_of":
				one = one || holds(value.(map[string]any), claims)
			case "issuer":
				one = one || claims["iss"] == value
			case "namespace_path":
				path, _ := got.(string)
				one = one || path == value || strings.HasPrefix(path, value.(string)+"/")
			case "event_name_not":
				one = one || claims["event_name"] == value
			default:
				one = one || got == value
			}
		}
		if one == (name == "event_name_not") {
			return false
		}
	}
	return true
}

// googleAccepts asks cel-go, as Google documents providers, conditions and bindings.
func googleAccepts(t *testing.T, document json.RawMessage, claims map[string]any) bool {
	t.Helper()
	type provider struct {
		Name, State, AttributeCondition string
		Disabled                        bool
		AttributeMapping                map[string]string
		Oidc                            struct {
			IssuerURI        string
			AllowedAudiences []string
		}
	}
	var role struct {
		provider
		Provider  *provider
		Providers []provider
		IamPolicy struct {
			Bindings []struct {
				Members   []string
				Condition *struct{ Expression string }
			}
		}
	}
	if err := json.Unmarshal(document, &role); err != nil {
		t.Fatal(err)
	}
	providers := role.Providers
	if role.Provider != nil {
		providers = append(providers, *role.Provider)
	}
	bound := len(providers) > 0
	if !bound {
		providers = append(providers, role.provider)
	}
	for _, p := range providers {
		audiences := p.Oidc.AllowedAudiences
		if len(audiences) == 0 {
			audiences = []string{"//iam.googleapis.com/" + p.Name, "https://iam.googleapis.com/" + p.Name}
		}
		asked, isList := claims["aud"].([]any)
		if !isList {
			asked = []any{claims["aud"]}
		}
		fits := slices.ContainsFunc(asked, func(aud any) bool {
			text, _ := aud.(string)
			return slices.Contains(audiences, text)
		})
		if p.Disabled || p.State == "DELETED" || strings.TrimSuffix(p.Oidc.IssuerURI, "/") != claims["iss"] || !fits {
			continue
		}
		variables := map[string]any{"assertion": claims, "attribute": map[string]any{}, "google": map[string]any{}}
		exchanged := true
		for key, expression := range p.AttributeMapping {
			family, name, _ := strings.Cut(key, ".")
			value, ok := evaluated(t, expression, variables)
			_, isText := value.(string)
			_, isGroups := value.([]any)
			exchanged = exchanged && ok && (isText || key == "google.groups" && isGroups)
			variables[family].(map[string]any)[name] = value
		}
		subject, _ := variables["google"].(map[string]any)["subject"].(string)
		if !exchanged || subject == "" || len(subject) > 127 {
			continue
		}
		if p.AttributeCondition != "" {
			if value, _ := evaluated(t, p.AttributeCondition, variables); value != true {
				continue
			}
		}
		if !bound {
			return true
		}
		pool, _, _ := strings.Cut(p.Name, "/providers/")
		for _, binding := range role.IamPolicy.Bindings {
			for _, member := range binding.Members {
				if binding.Condition == nil && isMember(member, "iam.googleapis.com/"+pool, variables) {
					return true
				}
			}
		}
	}
	return false
}

func isMember(member, pool string, variables map[string]any) bool {
	google, attribute := variables["google"].(map[string]any), variables["attribute"].(map[string]any)
	if subject, ok := strings.CutPrefix(member, "principal://"+pool+"/subject/"); ok {
		return google["subject"] == subject
	}
	set, ok := strings.CutPrefix(member, "principalSet://"+pool+"/")
	if !ok || set == "*" {
		return ok
	}
	kind, value, _ := strings.Cut(set, "/")
	if kind == "group" {
		groups, _ := google["groups"].([]any)
		return slices.Contains(groups, any(value))
	}
	return attribute[strings.TrimPrefix(kind, "attribute.")] == value
}

var celEnvironment = sync.OnceValues(func() (*celgo.Env, error) {
	claims := celgo.MapType(celgo.StringType, celgo.DynType)
	return celgo.NewEnv(ext.Strings(),
		celgo.Variable("assertion", claims), celgo.Variable("attribute", claims), celgo.Variable("google", claims),
		celgo.Function("extract", celgo.MemberOverload("string_extract_string",
			[]*celgo.Type{celgo.StringType, celgo.StringType}, celgo.StringType, celgo.BinaryBinding(extracted))))
})

var extractTemplate = regexp.MustCompile(`(?s)^(.*)\{[A-Za-z0-9_]+\}(.*)$`)

func extracted(value, template ref.Val) ref.Val {
	around := extractTemplate.FindStringSubmatch(string(template.(types.String)))
	_, rest, found := strings.Cut(string(value.(types.String)), around[1])
	if around[2] != "" && found {
		rest, _, found = strings.Cut(rest, around[2])
	}
	if !found {
		return types.String("")
	}
	return types.String(rest)
}

// evaluated is what an expression comes to; false where that is an error.
func evaluated(t *testing.T, expression string, variables map[string]any) (any, bool) {
	t.Helper()
	environment, err := celEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	tree, issues := environment.Compile(expression)
	if issues.Err() != nil {
		t.Fatalf("%s: %v", expression, issues.Err())
	}
	program, err := environment.Program(tree)
	if err != nil {
		t.Fatal(err)
	}
	value, _, err := program.Eval(variables)
	if err != nil {
		return nil, false
	}
	if value.Type() == types.ListType {
		elements, err := value.ConvertToNative(reflect.TypeFor[[]any]())
		return elements, err == nil
	}
	return value.Value(), true
}

// azureAccepts is Entra's comparison as Microsoft documents it.
func azureAccepts(t *testing.T, document json.RawMessage, claims map[string]any) bool {
	t.Helper()
	type credential struct {
		Issuer, Subject          string
		Audiences                []string
		ClaimsMatchingExpression *struct{ Value string }
	}
	var all []credential
	var listed struct{ Value []credential }
	if json.Unmarshal(document, &all) != nil {
		if err := json.Unmarshal(document, &listed); err != nil {
			t.Fatal(err)
		}
		if all = listed.Value; all == nil {
			all = make([]credential, 1)
			if err := json.Unmarshal(document, &all[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return slices.ContainsFunc(all, func(c credential) bool {
		if c.Issuer != claims["iss"] || len(c.Audiences) != 1 || claims["aud"] != c.Audiences[0] {
			return false
		}
		if c.ClaimsMatchingExpression == nil {
			return c.Subject == claims["sub"]
		}
		for term := range strings.SplitSeq(c.ClaimsMatchingExpression.Value, " and ") {
			parts := matchingTerm.FindStringSubmatch(term)
			if parts == nil {
				return false
			}
			got, isText := claims[parts[1]].(string)
			wanted := strings.ReplaceAll(parts[3], "''", "'")
			if !isText || parts[2] == "eq" && got != wanted || parts[2] == "matches" && !likes([]rune(wanted), []rune(got)) {
				return false
			}
		}
		return true
	})
}

var matchingTerm = regexp.MustCompile(`^claims\['([a-z_]+)'\] (eq|matches) '((?:[^']|'')*)'$`)

// likes matches * with any run of letters and ? with one.
func likes(pattern, text []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == '*':
		return likes(pattern[1:], text) || len(text) > 0 && likes(pattern, text[1:])
	default:
		return len(text) > 0 && (pattern[0] == '?' || pattern[0] == text[0]) && likes(pattern[1:], text[1:])
	}
}
