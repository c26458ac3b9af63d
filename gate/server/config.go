package server

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/gate/face"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the configuration.
func Schema() []byte { return bytes.Clone(schema) }

// Config is what a configuration file says. Relative paths in it are relative to
// the file.
type Config struct {
	Issuers   []IssuerConfig    `json:"issuers"`
	Rules     []string          `json:"rules"`
	Require   []string          `json:"require"`
	Roles     []RoleConfig      `json:"roles"`
	Listeners []ListenerConfig  `json:"listeners"`
	Admin     *AdminConfig      `json:"admin"`
	Replay    ReplayConfig      `json:"replay"`
	Identity  map[string]string `json:"identity"`
	Basic     bool              `json:"basic"`
	Realm     string            `json:"realm"`
	Log       struct {
		Claims []string `json:"claims"`
	} `json:"log"`
	Limits struct {
		Concurrency int      `json:"concurrency"`
		Evaluation  Duration `json:"evaluation"`
		KeyWait     Duration `json:"key_wait"`
		Shutdown    Duration `json:"shutdown"`
	} `json:"limits"`

	file  string
	lines map[string]int
}

// IssuerConfig says whose tokens are good.
type IssuerConfig struct {
	Issuer              string    `json:"issuer"`
	Audiences           []string  `json:"audiences"`
	JWKS                string    `json:"jwks"`
	Algorithms          []string  `json:"algorithms"`
	Leeway              *Duration `json:"leeway"`
	MaxLifetime         Duration  `json:"max_lifetime"`
	MaxAge              Duration  `json:"max_age"`
	MaxStale            Duration  `json:"max_stale"`
	LastGoodFile        string    `json:"last_good_file"`
	CAFile              string    `json:"ca_file"`
	AllowPrivateNetwork bool      `json:"allow_private_network"`
}

// RoleConfig is a file or directory of roles.
type RoleConfig struct {
	Path      string         `json:"path"`
	Name      string         `json:"name"`
	Platform  string         `json:"platform"`
	Context   map[string]any `json:"context"`
	SingleUse bool           `json:"single_use"`
}

// ListenerConfig is an address and what is answered there: HTTP routes or
// Envoy's gRPC.
type ListenerConfig struct {
	Address   string        `json:"address"`
	TLS       *TLSConfig    `json:"tls"`
	Routes    []RouteConfig `json:"routes"`
	EnvoyGRPC *struct {
		Role string `json:"role"`
	} `json:"envoy_grpc"`
}

// RouteConfig is a path, the protocol spoken there and the role asked for.
type RouteConfig struct {
	Path       string   `json:"path"`
	Face       string   `json:"face"`
	Role       string   `json:"role"`
	Roles      []string `json:"roles"`
	Kubernetes struct {
		UsernamePrefix *string  `json:"username_prefix"`
		Groups         []string `json:"groups"`
	} `json:"kubernetes"`
}

// AdminConfig is the operator's listener.
type AdminConfig struct {
	Address string     `json:"address"`
	TLS     *TLSConfig `json:"tls"`
}

// TLSConfig names PEM files.
type TLSConfig struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	ClientCA    string `json:"client_ca"`
}

// ReplayConfig says where spent tokens are remembered.
type ReplayConfig struct {
	Entries int `json:"entries"`
	Redis   *struct {
		Address      string   `json:"address"`
		Username     string   `json:"username"`
		PasswordFile string   `json:"password_file"`
		CAFile       string   `json:"ca_file"`
		Timeout      Duration `json:"timeout"`
	} `json:"redis"`
}

// Duration is written as in 50ms or 1h30m.
type Duration time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var spelled string
	if err := json.Unmarshal(text, &spelled); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(spelled)
	*d = Duration(parsed)
	return err
}

// ReadConfig reads a configuration file. Unknown and doubled members are errors;
// every error names the file and, where it has one, the line.
func ReadConfig(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseConfig(file, text)
}

// ParseConfig reads the text of a configuration file.
func ParseConfig(file string, text []byte) (*Config, error) {
	config := &Config{file: file, lines: map[string]int{}}
	value, err := config.yaml(text)
	if err != nil {
		return nil, err
	}
	if err := config.validate(value); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(config); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return config, config.check()
}

// at is an error at the member of a pointer, or at the nearest around it.
func (c *Config) at(pointer, format string, args ...any) error {
	where := pointer
	for c.lines[where] == 0 && where != "" {
		where = where[:strings.LastIndexByte(where, '/')]
	}
	return fmt.Errorf("%s:%d: %s%s", c.file, max(c.lines[where], 1), member(pointer), fmt.Sprintf(format, args...))
}

// member shows a pointer as people write it.
func member(pointer string) string {
	if pointer == "" {
		return ""
	}
	return strings.ReplaceAll(pointer[1:], "/", ".") + ": "
}

// yaml reads one YAML document and where its members stand.
func (c *Config) yaml(text []byte) (any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root, more yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s:1: want a configuration, got an empty file", c.file)
	case err != nil:
		return nil, c.yamlError(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: want one YAML document, got another one behind it", c.file, max(more.Line, 1))
	}
	return c.node(root.Content[0], "")
}

