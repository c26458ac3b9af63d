// Package envoy answers Envoy's external authorization over gRPC
// (envoy.service.auth.v3.Authorization).
package envoy

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/trustcheck/trustcheck/gate"
)

// RoleExtension is the member of context_extensions that names the role. Envoy's
// configuration writes it, per route; a client cannot.
const RoleExtension = "role"

// Server is an authorization service for Envoy. Register it with
// auth.RegisterAuthorizationServer.
//
// It admits with status OK, every identity header of the gate overwritten or
// removed. It refuses with UNAUTHENTICATED or PERMISSION_DENIED and a
// denied_response. For a failure of ours it answers UNAVAILABLE with an
// error_response: Envoy counts an error and honours failure_mode_allow, an Envoy
// that does not know the member refuses.
type Server struct {
	auth.UnimplementedAuthorizationServer

	gate *gate.Gate
	role string
}

// New returns a service. role is that of requests whose route names none; empty
// refuses them.
func New(g *gate.Gate, role string) *Server { return &Server{gate: g, role: role} }

// Check implements auth.AuthorizationServer. It never returns an error.
func (s *Server) Check(ctx context.Context, request *auth.CheckRequest) (*auth.CheckResponse, error) {
	attributes := request.GetAttributes()
	role := s.role
	if named, ok := attributes.GetContextExtensions()[RoleExtension]; ok {
		role = named
	}
	asked := attributes.GetRequest().GetHttp()
	headers := fields(asked)
	path, _, _ := strings.Cut(asked.GetPath(), "?")
	answer := s.gate.Check(ctx, gate.Question{Role: role, Credentials: s.gate.Credentials(headers), Face: "envoy-grpc",
		Method: asked.GetMethod(), Path: path[:min(len(path), maxPath)]})
	switch {
	case answer.Code == gate.Allowed:
		return s.admitted(answer, headers), nil
	case answer.Code.Failed():
		return &auth.CheckResponse{Status: &status.Status{Code: int32(codes.Unavailable)},
			HttpResponse: &auth.CheckResponse_ErrorResponse{ErrorResponse: s.refused(answer)}}, nil
	}
	code := codes.Unauthenticated
	if answer.Code.Status() == http.StatusForbidden {
		code = codes.PermissionDenied
	}
	return &auth.CheckResponse{Status: &status.Status{Code: int32(code)},
		HttpResponse: &auth.CheckResponse_DeniedResponse{DeniedResponse: s.refused(answer)}}, nil
}

// maxPath is how much of a path is logged, in bytes.
const maxPath = 512

// fields reads the request's headers. Envoy joins the values of a repeated header
// with commas in one of its two forms and lists them in the other.
func fields(request *auth.AttributeContext_HttpRequest) http.Header {
	headers := http.Header{}
	for name, value := range request.GetHeaders() {
		headers.Add(name, value)
	}
	for _, header := range request.GetHeaderMap().GetHeaders() {
		value := header.GetValue()
		if raw := header.GetRawValue(); raw != nil {
			value = string(raw)
		}
		headers.Add(header.GetKey(), value)
	}
	return headers
}

func (s *Server) admitted(answer *gate.Answer, sent http.Header) *auth.CheckResponse {
	ok := &auth.OkHttpResponse{}
	var set []string
	for _, field := range s.gate.Identity(answer) {
		if field.Value != "" {
			ok.Headers = append(ok.Headers, overwrite(field.Name, field.Value))
			set = append(set, field.Name)
			continue
		}
		ok.HeadersToRemove = append(ok.HeadersToRemove, strings.ToLower(field.Name))
	}
	for name := range sent {
		if s.gate.Owns(name) && !slices.Contains(set, name) && !slices.Contains(ok.HeadersToRemove, strings.ToLower(name)) {
			ok.HeadersToRemove = append(ok.HeadersToRemove, strings.ToLower(name))
		}
	}
	return &auth.CheckResponse{Status: &status.Status{Code: int32(codes.OK)},
		HttpResponse: &auth.CheckResponse_OkResponse{OkResponse: ok}}
}

func (s *Server) refused(answer *gate.Answer) *auth.DeniedHttpResponse {
	refused := &auth.DeniedHttpResponse{
		Status: &kind.HttpStatus{Code: kind.StatusCode(answer.Code.Status())},
		Headers: []*core.HeaderValueOption{
			overwrite("Content-Type", "application/json"),
			overwrite("Cache-Control", "no-store"),
			overwrite(gate.HeaderDecision, answer.ID),
		},
		Body: gate.RefusalBody(answer),
	}
	for _, challenge := range s.gate.Challenges(answer) {
		refused.Headers = append(refused.Headers, &core.HeaderValueOption{
			Header: &core.HeaderValue{Key: "www-authenticate", Value: challenge}, AppendAction: core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD})
	}
	if answer.Code.Failed() {
		refused.Headers = append(refused.Headers, overwrite("Retry-After", strconv.Itoa(int(gate.RetryAfter.Seconds()))))
	}
	return refused
}

func overwrite(name, value string) *core.HeaderValueOption {
	return &core.HeaderValueOption{Header: &core.HeaderValue{Key: strings.ToLower(name), Value: value},
		AppendAction: core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}
}
