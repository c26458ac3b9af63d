package trustcheck

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestReadDocumentKeepsSpellingAndPlace(t *testing.T) {
	text := "\xef\xbb\xbf{\r\n  \"a/b\": [1.0, 1e2,\r\n \"\\ud83d\\ude00\"],\n\t\"m~\": {\"\": null, \"t\": true, \"f\": false}}\n"
	doc, err := ReadDocument("role.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a/b": []any{json.Number("1.0"), json.Number("1e2"), "😀"},
		"m~":  map[string]any{"": nil, "t": true, "f": false},
	}
	if !reflect.DeepEqual(doc.Value, want) {
		t.Errorf("value: want %#v, got %#v", want, doc.Value)
	}
	places := map[string]Position{
		"": {1, 1}, "/a~1b": {2, 3}, "/a~1b/0": {2, 11}, "/a~1b/1": {2, 16}, "/a~1b/2": {3, 2},
		"/m~0": {4, 2}, "/m~0/": {4, 9}, "/m~0/t": {4, 19}, "/m~0/f": {4, 30},
	}
	if !reflect.DeepEqual(doc.Positions, places) {
		t.Errorf("positions: want %v, got %v", places, doc.Positions)
	}
	if doc.Kind != "json" || doc.Line != 1 || doc.File != "role.json" {
		t.Errorf("want kind json at role.json:1, got %s at %s:%d", doc.Kind, doc.File, doc.Line)
	}
}

// Every refused text stands beside the nearest one that is admitted.
func TestReadDocumentRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, test := range []struct{ name, refused, err, admitted string }{
		{"member twice", "{\"a\": 1,\n\n\"a\": 2}", `f:3: /a: want a member once, got it on lines 1 and 3`, `{"a": 1, "A": 2}`},
		{"member twice, escaped", "{\"a\": 1,\n\"\\u0061\": 2}", `f:2: /a: want a member once, got it on lines 1 and 2`, `{"a": 1, "b": {"a": 1}}`},
		{"nothing", "", "f:1: want a JSON value, got the end of the text", `null`},
		{"truncated", "{\"a\":\n", "f:2: want a JSON value, got the end of the text", `{"a":1}`},
		{"truncated string", `"a`, `f:1: want '"' at the end of a string, got the end of the text`, `"a"`},
		{"trailing text", "{}\n{}", "f:2: want the end of the text, got '{'", "{}\n"},
		{"trailing comma", "[1,]", "f:1: want a JSON value, got ']'", "[1]"},
		{"trailing comma in an object", `{"a":1,}`, "f:1: want a member name in quotes, got '}'", `{"a":1}`},
		{"missing comma", "[1 2]", "f:1: want ',' or ']', got '2'", "[1, 2]"},
		{"leading zero", "01", "f:1: want a number without a leading zero, got '1'", "0.1"},
		{"plus sign", "+1", "f:1: want a JSON value, got '+'", "-1"},
		{"bare point", "1.", "f:1: want a digit after the point, got the end of the text", "1.0e+2"},
		{"line break in a string", "\"a\nb\"", "f:1: want control characters of a string escaped, got '\\n'", `"a\nb"`},
		{"unknown escape", `"\x"`, "f:1: want one of \"\\/bfnrtu after a backslash, got 'x'", `"\/"`},
		{"bad escape", `"\u00g0"`, "f:1: want four hexadecimal digits after \\u, got '0'", `"\u00A0"`},
		{"short escape", `"\u00`, "f:1: want four hexadecimal digits after \\u, got the end of the text", `"\u0041"`},
		{"lone surrogate", `"\ud800x"`, `f:1: want surrogates in pairs, got a lone \ud800`, `"\ud800\udc00"`},
		{"surrogates the wrong way round", `"\udc00\ud800"`, `f:1: want surrogates in pairs, got a lone \udc00`, `"\uffff"`},
		{"not UTF-8", "\"\xff\"", "f:1: want UTF-8, got the byte 0xff", "\"\xc3\xbf\""},
		{"UTF-16", "\xff\xfe{\x00}\x00", "f:1: want UTF-8, got UTF-16", "\xef\xbb\xbf{}"},
		{"deep nesting", deep(MaxDocumentDepth + 1), "f:1: want at most 200 levels of nesting, got more", deep(MaxDocumentDepth)},
		{"word", "nul", "f:1: want a JSON value, got 'n'", "null"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ReadDocument("f", []byte(test.refused)); err == nil || err.Error() != test.err {
				t.Errorf("want error %s, got %v", test.err, err)
			}
			if _, err := ReadDocument("f", []byte(test.admitted)); err != nil {
				t.Errorf("want %q admitted, got %v", test.admitted, err)
			}
		})
	}
}

func TestReadDocumentRefusesHugeText(t *testing.T) {
	text := bytes.Repeat([]byte("["), MaxDocumentSize+1)
	if _, err := ReadDocument("", text); err == nil || !strings.HasPrefix(err.Error(), "line 1: want at most 33554432 bytes") {
		t.Errorf("want a refusal for size, got %v", err)
	}
	if _, err := ReadDocument("", text[:MaxDocumentSize]); err == nil || !strings.Contains(err.Error(), "levels of nesting") {
		t.Errorf("want a refusal for depth, got %v", err)
	}
}

func TestReadDocumentRefusesManyMembers(t *testing.T) {
	list := func(n int) []byte { return []byte("[" + strings.Repeat("0,", n-1) + "0]") }
	if _, err := ReadDocument("f", list(MaxDocumentMembers)); err != nil {
		t.Errorf("want the last number of members that is admitted, got %v", err)
	}
	if _, err := ReadDocument("f", list(MaxDocumentMembers+1)); err == nil || err.Error() != "f:1: want at most 1048576 members, got more" {
		t.Errorf("want a refusal for members, got %v", err)
	}
}

// What is admitted means the same as encoding/json says, and what encoding/json
// refuses is refused.
func FuzzReadDocument(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e+1,"\u00e9",true,false,null]}`, "[[]]", `{"a":1,"a":2}`, `"\ud800"`, "\xef\xbb\xbf 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := ReadDocument("f", text)
		if err != nil {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("admitted what encoding/json refuses: %v", err)
		}
		if !reflect.DeepEqual(doc.Value, want) {
			t.Errorf("want %#v, got %#v", want, doc.Value)
		}
	})
}

func BenchmarkReadDocument(b *testing.B) {
	text := []byte(`{"role_type":"jwt","user_claim":"sub","bound_audiences":["https://vault.example.com"],` +
		`"bound_claims_type":"glob","bound_claims":{"project_path":"acme/app","ref":["main","release/*"],"ref_protected":"true"},` +
		`"token_policies":["deploy"],"token_ttl":900}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadDocument("role.json", text); err != nil {
			b.Fatal(err)
		}
	}
}
