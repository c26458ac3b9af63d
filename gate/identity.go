package gate

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The identity headers that every gate owns. Config.Identity adds others.
const (
	HeaderRole    = "X-Trustcheck-Role"
	HeaderIssuer  = "X-Trustcheck-Issuer"
	HeaderSubject = "X-Trustcheck-Subject"
)

// HeaderDecision carries the decision's id on every answer, and on an admitted
// request.
const HeaderDecision = "X-Trustcheck-Decision"

// maxIdentity is how long an identity header's value is at most, in bytes.
const maxIdentity = 1024

// header is an identity header and the claim that fills it.
type header struct {
	name  string
	claim string
}

// Field is one header field.
type Field struct {
	Name  string
	Value string
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

func identityHeaders(claims map[string]string) ([]header, error) {
	var headers []header
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !headerName.MatchString(name):
			return nil, setting("identity", "%q: want letters, digits and -", name)
		case claims[name] == "":
			return nil, setting("identity", "%s: want the name of a claim, got none", name)
		case !strings.HasPrefix(canonical, "X-"):
			return nil, setting("identity", "%s: want a name that begins with X-: others mean something to servers", name)
		case slices.Contains([]string{HeaderRole, HeaderIssuer, HeaderSubject, HeaderDecision}, canonical) || strings.HasPrefix(canonical, "X-Forwarded-"),
			slices.ContainsFunc(headers, func(h header) bool { return h.name == canonical }):
			return nil, setting("identity", "%s: is set otherwise already", name)
		}
		headers = append(headers, header{canonical, claims[name]})
	}
	return headers, nil
}

// IdentityHeaders returns the names of the headers that the gate owns: role,
// issuer, subject and decision, then the configured ones. An admitted request
// carries exactly the gate's value of each, or none: what its sender wrote there
// never reaches a backend.
func (g *Gate) IdentityHeaders() []string {
	names := []string{HeaderRole, HeaderIssuer, HeaderSubject, HeaderDecision}
	for _, h := range g.identity {
		names = append(names, h.name)
	}
	return names
}

// Identity returns the headers that the gate owns with their values for an
// answer, all of them: where there is no value, because the answer is no
// admission, the claim is absent, or its value cannot stand in a header (other
// than visible ASCII and inner spaces, over 1,024 bytes, an object or a list),
// the value is empty.
func (g *Gate) Identity(answer *Answer) []Field {
	fields := make([]Field, 0, 4+len(g.identity))
	if answer.Code != Allowed {
		for _, name := range g.IdentityHeaders() {
			fields = append(fields, Field{Name: name})
		}
		return fields
	}
	fields = append(fields, Field{HeaderRole, answer.Role}, Field{HeaderIssuer, headerValue(answer.Token.Issuer)},
		Field{HeaderSubject, headerValue(answer.Token.Subject)}, Field{HeaderDecision, answer.ID})
	for _, h := range g.identity {
		fields = append(fields, Field{h.name, headerValue(scalar(answer.Token.Claims.Value, h.claim))})
	}
	return fields
}

// SetIdentity replaces the identity headers of an admitted request. Names that
// differ by _ for - only are removed too: CGI and its heirs take them for one.
func (g *Gate) SetIdentity(header http.Header, answer *Answer) {
	fields := g.Identity(answer)
	for name := range header {
		if g.Owns(name) {
			delete(header, name)
		}
	}
	for _, field := range fields {
		if field.Value != "" {
			header.Set(field.Name, field.Value)
		}
	}
}

// Owns reports whether a header is one of the gate's, in whatever spelling a
// backend may take it for one.
func (g *Gate) Owns(name string) bool {
	canonical := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
	switch canonical {
	case HeaderRole, HeaderIssuer, HeaderSubject, HeaderDecision:
		return true
	}
	return slices.ContainsFunc(g.identity, func(h header) bool { return h.name == canonical })
}

// scalar returns a claim as text where it is a text, a number or a truth value.
func scalar(claims ast.Object, name string) string {
	term := claims.Get(ast.StringTerm(name))
	if term == nil {
		return ""
	}
	switch value := term.Value.(type) {
	case ast.String:
		return string(value)
	case ast.Number:
		return json.Number(value).String()
	case ast.Boolean:
		if value {
			return "true"
		}
		return "false"
	}
	return ""
}

// headerValue returns s where it can stand in a header as it is, else nothing.
func headerValue(s string) string {
	if len(s) > maxIdentity || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return ""
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return ""
		}
	}
	return s
}
