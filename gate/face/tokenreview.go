package face

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/trustcheck/trustcheck/gate"
)

// Kubernetes says who an admitted token is in a cluster.
type Kubernetes struct {
	// UsernamePrefix stands before the subject; nil is the issuer and #, as
	// kube-apiserver's own --oidc-username-prefix has it.
	UsernamePrefix *string
	// Groups are those of every user that the route admits.
	Groups []string
}

// Check returns an error for groups or a prefix of Kubernetes' own.
func (k Kubernetes) Check() error {
	names := slices.Clone(k.Groups)
	if k.UsernamePrefix != nil {
		names = append(names, *k.UsernamePrefix)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "system:") {
			return fmt.Errorf("want a group or prefix outside system:, got %q", name)
		}
	}
	return nil
}

// The TokenReview of authentication.k8s.io/v1, as far as a webhook reads and
// writes it.
type tokenReview struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Spec       *reviewSpec   `json:"spec,omitempty"`
	Status     *reviewStatus `json:"status,omitempty"`
}

type reviewSpec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences,omitempty"`
}

type reviewStatus struct {
	Authenticated bool        `json:"authenticated"`
	User          *reviewUser `json:"user,omitempty"`
	Audiences     []string    `json:"audiences,omitempty"`
	Error         string      `json:"error,omitempty"`
}

type reviewUser struct {
	Username string              `json:"username"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

const (
	reviewVersion = "authentication.k8s.io/v1"
	reviewKind    = "TokenReview"
)

// TokenReview answers kube-apiserver's token webhook: 200 whether the token is
// authenticated or not, 503 where the fault is ours, which the server tries
// again, 400 for what is no TokenReview. A user without a name, or with one that
// Kubernetes reserves (system:), is not authenticated.
func TokenReview(g *gate.Gate, role Role, kubernetes Kubernetes) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review tokenReview
		if !post(w, r) {
			return
		}
		err := read(w, r, &review, false)
		if err == nil && (review.APIVersion != reviewVersion || review.Kind != reviewKind || review.Spec == nil) {
			err = errors.New("body: want a TokenReview of authentication.k8s.io/v1 with a spec")
		}
		if err != nil {
			gate.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		answer := g.Check(r.Context(), gate.Question{Role: role(r), Credentials: gate.Bearer(review.Spec.Token), Face: "kubernetes"})
		if answer.Code.Failed() {
			g.Refuse(w, answer, http.StatusServiceUnavailable)
			return
		}
		gate.WriteJSON(w, http.StatusOK, tokenReview{APIVersion: reviewVersion, Kind: reviewKind,
			Status: kubernetes.status(answer, review.Spec.Audiences)})
	})
}

func (k Kubernetes) status(answer *gate.Answer, wanted []string) *reviewStatus {
	if answer.Code != gate.Allowed {
		return &reviewStatus{Error: string(answer.Code)}
	}
	audiences := slices.DeleteFunc(slices.Clone(wanted), func(a string) bool { return !slices.Contains(answer.Token.Audience, a) })
	if len(wanted) > 0 && len(audiences) == 0 {
		return &reviewStatus{Error: "wrong_audience"}
	}
	prefix := answer.Token.Issuer + "#"
	if k.UsernamePrefix != nil {
		prefix = *k.UsernamePrefix
	}
	name := prefix + answer.Token.Subject
	if answer.Token.Subject == "" || strings.HasPrefix(name, "system:") {
		return &reviewStatus{Error: "no_username"}
	}
	extra := map[string][]string{"trustcheck/role": {answer.Role}, "trustcheck/decision": {answer.ID}}
	if term := answer.Token.Claims.Value.Get(ast.StringTerm("jti")); term != nil {
		if id, ok := term.Value.(ast.String); ok {
			extra["authentication.kubernetes.io/credential-id"] = []string{"JTI=" + string(id)}
		}
	}
	return &reviewStatus{Authenticated: true, Audiences: audiences,
		User: &reviewUser{Username: name, Groups: k.Groups, Extra: extra}}
}
