package breadth_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/breadth"
	"github.com/trustcheck/trustcheck/bundles"
)

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkSamples measures processor time for one role and one attacker: that of a role
// divided by the attackers who are asked about.
func BenchmarkSamples(b *testing.B) {
	bundle := openBundle(b)
	analyser := breadth.New(bundle)
	subjects := sampleSubjects(b, bundle)
	var each []time.Duration
	for b.Loop() {
		for _, subject := range subjects {
			start := cpu()
			if _, err := analyser.Analyse(context.Background(), subject); err != nil {
				b.Fatal(err)
			}
			each = append(each, (cpu()-start)/time.Duration(len(breadth.Attackers())))
		}
	}
	slices.Sort(each)
	b.ReportMetric(float64(each[len(each)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(each[len(each)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(each[len(each)-1].Microseconds())/1000, "max-ms")
}

// BenchmarkDetail measures processor time for one role with every attacker, regions and
// profile, over the samples of all platforms.
func BenchmarkDetail(b *testing.B) {
	bundle := openBundle(b)
	analyser := breadth.New(bundle)
	subjects := sampleSubjects(b, bundle)
	for _, detail := range []bool{false, true} {
		b.Run(fmt.Sprintf("detail=%t", detail), func(b *testing.B) {
			var each []time.Duration
			for b.Loop() {
				for _, subject := range subjects {
					subject.Detail = detail
					start := cpu()
					if _, err := analyser.Analyse(context.Background(), subject); err != nil {
						b.Fatal(err)
					}
					each = append(each, cpu()-start)
				}
			}
			slices.Sort(each)
			b.ReportMetric(float64(each[len(each)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(float64(each[len(each)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(each[len(each)-1].Microseconds())/1000, "max-ms")
		})
	}
}

// pathological are roles made to cost as much as they can.
func pathological() map[string]map[string]any {
	glob := func(claim string, patterns ...string) map[string]any {
		values := make([]any, len(patterns))
		for i, pattern := range patterns {
			values[i] = pattern
		}
		return map[string]any{
			"role_type": "jwt", "user_claim": "sub", "bound_audiences": []any{"v"},
			"bound_claims_type": "glob", "bound_claims": map[string]any{claim: values},
		}
	}
	many := func(n int, format string) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = strings.ReplaceAll(format, "%d", fmt.Sprint(i))
		}
		return all
	}
	contains := glob("sub", "*aa*")
	bound := contains["bound_claims"].(map[string]any)
	for i, claim := range []string{"project_path", "namespace_path", "job_project_path", "ci_config_ref_uri", "ref", "ref_path"} {
		bound[claim] = fmt.Sprintf("*%c%c*%c*", 'b'+i, 'c'+i, 'd'+i)
		bound["/"+claim] = fmt.Sprintf("*%c%c*%c*", 'm'+i, 'n'+i, 'o'+i)
	}
	return map[string]map[string]any{
		"*a*a*a*b*":                    glob("sub", "*a*a*a*b*"),
		"*a x100":                      glob("sub", strings.Repeat("*a", 100)+"*"),
		"2,000 letters":                glob("sub", "project_path:"+strings.Repeat("a", 2000)+"/b:ref_type:branch:ref:main"),
		"50 values":                    glob("project_path", many(50, "acme/p%d")...),
		"50 prefixes":                  glob("project_path", many(50, "acme/p%d*")...),
		"50 suffixes":                  glob("project_path", many(50, "*/p%d")...),
		"50 infixes":                   glob("project_path", many(50, "*p%dq*")...),
		"200 prefix*infix*suffix":      glob("sub", many(200, "project_path:p%d*x%d*s%d")...),
		"infixes of 13 claims at once": contains,
	}
}

func pathologicalSubject(t testing.TB, bundle *bundles.Bundle, role map[string]any) breadth.Subject {
	t.Helper()
	scope, err := breadth.ReadScope([]byte(`{"project_path":"acme/app"}`))
	if err != nil {
		t.Fatal(err)
	}
	facts, err := breadth.ReadFacts([]byte(`{"protected_branches":["main"],"protected_tags":[],"environments":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	return breadth.Subject{Role: vaultRole(t, bundle, marshal(t, role)), Issuer: "https://gitlab.com", Scope: scope, Facts: facts, Now: testNow}
}

// pathologicalSubjects are conditions on the subjects of GitHub Actions, which may be made of
// any keys, that cost as much as they can.
func pathologicalSubjects() map[string]map[string]any {
	trust := func(patterns ...string) map[string]any {
		return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
			"Principal": map[string]any{"Federated": "arn:aws:iam::123456789012:oidc-provider/" + gitHub},
			"Condition": map[string]any{"StringLike": map[string]any{gitHub + ":sub": patterns}},
		}}}
	}
	var values []string
	for i := range 200 {
		values = append(values, fmt.Sprintf("repo:p%d*x%d*s%d", i, i, i))
	}
	return map[string]map[string]any{
		"*a and 12 times ?":            trust("*a" + strings.Repeat("?", 12)),
		"200 repo:prefix*infix*suffix": trust(values...),
		"8 infixes of a subject":       gitHubProvider(infixes(8)),
		"an owner and 10 infixes":      gitHubProvider("assertion.repository_owner == 'acme' && " + infixes(10)),
	}
}

// infixes is an attribute condition that wants so many texts in a subject.
func infixes(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf("assertion.sub.contains('x%dy')", i)
	}
	return strings.Join(parts, " && ")
}

// gitHubProvider is a provider of Google's for GitHub Actions.
func gitHubProvider(condition string) map[string]any {
	return map[string]any{
		"name": "projects/123456789012/locations/global/workloadIdentityPools/ci/providers/p", "state": "ACTIVE",
		"oidc": map[string]any{"issuerUri": "https://" + gitHub}, "attributeCondition": condition,
		"attributeMapping": map[string]any{"google.subject": "assertion.sub"},
	}
}

func gitHubSubject(t testing.TB, bundle *bundles.Bundle, role map[string]any, scope string) breadth.Subject {
	t.Helper()
	doc, err := trustcheck.ReadDocument("role.json", marshal(t, role))
	if err != nil {
		t.Fatal(err)
	}
	subject := breadth.Subject{Now: testNow}
	if subject.Role, err = bundle.Prepare(context.Background(), doc, "", nil); err != nil {
		t.Fatal(err)
	}
	if subject.Scope, err = breadth.ReadScope([]byte(scope)); err != nil {
		t.Fatal(err)
	}
	if subject.Facts, err = breadth.ReadFacts([]byte(`{"protected_branches":["main"],"environments":{}}`)); err != nil {
		t.Fatal(err)
	}
	return subject
}

func BenchmarkPathological(b *testing.B) {
	bundle := openBundle(b)
	analyser := breadth.New(bundle)
	subjects := map[string]breadth.Subject{}
	for name, role := range pathological() {
		subjects[name] = pathologicalSubject(b, bundle, role)
	}
	for name, role := range pathologicalSubjects() {
		subjects[name] = gitHubSubject(b, bundle, role, `{"repository":"acme/app"}`)
	}
	for name, subject := range subjects {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := analyser.Analyse(context.Background(), subject); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// manyOf are roles of so many values, subjects, statements and names of a scope, without a
// scope where none is said.
func manyOf(t testing.TB, bundle *bundles.Bundle, counts ...int) map[string][]breadth.Subject {
	t.Helper()
	all := map[string][]breadth.Subject{}
	for _, n := range counts {
		paths, subjects := make([]any, n), make([]any, n)
		var statements []any
		for i := range n {
			paths[i] = fmt.Sprintf("acme/app%d", i)
			subjects[i] = fmt.Sprintf("repo:acme/app%d:ref:refs/heads/main", i)
			statements = append(statements, gitHubStatement(map[string]any{
				"StringEquals": map[string]any{gitHub + ":aud": "sts.amazonaws.com"},
				"StringLike":   map[string]any{gitHub + ":sub": fmt.Sprintf("repo:acme/app%d:*", i)},
			}))
		}
		vault := func(wanted any, scope string) breadth.Subject {
			subject := breadth.Subject{Issuer: "https://gitlab.com", Now: testNow, Limits: patient}
			subject.Role = vaultRole(t, bundle, marshal(t, map[string]any{
				"role_type": "jwt", "user_claim": "sub", "bound_audiences": []any{"v"}, "bound_claims": map[string]any{"project_path": wanted},
			}))
			if scope != "" {
				read, err := breadth.ReadScope([]byte(scope))
				if err != nil {
					t.Fatal(err)
				}
				subject.Scope = read
			}
			return subject
		}
		aws := func(statements ...any) breadth.Subject {
			doc, err := trustcheck.ReadDocument("role.json", marshal(t, map[string]any{"Version": "2012-10-17", "Statement": statements}))
			if err != nil {
				t.Fatal(err)
			}
			role, err := bundle.Prepare(context.Background(), doc, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			return breadth.Subject{Role: role, Now: testNow, Limits: patient}
		}
		listed := string(marshal(t, map[string]any{"project_path": paths}))
		for name, subject := range map[string]breadth.Subject{
			"paths":      vault(paths, ""),
			"names":      vault("acme/app1", listed),
			"subjects":   aws(gitHubStatement(map[string]any{"StringEquals": map[string]any{gitHub + ":sub": subjects}})),
			"statements": aws(statements...),
		} {
			all[name] = append(all[name], subject)
		}
	}
	return all
}

// gitHubStatement lets in jobs of GitHub Actions under a condition.
func gitHubStatement(condition map[string]any) map[string]any {
	return map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": map[string]any{"Federated": "arn:aws:iam::123456789012:oidc-provider/" + gitHub},
		"Condition": condition,
	}
}

// BenchmarkMany measures roles and scopes that list a hundred things of a kind.
func BenchmarkMany(b *testing.B) {
	bundle := openBundle(b)
	analyser := breadth.New(bundle)
	for name, subjects := range manyOf(b, bundle, 100) {
		b.Run("100 "+name, func(b *testing.B) {
			start := cpu()
			for b.Loop() {
				if _, err := analyser.Analyse(context.Background(), subjects[0]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-start).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}
