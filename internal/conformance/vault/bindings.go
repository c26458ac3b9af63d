package vault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ryanuber/go-glob"
)

// boundClaims binds up to three claims.
func (g *generator) boundClaims() {
	var bound object
	for range pick(g, []int{1, 1, 1, 1, 2, 2, 3}) {
		claim, want := g.pair()
		bound.set(g.place(claim), want)
	}
	if !g.glob && g.chance(8) { // one number, spelled in different ways
		n := g.r.Int64N(30)
		for range 2 {
			want := strconv.FormatInt(n, 10)
			if g.chance(35) {
				want = g.spell(n)
			}
			bound.set(g.place(g.spell(n)), pick(g, []string{want, list(want), list(`"x"`, want)}))
		}
	}
	g.role.set("bound_claims", bound.String())
}

// pair is a claim's value and what it is bound to.
func (g *generator) pair() (claim, want string) {
	if g.glob {
		return g.globPair()
	}
	switch k := g.r.IntN(100); {
	case k < 40:
		s := quote(pick(g, words))
		return g.amid(s), g.amid(g.orElse(s))
	case k < 70:
		n := g.r.Int64N(100) - 10
		return g.spell(n), g.amid(g.orElse(strconv.FormatInt(n, 10)))
	case k < 80:
		return g.amid("true"), g.amid(g.orElse("true"))
	case k < 84:
		n := pick(g, numbers)
		return n, pick(g, []string{n, pick(g, numbers), list(n)})
	case k < 86:
		return pick(g, escapes), g.orElse(quote(pick(g, words)))
	case k < 97:
		p := pick(g, pairs)
		return p[0], p[1]
	}
	return pick(g, values), pick(g, values)
}

// orElse is raw where it shall match, else something near.
func (g *generator) orElse(raw string) string {
	if g.good() {
		return raw
	}
	return pick(g, []string{quote(raw), quote(strings.ToUpper(raw)), quote(strings.ToUpper(strings.Trim(raw, `"`))), list(), quote(pick(g, words)), pick(g, values), pick(g, numbers)})
}

// amid is raw, or a list with it among others.
func (g *generator) amid(raw string) string {
	switch k := g.r.IntN(100); {
	case k < 60:
		return raw
	case k < 70:
		return list(raw)
	case k < 85:
		return list(quote(pick(g, words)), raw)
	case g.glob:
		return list(raw, quote(pick(g, words)))
	}
	return list(raw, pick(g, values), pick(g, numbers))
}

// spell writes a number that Vault truncates to n.
func (g *generator) spell(n int64) string {
	s := strconv.FormatInt(n, 10)
	switch g.r.IntN(7) {
	case 0:
		return s + ".0"
	case 1:
		return s + ".9"
	case 2:
		return strconv.FormatInt(10*n, 10) + "e-1"
	case 3:
		return s + "E+0"
	}
	return s
}

// globPair is a text and a pattern; some are of so few letters that they match
// by luck, and some patterns are the text with pieces blotted out.
func (g *generator) globPair() (claim, want string) {
	s := pick(g, words)
	pattern := s
	switch k := g.r.IntN(100); {
	case k < 30:
		p := pick(g, globs)
		s, pattern = p[0], p[1]
	case k < 60:
		s, pattern = g.letters("ab", 7), g.letters("ab**", 6)
		for range 20 {
			if glob.Glob(pattern, s) || !g.good() {
				break
			}
			s, pattern = g.letters("ab", 7), g.letters("ab**", 6)
		}
	case k < 95:
		pattern = g.blot(s)
	}
	claim = quote(s)
	switch k := g.r.IntN(100); {
	case k < 10:
		claim = list("1", claim, "null")
	case k < 13:
		claim = pick(g, append(values, numbers...))
	case k < 30:
		claim = g.amid(claim)
	}
	return claim, g.amid(quote(pattern))
}

func (g *generator) letters(of string, most int) string {
	var b strings.Builder
	for range g.r.IntN(most + 1) {
		b.WriteByte(of[g.r.IntN(len(of))])
	}
	return b.String()
}

// blot replaces up to three stretches of s by a star. Stretches are of bytes
// where s is ASCII, and all of s where it is not.
func (g *generator) blot(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r > 126 }) {
		return "*"
	}
	for range 1 + g.r.IntN(3) {
		from := g.r.IntN(len(s) + 1)
		to := from + g.r.IntN(len(s)-from+1)
		s = s[:from] + "*" + s[to:]
	}
	return s
}

