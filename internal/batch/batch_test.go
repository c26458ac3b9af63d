package batch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/internal/batch"
	"github.com/trustcheck/trustcheck/internal/mint"
)

const now = 1768478400

func clock() time.Time { return time.Unix(now, 0) }

func checker(t *testing.T) *batch.Check {
	t.Helper()
	bundle, err := bundles.Open(context.Background(), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return batch.NewCheck(bundle, ".", clock)
}

// ask returns the answers to lines.
func ask(t *testing.T, answerer batch.Answerer, lines ...string) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	if err := batch.Run(context.Background(), strings.NewReader(strings.Join(lines, "\n")), &out, answerer); err != nil {
		t.Fatal(err)
	}
	var answers []map[string]any
	for line := range strings.Lines(out.String()) {
		var answer map[string]any
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		answers = append(answers, answer)
	}
	return answers
}

const role = `{"role_type":"jwt","user_claim":"sub","bound_claims":{"a":"x"}}`

func checkLine(id, role, claims string) string {
	return fmt.Sprintf(`{"id":%q,"platform":"vault","role":%s,"claims":%s,"now":%d}`, id, role, claims, now)
}

func TestMalformedLineStopsTheRest(t *testing.T) {
	good := `{"sub":"u","iat":1768478300,"exp":1768478700,"a":"x"}`
	answers := ask(t, checker(t),
		checkLine("first", role, good),
		`{"id":"broken"`,
		`[]`,
		`{"id":"misspelt","platform":"vault","role":`+role+`,"clams":{}}`,
		`{"id":"noted","platform":"vault","role":`+role+`,"claims":`+good+`,"now":1768478400,"comment":"mine"}`,
		`{"id":7,"platform":"vault","role":`+role+`}`,
		`{"platform":"nope","role":{},"claims":{}}`,
		checkLine("refused", `{"role_type":"jwt","user_claim":"sub"}`, good),
		checkLine("twice", `{"role_type":"jwt","role_type":"oidc"}`, good),
		"",
		checkLine("last", role, strings.Replace(good, `"x"`, `"y"`, 1)),
	)
	want := []struct {
		id      any
		verdict any
		says    string
	}{
		{"first", "allow", ""},
		{2.0, nil, "want a JSON object"},
		{3.0, nil, "want a JSON object"},
		{"misspelt", nil, "did you mean claims"},
		{"noted", "allow", ""},
		{7.0, nil, "claims"},
		{7.0, nil, "unknown platform"},
		{"refused", nil, "must have at least one bound constraint"},
		{"twice", nil, "role_type"},
		{"last", "deny", ""},
	}
	if len(answers) != len(want) {
		t.Fatalf("%d answers to %d lines", len(answers), len(want))
	}
	for i, wanted := range want {
		got := answers[i]
		said, _ := json.Marshal(got)
		if got["id"] != wanted.id || got["verdict"] != wanted.verdict || !strings.Contains(string(said), wanted.says) {
			t.Errorf("answer %d is %s, want id %v, %v, %q", i, said, wanted.id, wanted.verdict, wanted.says)
		}
	}
}

func TestSpellingsOfOneRoleAreOneRole(t *testing.T) {
	claims := `{"sub":"u","iat":1768478300,"exp":1768478700,"a":22}`
	answers := ask(t, checker(t),
		checkLine("plain", `{"role_type":"jwt","user_claim":"sub","bound_claims":{"a":22}}`, claims),
		checkLine("point", `{"role_type":"jwt","user_claim":"sub","bound_claims":{"a":22.0}}`, claims),
		checkLine("plain again", `{"role_type":"jwt","user_claim":"sub","bound_claims":{"a":22}}`, claims),
	)
	for i, want := range []string{"allow", "deny", "allow"} {
		if answers[i]["verdict"] != want {
			t.Errorf("%v: %v, want %s", answers[i]["id"], answers[i]["verdict"], want)
		}
	}
}

// The context shapes some roles: one prepared for another configuration must not answer.
func TestRoleOfAnotherConfigurationAnswers(t *testing.T) {
	line := func(issuer string) string {
		return fmt.Sprintf(`{"platform":"vault","role":%s,"context":{"config":{"bound_issuer":%q}},"claims":{"iss":"a","sub":"u","iat":1768478300,"exp":1768478700,"a":"x"},"now":%d}`, role, issuer, now)
	}
	answers := ask(t, checker(t), line("a"), line("b"), line("a"))
	for i, want := range []string{"allow", "deny", "allow"} {
		if answers[i]["verdict"] != want {
			t.Errorf("line %d: %v, want %s", i, answers[i]["verdict"], want)
		}
	}
}

// signed returns a token and the key set that it is signed by.
func signed(t *testing.T, overrides ...string) (string, string) {
	t.Helper()
	var set []mint.Override
	for _, text := range overrides {
		override, err := mint.ParseOverride(text)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, override)
	}
	claims, err := mint.Claims("gitlab", set, clock())
	if err != nil {
		t.Fatal(err)
	}
	key, err := mint.NewKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	token, err := mint.Sign(key, "", "", claims)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := mint.JWKS(key)
	if err != nil {
		t.Fatal(err)
	}
	return token, strings.ReplaceAll(string(keys), "\n", "")
}

