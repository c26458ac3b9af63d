package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/carrier"
	"github.com/trustcheck/trustcheck/policies/platform/rego"
)

// openBundle loads the policies and the user's own rules.
func openBundle(ctx context.Context, paths, require []string) (*bundles.Bundle, error) {
	rules := map[string]string{}
	for _, path := range paths {
		files, err := filesBelow(path)
		if err != nil {
			return nil, fmt.Errorf("read the rules: %w", err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, ".rego") || strings.HasSuffix(file, "_test.rego") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read the rules: %w", err)
			}
			rules[file] = string(text)
		}
	}
	return bundles.Open(ctx, bundles.Options{Rules: rules, Require: require})
}

// filesBelow lists a file, or the files of a directory in order.
func filesBelow(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, file)
		}
		return err
	})
	return files, err
}

// loadRoles reads and prepares every role that the paths hold. What is no role at all is
// passed over in a directory and an error in a file that was named.
func loadRoles(ctx context.Context, bundle *bundles.Bundle, paths []string, platform string, surroundings map[string]any) ([]*bundles.Role, error) {
	if len(paths) == 0 {
		return nil, errors.New("want --role, a file or directory with roles")
	}
	var roles []*bundles.Role
	for _, path := range paths {
		files, err := filesBelow(path)
		if err != nil {
			return nil, fmt.Errorf("read the role: %w", err)
		}
		named := len(files) == 1 && files[0] == path
		before := len(roles)
		for _, file := range files {
			read, err := rolesOf(ctx, bundle, file, platform, named, surroundings)
			if err != nil {
				return nil, err
			}
			roles = append(roles, read...)
		}
		if len(roles) == before {
			return nil, fmt.Errorf("%s: no role found: want a role of %s", path, strings.Join(bundle.Platforms(), ", "))
		}
	}
	return roles, nil
}

func rolesOf(ctx context.Context, bundle *bundles.Bundle, file, platform string, named bool, surroundings map[string]any) ([]*bundles.Role, error) {
	docs, err := documents(file)
	if err != nil {
		return nil, err
	}
	var roles []*bundles.Role
	for _, doc := range docs {
		if _, err := bundle.Platform(platform, doc); err != nil {
			if named && len(docs) == 1 {
				return nil, err
			}
			continue
		}
		role, err := bundle.Prepare(ctx, doc, platform, surroundings)
		if err != nil {
			return nil, err
		}
		if role.Ref.Name == "" {
			role.Ref.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		}
		if role.Refused != "" {
			return nil, fmt.Errorf("%s:%d: %s would refuse to store this role: %s", file, doc.Line, role.Ref.Platform, role.Refused)
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// documents reads the documents of one file.
func documents(file string) ([]*trustcheck.Document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the role: %w", err)
	}
	if strings.HasSuffix(file, ".rego") {
		return []*trustcheck.Document{{Kind: rego.Kind, File: file, Line: 1, Value: string(text)}}, nil
	}
	return carrier.Read(file, text)
}
