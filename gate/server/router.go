package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/trustcheck/trustcheck/gate/face"
)

// router finds the handler of a path, as it was sent: nothing is cleaned,
// redirected or decoded on the way, as http.ServeMux would. What is not found is
// 404, which admits nobody.
type router struct {
	exact    map[string]http.Handler
	wild     []wildRoute
	prefixes []prefixRoute
}

// wildRoute is a path with one segment that names the role.
type wildRoute struct {
	before, after string
	handler       http.Handler
}

// prefixRoute is Envoy's: the original path follows the prefix.
type prefixRoute struct {
	prefix  string
	handler http.Handler
}

// roleValue is the name of the segment {role}.
const roleValue = "role"

func (m *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if handler := m.exact[path]; handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	for _, route := range m.prefixes {
		if rest, ok := strings.CutPrefix(path, route.prefix); ok && (rest == "" || rest[0] == '/') {
			route.handler.ServeHTTP(w, r)
			return
		}
	}
	for _, route := range m.wild {
		rest, ok := strings.CutPrefix(path, route.before)
		if !ok {
			continue
		}
		if role, ok := strings.CutSuffix(rest, route.after); ok && role != "" && !strings.Contains(role, "/") {
			r.SetPathValue(roleValue, role)
			route.handler.ServeHTTP(w, r)
			return
		}
	}
	http.NotFound(w, r)
}

func (m *router) add(path string, handler http.Handler) {
	if before, after, ok := strings.Cut(path, "{"+roleValue+"}"); ok {
		m.wild = append(m.wild, wildRoute{before, after, handler})
		return
	}
	m.exact[path] = handler
}

// router makes the handler of one listener.
func (s *Server) router(config *Config, routes []RouteConfig, at string) (*router, error) {
	m := &router{exact: map[string]http.Handler{}}
	for i, asked := range routes {
		if err := s.knowsRoles(config, asked, at+"/routes/"+strconv.Itoa(i)); err != nil {
			return nil, err
		}
		role := face.Fixed(asked.Role)
		if strings.Contains(asked.Path, "{") {
			role = func(r *http.Request) string { return r.PathValue(roleValue) }
		}
		switch asked.Face {
		case "nginx":
			m.add(asked.Path, face.Nginx(s.gate, role))
		case "traefik":
			m.add(asked.Path, face.Traefik(s.gate, role))
		case "caddy":
			m.add(asked.Path, face.Caddy(s.gate, role))
		case "check":
			m.add(asked.Path, face.Check(s.gate, role, asked.Roles))
		case "opa":
			m.add(asked.Path, face.Data(s.gate, role, false))
			m.add(asked.Path+"/allow", face.Data(s.gate, role, true))
		case "kubernetes":
			m.add(asked.Path, face.TokenReview(s.gate, role,
				face.Kubernetes{UsernamePrefix: asked.Kubernetes.UsernamePrefix, Groups: asked.Kubernetes.Groups}))
		case "envoy":
			prefix := strings.TrimSuffix(asked.Path, "/")
			m.prefixes = append(m.prefixes, prefixRoute{prefix, face.Envoy(s.gate, role, prefix)})
		}
	}
	return m, nil
}

func (s *Server) knowsRoles(config *Config, route RouteConfig, at string) error {
	if route.Role != "" && !s.gate.HasRole(route.Role) {
		return config.at(at+"/role", "no role %q is configured", route.Role)
	}
	for i, name := range route.Roles {
		if !s.gate.HasRole(name) {
			return config.at(at+"/roles/"+strconv.Itoa(i), "no role %q is configured", name)
		}
	}
	return nil
}