func TestVerifyLineIsAnsweredWrongly(t *testing.T) {
	token, keys := signed(t)
	_, others := signed(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "keys.json"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	line := func(jwks, more string) string {
		return fmt.Sprintf(`{"token":%q,"issuer":"https://gitlab.example.com","audience":"https://vault.example.com","jwks":%s%s}`, token, jwks, more)
	}
	at := fmt.Sprintf(`,"now":%d`, now)
	for name, known := range map[string]struct {
		line  string
		valid any
		code  string
	}{
		"good":               {line(keys, at), true, ""},
		"key file":           {line(`"keys.json"`, at), true, ""},
		"any of audiences":   {strings.Replace(line(keys, at), `"https://vault.example.com"`, `["a","https://vault.example.com"]`, 1), true, ""},
		"other keys":         {line(others, at), false, "unknown_key"},
		"another issuer":     {strings.Replace(line(keys, at), "gitlab.example.com\"", "gitlab.example.org\"", 1), false, "wrong_issuer"},
		"another audience":   {strings.Replace(line(keys, at), "vault.example.com\"", "vault.example.org\"", 1), false, "wrong_audience"},
		"other algorithm":    {line(keys, at+`,"algs":["RS256"]`), false, "unsupported_algorithm"},
		"late":               {line(keys, `,"now":"2026-01-16T12:00:00Z"`), false, "expired"},
		"no key set at all":  {line(`{"no":"keys"}`, at), nil, batch.BadKeySet},
		"no usable key":      {line(`{"keys":[]}`, at), false, "no_usable_key"},
		"within the leeway":  {line(keys, `,"now":1768478390`), true, ""},
		"without the leeway": {line(keys, `,"leeway_s":0,"now":1768478390`), false, "not_yet_valid"},
	} {
		answer := ask(t, batch.NewVerify(folder, clock), known.line)[0]
		text, _ := json.Marshal(answer)
		if valid, given := answer["valid"]; !given || valid != known.valid || !strings.Contains(string(text), known.code) {
			t.Errorf("%s: %s, want %v %s", name, text, known.valid, known.code)
		}
		if strings.Contains(string(text), token) {
			t.Errorf("%s: the answer holds the token", name)
		}
	}
}

func TestTokenIsDecidedWithoutVerification(t *testing.T) {
	token, keys := signed(t)
	_, others := signed(t)
	line := func(jwks string) string {
		return fmt.Sprintf(`{"platform":"vault","role":{"role_type":"jwt","user_claim":"sub","bound_audiences":["https://vault.example.com"]},"token":%q,
"issuer":"https://gitlab.example.com","audience":"https://vault.example.com","jwks":%s,"now":%d}`, token, jwks, now)
	}
	answers := ask(t, checker(t), strings.ReplaceAll(line(keys), "\n", ""), strings.ReplaceAll(line(others), "\n", ""))
	if answers[0]["verdict"] != "allow" {
		t.Errorf("%v", answers[0])
	}
	if answers[1]["verdict"] != "deny" || answers[1]["stage"] != "verification" || answers[1]["platform_verdict"] != "allow" {
		t.Errorf("%v", answers[1])
	}
}

func TestTimeIsReadLoosely(t *testing.T) {
	for text, want := range map[string]int64{
		"1700000000": 1700000000e9, "1700000000.000000001": 1700000000e9 + 1, "2023-11-14T22:13:20Z": 1700000000e9, "0": 0, "-1.5": -1.5e9,
	} {
		if got, err := batch.ParseTime(text); err != nil || got.UnixNano() != want {
			t.Errorf("%s: %v, %v", text, got.UnixNano(), err)
		}
	}
	for _, text := range []string{"", "now", "1700000000.0000000001", "1/2", "0x10", "1e999999999", "99999999999999", "1_000", "2023-11-14"} {
		if got, err := batch.ParseTime(text); err == nil {
			t.Errorf("%s: read as %v", text, got)
		}
	}
}

func TestOutputErrorIsLost(t *testing.T) {
	err := batch.Run(context.Background(), strings.NewReader("{}\n"), full{}, checker(t))
	if !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// fragile panics at the line that says so.
type fragile struct{}

func (fragile) Answer(_ context.Context, _ json.RawMessage, line []byte) (any, error) {
	if bytes.Contains(line, []byte("panic")) {
		panic("out of order")
	}
	return map[string]any{"fine": true}, nil
}

func TestAPanicStopsTheRest(t *testing.T) {
	answers := ask(t, fragile{}, `{"id":"a"}`, `{"id":"panic"}`, `{"id":"b"}`)
	if len(answers) != 3 || answers[0]["fine"] != true || answers[2]["fine"] != true {
		t.Fatalf("want three answers, got %v", answers)
	}
	if says, _ := answers[1]["error"].(string); answers[1]["id"] != "panic" || !strings.Contains(says, "out of order") {
		t.Errorf("want the panic's line to say so, got %v", answers[1])
	}
}
