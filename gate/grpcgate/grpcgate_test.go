package grpcgate_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/grpcgate"
	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// service reports what its methods see.
type service struct {
	grpc_health_v1.UnimplementedHealthServer
	seen chan metadata.MD
}

func (s service) look(ctx context.Context) error {
	if answer, ok := gate.FromContext(ctx); !ok || answer.Code != gate.Allowed {
		return status.Error(codes.Internal, "no admission in the context")
	}
	sent, _ := metadata.FromIncomingContext(ctx)
	s.seen <- sent
	return nil
}

func (s service) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{}, s.look(ctx)
}

func (s service) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return s.look(stream.Context())
}

func TestCallPassesWithoutAdmission(t *testing.T) {
	issuer, down := gatetest.NewIssuer(t), gatetest.NewIssuer(t)
	down.Down.Store(true)
	role := func(method string) string {
		if strings.HasPrefix(method, "/grpc.health.v1.Health/") {
			return "deploy"
		}
		return ""
	}
	good := "Bearer " + issuer.Token(t)
	for _, test := range []struct {
		name          string
		issuer        *gatetest.Issuer
		role          grpcgate.Role
		authorization []string
		want          codes.Code
		message       string
	}{
		{"good", issuer, role, []string{good}, codes.OK, ""},
		{"none", issuer, role, nil, codes.Unauthenticated, "no_credentials"},
		{"two", issuer, role, []string{good, good}, codes.InvalidArgument, "invalid_request"},
		{"bad", issuer, role, []string{"Bearer a.b.c"}, codes.Unauthenticated, "invalid_token (bad_encoding"},
		{"denied", issuer, role, []string{"Bearer " + issuer.Token(t, "ref_protected=false")}, codes.PermissionDenied, "denied decision"},
		{"undecided", issuer, grpcgate.Fixed("undecided"), []string{good}, codes.PermissionDenied, "undecided"},
		{"no role", issuer, grpcgate.Fixed(""), []string{good}, codes.PermissionDenied, "unknown_role"},
		{"issuer down", down, role, []string{"Bearer " + down.Token(t)}, codes.Unavailable, "issuer_unavailable"},
	} {
		g := gatetest.New(t, test.issuer, nil)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		seen := make(chan metadata.MD, 2)
		server := grpc.NewServer(grpc.UnaryInterceptor(grpcgate.Unary(g, test.role)), grpc.StreamInterceptor(grpcgate.Stream(g, test.role)))
		grpc_health_v1.RegisterHealthServer(server, service{seen: seen})
		go server.Serve(listener)
		connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		client := grpc_health_v1.NewHealthClient(connection)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-trustcheck-subject", "forged", "x_trustcheck_role", "forged", "x-ci-environment", "forged")
		for _, value := range test.authorization {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
		}
		_, unary := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		watching, streamed := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if streamed == nil {
			if _, streamed = watching.Recv(); streamed != nil && streamed.Error() == "EOF" {
				streamed = nil
			}
		}
		for kind, err := range map[string]error{"unary": unary, "stream": streamed} {
			if status.Code(err) != test.want || !strings.Contains(status.Convert(err).Message(), test.message) {
				t.Errorf("%s, %s: want %s %s, got %v", test.name, kind, test.want, test.message, err)
			}
		}
		server.Stop()
		connection.Close()
		close(seen)
		for sent := range seen {
			if test.want != codes.OK {
				t.Errorf("%s: the method was called", test.name)
			}
			if got := sent.Get("x-trustcheck-subject"); len(got) != 1 || got[0] == "forged" || len(sent.Get("x_trustcheck_role"))+len(sent.Get("x-ci-environment")) != 0 || sent.Get("x-ci-project")[0] != "acme/infra" {
				t.Errorf("forged identity reaches the method: %v", sent)
			}
		}
	}
}
