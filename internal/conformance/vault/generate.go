package vault

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Generate makes the i-th case of a seed: a role, a config, claims and a time
// that fit each other often enough to be admitted, bent at the corners. The
// same seed and i make the same case.
func Generate(seed, i uint64) Case {
	g := &generator{r: rand.New(rand.NewPCG(seed, i)), config: map[string]any{}}
	g.start()
	g.bind()
	g.bend()
	return g.finish(fmt.Sprintf("%d/%d", seed, i))
}

// A member is one of an object: its name, and its value as raw JSON.
type member struct{ name, value string }

// An object keeps the order and the spelling of its members, and may hold a
// name twice.
type object []member

func (o object) has(name string) bool {
	for _, m := range o {
		if m.name == name {
			return true
		}
	}
	return false
}

func (o *object) set(name, value string) {
	for i, m := range *o {
		if m.name == name {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{name, value})
}

func (o *object) drop(name string) {
	for i, m := range *o {
		if m.name == name {
			*o = append((*o)[:i:i], (*o)[i+1:]...)
			return
		}
	}
}

func (o object) String() string {
	var parts []string
	for _, m := range o {
		parts = append(parts, quote(m.name)+":"+m.value)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func quote(s string) string {
	raw, err := encode(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(raw)
}

func list(raw ...string) string { return "[" + strings.Join(raw, ",") + "]" }

func texts(s ...string) string {
	raw := make([]string, len(s))
	for i := range s {
		raw[i] = quote(s[i])
	}
	return list(raw...)
}

type generator struct {
	r      *rand.Rand
	role   object
	claims object
	config map[string]any
	ctx    Context
	now    time.Time
	glob   bool
	twice  bool // a member of claims is given twice
	names  int
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, of []T) T { return of[g.r.IntN(len(of))] }

// good decides that what is being bound shall match.
func (g *generator) good() bool { return g.chance(92) }

func (g *generator) start() {
	g.now = time.Unix(1700000000, 0)
	if g.chance(30) {
		g.now = time.Unix(1000000000+g.r.Int64N(3000000000), 0)
	}
	if g.chance(30) {
		g.now = g.now.Add(pick(g, []time.Duration{1, 999999999, 500 * time.Millisecond, time.Microsecond}))
	}
	g.role = object{{"role_type", `"jwt"`}, {"user_claim", `"sub"`}}
	g.claims = object{{"sub", `"u"`}, {"iat", g.at(-10)}, {"exp", g.at(300)}}
	g.glob = g.chance(35)
	if g.glob {
		g.role.set("bound_claims_type", `"glob"`)
	} else if g.chance(20) {
		g.role.set("bound_claims_type", `"string"`)
	}
}

// at is a time in whole seconds, so many from now.
func (g *generator) at(seconds int64) string {
	return strconv.FormatInt(g.now.Unix()+seconds, 10)
}

// bind adds bindings of every kind, and claims for them.
func (g *generator) bind() {
	if g.chance(75) {
		g.boundClaims()
	}
	for _, f := range []struct {
		percent int
		add     func()
	}{
		{35, g.audience}, {15, g.subject}, {18, g.issuer}, {40, g.times}, {25, g.userClaim}, {18, g.groups}, {18, g.mappings},
		{15, g.addresses}, {15, g.algorithms}, {8, g.policies}, {8, g.registered}, {6, g.source},
	} {
		if g.chance(f.percent) {
			f.add()
		}
	}
	bound := false
	for _, field := range []string{"bound_claims", "bound_audiences", "bound_subject", "token_bound_cidrs", "bound_cidrs"} {
		bound = bound || g.role.has(field)
	}
	if !bound && g.chance(95) {
		g.role.set("bound_subject", `"u"`)
		if g.chance(90) {
			g.claims.set("sub", `"u"`)
		}
	}
}

// bend disturbs what bind made.
func (g *generator) bend() {
	if g.chance(7) {
		for _, m := range pick(g, refusals) {
			g.role.set(m.name, m.value)
		}
	}
	if g.chance(2) {
		maps.Copy(g.config, pick(g, configs))
	}
	if g.chance(5) {
		g.role.set(pick(g, g.role).name, pick(g, append(values, numbers...)))
	}
	if g.chance(3) {
		g.claims.set(pick(g, g.claims).name, pick(g, append(values, numbers...)))
	}
	if g.chance(3) {
		g.claims.drop(pick(g, g.claims).name)
	}
	if g.chance(3) {
		g.claims.set("n", pick(g, numbers))
	}
	if g.chance(1) {
		g.claims.set("n", pick(g, unreadable))
	}
	if g.chance(2) && len(g.claims) > 0 {
		// A second member of the same name: which of the two counts, and
		// whether the token is read at all, depends on the key source.
		m := pick(g, g.claims)
		g.claims = append(object{{m.name, pick(g, values)}}, g.claims...)
		g.twice = true
		g.source()
	}
	if (g.role.has("token_bound_cidrs") || g.role.has("bound_cidrs")) && g.ctx.RemoteAddr == nil {
		address := pick(g, addresses)
		g.ctx.RemoteAddr = &address
	}
	if g.chance(30) {
		g.r.Shuffle(len(g.role), func(i, j int) { g.role[i], g.role[j] = g.role[j], g.role[i] })
	}
}

func (g *generator) finish(id string) Case {
	c := Case{ID: id, Platform: "vault", Role: json.RawMessage(g.role.String()), Context: g.ctx, Now: g.spelledNow()}
	if len(g.config) > 0 || g.chance(20) {
		c.Context.Config = g.config
	}
	if g.chance(10) {
		c.Context.RoleName = pick(g, []string{"deploy", "Deploy", "a.b-c_d"})
	}
	if text := g.claims.String(); g.twice || !plain(text) {
		c.ClaimsText = &text
	} else {
		c.Claims = json.RawMessage(text)
	}
	return c
}

func (g *generator) spelledNow() json.RawMessage {
	whole, nanos := strconv.FormatInt(g.now.Unix(), 10), g.now.Nanosecond()
	switch {
	case nanos == 0 && g.chance(60):
		return json.RawMessage(whole)
	case g.chance(15):
		return json.RawMessage(quote(g.now.UTC().Format(time.RFC3339Nano)))
	case g.chance(15):
		return json.RawMessage(quote(g.now.In(time.FixedZone("", 5400)).Format(time.RFC3339Nano)))
	}
	return json.RawMessage(quote(fmt.Sprintf("%s.%09d", whole, nanos)))
}

// plain says that any JSON reader takes the text the same way: small integers
// only, and texts without halves of surrogate pairs.
func plain(text string) bool {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err != nil {
			return !strings.Contains(text, `\u`)
		}
		n, ok := token.(json.Number)
		if ok && (len(n) > 15 || n == "-0" || strings.ContainsAny(string(n), ".eE")) {
			return false
		}
	}
}
