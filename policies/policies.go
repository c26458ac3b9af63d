// Package policies embeds the one place where anything is decided: the bundle root of
// Rego in this folder. It holds no judgement in Go.
package policies

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/trustcheck/trustcheck/policies/platform"
	"github.com/trustcheck/trustcheck/policies/platform/aws"
	"github.com/trustcheck/trustcheck/policies/platform/azure"
	"github.com/trustcheck/trustcheck/policies/platform/gcp"
	"github.com/trustcheck/trustcheck/policies/platform/rego"
	"github.com/trustcheck/trustcheck/policies/platform/vault"
)

//go:embed .manifest trust match platform cel/cel.rego
var root embed.FS

// Platforms lists the relying parties, one line each.
func Platforms() platform.Platforms {
	platforms := platform.Platforms{}
	for _, known := range []platform.Platform{
		aws.Platform(),
		azure.Platform(),
		gcp.Platform(),
		rego.Platform(),
		vault.Platform(),
	} {
		platforms[known.Name] = known
	}
	return platforms
}

// Modules returns the text of every Rego file by its path below this folder, tests left
// out.
func Modules() (map[string]string, error) {
	modules := map[string]string{}
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		text, err := root.ReadFile(path)
		modules[path] = string(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded policies: %w", err)
	}
	return modules, nil
}

// Manifest returns the bundle's manifest.
func Manifest() ([]byte, error) { return root.ReadFile(".manifest") }
