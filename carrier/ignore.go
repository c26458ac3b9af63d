package carrier

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ignore holds the ignore files of a directory and, through outer, of those around
// it (gitignore(5)).
type ignore struct {
	outer     *ignore
	directory string
	patterns  []ignorePattern
}

type ignorePattern struct {
	re      *regexp.Regexp
	negated bool
	dirOnly bool
}

// ignoreAbove reads the ignore files above directory, up to the repository's own.
func ignoreAbove(directory string) *ignore {
	var above []string
	for at := directory; ; {
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil {
			break
		}
		up := filepath.Dir(at)
		if up == at {
			return nil // Not in a repository.
		}
		above = append(above, up)
		at = up
	}
	var out *ignore
	for i := len(above) - 1; i >= 0; i-- {
		out = out.in(above[i])
	}
	return out
}

// in adds a directory's own ignore files.
func (g *ignore) in(directory string) *ignore {
	inner := &ignore{outer: g, directory: directory}
	for _, name := range []string{".gitignore", ".trustcheckignore"} {
		path := filepath.Join(directory, name)
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxText {
			continue
		}
		text, err := readFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if p, ok := parseIgnore(line); ok {
				inner.patterns = append(inner.patterns, p)
			}
		}
	}
	if inner.patterns == nil {
		return g
	}
	return inner
}

// match tells whether a path is excluded. The last pattern that matches counts, and
// those of a directory before those around it.
func (g *ignore) match(path string, isDir bool) bool {
	for ; g != nil; g = g.outer {
		relative, err := filepath.Rel(g.directory, path)
		if err != nil {
			continue
		}
		relative = filepath.ToSlash(relative)
		for i := len(g.patterns) - 1; i >= 0; i-- {
			if p := g.patterns[i]; (isDir || !p.dirOnly) && p.re.MatchString(relative) {
				return !p.negated
			}
		}
	}
	return false
}

// parseIgnore reads one line of an ignore file.
func parseIgnore(line string) (ignorePattern, bool) {
	line = strings.TrimRight(line, "\r\n")
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	var p ignorePattern
	if line == "" || line[0] == '#' {
		return p, false
	}
	line, p.negated = strings.CutPrefix(line, "!")
	line, p.dirOnly = strings.CutSuffix(line, "/")
	// A slash within the pattern ties it to the ignore file's directory.
	anchored := strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return p, false
	}
	pattern := globPattern(line)
	if !anchored {
		pattern = `(?:.*/)?` + pattern
	}
	re, err := regexp.Compile(`^(?s:` + pattern + `)$`)
	p.re = re
	return p, err == nil
}

// globPattern translates a glob: ** across directories, * and ? within one.
func globPattern(glob string) string {
	var b strings.Builder
	for i := 0; i < len(glob); {
		rest := glob[i:]
		switch {
		case strings.HasPrefix(rest, "**/") && (i == 0 || glob[i-1] == '/'):
			b.WriteString(`(?:.*/)?`)
			i += 3
		case rest == "**" && (i == 0 || glob[i-1] == '/'):
			b.WriteString(`.*`)
			i += 2
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			i++
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			i++
		case rest[0] == '[' && strings.IndexByte(rest[1:], ']') > 0:
			end := 1 + strings.IndexByte(rest[1:], ']')
			class := strings.ReplaceAll(rest[1:end], `\`, `\\`)
			if negated, ok := strings.CutPrefix(class, "!"); ok {
				class = "^/" + negated
			}
			b.WriteString("[" + class + "]")
			i += end + 1
		case rest[0] == '\\' && len(rest) > 1:
			b.WriteString(regexp.QuoteMeta(rest[1:2]))
			i += 2
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
			i++
		}
	}
	return b.String()
}
