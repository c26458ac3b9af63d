package carrier

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// summary lists kind, name and address of what a text holds.
func summary(t *testing.T, file, text string) string {
	t.Helper()
	docs, err := Read(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, doc := range docs {
		out = append(out, fmt.Sprintf("%s|%s|%s", doc.Kind, doc.Name, doc.Address))
	}
	return strings.Join(out, " ")
}

// An envelope is opened; what only resembles one is left as it is.
func TestEnvelopesAreKnownByShape(t *testing.T) {
	for _, test := range []struct{ name, file, text, want string }{
		{"vault read", "deploy.json", `{"request_id": "r", "data": {"a": 1}}`, "vault.read|deploy|"},
		{"a role with a member called data", "a.json", `{"data": {"a": 1}}`, "json||"},
		{"vault read in YAML", "deploy.yaml", "lease_id: ''\ndata: {a: 1}\n", "vault.read|deploy|"},
		{"list of vault reads", "deploy.json", `[{"request_id": "r", "data": {}}, {"lease_id": "", "data": {}}]`, "vault.read||/0 vault.read||/1"},
		{"AWS role", "a.json", `{"Role": {"RoleName": "r", "AssumeRolePolicyDocument": {}}}`, "aws.role|r|/Role"},
		{"AWS role without its policy", "a.json", `{"Role": {"RoleName": "r"}}`, "json||"},
		{"AWS roles in YAML", "a.yaml", "Roles:\n- {RoleName: r, AssumeRolePolicyDocument: {}}\n- {RoleName: s, AssumeRolePolicyDocument: {}}\n", "aws.role|r|/Roles/0 aws.role|s|/Roles/1"},
		{"AWS provider", "a.json", `{"Url": "gitlab.com", "ClientIDList": []}`, "aws.oidc_provider|gitlab.com|"},
		{"no AWS provider", "a.json", `{"Url": "gitlab.com"}`, "json||"},
		{"Google providers", "a.json", `{"workloadIdentityPoolProviders": [{"name": "projects/1/locations/global/workloadIdentityPools/p/providers/q"}]}`, "gcp.provider|q|/workloadIdentityPoolProviders/0"},
		{"Google pool", "a.json", `{"name": "projects/1/locations/global/workloadIdentityPools/p"}`, "json||"},
		{"IAM policy", "a.json", `{"bindings": [], "etag": "x"}`, "json||"},
		{"Azure flexible", "a.json", `{"value": [{"name": "n", "issuer": "i", "subject": null, "audiences": [], "claimsMatchingExpression": {}}]}`, "azure.credential|n|/value/0"},
		{"Graph list of other things", "a.json", `{"value": [{"name": "n"}]}`, "json||"},
		{"Kubernetes", "a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n", "v1/ConfigMap|n| v1/Pod|p|/1/items/0"},
		{"typed Kubernetes list", "a.json", `{"apiVersion": "x/v1", "kind": "ThingList", "items": [{"metadata": {"name": "n"}}]}`, "x/v1/Thing|n|/items/0"},
		{"other resources", "a.yaml", "Resources:\n  B: {Type: 'AWS::S3::Bucket'}\n  P: {Type: 'AWS::IAM::OIDCProvider', Properties: {Url: 'https://h'}}\n", "AWS::IAM::OIDCProvider||P"},
		{"Resources that are none", "a.yaml", "Resources: {B: {Type: bucket}}\n", "yaml||"},
		{"no name", "stdin", `{"a": 1}`, "json||"},
		{"no name, YAML", "stdin", "a: 1\n", "yaml||"},
		{"JSON in a YAML file", "a.yml", `{"a": 1}`, "json||"},
		{"a flow mapping", "a.yml", `{a: 1}`, "yaml||"},
		{"several", "a.json", "{\"a\": 1}\n{\"b\": 1}\n", "json||/0 json||/1"},
		{"Rego", "deploy.rego", "package trustcheck.roles.deploy\n", "rego|deploy|"},
		{"variables of Terraform", "prod.tfvars", "a = 1\n", ""},
		{"scalars in a list", "a.json", `["a", {"b": 1}, [1]]`, "json||/1"},
		{"scalars in a YAML list", "a.yaml", "- a\n- b: 1\n", "yaml||/1"},
		{"empty list", "a.json", `[]`, ""},
		{"empty YAML", "a.yaml", "# nothing\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := summary(t, test.file, test.text); got != test.want {
				t.Errorf("want %s, got %s", test.want, got)
			}
		})
	}
}

