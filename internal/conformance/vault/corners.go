package vault

// The tables of this file hold raw JSON unless said otherwise. They are where
// readings of Vault's rules part: spellings, types, lengths, bounds.

// words are texts, not JSON.
var words = []string{
	"main", "release/1.2", "group/project", "group/project/sub", "group-evil", "x", "y", "MAIN", "22", "true", "null",
	"", " ", " x ", "x,y", "a*b", "*", "?", "[ab]", "{a,b}", `a\b`, "a.b", "line\nbreak", "\x00", "\u00e9", "e\u0301",
	"\u017f", "\u212a", "<a&b>", "\ufffd", "\U0001f600", "https://gitlab.example.com", "project_path:acme/app:ref_type:branch:ref:main",
}

// escapes are spellings of texts that a reader may take for others.
var escapes = []string{`"\u0078"`, `"\ud83d\ude00"`, `"\ud800"`, `"\udc00x"`, `"\/"`, `"x\u0000"`, `"\ufffd"`, `"\u00e9"`}

// numbers come as claims and as bound values.
var numbers = []string{
	"0", "-0", "0.0", "0.9", "-0.9", "1", "-1", "1.0", "1e0", "22", "22.0", "2.2e1", "22.9", "-22.9", "220e-1",
	"9007199254740991", "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808",
	"-9223372036854775808", "-9223372036854775809", "1e18", "1e19", "-1e19", "1e30", "1e308", "1e-400", "123456789012345678",
}

// unreadable is beyond what Vault's JSON reader takes.
var unreadable = []string{"1e400", "-1e309"}

// scalars, lists and objects are values of every type.
var values = []string{
	"null", "true", "false", `""`, `"x"`, `"true"`, `"22"`, "22", "0", "[]", "{}", `[""]`, `["x"]`, "[22]", "[null]", "[true]",
	`["x",["x"]]`, `[["x"]]`, `[{}]`, `[{"k":"v"}]`, `{"k":"v"}`, `["x",22,true,null]`, `["y","x"]`, "[[]]", `[[],"x"]`,
}

// pairs are a claim and what a role binds it to, met by luck only seldom.
var pairs = [][2]string{
	{"9007199254740993", "9007199254740993"}, {"9007199254740993", "9007199254740992"}, {"1e19", "-9223372036854775808"},
	{"-1e19", "-9223372036854775808"}, {"-0.5", "0"}, {"-0", "0"}, {"0", "-0"}, {"-0.0", "0.0"}, {"22.9", "22.9"}, {"22", "22.0"},
	{"22", "2.2e1"}, {"1e2", "100"}, {"1e2", "1e2"}, {"[22]", "22"}, {"[22]", "[22]"}, {"[22.0]", `["22"]`}, {"null", "null"},
	{"[null]", "null"}, {"[null]", "[null]"}, {"[]", "[]"}, {"{}", "{}"}, {`[["x"]]`, `[["x"]]`}, {`[{"k":"v"}]`, `[{"k":"v"}]`},
	{`["x",["y"]]`, `["x",["y"]]`}, {`[["y"],"x"]`, `["x",["y"]]`}, {`["x",["y"]]`, `[["y"],"x"]`}, {`[["y"]]`, `[{}]`}, {`[{}]`, `[["y"],{}]`},
	{`[true,["x"]]`, `[true]`}, {"true", "[true]"}, {"[true]", "true"}, {"true", `"true"`}, {`"true"`, "true"}, {"1", "true"}, {"true", "1"},
	{`"x"`, `"x,y"`}, {`"x,y"`, `"x,y"`}, {`""`, `""`}, {`[""]`, `""`}, {`"x"`, "null"}, {`"x"`, "{}"}, {"1e-400", "0"}, {"4e18", "4000000000000000000"},
	{"9223372036854775807", "9223372036854775807"}, {"9223372036854775000", "9223372036854774784"}, {"-9223372036854775808", "-9223372036854775808"},
	{"[[1]]", "[[1]]"}, {"[{\"a\":1}]", "[[1]]"}, {`"` + `\u0078"`, `"x"`}, {`"x"`, `"\u0078"`}, {`"\ud800"`, `"\ufffd"`},
}

// globs are a text and a pattern, neither JSON.
var globs = [][2]string{
	{"aba", "ab*ba"}, {"abba", "ab*ba"}, {"a", "a*a"}, {"aa", "a*a"}, {"aaa", "a*a*a*a"}, {"aaaa", "*a*a*a*a*"}, {"", "*"}, {"", "**"}, {"", ""}, {"x", ""},
	{"group/a/b", "group/*"}, {"group", "group/*"}, {"group/", "group/*"}, {"group-evil", "group*"}, {"x\ny\nz", "x*z"}, {"v1", "v?"}, {"v?", "v?"}, {"a", "{a,b}"},
	{"a*", `a\*`}, {`a\b`, `a\*`}, {"[ab]", "[ab]"}, {"a", "[ab]"}, {"main1", "MAIN*"}, {"\u00e9", "\u00e9*"}, {"\u00e9", "*"}, {"mississippi", "m*issip*"},
	{"mississippi", "*iss*ippi"}, {"mississipissippi", "*issip*ss*"}, {"abcabc", "*abc"}, {"abcab", "*abc"}, {"xaby", "*a*b*"}, {"ba", "*a*b*"}, {"a.b", "a*b"}, {"ab", "a.*b"},
}

