// Package grpcgate puts a gate before the methods of a gRPC server.
package grpcgate

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/trustcheck/trustcheck/gate"
)

// Role names the role of a method, as in /package.Service/Method. An empty name
// refuses every call of it.
type Role func(method string) string

// Fixed returns the role that is the same for every method.
func Fixed(name string) Role { return func(string) string { return name } }

// Unary returns an interceptor that admits calls by the token in their
// authorization metadata. The handler finds the answer with gate.FromContext, and
// the gate's identity headers, in lower case, in the incoming metadata.
//
// Refusals are UNAUTHENTICATED, PERMISSION_DENIED or, for malformed metadata,
// INVALID_ARGUMENT; failures of ours are UNAVAILABLE. The message is the code,
// the objections to the token and the decision's id.
func Unary(g *gate.Gate, role Role) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		admitted, err := admit(ctx, g, role, info.FullMethod)
		if err != nil {
			return nil, err
		}
		return handler(admitted, request)
	}
}

// Stream does for streams what Unary does for single calls. A stream is admitted
// once, at its start; it may outlive its token.
func Stream(g *gate.Gate, role Role) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		admitted, err := admit(stream.Context(), g, role, info.FullMethod)
		if err != nil {
			return err
		}
		return handler(server, &admittedStream{stream, admitted})
	}
}

type admittedStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *admittedStream) Context() context.Context { return s.ctx }

func admit(ctx context.Context, g *gate.Gate, role Role, method string) (context.Context, error) {
	sent, _ := metadata.FromIncomingContext(ctx)
	answer := g.Check(ctx, gate.Question{Role: role(method), Credentials: gate.ReadAuthorization(sent.Get("authorization"), false),
		Face: "grpc", Path: method})
	if answer.Code != gate.Allowed {
		return nil, refusal(answer)
	}
	kept := metadata.MD{}
	for name, values := range sent {
		if !g.Owns(name) {
			kept[name] = values
		}
	}
	for _, field := range g.Identity(answer) {
		if field.Value != "" {
			kept.Set(field.Name, field.Value)
		}
	}
	return gate.NewContext(metadata.NewIncomingContext(ctx, kept), answer), nil
}

func refusal(answer *gate.Answer) error {
	code := codes.Unavailable
	switch answer.Code.Status() {
	case 400:
		code = codes.InvalidArgument
	case 401:
		code = codes.Unauthenticated
	case 403:
		code = codes.PermissionDenied
	}
	words := []string{string(answer.Code)}
	if objections := answer.Objections(); objections != "" {
		words = append(words, "("+objections+")")
	}
	return status.Error(code, strings.Join(append(words, "decision", answer.ID), " "))
}
