package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

// configName is the file that is looked for in the working directory and above.
const configName = ".trustcheck.yaml"

// configKeys are the keys of a configuration file. Each stands for the flag of the same
// name, with - for _, and is used where that flag is not given; paths are relative to the
// file. config.schema.json says the same to editors.
var configKeys = map[string]bool{
	"issuer": false, "audience": false, "jwks": true, "algorithm": false, "leeway": false, "max_lifetime": false,
	"max_age": false, "ca_file": true, "allow_private_network": false, "role": true, "platform": false, "context": true,
	"rules": true, "require": false, "format": false, "scope": true, "facts": true, "issuer_model": false, "fail_on": false,
}

// ownConfig marks a command that reads a configuration file of its own kind.
const ownConfig = "own-config"

// onlyFlag marks a flag that no key stands for: another command's of that name means
// something else.
const onlyFlag = "only-flag"

// applyConfig sets the flags that were not given from the configuration file.
func (s *shared) applyConfig(command *cobra.Command) error {
	if command.Annotations[ownConfig] != "" {
		return nil
	}
	path, err := s.findConfig()
	if err != nil || path == "" {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(document.Content) == 0 {
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: want keys with values", path, root.Line)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if before, twice := seen[key.Value]; twice {
			return fmt.Errorf("%s:%d: %s: given twice, first in line %d", path, key.Line, key.Value, before)
		}
		seen[key.Value] = key.Line
		if err := applyKey(command, path, key, value); err != nil {
			return err
		}
	}
	return nil
}

func applyKey(command *cobra.Command, path string, key, value *yaml.Node) error {
	isPath, known := configKeys[key.Value]
	if !known {
		return fmt.Errorf("%s:%d: unknown key %q: want one of %s", path, key.Line, key.Value,
			strings.Join(slices.Sorted(maps.Keys(configKeys)), ", "))
	}
	values, err := scalars(value)
	if err != nil {
		return fmt.Errorf("%s:%d: %s: %w", path, value.Line, key.Value, err)
	}
	flag := command.Flags().Lookup(strings.ReplaceAll(key.Value, "_", "-"))
	if flag == nil || flag.Changed || flag.Annotations[onlyFlag] != nil {
		return nil
	}
	if len(values) > 1 && flag.Value.Type() != "stringArray" {
		return fmt.Errorf("%s:%d: %s: want one value, got a list", path, value.Line, key.Value)
	}
	for _, given := range values {
		if isPath && !filepath.IsAbs(given) && !strings.Contains(given, "://") {
			given = filepath.Join(filepath.Dir(path), given)
		}
		if err := flag.Value.Set(given); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", path, value.Line, key.Value, err)
		}
	}
	flag.Changed = true
	return nil
}

// scalars returns the texts of a value or of a list of values.
func scalars(value *yaml.Node) ([]string, error) {
	nodes := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		nodes = value.Content
	}
	values := make([]string, len(nodes))
	for i, node := range nodes {
		if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
			return nil, errors.New("want a value or a list of values")
		}
		values[i] = node.Value
	}
	return values, nil
}

// findConfig returns the file named by --config or the nearest one upward, empty if there
// is none.
func (s *shared) findConfig() (string, error) {
	if s.config != "" {
		return s.config, nil
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(folder, configName)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for the configuration: %w", err)
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", nil
		}
		folder = parent
	}
}
