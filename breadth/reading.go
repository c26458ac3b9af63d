package breadth

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/bundles"
)

// reading is a set of JSON values: which values of a claim satisfy a condition. A nil
// language is empty. Lists are lists of texts, as language.List writes them; numbers are
// spelled as issuers spell integers. What is neither of these, an object for example, is
// in the set when other is.
type reading struct {
	text, list, number    *language.Language
	yes, no, null, absent bool
	other                 bool
}

// leaf is a condition as the analysis takes it. Must holds the values that surely
// satisfy it, may those that perhaps do; they are the same where it is understood.
type leaf struct {
	paths     [][]any
	pointer   bool
	may, must reading
	// settled leaves read no claim; holds is then their value, and mayHold whether they
	// perhaps hold.
	settled        bool
	mayHold, holds bool
	// assumed says that a settled leaf is taken to hold: what it reads lies beside the token.
	// chosen says that the caller chooses that.
	assumed, chosen bool
	// formula leaves are a combination of others.
	formula *formula
	// compare leaves ask about more than one claim.
	compare *comparing
	// unknown says what was not understood.
	unknown string
}

// lowering turns conditions of the neutral form into leaves, test by test. It is the one
// place where a test gets its meaning for the analysis.
type lowering struct {
	ctx    context.Context
	limits language.Limits
	fields *fieldLanguages
	room   room
	// settled are the fields that the issuer's URL settles.
	settled map[string]string
	// marked is room for the pieces of a template.
	marked []byte
	cache  map[string]*language.Language
	// named keeps the languages that the cache knows by their address: another must not
	// come to stand there.
	named map[*language.Language]bool
	// measures are the languages of the texts that are short enough for a mapping.
	measures map[*language.Language]bool
	// keys holds the leaves of AWS that were read, by what they say.
	keys map[string]leaf
	// folds holds the languages that stand for many, by what these are.
	folds map[string][]*language.Language
	// issuer is the token's iss, now the time of the question, generic whether nothing is
	// known of the issuer.
	issuer  string
	now     time.Time
	generic bool
	// beside is what AWS's conditions come to that read nothing of the token, mints says
	// whether the issuer's tokens have a claim.
	beside *beside
	mints  func(claim string) bool
	// refusal says that what is lowered is a condition of a refusal.
	refusal bool
	// algorithms are those that the issuer signs by, none where that is not known.
	algorithms []string
	// terms are what is compared or put together; literals and noted the texts that role
	// and scope name.
	terms    []term
	literals []string
	noted    []*language.Language
	// tags says that the issuer's tokens may carry session tags of AWS.
	tags bool
}

func newLowering(ctx context.Context, fields *fieldLanguages) *lowering {
	return &lowering{
		ctx: ctx, fields: fields, cache: map[string]*language.Language{}, named: map[*language.Language]bool{},
		measures: map[*language.Language]bool{},
		keys:     map[string]leaf{}, folds: map[string][]*language.Language{},
	}
}

var everything = reading{
	text: language.All(), number: language.All(),
	yes: true, no: true, null: true, absent: true, other: true,
}

func (l *lowering) condition(c *bundles.Condition) (leaf, error) {
	switch c.Analysis {
	case "leaf":
		return l.keyed(c)
	case "beside":
		return l.besides(c)
	case "formula":
		return l.described(c)
	case "wish":
		return l.wished(c)
	}
	switch c.Test {
	case "always":
		return leaf{settled: true, mayHold: true, holds: true}, nil
	case "never":
		return leaf{settled: true}, nil
	case "unknown", "rule", "role":
		return l.unknown(c, c.Message), nil
	}
	if c.Test == "platform" && c.Platform == "aws" {
		if found, ok := l.silent(c); ok {
			return found, nil
		}
	}
	if c.Platform == "vault" && c.Name == "algorithm" && len(l.algorithms) > 0 && !slices.ContainsFunc(l.algorithms, func(by string) bool {
		return slices.Contains(wantedTexts(c), by)
	}) {
		return leaf{settled: true}, nil
	}
	if c.Test == "platform" && c.Analysis == "free" {
		return leaf{settled: true, mayHold: true, holds: true, assumed: true}, nil
	}
	paths, pointer, ok := places(c)
	if !ok {
		return l.unknown(c, "it reads no claim"), nil
	}
	satisfied, err := l.satisfying(c)
	if limited(err) {
		return l.unknown(c, err.Error()), nil
	}
	if err != nil {
		return leaf{}, fmt.Errorf("%s: %w", said(c), err)
	}
	if satisfied == nil {
		return l.unknown(c, "the analysis does not know the test "+c.Test+" "+c.Name), nil
	}
	return leaf{paths: paths, pointer: pointer, may: *satisfied, must: *satisfied}, nil
}

