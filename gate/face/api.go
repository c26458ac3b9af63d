package face

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/verifier"
)

// maxBody bounds what is read of a request: a token and its wrapping, in which
// every byte of the token may be escaped.
const maxBody = 8 * verifier.MaxToken

// CheckRequest is the body of a question to [Check].
type CheckRequest struct {
	Token string `json:"token"`
	Role  string `json:"role,omitempty"`
}

// CheckAnswer is the body of an admission. Identity holds the headers that the
// gate would set on an admitted request.
type CheckAnswer struct {
	Verdict    trustcheck.Verdict `json:"verdict"`
	Code       gate.Code          `json:"code"`
	Role       string             `json:"role"`
	DecisionID string             `json:"decision_id"`
	Identity   map[string]string  `json:"identity"`
}

// CheckRefusal is the body of everything else. Verdict is deny or undecided.
type CheckRefusal struct {
	Verdict trustcheck.Verdict `json:"verdict"`
	gate.Refusal
	Message string `json:"message,omitempty"`
}

// Check answers POST with a JSON body of token and role. The status is that of a
// resource server, so that a caller who looks at nothing else is safe.
//
// Who asks here is a service, not the holder of the token. It names the role
// itself only where choices lists it; otherwise the role is the route's, and
// naming another is a malformed request.
func Check(g *gate.Gate, role Role, choices []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body CheckRequest
		if !post(w, r) {
			return
		}
		err := read(w, r, &body, true)
		name := role(r)
		if err == nil && body.Role != "" && body.Role != name {
			name = body.Role
			if !slices.Contains(choices, name) {
				name, err = role(r), errors.New("role: not one that this route offers")
			}
		}
		if err == nil && name == "" {
			err = errors.New("want role, the name of one that this route offers")
		}
		if err != nil {
			checkRefused(w, http.StatusBadRequest, &gate.Answer{Code: gate.InvalidRequest}, err.Error())
			return
		}
		answer := g.Check(r.Context(), gate.Question{Role: name, Credentials: gate.Bearer(body.Token), Face: "check"})
		if answer.Code != gate.Allowed {
			if answer.Code.Failed() {
				w.Header().Set("Retry-After", fmt.Sprint(int(gate.RetryAfter.Seconds())))
			}
			checkRefused(w, answer.Code.Status(), answer, "")
			return
		}
		gate.WriteJSON(w, http.StatusOK, CheckAnswer{Verdict: trustcheck.Allow, Code: answer.Code, Role: answer.Role,
			DecisionID: answer.ID, Identity: identity(g, answer)})
	})
}

func checkRefused(w http.ResponseWriter, status int, answer *gate.Answer, message string) {
	gate.WriteJSON(w, status, CheckRefusal{Verdict: verdict(answer.Code), Message: message,
		Refusal: gate.Refusal{Code: answer.Code, Description: answer.Objections(), DecisionID: answer.ID}})
}

// verdict never says allow but for the one code that does.
func verdict(code gate.Code) trustcheck.Verdict {
	switch {
	case code == gate.Allowed:
		return trustcheck.Allow
	case code == gate.Undecided, code.Failed():
		return trustcheck.Undecided
	}
	return trustcheck.Deny
}

func identity(g *gate.Gate, answer *gate.Answer) map[string]string {
	fields := map[string]string{}
	for _, field := range g.Identity(answer) {
		fields[field.Name] = field.Value
	}
	return fields
}

// dataError is what OPA's REST API answers to what it cannot evaluate.
type dataError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// dataResult is what a document of the data API holds.
type dataResult struct {
	Allow    bool               `json:"allow"`
	Verdict  trustcheck.Verdict `json:"verdict"`
	Code     gate.Code          `json:"code"`
	Identity map[string]string  `json:"identity,omitempty"`
}

// Data answers as OPA's data API does: POST {"input": {"token": "…"}}, 200 with
// the result whatever the verdict, 400 invalid_parameter for a body that is none,
// 500 internal_error where the fault is ours. With plain the result is the truth
// value alone, as of a rule called allow.
func Data(g *gate.Gate, role Role, plain bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Input struct {
				Token string `json:"token"`
			} `json:"input"`
		}
		if !post(w, r) {
			return
		}
		if err := read(w, r, &body, false); err != nil {
			gate.WriteJSON(w, http.StatusBadRequest, dataError{"invalid_parameter", err.Error()})
			return
		}
		answer := g.Check(r.Context(), gate.Question{Role: role(r), Credentials: gate.Bearer(body.Input.Token), Face: "opa"})
		if answer.Code.Failed() {
			w.Header().Set("Retry-After", fmt.Sprint(int(gate.RetryAfter.Seconds())))
			gate.WriteJSON(w, http.StatusInternalServerError, dataError{"internal_error", string(answer.Code)})
			return
		}
		result := dataResult{Allow: answer.Code == gate.Allowed, Verdict: verdict(answer.Code), Code: answer.Code}
		if result.Allow {
			result.Identity = identity(g, answer)
		}
		var shown any = result
		if plain {
			shown = result.Allow
		}
		gate.WriteJSON(w, http.StatusOK, map[string]any{"result": shown, "decision_id": answer.ID})
	})
}

// Explain answers POST with token and role by the whole decision, every
// condition and what came for it. It is for the operator's own listener: it
// quotes claims. It spends no token.
func Explain(g *gate.Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body CheckRequest
		if !post(w, r) {
			return
		}
		err := read(w, r, &body, true)
		if err == nil {
			var decision *trustcheck.Decision
			if decision, err = g.Explain(r.Context(), body.Role, body.Token); err == nil {
				gate.WriteJSON(w, http.StatusOK, decision)
				return
			}
		}
		gate.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	})
}

func post(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPost {
		return true
	}
	w.Header().Set("Allow", http.MethodPost)
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

// read reads a JSON body. Its errors quote nothing of it.
func read(w http.ResponseWriter, r *http.Request, into any, strict bool) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return fmt.Errorf("body: want at most %d bytes, sent in time", maxBody)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if strict {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(into); err != nil || len(bytes.TrimSpace(text[decoder.InputOffset():])) > 0 {
		return errors.New("body: want one JSON object of the documented members")
	}
	return nil
}
