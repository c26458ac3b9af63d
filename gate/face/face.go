// Package face answers in the HTTP protocols of those who ask a gate: reverse
// proxies (nginx, Traefik, Caddy, Envoy), OPA clients, Kubernetes and services
// with a question of their own. Each protocol has its own idea of which status
// admits, which refuses and which is a failure; the table is in the README of
// package gate.
package face

import (
	"net/http"
	"strings"

	"github.com/trustcheck/trustcheck/gate"
)

// Role says which role a request is for. It belongs to the operator: a fixed
// name, or the part of the URL that the proxy's configuration writes. It must
// never read what the proxy passes on from its client.
type Role func(*http.Request) string

// Fixed returns the role that is the same for every request.
func Fixed(name string) Role { return func(*http.Request) string { return name } }

// Nginx answers auth_request. 2xx admits; nginx refuses for 401 and 403 only and
// turns everything else into 500, so a malformed request is a 401 here. The
// original request is logged from X-Original-Method and X-Original-URI, which the
// configuration must set: nginx passes on what its client wrote there.
func Nginx(g *gate.Gate, role Role) http.Handler {
	return proxy{g, role, "nginx", "X-Original-Method", "X-Original-Uri", func(code gate.Code) int {
		if code == gate.InvalidRequest {
			return http.StatusUnauthorized
		}
		return code.Status()
	}}
}

// Traefik answers ForwardAuth: 2xx admits, everything else goes to the client as
// it is. List the gate's identity headers in authResponseHeaders.
func Traefik(g *gate.Gate, role Role) http.Handler {
	return proxy{g, role, "traefik", "X-Forwarded-Method", "X-Forwarded-Uri", gate.Code.Status}
}

// Caddy answers forward_auth, as Traefik does. List the gate's identity headers
// in copy_headers.
func Caddy(g *gate.Gate, role Role) http.Handler {
	return proxy{g, role, "caddy", "X-Forwarded-Method", "X-Forwarded-Uri", gate.Code.Status}
}

// proxy answers a proxy that passes the Authorization header on.
type proxy struct {
	gate   *gate.Gate
	role   Role
	name   string
	method string
	uri    string
	status func(gate.Code) int
}

func (p proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := p.gate.Check(r.Context(), gate.Question{Role: p.role(r), Credentials: p.gate.Credentials(r.Header), Face: p.name,
		Method: single(r.Header, p.method), Path: path(single(r.Header, p.uri))})
	if answer.Code != gate.Allowed {
		p.gate.Refuse(w, answer, p.status(answer.Code))
		return
	}
	// Every header of ours, empty or not: the proxy overwrites with it what its
	// client wrote.
	for _, field := range p.gate.Identity(answer) {
		w.Header()[field.Name] = []string{field.Value}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// Envoy answers ext_authz over HTTP: 200 alone admits, below 500 refuses, and
// from 500 on Envoy takes its own status_on_error. The path is Envoy's
// path_prefix with the original one behind it.
func Envoy(g *gate.Gate, role Role, prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := g.Check(r.Context(), gate.Question{Role: role(r), Credentials: g.Credentials(r.Header), Face: "envoy",
			Method: r.Method, Path: path(strings.TrimPrefix(r.URL.Path, prefix))})
		if answer.Code != gate.Allowed {
			g.Refuse(w, answer, answer.Code.Status())
			return
		}
		var empty []string
		for _, field := range g.Identity(answer) {
			if field.Value == "" {
				empty = append(empty, field.Name)
				continue
			}
			w.Header()[field.Name] = []string{field.Value}
		}
		if empty != nil {
			w.Header().Set("X-Envoy-Auth-Headers-To-Remove", strings.Join(empty, ", "))
		}
		w.WriteHeader(http.StatusOK)
	})
}

// single returns a header's value if it has one, not several.
func single(header http.Header, name string) string {
	if values := header.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// maxPath is how much of a path is logged, in bytes.
const maxPath = 512

// path cuts the query off, in which secrets travel, and what is too long.
func path(uri string) string {
	uri, _, _ = strings.Cut(uri, "?")
	return uri[:min(len(uri), maxPath)]
}
