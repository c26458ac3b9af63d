package breadth

import (
	"maps"
	"regexp"
	"slices"
	"strings"
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
		if unique.claim == "" {
			continue
		}
		for _, value := range unique.values {
			like, err := q.claimMatches(unique.claim, `(?is)\A`+regexp.QuoteMeta(value)+unique.below+`\z`, true)
			if err != nil {
				return no, err
			}
			// Several spellings of one name in a scope leave open which is the right one.
			spellings := quotedAny(alike(unique.values, value))
			if may {
				spellings = a.tenants.spellings(value)
			}
			same, err := q.claimMatches(unique.claim, `(?s)\A(?:`+spellings+`)`+unique.below+`\z`, true)
			if err != nil {
				return no, err
			}
			parts = append(parts, q.forms.any(q.forms.not(like), same))
		}
	}
	return q.forms.all(parts...), nil
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
