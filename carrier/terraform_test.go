package carrier

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck"
)

func TestPlanReportsExactlyWhatIsComputed(t *testing.T) {
	docs := readTestdata(t, "testdata/plan/computed.json")
	unknown := map[string]map[string]string{}
	for _, doc := range docs {
		unknown[doc.Address] = doc.Unknown
		for pointer := range doc.Unknown {
			if v := lookup(doc.Value, pointer); v != nil {
				t.Errorf("%s%s: want nil for what is unknown, got %v", doc.Address, pointer, v)
			}
		}
	}
	want := map[string]map[string]string{
		"aws_iam_role.ci": {
			"/arn":                    "aws_iam_role.ci.arn is known only after apply",
			"/assume_role_policy":     "aws_iam_role.ci.assume_role_policy is known only after apply",
			"/inline_policy/1/policy": "aws_iam_role.ci.inline_policy[1].policy is known only after apply",
		},
		"data.aws_iam_policy_document.trust": {
			"/id":                     "data.aws_iam_policy_document.trust.id is known only after apply",
			"/json":                   "data.aws_iam_policy_document.trust.json is known only after apply",
			"/statement/0/principals": "data.aws_iam_policy_document.trust.statement[0].principals is known only after apply",
		},
		"data.aws_iam_policy_document.read": nil,
	}
	if !reflect.DeepEqual(unknown, want) {
		t.Errorf("want %v, got %v", want, unknown)
	}
	for _, doc := range docs {
		if doc.Address == "aws_iam_role.ci" && lookup(doc.Value, "/name") != "ci" {
			t.Errorf("want the planned role, got the one before: %v", doc.Value)
		}
	}
}

// A name in other letters is another name: it must not hide a role.
func TestPlanNamesAreExact(t *testing.T) {
	docs, err := Read("plan.json", []byte(`{"format_version": "1.2", "planned_values": {"root_module": {"resources": [
  {"address": "aws_iam_role.r", "mode": "managed", "type": "aws_iam_role", "Type": "aws_s3_bucket", "values": {"name": "n"}}]}}}`))
	if err != nil || len(docs) != 1 || docs[0].Name != "n" {
		t.Errorf("want the role, got %v, %v", docs, err)
	}
}

func TestPlanBefore(t *testing.T) {
	text, err := os.ReadFile("testdata/plan/computed.json")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := ReadBefore("plan.json", text)
	if err != nil || len(docs) != 1 || docs[0].Address != "vault_jwt_auth_backend_role.gone" || docs[0].Name != "gone" {
		t.Errorf("want the one role that is there before, got %v, %v", docs, err)
	}
}

