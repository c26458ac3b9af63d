package gate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trustcheck/trustcheck/gate/internal/exposition"
)

// counters are what a gate counts. Role names come from the configuration and
// reasons from fixed lists, so that no caller can make them many.
type counters struct {
	unknownRole atomic.Uint64
	latency     [2]histogram // answers, failures of ours

	mu      sync.RWMutex
	reasons map[string]*atomic.Uint64
}

func (g *Gate) count(role *route, answer *Answer, elapsed time.Duration) {
	if role == nil {
		g.counts.unknownRole.Add(1)
	} else {
		role.count[slices.Index(Codes(), answer.Code)].Add(1)
	}
	failed := 0
	if answer.Code.Failed() {
		failed = 1
	}
	g.counts.latency[failed].observe(elapsed)
	if answer.Code == Allowed || answer.Decision == nil {
		return
	}
	for _, reason := range answer.Decision.TokenReasons {
		g.counts.reason(string(answer.Code), reason.Code)
	}
	if answer.Code == Denied || answer.Code == Undecided {
		g.counts.reason(string(answer.Code), answer.Decision.Stage)
	}
}

// reason counts one reason for an answer.
func (c *counters) reason(code, reason string) {
	key := code + "\x00" + reason
	c.mu.RLock()
	count := c.reasons[key]
	c.mu.RUnlock()
	if count == nil {
		c.mu.Lock()
		if c.reasons == nil {
			c.reasons = map[string]*atomic.Uint64{}
		}
		if count = c.reasons[key]; count == nil {
			count = new(atomic.Uint64)
			c.reasons[key] = count
		}
		c.mu.Unlock()
	}
	count.Add(1)
}

// buckets are the upper bounds of a histogram, in seconds.
func buckets() [12]float64 {
	return [12]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, 1, 10}
}

type histogram struct {
	counts [13]atomic.Uint64
	nanos  atomic.Uint64
}

func (h *histogram) observe(d time.Duration) {
	bounds := buckets()
	i, _ := slices.BinarySearch(bounds[:], d.Seconds())
	h.counts[i].Add(1)
	h.nanos.Add(uint64(max(d, 0)))
}

// WriteMetrics writes what the gate has counted in Prometheus' text format
// (version 0.0.4). It is written by hand so that those who only want the
// middleware do not link a metrics library.
func (g *Gate) WriteMetrics(w io.Writer) error {
	var b strings.Builder
	g.writeDecisions(&b)
	g.counts.writeReasons(&b)
	exposition.Describe(&b, "trustcheck_gate_duration_seconds", "histogram", "Time to answer a question, by whether it was answered or failed.")
	for i, outcome := range []string{"answered", "failed"} {
		g.counts.latency[i].write(&b, "trustcheck_gate_duration_seconds", `outcome="`+outcome+`"`)
	}
	exposition.Describe(&b, "trustcheck_gate_in_flight", "gauge", "Questions that are worked on.")
	exposition.Sample(&b, "trustcheck_gate_in_flight", float64(g.inFlight.Load()))
	exposition.Describe(&b, "trustcheck_gate_bundle_info", "gauge", "The policies in use, by digest.")
	exposition.Sample(&b, "trustcheck_gate_bundle_info", 1, "digest", g.bundle.Digest())
	if memory, ok := g.replay.(*Memory); ok {
		exposition.Describe(&b, "trustcheck_gate_replay_entries", "gauge", "Spent tokens that are remembered.")
		exposition.Sample(&b, "trustcheck_gate_replay_entries", float64(memory.Len()))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (g *Gate) writeDecisions(b *strings.Builder) {
	exposition.Describe(b, "trustcheck_gate_decisions_total", "counter", "Answers, by role and code.")
	for _, name := range slices.Sorted(maps.Keys(g.roles)) {
		for i, code := range Codes() {
			if n := g.roles[name].count[i].Load(); n > 0 {
				exposition.Sample(b, "trustcheck_gate_decisions_total", float64(n), "role", name, "code", string(code))
			}
		}
	}
	exposition.Sample(b, "trustcheck_gate_decisions_total", float64(g.counts.unknownRole.Load()), "role", "", "code", string(UnknownRole))
}

func (c *counters) writeReasons(b *strings.Builder) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	exposition.Describe(b, "trustcheck_gate_reasons_total", "counter", "Reasons for answers that were no admission; one answer may have several.")
	for _, key := range slices.Sorted(maps.Keys(c.reasons)) {
		code, reason, _ := strings.Cut(key, "\x00")
		exposition.Sample(b, "trustcheck_gate_reasons_total", float64(c.reasons[key].Load()), "code", code, "reason", reason)
	}
}

func (h *histogram) write(b *strings.Builder, name, labels string) {
	total := uint64(0)
	for i, bound := range buckets() {
		total += h.counts[i].Load()
		fmt.Fprintf(b, "%s_bucket{%s,le=\"%s\"} %d\n", name, labels, strconv.FormatFloat(bound, 'g', -1, 64), total)
	}
	total += h.counts[len(h.counts)-1].Load()
	fmt.Fprintf(b, "%s_bucket{%s,le=\"+Inf\"} %d\n", name, labels, total)
	fmt.Fprintf(b, "%s_sum{%s} %g\n%s_count{%s} %d\n", name, labels, float64(h.nanos.Load())/1e9, name, labels, total)
}
