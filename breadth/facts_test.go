package breadth

import (
	"regexp"
	"testing"
)

// The names that rules of GitHub protect are those that Ruby's File.fnmatch finds with
// FNM_PATHNAME.
func TestProtectedNamesAreThoseOfFnmatch(t *testing.T) {
	for pattern, names := range map[string]struct{ in, out []string }{
		"main":        {[]string{"main"}, []string{"main/x", "xmain", "Main"}},
		"v*":          {[]string{"v", "v1"}, []string{"v/1"}},
		"v?":          {[]string{"v1", "vé"}, []string{"v", "v/", "v12"}},
		"**/x":        {[]string{"x", "a/x", "a/b/x"}, []string{"ax"}},
		"a/**/x":      {[]string{"a/x", "a/b/c/x"}, []string{"ax", "x"}},
		"a**/x":       {[]string{"a/x", "ab/x"}, []string{"a/b/x", "ax"}},
		"**":          {[]string{"x"}, []string{"a/x"}},
		"v[1-3x]":     {[]string{"v1", "v2", "vx"}, []string{"v4", "v-", "v"}},
		"v[!1]":       {[]string{"v2", "v!"}, []string{"v1", "v/"}},
		"v[^1]":       {[]string{"v2", "v^"}, []string{"v1", "v/"}},
		`v[\d]`:       {[]string{"vd"}, []string{"v1", `v\`}},
		`v[\]]`:       {[]string{"v]"}, []string{`v\`, `v\]`}},
		"v[.-0]x":     {[]string{"v.x", "v0x"}, []string{"v/x", "v-x"}},
		"v[/]x":       {nil, []string{"v/x", "vx"}},
		"v[3-1]":      {[]string{"v3", "v1"}, []string{"v2", "v-"}},
		"v[a-]":       {[]string{"va", "v-"}, []string{"vb"}},
		"v[-a]":       {[]string{"va", "v-"}, []string{"vb"}},
		"v[[:alpha:]": {[]string{"va", "v:", "vl"}, []string{"vb", "v]"}},
		"v[]1]":       {nil, []string{"v1", "v]", "v1]"}},
		"v[!]1]":      {[]string{"vx1]"}, []string{"vx", "v/1]"}},
		"v[1":         {nil, []string{"v1", "v[1"}},
		"v[":          {nil, []string{"v", "v["}},
		`v\1`:         {[]string{"v1"}, []string{`v\1`}},
		`v\*`:         {[]string{"v*"}, []string{"v1", `v\1`}},
		`v\`:          {[]string{`v\`}, []string{"v"}},
		"v{1,2}":      {[]string{"v{1,2}"}, []string{"v1"}},
	} {
		re := regexp.MustCompile(segmentGlobs([]string{pattern}))
		for _, name := range names.in {
			if !re.MatchString(name) {
				t.Errorf("%s: want it to protect %s", pattern, name)
			}
		}
		for _, name := range names.out {
			if re.MatchString(name) {
				t.Errorf("%s: want it not to protect %s", pattern, name)
			}
		}
	}
}
