package issuer

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Model says what an issuer can mint: token shapes, as templates over fields that are
// independent of each other, and who controls what. It is reviewed data; model.json of
// each issuer states it, model.schema.json describes its members, and every fact names
// its source.
//
// A shape is one alternative of every choice, laid over the claims in order. Domains are
// wide: what is not ruled out by the issuer's own rules can be minted. What surely can
// be minted is narrower, see Field.
type Model struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// AsOf is the day on which the facts were last reviewed.
	AsOf string `json:"as_of"`
	// Issuers are the public instances; they run the first of Releases. Hosted, where
	// given, is an RE2 for the whole of all issuers that do; the others run none of it.
	Issuers []string `json:"issuers"`
	Hosted  string   `json:"hosted"`
	// Tenants, where given, is an RE2 for the whole of those issuers of which each is one
	// tenant's: no project of anybody else gets a token of it. Its named groups are fields
	// that the issuer settles.
	Tenants string `json:"tenants"`
	// Releases stand for all others in the question which claims there are: newest
	// first, one for each version at which the model changes.
	Releases []string `json:"releases"`
	// Algorithms are those that tokens are signed by; none where that is not known.
	Algorithms []string          `json:"algorithms"`
	Sources    map[string]string `json:"sources"`
	Names      Parts             `json:"names"`
	Fields     map[string]Field  `json:"fields"`
	Claims     map[string]Claim  `json:"claims"`
	// Families are claims of which there may be any number, by what their names begin with.
	Families map[string]Claim `json:"families"`
	Choices  []Choice         `json:"choices"`
	// Rules are facts that proofs may rest on, each with the model as it would be without.
	Rules []Rule `json:"rules"`
}

// Rule is a fact about the issuer, in words, and what it holds together: Fields are the
// domains that these fields would have without it, Unescaped says that colons would stand
// as they are, AnyCase that names which differ in case alone would be two.
type Rule struct {
	Says      string            `json:"says"`
	Fields    map[string]string `json:"fields,omitempty"`
	Unescaped bool              `json:"unescaped,omitempty"`
	AnyCase   bool              `json:"any_case,omitempty"`
	Sources   []string          `json:"sources"`
}

// Parts say which claims play the parts that attackers and facts are defined by. Empty
// where the issuer has no such claim.
type Parts struct {
	Path         string   `json:"path"`
	Group        string   `json:"group"`
	ID           string   `json:"id"`
	GroupID      string   `json:"group_id"`
	JobPath      string   `json:"job_path"`
	JobGroup     string   `json:"job_group"`
	JobID        string   `json:"job_id"`
	JobGroupID   string   `json:"job_group_id"`
	Subject      string   `json:"subject"`
	SubjectPath  string   `json:"subject_path"`
	SubjectID    string   `json:"subject_id"`
	Persons      []string `json:"persons"`
	PersonGroups string   `json:"person_groups"`
	// Apps is an RE2 for the whole of the accounts that are programs' and act for whoever
	// installs them; those that anyone may install are Everywhere.
	Apps           string   `json:"apps"`
	Everywhere     []string `json:"everywhere"`
	Level          string   `json:"level"`
	DeveloperLevel string   `json:"developer_level"`
	Ref            string   `json:"ref"`
	RefType        string   `json:"ref_type"`
	Branch         string   `json:"branch"`
	BranchPrefix   string   `json:"branch_prefix"`
	Tag            string   `json:"tag"`
	TagPrefix      string   `json:"tag_prefix"`
	Protected      string   `json:"protected"`
	// RefSegments says that wildcards in the names of protected refs stop at a slash.
	RefSegments          bool   `json:"ref_segments"`
	Environment          string `json:"environment"`
	EnvironmentProtected string `json:"environment_protected"`
	// EnvironmentAnyCase says that names which differ in case alone are one environment's.
	EnvironmentAnyCase bool   `json:"environment_any_case"`
	Runner             string `json:"runner"`
	// Workflow names the workflow that runs, which may be another project's; OwnWorkflow the
	// project's own that called it, and is the same where none was called.
	Workflow    string `json:"workflow"`
	OwnWorkflow string `json:"own_workflow"`
	// Config names where the pipeline's configuration lies: the host, `/`, the project that
	// runs, `//` and more.
	Config string `json:"config"`
	// Assigned are claims whose values the issuer hands out and nobody chooses.
	Assigned []string `json:"assigned"`
	// Below are claims that name what lies below the group, where no claim has the path of
	// both; IDs are claims with ids of things that are one group's, besides ID and GroupID.
	Below []string `json:"below"`
	IDs   []string `json:"ids"`
	// Subjects says of claims that repeat others how they begin: templates over claims, each
	// with what follows the last of them. SubjectIDs are claims of which each may stand
	// alone as the subject.
	Subjects   map[string][]string `json:"subjects"`
	SubjectIDs []string            `json:"subject_ids"`
	// TagRef is the tag's claim, where Ref is the branch's alone.
	TagRef string `json:"tag_ref"`
	// Tenant is the claim that tells the tenants of Tenants apart.
	Tenant string `json:"tenant"`
	// Exact says that names which differ in case alone may be different groups'.
	Exact bool `json:"exact"`
}

