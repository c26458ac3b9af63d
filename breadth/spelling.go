package breadth

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// spelledAsOurs says that a name like one of the scope's but for its case is that very
// name: GitLab's paths are unique without regard to case, so nobody has another spelling
// of one that exists. Where that is not known of an issuer, nobody surely has one.
func (a *analysis) spelledAsOurs(q *question, may bool) (node, error) {
	names := &a.model.Names
	parts := []node{yes}
	if names.Exact && may {
		return yes, nil
	}
	type spelled struct {
		claim  string
		values []string
		below  string
	}
	all := []spelled{
		{names.Group, a.tenants.roots(), `(?:/.*)?`},
		{names.Group, a.tenants.groups, `(?:/.*)?`},
		{names.Path, a.tenants.paths, ``},
	}
	for _, claim := range names.Below {
		all = append(all, spelled{claim, a.tenants.below[claim], ``})
	}
	for _, unique := range all {
		if unique.claim == "" || len(unique.values) == 0 {
			continue
		}
		misspelt, err := a.misspelt(unique.values, unique.below, may)
		if err != nil {
			return no, err
		}
		for _, others := range misspelt {
			// Where it is not known how a claim reads, it is not known to be one of these.
			other, err := q.claim(unique.claim, reading{text: others}, false)
			if err != nil {
				return no, err
			}
			parts = append(parts, q.forms.not(other))
		}
	}
	return q.forms.all(parts...), nil
}

// misspelt are the texts that are like one of the names but for their case, and are spelled
// as the scope spells it nowhere: as few languages as there can be, for each costs an atom.
func (a *analysis) misspelt(names []string, below string, may bool) ([]*language.Language, error) {
	return a.lower.folded(fmt.Sprintf("misspelt %t %s %q", may, below, names), func() ([]*language.Language, error) {
		var all []*language.Language
		for _, name := range names {
			like, err := a.lower.compile(`(?is)\A` + regexp.QuoteMeta(name) + below + `\z`)
			if err != nil {
				return nil, err
			}
			// Several spellings of one name in a scope leave open which is the right one.
			spellings := quotedAny(alike(names, name))
			if may {
				spellings = a.tenants.spellings(name)
			}
			same, err := a.lower.compile(`(?s)\A(?:` + spellings + `)` + below + `\z`)
			if err != nil {
				return nil, err
			}
			others, err := a.lower.limits.Minus(a.lower.ctx, like, same)
			if err != nil {
				return nil, err
			}
			all = append(all, others)
		}
		return all, nil
	})
}

// alike are the texts that differ from one in case alone.
func alike(texts []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return !strings.EqualFold(text, one) })
}

// spellings is the pattern of a path with each of its segments as the scope spells it
// anywhere.
func (t *tenants) spellings(path string) string {
	var known []string
	for _, text := range slices.Concat(append(slices.Collect(maps.Values(t.below)), t.paths, t.groups, t.prefixes)...) {
		known = append(known, strings.Split(text, "/")...)
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = `(?:` + quotedAny(alike(known, segment)) + `)`
	}
	return strings.Join(segments, "/")
}
