package breadth

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	"github.com/trustcheck/trustcheck/breadth/language"
	"github.com/trustcheck/trustcheck/policies/issuer"
)

// fieldLanguages are the languages of the fields of issuers' models. They depend on nothing
// else, so that all analyses of an analyser share them.
type fieldLanguages struct {
	mutex sync.Mutex
	all   map[string]*language.Language
}

// of is the language of a key; where it is new it is built, and what fails is not kept.
func (f *fieldLanguages) of(key string, build func() (*language.Language, error)) (*language.Language, error) {
	if known := f.known(key); known != nil {
		return known, nil
	}
	built, err := build()
	if err != nil {
		return nil, err
	}
	return f.keep(key, built), nil
}

func (f *fieldLanguages) known(key string) *language.Language {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.all[key]
}

// keep returns the language of a key that came first.
func (f *fieldLanguages) keep(key string, built *language.Language) *language.Language {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if first := f.all[key]; first != nil {
		return first
	}
	if f.all == nil {
		f.all = map[string]*language.Language{}
	}
	f.all[key] = built
	return built
}

// domain is what a field can be: as wide as the issuer's rules leave it, or as narrow as
// is sure.
func (q *question) domain(name string, surely bool) (*language.Language, error) {
	if claim, ok := strings.CutPrefix(name, "="); ok {
		return q.lower.valueDomain(q.named(claim), surely)
	}
	if name == "issuer" {
		// It was not given, and there is none that all others share.
		return q.lower.compile(issuer.Whole(q.model.Hosted))
	}
	field, ok := q.model.Fields[name]
	if !ok {
		return nil, fmt.Errorf("the model has no field %q", name)
	}
	text, except := field.Domain, []string{field.Except}
	if surely {
		text, except = cmp.Or(field.Surely, field.Domain), []string{field.Except, field.Unsure}
	}
	return q.set.domain(name, surely, text, func() (*language.Language, error) { return q.restricted(name, text, except...) })
}

// restricted is the language of a field's domain without what the field is not. What an
// issuer's URL settles is a user's text, which no other analysis needs.
func (q *question) restricted(name, domain string, except ...string) (*language.Language, error) {
	pattern := issuer.Whole(q.model.Pattern(q.set.fill(domain)))
	build := func() (*language.Language, error) {
		found, err := q.lower.compile(pattern)
		for _, never := range except {
			if err != nil || never == "" {
				continue
			}
			if found, err = q.lower.except(found, never); err != nil {
				return nil, err
			}
		}
		return found, err
	}
	if _, settled := q.lower.settled[name]; settled {
		return build()
	}
	return q.lower.fields.of(fmt.Sprintf("%s except %q", pattern, except), build)
}

// except is a domain without the whole texts of a pattern.
func (l *lowering) except(domain *language.Language, pattern string) (*language.Language, error) {
	never, err := l.compile(issuer.Whole(pattern))
	if err != nil {
		return nil, err
	}
	return l.cached(fmt.Sprintf("domain %p except %s", domain, pattern), func() (*language.Language, error) {
		return l.limits.Minus(l.ctx, domain, never)
	})
}

func (l *lowering) valueDomain(claim issuer.Claim, surely bool) (*language.Language, error) {
	value := claim.Value
	text := value.Text
	if surely && claim.Surely != "" {
		text = claim.Surely
	}
	// What is narrowed to some texts is surely not null either.
	null := value.Null && (!surely || claim.Surely == "")
	return l.fields.of(fmt.Sprintf("value %+v %s %t", *value, text, null), func() (*language.Language, error) {
		var parts []*language.Language
		add := func(pattern, mark string, list bool) error {
			if pattern == "" {
				return nil
			}
			of, err := l.compile(issuer.Whole(pattern))
			if err == nil && list {
				of, err = l.listsOf(of, value)
			}
			if err != nil {
				return err
			}
			part, err := l.limits.Around(l.ctx, of, mark, "")
			parts = append(parts, part)
			return err
		}
		if err := add(text, markText, false); err != nil {
			return nil, err
		}
		if err := add(value.List, markList, true); err != nil {
			return nil, err
		}
		if err := add(value.Number, markNumber, false); err != nil {
			return nil, err
		}
		var marks []string
		for _, m := range []struct {
			there bool
			mark  string
		}{
			{value.Boolean, markTrue}, {value.Boolean, markFalse}, {null, markNull},
			{value.Absent, markAbsent}, {value.Objects, markOther},
		} {
			if m.there {
				marks = append(marks, m.mark)
			}
		}
		if len(marks) > 0 {
			part, err := l.exact(marks...)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		return l.limits.Union(l.ctx, parts...)
	})
}

func (l *lowering) listsOf(element *language.Language, value *issuer.Value) (*language.Language, error) {
	lists, err := l.limits.Every(l.ctx, element)
	if err != nil || !value.ListNonempty {
		return lists, err
	}
	none, err := l.exact("")
	if err != nil {
		return nil, err
	}
	return l.limits.Minus(l.ctx, lists, none)
}