func TestModuleKeepsUnknownsInPlace(t *testing.T) {
	var out strings.Builder
	err := Walk(context.Background(), []string{"testdata/module"}, func(r Result) error {
		for _, doc := range r.Documents {
			out.WriteString(describe(doc))
		}
		return r.Err
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/module.golden", out.String())
}

// evaluate reads one resource whose attribute is x.
func evaluate(t *testing.T, expression, rest string) *trustcheck.Document {
	t.Helper()
	docs, err := Read("main.tf", []byte("resource \"aws_iam_role\" \"r\" {\n  x = "+expression+"\n}\n"+rest))
	if err != nil {
		t.Fatal(err)
	}
	return docs[0]
}

func TestHCLValues(t *testing.T) {
	for expression, want := range map[string]any{
		`"v${1.50}"`:  "v1.5",
		`"a${true}b"`: "atrueb",
		`"&{aws:x}"`:  "&{aws:x}",
		`"$${aws:x}"`: "${aws:x}",
		`join(",", [for s in ["a", "b"] : upper(s)])`:       "A,B",
		`replace("https://h/p", "/^https?:\\/\\//", "")`:    "h/p",
		`trimprefix("https://h", "https://")`:               "h",
		`format("%s-%03d", "a", 7)`:                         "a-007",
		`lookup({ a = "b" }, "z", "d")`:                     "d",
		`try(local.map.missing, "d")`:                       "d",
		`local.map["a b"]`:                                  "c",
		`element(["a", "b"], 3)`:                            "b",
		`one(["a"])`:                                        "a",
		`startswith("abc", "ab") ? "y" : "n"`:               "y",
		`alltrue([true, false]) ? "y" : "n"`:                "n",
		`jsondecode("{\"a\":[\"b\"]}").a[0]`:                "b",
		`urlencode("a b/c")`:                                "a+b%2Fc",
		`base64decode(base64encode("x"))`:                   "x",
		`length("äb") == 2 ? "y" : "n"`:                     "y",
		`data.aws_iam_policy_document.p.version`:            "2012-10-17",
		`aws_iam_role.each["k"].name`:                       "n-k",
		`[for k in ["k"] : aws_iam_role.each["k"].name][0]`: "n-k",
		`aws_iam_role.each[local.key].name`:                 "n-k",
		`local.map["${local.key}"] == "never" ? "y" : "n"`:  "n",
		`data.aws_iam_policy_document.d[local.key].json`:    `{"Version":"2012-10-17"}`,
		`aws_iam_role.two[1].name`:                          "n-1",
	} {
		doc := evaluate(t, expression, `
locals {
  key = "k"
  map = { "a b" = "c", k = "d" }
}
data "aws_iam_policy_document" "p" { version = "2012-10-17" }
data "aws_iam_policy_document" "d" { for_each = toset(["k"]) }
resource "aws_iam_role" "each" {
  for_each = { k = 1 }
  name     = "n-${each.key}"
}
resource "aws_iam_role" "two" {
  count = 2
  name  = "n-${count.index}"
}`)
		if got := lookup(doc.Value, "/x"); got != want {
			t.Errorf("%s: want %v, got %v, unknown %v", expression, want, got, doc.Unknown)
		}
	}
}

// What cannot be known must never come out as a value: a default that may be
// overridden elsewhere, a test on the unknown, a function we do not have.
func TestHCLNeverGuesses(t *testing.T) {
	for expression, reason := range map[string]string{
		`var.u`:                                 "var.u is not known offline",
		`"a-${var.u}"`:                          `"a-${var.u}": var.u is not known offline`,
		`var.u == "x" ? "a" : "b"`:              "var.u is not known offline",
		`try(var.u, "d")`:                       "var.u is not known offline",
		`can(var.u.x) ? "a" : "b"`:              "var.u.x is not known offline",
		`coalesce(var.u, "d")`:                  "var.u is not known offline",
		`length(var.u)`:                         "var.u is not known offline",
		`upper("a${local.through}")`:            "local.through (var.u is not known offline) is not known offline",
		`aws_iam_role.other.description`:        "aws_iam_role.other.description is not known offline",
		`aws_iam_role.missing.name`:             "aws_iam_role.missing.name is not known offline",
		`try(aws_iam_role.missing.name, "d")`:   "aws_iam_role.missing.name is not known offline",
		`module.m.out`:                          "module.m.out is not known offline",
		`data.aws_caller_identity.c.account_id`: "data.aws_caller_identity.c.account_id is not known offline",
		`terraform.workspace`:                   "terraform.workspace is not known offline",
		`timestamp()`:                           "timestamp() is not known offline",
		`provider::aws::arn_parse("x")`:         "provider::aws::arn_parse() is not known offline",
		`aws_iam_role.each[var.u].name`:         "aws_iam_role.each, var.u are not known offline",
		`try(aws_iam_role.each[*].arn, "d")`:    "aws_iam_role.each is not known offline",
		`file("secret.json")`:                   "file() is not known offline",
		`local.nowhere`:                         "local.nowhere is not declared in this directory",
	} {
		doc := evaluate(t, expression, `
variable "u" {}
locals { through = "b${var.u}" }
resource "aws_iam_role" "other" { name = "o" }
resource "aws_iam_role" "each" {
  for_each = { k = 1 }
  name     = "n"
}`)
		if got := doc.Unknown["/x"]; got != reason {
			t.Errorf("%s: want unknown for %q, got %q and value %v", expression, reason, got, lookup(doc.Value, "/x"))
		}
	}
}

func TestPolicyDocumentMergesAsTheProviderDoes(t *testing.T) {
	docs, err := Read("main.tf", []byte(`
data "aws_iam_policy_document" "base" {
  version = "2008-10-17"
  statement {
    sid     = "A"
    actions = ["sts:a"]
  }
  statement {
    sid     = "B"
    actions = ["sts:b"]
  }
}
data "aws_iam_policy_document" "override" {
  statement {
    sid    = "B"
    effect = "Deny"
  }
}
data "aws_iam_policy_document" "all" {
  source_policy_documents   = [data.aws_iam_policy_document.base.json]
  override_policy_documents = [data.aws_iam_policy_document.override.json, ""]
  statement {
    actions = ["sts:x", "sts:z", "sts:y"]
    principals {
      type        = "AWS"
      identifiers = ["1", "2"]
    }
    principals {
      type        = "Federated"
      identifiers = ["f"]
    }
    condition {
      test     = "StringLike"
      variable = "h:sub"
      values   = ["&{aws:x}"]
    }
    condition {
      test     = "StringLike"
      variable = "h:sub"
      values   = ["b"]
    }
  }
  statement {
    not_principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}
resource "aws_iam_role" "r" {
  assume_role_policy = data.aws_iam_policy_document.all.json
}`))
	if err != nil {
		t.Fatal(err)
	}
	got := lookup(docs[len(docs)-1].Value, "/assume_role_policy")
	want := map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Sid": "A", "Effect": "Allow", "Action": "sts:a"},
		map[string]any{"Sid": "B", "Effect": "Deny"},
		map[string]any{
			"Effect": "Allow", "Action": []any{"sts:z", "sts:y", "sts:x"},
			"Principal": map[string]any{"AWS": []any{"2", "1"}, "Federated": "f"},
			"Condition": map[string]any{"StringLike": map[string]any{"h:sub": []any{"${aws:x}", "b"}}},
		},
		map[string]any{"Effect": "Allow", "NotPrincipal": "*"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestPolicyDocumentKeepsUnknownsSmall(t *testing.T) {
	for statement, want := range map[string]map[string]string{
		`principals {
		   type        = "Federated"
		   identifiers = [var.u]
		 }`: {"/json/Statement/0/Principal/Federated": "var.u is not known offline"},
		`principals {
		   type        = "Federated"
		   identifiers = var.u
		 }`: {"/json/Statement/0/Principal/Federated": "var.u is not known offline"},
		`condition {
		   test     = "StringEquals"
		   variable = "${var.u}:sub"
		   values   = ["x"]
		 }
		 condition {
		   test     = "StringEquals"
		   variable = "aud"
		   values   = ["x"]
		 }`: {"/json/Statement/0/Condition/StringEquals": `"${var.u}:sub": var.u is not known offline`},
		`condition {
		   test     = var.u
		   variable = "sub"
		   values   = ["x"]
		 }`: {"/json/Statement/0/Condition": "var.u is not known offline"},
		`dynamic "condition" {
		   for_each = var.u
		   content {}
		 }`: {"/json/Statement/0/Condition": "dynamic condition: var.u is not known offline"},
		`actions = var.u`: {"/json/Statement/0/Action": "var.u is not known offline"},
		`sid = "x"
		 }
		 statement {
		   sid = "x"`: {"/json": `two statements have the sid "x", which Terraform refuses`},
	} {
		docs, err := Read("main.tf", []byte("variable \"u\" {}\ndata \"aws_iam_policy_document\" \"p\" {\n statement {\n"+statement+"\n}\n}\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for pointer, reason := range docs[0].Unknown {
			if strings.HasPrefix(pointer, "/json") {
				got[pointer] = reason
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: want %v, got %v", statement, want, got)
		}
	}
}

// The bounds are for expressions, not for what stands in a text.
func TestTextsAreNotTakenForExpressions(t *testing.T) {
	certificate := strings.Repeat("+/-3e12345(", 3000)
	for file, text := range map[string]string{
		"main.tf":      "resource \"aws_iam_role\" \"r\" { name = \"" + certificate + "\" }",
		"main.tf.json": `{"resource": {"aws_iam_role": {"r": {"name": "` + certificate + `"}}}}`,
	} {
		docs, err := Read(file, []byte(text))
		if err != nil || len(docs) != 1 || docs[0].Name != certificate {
			t.Errorf("%s: want the text as it is, got %v", file, err)
		}
	}
}

// The same module in JSON syntax, where blocks are objects or lists of them.
func TestJSONSyntaxHasBlocksAsObjects(t *testing.T) {
	docs, err := Read("main.tf.json", []byte(`{
  "variable": {"u": {}},
  "data": {"aws_iam_policy_document": {"p": {"statement": {
    "actions": ["sts:x"],
    "principals": {"type": "Federated", "identifiers": ["${var.u}"]},
    "condition": [{"test": "StringEquals", "variable": "h:sub", "values": ["v"]}]
  }}}},
  "resource": {"aws_iam_role": {"r": {"assume_role_policy": "${data.aws_iam_policy_document.p.json}"}}}
}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "sts:x", "Principal": map[string]any{"Federated": nil},
		"Condition": map[string]any{"StringEquals": map[string]any{"h:sub": "v"}},
	}}}
	if got := lookup(docs[0].Value, "/json"); !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if reason := docs[0].Unknown["/json/Statement/0/Principal/Federated"]; reason != "var.u is not known offline" {
		t.Errorf("want the principal unknown, got %v", docs[0].Unknown)
	}
	if got := lookup(docs[1].Value, "/assume_role_policy"); !reflect.DeepEqual(got, want) {
		t.Errorf("through a template: want %v, got %v, unknown %v", want, got, docs[1].Unknown)
	}
}
