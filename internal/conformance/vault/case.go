// Package vault holds trustcheck's Vault platform against the real thing: it
// runs HashiCorp's vault-plugin-auth-jwt in process, with storage in memory and
// a clock of its own, and answers cases as that plugin answers them.
//
// It is a module of its own, for tests only. Nothing of trustcheck imports it.
package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Case is one line of `trustcheck check --batch` for the platform vault, and
// what is known about its answer: Title, Want, Provenance and Source.
type Case struct {
	ID       string `json:"id"`
	Title    string `json:"title,omitempty"`
	Platform string `json:"platform,omitempty"`
	// Role is a write body, or what `vault read` prints: an object whose member
	// "data" is the stored role.
	Role    json.RawMessage `json:"role"`
	Context Context         `json:"context,omitzero"`
	// Claims is the token's payload; ClaimsText stands for it where number
	// spelling or members given twice matter.
	Claims     json.RawMessage `json:"claims,omitempty"`
	ClaimsText *string         `json:"claims_text,omitempty"`
	// Now is a number or a text: Unix seconds with up to nine decimals, or RFC
	// 3339. Not before the year 2000, where the oracle's clock starts.
	Now json.RawMessage `json:"now"`

	Want       *Answer `json:"want,omitempty"`
	Provenance string  `json:"provenance,omitempty"`
	Source     string  `json:"source,omitempty"`
}

// Context is what Vault knows beside role and token.
type Context struct {
	// Config is the body of a write to the auth method's config. Key sources are
	// replaced by the oracle's own of the same kind; without any, static keys.
	Config map[string]any `json:"config,omitempty"`
	// RemoteAddr is the caller's address as Vault's core hands it to the plugin.
	RemoteAddr *string `json:"remote_addr,omitempty"`
	// Header has the token's header members; Alg overrides its "alg".
	Header   map[string]any `json:"header,omitempty"`
	Alg      *string        `json:"alg,omitempty"`
	RoleName string         `json:"role_name,omitempty"`
	Version  string         `json:"version,omitempty"`
	Flavor   string         `json:"flavor,omitempty"`
}

// Answer is what came out. Either RoleError, ConfigError or Verdict is set.
type Answer struct {
	Verdict string `json:"verdict,omitempty"` // "allow" or "deny"
	// Stage names the check that refused; the names are those of stageOf.
	Stage string `json:"stage,omitempty"`
	// Message is Vault's text. Where Vault walks a map and more than one entry
	// could be named, it is the text for the first of them by byte order.
	Message string `json:"message,omitempty"`
	// RoleError and ConfigError are the texts with which Vault refuses to store.
	RoleError   string `json:"role_error,omitempty"`
	ConfigError string `json:"config_error,omitempty"`
}

// ReadCases reads a JSON list of cases. A member that Case does not know is an
// error: a misspelt expectation would expect nothing.
func ReadCases(r io.Reader) ([]Case, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	dec.UseNumber()
	var cases []Case
	if err := dec.Decode(&cases); err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	return cases, nil
}

// ReadCase reads one line of a batch, as strictly as ReadCases.
func ReadCase(line []byte) (Case, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	var c Case
	if err := dec.Decode(&c); err != nil {
		return Case{}, fmt.Errorf("read case: %w", err)
	}
	return c, nil
}

// Line returns the case as one line of check --batch, without what is known
// about its answer.
func (c Case) Line() ([]byte, error) {
	c.Title, c.Want, c.Provenance, c.Source = "", nil, "", ""
	c.Platform = "vault"
	return encode(c)
}

// encode is json.Marshal without the escapes for HTML, on one line.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c Case) payload() ([]byte, error) {
	switch {
	case c.ClaimsText != nil:
		return []byte(*c.ClaimsText), nil
	case c.Claims != nil:
		return c.Claims, nil
	}
	return nil, errors.New("neither claims nor claims_text")
}

func (c Case) time() (time.Time, error) {
	text := string(c.Now)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(c.Now, &text); err != nil {
			return time.Time{}, fmt.Errorf("now: %w", err)
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) > 9 {
		return time.Time{}, fmt.Errorf("now: want at most nine decimals, got %q", text)
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("now: want Unix seconds or RFC 3339, got %q", text)
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("now: want Unix seconds or RFC 3339, got %q", text)
	}
	return time.Unix(seconds, nanos), nil
}
