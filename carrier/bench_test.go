package carrier

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// bigPlan writes a plan of at least size bytes, indented as people save it: one
// role that matters for every nine resources that do not, each in planned_values
// and in resource_changes.
func bigPlan(size int) (text []byte, roles int) {
	const role = `        {
          "address": "module.m%[1]d.aws_iam_role.ci",
          "mode": "managed",
          "type": "aws_iam_role",
          "name": "ci",
          "values": {
            "name": "ci-%[1]d",
            "assume_role_policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Federated\":\"arn:aws:iam::123456789012:oidc-provider/gitlab.com\"},\"Action\":\"sts:AssumeRoleWithWebIdentity\",\"Condition\":{\"StringEquals\":{\"gitlab.com:sub\":\"project_path:acme/app%[1]d:ref_type:branch:ref:main\"}}}]}",
            "max_session_duration": 3600,
            "tags": {"team": "platform", "cost": "0.%[1]d"}
          }
        }`
	const other = `        {
          "address": "module.m%[1]d.aws_s3_bucket.b[%[2]d]",
          "mode": "managed",
          "type": "aws_s3_bucket",
          "name": "b",
          "index": %[2]d,
          "values": {
            "bucket": "acme-%[1]d-%[2]d",
            "force_destroy": false,
            "lifecycle_rule": [{"enabled": true, "expiration": [{"days": 30}], "noncurrent_version_expiration": []}],
            "tags": {"team": "platform", "cost": "0.%[1]d", "note": "{\"a\": [1, 2, 3]}"}
          }
        }`
	var values, changes bytes.Buffer
	for i := 0; values.Len()+changes.Len() < size; i++ {
		if i > 0 {
			values.WriteString(",\n")
			changes.WriteString(",\n")
		}
		fmt.Fprintf(&values, role, i)
		for j := range 9 {
			fmt.Fprintf(&values, ",\n"+other, i, j)
		}
		fmt.Fprintf(&changes, `    {"address": "module.m%[1]d.aws_iam_role.ci", "mode": "managed", "type": "aws_iam_role", "name": "ci",
     "change": {"actions": ["create"], "before": null, "after": {"name": "ci-%[1]d"}, "after_unknown": {"arn": true, "id": true}}}`, i)
		roles++
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\n  \"format_version\": \"1.2\",\n  \"terraform_version\": \"1.9.8\",\n  \"planned_values\": {\n    \"root_module\": {\n      \"resources\": [\n%s\n      ]\n    }\n  },\n  \"resource_changes\": [\n%s\n  ]\n}\n", &values, &changes)
	return out.Bytes(), roles
}

// BenchmarkPlan50MB reads a plan of 50 MB. Its bounds are 10 s and 1 GB of
// resident memory on two cores; run it with -benchtime 1x below /usr/bin/time -v
// to see the latter.
func BenchmarkPlan50MB(b *testing.B) {
	text, roles := bigPlan(50_000_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		docs, err := Read("plan.json", text)
		if err != nil || len(docs) != roles {
			b.Fatalf("want %d documents, got %d, %v", roles, len(docs), err)
		}
	}
}

// BenchmarkWalk1000Files reads 1,000 small files of all kinds; the bound is 3 s.
func BenchmarkWalk1000Files(b *testing.B) {
	var samples [][2]string
	files, _ := filepath.Glob("testdata/same/*/*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		samples = append(samples, [2]string{filepath.Base(file), string(text)})
	}
	root := b.TempDir()
	for i := range 1000 {
		sample := samples[i%len(samples)]
		folder := filepath.Join(root, fmt.Sprintf("d%04d", i))
		if err := os.Mkdir(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, sample[0]), []byte(sample[1]), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		count := 0
		err := Walk(context.Background(), []string{root}, func(r Result) error {
			count++
			return r.Err
		})
		if err != nil || count != 1000 {
			b.Fatalf("want 1000 results, got %d, %v", count, err)
		}
	}
}