// place puts a value somewhere into the claims and returns a selector for it.
func (g *generator) place(value string) string {
	g.names++
	name := fmt.Sprintf("c%d", g.names)
	other := quote(pick(g, words))
	switch g.r.IntN(20) {
	case 0:
		name += ".b"
	case 1:
		name = "https://example.com/" + name
	case 2: // a name with a slash and a tilde
		g.claims.set("a/"+name+"~", value)
		return g.mostly("/a~1"+name+"~0", "a/"+name+"~", "/a/"+name+"~0", "/a~1"+name+"~")
	case 3: // a name that begins with a slash
		g.claims.set("/"+name, value)
		return g.mostly("/~1"+name, "/"+name)
	case 4:
		g.claims.set("", value)
		return pick(g, []string{"/", ""})
	case 5, 6, 7:
		g.claims.set(name, object{{"k", value}, {"z", other}}.String())
		return g.mostly("/"+name+"/k", name+"/k", name+".k", "/"+name+"/k/", "/"+name+"/K", "/"+name+"/k/0")
	case 8, 9, 10:
		return g.placeInList(name, value)
	case 11:
		g.claims.set(name, object{{"", list(other, value)}}.String())
		return g.mostly("/"+name+"//1", "/"+name+"//", "/"+name+"/1")
	case 12: // a claim that bindings of other kinds read, too
		if g.chance(30) {
			return pick(g, []string{"sub", "/sub", "aud", "iss", "exp", "/aud/0", "iat", "jti"})
		}
	}
	g.claims.set(name, value)
	if g.chance(20) && !strings.Contains(name, "/") {
		return "/" + name
	}
	return name
}

// mostly is the selector that finds, and now and then one that may not.
func (g *generator) mostly(selector string, others ...string) string {
	if g.good() {
		return selector
	}
	return pick(g, others)
}

func (g *generator) placeInList(name, value string) string {
	index := pick(g, indexes)
	if index.at < 0 && g.good() {
		index.step, index.at = "0", 0
	}
	elements := []string{quote("p"), "5", "null"}
	elements[max(index.at, 0)] = value
	if g.chance(25) {
		g.claims.set(name, object{{"l", list(list(elements...))}}.String())
		return "/" + name + "/l/0/" + index.step
	}
	g.claims.set(name, list(elements...))
	return "/" + name + "/" + index.step
}

func (g *generator) audience() {
	const aud = "https://vault.example.com"
	given := []string{quote(aud), texts(aud), texts("y", aud)}
	odd := []string{`""`, "[]", `[""]`, "null", `"5"`, `"1"`, `["5"]`, `"5.50"`, "5", "{}", "[5]", "[null]", `["x",5]`, "true", quote(aud + "/"), quote(" " + aud + " "), quote("x," + aud), `[["x"]]`}
	switch k := g.r.IntN(100); {
	case k < 40:
		g.role.set("bound_audiences", texts(aud))
	case k < 60:
		g.role.set("bound_audiences", texts("x", " "+aud+" "))
	case k < 75:
		g.role.set("bound_audiences", quote("x, "+aud+" ,"))
	case k < 80:
		g.role.set("bound_audiences", texts("x,"+aud))
		given = []string{quote("x," + aud)}
	case k < 90:
		g.role.set("bound_audiences", pick(g, []string{`[""]`, `["",""]`, `" "`, "5", "[5]", "true", "5.50"}))
		given = []string{`""`, `[""]`, `"5"`, `["5"]`, `"1"`, `"5.50"`}
	default: // none: a token must not have any
		if g.chance(50) {
			g.role.set("bound_audiences", pick(g, []string{"[]", `""`, "null"}))
		}
		given = []string{`""`, "[]"}
	}
	if !g.good() {
		given = odd
	}
	g.claims.set("aud", pick(g, given))
}

func (g *generator) subject() {
	s := pick(g, words)
	g.role.set("bound_subject", quote(s))
	if g.good() {
		g.claims.set("sub", quote(s))
		return
	}
	g.claims.set("sub", pick(g, []string{quote(s + " "), quote(strings.ToUpper(s)), "null", `""`, "5", list(quote(s)), quote("u")}))
}