func (l *lowering) unknown(c *bundles.Condition, why string) leaf {
	return leaf{settled: true, mayHold: true, unknown: fmt.Sprintf("%s is not understood: %s", said(c), why)}
}

// said names a condition for people.
func said(c *bundles.Condition) string {
	switch {
	case c.Source != "":
		return c.Source
	case c.Claim != "":
		return c.Claim
	default:
		return c.Test
	}
}

// places are the claims that a condition reads, as steps from the payload.
func places(c *bundles.Condition) (paths [][]any, pointer, ok bool) {
	switch c.Reads {
	case "claim", "folded":
		return [][]any{{c.Key}}, false, true
	case "pointer":
		return c.Paths, true, true
	default:
		return nil, false, false
	}
}

// satisfying is the set of values that satisfy a test; nil where the test is not known.
func (l *lowering) satisfying(c *bundles.Condition) (*reading, error) {
	switch c.Test {
	case "in":
		return l.values(c.Values, false)
	case "in_any":
		return l.values(c.Values, true)
	case "pattern":
		return l.pattern(c.Pattern, false)
	case "pattern_any":
		return l.pattern(c.Pattern, true)
	case "present":
		present := everything
		lists, err := l.lists(language.All())
		present.list, present.null, present.absent = lists, false, false
		return &present, err
	case "absent":
		return &reading{null: true, absent: true}, nil
	case "text":
		return &reading{text: language.All()}, nil
	case "filled":
		return l.filled()
	case "text_or_absent":
		return &reading{text: language.All(), null: true, absent: true}, nil
	case "texts":
		lists, err := l.lists(language.All())
		return &reading{text: language.All(), list: lists}, err
	case "platform":
		return l.platform(c)
	default:
		return nil, nil
	}
}

// platform reads the tests that only one platform has.
func (l *lowering) platform(c *bundles.Condition) (*reading, error) {
	switch {
	case c.Analysis == "nonempty":
		filled, err := l.filled()
		if err != nil {
			return nil, err
		}
		// What is no text is not the empty text either.
		others := everything
		others.text, others.absent = filled.text, false
		others.list, err = l.lists(language.All())
		return &others, err
	case c.Platform == "vault" && c.Name == "bound_values":
		return l.vaultBoundValues(c)
	case c.Platform == "vault" && strings.HasPrefix(c.Name, "no_audience_"):
		return l.vaultNoAudience(strings.TrimPrefix(c.Name, "no_audience_"))
	default:
		return nil, nil
	}
}

func (l *lowering) filled() (*reading, error) {
	filled, err := l.exact("")
	if err != nil {
		return nil, err
	}
	return &reading{text: filled.Complement()}, nil
}

// vaultNoAudience is what an aud may be where the role binds no audience; see
// trustcheck.platform.vault.test.
func (l *lowering) vaultNoAudience(kind string) (*reading, error) {
	empty, err := l.exact("")
	if err != nil {
		return nil, err
	}
	unset := reading{list: empty, number: language.All(), yes: true, no: true, null: true, absent: true, other: true}
	switch kind {
	case "any":
		unset.text = empty
	case "list":
		unset.text = language.All()
	case "openbao":
	default:
		return nil, nil
	}
	return &unset, nil
}

