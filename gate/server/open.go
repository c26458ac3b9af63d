package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/gate"
	"github.com/trustcheck/trustcheck/gate/redisreplay"
	"github.com/trustcheck/trustcheck/verifier"
)

// Environment is what a server is given beside its configuration.
type Environment struct {
	// Bundle holds the policies and the user's rules; see Config.RulePaths.
	Bundle *bundles.Bundle
	// Documents reads the documents of a role's file.
	Documents func(file string) ([]*trustcheck.Document, error)
	// Log gets the decisions and what happens to the server.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// RulePaths returns the files and directories of the user's rules.
func (c *Config) RulePaths() []string {
	paths := make([]string, len(c.Rules))
	for i, rule := range c.Rules {
		paths[i] = c.path(rule)
	}
	return paths
}

// Open prepares what a configuration describes and opens its listeners. An error
// names the place in the configuration, or in a role's file, that is at fault.
// Issuers that cannot be reached are none: their tokens are answered 503 until
// they can be.
func Open(ctx context.Context, config *Config, env Environment) (*Server, error) {
	s := &Server{log: env.Log, shutdown: time.Duration(config.Limits.Shutdown)}
	if s.shutdown == 0 {
		s.shutdown = DefaultShutdown
	}
	if err := s.open(ctx, config, env); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open(ctx context.Context, config *Config, env Environment) error {
	roles, err := config.loadRoles(ctx, env)
	if err != nil {
		return err
	}
	tokens, err := s.verifiers(config, env.Now)
	if err != nil {
		return err
	}
	replay, err := s.replay(config, env.Now)
	if err != nil {
		return err
	}
	s.gate, err = gate.New(gate.Config{
		Tokens: tokens, Bundle: env.Bundle, Roles: roles, Replay: replay, Identity: config.Identity, Basic: config.Basic,
		Realm: config.Realm, Log: env.Log, LogClaims: config.Log.Claims, Deadline: time.Duration(config.Limits.Evaluation),
		KeyWait: time.Duration(config.Limits.KeyWait), Concurrency: config.Limits.Concurrency, Now: env.Now,
	})
	if fault := (*gate.SettingError)(nil); errors.As(err, &fault) {
		return config.at("/"+fault.Setting, "%s", fault.Message)
	}
	return s.listen(config)
}

func (s *Server) listen(config *Config) error {
	for i, asked := range config.Listeners {
		at := fmt.Sprintf("/listeners/%d", i)
		secure, err := config.tlsConfig(asked.TLS)
		if err != nil {
			return config.at(at+"/tls", "%v", err)
		}
		var opened *listener
		if asked.EnvoyGRPC != nil {
			if role := asked.EnvoyGRPC.Role; role != "" && !s.gate.HasRole(role) {
				return config.at(at+"/envoy_grpc/role", "no role %q is configured", role)
			}
			opened, err = s.listenEnvoy(asked.Address, secure, asked.EnvoyGRPC.Role)
		} else {
			routes, failure := s.router(config, asked.Routes, at)
			if failure != nil {
				return failure
			}
			opened, err = s.listenHTTP(asked.Address, secure, routes)
		}
		if err != nil {
			return config.at(at+"/address", "%v", err)
		}
		s.faces = append(s.faces, opened)
	}
	return s.listenAdmin(config)
}

func (s *Server) listenAdmin(config *Config) error {
	if config.Admin == nil {
		return nil
	}
	secure, err := config.tlsConfig(config.Admin.TLS)
	if err != nil {
		return config.at("/admin/tls", "%v", err)
	}
	if s.admin, err = s.listenHTTP(config.Admin.Address, secure, s.adminHandler()); err != nil {
		return config.at("/admin/address", "%v", err)
	}
	return nil
}

// verifiers returns what verifies the tokens of every configured issuer.
func (s *Server) verifiers(config *Config, now func() time.Time) (*verifier.Set, error) {
	all := make([]*verifier.Verifier, len(config.Issuers))
	for i, asked := range config.Issuers {
		at := fmt.Sprintf("/issuers/%d", i)
		keys, err := s.keys(config, asked, now)
		if err != nil {
			return nil, config.at(at, "%v", err)
		}
		all[i], err = verifier.New(verifier.Config{
			Issuer: asked.Issuer, Audiences: asked.Audiences, Algorithms: asked.Algorithms, Leeway: (*time.Duration)(asked.Leeway),
			MaxLifetime: time.Duration(asked.MaxLifetime), MaxAge: time.Duration(asked.MaxAge), Keys: keys,
		})
		if err != nil {
			return nil, config.at(at, "%v", err)
		}
	}
	set, err := verifier.NewSet(all...)
	if err != nil {
		return nil, config.at("/issuers", "%v", err)
	}
	return set, nil
}

func (s *Server) keys(config *Config, asked IssuerConfig, now func() time.Time) (verifier.KeySource, error) {
	if asked.JWKS != "" && !strings.Contains(asked.JWKS, "://") {
		keys, err := verifier.ReadJWKSFile(config.path(asked.JWKS))
		if err == nil {
			s.fixed = append(s.fixed, verifier.Status{
				Issuer: asked.Issuer, Ready: len(keys.Keys()) > 0, Keys: keys.Keys(), Warnings: keys.Warnings(),
			})
		}
		return keys, err
	}
	remote, err := verifier.NewRemote(verifier.RemoteConfig{
		Issuer: asked.Issuer, URL: asked.JWKS, MaxStale: time.Duration(asked.MaxStale), LastGoodFile: config.path(asked.LastGoodFile),
		Network: verifier.Network{CAFile: config.path(asked.CAFile), AllowPrivateNetwork: asked.AllowPrivateNetwork}, Now: now,
	})
	if err != nil {
		return nil, err
	}
	s.remotes = append(s.remotes, remote)
	return remote, nil
}

// replay returns where spent tokens are remembered.
func (s *Server) replay(config *Config, now func() time.Time) (gate.Replay, error) {
	asked := config.Replay.Redis
	if asked == nil {
		return gate.NewMemory(config.Replay.Entries, now), nil
	}
	timeout := time.Duration(asked.Timeout)
	if timeout == 0 {
		timeout = redisreplay.DefaultTimeout
	}
	options := &redis.Options{Addr: asked.Address, Username: asked.Username, MaxRetries: -1, ContextTimeoutEnabled: true,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, DialerRetries: 1, DisableIdentity: true}
	if asked.PasswordFile != "" {
		password, err := os.ReadFile(config.path(asked.PasswordFile))
		if err != nil {
			return nil, config.at("/replay/redis/password_file", "%v", err)
		}
		options.Password = strings.TrimRight(string(password), "\r\n")
	}
	if asked.CAFile != "" {
		pool, err := certificates(config.path(asked.CAFile))
		if err != nil {
			return nil, config.at("/replay/redis/ca_file", "%v", err)
		}
		options.TLSConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client := redis.NewClient(options)
	s.closers = append(s.closers, client.Close)
	store := redisreplay.New(client, timeout, now)
	s.store = store
	return store, nil
}

// loadRoles reads and prepares the roles by the names that routes use.
func (c *Config) loadRoles(ctx context.Context, env Environment) (map[string]gate.Role, error) {
	roles := map[string]gate.Role{}
	for i, asked := range c.Roles {
		at := fmt.Sprintf("/roles/%d", i)
		found, err := c.rolesAt(ctx, env, asked)
		if err != nil {
			return nil, c.at(at, "%v", err)
		}
		if asked.Name != "" && len(found) != 1 {
			return nil, c.at(at+"/name", "want one role in %s to name, got %d", asked.Path, len(found))
		}
		for _, role := range found {
			name := role.Ref.Name
			if asked.Name != "" {
				name = asked.Name
			}
			if _, twice := roles[name]; twice {
				return nil, c.at(at, "%s:%d: a second role %q: give it another name", role.Ref.File, role.Ref.Line, name)
			}
			roles[name] = gate.Role{Role: role, Context: asked.Context, SingleUse: asked.SingleUse}
		}
	}
	return roles, nil
}

func (c *Config) rolesAt(ctx context.Context, env Environment, asked RoleConfig) ([]*bundles.Role, error) {
	path := c.path(asked.Path)
	files, err := filesBelow(path)
	if err != nil {
		return nil, err
	}
	named := len(files) == 1 && files[0] == path
	var roles []*bundles.Role
	for _, file := range files {
		docs, err := env.Documents(file)
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			if _, err := env.Bundle.Platform(asked.Platform, doc); err != nil {
				if named && len(docs) == 1 {
					return nil, err
				}
				continue
			}
			role, err := env.Bundle.Prepare(ctx, doc, asked.Platform, asked.Context)
			if err != nil {
				return nil, err
			}
			if role.Refused != "" {
				return nil, fmt.Errorf("%s:%d: %s would refuse to store this role: %s", file, doc.Line, role.Ref.Platform, role.Refused)
			}
			if role.Ref.Name == "" {
				role.Ref.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
			}
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return nil, fmt.Errorf("%s: no role found: want a role of %s", path, strings.Join(env.Bundle.Platforms(), ", "))
	}
	return roles, nil
}

// filesBelow lists a file, or the files of a directory in order.
func filesBelow(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, file)
		}
		return err
	})
	return files, err
}
