package gate

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Replay remembers which tokens have been admitted.
type Replay interface {
	// First reports whether it is called with this key for the first time since
	// it was last forgotten, and remembers the key at least until then. Of
	// several calls at once, in whatever process shares the store, exactly one
	// is the first. After an error nothing is known, and nobody is admitted.
	First(ctx context.Context, key string, until time.Time) (bool, error)
}

// DefaultEntries is how many tokens a Memory remembers where it is not told: about
// 100 MB.
const DefaultEntries = 1 << 20

// ErrFull says that a Memory holds as many unexpired tokens as it may. It does
// not forget one for another: that one could then be used again.
var ErrFull = errors.New("replay memory is full")

// Memory is a Replay within one process. What it knows is gone when that ends.
type Memory struct {
	now     func() time.Time
	entries int

	mu    sync.Mutex
	seen  map[string]struct{}
	queue expiries
}

// NewMemory returns a store of at most so many tokens; 0 is DefaultEntries.
func NewMemory(entries int, now func() time.Time) *Memory {
	if entries <= 0 {
		entries = DefaultEntries
	}
	return &Memory{now: now, entries: entries, seen: map[string]struct{}{}}
}

// First implements Replay.
func (m *Memory) First(_ context.Context, key string, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for now := m.now(); len(m.queue) > 0 && !m.queue[0].until.After(now); {
		delete(m.seen, heap.Pop(&m.queue).(expiry).key)
	}
	if _, known := m.seen[key]; known {
		return false, nil
	}
	if len(m.seen) >= m.entries {
		return false, ErrFull
	}
	m.seen[key] = struct{}{}
	heap.Push(&m.queue, expiry{key, until})
	return true, nil
}

// Len returns how many tokens are remembered.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.seen)
}

type expiry struct {
	key   string
	until time.Time
}

// expiries is a heap with the first to expire on top.
type expiries []expiry

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(x any)        { *e = append(*e, x.(expiry)) }
func (e *expiries) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = expiry{}
	*e = (*e)[:len(*e)-1]
	return last
}

// replayKey names a token by iss and jti. It is a digest: of one length, and
// nothing of the token can be read from a store.
func replayKey(issuer, id string) string {
	sum := sha256.New()
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(issuer)))
	sum.Write(length[:])
	sum.Write([]byte(issuer))
	sum.Write([]byte(id))
	return string(sum.Sum(nil))
}
