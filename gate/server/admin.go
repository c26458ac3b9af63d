package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/face"
	"github.com/trustcheck/trustcheck/gate/internal/exposition"
	"github.com/trustcheck/trustcheck/verifier"
)

// adminHandler answers the operator:
//
//	GET  /healthz       200 while the process answers
//	GET  /readyz        200 while there are keys of at least one issuer and the
//	                    server is not draining; the body lists each issuer and
//	                    whether the replay store answers
//	GET  /readyz?issuer=URL  200 while there are keys of that issuer
//	GET  /metrics       Prometheus' text format
//	POST /v1/explain    {"token": …, "role": …}: the whole decision with its reasons
//	POST /v1/refresh    fetches every issuer's keys now
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		gate.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("POST /v1/refresh", s.refresh)
	mux.Handle("/v1/explain", face.Explain(s.gate))
	return mux
}

// readiness is the body of /readyz.
type readiness struct {
	Ready    bool              `json:"ready"`
	Draining bool              `json:"draining,omitempty"`
	Replay   string            `json:"replay,omitempty"`
	Issuers  []verifier.Status `json:"issuers,omitempty"`
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	state := readiness{Draining: s.draining.Load()}
	only, ready, known := r.URL.Query().Get("issuer"), 0, false
	for _, status := range s.statuses() {
		if only != "" && status.Issuer != only {
			continue
		}
		known = true
		if status.Ready {
			ready++
		}
		state.Issuers = append(state.Issuers, status)
	}
	if only != "" && !known {
		gate.WriteJSON(w, http.StatusNotFound, map[string]string{"error": "no issuer of that name"})
		return
	}
	// One issuer that is down must not take the others' tokens with it.
	state.Ready = !state.Draining && ready > 0
	if s.store != nil {
		state.Replay = "ok"
		if err := s.store.Ping(r.Context()); err != nil {
			state.Replay = err.Error()
		}
	}
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
	}
	gate.WriteJSON(w, status, state)
}

// statuses says of every issuer what is known of its keys.
func (s *Server) statuses() []verifier.Status {
	all := slices.Clone(s.fixed)
	for _, remote := range s.remotes {
		all = append(all, remote.Status())
	}
	return all
}

func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	failures := map[string]string{}
	for _, remote := range s.remotes {
		if err := remote.Refresh(r.Context()); err != nil {
			failures[remote.Status().Issuer] = err.Error()
		}
	}
	status := http.StatusOK
	if len(failures) > 0 {
		status = http.StatusBadGateway
	}
	gate.WriteJSON(w, status, map[string]any{"failures": failures})
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	_ = s.gate.WriteMetrics(&b)
	s.writeIssuers(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}

// writeIssuers writes what is known of every issuer's keys.
func (s *Server) writeIssuers(b *strings.Builder) {
	all := s.statuses()
	for _, metric := range []struct {
		name, kind, help string
		value            func(verifier.Status) float64
	}{
		{"trustcheck_jwks_ready", "gauge", "Whether there are keys to verify the issuer's tokens with.", func(status verifier.Status) float64 {
			return map[bool]float64{true: 1}[status.Ready]
		}},
		{"trustcheck_jwks_age_seconds", "gauge", "How old the issuer's keys are.", func(status verifier.Status) float64 { return status.Age.Seconds() }},
		{"trustcheck_jwks_keys", "gauge", "How many usable keys there are.", func(status verifier.Status) float64 { return float64(len(status.Keys)) }},
		{"trustcheck_jwks_requests_total", "counter", "Requests to the issuer.", func(status verifier.Status) float64 { return float64(status.Requests) }},
		{"trustcheck_jwks_failures", "gauge", "Fetches that failed in a row.", func(status verifier.Status) float64 { return float64(status.Failures) }},
		{"trustcheck_jwks_generation", "counter", "Changes of the issuer's keys.", func(status verifier.Status) float64 { return float64(status.Generation) }},
	} {
		exposition.Describe(b, metric.name, metric.kind, metric.help)
		for _, status := range all {
			exposition.Sample(b, metric.name, metric.value(status), "issuer", status.Issuer)
		}
	}
}
