package batch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/batch"
)

// Mixed lines over 100 roles, most of them refused: the target is 2,000 lines a second on
// one core.
func BenchmarkCheckLine(b *testing.B) {
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("../../testdata/tokens/gitlab.claims.json")
	if err != nil {
		b.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		b.Fatal(err)
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	const count = 1000
	for i := range count {
		claims["ref"] = []string{"main", "feature/x", "v1"}[i%3]
		role := map[string]any{
			"role_type": "jwt", "user_claim": "user_email", "bound_audiences": []string{"https://vault.example.com"},
			"bound_claims_type": []string{"glob", "string"}[i%2],
			"bound_claims":      map[string]any{"project_path": fmt.Sprintf("acme/infra%.*s", i%2, "*"), "ref": "main", "namespace_id": fmt.Sprint(i % 100)},
		}
		if i%4 == 0 {
			role["bound_claims"] = map[string]any{"project_path": "acme/infra", "ref": "main", "namespace_id": "72", "runner_id": i % 100}
		}
		err := encoder.Encode(map[string]any{"id": i, "platform": "vault", "role": role, "claims": claims, "now": 1768478400})
		if err != nil {
			b.Fatal(err)
		}
	}
	answerer := batch.NewCheck(bundle, ".", func() time.Time { return time.Unix(1768478400, 0) })
	b.ReportAllocs()
	for b.Loop() {
		if err := batch.Run(context.Background(), bytes.NewReader(lines.Bytes()), io.Discard, answerer); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/line")
}
