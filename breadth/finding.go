package breadth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trustcheck/trustcheck/bundles"
)

// Finding is something wrong with a role, in a sentence: what, who, with which token, and
// the smallest change that closes it where one was found and checked.
type Finding struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
}

// Severities lists them, the lowest first.
func Severities() []string { return []string{"info", "low", "medium", "high", "critical"} }

// ruleOf names the finding about an attacker, and how bad it is.
func ruleOf(attacker string) (rule, severity string) {
	switch attacker {
	case Outsider:
		return "open-to-outsiders", "critical"
	case Lookalike:
		return "open-to-lookalikes", "critical"
	case Sibling:
		return "open-to-siblings", "high"
	case Developer:
		return "open-to-developers", "high"
	case ForkMR:
		return "open-to-fork-merge-requests", "high"
	case Lured:
		return "open-to-lured-jobs", "high"
	default:
		return "recyclable-name", "low"
	}
}

// findings says in words what was found.
func (a *analysis) findings() []Finding {
	found := []Finding{}
	switch a.result.Verdict {
	case Dead:
		message := "nobody gets in: " + strings.Join(a.result.Why, "; ")
		if a.result.Nearest != "" {
			message += "; it comes to life with " + a.result.Nearest
		}
		found = append(found, Finding{"dead-role", "info", message})
	case Undecided:
		found = append(found, Finding{"undecided-role", "medium", "it cannot be told who gets in: " + strings.Join(a.result.Why, "; ")})
	}
	for _, name := range Attackers() {
		if token := a.result.Tokens[name]; token != nil && !a.implied(name) {
			found = append(found, a.finding(name, token))
		}
	}
	if a.result.Verdict == Broad && a.result.Attacker == "" {
		found = append(found, Finding{"open-beyond-scope", "high", a.sentence(
			"the role accepts more than it is meant for", a.result.Witness) + a.remedy(a.result.Witness)})
	}
	return found
}

// implied reports whether what is to be said of an attacker was said of a simpler one.
func (a *analysis) implied(name string) bool {
	outsider := a.result.Tokens[Outsider]
	switch name {
	case Outsider:
		return outsider != nil && a.looksLikeOurs(outsider)
	case Lookalike:
		return outsider != nil && !a.looksLikeOurs(outsider)
	case Lured:
		return outsider != nil
	default:
		return false
	}
}

// looksLikeOurs reports whether a token is of a group with a name like the scope's.
func (a *analysis) looksLikeOurs(token *Token) bool {
	root := strings.ToLower(rootOf(token, a.model.Names.Group))
	return slices.ContainsFunc(a.tenants.roots(), func(ours string) bool { return strings.Contains(root, strings.ToLower(ours)) })
}

func rootOf(token *Token, claim string) string {
	group, _ := token.Claims[claim].(string)
	root, _, _ := strings.Cut(group, "/")
	return root
}

func (a *analysis) finding(name string, token *Token) Finding {
	rule, severity := ruleOf(name)
	if token.Inside && (name == Developer || a.everybody() && name != Recycler) {
		severity = "medium"
	}
	who := a.who(name, token, "gets in")
	if name == Recycler {
		return Finding{rule, severity, a.sentence(who+": bind an id as well", token)}
	}
	return Finding{rule, severity, a.sentence(who, token) + a.remedy(token)}
}

// everybody reports whether the scope is all of an issuer's tokens: whoever gets in is meant
// to.
func (a *analysis) everybody() bool {
	return slices.ContainsFunc(a.scope.Circles, func(circle Circle) bool {
		return !slices.ContainsFunc(circle, func(c Constraint) bool { return c.Claim != "iss" })
	})
}

// who tells whose token it is, "" for nobody's in particular, and that it gets in, or no
// longer does.
func (a *analysis) who(name string, token *Token, gets string) string {
	names := &a.model.Names
	switch name {
	case Outsider:
		return fmt.Sprintf("anyone who can get an account at %s %s", strings.TrimPrefix(a.issuer, "https://"), gets)
	case Lookalike:
		return fmt.Sprintf("whoever registers the group %s %s", rootOf(token, names.Group), gets)
	case Sibling:
		if len(a.tenants.roots()) == 0 {
			return fmt.Sprintf("whoever controls another project of the tenant %s", gets)
		}
		return fmt.Sprintf("whoever controls another project of %s %s", strings.Join(a.tenants.roots(), " or "), gets)
	case Developer:
		if a.model.Names.Ref == "" {
			return fmt.Sprintf("whoever may work in the project %s with nothing that is protected", gets)
		}
		return fmt.Sprintf("whoever may push to the project %s from a ref that nobody protects", gets)
	case ForkMR:
		return fmt.Sprintf("a stranger's fork %s as soon as a member runs its merge request's pipeline in the parent project", gets)
	case Lured:
		return fmt.Sprintf("an insider whose job runs in a stranger's project %s", gets)
	case Recycler:
		return fmt.Sprintf("whoever takes over the name %s once it is given up %s", strings.Join(a.tenants.roots(), " or "), gets)
	}
	if token.Inside {
		return "a token inside the scope " + gets
	}
	return "a token outside the scope " + gets
}

// sentence tells who gets in, and with which token.
func (a *analysis) sentence(who string, token *Token) string {
	return who + ", with " + a.telling(token)
}

// telling writes out the claims of a token that role and scope read.
func (a *analysis) telling(token *Token) string {
	names := &a.model.Names
	shown := append([]string{names.Path}, names.Below...)
	if names.Path == "" {
		shown = slices.Insert(shown, 1, names.Group)
	}
	for s := range a.stages {
		for _, way := range a.stages[s].Ways {
			for c := range way.Conditions {
				if claim := claimOf(&way.Conditions[c]); claim != "" && !slices.Contains(shown, claim) && shows(&way.Conditions[c]) {
					shown = append(shown, claim)
				}
			}
		}
	}
	for _, circle := range a.scope.Circles {
		for _, c := range circle {
			if !slices.Contains(shown, c.Claim) {
				shown = append(shown, c.Claim)
			}
		}
	}
	var parts []string
	for _, claim := range shown {
		if value, ok := token.Claims[claim]; ok {
			parts = append(parts, claim+"="+bare(value))
		}
	}
	return strings.Join(parts, ", ")
}

// bare is a value as JSON, a text without its quotes.
func bare(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return spelled(value)
}

// remedy says what closes the role to a token.
func (a *analysis) remedy(token *Token) string {
	fix := token.Fix
	if fix == "" && !token.Inside && a.result.Witness != nil {
		// What closes the role to the witness leaves nothing outside the scope.
		fix = a.result.Witness.Fix
	}
	if fix == "" {
		return ""
	}
	return "; to close it, " + fix
}

// shows reports whether a condition is one that a role's author wrote.
func shows(c *bundles.Condition) bool {
	return c.Test != "platform" || c.Analysis != "free"
}
