package azure

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseExpressionReadsWhatIsNotDocumented(t *testing.T) {
	for text, want := range map[string][]term{
		"claims['sub'] eq 'a'":                          {{"sub", "eq", "a"}},
		"claims['sub'] matches 'a*'":                    {{"sub", "matches", "a*"}},
		"claims['a'] eq '' and claims['b'] eq 'x'":      {{"a", "eq", ""}, {"b", "eq", "x"}},
		"claims['a'] eq 'it''s'":                        {{"a", "eq", "it's"}},
		"claims['a'] eq ''''":                           {{"a", "eq", "'"}},
		"claims['a'] eq ' and ' and claims['b'] eq 'x'": {{"a", "eq", " and "}, {"b", "eq", "x"}},
	} {
		got, err := parseExpression(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for text, place := range map[string]string{
		"":                                  "1:1: ",
		"claims['']":                        "1:9: ",
		"claims['sub]":                      "1:9: ",
		"claims[\"sub\"] eq 'a'":            "1:1: ",
		"claims['sub'] ne 'a'":              "1:14: ",
		"claims['sub'] eq a":                "1:14: ",
		"claims['sub'] eq 'a' ":             "1:21: ",
		"claims['sub'] eq 'a''":             "1:22: ",
		" claims['sub'] eq 'a'":             "1:1: ",
		"claims['sub'] eq 'é' or":           "1:21: ",
		"claims['sub'] eq 'a' and":          "1:21: ",
		"(claims['sub'] eq 'a')":            "1:1: ",
		"claims['sub'] eq 'a' AND claims['": "1:21: ",
	} {
		if got, err := parseExpression(text); err == nil || !strings.HasPrefix(err.Error(), place) {
			t.Errorf("%s: %v, %v, want an error at %s", text, got, err, place)
		}
	}
}

// FuzzParseExpression wants every text that is read to be written back as it was.
func FuzzParseExpression(f *testing.F) {
	f.Add("claims['sub'] matches 'repo:acme/*' and claims['repository_id'] eq 'it''s'")
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := parseExpression(text)
		if err != nil {
			return
		}
		var written []string
		for _, one := range terms {
			written = append(written, "claims['"+one.claim+"'] "+one.operator+" '"+strings.ReplaceAll(one.value, "'", "''")+"'")
		}
		if again := strings.Join(written, " and "); again != text {
			t.Errorf("read %q as %q", text, again)
		}
	})
}
