package issuer

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Warning says that a claim is not as its issuer mints it. Claim is empty when
// the objection is to the token as a whole. Message says what was wanted and
// what came: `want the text "true" or "false", got the boolean true`.
type Warning struct {
	Claim   string `json:"claim,omitempty"`
	Message string `json:"message"`
}

func (w Warning) String() string {
	if w.Claim == "" {
		return w.Message
	}
	return w.Claim + ": " + w.Message
}

// Check holds claims against the schema of the named issuer and, where Recognise
// tells it, of their generation. Every claim that does not fit, or is not there
// and should be, has a warning; the result is ordered by claim. Claims are
// decoded JSON; numbers are best given as json.Number, since a number counts as
// an integer only as issuers write one: digits, no fraction, no exponent.
//
// It costs about as much as a decision, and no decision needs it: a gate leaves it
// out of its hot path.
func Check(name string, claims any) []Warning {
	s := schemaOf(name)
	if s == nil {
		return []Warning{{Message: fmt.Sprintf("no schema for issuer %q, want one of %s", name, strings.Join(Names(), ", "))}}
	}
	c, ok := claims.(map[string]any)
	if !ok {
		return []Warning{{Message: "want an object of claims, got " + describe(claims)}}
	}
	err := s.of(c).Validate(plainNumbers(c))
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []Warning{{Message: err.Error()}}
	}
	warnings := s.warnings(invalid, c)
	slices.SortFunc(warnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Claim, b.Claim), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(warnings)
}

// TypeOf returns the JSON type that the issuer gives a claim, "string",
// "integer", "array" or "object"; of a claim that may have several the first, and
// "" for one that the issuer is not known to mint.
func TypeOf(name, claim string) string {
	s := schemaOf(name)
	if s == nil {
		return ""
	}
	property, _ := at(s.text, "$defs/claims/properties/"+escape(claim)).(map[string]any)
	if ref, ok := property["$ref"].(string); ok {
		property, _ = at(s.text, strings.TrimPrefix(ref, "#/")).(map[string]any)
	}
	switch t := property["type"].(type) {
	case string:
		return t
	case []any:
		first, _ := t[0].(string)
		return first
	default:
		return ""
	}
}

// A schema is kept compiled, to validate, and as the JSON text it came from, so
// that a message can use the words standing beside the keyword that failed.
type schema struct {
	text any
	// compiled holds the schema as a whole under "" and each generation that
	// has a definition of its own under its name.
	compiled map[string]*jsonschema.Schema
}

//go:embed */schema.json
var files embed.FS

var (
	bitbucketSchema = schemaIn(Bitbucket)
	buildkiteSchema = schemaIn(Buildkite)
	circleCISchema  = schemaIn(CircleCI)
	githubSchema    = schemaIn(GitHub)
	gitlabSchema    = schemaIn(GitLab, "CI_JOB_JWT", "CI_JOB_JWT_V2", "id_tokens")
	terraformSchema = schemaIn(Terraform, "workspace", "stack", "module")
)

// schemaIn compiles the schema in an issuer's folder, once.
func schemaIn(name string, generations ...string) func() *schema {
	return sync.OnceValue(func() *schema { return compile(name, generations...) })
}

func schemaOf(name string) *schema {
	switch name {
	case Bitbucket:
		return bitbucketSchema()
	case Buildkite:
		return buildkiteSchema()
	case CircleCI:
		return circleCISchema()
	case GitHub:
		return githubSchema()
	case GitLab:
		return gitlabSchema()
	case Terraform:
		return terraformSchema()
	default:
		return nil
	}
}

// compile panics where an embedded schema is broken: that is a broken build, and
// the tests compile every one.
func compile(name string, generations ...string) *schema {
	file := name + "/schema.json"
	text, err := files.ReadFile(file)
	if err != nil {
		panic(err)
	}
	// The address only has to be absolute; nothing is fetched.
	address := "issuer:///" + file
	c := jsonschema.NewCompiler()
	if err := c.AddResource(address, bytes.NewReader(text)); err != nil {
		panic(err)
	}
	s := &schema{compiled: map[string]*jsonschema.Schema{"": c.MustCompile(address)}}
	for _, g := range generations {
		s.compiled[g] = c.MustCompile(address + "#/$defs/" + g)
	}
	if err := json.Unmarshal(text, &s.text); err != nil {
		panic(err)
	}
	return s
}