// indexes step into a list: the step, and the element that Go's parser takes it
// for, or -1.
var indexes = []struct {
	step string
	at   int
}{
	{"0", 0}, {"1", 1}, {"2", 2}, {"01", 1}, {"0x1", 1}, {"0X1", 1}, {"0b1", 1}, {"0o1", 1}, {"0_1", 1}, {"+1", 1}, {"-0", 0}, {"", 0}, {"00", 0},
	{"-1", -1}, {"-", -1}, {"08", -1}, {"1_", -1}, {"_1", -1}, {"1.0", -1}, {"1e0", -1}, {" 1", -1}, {"99", -1}, {"9223372036854775808", -1}, {"x", -1}, {"~1", -1}, {"\u0661", -1},
}

// leeways come with the seconds that Vault stores, or refused.
var leeways = []struct {
	raw     string
	seconds int64
	refused bool
}{
	{raw: "0"}, {raw: "null"}, {raw: `"0"`}, {raw: `"0s"`}, {raw: `"-500ms"`}, {raw: `"999ms"`}, {raw: `""`}, {raw: "-0"},
	{raw: "1", seconds: 1}, {raw: "5", seconds: 5}, {raw: "60", seconds: 60}, {raw: "3600", seconds: 3600}, {raw: "86400", seconds: 86400},
	{raw: "-1", seconds: -1}, {raw: "-3600", seconds: -3600}, {raw: `"-1"`, seconds: -1}, {raw: `"-1s"`, seconds: -1}, {raw: `"-1500ms"`, seconds: -1},
	{raw: `"1500ms"`, seconds: 1}, {raw: `"1.5s"`, seconds: 1}, {raw: `"90s"`, seconds: 90}, {raw: `"1h30m"`, seconds: 5400}, {raw: `"1d"`, seconds: 86400},
	{raw: `"+5"`, seconds: 5}, {raw: `"007"`, seconds: 7}, {raw: `"1_0"`, refused: true}, {raw: `"0x10"`, refused: true},
	{raw: `"-1d"`, seconds: -86400}, {raw: `"120"`, seconds: 120}, {raw: "9223372036", seconds: 9223372036},
	{raw: "1.5", refused: true}, {raw: "1e2", refused: true}, {raw: `"1e2"`, refused: true}, {raw: `"1d12h"`, refused: true}, {raw: `"x"`, refused: true}, {raw: `" 60"`, refused: true},
	{raw: "true", refused: true}, {raw: "[]", refused: true}, {raw: "{}", refused: true}, {raw: "9223372037", refused: true}, {raw: "99999999999999999999", refused: true},
}

// times are odd values of iat, nbf and exp.
var times = []string{
	"0", "0.9", "-0", "-0.9", "null", "1", "-1", "1e9", "1.7e9", "1e30", "-1e30", "9223372036854775807", "9223371974719179007", "9223371974719179008",
	"9223371974719180032", "-9223372036854775808", "9.2e18", "-9.2e18", "253402300800", "1e-400", "1e400", `"1700000300"`, "true", "[]", "{}", "1700000300.999999999", "-62135596801",
}

// blocks bind a role to addresses, one at a time; addresses are callers.
var (
	blocks = []string{
		"10.0.0.0/8", "10.1.2.3/8", "192.0.2.1", "192.0.2.1/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::1", "127.0.0.1:80", "[2001:db8::1]:80",
		"::ffff:192.0.2.0/120", "::ffff:192.0.2.1", "::ffff:10.0.0.0/104", "::ffff:10.0.0.0/96", "::ffff:0:0/90", "::/96", "10.0.0.0/08", "10.0.0.0/33", "[::1]", "10.0.0.1:http", "/var/run/x.sock", "x/y", "127.0.0.0/31", "255.255.255.255", " 10.0.0.0/8 ", "fe80::/10", "::1",
	}
	badBlocks = []string{"x", "..", "10.0.0", "300.1.1.1", "::g", "10.0.0.1%eth0", "@", "localhost", ""}
	addresses = []string{
		"10.1.2.3", "10.255.255.255", "11.0.0.0", "192.0.2.1", "192.0.2.2", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:81", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]:80",
		"2001:db9::1", "::1", "::ffff:192.0.2.1", "::ffff:10.1.2.3", "::ffff:c000:201", "2001:DB8:0::1", "", "x", "@", "/var/run/x.sock", "10.1.2", "010.1.2.3", "fe80::1", "fe80::1%eth0", "10.1.2.3/8", "10.0.0.0/8", "0.0.0.0", "::", "300.1.1.1",
	}
)