// vaultBoundValues is Vault's typed equality with numbers among the bound values: a
// number directly in the token is compared through the text of its integer part. Lists of
// texts never meet the comparison that makes Vault's login panic.
func (l *lowering) vaultBoundValues(c *bundles.Condition) (*reading, error) {
	var plain []any
	var numbers []string
	for i, value := range c.Values {
		if i < len(c.Spellings) && c.Spellings[i] != nil {
			numbers = append(numbers, regexp.QuoteMeta(*c.Spellings[i])+`(?:\.[0-9]+)?`)
			continue
		}
		switch value.(type) {
		case string, bool:
			plain = append(plain, value)
		case nil:
		default:
			// A list or an object among the bound values is equal to nothing here.
		}
	}
	found, err := l.values(plain, true)
	if err != nil || len(numbers) == 0 {
		return found, err
	}
	found.number, err = l.compile(`\A(?:` + strings.Join(numbers, "|") + `)\z`)
	return found, err
}

// values is typed equality with any of the values.
func (l *lowering) values(values []any, lists bool) (*reading, error) {
	found := &reading{}
	var texts, numbers []string
	for _, value := range values {
		switch value := value.(type) {
		case string:
			texts = append(texts, value)
		case bool:
			found.yes = found.yes || value
			found.no = found.no || !value
		case nil:
			found.null = true
		case json.Number:
			numbers = append(numbers, numberPattern(value.String()))
		default:
			// Lists and objects are equal to no value that the models mint as such.
			found.other = true
		}
	}
	var err error
	if len(texts) > 0 {
		if found.text, err = l.exact(texts...); err != nil {
			return nil, err
		}
		if lists {
			if found.list, err = l.some(found.text); err != nil {
				return nil, err
			}
		}
	}
	if len(numbers) > 0 {
		if found.number, err = l.compile(`\A(?:` + strings.Join(numbers, "|") + `)\z`); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// numberPattern matches the spellings without exponent of a number.
func numberPattern(spelling string) string {
	plain := plainNumber(spelling)
	if strings.ContainsAny(plain, ".eE") {
		return regexp.QuoteMeta(plain)
	}
	return regexp.QuoteMeta(plain) + `(?:\.0+)?`
}

// plainNumber writes out a whole number that is spelled with a fraction or an exponent, as
// one is that passed through Rego.
func plainNumber(spelling string) string {
	value, _, err := big.ParseFloat(spelling, 10, 256, big.ToNearestEven)
	if err != nil || !value.IsInt() || value.MantExp(nil) > 128 {
		return spelling
	}
	return value.Text('f', 0)
}

func (l *lowering) pattern(pattern string, lists bool) (*reading, error) {
	text, err := l.compile(pattern)
	if err != nil {
		return nil, err
	}
	found := &reading{text: text}
	if lists {
		found.list, err = l.some(text)
	}
	return found, err
}

func (l *lowering) compile(pattern string) (*language.Language, error) {
	return l.cached("re "+pattern, func() (*language.Language, error) { return l.limits.Compile(l.ctx, pattern) })
}

func (l *lowering) exact(values ...string) (*language.Language, error) {
	// Quoted, for a value may hold what a list ends its elements with.
	return l.cached(fmt.Sprintf("in %q", values), func() (*language.Language, error) { return l.limits.Exact(l.ctx, values...) })
}

func (l *lowering) some(x *language.Language) (*language.Language, error) {
	l.named[x] = true
	return l.cached(fmt.Sprintf("some %p", x), func() (*language.Language, error) { return l.limits.Some(l.ctx, x) })
}

func (l *lowering) lists(x *language.Language) (*language.Language, error) {
	l.named[x] = true
	return l.cached(fmt.Sprintf("every %p", x), func() (*language.Language, error) { return l.limits.Every(l.ctx, x) })
}

func (l *lowering) cached(key string, build func() (*language.Language, error)) (*language.Language, error) {
	if known, ok := l.cache[key]; ok {
		return known, nil
	}
	built, err := build()
	if err != nil {
		return nil, err
	}
	l.cache[key] = built
	return built, nil
}
