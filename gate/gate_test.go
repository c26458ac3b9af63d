package gate_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
	"github.com/trustcheck/trustcheck/verifier"
)

// guarded serves a handler behind the gate on a real socket and says what the
// handler saw.
func guarded(t *testing.T, g *gate.Gate, role string) (url string, seen *http.Header) {
	t.Helper()
	seen = new(http.Header)
	server := httptest.NewServer(g.Middleware(role)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := gate.FromContext(r.Context())
		if !ok || answer.Code != gate.Allowed || answer.Decision.Verdict != trustcheck.Allow || answer.Token == nil {
			t.Error("the handler found no admission in the context")
		}
		*seen = r.Header.Clone()
		io.WriteString(w, "secret")
	})))
	t.Cleanup(server.Close)
	return server.URL, seen
}

func get(t *testing.T, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func TestMiddlewareAnswersOtherwiseThanRFC6750(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, nil)
	good := issuer.Token(t)
	for _, test := range []struct {
		name, role string
		header     http.Header
		status     int
		code       gate.Code
		challenge  string
	}{
		{"good token", "deploy", bearer(good), 200, "", ""},
		{"no credentials", "deploy", http.Header{}, 401, gate.NoCredentials, `Bearer realm="trustcheck"`},
		{"unsupported scheme", "deploy", http.Header{"Authorization": {"Negotiate abc"}}, 401, gate.NoCredentials, `Bearer realm="trustcheck"`},
		{"two values", "deploy", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, 400, gate.InvalidRequest, `Bearer realm="trustcheck", error="invalid_request"`},
		{"two values joined", "deploy", bearer(good + ", Bearer " + good), 400, gate.InvalidRequest, `Bearer realm="trustcheck", error="invalid_request"`},
		{"not a token", "deploy", bearer("x"), 401, gate.InvalidToken, `Bearer realm="trustcheck", error="invalid_token", error_description="not_a_jwt"`},
		{"expired", "deploy", bearer(issuer.TokenAt(t, time.Now().Add(-24*time.Hour))), 401, gate.InvalidToken, `Bearer realm="trustcheck", error="invalid_token", error_description="expired"`},
		{"another audience", "deploy", bearer(issuer.Token(t, "aud=https://other.example")), 401, gate.InvalidToken, `Bearer realm="trustcheck", error="invalid_token", error_description="wrong_audience"`},
		{"denied", "deploy", bearer(issuer.Token(t, "ref_protected=false")), 403, gate.Denied, `Bearer realm="trustcheck", error="insufficient_scope"`},
		{"undecided", "undecided", bearer(good), 403, gate.Undecided, `Bearer realm="trustcheck", error="insufficient_scope"`},
		{"undecided and denied", "undecided", bearer(issuer.Token(t, "project_path=other/thing")), 403, gate.Denied, `Bearer realm="trustcheck", error="insufficient_scope"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, _ := guarded(t, g, test.role)
			response, body := get(t, url, test.header)
			if response.StatusCode != test.status {
				t.Errorf("want status %d, got %d: %s", test.status, response.StatusCode, body)
			}
			if got := response.Header.Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("want challenge %s, got %s", test.challenge, got)
			}
			if admitted := body == "secret"; admitted != (test.status == 200) {
				t.Errorf("status %d, but the handler's answer is %q", test.status, body)
			}
			if test.code != "" && !strings.Contains(body, `"code":"`+string(test.code)+`"`) {
				t.Errorf("want code %s, got %s", test.code, body)
			}
		})
	}
}

func TestForgedIdentityReachesTheHandler(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	url, seen := guarded(t, gatetest.New(t, issuer, nil), "deploy")
	header := bearer(issuer.Token(t))
	for _, name := range []string{"X-Trustcheck-Subject", "x_trustcheck_subject", "X-Trustcheck_Role", "X-Ci-Environment", "X_CI_PROJECT", "X-Unrelated"} {
		header[name] = []string{"forged"}
	}
	if response, body := get(t, url, header); response.StatusCode != 200 {
		t.Fatalf("want 200, got %d: %s", response.StatusCode, body)
	}
	for name, values := range *seen {
		if name != "X-Unrelated" && slices.Contains(values, "forged") {
			t.Errorf("the handler sees %s: %q", name, values)
		}
	}
	want := map[string]string{"X-Trustcheck-Role": "deploy", "X-Trustcheck-Issuer": issuer.URL, "X-Ci-Project": "acme/infra",
		"X-Trustcheck-Subject": "project_path:acme/infra:ref_type:branch:ref:main", "X-Ci-Environment": "", "X-Unrelated": "forged"}
	for name, value := range want {
		if got := seen.Get(name); got != value {
			t.Errorf("want %s: %q, got %q", name, value, got)
		}
	}
}

func TestClaimBreaksOutOfItsHeader(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, func(c *gate.Config) { c.Identity = map[string]string{"X-Ci-Job": "job_note"} })
	for value, want := range map[string]string{
		`"plain text"`: "plain text", `7`: "7", `true`: "true",
		`"a\r\nX-Admin: 1"`: "", `"né"`: "", `" padded "`: "", `["list"]`: "", `{"a":1}`: "", `null`: "", `"` + strings.Repeat("x", 1025) + `"`: "",
	} {
		answer := g.Check(t.Context(), gate.Question{Role: "deploy", Credentials: gate.Bearer(issuer.Token(t, "job_note:="+value))})
		fields := g.Identity(answer)
		if got := fields[len(fields)-1]; got.Name != "X-Ci-Job" || got.Value != want || answer.Code != gate.Allowed {
			t.Errorf("claim %s: want X-Ci-Job: %q, got %q (%s)", value, want, got, answer.Code)
		}
	}
}

func TestAuthorizationIsMisread(t *testing.T) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, test := range []struct {
		name   string
		values []string
		basic  bool
		want   gate.Credentials
	}{
		{"bearer", []string{"Bearer a.b.c"}, false, gate.Credentials{Token: "a.b.c"}},
		{"other case", []string{"bEARER  a.b.c "}, false, gate.Credentials{Token: "a.b.c"}},
		{"nothing", nil, false, gate.Credentials{Fault: gate.NoCredentials}},
		{"empty", []string{""}, false, gate.Credentials{Fault: gate.NoCredentials}},
		{"scheme alone", []string{"Bearer"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"bare token", []string{"a.b.c"}, false, gate.Credentials{Fault: gate.NoCredentials}},
		{"two words", []string{"Bearer a.b.c d"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"tab", []string{"Bearer\ta.b.c"}, false, gate.Credentials{Fault: gate.NoCredentials}},
		{"line end", []string{"Bearer a.b.c\nx"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"beyond ASCII", []string{"Bearer a.b.ĉ"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"two values", []string{"Bearer a.b.c", "Bearer a.b.c"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"joined", []string{"Bearer a.b.c,Bearer d.e.f"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"joined to another scheme", []string{"Negotiate x, Bearer a.b.c"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"an empty value joined", []string{", Bearer a.b.c"}, false, gate.Credentials{Fault: gate.InvalidRequest}},
		{"basic, off", []string{basic("git:a.b.c")}, false, gate.Credentials{Fault: gate.NoCredentials}},
		{"basic", []string{basic("git:a.b.c")}, true, gate.Credentials{Token: "a.b.c"}},
		{"basic, token as user", []string{basic("a.b.c:x-oauth-basic")}, true, gate.Credentials{Token: "a.b.c"}},
		{"basic, no password", []string{basic("a.b.c:")}, true, gate.Credentials{Token: "a.b.c"}},
		{"basic, no colon", []string{basic("a.b.c")}, true, gate.Credentials{Fault: gate.InvalidRequest}},
		{"basic, line end", []string{basic("git:a.b.c\n")}, true, gate.Credentials{Fault: gate.InvalidRequest}},
		{"basic, not base64", []string{"Basic !!!"}, true, gate.Credentials{Fault: gate.InvalidRequest}},
		{"bearer beside basic", []string{"Bearer a.b.c"}, true, gate.Credentials{Token: "a.b.c"}},
	} {
		if got := gate.ReadAuthorization(test.values, test.basic); got != test.want {
			t.Errorf("%s: want %+v, got %+v", test.name, test.want, got)
		}
	}
}

func FuzzAuthorizationOfTwo(f *testing.F) {
	f.Add("Bearer a.b.c", true)
	f.Add("Basic Z2l0OmEuYi5j", true)
	f.Fuzz(func(t *testing.T, value string, basic bool) {
		got := gate.ReadAuthorization([]string{value}, basic)
		if (got.Token == "") == (got.Fault == "") {
			t.Fatalf("want a token or a fault, got %+v", got)
		}
		if strings.ContainsAny(got.Token, ", \t\r\n:\x00") {
			t.Fatalf("a token with a delimiter in it: %q", got.Token)
		}
	})
}

func TestGitIsNotAskedForAPassword(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	for _, basic := range []bool{true, false} {
		url, _ := guarded(t, gatetest.New(t, issuer, func(c *gate.Config) { c.Basic = basic }), "deploy")
		response, _ := get(t, url, http.Header{})
		if got := len(response.Header.Values("WWW-Authenticate")); got != map[bool]int{true: 2, false: 1}[basic] {
			t.Errorf("basic %v: got %d challenges", basic, got)
		}
		request, _ := http.NewRequest(http.MethodGet, url, nil)
		request.SetBasicAuth("gitlab-ci-token", issuer.Token(t))
		response, _ = get(t, url, request.Header)
		if want := map[bool]int{true: 200, false: 401}[basic]; response.StatusCode != want {
			t.Errorf("basic %v: want %d, got %d", basic, want, response.StatusCode)
		}
	}
}

func TestIssuerDownLooksLikeABadToken(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	issuer.Down.Store(true)
	url, _ := guarded(t, gatetest.New(t, issuer, nil), "deploy")
	response, body := get(t, url, bearer(issuer.Token(t)))
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || response.Header.Get("WWW-Authenticate") != "" ||
		!strings.Contains(body, `"issuer_unavailable"`) || strings.Contains(body, issuer.URL) {
		t.Errorf("want 503 with Retry-After and without challenge, got %d %v %s", response.StatusCode, response.Header, body)
	}
	// The twin: what is known to be bad is a 401 all the same.
	if response, body := get(t, url, bearer("x.y.z")); response.StatusCode != 401 {
		t.Errorf("want 401, got %d: %s", response.StatusCode, body)
	}
}

func TestLateEvaluationAdmits(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	// A rule of the user's that counts to a thousand million.
	bundle, err := bundles.Open(t.Context(), bundles.Options{Require: []string{"slow"}, Rules: map[string]string{"slow.rego": `package trustcheck.rules.slow

default allow := false

allow if {
	some a in numbers.range(1, 1000)
	some b in numbers.range(1, 1000)
	some c in numbers.range(1, 1000)
	a + b + c == 3000
}
`}, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	g := gatetest.New(t, issuer, func(c *gate.Config) {
		c.Bundle, c.Deadline = bundle, 50*time.Millisecond
		c.Roles = map[string]gate.Role{"deploy": {Role: gatetest.Role(t, bundle, gatetest.RoleText)}}
	})
	start := time.Now()
	answer := g.Check(t.Context(), gate.Question{Role: "deploy", Credentials: gate.Bearer(issuer.Token(t))})
	if answer.Code != gate.EvaluationFailed || answer.Decision.Verdict != trustcheck.Undecided {
		t.Errorf("want evaluation_failed and undecided, got %s and %s", answer.Code, answer.Decision.Verdict)
	}
	if elapsed := time.Since(start); elapsed > 10*time.Second {
		t.Errorf("the answer took %v", elapsed)
	}
}

// slow is a verifier that waits.
type slow struct {
	entered chan struct{}
	leave   chan struct{}
}

func (s *slow) Verify(context.Context, string, time.Time) (*verifier.Token, error) {
	s.entered <- struct{}{}
	<-s.leave
	return nil, errors.New("not known")
}

func TestFloodQueuesUp(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	tokens := &slow{entered: make(chan struct{}), leave: make(chan struct{})}
	g := gatetest.New(t, issuer, func(c *gate.Config) { c.Tokens, c.Concurrency = tokens, 2 })
	ask := func() gate.Code {
		return g.Check(context.Background(), gate.Question{Role: "deploy", Credentials: gate.Bearer("a")}).Code
	}
	var working sync.WaitGroup
	for range 2 {
		working.Go(func() {
			if code := ask(); code != gate.IssuerUnavailable {
				t.Errorf("want issuer_unavailable, got %s", code)
			}
		})
		<-tokens.entered
	}
	if code := ask(); code != gate.Overloaded || code.Status() != 503 {
		t.Errorf("want overloaded, 503, got %s", code)
	}
	close(tokens.leave)
	working.Wait()
	go func() { <-tokens.entered }()
	if code := ask(); code != gate.IssuerUnavailable {
		t.Errorf("a place was not given back: %s", code)
	}
}

func TestTokensOfUnknownKeysStarveTheOthers(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, func(c *gate.Config) { c.Concurrency, c.KeyWait = 8, 3*time.Second })
	ask := func(token string) gate.Code {
		return g.Check(context.Background(), gate.Question{Role: "deploy", Credentials: gate.Bearer(token)}).Code
	}
	if code := ask(issuer.Token(t)); code != gate.Allowed {
		t.Fatal(code)
	}
	issuer.Hold.Lock()
	before := issuer.Requests.Load()
	var asking sync.WaitGroup
	for i := range 50 {
		asking.Go(func() {
			// Those that find no place are refused at once, and come again.
			for range 20 {
				if code := ask(issuer.UnderKey(t, "made-up-"+strconv.Itoa(i))); code != gate.IssuerUnavailable && code != gate.Overloaded && code != gate.InvalidToken {
					t.Errorf("got %s", code)
				}
			}
		})
	}
	for issuer.Requests.Load() == before {
		time.Sleep(time.Millisecond)
	}
	allowed := 0
	for range 100 {
		if code := ask(issuer.Token(t)); code == gate.Allowed {
			allowed++
		} else if code != gate.Overloaded {
			t.Errorf("a good token meanwhile: %s", code)
		}
	}
	issuer.Hold.Unlock()
	asking.Wait()
	// The made-up ones that are refused at once are at work for a moment too.
	if allowed < 50 {
		t.Errorf("want most of 100 good tokens admitted, got %d", allowed)
	}
}

// panicking is a verifier with a fault in it.
type panicking struct{}

func (panicking) Verify(context.Context, string, time.Time) (*verifier.Token, error) { panic("secret") }

func TestPanicAdmitsOrTakesAPlace(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, func(c *gate.Config) { c.Tokens, c.Concurrency = panicking{}, 1 })
	for range 3 {
		answer := g.Check(t.Context(), gate.Question{Role: "deploy", Credentials: gate.Bearer("a.b.c")})
		if answer.Code != gate.EvaluationFailed || answer.Decision.Verdict != trustcheck.Undecided || strings.Contains(answer.Decision.Reasons[0].Message, "secret") {
			t.Errorf("want evaluation_failed and undecided, got %s and %+v", answer.Code, answer.Decision)
		}
	}
}

func TestCallerWhoLeftCountsAsOurFailure(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answer := gatetest.New(t, issuer, nil).Check(ctx, gate.Question{Role: "deploy", Credentials: gate.Bearer(issuer.Token(t))})
	if answer.Code != gate.Abandoned {
		t.Errorf("want abandoned, got %s", answer.Code)
	}
}

func TestUnknownRoleIsAdmitted(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, nil)
	for _, role := range []string{"", "admin", "Deploy", "deploy "} {
		if answer := g.Check(t.Context(), gate.Question{Role: role, Credentials: gate.Bearer(issuer.Token(t))}); answer.Code != gate.UnknownRole || answer.Code.Status() != 403 {
			t.Errorf("role %q: want unknown_role, got %s", role, answer.Code)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Middleware took a role that there is not")
		}
	}()
	g.Middleware("admin")
}

func TestCodeOtherThanAllowedIs200(t *testing.T) {
	for _, code := range append(gate.Codes(), "new", "") {
		if (code.Status() == 200) != (code == gate.Allowed) {
			t.Errorf("%s has status %d", code, code.Status())
		}
	}
}

func TestTokenIsAdmittedTwice(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, nil)
	ask := func(role, token string) gate.Code {
		return g.Check(t.Context(), gate.Question{Role: role, Credentials: gate.Bearer(token)}).Code
	}
	token := issuer.Token(t)
	if first, second := ask("deploy", token), ask("deploy", token); first != gate.Allowed || second != gate.Allowed {
		t.Errorf("a role of many uses: got %s, %s", first, second)
	}
	var admitted, replayed atomic.Int64
	var asking sync.WaitGroup
	for range 32 {
		asking.Go(func() {
			switch code := ask("once", token); code {
			case gate.Allowed:
				admitted.Add(1)
			case gate.Replayed:
				replayed.Add(1)
			default:
				t.Errorf("got %s", code)
			}
		})
	}
	asking.Wait()
	if admitted.Load() != 1 || replayed.Load() != 31 {
		t.Errorf("want 1 admission and 31 refusals, got %d and %d", admitted.Load(), replayed.Load())
	}
	if code := ask("once", issuer.Token(t)); code != gate.Allowed {
		t.Errorf("another token: want allowed, got %s", code)
	}
}

func TestSingleUseTokenWithoutIDIsAdmitted(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, nil)
	for name, token := range map[string]string{"absent": issuer.Without(t, "jti"), "empty": issuer.Token(t, `jti:=""`)} {
		answer := g.Check(t.Context(), gate.Question{Role: "once", Credentials: gate.Bearer(token)})
		if answer.Code != gate.InvalidToken || answer.Objections() != gate.MissingID {
			t.Errorf("%s: want invalid_token, missing_jti, got %s, %s", name, answer.Code, answer.Objections())
		}
		if code := g.Check(t.Context(), gate.Question{Role: "deploy", Credentials: gate.Bearer(token)}).Code; code != gate.Allowed {
			t.Errorf("%s: a role of many uses needs no jti, got %s", name, code)
		}
	}
}

func TestRefusedTokenIsSpent(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	spent := gate.NewMemory(0, time.Now)
	g := gatetest.New(t, issuer, func(c *gate.Config) { c.Replay = spent })
	g.Check(t.Context(), gate.Question{Role: "once", Credentials: gate.Bearer(issuer.Token(t, "ref_protected=false"))})
	g.Explain(t.Context(), "once", issuer.Token(t))
	if spent.Len() != 0 {
		t.Errorf("want nothing spent, got %d", spent.Len())
	}
}

// broken is a replay store that is down.
type broken struct{}

func (broken) First(context.Context, string, time.Time) (bool, error) {
	return true, errors.New("connection refused")
}

func TestReplayStoreDownAdmits(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	url, _ := guarded(t, gatetest.New(t, issuer, func(c *gate.Config) { c.Replay = broken{} }), "once")
	response, body := get(t, url, bearer(issuer.Token(t)))
	if response.StatusCode != 503 || !strings.Contains(body, `"replay_unavailable"`) || strings.Contains(body, "refused") {
		t.Errorf("want 503 replay_unavailable, got %d %s", response.StatusCode, body)
	}
}

func TestMemoryForgetsOrGrows(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := gate.NewMemory(2, func() time.Time { return now })
	first := func(key string, after time.Duration) (bool, error) { return m.First(t.Context(), key, now.Add(after)) }
	for _, step := range []struct {
		key   string
		until time.Duration
		want  bool
		err   error
		then  time.Duration
	}{
		{"a", time.Minute, true, nil, 0},
		{"b", time.Hour, true, nil, 0},
		{"a", time.Minute, false, nil, 0},
		{"c", time.Minute, false, gate.ErrFull, 0},
		{"a", time.Minute, false, nil, 59 * time.Second},
		{"a", time.Minute, false, nil, time.Second},
		{"c", time.Minute, true, nil, 0},
		{"b", time.Minute, false, nil, 0},
	} {
		got, err := first(step.key, step.until)
		if got != step.want || !errors.Is(err, step.err) {
			t.Errorf("%s at %v: want %v, %v, got %v, %v", step.key, now, step.want, step.err, got, err)
		}
		now = now.Add(step.then)
	}
}

// until records until when tokens are remembered.
type until struct{ times []time.Time }

func (u *until) First(_ context.Context, _ string, at time.Time) (bool, error) {
	u.times = append(u.times, at)
	return true, nil
}

func TestSpentTokenIsForgottenBeforeItExpires(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	replay := &until{}
	g := gatetest.New(t, issuer, func(c *gate.Config) { c.Replay = replay })
	for _, exp := range []time.Time{time.Now().Add(5 * time.Minute), time.Now().Add(-20 * time.Second), time.Unix(253402300799, 0)} {
		replay.times = nil
		token := issuer.Token(t, "exp:="+strconv.FormatInt(exp.Unix(), 10))
		if code := g.Check(t.Context(), gate.Question{Role: "once", Credentials: gate.Bearer(token)}).Code; code != gate.Allowed {
			t.Fatalf("exp %v: %s", exp, code)
		}
		at := replay.times[0]
		if century := time.Now().AddDate(100, 0, 0); at.Before(exp.Truncate(time.Second).Add(verifier.MaxLeeway)) && at.Before(century) {
			t.Errorf("exp %v is forgotten at %v", exp, at)
		}
	}
}

func TestCallerIsToldAClaim(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	var log bytes.Buffer
	g := gatetest.New(t, issuer, func(c *gate.Config) {
		c.Log, c.LogClaims = slog.New(slog.NewJSONHandler(&log, nil)), []string{"project_path", "absent"}
	})
	url, _ := guarded(t, g, "deploy")
	refused, admitted := issuer.Token(t, "ref_protected=false", "user_login=mallory"), issuer.Token(t, "user_login=mallory")
	response, body := get(t, url, bearer(refused))
	var told strings.Builder
	response.Header.Write(&told)
	for _, secret := range []string{"mallory", "acme", "false", "ref_protected", "deploy", issuer.URL, refused} {
		if strings.Contains(told.String()+body, secret) {
			t.Errorf("the caller is told %q: %s%s", secret, told.String(), body)
		}
	}
	if !strings.Contains(log.String(), `"claims":{"project_path":"acme/infra"}`) {
		t.Errorf("the chosen claim of a denied token is not logged: %s", log.String())
	}
	if !strings.Contains(log.String(), `"conditions":["bound_claims.ref_protected"]`) || !strings.Contains(log.String(), response.Header.Get("X-Trustcheck-Decision")) {
		t.Errorf("the operator is not told the condition: %s", log.String())
	}
	get(t, url, bearer(admitted))
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("want one line for each decision, got %d", lines)
	}
	if strings.Count(log.String(), `"claims":{"project_path":"acme/infra"}`) != 2 {
		t.Errorf("the chosen claim is not logged: %s", log.String())
	}
	for _, secret := range []string{"mallory", refused, admitted, strings.Split(admitted, ".")[2]} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	decision, err := g.Explain(t.Context(), "deploy", refused)
	if err != nil || decision.Verdict != trustcheck.Deny || !slices.ContainsFunc(decision.Reasons, func(r trustcheck.Reason) bool {
		return r.Claim == "ref_protected" && r.Status == trustcheck.Failed && string(r.Got) == `"false"`
	}) {
		t.Errorf("Explain does not name the failed claim: %+v, %v", decision, err)
	}
}

func TestMetricsAreNotPrometheus(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, nil)
	for _, token := range []string{issuer.Token(t), "x", issuer.Token(t, "ref_protected=false")} {
		g.Check(t.Context(), gate.Question{Role: "deploy", Credentials: gate.Bearer(token)})
	}
	g.Check(t.Context(), gate.Question{Role: "nobody\"\\\n", Credentials: gate.Bearer("x")})
	var text bytes.Buffer
	if err := g.WriteMetrics(&text); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	got := map[string]float64{}
	for _, metric := range families["trustcheck_gate_decisions_total"].GetMetric() {
		got[metric.GetLabel()[0].GetValue()+" "+metric.GetLabel()[1].GetValue()] = metric.GetCounter().GetValue()
	}
	for _, want := range []string{"deploy allowed", "deploy invalid_token", "deploy denied", " unknown_role"} {
		if got[want] != 1 {
			t.Errorf("want one %s, got %v", want, got)
		}
	}
	if got := families["trustcheck_gate_duration_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); got != 4 {
		t.Errorf("want 4 in the histogram, got %d", got)
	}
}

func TestUnusableGateIsMade(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	bundle := gatetest.Bundle(t)
	role := gate.Role{Role: gatetest.Role(t, bundle, gatetest.RoleText)}
	refused := gate.Role{Role: gatetest.Role(t, bundle, `{"role_type":"jwt","user_claim":"sub"}`)}
	for name, change := range map[string]func(*gate.Config){
		"no verifier":             func(c *gate.Config) { c.Tokens = nil },
		"no bundle":               func(c *gate.Config) { c.Bundle = nil },
		"no roles":                func(c *gate.Config) { c.Roles = nil },
		"a role of a path":        func(c *gate.Config) { c.Roles = map[string]gate.Role{"a/b": role} },
		"a role called ..":        func(c *gate.Config) { c.Roles = map[string]gate.Role{"..": role} },
		"an empty role":           func(c *gate.Config) { c.Roles = map[string]gate.Role{"a": {}} },
		"a role Vault refuses":    func(c *gate.Config) { c.Roles = map[string]gate.Role{"a": refused} },
		"a negative deadline":     func(c *gate.Config) { c.Deadline = -1 },
		"a quote in the realm":    func(c *gate.Config) { c.Realm = `a"b` },
		"identity over a cookie":  func(c *gate.Config) { c.Identity = map[string]string{"Cookie": "a"} },
		"identity over our own":   func(c *gate.Config) { c.Identity = map[string]string{"x-trustcheck-role": "a"} },
		"identity in two cases":   func(c *gate.Config) { c.Identity = map[string]string{"X-A": "a", "x-a": "b"} },
		"identity with a space":   func(c *gate.Config) { c.Identity = map[string]string{"X A": "a"} },
		"identity of no claim":    func(c *gate.Config) { c.Identity = map[string]string{"X-A": ""} },
		"identity over a proxy's": func(c *gate.Config) { c.Identity = map[string]string{"X-Forwarded-For": "a"} },
	} {
		config := gate.Config{Tokens: issuer.Verifier(t), Bundle: bundle, Roles: map[string]gate.Role{"a": role}}
		if _, err := gate.New(config); err != nil {
			t.Fatalf("the twin of %s: %v", name, err)
		}
		change(&config)
		if g, err := gate.New(config); err == nil || g != nil || !strings.HasPrefix(err.Error(), "gate: ") {
			t.Errorf("%s: want an error, got %v", name, err)
		}
	}
}

func TestMiddlewareLinksServers(t *testing.T) {
	list := func(of string) string {
		out, err := exec.Command("go", "list", "-deps", of).CombinedOutput()
		if err != nil {
			t.Skipf("go list: %v\n%s", err, out)
		}
		return string(out)
	}
	for _, of := range []string{".", "./face"} {
		deps := list(of)
		for _, heavy := range []string{"google.golang.org/grpc", "github.com/redis/", "github.com/prometheus/", "github.com/envoyproxy/",
			"github.com/trustcheck/trustcheck/carrier", "github.com/spf13/cobra", "gopkg.in/yaml.v3"} {
			if strings.Contains(deps, "\n"+heavy) {
				t.Errorf("importing gate (%s) links %s", of, heavy)
			}
		}
	}
	if deps := list("./envoy"); !strings.Contains(deps, "\ngoogle.golang.org/grpc\n") {
		t.Error("the list of dependencies does not show what it should")
	}
}
