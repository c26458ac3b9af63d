package gate

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// Credentials are what a request brought: a token, or why there is none.
type Credentials struct {
	// Token is the compact JWT, not verified.
	Token string
	// Fault is NoCredentials or InvalidRequest where there is no token.
	Fault Code
}

// Bearer returns the credentials that are a token and nothing else.
func Bearer(token string) Credentials {
	if token == "" {
		return Credentials{Fault: NoCredentials}
	}
	return Credentials{Token: token}
}

// ReadAuthorization reads the values of the Authorization header fields of one
// request. Two values are refused, also where a proxy joined them with a comma:
// which of them the next server reads is anybody's guess. Another scheme than
// Bearer counts as no credentials (RFC 6750 section 3.1).
//
// With basic, the password of Basic credentials is taken for a token (RFC 7617),
// or the user name where the password is empty or x-oauth-basic, as git, pip and
// docker send it.
func ReadAuthorization(values []string, basic bool) Credentials {
	switch {
	case len(values) == 0:
		return Credentials{Fault: NoCredentials}
	case len(values) > 1 || strings.Contains(values[0], ","):
		return Credentials{Fault: InvalidRequest}
	}
	scheme, rest, _ := strings.Cut(strings.Trim(values[0], " \t"), " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		if !isToken68(rest) {
			return Credentials{Fault: InvalidRequest}
		}
		return Credentials{Token: rest}
	case basic && strings.EqualFold(scheme, "Basic"):
		return readBasic(rest)
	}
	return Credentials{Fault: NoCredentials}
}

func readBasic(encoded string) Credentials {
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || !isToken68(encoded) {
		return Credentials{Fault: InvalidRequest}
	}
	user, password, ok := strings.Cut(string(decoded), ":")
	if ok && (password == "" || password == "x-oauth-basic") {
		password = user
	}
	if !ok || !isToken68(password) {
		return Credentials{Fault: InvalidRequest}
	}
	return Credentials{Token: password}
}

// isToken68 reports whether s is a b64token (RFC 6750 section 2.1).
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return s != ""
}

// Credentials reads those of an HTTP request, as the gate is configured.
func (g *Gate) Credentials(header http.Header) Credentials {
	return ReadAuthorization(header.Values("Authorization"), g.basic)
}
