package carrier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
)

// laughs is a text that refers to itself so often that its value would be
// gigabytes.
func laughs(first, line string) string {
	var b strings.Builder
	b.WriteString(first)
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&b, line, i, i-1)
	}
	return b.String()
}

// Every bad file gives one error, with its line, within the time of a test.
func TestBadFilesAreNamed(t *testing.T) {
	for _, test := range []struct{ name, file, text, want string }{
		{"empty", "a.json", "", "a.json:1: want a JSON value, got the end of the text"},
		{"truncated", "a.json", "{\"a\": [\n1,", "a.json:2: want a JSON value, got the end of the text"},
		{"scalar", "a.json", "\n3", "a.json:2: want an object or a list, got a scalar"},
		{"duplicate", "a.json", "{\"a\": {\"b\": 1,\n\"b\": 2}}", "a.json:2: /a/b: want a member once, got it on lines 1 and 2"},
		{"duplicate in a list", "a.json", "[{},\n {\"b\": 1,\n\"b\": 2}]", "a.json:3: /b: want a member once, got it on lines 2 and 3"},
		{"duplicate at the top of a plan", "a.json", "{\"format_version\": \"1.2\", \"planned_values\": {},\n\"planned_values\": {}}", "a.json:2: /planned_values: want a member once, got it on lines 1 and 2"},
		{"brackets", "a.json", strings.Repeat("[", 100_000_000), "a.json:1: want JSON: invalid character '[' exceeded max depth"},
		{"NUL", "a.json", "{\"a\":\n\x00}", "a.json:2: want text, got a NUL byte"},
		{"not UTF-8", "a.json", "{\"a\":\n\"\xff\"}", "a.json:2: want UTF-8, got the byte 0xff"},
		{"not UTF-8", "a.tf", "locals {\n a = \"\xff\"\n}", "a.tf:2: want UTF-8, got the byte 0xff"},
		{"UTF-16", "a.yaml", "\xff\xfea\x00", "a.yaml:1: want UTF-8, got UTF-16"},
		{"saved plan", "tfplan", "PK\x03\x04\x14\x00", "tfplan:1: want text, got a zip archive (of a saved Terraform plan, `terraform show -json` makes text)"},
		{"old state", "a.tfstate", "{\"version\": 3,\n\"terraform_version\": \"0.11.1\", \"resources\": []}", "a.tfstate:1: want a Terraform state of version 4, got 3"},
		{"a plan's resource of the wrong shape", "a.json", "{\"format_version\": \"1.2\", \"planned_values\": {\"root_module\":\n {\"resources\": {}}}}", "a.json:2: want a list, got an object"},
		{"YAML syntax", "a.yaml", "a: 1\nb: [1,\nc: 2\n", "a.yaml:"},
		{"YAML duplicate", "a.yaml", "a: 1\nb:\n  c: 1\n  c: 2\n", "a.yaml:4: c: want a member once, got it on lines 3 and 4"},
		{"YAML scalar", "a.yaml", "just words\n", "a.yaml:1: want an object or a list, got a scalar"},
		{"YAML key", "a.yaml", "? [a]\n: b\n", "a.yaml:1: want a text for a member name, got a list"},
		{"YAML bomb", "a.yaml", laughs("a0: &a0 [x]\n", "a%[1]d: &a%[1]d [*a%[2]d, *a%[2]d, *a%[2]d]\n"), "a.yaml:"},
		{"YAML that contains itself", "a.yaml", "a: &a\n  b: *a\n", "a.yaml:2: want an anchor that does not contain itself, got *a"},
		{"YAML depth", "a.yaml", "a: " + strings.Repeat("[", 300) + strings.Repeat("]", 300), "a.yaml:1: want at most 200 levels of nesting, got more"},
		{"HCL syntax", "a.tf", "locals {\n  a = [1\n}\n", "a.tf:"},
		{"HCL open string", "a.tf", "locals {\n  a = \"x\n}\n", "a.tf:2: want Terraform: "},
		{"HCL brackets", "a.tf", "a = " + strings.Repeat("(", 1_000_000), "a.tf:1: want at most 200 levels of nesting, got more"},
		{"HCL negations", "a.tf", "a = " + strings.Repeat("!", 1_000_000) + "true", "a.tf:1: want at most 2000 operators in an expression, got more"},
		{"HCL operators", "a.tf", "a = 1" + strings.Repeat("+1", 500_000), "a.tf:1: want at most 2000 operators in an expression, got more"},
		{"HCL number", "a.tf", "locals {\n  a = 1e999999999\n}", "a.tf:2: want an exponent of at most 3 digits, got more"},
		{"HCL size", "a.tf", strings.Repeat("#\n", 2_000_000), "a.tf:1: want at most 2097152 bytes of Terraform, got 4000000"},
		{"cyclic locals", "a.tf", "locals {\n  a = local.b\n  b = local.a\n}\nresource \"aws_iam_role\" \"r\" { name = local.a }", "a.tf:2: local.a: want a value that does not refer to itself, got a cycle"},
		{"cyclic locals in a function", "a.tf", "locals {\n  a = upper(local.b)\n  b = upper(local.a)\n}\nresource \"aws_iam_role\" \"r\" { name = upper(local.a) }", "a.tf:2: local.a: want a value that does not refer to itself, got a cycle"},
		{"resource twice", "a.tf", "resource \"aws_iam_role\" \"r\" {}\nresource \"aws_iam_role\" \"r\" {}", "a.tf:2: aws_iam_role.r: want it once, got it in a.tf:1 and here"},
		{"HCL in JSON, duplicate", "a.tf.json", "{\"locals\": {},\n\"locals\": {}}", "a.tf.json:2: /locals: want a member once, got it on lines 1 and 2"},
		{"HCL in JSON, brackets in a text", "a.tf.json", "{\"locals\":\n{\"a\": \"${" + strings.Repeat("(", 1_000_000) + "\"}}", "a.tf.json:2: want at most 200 levels of nesting, got more"},
		{"HCL in JSON, brackets in a type", "a.tf.json", "{\"variable\": {\"a\":\n{\"type\": \"" + strings.Repeat("list(", 400_000) + "\"}}}", "a.tf.json:2: want at most 200 levels of nesting, got more"},
		{"HCL in JSON, number in a text", "a.tf.json", "{\"locals\":\n{\"a\": \"${1e99999}\"}}", "a.tf.json:2: want an exponent of at most 3 digits, got more"},
		{"cyclic conditions", "a.yaml", "Resources:\n  R: {Type: 'AWS::IAM::Role', Condition: A}\nConditions:\n  A: !Not [{Condition: B}]\n  B: !Not [{Condition: A}]\n", "a.yaml:4: Conditions/A: want a condition that does not refer to itself, got a cycle"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read(test.file, []byte(test.text))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want the one error %q, got %v", test.want, err)
			}
			var wrong *trustcheck.ReadError
			if !errors.As(err, &wrong) || wrong.Line < 1 {
				t.Errorf("want a ReadError with a line, got %#v", err)
			}
		})
	}
}

