// Package redisreplay remembers admitted tokens in Redis or Valkey, for gates of
// several processes that must admit a token once between them.
//
// It is as good as the store: a server that loses writes, as one without
// persistence does when it restarts and a replica may when it takes over, forgets
// tokens. Evicting keys (maxmemory-policy) forgets them too: use noeviction.
package redisreplay

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Prefix begins the name of every key.
const Prefix = "trustcheck:spent:"

// DefaultTimeout bounds one question to the store, connecting included.
const DefaultTimeout = 250 * time.Millisecond

// Store implements gate.Replay.
type Store struct {
	client  redis.UniversalClient
	timeout time.Duration
	now     func() time.Time
}

// New returns a store on a client; 0 is DefaultTimeout. The client should not
// retry (MaxRetries: -1): the answer to a second try would be that the first one
// was made.
func New(client redis.UniversalClient, timeout time.Duration, now func() time.Time) *Store {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Store{client: client, timeout: timeout, now: now}
}

// First implements gate.Replay by SET with NX and a time to live.
func (s *Store) First(ctx context.Context, key string, until time.Time) (bool, error) {
	ctx, done := context.WithTimeout(ctx, s.timeout)
	defer done()
	first, err := s.client.SetNX(ctx, Prefix+hex.EncodeToString([]byte(key)), 1, max(until.Sub(s.now()), time.Second)).Result()
	if err != nil {
		return false, fmt.Errorf("ask the replay store: %w", err)
	}
	return first, nil
}

// Ping reports whether the store answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, s.timeout)
	defer done()
	return s.client.Ping(ctx).Err()
}
