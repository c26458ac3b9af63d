package carrier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// Result is what one file holds, or, for Terraform's files, one directory. Err
// joins one *trustcheck.ReadError for each thing that is wrong; documents may come
// with it.
type Result struct {
	Path      string
	Documents []*trustcheck.Document
	Err       error
}

// Walk reads files and directories and hands each result to visit, in the order of
// paths and, below a directory, of names. Files are read in parallel and visited
// one after the other; an error of visit, or a cancelled context, ends the walk.
//
// Below a directory it passes over what .gitignore and .trustcheckignore files
// exclude, files whose name is of no known format, binary files, the directories
// .git, .hg, .svn and .terraform, and symbolic links, except those that give a file
// below the directory the only name by which its format is known. A path named in
// paths is read whatever its name.
func Walk(ctx context.Context, paths []string, visit func(Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A slot for each result under way keeps order, and bounds what is in memory.
	pending := make(chan chan Result, 2*runtime.GOMAXPROCS(0))
	go func() {
		defer close(pending)
		slots := make(chan struct{}, runtime.GOMAXPROCS(0))
		for _, path := range paths {
			walkPath(path, func(u unit) bool {
				result := make(chan Result, 1)
				select {
				case pending <- result:
				case <-ctx.Done():
					return false
				}
				slots <- struct{}{}
				go func() {
					defer func() { <-slots }()
					result <- u.read()
				}()
				return true
			})
		}
	}()
	for result := range pending {
		select {
		case r := <-result:
			if err := visit(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// unit is what is read at once: a file, or a directory's Terraform files, of which
// the one called only gives documents, or all.
type unit struct {
	path  string
	named bool // by the user, not found in a directory
	files []string
	only  string
	err   error
}

func (u unit) read() (result Result) {
	result.Path = u.path
	defer func() {
		if p := recover(); p != nil {
			result.Err = fmt.Errorf("%s: reading failed: %v", u.path, p)
		}
	}()
	if u.err != nil {
		result.Err = u.err
		return result
	}
	if u.files != nil {
		return u.readModule()
	}
	text, err := readFile(u.path)
	if err != nil {
		result.Err = err
		return result
	}
	if !u.named && isBinary(text) {
		return result
	}
	result.Documents, result.Err = Read(u.path, text)
	return result
}

func (u unit) readModule() Result {
	texts := map[string][]byte{}
	var errs []error
	for _, file := range u.files {
		text, err := readFile(file)
		if err != nil {
			errs = append(errs, err)
		}
		texts[file] = text
	}
	directory := filepath.Dir(u.files[0])
	docs, err := readModule(texts, func(name string) ([]byte, error) { return readInside(directory, name) })
	if u.only != "" {
		docs = onlyFrom(docs, u.only)
	}
	return Result{Path: u.path, Documents: docs, Err: errors.Join(append(errs, err)...)}
}

func onlyFrom(docs []*trustcheck.Document, file string) []*trustcheck.Document {
	var out []*trustcheck.Document
	for _, doc := range docs {
		if doc.File == file {
			out = append(out, doc)
		}
	}
	return out
}

// isBinary takes a file for binary as git does: by a NUL byte near its beginning.
// UTF-16 text has those too, and is named as such.
func isBinary(text []byte) bool {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return false
	}
	return bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: want a file, got a directory", path)
	}
	if info.Size() > maxFileSize {
		return nil, fmt.Errorf("%s: want at most %d bytes, got %d", path, maxFileSize, info.Size())
	}
	buffer := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := buffer.ReadFrom(io.LimitReader(f, maxFileSize+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return buffer.Bytes(), nil
}

// readInside reads a file that a configuration names, below its own directory
// only, wherever links may lead.
func readInside(directory, name string) ([]byte, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name = filepath.Clean(name)
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: want a file", name) // A pipe would never end.
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("want at most %d bytes, got more", maxText)
	}
	return text, err
}

// walkPath finds the units at or below path; each returns false to stop.
func walkPath(path string, each func(unit) bool) {
	info, err := os.Stat(path)
	if err != nil {
		each(unit{path: path, err: err})
		return
	}
	if !info.IsDir() {
		if formatByName(path) == formatHCL {
			each(unit{path: path, named: true, files: moduleOf(path), only: path})
			return
		}
		each(unit{path: path, named: true})
		return
	}
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		each(unit{path: path, err: err})
		return
	}
	w := &walker{root: real, each: each}
	w.directory(path, real, ignoreAbove(real))
}

// moduleOf lists the Terraform files beside a file, with it.
func moduleOf(path string) []string {
	files := []string{path}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return files
	}
	for _, e := range entries {
		beside := filepath.Join(filepath.Dir(path), e.Name())
		if e.Type().IsRegular() && isModuleFile(e.Name()) && e.Name() != filepath.Base(path) {
			files = append(files, beside)
		}
	}
	return files
}

// isModuleFile names the files that Terraform itself reads of a directory.
func isModuleFile(name string) bool {
	if isVariables(name) {
		return name == "terraform.tfvars" || name == "terraform.tfvars.json" || hasSuffix(name, ".auto.tfvars", ".auto.tfvars.json")
	}
	return formatByName(name) == formatHCL
}

type walker struct {
	root string // the directory's path without links
	each func(unit) bool
}

// directory walks one directory, files and directories together in the order of
// their names; its Terraform files come first. real is its path without links.
func (w *walker) directory(path, real string, outer *ignore) bool {
	entries, err := os.ReadDir(path)
	if err != nil {
		return w.each(unit{path: path, err: err})
	}
	ignored := outer.in(real)
	var module, others []string
	directories := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		switch {
		case ignored.match(filepath.Join(real, name), e.IsDir()):
		case e.IsDir():
			if !isPassedOver(name) {
				others = append(others, name)
				directories[name] = true
			}
		case !e.Type().IsRegular() && !w.isOnlyName(filepath.Join(real, name), e):
		case isModuleFile(name):
			module = append(module, filepath.Join(path, name))
		case formatByName(name) != formatNone && formatByName(name) != formatHCL:
			others = append(others, name)
		}
	}
	if hasConfiguration(module) && !w.each(unit{path: path, files: module}) {
		return false
	}
	for _, name := range others { // in the order of names, as ReadDir has them
		inner := filepath.Join(path, name)
		if directories[name] {
			if !w.directory(inner, filepath.Join(real, name), ignored) {
				return false
			}
		} else if !w.each(unit{path: inner}) {
			return false
		}
	}
	return true
}

func hasConfiguration(files []string) bool {
	for _, file := range files {
		if !isVariables(file) {
			return true
		}
	}
	return false
}

func isPassedOver(name string) bool {
	return name == ".git" || name == ".hg" || name == ".svn" || name == ".terraform"
}

// isOnlyName tells whether a link names a file below the root that the walk will
// not come across by a name of its own. Directories need no links: those below the
// root are walked, all others are none of ours.
func (w *walker) isOnlyName(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return false
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil || !strings.HasPrefix(target, w.root+string(filepath.Separator)) {
		return false
	}
	info, err := os.Stat(target)
	return err == nil && info.Mode().IsRegular() && formatByName(target) == formatNone
}
