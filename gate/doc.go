// Package gate admits callers by their CI tokens. It verifies a bearer token,
// decides it against a role that the operator named, and lets the request
// through or refuses it as RFC 6750 says.
//
// [New] makes a [Gate] from verifiers, a bundle and roles. [Gate.Middleware]
// puts it before an [http.Handler]; a handler finds the [Answer] in the request's
// context with [FromContext]. The HTTP protocols of reverse proxies, Kubernetes
// and OPA clients are in package gate/face, the gRPC interceptors in
// gate/grpcgate, Envoy's gRPC protocol in gate/envoy, and replay protection that
// several replicas share in gate/redisreplay. This package needs none of them.
//
// The gate fails closed. Undecided is a refusal; a failure of ours (no keys, an
// evaluation over its deadline, a replay store that is down, too many requests
// at once) is an answer of its own that no face turns into an admission. What
// the caller is told never holds a claim or a condition: those are for the
// operator, in the decision log and from [Gate.Explain].
package gate
