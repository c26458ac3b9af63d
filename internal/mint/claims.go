// Package mint is an issuer for trying things: it makes throw-away keys, claims
// shaped as the CI systems shape them, and tokens. What it signs is worth
// nothing to anybody who was not told to trust its keys.
//
// Claims agree with each other by construction, as a real issuer's do: sub
// follows project_path and ref, namespace_path follows project_path, another
// project has another id. What a caller sets is never changed, so a token that
// contradicts itself takes saying so.
package mint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trustcheck/trustcheck/policies/issuer"
)

// Override sets one claim or takes it away.
type Override struct {
	Claim string
	// Value is decoded JSON, unless Text says that it is text still to be given
	// the type that the issuer uses for the claim.
	Value any
	Text  bool
	// Remove takes the claim away, whatever Value is.
	Remove bool
}

// ParseOverride reads claim=value, where the value gets the type that the issuer
// uses for the claim, or claim:=json, where it is what the JSON says.
// runner_id=5 is GitLab's integer 5, project_id=5 its text "5", project_id:=5 a
// number that GitLab would not mint.
func ParseOverride(s string) (Override, error) {
	claim, value, ok := strings.Cut(s, "=")
	if !ok {
		return Override{}, fmt.Errorf("claim %q: want claim=value or claim:=json, got no '='", s)
	}
	claim, isJSON := strings.CutSuffix(claim, ":")
	if claim == "" {
		return Override{}, fmt.Errorf("claim %q: want a name before '='", s)
	}
	if !isJSON {
		return Override{Claim: claim, Value: value, Text: true}, nil
	}
	v, err := decodeJSON(value)
	if err != nil {
		return Override{}, fmt.Errorf("claim %s: want JSON after ':=', got %q: %w", claim, value, err)
	}
	return Override{Claim: claim, Value: v}, nil
}

// Without takes a claim away.
func Without(claim string) Override { return Override{Claim: claim, Remove: true} }

func decodeJSON(s string) (any, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after the value")
	}
	return v, nil
}

// Shapes lists the tokens that Claims can shape, in alphabetical order:
//
//	github            GitHub Actions, subject repo:OWNER/REPOSITORY:…
//	github-immutable  the same with ids in the subject
//	gitlab            GitLab's id_tokens
//	gitlab-v1         GitLab's CI_JOB_JWT, removed in GitLab 17.0
//	gitlab-v2         GitLab's CI_JOB_JWT_V2, removed in GitLab 17.0
func Shapes() []string {
	return []string{"github", "github-immutable", "gitlab", "gitlab-v1", "gitlab-v2"}
}

// Claims returns the claims of a token of that shape issued at now, as decoded
// JSON with json.Number. Unless told otherwise it is from a push of alice's to
// main, protected, in acme/infra. It errs on an unknown shape, on a claim set
// twice, on a value that cannot have its claim's type, and on taking away a claim
// that is not there.
//
// Equal arguments give equal claims; jti differs where now does, by a nanosecond
// even.
func Claims(shape string, overrides []Override, now time.Time) (map[string]any, error) {
	name, fill, err := shapeOf(shape)
	if err != nil {
		return nil, err
	}
	d := &draft{given: map[string]any{}, claims: map[string]any{}, texts: map[string]string{}}
	removed := map[string]bool{}
	for _, o := range overrides {
		if _, twice := d.given[o.Claim]; twice || removed[o.Claim] {
			return nil, fmt.Errorf("claim %s is set twice", o.Claim)
		}
		if o.Remove {
			removed[o.Claim] = true
			continue
		}
		value, err := o.value(name)
		if err != nil {
			return nil, err
		}
		d.given[o.Claim] = value
	}
	fill(d, now)
	for _, claim := range slices.Sorted(maps.Keys(d.given)) {
		d.put(claim, nil)
	}
	for _, claim := range slices.Sorted(maps.Keys(removed)) {
		if _, ok := d.claims[claim]; !ok && claim != "jti" {
			return nil, fmt.Errorf("claim %s: nothing to take away, a token of shape %s has none here", claim, shape)
		}
		delete(d.claims, claim)
	}
	if removed["jti"] || d.has("jti") {
		return d.claims, nil
	}
	d.claims["jti"], err = tokenID(d.claims, now)
	return d.claims, err
}

