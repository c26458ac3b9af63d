package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/trustcheck/trustcheck"
	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/carrier"
	"github.com/trustcheck/trustcheck/policies/platform"
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
func loadRoles(ctx context.Context, bundle *bundles.Bundle, paths []string, name string, surroundings map[string]any) ([]*bundles.Role, error) {
	if len(paths) == 0 {
		return nil, errors.New("want --role, a file or directory with roles")
	}
	var roles []*bundles.Role
	for _, path := range paths {
		docs, err := documentsBelow(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("read the role: %w", err)
		}
		read, err := rolesOf(ctx, bundle, docs, name, surroundings)
		if err != nil {
			return nil, err
		}
		if len(read) == 0 {
			return nil, noRole(bundle, path, name, docs)
		}
		roles = append(roles, read...)
	}
	return roles, nil
}

// noRole says why nothing among the documents is a role.
func noRole(bundle *bundles.Bundle, path, name string, docs []*trustcheck.Document) error {
	if len(docs) == 1 {
		if _, err := bundle.Platform(name, docs[0]); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: no role found: want a role of %s", path, strings.Join(bundle.Platforms(), ", "))
}

// documentsBelow reads a file, or all files of a directory.
func documentsBelow(ctx context.Context, path string) ([]*trustcheck.Document, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return documents(path)
	}
	var docs []*trustcheck.Document
	err = carrier.Walk(ctx, []string{path}, func(result carrier.Result) error {
		docs = append(docs, result.Documents...)
		return result.Err
	})
	return docs, err
}

// rolesOf prepares the documents that are roles.
func rolesOf(ctx context.Context, bundle *bundles.Bundle, docs []*trustcheck.Document, name string, surroundings map[string]any) ([]*bundles.Role, error) {
	var roles []*bundles.Role
	for _, doc := range docs {
		known, err := bundle.Platform(name, doc)
		if err != nil || (name != "" && len(docs) > 1 && !known.Recognise(doc)) {
			continue
		}
		role, err := bundle.Prepare(ctx, doc, known.Name, surroundingsOf(known, doc, docs, surroundings))
		if err != nil {
			return nil, err
		}
		if role.Ref.Name == "" {
			role.Ref.Name = strings.TrimSuffix(filepath.Base(doc.File), filepath.Ext(doc.File))
		}
		if role.Refused != "" {
			return nil, fmt.Errorf("%s:%d: %s would refuse to store this role: %s", doc.File, doc.Line, role.Ref.Platform, role.Refused)
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// surroundingsOf adds to the context what was read together with a role, unless it is given.
func surroundingsOf(known platform.Platform, doc *trustcheck.Document, docs []*trustcheck.Document, given map[string]any) map[string]any {
	all := maps.Clone(given)
	if known.Beside == nil {
		return all
	}
	for key, value := range known.Beside(doc, docs) {
		if _, stated := all[key]; !stated {
			all[key] = value
		}
	}
	return all
}

// prepared is a role with what it was prepared from, and with what is known beside it.
type prepared struct {
	role     *bundles.Role
	document *trustcheck.Document
	context  map[string]any
}

// eachRoleBelow visits the roles of a file or directory one after the other. What is no role
// is passed over in a directory, and an error in a file that was named. A file that cannot be
// read may hold the broadest role of all: the rest is visited, and the errors are returned.
func eachRoleBelow(ctx context.Context, bundle *bundles.Bundle, path, platform string, given map[string]any, visit func(prepared) error) error {
	docs, unread := readableBelow(ctx, path)
	if len(docs) == 1 && unread == nil && isFile(path) {
		if _, err := bundle.Platform(platform, docs[0]); err != nil {
			return err
		}
	}
	return errors.Join(unread, eachRole(ctx, bundle, docs, platform, given, visit))
}

// eachRole visits the roles among documents that were read together.
func eachRole(ctx context.Context, bundle *bundles.Bundle, docs []*trustcheck.Document, platform string, given map[string]any, visit func(prepared) error) error {
	var wrong error
	for _, doc := range docs {
		known, err := bundle.Platform(platform, doc)
		if err != nil || (platform != "" && len(docs) > 1 && !known.Recognise(doc)) {
			continue
		}
		found := prepared{document: doc, context: surroundingsOf(known, doc, docs, given)}
		if found.role, err = bundle.Prepare(ctx, doc, known.Name, found.context); err == nil {
			if found.role.Ref.Name == "" {
				found.role.Ref.Name = strings.TrimSuffix(filepath.Base(doc.File), filepath.Ext(doc.File))
			}
			err = visit(found)
		}
		wrong = errors.Join(wrong, err)
	}
	return wrong
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// readableBelow reads what it can of a file or directory, and returns why it could not read
// the rest.
func readableBelow(ctx context.Context, path string) ([]*trustcheck.Document, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return documents(path)
	}
	var docs []*trustcheck.Document
	var unread error
	err = carrier.Walk(ctx, []string{path}, func(result carrier.Result) error {
		docs = append(docs, result.Documents...)
		unread = errors.Join(unread, result.Err)
		return nil
	})
	return docs, errors.Join(unread, err)
}

// documents reads the documents of one file.
func documents(file string) ([]*trustcheck.Document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(text)) == "" {
		return nil, fmt.Errorf("%s:1: want a role, got an empty file", file)
	}
	return carrier.Read(file, text)
}