// configs are fields that Vault refuses in a config, some of them only beside
// others, or that change nothing, or (both of the client's) every login.
var configs = []map[string]any{
	{"jwt_supported_algs": []any{"HS256"}}, {"jwt_supported_algs": []any{"rs256"}}, {"jwt_supported_algs": []any{"RS256,ES256"}}, {"jwt_supported_algs": []any{""}},
	{"oidc_client_id": "x"}, {"oidc_client_secret": "x"}, {"oidc_client_id": "x", "oidc_client_secret": "x"},
	{"oidc_discovery_url": "https://gitlab.example.com", "jwks_url": "", "jwks_pairs": nil, "jwt_validation_pubkeys": []any{}, "oidc_client_id": "x", "oidc_client_secret": "x"},
	{"oidc_response_mode": "fragment"}, {"oidc_response_mode": "form_post"}, {"oidc_response_types": []any{"id_token"}}, {"oidc_response_types": "token"},
	{"bound_issuer": []any{}}, {"bound_issuer": "https://gitlab.example.com"}, {"default_role": "Deploy"}, {"default_role": map[string]any{}}, {"namespace_in_state": "maybe"},
	{"jwks_ca_pem": "x"}, {"nonsense": true}, {"provider_config": map[string]any{"provider": "x"}}, {"provider_config": map[string]any{}},
}