// What grows without bound is unknown, and quickly so.
func TestGrowthIsBounded(t *testing.T) {
	role := "resource \"aws_iam_role\" \"r\" { x = %s }\n"
	for _, test := range []struct{ name, file, text string }{
		{"HCL text", "a.tf", "locals {\n" + laughs("a0 = \"x\"\n", "a%[1]d = \"${local.a%[2]d}${local.a%[2]d}\"\n") + "}\n" + fmt.Sprintf(role, "local.a39")},
		{"HCL list", "a.tf", "locals {\n" + laughs("a0 = [1]\n", "a%[1]d = concat(local.a%[2]d, local.a%[2]d)\n") + "}\n" + fmt.Sprintf(role, "local.a39")},
		{"HCL function", "a.tf", "locals {\n" + laughs("a0 = \"x\"\n", "a%[1]d = format(\"%%s%%s\", local.a%[2]d, local.a%[2]d)\n") + "}\n" + fmt.Sprintf(role, "local.a39")},
		{"CloudFormation text", "a.json", `{"Resources":{"R":{"Type":"AWS::IAM::Role","Properties":{"x":{"Fn::GetAtt":["P39","Arn"]}}},` +
			strings.TrimSuffix(laughs(`"P0":{"Type":"AWS::IAM::OIDCProvider","Properties":{"Url":"https://h"}},`,
				`"P%[1]d":{"Type":"AWS::IAM::OIDCProvider","Properties":{"Url":{"Fn::Sub":"${P%[2]d}${P%[2]d}"}}},`), ",") + `}}`},
		{"ARM text", "a.json", `{"$schema":"https://x/deploymentTemplate.json#","variables":{` + strings.TrimSuffix(laughs(`"a0":"x",`, `"a%[1]d":"[concat(variables('a%[2]d'),variables('a%[2]d'))]",`), ",") +
			`},"resources":[{"type":"Microsoft.Graph/applications/federatedIdentityCredentials","properties":{"x":"[variables('a39')]"}}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			docs, err := Read(test.file, []byte(test.text))
			if err != nil || len(docs) == 0 {
				t.Fatalf("want documents, got %v, %v", docs, err)
			}
			if _, ok := docs[0].Unknown["/x"]; !ok {
				t.Errorf("want x unknown, got %.80v", lookup(docs[0].Value, "/x"))
			}
		})
	}
	nested := "locals {\n" + laughs("a0 = [1]\n", "a%[1]d = [local.a%[2]d, local.a%[2]d]\n") + "}\n" + fmt.Sprintf(role, "local.a39")
	if _, err := Read("a.tf", []byte(nested)); err == nil || !strings.HasPrefix(err.Error(), "a.tf:43: want a document of at most") {
		t.Errorf("want a refusal for size, got %v", err)
	}
}

// A file's fault is its own: the rest of the directory is read.
func TestWalkReadsTheRest(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"a.json":       `{"a": 1}`,
		"b.json":       "{\n",
		"c.yaml":       "a: 1\n---\nb: [\n",
		"d/main.tf":    `resource "aws_iam_role" "r" { name = "r" }`,
		"d/broken.tf":  "resource {\n",
		"d/z.yaml":     "a: 1",
		"e.jsonl":      "{\"a\": 1}\n{\"a\": 2,}\n\n{\"a\": 3}\n",
		"windows.json": "\xef\xbb\xbf{\r\n\"a\": 1\r\n}\r\n",
		"windows.yaml": "\xef\xbb\xbfa: 1\r\nb: 2\r\n",
		"windows.tf":   "\xef\xbb\xbfresource \"aws_iam_role\" \"r\" {\r\n  name = \"r\"\r\n}\r\n",
	})
	var got []string
	err := Walk(context.Background(), []string{root}, func(r Result) error {
		line := fmt.Sprintf("%s: %d", strings.TrimPrefix(filepath.ToSlash(r.Path), filepath.ToSlash(root)), len(r.Documents))
		if r.Err != nil {
			line += " with an error: " + strings.ReplaceAll(r.Err.Error(), root, "")
		}
		got = append(got, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		": 1", // windows.tf, the Terraform of the directory itself
		"/a.json: 1",
		"/b.json: 0 with an error: /b.json:2: want a member name in quotes, got the end of the text",
		"/c.yaml: 1 with an error: /c.yaml:3: want YAML: did not find expected node content",
		"/d: 1 with an error: /d/broken.tf:1: want Terraform: ",
		"/d/z.yaml: 1",
		"/e.jsonl: 2 with an error: /e.jsonl:2: want a member name in quotes, got '}'",
		"/windows.json: 1",
		"/windows.yaml: 1",
	}
	if len(got) != len(want) {
		t.Fatalf("want %q, got %q", want, got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("want %q, got %q", want[i], got[i])
		}
	}
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func walked(t *testing.T, root string, paths ...string) []string {
	t.Helper()
	for i, path := range paths {
		paths[i] = filepath.Join(root, path)
	}
	var got []string
	err := Walk(context.Background(), paths, func(r Result) error {
		relative, _ := filepath.Rel(root, r.Path)
		got = append(got, filepath.ToSlash(relative))
		return r.Err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWalkHonoursIgnoreFiles(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		".git/config":           "",
		".git/x.json":           "{}",
		".terraform/x.json":     "{}",
		".gitignore":            "*.gen.json\n/top.json\nbuild/\n!keep.gen.json\n# a comment\ndeep/**/z.json\n[ab]?.json\n",
		".trustcheckignore":     "vendor\n",
		"a.gen.json":            "{}",
		"keep.gen.json":         "{}",
		"top.json":              "{}",
		"sub/top.json":          "{}",
		"sub/build/x.json":      "{}",
		"sub/build.json":        "{}",
		"sub/.gitignore":        "own.json\r\n!ax.json\n",
		"sub/own.json":          "{}",
		"sub/ax.json":           "{}",
		"bx.json":               "{}",
		"cx.json":               "{}",
		"vendor/x.json":         "{}",
		"deep/z.json":           "{}",
		"deep/er/still/z.json":  "{}",
		"deep/er/still/zz.json": "{}",
		"notes.txt":             "not of a known format",
		"binary.json":           "{}\x00\x01",
	})
	want := "binary.json cx.json deep/er/still/zz.json keep.gen.json sub/ax.json sub/build.json sub/top.json"
	if got := strings.Join(walked(t, root, ""), " "); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	// Below the repository its ignore files still count.
	if got := strings.Join(walked(t, root, "sub"), " "); got != "sub/ax.json sub/build.json sub/top.json" {
		t.Errorf("below the repository: got %s", got)
	}
	// What the user names is read, ignored or not.
	if got := strings.Join(walked(t, root, "top.json", "vendor/x.json"), " "); got != "top.json vendor/x.json" {
		t.Errorf("named: got %s", got)
	}
}

func TestWalkBoundsLinks(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	write(t, outside, map[string]string{"secret.json": "{}"})
	write(t, root, map[string]string{"a/x.json": "{}", "b/y.json": "{}", "b/data": "{}"})
	for link, target := range map[string]string{
		"a/loop": "..", "b/inside": "../a", "b/again.json": "y.json", "b/named.json": "data", "out": outside, "out.json": filepath.Join(outside, "secret.json"), "dangling.json": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	if got := strings.Join(walked(t, root, ""), " "); got != "a/x.json b/named.json b/y.json" {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(walked(t, root, "out.json"), " "); got != "out.json" {
		t.Errorf("a link that the user names: got %s", got)
	}
	if got := strings.Join(walked(t, root, "b/inside"), " "); got != "b/inside/x.json" {
		t.Errorf("a directory that the user names by a link: got %s", got)
	}
}

func TestWalkOfOneTerraformFileKnowsItsNeighbours(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"main.tf":         `resource "aws_iam_role" "r" { name = local.name }`,
		"locals.tf":       `locals { name = var.name }` + "\n" + `resource "aws_iam_role" "other" {}`,
		"variables.tf":    `variable "name" {}`,
		"x.auto.tfvars":   `name = "known"`,
		"prod.tfvars":     `name = "only with -var-file"`,
		"../outside.json": `{}`,
		"escape/main.tf":  `resource "aws_iam_role" "r" { x = file("../main.tf") }`,
		"inside/main.tf":  `resource "aws_iam_role" "r" { assume_role_policy = file("${path.module}/p.json") }`,
		"inside/p.json":   `{"Version": "2012-10-17"}`,
	})
	var docs []*trustcheck.Document
	visit := func(r Result) error {
		docs = append(docs, r.Documents...)
		return r.Err
	}
	paths := []string{filepath.Join(root, "main.tf"), filepath.Join(root, "escape"), filepath.Join(root, "inside")}
	if err := Walk(context.Background(), paths, visit); err != nil {
		t.Fatal(err)
	}
	if len(docs) != 4 || docs[0].Name != "known" || docs[0].Address != "aws_iam_role.r" {
		t.Fatalf("want the role of main.tf by its name first, got %d documents, %v", len(docs), docs[0])
	}
	if reason := docs[1].Unknown["/x"]; reason == "" {
		t.Errorf("want a file outside the directory unknown, got %v", docs[1].Value)
	}
	if v := lookup(docs[2].Value, "/assume_role_policy/Version"); v != "2012-10-17" {
		t.Errorf("want a file beside the configuration read, got %v, %v", docs[2].Value, docs[2].Unknown)
	}
}

// A variable may be set in a file that cannot be read: its default would be a guess.
func TestBrokenVariablesHideDefaults(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"main.tf":          "variable \"name\" { default = \"default\" }\nresource \"aws_iam_role\" \"r\" { name = var.name }\n",
		"terraform.tfvars": "name = [\n",
	})
	var doc *trustcheck.Document
	err := Walk(context.Background(), []string{root}, func(r Result) error {
		if r.Err == nil || !strings.Contains(r.Err.Error(), "terraform.tfvars:") {
			t.Errorf("want the broken file named, got %v", r.Err)
		}
		doc = r.Documents[0]
		return nil
	})
	if err != nil || doc.Unknown["/name"] != "var.name is not known offline" {
		t.Errorf("want the name unknown, got %v, %v, %v", doc.Value, doc.Unknown, err)
	}
}

func TestOverrideFilesOverride(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"main.tf":     "locals { name = \"main\" }\nresource \"google_iam_workload_identity_pool_provider\" \"p\" {\n  display_name = local.name\n  project = \"1\"\n  oidc {\n    issuer_uri = \"https://a\"\n  }\n}\n",
		"override.tf": "locals { name = \"other\" }\nresource \"google_iam_workload_identity_pool_provider\" \"p\" {\n  oidc {\n    issuer_uri = \"https://b\"\n  }\n}\n",
	})
	err := Walk(context.Background(), []string{root}, func(r Result) error {
		value := r.Documents[0].Value
		if lookup(value, "/display_name") != "other" || lookup(value, "/project") != "1" || lookup(value, "/oidc/0/issuer_uri") != "https://b" {
			t.Errorf("want what the override says, got %v", value)
		}
		return r.Err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWalkStops(t *testing.T) {
	root := t.TempDir()
	for i := range 50 {
		write(t, root, map[string]string{fmt.Sprintf("%02d.json", i): "{}"})
	}
	stop := errors.New("enough")
	count := 0
	err := Walk(context.Background(), []string{root}, func(r Result) error {
		if want := fmt.Sprintf("%02d.json", count); filepath.Base(r.Path) != want {
			t.Errorf("want %s, got %s", want, r.Path)
		}
		if count++; count == 20 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || count != 20 {
		t.Errorf("want the visitor's error after 20 files, got %v after %d", err, count)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Walk(cancelled, []string{root}, func(Result) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("want the context's error, got %v", err)
	}
	err = Walk(context.Background(), []string{filepath.Join(root, "nowhere")}, func(r Result) error { return r.Err })
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want what is missing named, got %v", err)
	}
}

func TestYAMLTrapsStayText(t *testing.T) {
	docs, err := Read("a.yaml", []byte(`
date: 2012-10-17
yes: yes
off: off
octal: 0777
account: 012345678901
underscore: 1_000
time: 12:30
hex: 0x1F
quoted: "1"
tagged: !!str 1
number: 1.50
exponent: 1e3
null: ~
bool: true
merge: &m {a: 1, b: 2}
merged: {<<: *m, b: 3}
text: |
  a
unknown: !reference [x]
binary: !!binary YQ==
number text: !!int "1"
tagged number: !!int 1
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"account":"012345678901","binary":null,"bool":true,"date":"2012-10-17","exponent":1e3,"hex":"0x1F","merge":{"a":1,"b":2},"merged":{"a":1,"b":3},"null":null,"number":1.50,"number text":null,"octal":"0777","off":"off","quoted":"1","tagged":"1","tagged number":1,"text":"a\n","time":"12:30","underscore":"1_000","unknown":null,"yes":"yes"}`
	var got bytes.Buffer
	if err := encodeJSON(&got, docs[0].Value); err != nil || strings.TrimSpace(got.String()) != want {
		t.Errorf("want %s, got %s, %v", want, &got, err)
	}
	if docs[0].Unknown["/unknown"] != "the tag !reference is not known" || len(docs[0].Unknown) != 3 {
		t.Errorf("want the tag named, got %v", docs[0].Unknown)
	}
}
