package carrier

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// describe writes a document with the place of every member, for people to read.
func describe(doc *trustcheck.Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: kind %s, name %q, address %q\n", filepath.Base(doc.File), doc.Line, doc.Kind, doc.Name, doc.Address)
	for _, w := range doc.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", w)
	}
	pointers := make([]string, 0, len(doc.Positions))
	for p := range doc.Positions {
		pointers = append(pointers, p)
	}
	sort.Strings(pointers)
	for _, p := range pointers {
		at := doc.Positions[p]
		value := ""
		switch v := lookup(doc.Value, p).(type) {
		case map[string]any, []any:
		default:
			text, _ := json.Marshal(v)
			value = " = " + string(text)
		}
		if reason, ok := doc.Unknown[p]; ok {
			value = " unknown: " + reason
		}
		fmt.Fprintf(&b, "  %d:%d %s%s\n", at.Line, at.Column, p, value)
	}
	return b.String()
}

func lookup(value any, pointer string) any {
	if pointer == "" {
		return value
	}
	for _, token := range strings.Split(pointer[1:], "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := value.(type) {
		case map[string]any:
			value = v[token]
		case []any:
			var i int
			fmt.Sscan(token, &i)
			value = v[i]
		}
	}
	return value
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -update rewrites it. Got:\n%s", file, got)
	}
}

func readTestdata(t *testing.T, file string) []*trustcheck.Document {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := Read(filepath.Base(file), text)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// One role of each platform goes through all of its carriers. The golden file has
// every member with its place; below, the part that says who comes in is held
// against the first carrier's.
func TestSameDocumentThroughEveryCarrier(t *testing.T) {
	for _, test := range []struct {
		folder string
		kinds  []string                       // of the documents to compare
		part   func(*trustcheck.Document) any // in one spelling
		count  int                            // of documents compared
	}{
		{"vault", []string{"json", "yaml", "vault.read", "vault_jwt_auth_backend_role", "vault_generic_endpoint"}, vaultRole, 9},
		{"aws", []string{"json", "aws.role", "aws_iam_role", "AWS::IAM::Role", "aws:iam/role:Role"}, trustPolicy, 16},
		{"google", []string{"gcp.provider", "google_iam_workload_identity_pool_provider", "iam.cnrm.cloud.google.com/v1beta1/IAMWorkloadIdentityPoolProvider"}, googleProvider, 7},
		{"azure", []string{"azure.credential", "azuread_application_federated_identity_credential", "azurerm_federated_identity_credential"}, azureCredential, 6},
	} {
		t.Run(test.folder, func(t *testing.T) {
			files, err := filepath.Glob("testdata/same/" + test.folder + "/*")
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			var first any
			count := 0
			for _, file := range files {
				for _, doc := range readTestdata(t, file) {
					out.WriteString(describe(doc))
					if !contains(test.kinds, doc.Kind) {
						continue
					}
					count++
					part := test.part(doc)
					if first == nil {
						first = part
					}
					if part == nil || !reflect.DeepEqual(part, first) {
						t.Errorf("%s, %s: want %v, got %v", file, doc.Kind, first, part)
					}
				}
			}
			if count != test.count {
				t.Errorf("want %d documents compared, got %d", test.count, count)
			}
			golden(t, "testdata/same/"+test.folder+".golden", out.String())
		})
	}
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

// pick returns the named members of a document that are set.
func pick(value any, names ...string) map[string]any {
	object, _ := value.(map[string]any)
	out := map[string]any{}
	for _, name := range names {
		if v := object[name]; v != nil {
			out[name] = v
		}
	}
	return out
}

func vaultRole(doc *trustcheck.Document) any {
	value := doc.Value
	if doc.Kind == "vault_generic_endpoint" {
		value = lookup(value, "/data_json")
	}
	return pick(value, "role_type", "user_claim", "bound_audiences", "bound_claims_type", "bound_claims", "bound_subject", "token_policies", "token_ttl")
}

func trustPolicy(doc *trustcheck.Document) any {
	for _, name := range []string{"AssumeRolePolicyDocument", "assume_role_policy", "assumeRolePolicy"} {
		if v, ok := doc.Value.(map[string]any)[name]; ok {
			return sorted(v)
		}
	}
	return sorted(doc.Value)
}

// sorted orders lists of texts, which are sets in a policy: Terraform's policy
// document orders them its own way.
func sorted(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = sorted(inner)
		}
	case []any:
		sort.Slice(v, func(i, j int) bool { return fmt.Sprint(v[i]) < fmt.Sprint(v[j]) })
		for i, inner := range v {
			v[i] = sorted(inner)
		}
	}
	return value
}

func googleProvider(doc *trustcheck.Document) any {
	value := doc.Value.(map[string]any)
	if spec, ok := value["spec"].(map[string]any); ok {
		value = spec
	}
	if value["attributeMapping"] != nil {
		return []any{value["attributeMapping"], value["attributeCondition"], lookup(value, "/oidc/issuerUri"), lookup(value, "/oidc/allowedAudiences")}
	}
	return []any{value["attribute_mapping"], value["attribute_condition"], lookup(value, "/oidc/0/issuer_uri"), lookup(value, "/oidc/0/allowed_audiences")}
}

func azureCredential(doc *trustcheck.Document) any {
	value := doc.Value.(map[string]any)
	audiences := value["audiences"]
	if audiences == nil {
		audiences = value["audience"]
	}
	return []any{value["issuer"], value["subject"], audiences}
}

func encodeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
