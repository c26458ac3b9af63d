package face_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/face"
	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// ask sends one request over a real socket.
func ask(t *testing.T, handler http.Handler, method, path string, header http.Header, body string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	request, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// with is what a proxy sends beside the client's Authorization.
func with(authorization string, more ...string) http.Header {
	header := http.Header{}
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	for i := 0; i < len(more); i += 2 {
		header[more[i]] = []string{more[i+1]}
	}
	return header
}

func TestProxyTakesARefusalForAnAdmission(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	down := gatetest.NewIssuer(t)
	down.Down.Store(true)
	g := gatetest.New(t, issuer, nil)
	unreachable := gatetest.New(t, down, nil)
	good := "Bearer " + issuer.Token(t)
	// What each proxy sends (verification-gate: as read in its source).
	faces := map[string]struct {
		new    func(g *gate.Gate, role face.Role) http.Handler
		method string
		path   string
		sends  []string
		// The status for a malformed request is where they differ.
		malformed int
	}{
		"nginx":   {face.Nginx, "GET", "/", []string{"X-Original-Uri", "/deploy?x=1", "X-Original-Method", "POST", "X-Trustcheck-Subject", "root"}, 401},
		"traefik": {face.Traefik, "GET", "/", []string{"X-Forwarded-Method", "POST", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "a.example", "X-Forwarded-Uri", "/deploy?x=1", "X-Forwarded-For", "192.0.2.1"}, 400},
		"caddy":   {face.Caddy, "GET", "/", []string{"X-Forwarded-Method", "POST", "X-Forwarded-Uri", "/deploy?x=1"}, 400},
		"envoy": {func(g *gate.Gate, role face.Role) http.Handler { return face.Envoy(g, role, "/envoy") },
			"DELETE", "/envoy/deploy/../x?y=1", nil, 400},
	}
	for name, proxy := range faces {
		for _, test := range []struct {
			what, authorization string
			gate                *gate.Gate
			role                string
			status              int
		}{
			{"good", good, g, "deploy", 200},
			{"none", "", g, "deploy", 401},
			{"bad", "Bearer a.b.c", g, "deploy", 401},
			{"two", good + ", " + good, g, "deploy", proxy.malformed},
			{"denied", "Bearer " + issuer.Token(t, "project_path=other/x"), g, "deploy", 403},
			{"undecided", good, g, "undecided", 403},
			{"unknown role", good, g, "admin", 403},
			{"issuer down", "Bearer " + down.Token(t), unreachable, "deploy", 503},
		} {
			response, body := ask(t, proxy.new(test.gate, face.Fixed(test.role)), proxy.method, proxy.path, with(test.authorization, proxy.sends...), "")
			if response.StatusCode != test.status {
				t.Errorf("%s, %s: want %d, got %d: %s", name, test.what, test.status, response.StatusCode, body)
			}
			if test.status == 401 != (response.Header.Get("WWW-Authenticate") != "" && response.StatusCode == 401) {
				t.Errorf("%s, %s: challenge %q", name, test.what, response.Header.Get("WWW-Authenticate"))
			}
			for _, header := range g.IdentityHeaders() {
				if header == gate.HeaderDecision {
					continue
				}
				values, present := response.Header[http.CanonicalHeaderKey(header)]
				removed := strings.Contains(response.Header.Get("X-Envoy-Auth-Headers-To-Remove"), header)
				if test.status != 200 && present {
					t.Errorf("%s, %s: a refusal carries %s: %q", name, test.what, header, values)
				}
				if test.status == 200 && !present && !removed {
					t.Errorf("%s, %s: %s is neither set nor removed, so a forged one survives", name, test.what, header)
				}
			}
			if test.status == 200 && response.Header.Get("X-Ci-Project") != "acme/infra" {
				t.Errorf("%s: want the project, got %v", name, response.Header)
			}
		}
	}
}

func TestTwoAuthorizationLinesPass(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	header := http.Header{"Authorization": {"Bearer " + issuer.Token(t), "Bearer " + issuer.Token(t)}}
	if response, body := ask(t, face.Traefik(gatetest.New(t, issuer, nil), face.Fixed("deploy")), "GET", "/", header, ""); response.StatusCode != 400 {
		t.Errorf("want 400, got %d: %s", response.StatusCode, body)
	}
}

func quote(s string) string { text, _ := json.Marshal(s); return string(text) }

func TestCheckAnswers(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	down := gatetest.NewIssuer(t)
	down.Down.Store(true)
	g := gatetest.New(t, issuer, nil)
	fixed := face.Check(g, face.Fixed("deploy"), nil)
	chosen := face.Check(g, face.Fixed(""), []string{"deploy", "undecided"})
	good, denied := quote(issuer.Token(t)), quote(issuer.Token(t, "ref_protected=false"))
	for _, test := range []struct {
		name    string
		handler http.Handler
		body    string
		status  int
		want    string
	}{
		{"good", fixed, `{"token":` + good + `}`, 200, `"verdict":"allow"`},
		{"good, naming the route's role", fixed, `{"token":` + good + `,"role":"deploy"}`, 200, `"verdict":"allow"`},
		{"another role than the route's", fixed, `{"token":` + good + `,"role":"once"}`, 400, `"verdict":"deny"`},
		{"a role that is offered", chosen, `{"token":` + good + `,"role":"deploy"}`, 200, `"role":"deploy"`},
		{"a role that is not offered", chosen, `{"token":` + good + `,"role":"once"}`, 400, `"verdict":"deny"`},
		{"no role", chosen, `{"token":` + good + `}`, 400, `"verdict":"deny"`},
		{"denied", fixed, `{"token":` + denied + `}`, 403, `"verdict":"deny","error_description`},
		{"undecided", chosen, `{"token":` + good + `,"role":"undecided"}`, 403, `"verdict":"undecided"`},
		{"issuer down", face.Check(gatetest.New(t, down, nil), face.Fixed("deploy"), nil), `{"token":` + quote(down.Token(t)) + `}`, 503, `"verdict":"undecided"`},
		{"no token", fixed, `{}`, 401, `"code":"no_credentials"`},
		{"unknown member", fixed, `{"token":` + good + `,"rule":"deploy"}`, 400, `"code":"invalid_request"`},
		{"two bodies", fixed, `{"token":` + good + `}{}`, 400, `"code":"invalid_request"`},
		{"not JSON", fixed, `token=` + good, 400, `"code":"invalid_request"`},
		{"huge", fixed, `{"token":"` + strings.Repeat("a", 1<<20) + `"}`, 400, `"code":"invalid_request"`},
	} {
		response, body := ask(t, test.handler, "POST", "/v1/check", http.Header{}, test.body)
		want := strings.TrimSuffix(test.want, `,"error_description`)
		if response.StatusCode != test.status || !strings.Contains(body, want) {
			t.Errorf("%s: want %d with %s, got %d: %s", test.name, test.status, want, response.StatusCode, body)
		}
		if (test.status == 200) != strings.Contains(body, "acme/infra") {
			t.Errorf("%s: a claim in %s", test.name, body)
		}
	}
	if response, _ := ask(t, fixed, "GET", "/v1/check", http.Header{}, ""); response.StatusCode != 405 {
		t.Errorf("GET: want 405, got %d", response.StatusCode)
	}
}

func TestOPAClientReadsAllowFromARefusal(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	down := gatetest.NewIssuer(t)
	down.Down.Store(true)
	g := gatetest.New(t, issuer, nil)
	input := func(token string) string {
		return `{"input":{"token":` + quote(token) + `,"method":"GET","path":["a"]}}`
	}
	for _, test := range []struct {
		name, role string
		gate       *gate.Gate
		body       string
		status     int
		allow      any
	}{
		{"good", "deploy", g, input(issuer.Token(t)), 200, true},
		{"bad", "deploy", g, input("x"), 200, false},
		{"none", "deploy", g, `{"input":{}}`, 200, false},
		{"nothing", "deploy", g, `{}`, 200, false},
		{"denied", "deploy", g, input(issuer.Token(t, "ref_protected=false")), 200, false},
		{"undecided", "undecided", g, input(issuer.Token(t)), 200, false},
		{"unknown role", "admin", g, input(issuer.Token(t)), 200, false},
		{"not JSON", "deploy", g, `{`, 400, nil},
		{"issuer down", "deploy", gatetest.New(t, down, nil), input(down.Token(t)), 500, nil},
	} {
		for _, plain := range []bool{false, true} {
			response, body := ask(t, face.Data(test.gate, face.Fixed(test.role), plain), "POST", "/v1/data/trustcheck/deploy?metrics", http.Header{}, test.body)
			var got struct {
				Result     any    `json:"result"`
				DecisionID string `json:"decision_id"`
				Code       string `json:"code"`
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%s: %v: %s", test.name, err, body)
			}
			result := got.Result
			if object, ok := result.(map[string]any); ok {
				result = object["allow"]
			}
			if response.StatusCode != test.status || result != test.allow || (test.status == 200) != (got.DecisionID != "") {
				t.Errorf("%s: want %d, allow %v, got %d: %s", test.name, test.status, test.allow, response.StatusCode, body)
			}
			if want := map[int]string{400: "invalid_parameter", 500: "internal_error"}[test.status]; got.Code != want {
				t.Errorf("%s: want code %q, got %q", test.name, want, got.Code)
			}
		}
	}
}

// review is the request of kube-apiserver 1.34, with the status that it sends empty.
func review(token string, audiences ...string) string {
	spec := map[string]any{"token": token}
	if audiences != nil {
		spec["audiences"] = audiences
	}
	text, _ := json.Marshal(map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
		"metadata": map[string]any{"creationTimestamp": nil}, "spec": spec, "status": map[string]any{"user": map[string]any{}}})
	return string(text)
}