// of returns the schema that fits the generation of the claims.
func (s *schema) of(claims map[string]any) *jsonschema.Schema {
	_, generation := Recognise(claims)
	if g, ok := s.compiled[generation]; ok {
		return g
	}
	return s.compiled[""]
}

// warnings turns the leaves of a validation error into warnings.
func (s *schema) warnings(e *jsonschema.ValidationError, claims map[string]any) []Warning {
	if len(e.Causes) > 0 {
		var all []Warning
		for _, cause := range e.Causes {
			all = append(all, s.warnings(cause, claims)...)
		}
		return all
	}
	_, keyword, _ := strings.Cut(e.AbsoluteKeywordLocation, "#/")
	if e.InstanceLocation == "" {
		return s.missing(e, keyword, claims)
	}
	claim, inside, _ := strings.Cut(strings.TrimPrefix(e.InstanceLocation, "/"), "/")
	got := describe(at(claims, strings.TrimPrefix(e.InstanceLocation, "/")))
	if inside != "" {
		got += " at " + strconv.Quote("/"+inside)
	}
	return []Warning{{unescape(claim), fmt.Sprintf("want %s, got %s", s.wanted(keyword, e.Message), got)}}
}

// missing names the claims that the failed keyword, required or
// dependentRequired, asks for.
func (s *schema) missing(e *jsonschema.ValidationError, keyword string, claims map[string]any) []Warning {
	switch wanted := at(s.text, keyword).(type) {
	case []any:
		var all []Warning
		for _, name := range wanted {
			if name, ok := name.(string); ok && count(claims, name) == 0 {
				all = append(all, Warning{name, "want " + s.title(name) + ", got nothing"})
			}
		}
		return all
	case string:
		steps := strings.Split(keyword, "/")
		return []Warning{{wanted, fmt.Sprintf("want %s wherever there is %s, got nothing", s.title(wanted), unescape(steps[len(steps)-2]))}}
	default:
		return []Warning{{Message: e.Message}}
	}
}

// wanted says in the schema's own words what the keyword at this place asks
// for: the title beside it, or the validator's message where it has none.
func (s *schema) wanted(keyword, message string) string {
	if allowed, ok := at(s.text, keyword).(bool); ok && !allowed {
		return "no such claim"
	}
	for place := keyword; place != ""; {
		if subschema, ok := at(s.text, place).(map[string]any); ok {
			if title, ok := subschema["title"].(string); ok {
				return title
			}
			break
		}
		place = place[:max(0, strings.LastIndexByte(place, '/'))]
	}
	return message
}

// title says what a claim should be, or "it" where the schema has no words.
func (s *schema) title(claim string) string {
	place := "$defs/claims/properties/" + escape(claim)
	if property, ok := at(s.text, place).(map[string]any); ok {
		if ref, ok := property["$ref"].(string); ok {
			place = strings.TrimPrefix(ref, "#/")
		}
	}
	return s.wanted(place, "it")
}

// at walks a JSON value along a pointer in a URI's fragment (RFC 6901, section 6)
// without its leading slash and returns nil where it leads nowhere.
func at(v any, pointer string) any {
	for step := range strings.SplitSeq(pointer, "/") {
		switch t := v.(type) {
		case map[string]any:
			v = t[unescape(step)]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(t) {
				return nil
			}
			v = t[i]
		default:
			return nil
		}
	}
	return v
}

func escape(step string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
}

// unescape also undoes the percent signs, which the validator's pointers have as
// in the fragment of a URI.
func unescape(step string) string {
	if plain, err := url.PathUnescape(step); err == nil {
		step = plain
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
}

// describe names a value for a message; a long text is cut.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case string:
		if r := []rune(v); len(r) > 80 {
			return fmt.Sprintf("the text %q…", string(r[:80]))
		}
		return fmt.Sprintf("the text %q", v)
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return "an object"
	case json.Number:
		return "the number " + clip(v.String())
	default:
		return fmt.Sprintf("the number %v", v)
	}
}

func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "…"
	}
	return s
}

var integer = regexp.MustCompile(`^-?[0-9]{1,19}$`)

// plainNumbers copies a value and puts 0.5, which is no integer, in the place of
// every number that is not spelled as one. Don't drop this: the validator expands
// 1e1000000 to a million digits to see whether it is whole, and panics beyond.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for name, member := range v {
			c[name] = plainNumbers(member)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, element := range v {
			c[i] = plainNumbers(element)
		}
		return c
	case json.Number:
		if !integer.MatchString(v.String()) {
			return json.Number("0.5")
		}
		return v
	default:
		return v
	}
}