// shapeOf returns the issuer of a shape and what fills its claims in.
func shapeOf(shape string) (name string, fill func(*draft, time.Time), err error) {
	switch shape {
	case "github":
		return issuer.GitHub, func(d *draft, now time.Time) { fillGitHub(d, now, false) }, nil
	case "github-immutable":
		return issuer.GitHub, func(d *draft, now time.Time) { fillGitHub(d, now, true) }, nil
	case "gitlab":
		return issuer.GitLab, fillIDToken, nil
	case "gitlab-v1":
		return issuer.GitLab, fillJobJWT, nil
	case "gitlab-v2":
		return issuer.GitLab, fillJobJWTV2, nil
	default:
		return "", nil, fmt.Errorf("unknown shape %q, want one of %s", shape, strings.Join(Shapes(), ", "))
	}
}

var integer = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// value gives the override's text the type that the issuer uses for the claim. A
// list is written with commas, which no group's path can hold.
func (o Override) value(name string) (any, error) {
	text, ok := o.Value.(string)
	if !o.Text || !ok {
		return o.Value, nil
	}
	switch issuer.TypeOf(name, o.Claim) {
	case "integer":
		if !integer.MatchString(text) {
			return nil, fmt.Errorf("claim %s: want an integer, got %q", o.Claim, text)
		}
		return json.Number(text), nil
	case "array":
		list := []any{}
		for element := range strings.SplitSeq(text, ",") {
			if element != "" {
				list = append(list, element)
			}
		}
		return list, nil
	case "object":
		return nil, fmt.Errorf("claim %s: want %s:=json, since it is an object, got %q", o.Claim, o.Claim, text)
	default:
		return text, nil
	}
}

// A draft is a token's claims while they are filled in, in an order in which each
// claim follows from those before it.
type draft struct {
	given  map[string]any
	claims map[string]any
	// texts holds, by claim, what other claims should follow.
	texts map[string]string
}

// put sets a claim to what was given for it, or else to the fallback.
func (d *draft) put(claim string, fallback any) any {
	value, ok := d.given[claim]
	if !ok {
		value = fallback
	}
	d.claims[claim] = value
	return value
}

// text puts a claim and returns what others should follow: its text, or the
// fallback where the caller gave something that is no text.
func (d *draft) text(claim, fallback string) string {
	d.texts[claim] = fallback
	if s, ok := d.put(claim, fallback).(string); ok {
		d.texts[claim] = s
	}
	return d.texts[claim]
}

// has reports whether the caller set one of the claims.
func (d *draft) has(claims ...string) bool {
	return slices.ContainsFunc(claims, func(c string) bool { _, ok := d.given[c]; return ok })
}

// givenText returns the text that the caller set a claim to, or "".
func (d *draft) givenText(claim string) string {
	s, _ := d.given[claim].(string)
	return s
}

// times puts iat, nbf and exp; nbf lies before, exp after iat, in seconds.
func (d *draft) times(now time.Time, before, after int64) {
	iat := now.Unix()
	if n, ok := d.put("iat", number(iat)).(json.Number); ok {
		if given, err := n.Int64(); err == nil {
			iat = given
		}
	}
	d.put("nbf", number(iat-before))
	d.put("exp", number(iat+after))
}

func number(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// id returns the database id that goes with a name: the same for the same name,
// another for another. The default token's are as small as in the vendors' pages.
func id(kind, name string) string {
	switch kind + " " + name {
	case "project acme/infra":
		return "20"
	case "namespace acme":
		return "72"
	case "user alice":
		return "1"
	case "repository acme/infra":
		return "456789"
	case "owner acme":
		return "123456"
	}
	sum := sha256.Sum256([]byte(kind + " " + name))
	return strconv.FormatUint(10_000_000+binary.BigEndian.Uint64(sum[:])%90_000_000, 10)
}

// parent returns what stands before the last slash, or everything.
func parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return name
}

// commit returns the digest of the commit that something points at.
func commit(where ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(where, "\x00")))
	return hex.EncodeToString(sum[:20])
}

// tokenID returns a UUID that differs for other claims and for another moment.
func tokenID(claims map[string]any, now time.Time) (string, error) {
	text, err := marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write the claims: %w", err)
	}
	sum := sha256.Sum256(strconv.AppendInt(text, now.UnixNano(), 10))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]), nil
}