// A policy document is JSON text, plain or percent-encoded once; anything else
// stays what it is, with a warning.
func TestPolicyTextIsDecodedOnce(t *testing.T) {
	for text, want := range map[string]any{
		`{\"a\": \"b%20c\"}`:        map[string]any{"a": "b%20c"},
		`%7B%22a%22%3A%22b+c%22%7D`: map[string]any{"a": "b+c"},
		`%257B%2522a%2522%257D`:     "%257B%2522a%2522%257D",
		`not JSON`:                  "not JSON",
	} {
		docs, err := Read("a.json", []byte(`{"RoleName": "r", "AssumeRolePolicyDocument": "`+text+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := lookup(docs[0].Value, "/AssumeRolePolicyDocument"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: want %v, got %v", text, want, got)
		}
		if _, isText := want.(string); isText != (len(docs[0].Warnings) == 1) {
			t.Errorf("%s: want a warning only where it is not JSON, got %q", text, docs[0].Warnings)
		}
	}
}

// property reads one property of a role in a template.
func property(t *testing.T, value string) (any, string) {
	t.Helper()
	docs, err := Read("a.yaml", []byte(`
Parameters:
  P: {Type: String, Default: p}
  N: {Type: Number, Default: 7}
  L: {Type: CommaDelimitedList, Default: "a, b"}
  Without: {Type: String}
  Stored: {Type: "AWS::SSM::Parameter::Value<String>", Default: /path}
Mappings:
  M: {k: {v: w}}
Conditions:
  Yes: !Equals [!Ref P, p]
  No: !Not [{Condition: Yes}]
  Unknown: !Equals [!Ref Without, x]
  YesAnyway: !Or [{Condition: Unknown}, {Condition: Yes}]
  NoAnyway: !And [{Condition: Unknown}, {Condition: No}]
Resources:
  Provider:
    Type: AWS::IAM::OIDCProvider
    Properties: {Url: !Sub "https://${P}.example.com"}
  Other:
    Type: AWS::IAM::Role
    Properties: {RoleName: other}
  R:
    Type: AWS::IAM::Role
    Properties:
      x: `+value+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	doc := docs[len(docs)-1]
	return lookup(doc.Value, "/x"), doc.Unknown["/x"]
}

func TestCloudFormationValues(t *testing.T) {
	for text, want := range map[string]any{
		`!Ref P`:                                  "p",
		`!Ref N`:                                  "7",
		`!Ref L`:                                  []any{"a", "b"},
		`!Sub "${P}-${!P}-${N}"`:                  "p-${P}-7",
		`!Sub ["${a}${P}", {a: !Ref N}]`:          "7p",
		`!Join ["-", [a, !Ref P]]`:                "a-p",
		`!Select [1, !Split ["/", "a/b"]]`:        "b",
		`!FindInMap [M, k, v]`:                    "w",
		`!If [Yes, a, b]`:                         "a",
		`!If [No, a, b]`:                          "b",
		`!If [YesAnyway, a, b]`:                   "a",
		`!If [NoAnyway, a, b]`:                    "b",
		`[a, !If [No, b, !Ref "AWS::NoValue"]]`:   []any{"a"},
		`{a: !Ref "AWS::NoValue", b: c}`:          map[string]any{"b": "c"},
		`!Ref Other`:                              "other",
		`{"Fn::Join": ["", ["a", {"Ref": "P"}]]}`: "ap",
		`!ToJsonString {a: !Ref P}`:               `{"a":"p"}`,
	} {
		if got, reason := property(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: want %v, got %v, unknown: %q", text, want, got, reason)
		}
	}
}

func TestCloudFormationNeverGuesses(t *testing.T) {
	for text, want := range map[string]string{
		`!Ref Without`:                            "Without is not known offline",
		`!Ref Stored`:                             "Stored is not known offline",
		`!Ref Nowhere`:                            "Nowhere is not known offline",
		`!Ref "AWS::AccountId"`:                   "AWS::AccountId is not known offline",
		`!Sub "a-${AWS::Region}"`:                 `"a-${AWS::Region}": AWS::Region is not known offline`,
		`!Join ["-", [a, !Ref Without]]`:          `"a-${Without}": Without is not known offline`,
		`!If [Unknown, a, b]`:                     "Condition Unknown is not known offline",
		`!If [Missing, a, b]`:                     "Condition Missing is not known offline",
		`!Select [0, !Split ["/", !Ref Without]]`: "Fn::Select is not known offline",
		`!FindInMap [M, !Ref Without, v]`:         "Fn::FindInMap is not known offline",
		`!ImportValue x`:                          "Fn::ImportValue is not known offline",
		`!Transform {Name: x}`:                    "Fn::Transform is not known offline",
		`!Ref Provider`:                           `"arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/p.example.com": AWS::Partition, AWS::AccountId are not known offline`,
		`!GetAtt Other.Arn`:                       `"arn:${AWS::Partition}:iam::${AWS::AccountId}:role/other": AWS::Partition, AWS::AccountId are not known offline`,
		`!GetAtt Other.RoleId`:                    "Other.RoleId is not known offline",
	} {
		if got, reason := property(t, text); got != nil || reason != want {
			t.Errorf("%s: want unknown for %q, got %v, %q", text, want, got, reason)
		}
	}
}

func TestCloudFormationConditionsOfResources(t *testing.T) {
	docs, err := Read("a.yaml", []byte(`
Parameters: {P: {Type: String}}
Conditions:
  Yes: !Equals [a, a]
  No: !Equals [a, b]
  Perhaps: !Equals [!Ref P, b]
Resources:
  A: {Type: AWS::IAM::Role, Condition: Yes, Properties: {}}
  B: {Type: AWS::IAM::Role, Condition: No, Properties: {}}
  C: {Type: AWS::IAM::Role, Condition: Perhaps, Properties: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != 2 || docs[0].Address != "A" || docs[1].Address != "C" {
		t.Fatalf("want A and C, got %v", docs)
	}
	if len(docs[0].Warnings) != 0 || len(docs[1].Warnings) != 1 {
		t.Errorf("want a warning for C only, got %q and %q", docs[0].Warnings, docs[1].Warnings)
	}
}

func TestARMExpressions(t *testing.T) {
	template := func(subject string) string {
		return `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
 "parameters": {"with": {"type": "string", "defaultValue": "d"}, "without": {"type": "string"}},
 "variables": {"v": "[concat('a', parameters('with'))]", "self": "[variables('self')]", "o": {"m": "x"}},
 "resources": {"c": {"type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
   "name": "u/n", "properties": {"issuer": "i", "subject": "` + subject + `"}}}}`
	}
	for subject, want := range map[string]any{
		`plain`:            "plain",
		`[[literal]`:       "[literal]",
		`[variables('v')]`: "ad",
		`[ format('{0}:{1}', 'it''s', parameters('with')) ]`: "it's:d",
	} {
		docs, err := Read("a.json", []byte(template(subject)))
		if err != nil || len(docs) != 1 {
			t.Fatal(docs, err)
		}
		if got := lookup(docs[0].Value, "/subject"); got != want {
			t.Errorf("%s: want %v, got %v, unknown %v", subject, want, got, docs[0].Unknown)
		}
	}
	for subject, want := range map[string]string{
		`[parameters('without')]`:              "parameters('without') is not known offline",
		`[concat('a', parameters('without'))]`: `"a${parameters('without')}": parameters('without') is not known offline`,
		`[resourceGroup().location]`:           "[resourceGroup().location] is not known offline",
		`[variables('self')]`:                  "variables('self') is not known offline",
		`[variables('o').m]`:                   "[variables('o').m] is not known offline",
		`[concat('a']`:                         "[concat('a'] is not known offline",
	} {
		docs, err := Read("a.json", []byte(template(subject)))
		if err != nil || len(docs) != 1 {
			t.Fatal(docs, err)
		}
		if got := docs[0].Unknown["/subject"]; got != want {
			t.Errorf("%s: want unknown for %q, got %q and %v", subject, want, got, docs[0].Value)
		}
	}
}

// A module's parameters are the ones it is given, not its defaults.
func TestARMModulesTakeTheirParameters(t *testing.T) {
	inner := `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "parameters": {"s": {"type": "string", "defaultValue": "default"}},
  "resources": [{"type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials", "name": "n",
    "properties": {"subject": "[parameters('s')]"}}]}`
	outer := func(properties string) string {
		return `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
 "parameters": {"s": {"type": "string", "defaultValue": "outer"}, "without": {"type": "string"}},
 "resources": [{"type": "Microsoft.Resources/deployments", "name": "d", "properties": {` + properties + `, "template": ` + inner + `}}]}`
	}
	const scope = `"expressionEvaluationOptions": {"scope": "inner"}`
	for properties, want := range map[string]any{
		scope: "default",
		scope + `, "parameters": {"s": {"value": "[parameters('s')]"}}`:       "outer",
		scope + `, "parameters": {"s": {"value": "[parameters('without')]"}}`: nil,
		scope + `, "parameters": {"s": {"reference": {}}}`:                    nil,
		`"mode": "Incremental"`: "outer",
	} {
		docs, err := Read("a.json", []byte(outer(properties)))
		if err != nil || len(docs) != 1 {
			t.Fatal(docs, err)
		}
		if got := lookup(docs[0].Value, "/subject"); got != want || (want == nil) != (docs[0].Unknown["/subject"] != "") {
			t.Errorf("%s: want %v, got %v, unknown %v", properties, want, got, docs[0].Unknown)
		}
	}
}

func TestColumnsCountBytes(t *testing.T) {
	for file, text := range map[string]string{
		"a.json":    `{"Réä": 1, "x": 2}`,
		"a.yaml":    "{Ré€ä: 1, xx: 2}",
		"a.tf":      `resource "aws_iam_role" "r" { x = { "Ré€ä" = 1, "y" = 2 } }`,
		"a.tf.json": `{"resource": {"aws_iam_role": {"r": {"x": {"é€": 1, "y": 2}}}}}`,
	} {
		docs, err := Read(file, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for pointer, at := range docs[0].Positions {
			name := pointer[strings.LastIndexByte(pointer, '/')+1:]
			if name == "x" || name == "xx" || name == "y" {
				if got := strings.Trim(text[at.Column-1:][:len(name)+1], `"= :`); got != name {
					t.Errorf("%s%s: column %d has %q", file, pointer, at.Column, got)
				}
			}
		}
	}
}