func TestTokenReviewAuthenticates(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	down := gatetest.NewIssuer(t)
	down.Down.Store(true)
	g := gatetest.New(t, issuer, nil)
	prefix, system := "gitlab:", ""
	users := face.Kubernetes{UsernamePrefix: &prefix, Groups: []string{"ci"}}
	good := issuer.Token(t)
	for _, test := range []struct {
		name  string
		gate  *gate.Gate
		users face.Kubernetes
		body  string
		code  int
		user  string
		auds  []string
		error string
	}{
		{"good", g, users, review(good), 200, "gitlab:project_path:acme/infra:ref_type:branch:ref:main", nil, ""},
		{"default prefix", g, face.Kubernetes{}, review(good), 200, issuer.URL + "#project_path:acme/infra:ref_type:branch:ref:main", nil, ""},
		{"its audience", g, users, review(good, "https://kubernetes.default.svc", gatetest.Audience), 200, "gitlab:project_path:acme/infra:ref_type:branch:ref:main", []string{gatetest.Audience}, ""},
		{"another audience", g, users, review(good, "https://kubernetes.default.svc"), 200, "", nil, "wrong_audience"},
		{"bad", g, users, review("x"), 200, "", nil, "invalid_token"},
		{"none", g, users, review(""), 200, "", nil, "no_credentials"},
		{"denied", g, users, review(issuer.Token(t, "ref_protected=false")), 200, "", nil, "denied"},
		{"no subject", g, users, review(issuer.Token(t, `sub:=""`)), 200, "", nil, "no_username"},
		{"Kubernetes' own name", g, face.Kubernetes{UsernamePrefix: &system}, review(issuer.Token(t, "sub=system:admin")), 200, "", nil, "no_username"},
		{"issuer down", gatetest.New(t, down, nil), users, review(down.Token(t)), 503, "", nil, ""},
		{"another version", g, users, strings.Replace(review(good), "/v1", "/v1beta1", 1), 400, "", nil, ""},
		{"another kind", g, users, strings.Replace(review(good), "TokenReview", "SubjectAccessReview", 1), 400, "", nil, ""},
		{"no spec", g, users, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview"}`, 400, "", nil, ""},
	} {
		response, body := ask(t, face.TokenReview(test.gate, face.Fixed("deploy"), test.users), "POST", "/", http.Header{"Content-Type": {"application/json"}}, test.body)
		if response.StatusCode != test.code {
			t.Errorf("%s: want %d, got %d: %s", test.name, test.code, response.StatusCode, body)
			continue
		}
		if test.code != 200 {
			continue
		}
		var got struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Status     struct {
				Authenticated bool     `json:"authenticated"`
				Audiences     []string `json:"audiences"`
				Error         string   `json:"error"`
				User          struct {
					Username string              `json:"username"`
					Groups   []string            `json:"groups"`
					Extra    map[string][]string `json:"extra"`
				} `json:"user"`
			} `json:"status"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		status := got.Status
		if got.APIVersion != "authentication.k8s.io/v1" || got.Kind != "TokenReview" || status.Authenticated != (test.user != "") ||
			status.User.Username != test.user || !slices.Equal(status.Audiences, test.auds) || status.Error != test.error {
			t.Errorf("%s: got %s", test.name, body)
		}
		if status.Authenticated && (!slices.Equal(status.User.Groups, test.users.Groups) || status.User.Extra["trustcheck/role"][0] != "deploy") {
			t.Errorf("%s: got %s", test.name, body)
		}
	}
}

func TestClusterAdminIsConfigured(t *testing.T) {
	prefix := "system:serviceaccount:"
	for _, users := range []face.Kubernetes{{Groups: []string{"ci", "system:masters"}}, {UsernamePrefix: &prefix}} {
		if users.Check() == nil {
			t.Errorf("want an error for %+v", users)
		}
	}
	if err := (face.Kubernetes{Groups: []string{"ci:system:"}}).Check(); err != nil {
		t.Error(err)
	}
}

func TestExplanationSpendsOrHides(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	g := gatetest.New(t, issuer, nil)
	token := issuer.Token(t)
	for range 2 {
		response, body := ask(t, face.Explain(g), "POST", "/", http.Header{}, `{"role":"once","token":`+quote(token)+`}`)
		if response.StatusCode != 200 || !strings.Contains(body, `"verdict":"allow"`) || !strings.Contains(body, `"claim":"ref_protected"`) {
			t.Errorf("got %d: %s", response.StatusCode, body)
		}
	}
	if answer := g.Check(t.Context(), gate.Question{Role: "once", Credentials: gate.Bearer(token)}); answer.Code != gate.Allowed {
		t.Errorf("the explanation spent the token: %s", answer.Code)
	}
	if response, body := ask(t, face.Explain(g), "POST", "/", http.Header{}, `{"role":"admin","token":"x"}`); response.StatusCode != 400 {
		t.Errorf("want 400 for an unknown role, got %d: %s", response.StatusCode, body)
	}
}
