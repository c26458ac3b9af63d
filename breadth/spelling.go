package breadth

import "regexp"

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
			quoted := regexp.QuoteMeta(value) + unique.below
			like, err := q.claimMatches(unique.claim, `(?is)\A`+quoted+`\z`, true)
			if err != nil {
				return no, err
			}
			same, err := q.claimMatches(unique.claim, `(?s)\A`+quoted+`\z`, true)
			if err != nil {
				return no, err
			}
			parts = append(parts, q.forms.any(q.forms.not(like), same))
		}
	}
	return q.forms.all(parts...), nil
}