func (g *generator) issuer() {
	const iss = "https://gitlab.example.com"
	g.config["bound_issuer"] = pick(g, []string{iss, iss, iss, "", iss + "/"})
	if g.good() {
		g.claims.set("iss", quote(g.config["bound_issuer"].(string)))
		return
	}
	g.claims.set("iss", pick(g, []string{quote(iss), quote(iss + "/"), quote(strings.ToUpper(iss)), `""`, "null", "5", list(quote(iss)), "{}"}))
}

// times sets leeways, and times that lie on the bounds that they make.
func (g *generator) times() {
	effective := func(field string, unset int64) int64 {
		if g.chance(50) {
			return unset
		}
		l := pick(g, leeways)
		if l.refused && g.good() {
			return unset
		}
		g.role.set(field, l.raw)
		if l.seconds == 0 {
			return unset
		}
		return max(l.seconds, 0)
	}
	skew := effective("clock_skew_leeway", 60)
	expiration := effective("expiration_leeway", 150)
	notBefore := effective("not_before_leeway", 150)
	near := func(seconds int64) string {
		if g.chance(4) {
			return pick(g, times)
		}
		raw := g.at(seconds + pick(g, []int64{0, 0, 0, 0, 1, -1}))
		if g.chance(10) {
			raw += pick(g, []string{".0", ".9", ".000000001", "e0"})
		}
		return raw
	}
	g.claims.drop("iat")
	g.claims.drop("exp")
	switch g.r.IntN(12) {
	case 0, 1:
		g.claims.set("iat", g.at(-600))
		g.claims.set("exp", near(-skew))
	case 2:
		g.claims.set("iat", near(skew))
		g.claims.set("exp", g.at(skew+600))
	case 3:
		g.claims.set("nbf", near(skew))
		g.claims.set("exp", g.at(skew+600))
	case 4:
		g.claims.set("iat", near(skew))
		g.claims.set("nbf", g.at(-10))
		g.claims.set("exp", g.at(skew+600))
	case 5, 6:
		g.claims.set("iat", near(-expiration-skew))
	case 7:
		g.claims.set("nbf", near(-expiration-skew))
	case 8:
		g.claims.set("iat", near(-expiration-skew-100))
		g.claims.set("nbf", near(-expiration-skew))
	case 9, 10:
		g.claims.set("exp", near(notBefore+skew))
	case 11:
		for _, name := range []string{"iat", "nbf", "exp"} {
			if g.chance(70) {
				g.claims.set(name, pick(g, append([]string{g.at(0), g.at(100), g.at(-100)}, times...)))
			}
		}
	}
}

func (g *generator) userClaim() {
	value := quote(pick(g, words))
	if !g.good() {
		value = pick(g, append(values, numbers...))
	}
	selector := g.place(value)
	g.role.set("user_claim", quote(selector))
	if strings.HasPrefix(selector, "/") && g.good() {
		g.role.set("user_claim_json_pointer", pick(g, []string{"true", "true", "true", `"true"`, "1", `"1"`}))
	} else if g.chance(50) {
		g.role.set("user_claim_json_pointer", pick(g, []string{"true", "true", "true", "true", `"true"`, "1", `"1"`, "false", `"t"`, `"yes"`}))
	}
}

func (g *generator) groups() {
	value := g.amid(quote(pick(g, words)))
	if g.good() {
		value = pick(g, []string{value, `[]`, `["","x"]`, `""`, texts("a", "b")})
	} else {
		value = pick(g, append(values, numbers...))
	}
	g.role.set("groups_claim", quote(g.place(value)))
}

func (g *generator) mappings() {
	var mapped object
	var lines []string
	for i := range 1 + g.r.IntN(2) {
		value := quote(pick(g, words))
		if !g.good() {
			value = pick(g, append(values, numbers...))
		}
		selector := g.place(value)
		if g.chance(15) {
			selector += "x"
		}
		key := fmt.Sprintf("k%d", i)
		mapped.set(selector, quote(key))
		lines = append(lines, selector+"="+key)
	}
	if g.chance(20) {
		g.role.set("claim_mappings", texts(lines...))
		return
	}
	g.role.set("claim_mappings", mapped.String())
}

func (g *generator) addresses() {
	field := pick(g, []string{"token_bound_cidrs", "token_bound_cidrs", "token_bound_cidrs", "bound_cidrs"})
	var bound []string
	for range 1 + g.r.IntN(3) {
		bound = append(bound, pick(g, blocks))
	}
	if g.chance(5) {
		bound = append(bound, pick(g, badBlocks))
	}
	if g.chance(15) {
		g.role.set(field, quote(strings.Join(bound, ",")))
	} else {
		g.role.set(field, texts(bound...))
	}
	address := pick(g, addresses)
	if g.good() {
		address = strings.Trim(strings.Split(pick(g, bound), "/")[0], " ")
	}
	g.ctx.RemoteAddr = &address
}

