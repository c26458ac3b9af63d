package issuer

import "testing"

// Check stands on the path of every decision about a recognised token.
func BenchmarkCheck(b *testing.B) {
	claims := samples(b, GitLab)["id_tokens"]
	b.ReportAllocs()
	for b.Loop() {
		if w := Check(GitLab, claims); len(w) != 0 {
			b.Fatal(w)
		}
	}
}
