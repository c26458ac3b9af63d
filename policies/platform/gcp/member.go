package gcp

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// grantKind tells the resources of Terraform and Pulumi that grant a role on something.
func grantKind(kind string) bool {
	if strings.HasPrefix(kind, "google_") {
		return strings.HasSuffix(kind, "_iam_member") || strings.HasSuffix(kind, "_iam_binding") || strings.HasSuffix(kind, "_iam_policy")
	}
	return strings.HasPrefix(kind, "gcp:") && (strings.HasSuffix(kind, ":IAMMember") || strings.HasSuffix(kind, ":IAMBinding"))
}

// binding is one member of one binding of an IAM policy.
type binding struct {
	at
	role      string
	member    string
	condition at
	// what the member names: "subject", "group", "attribute", "pool", "everyone",
	// "authenticated", or "unread" with the reason in why.
	what, why string
	// project and pool as the member spells them, the attribute's name, and the value.
	project, pool, attribute, value string
	formulas                        []any
}

// A principal: https://cloud.google.com/iam/docs/principal-identifiers.
var principal = regexp.MustCompile(`(?s)\A(principal|principalSet)://iam\.googleapis\.com/projects/([^/]+)/locations/global/workloadIdentityPools/([^/]+)/(.*)\z`)

var principalAttribute = regexp.MustCompile(`(?s)\Aattribute\.([^/]*)/(.*)\z`)

// bindingsOf reads an IAM policy.
func (r *reading) bindingsOf(one at) error {
	object, ok := one.value.(map[string]any)
	if !ok {
		return r.wrong(one, "an IAM policy")
	}
	r.policy = true
	bindings := one.member("bindings", object["bindings"])
	if bindings.value == nil {
		return nil
	}
	if _, ok := bindings.value.([]any); !ok {
		return r.wrong(bindings, "a list of bindings")
	}
	for _, each := range bindings.items() {
		object, ok := each.value.(map[string]any)
		if !ok {
			return r.wrong(each, "a binding")
		}
		if err := r.membersOf(each, object); err != nil {
			return err
		}
	}
	return nil
}

// grant reads a resource that grants a role: its attributes are one binding, or a policy.
func (r *reading) grant(one at) error {
	object, ok := one.value.(map[string]any)
	if !ok {
		return r.wrong(one, "a resource")
	}
	if policy := one.member("policy_data", object["policy_data"]); policy.value != nil || r.hidden(policy) {
		if policy.value == nil {
			r.unknownMember(policy, "", at{})
			return nil
		}
		return r.bindingsOf(policy)
	}
	r.policy = true
	return r.membersOf(one, object)
}

func (r *reading) membersOf(one at, object map[string]any) error {
	role := one.member("role", object["role"])
	if err := r.textOrNothing(role); err != nil {
		return err
	}
	name, _ := role.value.(string)
	condition := one.member("condition", object["condition"])
	if block, ok := condition.value.([]any); ok {
		condition = one.member("condition", nil)
		if len(block) > 0 {
			condition = condition.item(0, block[0])
		}
	}
	for _, member := range []string{"member", "members"} {
		given := one.member(member, object[member])
		if object[member] == nil {
			if r.hidden(given) {
				r.unknownMember(given, name, condition)
			}
			continue
		}
		for _, each := range given.items() {
			if each.value == nil && r.hidden(each) {
				r.unknownMember(each, name, condition)
				continue
			}
			if _, ok := each.value.(string); !ok {
				return r.wrong(each, "a text")
			}
			r.member(each, name, condition)
		}
	}
	return nil
}

// member reads a member. Who is no federated identity is left out: users, groups, service
// accounts and domains are not what a token turns into.
func (r *reading) member(one at, role string, condition at) {
	text, _ := one.value.(string)
	r.policy = true
	b := &binding{at: one, role: role, member: text, condition: condition}
	parts := principal.FindStringSubmatch(text)
	switch {
	case text == "allUsers":
		b.what = "everyone"
	case text == "allAuthenticatedUsers":
		b.what = "authenticated"
	case parts != nil:
		b.project, b.pool = parts[2], parts[3]
		b.names(parts[1], parts[4])
	case strings.HasPrefix(text, "principal://"), strings.HasPrefix(text, "principalSet://"):
		b.what, b.why = "unread", "no identity of a workload identity pool as Google documents them"
	default:
		return
	}
	r.bindings = append(r.bindings, b)
}

// unknownMember reads a member that is not known offline. Its reason may show the parts that
// are: before a pool exists nobody knows its project's number, and everybody the rest.
func (r *reading) unknownMember(one at, role string, condition at) {
	why := r.doc.Unknown[one.pointer]
	if quoted, err := strconv.QuotedPrefix(why); err == nil {
		text, _ := strconv.Unquote(quoted)
		text = projectHole.ReplaceAllString(text, "projects/"+unnumbered+"$1/")
		if parts := principal.FindStringSubmatch(text); parts != nil && !strings.Contains(text, "${") {
			one.value = text
			r.member(one, role, condition)
			return
		}
	}
	if why == "" {
		why = "it is not known offline"
	}
	r.policy = true
	r.bindings = append(r.bindings, &binding{at: one, role: role, condition: condition, what: "unread", why: why})
}

// projectHole is a project's number that is not known, as carriers show it.
var projectHole = regexp.MustCompile(`projects/\$\{(?:project number of )?([^}/]*)\}/`)

// unnumbered begins what stands for a project's number that is not known: the address of the
// pool's resource follows where there is one.
const unnumbered = "?"

func (b *binding) names(scheme, rest string) {
	attribute := principalAttribute.FindStringSubmatch(rest)
	subject, isSubject := strings.CutPrefix(rest, "subject/")
	group, isGroup := strings.CutPrefix(rest, "group/")
	switch {
	case scheme == "principal" && isSubject:
		b.what, b.attribute, b.value = "subject", "google.subject", subject
	case scheme == "principalSet" && isGroup:
		b.what, b.attribute, b.value = "group", "google.groups", group
	case scheme == "principalSet" && attribute != nil:
		b.what, b.attribute, b.value = "attribute", "attribute."+attribute[1], attribute[2]
	case scheme == "principalSet" && rest == "*":
		b.what = "pool"
	default:
		b.what, b.why = "unread", "no subject, group, attribute or * of the pool"
	}
}

// decoded is the value with percent-encoding undone; whether Google does so is not
// documented.
func (b *binding) decoded() (string, bool) {
	plain, err := url.PathUnescape(b.value)
	return plain, err == nil && plain != b.value
}

func (b *binding) described() map[string]any {
	described := map[string]any{
		"role": b.role, "member": b.member, "what": b.what, "why": b.why,
		"project": b.project, "numbered": strings.HasPrefix(b.project, unnumbered) || digits.MatchString(b.project), "pool": b.pool,
		"attribute": b.attribute, "value": b.value, "formulas": b.formulas,
	}
	if plain, ok := b.decoded(); ok {
		described["decoded"] = plain
	}
	if b.condition.value != nil {
		object, _ := b.condition.value.(map[string]any)
		condition := map[string]any{"expression": object["expression"]}
		b.condition.shown(condition)
		described["condition"] = condition
	}
	b.at.shown(described)
	return described
}