func (g *generator) algorithms() {
	supported := slices.Clone(algs)
	g.r.Shuffle(len(supported), func(i, j int) { supported[i], supported[j] = supported[j], supported[i] })
	supported = supported[:1+g.r.IntN(4)]
	switch k := g.r.IntN(100); {
	case k < 50:
		g.config["jwt_supported_algs"] = anys(supported)
	case k < 65:
		g.config["jwt_supported_algs"] = strings.Join(supported, ",")
	case k < 75:
		g.config["jwt_supported_algs"] = []any{}
	}
	alg := pick(g, supported)
	if !g.good() {
		alg = pick(g, append([]string{"HS256", "none"}, algs...))
	}
	if g.chance(20) {
		g.ctx.Header = map[string]any{"alg": alg, "typ": pick(g, []string{"JWT", "at+jwt", "x"}), "kid": kidOf(alg)}
		return
	}
	g.ctx.Alg = &alg
}

func anys(s []string) []any {
	all := make([]any, len(s))
	for i := range s {
		all[i] = s[i]
	}
	return all
}

func (g *generator) policies() {
	field := pick(g, []string{"token_policies", "token_policies", "policies"})
	g.role.set(field, pick(g, []string{
		`["deploy"]`, `"deploy,other"`, "[]", `"default"`, `["root"]`, `"deploy, Root "`, `["ROOT"]`, `["response-wrapping"]`, `["Control-Group"]`, `"a,control-group"`, `["rooted"]`, `["root,x"]`, `["x","root","control-group"]`, "null", `[" root "]`, `["ro\u006ft"]`,
	}))
	if g.chance(30) {
		g.role.set("token_no_default_policy", "true")
	}
}

// registered gives registered claims odd types and odd names. Vault folds case
// when it reads them, and the last of those that fold alike wins.
func (g *generator) registered() {
	switch g.r.IntN(5) {
	case 0:
		g.claims.set(pick(g, []string{"sub", "iss", "jti", "jti", "jti"}), pick(g, append([]string{`"x"`, `"x"`, `"x"`, "null"}, values...)))
	case 1:
		g.claims.set(pick(g, []string{"iat", "nbf", "exp"}), pick(g, times))
	case 2:
		g.claims.set(pick(g, []string{"SUB", "Sub", "\u017fub", "ISS", "i\u017fs", "JTI"}), pick(g, []string{`"u"`, `"v"`, "null", "5", quote("https://gitlab.example.com")}))
	case 3:
		g.claims.set(pick(g, []string{"EXP", "Iat", "NBF", "Exp"}), pick(g, []string{g.at(0), g.at(-600), g.at(600), "null", `"x"`, "0"}))
	case 4:
		g.claims.set(pick(g, []string{"AUD", "Aud", "aUd"}), pick(g, []string{`"x"`, `["https://vault.example.com"]`, "null", "5", "[]"}))
	}
}

// source names the keys' source, which Vault's reader of the payload and the
// need of a kid depend on.
func (g *generator) source() {
	for _, k := range []string{"jwks_url", "jwks_pairs", "oidc_discovery_url", "jwt_validation_pubkeys"} {
		delete(g.config, k)
	}
	const issuer = "https://gitlab.example.com"
	_, bound := g.config["bound_issuer"]
	switch k := g.r.IntN(10); {
	case k < 4:
		g.config["jwks_url"] = issuer + "/oauth/discovery/keys"
	case k < 5:
		g.config["oidc_discovery_url"] = issuer
	case k < 7 && !bound:
		g.config["jwks_pairs"] = []any{map[string]any{"jwks_url": issuer + "/oauth/discovery/keys"}}
	default:
		g.config["jwt_validation_pubkeys"] = []any{publicKey}
	}
	if g.ctx.Header == nil && g.chance(15) {
		g.ctx.Header = map[string]any{"typ": "JWT"} // without kid
	}
}

// publicKey stands in configs for keys that the oracle replaces by its own; a
// throw-away one.
const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA/znXY1a8Hr1/RH2Fq1JGXqEDsVzaO5++uR9s2vXKjCI=
-----END PUBLIC KEY-----
`
