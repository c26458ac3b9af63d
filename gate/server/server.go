// Package server is the admission gate as a process: it reads a configuration,
// listens, and answers until it is told to stop.
package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/envoy"
	"github.com/trustcheck/trustcheck/verifier"
)

// The bounds of one connection.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 15 * time.Second
	idleTimeout   = 2 * time.Minute
	// maxHeaders is enough for a token and what proxies pass on beside it.
	maxHeaders = 64 << 10
	// DefaultShutdown is how long requests may take to end.
	DefaultShutdown = 10 * time.Second
)

// SetProcess sets what holds for a whole process, which should do nothing but
// serve. The heap may grow to five times of what is in use between two garbage
// collections, unless the operator has set GOGC: a decision leaves some 50 KB of
// garbage behind, and what is in use are the roles. What the Redis client has to
// say goes to the log.
func SetProcess(log *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	redis.SetLogger(redisLog{log})
}

type redisLog struct{ *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, values ...any) {
	l.WarnContext(ctx, fmt.Sprintf(format, values...))
}

// Server is a gate with its listeners, open and not yet answering.
type Server struct {
	gate    *gate.Gate
	remotes []*verifier.Remote
	// fixed is what is known of issuers whose keys are a file's.
	fixed    []verifier.Status
	store    pinger
	closers  []func() error
	faces    []*listener
	admin    *listener
	log      *slog.Logger
	shutdown time.Duration
	draining atomic.Bool
}

// pinger is a replay store that can be asked whether it is there.
type pinger interface{ Ping(context.Context) error }

// listener is an open address and the server for it.
type listener struct {
	net.Listener
	serve func() error
	// stop ends it gracefully until the context is done, then at once.
	stop func(context.Context) error
}

// Addresses returns where the routes are answered, in the order of the
// configuration.
func (s *Server) Addresses() []net.Addr {
	addresses := make([]net.Addr, len(s.faces))
	for i, l := range s.faces {
		addresses[i] = l.Addr()
	}
	return addresses
}

// AdminAddress returns the operator's address, nil where there is none.
func (s *Server) AdminAddress() net.Addr {
	if s.admin == nil {
		return nil
	}
	return s.admin.Addr()
}

// Serve answers until the context ends, then lets requests end, and closes
// everything. It returns an error where a listener failed by itself.
func (s *Server) Serve(ctx context.Context) error {
	defer s.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, remote := range s.remotes {
		remote.Start()
	}
	all := s.faces
	if s.admin != nil {
		all = append(all[:len(all):len(all)], s.admin)
	}
	var serving sync.WaitGroup
	for _, l := range all {
		serving.Go(func() {
			if err := l.serve(); err != nil {
				cancel(fmt.Errorf("listener %s: %w", l.Addr(), err))
			}
		})
	}
	<-ctx.Done()
	s.drain(context.WithoutCancel(ctx))
	serving.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// drain stops the faces first: who asks the operator's listener meanwhile is told
// that the server is about to go.
func (s *Server) drain(ctx context.Context) {
	s.draining.Store(true)
	s.log.Info("draining", "deadline", s.shutdown.String())
	ctx, done := context.WithTimeout(ctx, s.shutdown)
	defer done()
	var stopping sync.WaitGroup
	for _, l := range s.faces {
		stopping.Go(func() {
			if err := l.stop(ctx); err != nil {
				s.log.Warn("requests were cut off", "listener", l.Addr().String(), "error", err.Error())
			}
		})
	}
	stopping.Wait()
	if s.admin != nil {
		_ = s.admin.stop(ctx)
	}
}

// Close closes the listeners and what else is open. Serve does it by itself.
func (s *Server) Close() {
	for _, l := range s.faces {
		l.Close()
	}
	if s.admin != nil {
		s.admin.Close()
	}
	for _, remote := range s.remotes {
		remote.Close()
	}
	for _, closer := range s.closers {
		_ = closer()
	}
}

// listenHTTP opens an address for HTTP.
func (s *Server) listenHTTP(address string, config *tls.Config, handler http.Handler) (*listener, error) {
	open, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: handler, TLSConfig: config, MaxHeaderBytes: maxHeaders,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return &listener{
		Listener: open,
		serve: func() error {
			serve := server.Serve
			if config != nil {
				serve = func(open net.Listener) error { return server.ServeTLS(open, "", "") }
			}
			err := serve(open)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		},
		stop: func(ctx context.Context) error {
			if err := server.Shutdown(ctx); err != nil {
				server.Close()
				return err
			}
			return nil
		},
	}, nil
}

// listenEnvoy opens an address for Envoy's gRPC.
func (s *Server) listenEnvoy(address string, config *tls.Config, role string) (*listener, error) {
	open, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(1 << 20), grpc.MaxHeaderListSize(maxHeaders), grpc.ConnectionTimeout(headerTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	if config != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	server := grpc.NewServer(options...)
	auth.RegisterAuthorizationServer(server, envoy.New(s.gate, role))
	return &listener{
		Listener: open,
		serve:    func() error { return server.Serve(open) },
		stop: func(ctx context.Context) error {
			stopped := make(chan struct{})
			go func() { server.GracefulStop(); close(stopped) }()
			select {
			case <-stopped:
				return nil
			case <-ctx.Done():
				server.Stop()
				<-stopped
				return ctx.Err()
			}
		},
	}, nil
}

// tlsConfig reads the PEM files that a listener names, nil where it names none.
func (c *Config) tlsConfig(asked *TLSConfig) (*tls.Config, error) {
	if asked == nil {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(c.path(asked.Certificate), c.path(asked.Key))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if asked.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = certificates(c.path(asked.ClientCA)); err != nil {
		return nil, err
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

func certificates(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: want PEM certificates, got none", path)
	}
	return pool, nil
}