// Field is an independent part of a token. Domain is an RE2 that holds for the whole
// text, and over-approximates what it can be; {name} in it stands for what a choice sets,
// or else for the domain of that field. Except, where given, is an RE2 of whole texts that
// the field never is, not even surely. Surely, where given, under-approximates the domain, and Unsure is an RE2
// of whole texts that are left out there: whether the field can be one of them is not known.
// Plain are the values that read well in an example, the best first.
type Field struct {
	Domain  string   `json:"domain"`
	Except  string   `json:"except"`
	Surely  string   `json:"surely"`
	Unsure  string   `json:"unsure"`
	Plain   []string `json:"plain"`
	Sources []string `json:"sources"`
}

// Claim is a claim of a token: exactly one of Text, Value, Fixed, Null and Absent. Text
// is a template: {name} stands for a field, for what a choice sets, or for {issuer} (the
// token's iss) and {host} (the same without its scheme); {name|escaped} for a field with
// its colons written %3A. Fixed claims have a value that
// no condition can be decided by: "now", "later" (times), or a text.
//
// Also, of a cover, is a second template of the same claim: both are as wide as what is
// minted under it, each elsewhere, so that a text must fit both.
type Claim struct {
	Text   string `json:"text,omitempty"`
	Also   string `json:"also,omitempty"`
	Value  *Value `json:"value,omitempty"`
	Fixed  string `json:"fixed,omitempty"`
	Null   bool   `json:"null,omitempty"`
	Absent bool   `json:"absent,omitempty"`
	// Surely narrows a Value that is text, as for a Field; it is surely not null then.
	Surely string   `json:"surely,omitempty"`
	Plain  []string `json:"plain,omitempty"`
	// Since and Until are releases: the claim is there from one on and before the other.
	Since string `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
	// Unless holds facts under which the claim is absent.
	Unless map[string]any `json:"unless,omitempty"`
	// Control says who chooses the value: issuer, name (whoever registers it), project
	// (its settings), caller (the job) or person (the account that started it).
	Control string   `json:"control,omitempty"`
	Sources []string `json:"sources,omitempty"`
}

// Value is a claim with a field of its own that may have several JSON types. Text and
// Number are RE2s that hold for the whole value, List one for each element.
type Value struct {
	Text         string `json:"text,omitempty"`
	List         string `json:"list,omitempty"`
	ListNonempty bool   `json:"list_nonempty,omitempty"`
	// Before is a template of the element that every list begins with: List tells of those
	// behind it.
	Before  string `json:"before,omitempty"`
	Number  string `json:"number,omitempty"`
	Boolean bool   `json:"boolean,omitempty"`
	Null    bool   `json:"null,omitempty"`
	Absent  bool   `json:"absent,omitempty"`
	// Objects says that the value may be something that the analysis does not look into.
	Objects bool `json:"objects,omitempty"`
}

// Choice is something in which tokens differ as a whole. Claim and Fact are set where a
// project's owner settles it, by the setting that the fact reports; Components then
// holds the parts that such a setting lists, ComponentsSince the releases from which on it
// may list some of them. Orders says that any so many of them may stand in any order: those
// that a role's patterns may mean are alternatives too.
type Choice struct {
	Name            string            `json:"name"`
	Claim           string            `json:"claim,omitempty"`
	Fact            string            `json:"fact,omitempty"`
	Orders          int               `json:"orders,omitempty"`
	Alternatives    []Alternative     `json:"alternatives"`
	Components      map[string]string `json:"components,omitempty"`
	ComponentsSince map[string]string `json:"components_since,omitempty"`
	// AnyClaim says that such a setting may list any claim besides.
	AnyClaim bool `json:"any_claim,omitempty"`
	// First are the components of which one must come first; any may where it is empty.
	First []string `json:"first,omitempty"`
	// Finer are covers, by name, that together stand for all that another one does.
	Finer   map[string][]Alternative `json:"finer,omitempty"`
	Sources []string                 `json:"sources,omitempty"`
}

// Alternative is one way to choose. Set gives fields a fixed text, Claims lays claims
// over those of the model. Alternatives with Mentions take the place of those without
// where a role's condition on the claim holds the text, and do not exist elsewhere: they
// tell apart what only such a role can. Fork marks a merge request's pipeline from a stranger's fork,
// Guarded what runs where branches usually are protected: a developer is not sure to get it.
// Cover marks an alternative wider than what is minted: it can prove that there is no
// token, and no more.
type Alternative struct {
	Name     string            `json:"name"`
	Set      map[string]string `json:"set,omitempty"`
	Claims   map[string]Claim  `json:"claims,omitempty"`
	Since    string            `json:"since,omitempty"`
	Until    string            `json:"until,omitempty"`
	Unless   map[string]any    `json:"unless,omitempty"`
	Mentions map[string]string `json:"mentions,omitempty"`
	Fork     bool              `json:"fork,omitempty"`
	Guarded  bool              `json:"guarded,omitempty"`
	Cover    bool              `json:"cover,omitempty"`
	// Finer names the covers that are asked where this one finds something.
	Finer   string   `json:"finer,omitempty"`
	Sources []string `json:"sources,omitempty"`
}

//go:embed */model.json
var modelFiles embed.FS

//go:embed model.schema.json
var modelSchemaText []byte

var (
	bitbucketModel = modelIn(Bitbucket)
	buildkiteModel = modelIn(Buildkite)
	circleCIModel  = modelIn(CircleCI)
	githubModel    = modelIn(GitHub)
	gitlabModel    = modelIn(GitLab)
	terraformModel = modelIn(Terraform)
)

// modelIn reads the model in an issuer's folder, once.
func modelIn(name string) func() (*Model, error) {
	return sync.OnceValues(func() (*Model, error) {
		file := name + "/model.json"
		text, err := modelFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		return ReadModel(file, text)
	})
}

// Models lists the issuers that have a model, in alphabetical order.
func Models() []string { return Names() }

// ModelOf returns the model of an issuer by name.
func ModelOf(name string) (*Model, error) {
	switch name {
	case Bitbucket:
		return bitbucketModel()
	case Buildkite:
		return buildkiteModel()
	case CircleCI:
		return circleCIModel()
	case GitHub:
		return githubModel()
	case GitLab:
		return gitlabModel()
	case Terraform:
		return terraformModel()
	}
	return nil, fmt.Errorf("no model for issuer %q, want one of %s", name, strings.Join(Models(), ", "))
}

// ReadModel reads a model strictly and checks that it hangs together: every template
// names fields that there are, every pattern compiles, every source is known.
func ReadModel(file string, text []byte) (*Model, error) {
	schema, err := jsonschema.CompileString("issuer:///model.schema.json", string(modelSchemaText))
	if err != nil {
		return nil, fmt.Errorf("model.schema.json: %w", err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := schema.Validate(plain); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	model := &Model{}
	if err := decoder.Decode(model); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := model.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return model, nil
}

func (m *Model) check() error {
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		field := m.Fields[name]
		if err := patterns(m.Pattern(field.Domain), field.Except, field.Surely, field.Unsure); err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		if err := m.known(field.Sources); err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		domain := regexp.MustCompile(Whole(m.Pattern(field.Domain)))
		for _, plain := range field.Plain {
			if !domain.MatchString(plain) || field.Except != "" && regexp.MustCompile(Whole(field.Except)).MatchString(plain) {
				return fmt.Errorf("field %s: plain value %q is outside its domain", name, plain)
			}
		}
	}
	if err := patterns(m.Hosted); err != nil {
		return fmt.Errorf("hosted: %w", err)
	}
	if err := m.checkNames(); err != nil {
		return err
	}
	set := map[string]bool{"issuer": true, "host": true}
	for _, choice := range m.Choices {
		for _, alternative := range choice.Alternatives {
			for name := range alternative.Set {
				set[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Claims)) {
		if err := m.checkClaim(m.Claims[name], set); err != nil {
			return fmt.Errorf("claim %s: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Families)) {
		if err := m.checkClaim(m.Families[name], set); err != nil {
			return fmt.Errorf("family %s: %w", name, err)
		}
	}
	for _, choice := range m.Choices {
		alternatives := choice.Alternatives
		for _, name := range slices.Sorted(maps.Keys(choice.Finer)) {
			alternatives = slices.Concat(alternatives, choice.Finer[name])
		}
		for _, alternative := range alternatives {
			if _, ok := choice.Finer[alternative.Finer]; !ok && alternative.Finer != "" {
				return fmt.Errorf("choice %s: nothing is finer by the name %q", choice.Name, alternative.Finer)
			}
			for name, claim := range alternative.Claims {
				if _, ok := m.Claims[name]; !ok {
					return fmt.Errorf("choice %s: no claim %q", choice.Name, name)
				}
				if err := m.checkClaim(claim, set); err != nil {
					return fmt.Errorf("choice %s, claim %s: %w", choice.Name, name, err)
				}
			}
		}
	}
	for _, rule := range m.Rules {
		if err := m.checkRule(&rule); err != nil {
			return fmt.Errorf("rule %q: %w", rule.Says, err)
		}
	}
	return nil
}

func (m *Model) checkRule(rule *Rule) error {
	for name, domain := range rule.Fields {
		if _, ok := m.Fields[name]; !ok {
			return fmt.Errorf("no field %q", name)
		}
		if err := patterns(m.Pattern(domain)); err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
	}
	return m.known(rule.Sources)
}

// checkNames checks that the parts that are lists name claims, and that what an issuer
// settles are fields.
func (m *Model) checkNames() error {
	if err := patterns(m.Tenants, m.Names.Apps); err != nil {
		return fmt.Errorf("tenants and apps: %w", err)
	}
	for _, field := range regexp.MustCompile(m.Tenants).SubexpNames() {
		if _, ok := m.Fields[field]; field != "" && !ok {
			return fmt.Errorf("tenants: no field %q", field)
		}
	}
	named := slices.Concat(m.Names.Below, m.Names.IDs, m.Names.SubjectIDs, m.Names.Assigned, m.Names.Persons)
	for claim, templates := range m.Names.Subjects {
		named = append(named, claim)
		for _, template := range templates {
			for _, piece := range Pieces(template) {
				named = append(named, piece.Field)
			}
		}
	}
	for _, claim := range append(named, m.Names.TagRef, m.Names.Tenant, m.Names.OwnWorkflow) {
		if _, ok := m.Claims[claim]; claim != "" && !ok {
			return fmt.Errorf("names: no claim %q", claim)
		}
	}
	return nil
}

func (m *Model) checkClaim(claim Claim, set map[string]bool) error {
	for _, piece := range Pieces(claim.Text + claim.Also) {
		if _, ok := m.Fields[piece.Field]; piece.Field != "" && !ok && !set[piece.Field] {
			return fmt.Errorf("template %q: no field %q", claim.Text, piece.Field)
		}
	}
	if claim.Value != nil {
		for _, piece := range Pieces(claim.Value.Before) {
			if _, ok := m.Fields[piece.Field]; piece.Field != "" && !ok {
				return fmt.Errorf("template %q: no field %q", claim.Value.Before, piece.Field)
			}
		}
		if err := patterns(claim.Value.Text, claim.Value.List, claim.Value.Number, claim.Surely); err != nil {
			return err
		}
	}
	return m.known(claim.Sources)
}

func (m *Model) known(sources []string) error {
	for _, source := range sources {
		if m.Sources[source] == "" {
			return fmt.Errorf("no source %q", source)
		}
	}
	return nil
}

func patterns(all ...string) error {
	for _, pattern := range all {
		if _, err := regexp.Compile(Whole(pattern)); err != nil {
			return err
		}
	}
	return nil
}

// Pattern puts the domains of fields into a domain that names them. Other braces, those of a
// repetition, stay.
func (m *Model) Pattern(domain string) string {
	var whole strings.Builder
	for {
		before, rest, found := strings.Cut(domain, "{")
		whole.WriteString(before)
		if !found {
			return whole.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		if field, ok := m.Fields[name]; ok {
			whole.WriteString("(?:" + field.Domain + ")")
			domain = after
		} else {
			whole.WriteByte('{')
			domain = rest
		}
	}
}

// Whole anchors a pattern at both ends.
func Whole(pattern string) string { return `\A(?:` + pattern + `)\z` }

// Piece is a part of a template: a literal text or the name of a field, whose colons are
// written %3A where it is Escaped.
type Piece struct {
	Literal, Field string
	Escaped        bool
}

// Escape writes a field's text as a piece that is Escaped shows it.
func Escape(text string) string { return strings.ReplaceAll(text, ":", "%3A") }

// Pieces takes a template apart.
func Pieces(template string) []Piece {
	var all []Piece
	for template != "" {
		literal, rest, found := strings.Cut(template, "{")
		if literal != "" {
			all = append(all, Piece{Literal: literal})
		}
		if !found {
			break
		}
		var name string
		name, template, _ = strings.Cut(rest, "}")
		name, escaped := strings.CutSuffix(name, "|escaped")
		all = append(all, Piece{Field: name, Escaped: escaped})
	}
	return all
}

// IsHosted reports whether an issuer runs the first of the releases.
func (m *Model) IsHosted(issuer string) bool {
	if slices.Contains(m.Issuers, issuer) {
		return true
	}
	hosted, err := regexp.Compile(Whole(m.Hosted))
	return err == nil && m.Hosted != "" && hosted.MatchString(issuer)
}

// IsApp reports whether an account is a program's.
func (p *Parts) IsApp(account string) bool {
	apps, err := regexp.Compile(Whole(p.Apps))
	return err == nil && p.Apps != "" && apps.MatchString(account)
}

// TenantOf reports whether an issuer is one tenant's alone, and the fields that it settles.
func (m *Model) TenantOf(issuer string) (settled map[string]string, ok bool) {
	if m.Tenants == "" {
		return nil, false
	}
	pattern, err := regexp.Compile(Whole(m.Tenants))
	if err != nil {
		return nil, false
	}
	found := pattern.FindStringSubmatch(issuer)
	if found == nil {
		return nil, false
	}
	settled = map[string]string{}
	for i, field := range pattern.SubexpNames() {
		if field != "" {
			settled[field] = found[i]
		}
	}
	return settled, true
}

// Within reports whether a release lies in the span from since on and before until; an
// empty bound is none.
func Within(release, since, until string) bool {
	return (since == "" || compareReleases(release, since) >= 0) && (until == "" || compareReleases(release, until) < 0)
}

// compareReleases compares dotted numbers; what is no number counts as zero.
func compareReleases(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		if c := releasePart(x, i) - releasePart(y, i); c != 0 {
			return c
		}
	}
	return 0
}

func releasePart(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	digits := strings.TrimRight(parts[i], "-abcdefghijklmnopqrstuvwxyz")
	n, _ := strconv.Atoi(digits)
	return n
}
