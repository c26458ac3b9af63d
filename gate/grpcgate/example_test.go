package grpcgate_test

import (
	"google.golang.org/grpc"

	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/grpcgate"
)

// A server whose deploy methods need one role and whose other methods nobody may
// call.
func Example() {
	var g *gate.Gate // from gate.New
	role := func(method string) string {
		switch method {
		case "/acme.deploy.v1.Deploy/Start", "/acme.deploy.v1.Deploy/Watch":
			return "deploy"
		}
		return ""
	}
	grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpcgate.Unary(g, role)),
		grpc.ChainStreamInterceptor(grpcgate.Stream(g, role)),
	)
	// Output:
}