// refusals are fields that a write of a role founders on, by the rule that they
// were made for, or nearly: some have a twin that is stored.
var refusals = [][]member{
	{{"role_type", `"JWT"`}}, {{"role_type", `""`}}, {{"role_type", `"oidc"`}}, {{"role_type", "null"}}, {{"role_type", `"oidc"`}, {"allowed_redirect_uris", `["http://x"]`}}, {{"role_type", "5"}},
	{{"token_bound_cidrs", `["x"]`}}, {{"token_bound_cidrs", `"10.0.0.0/8,x"`}}, {{"token_bound_cidrs", `["10.0.0.0/33"]`}}, {{"bound_cidrs", `["x"]`}}, {{"token_bound_cidrs", `[]`}, {"bound_cidrs", `["x"]`}},
	{{"token_type", `"default-service"`}}, {{"token_type", `"batch"`}}, {{"token_type", `"service"`}}, {{"token_type", `""`}}, {{"token_type", `"Service"`}}, {{"token_type", "null"}}, {{"token_type", `"default-batch"`}},
	{{"token_num_uses", "-1"}}, {{"token_num_uses", `"-1"`}}, {{"token_num_uses", "3"}}, {{"num_uses", "-1"}}, {{"token_num_uses", "1.5"}}, {{"token_num_uses", `"x"`}},
	{{"token_type", `"batch"`}, {"token_period", "60"}}, {{"token_type", `"batch"`}, {"token_num_uses", "1"}}, {{"token_type", `"batch"`}, {"period", "60"}}, {{"token_type", `"batch"`}, {"token_period", `"500ms"`}},
	{{"token_ttl", "120"}, {"token_max_ttl", "60"}}, {{"token_ttl", "60"}, {"token_max_ttl", "60"}}, {{"token_ttl", "120"}, {"token_max_ttl", "0"}}, {{"ttl", "120"}, {"max_ttl", "60"}}, {{"ttl", "120"}, {"token_max_ttl", "60"}}, {{"token_ttl", "-1"}}, {{"ttl", "-1"}},
	{{"token_ttl", `"1h"`}, {"token_max_ttl", `"30m"`}}, {{"ttl", `"2h"`}, {"token_ttl", "60"}, {"token_max_ttl", "90"}}, {{"token_max_ttl", `"10000h"`}}, {{"token_explicit_max_ttl", `"x"`}},
	{{"token_period", `"768h"`}}, {{"token_period", `"769h"`}}, {{"token_period", "2764801"}}, {{"period", `"769h"`}}, {{"period", `"769h"`}, {"token_period", "5"}}, {{"token_period", `"32d"`}}, {{"token_period", `"33d"`}}, {{"token_period", "-1"}},
	{{"bound_claims_type", `"Glob"`}}, {{"bound_claims_type", "null"}}, {{"bound_claims_type", `""`}}, {{"bound_claims_type", `"regexp"`}}, {{"bound_claims_type", "true"}},
	{{"bound_claims_type", `"glob"`}, {"bound_claims", `{"a":22}`}}, {{"bound_claims_type", `"glob"`}, {"bound_claims", `{"a":["x",true]}`}}, {{"bound_claims_type", `"glob"`}, {"bound_claims", `{"a":null}`}}, {{"bound_claims_type", `"glob"`}, {"bound_claims", `{"a":{}}`}},
	{{"bound_claims_type", `"glob"`}, {"bound_claims", `{"a":[["x"]]}`}}, {{"bound_claims_type", `"glob"`}, {"bound_claims", `{"a":[]}`}}, {{"bound_claims_type", `"glob"`}, {"bound_claims", `null`}},
	{{"claim_mappings", `{"m":"role"}`}}, {{"claim_mappings", `{"m":"Role"}`}}, {{"claim_mappings", `{"m":"k","n":"k"}`}}, {{"claim_mappings", `{"m":"k","n":"K"}`}}, {{"claim_mappings", `["m=k","n=k"]`}}, {{"claim_mappings", `["m"]`}}, {{"claim_mappings", `["=k"]`}}, {{"claim_mappings", `"m=k"`}}, {{"claim_mappings", `["m=k=l"]`}}, {{"claim_mappings", `{"m":["k"]}`}}, {{"claim_mappings", `{"m":5}`}}, {{"claim_mappings", "null"}}, {{"claim_mappings", "5"}}, {{"claim_mappings", `""`}}, {{"claim_mappings", `[{"m":"k"}]`}}, {{"claim_mappings", `{"m":null}`}}, {{"claim_mappings", `{"m":"","n":""}`}},
	{{"user_claim", `""`}}, {{"user_claim", "null"}}, {{"user_claim", "5"}}, {{"user_claim", "true"}}, {{"user_claim", `["sub"]`}}, {{"user_claim", "{}"}}, {{"user_claim", "1.50"}},
	{{"bound_claims", "{}"}, {"bound_subject", `""`}, {"bound_audiences", "[]"}, {"token_bound_cidrs", "[]"}}, {{"bound_claims", "{}"}, {"bound_subject", `""`}, {"bound_audiences", `[""]`}}, {{"bound_claims", "null"}, {"bound_subject", "null"}, {"bound_audiences", "null"}},
	{{"bound_claims", `"{\"a\":\"x\"}"`}}, {{"bound_claims", "[]"}}, {{"bound_claims", `[{"a":"x"}]`}}, {{"bound_claims", `[{"a":"x"},{"b":"y"}]`}}, {{"bound_claims", `[{"a":"x"},5]`}}, {{"bound_claims", "5"}}, {{"bound_claims", "true"}}, {{"bound_claims", `""`}}, {{"bound_claims", "false"}}, {{"bound_claims", `["x"]`}},
	{{"user_claim_json_pointer", `"yes"`}}, {{"user_claim_json_pointer", `"true"`}}, {{"user_claim_json_pointer", `"1"`}}, {{"user_claim_json_pointer", "1"}}, {{"user_claim_json_pointer", "0"}}, {{"user_claim_json_pointer", "2"}}, {{"user_claim_json_pointer", "null"}}, {{"user_claim_json_pointer", `""`}}, {{"user_claim_json_pointer", `"T"`}}, {{"user_claim_json_pointer", "1.5"}}, {{"user_claim_json_pointer", "[]"}}, {{"user_claim_json_pointer", "1e400"}},
	{{"max_age", `"x"`}}, {{"max_age", "-1"}}, {{"verbose_oidc_logging", `"maybe"`}}, {{"verbose_oidc_logging", "true"}}, {{"oidc_scopes", "{}"}}, {{"oidc_scopes", `"a,b"`}}, {{"allowed_redirect_uris", "5"}}, {{"token_no_default_policy", `"no"`}}, {{"alias_metadata", `["x"]`}}, {{"alias_metadata", `{"a":"b"}`}},
	{{"bound_audiences", "{}"}}, {{"bound_audiences", `[["x"]]`}}, {{"bound_audiences", `[{"a":"b"}]`}}, {{"bound_audiences", `["x",null]`}}, {{"bound_audiences", "5"}}, {{"bound_audiences", "true"}}, {{"bound_audiences", "[5,true]"}}, {{"bound_audiences", `" x , y "`}}, {{"bound_audiences", `","`}}, {{"bound_audiences", "5.50"}},
	{{"bound_subject", "5"}}, {{"bound_subject", "true"}}, {{"bound_subject", `["u"]`}}, {{"bound_subject", "[]"}}, {{"bound_subject", "{}"}}, {{"bound_subject", "null"}}, {{"groups_claim", "5"}}, {{"groups_claim", "[]"}}, {{"groups_claim", "null"}}, {{"groups_claim", "false"}},
	{{"bound_clams", `{"a":"x"}`}}, {{"name", "[]"}}, {{"name", `"x"`}}, {{"Bound_Subject", `"z"`}}, {{"token_policies", "5"}}, {{"token_policies", "{}"}}, {{"policies", "null"}},
}