// yamlError puts the file and the line in front.
func (c *Config) yamlError(err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if line, what, ok := strings.Cut(rest, ": "); ok {
			return fmt.Errorf("%s:%s: %s", c.file, line, what)
		}
	}
	return fmt.Errorf("%s:1: %s", c.file, message)
}

// node turns YAML into JSON values. Anchors and aliases are refused: a file about
// who is admitted should say everything where it stands.
func (c *Config) node(n *yaml.Node, pointer string) (any, error) {
	if c.lines[pointer] == 0 {
		c.lines[pointer] = n.Line
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return nil, c.at(pointer, "want no anchors and aliases")
	}
	switch n.Kind {
	case yaml.MappingNode:
		return c.mapping(n, pointer)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			value, err := c.node(item, pointer+"/"+strconv.Itoa(i))
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	}
	return c.scalar(n, pointer)
}

func (c *Config) mapping(n *yaml.Node, pointer string) (any, error) {
	object := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key.Value)
		if key.Kind != yaml.ScalarNode || key.Tag != "!!str" {
			c.lines[at] = key.Line
			return nil, c.at(at, "want a text as the member's name")
		}
		if _, twice := object[key.Value]; twice {
			return nil, fmt.Errorf("%s:%d: %sis given twice, first in line %d", c.file, key.Line, member(at), c.lines[at])
		}
		c.lines[at] = key.Line
		value, err := c.node(n.Content[i+1], at)
		if err != nil {
			return nil, err
		}
		object[key.Value] = value
	}
	return object, nil
}

func (c *Config) scalar(n *yaml.Node, pointer string) (any, error) {
	switch n.Tag {
	case "!!str":
		return n.Value, nil
	case "!!bool":
		var value bool
		err := n.Decode(&value)
		return value, err
	case "!!null":
		return nil, nil
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value), nil
		}
	}
	return nil, c.at(pointer, "want a text, a JSON number, true or false, got %q: put it in quotes if it is a text", n.Value)
}

// validate holds the value against the schema and reports the innermost fault.
func (c *Config) validate(value any) error {
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("serve.json", bytes.NewReader(schema)); err != nil {
		return err
	}
	compiled, err := compiler.Compile("serve.json")
	if err != nil {
		return err
	}
	failure := (*jsonschema.ValidationError)(nil)
	if err := compiled.Validate(value); !errors.As(err, &failure) {
		return err
	}
	for len(failure.Causes) > 0 {
		failure = slices.MaxFunc(failure.Causes, func(a, b *jsonschema.ValidationError) int {
			return strings.Count(a.InstanceLocation, "/") - strings.Count(b.InstanceLocation, "/")
		})
	}
	return c.at(failure.InstanceLocation, "%s", failure.Message)
}

// check holds what the schema cannot say.
func (c *Config) check() error {
	if asked := time.Duration(c.Limits.Evaluation); asked > bundles.DefaultDeadline {
		return c.at("/limits/evaluation", "want at most %v, got %v", bundles.DefaultDeadline, asked)
	}
	for i, listener := range c.Listeners {
		paths := map[string]bool{}
		for j, route := range listener.Routes {
			at := fmt.Sprintf("/listeners/%d/routes/%d", i, j)
			if paths[route.Path] {
				return c.at(at+"/path", "is given twice on this listener")
			}
			paths[route.Path] = true
			if err := c.checkRoute(route, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Config) checkRoute(route RouteConfig, at string) error {
	wild := strings.Contains(route.Path, "{")
	ways := 0
	for _, given := range []bool{wild, route.Role != "", len(route.Roles) > 0} {
		if given {
			ways++
		}
	}
	switch {
	case wild && !wildcard(route.Path):
		return c.at(at+"/path", "want at most one whole segment {role}, got %q", route.Path)
	case wild && route.Face == "envoy":
		return c.at(at+"/path", "{role} stands in the path that envoy's client chooses; want role")
	case len(route.Roles) > 0 && route.Face != "check":
		return c.at(at+"/roles", "want them for face check only; others have no way to name one")
	case ways != 1:
		return c.at(at, "want one of {role} in the path, role and, for face check, roles")
	case route.Face != "kubernetes" && (route.Kubernetes.UsernamePrefix != nil || route.Kubernetes.Groups != nil):
		return c.at(at+"/kubernetes", "want it for face kubernetes only")
	}
	users := face.Kubernetes{UsernamePrefix: route.Kubernetes.UsernamePrefix, Groups: route.Kubernetes.Groups}
	if err := users.Check(); err != nil {
		return c.at(at+"/kubernetes", "%v", err)
	}
	return nil
}

// wildcard reports whether a path has exactly one segment {role}.
func wildcard(path string) bool {
	found := 0
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "{role}":
			found++
		case strings.ContainsAny(segment, "{}"):
			return false
		}
	}
	return found == 1
}

// path makes a path of the file absolute to the file's directory.
func (c *Config) path(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.file), path)
}
