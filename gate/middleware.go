package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Middleware returns what puts the gate before a handler. The role is the
// operator's: Middleware panics, as http.Handle does on a bad pattern, where
// there is none of that name.
//
// An admitted request reaches the handler with the [Answer] in its context and
// with the gate's identity headers; see [Gate.IdentityHeaders]. Its Authorization
// header stays. Others are answered as RFC 6750 says; see [Gate.Refuse].
func (g *Gate) Middleware(role string) func(http.Handler) http.Handler {
	if !g.HasRole(role) {
		panic(fmt.Sprintf("gate: no role %q is configured", role))
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := g.Check(r.Context(), Question{Role: role, Credentials: g.Credentials(r.Header), Face: "middleware",
				Method: r.Method, Path: r.URL.Path})
			if answer.Code != Allowed {
				g.Refuse(w, answer, answer.Code.Status())
				return
			}
			r = r.Clone(NewContext(r.Context(), answer))
			g.SetIdentity(r.Header, answer)
			next.ServeHTTP(w, r)
		})
	}
}

type answerKey struct{}

// NewContext returns a context that carries an answer.
func NewContext(ctx context.Context, answer *Answer) context.Context {
	return context.WithValue(ctx, answerKey{}, answer)
}

// FromContext returns the answer that admitted a request.
func FromContext(ctx context.Context) (*Answer, bool) {
	answer, ok := ctx.Value(answerKey{}).(*Answer)
	return answer, ok
}

// Challenges returns the values of WWW-Authenticate for an answer, none where
// the fault is ours. The description lists the codes of objections to the token,
// never a claim.
func (g *Gate) Challenges(answer *Answer) []string {
	if answer.Code == Allowed || answer.Code.Failed() {
		return nil
	}
	bearer := `Bearer realm="` + g.realm + `"`
	if code := answer.Code.bearerError(); code != "" {
		bearer += `, error="` + code + `"`
		if description := answer.Objections(); description != "" {
			bearer += `, error_description="` + description + `"`
		}
	}
	challenges := []string{bearer}
	if g.basic && answer.Code.Status() == http.StatusUnauthorized {
		challenges = append(challenges, `Basic realm="`+g.realm+`", charset="UTF-8"`)
	}
	return challenges
}

// Objections returns the codes of what is wrong with the token, for the caller.
func (a *Answer) Objections() string {
	if a.Decision == nil || a.Code.Failed() {
		return ""
	}
	codes := make([]string, len(a.Decision.TokenReasons))
	for i, reason := range a.Decision.TokenReasons {
		codes[i] = reason.Code
	}
	return strings.Join(codes, " ")
}

// Refuse writes an answer that is no admission, under the status that the
// protocol at hand wants for it: the challenge, Retry-After where the fault is
// ours, and a body of code, decision id and objections. No claim, condition or
// role is in it.
func (g *Gate) Refuse(w http.ResponseWriter, answer *Answer, status int) {
	header := w.Header()
	for _, challenge := range g.Challenges(answer) {
		header.Add("WWW-Authenticate", challenge)
	}
	if answer.Code.Failed() {
		header.Set("Retry-After", strconv.Itoa(int(RetryAfter.Seconds())))
	}
	header.Set(HeaderDecision, answer.ID)
	WriteJSON(w, status, refusal(answer))
}

func refusal(answer *Answer) Refusal {
	return Refusal{Error: answer.Code.bearerError(), Code: answer.Code, Description: answer.Objections(), DecisionID: answer.ID}
}

// RefusalBody returns the JSON body of an answer that is no admission.
func RefusalBody(answer *Answer) string {
	text, _ := json.Marshal(refusal(answer))
	return string(text)
}

// Refusal is the body of an answer that is no admission.
type Refusal struct {
	Error       string `json:"error,omitempty"`
	Code        Code   `json:"code"`
	Description string `json:"error_description,omitempty"`
	DecisionID  string `json:"decision_id"`
}

// WriteJSON writes an answer that nobody may keep.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
