package envoy_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/envoy"
	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
)

// dial serves the gate and returns a real client of it.
func dial(t *testing.T, g *gate.Gate, role string) auth.AuthorizationClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	auth.RegisterAuthorizationServer(server, envoy.New(g, role))
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return auth.NewAuthorizationClient(connection)
}

// request is what Envoy sends for a POST, names in lower case.
func request(role string, headers map[string]string) *auth.CheckRequest {
	attributes := &auth.AttributeContext{
		Source: &auth.AttributeContext_Peer{Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
			Address: "192.0.2.7", PortSpecifier: &core.SocketAddress_PortValue{PortValue: 41000}}}}},
		Request: &auth.AttributeContext_Request{Http: &auth.AttributeContext_HttpRequest{
			Id: "8311", Method: "POST", Path: "/deploy?token=secret", Host: "api.example.com", Scheme: "https", Protocol: "HTTP/2", Size: -1, Headers: headers}},
	}
	if role != "" {
		attributes.ContextExtensions = map[string]string{"role": role}
	}
	return &auth.CheckRequest{Attributes: attributes}
}

func TestEnvoyTakesARefusalForAnAdmission(t *testing.T) {
	issuer, down := gatetest.NewIssuer(t), gatetest.NewIssuer(t)
	down.Down.Store(true)
	g := gatetest.New(t, issuer, nil)
	client := dial(t, g, "")
	good := "Bearer " + issuer.Token(t)
	for _, test := range []struct {
		name, role, authorization string
		client                    auth.AuthorizationClient
		code                      codes.Code
		http                      int32
	}{
		{"good", "deploy", good, client, codes.OK, 0},
		{"the listener's role", "", good, dial(t, g, "deploy"), codes.OK, 0},
		{"the route's role goes before it", "undecided", good, dial(t, g, "deploy"), codes.PermissionDenied, 403},
		{"none", "deploy", "", client, codes.Unauthenticated, 401},
		{"bad", "deploy", "Bearer a.b.c", client, codes.Unauthenticated, 401},
		{"two, joined as Envoy joins them", "deploy", good + "," + good, client, codes.Unauthenticated, 400},
		{"denied", "deploy", "Bearer " + issuer.Token(t, "ref_protected=false"), client, codes.PermissionDenied, 403},
		{"undecided", "undecided", good, client, codes.PermissionDenied, 403},
		{"no role", "", good, client, codes.PermissionDenied, 403},
		{"unknown role", "admin", good, client, codes.PermissionDenied, 403},
		{"issuer down", "deploy", "Bearer " + down.Token(t), dial(t, gatetest.New(t, down, nil), ""), codes.Unavailable, 503},
	} {
		headers := map[string]string{":authority": "api.example.com", "x-trustcheck-role": "root", "role": "deploy"}
		if test.authorization != "" {
			headers["authorization"] = test.authorization
		}
		response, err := test.client.Check(t.Context(), request(test.role, headers))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := codes.Code(response.GetStatus().GetCode()); got != test.code {
			t.Errorf("%s: want %s, got %s", test.name, test.code, got)
		}
		denied := response.GetDeniedResponse()
		if test.code == codes.Unavailable {
			denied = response.GetErrorResponse()
		}
		if (response.GetOkResponse() != nil) != (test.code == codes.OK) || int32(denied.GetStatus().GetCode()) != test.http {
			t.Errorf("%s: want HTTP status %d, got %v", test.name, test.http, response)
		}
		if strings.Contains(denied.GetBody(), "acme") || test.http != 0 && !strings.Contains(denied.GetBody(), `"decision_id"`) {
			t.Errorf("%s: body %s", test.name, denied.GetBody())
		}
		challenged := slices.ContainsFunc(denied.GetHeaders(), func(h *core.HeaderValueOption) bool { return h.GetHeader().GetKey() == "www-authenticate" })
		if challenged != (test.http/100 == 4) {
			t.Errorf("%s: challenge: %v", test.name, challenged)
		}
	}
}

func TestForgedIdentitySurvivesEnvoy(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	client := dial(t, gatetest.New(t, issuer, nil), "deploy")
	forged := []string{"x-trustcheck-subject", "x_trustcheck_subject", "x-ci-environment", "x-ci_project"}
	headers := map[string]string{"authorization": "Bearer " + issuer.Token(t)}
	for _, name := range forged {
		headers[name] = "forged"
	}
	response, err := client.Check(context.Background(), request("", headers))
	if err != nil {
		t.Fatal(err)
	}
	ok := response.GetOkResponse()
	set := map[string]string{}
	for _, header := range ok.GetHeaders() {
		if header.GetAppendAction() != core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%s is appended", header.GetHeader().GetKey())
		}
		set[header.GetHeader().GetKey()] = header.GetHeader().GetValue()
	}
	for _, name := range append(forged, "x-trustcheck-role", "x-trustcheck-issuer", "x-trustcheck-decision", "x-ci-project") {
		if (set[name] != "") == slices.Contains(ok.GetHeadersToRemove(), name) {
			t.Errorf("%s: want it set or removed, got %q, removed %v", name, set[name], ok.GetHeadersToRemove())
		}
	}
	if set["x-ci-project"] != "acme/infra" || set["x-trustcheck-role"] != "deploy" {
		t.Errorf("got %v", set)
	}
}

func TestTwoValuesInTheHeaderMapPass(t *testing.T) {
	issuer := gatetest.NewIssuer(t)
	client := dial(t, gatetest.New(t, issuer, nil), "deploy")
	token := "Bearer " + issuer.Token(t)
	for count, want := range map[int]codes.Code{0: codes.Unauthenticated, 1: codes.OK, 2: codes.Unauthenticated} {
		asked := request("", nil)
		headers := &core.HeaderMap{}
		for i := range count {
			header := &core.HeaderValue{Key: "authorization", Value: token}
			if i == 1 {
				header = &core.HeaderValue{Key: "authorization", RawValue: []byte(token)}
			}
			headers.Headers = append(headers.Headers, header)
		}
		asked.Attributes.Request.Http.HeaderMap = headers
		response, err := client.Check(t.Context(), asked)
		if err != nil || codes.Code(response.GetStatus().GetCode()) != want {
			t.Errorf("%d values: want %s, got %v, %v", count, want, response.GetStatus(), err)
		}
	}
	// A request without any HTTP in it, as a network filter sends.
	if response, err := client.Check(t.Context(), &auth.CheckRequest{}); err != nil || codes.Code(response.GetStatus().GetCode()) != codes.Unauthenticated {
		t.Errorf("want UNAUTHENTICATED, got %v, %v", response.GetStatus(), err)
	}
}
