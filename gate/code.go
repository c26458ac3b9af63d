package gate

import "net/http"

// Code says how a question was answered. Codes are part of the interface: they
// stand in answers, log lines and metrics, and none is ever renamed.
type Code string

const (
	// Allowed is the only code that admits.
	Allowed Code = "allowed"

	// No identity: the caller can mend these with a token, or another one.
	NoCredentials  Code = "no_credentials"
	InvalidRequest Code = "invalid_request"
	InvalidToken   Code = "invalid_token"
	// Replayed is a good token that a single-use role has admitted before.
	Replayed Code = "replayed"

	// Known, but not admitted.
	Denied Code = "denied"
	// Undecided is a role that cannot be told to admit the token: it has a
	// condition that is unknown. It is a property of role and token, not a
	// failure, and it refuses.
	Undecided Code = "undecided"
	// UnknownRole means that whoever asked named a role that there is not.
	UnknownRole Code = "unknown_role"

	// Our failures. Nothing is known against the token.
	IssuerUnavailable Code = "issuer_unavailable"
	EvaluationFailed  Code = "evaluation_failed"
	ReplayUnavailable Code = "replay_unavailable"
	Overloaded        Code = "overloaded"
	// Abandoned means that the caller left before there was an answer.
	Abandoned Code = "abandoned"
)

// Codes lists every code, the admitting one first.
func Codes() []Code {
	return []Code{Allowed, NoCredentials, InvalidRequest, InvalidToken, Replayed, Denied, Undecided, UnknownRole,
		IssuerUnavailable, EvaluationFailed, ReplayUnavailable, Overloaded, Abandoned}
}

// Status is the HTTP status of a resource server (RFC 6750 section 3.1): 200,
// 400, 401 or 403, and 503 for our own failures as for every code it does not
// know.
func (c Code) Status() int {
	switch c {
	case Allowed:
		return http.StatusOK
	case InvalidRequest:
		return http.StatusBadRequest
	case NoCredentials, InvalidToken, Replayed:
		return http.StatusUnauthorized
	case Denied, Undecided, UnknownRole:
		return http.StatusForbidden
	}
	return http.StatusServiceUnavailable
}

// Failed reports whether the cause is ours, so that asking again may help.
func (c Code) Failed() bool { return c.Status() == http.StatusServiceUnavailable }

// bearerError is the error code of RFC 6750 section 3.1; none where the request
// brought no credentials or where the fault is ours.
func (c Code) bearerError() string {
	switch c {
	case InvalidRequest:
		return "invalid_request"
	case InvalidToken, Replayed:
		return "invalid_token"
	case Denied, Undecided, UnknownRole:
		return "insufficient_scope"
	}
	return ""
}
