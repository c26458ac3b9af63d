package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the console blocks of the READMEs by what their commands print")

// Every console block of every README is run, line by line as it stands there, from the
// repository's root.
func TestReadmeLies(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "trustcheck")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	readmes, err := exec.Command("git", "-C", root, "ls-files", "README.md", "*/README.md", "CONTRIBUTING.md").Output()
	if err != nil {
		t.Fatalf("list the READMEs: %v", err)
	}
	blocks := 0
	for readme := range strings.FieldsSeq(string(readmes)) {
		blocks += checkReadme(t, root, readme, filepath.Dir(binary))
	}
	if blocks == 0 {
		t.Fatal("no console block was run")
	}
}

func checkReadme(t *testing.T, root, readme, path string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, readme))
	if err != nil {
		t.Fatal(err)
	}
	var rewritten strings.Builder
	rest, blocks := string(text), 0
	for {
		before, after, found := strings.Cut(rest, "```console\n")
		rewritten.WriteString(before)
		if !found {
			break
		}
		block, remaining, _ := strings.Cut(after, "```")
		printed := runBlock(t, root, path, block)
		if printed != block && !*update {
			t.Errorf("%s: a console block is not true\n--- it says\n%s--- it prints\n%s", readme, block, printed)
		}
		rewritten.WriteString("```console\n" + printed + "```")
		rest, blocks = remaining, blocks+1
	}
	if *update && rewritten.String() != string(text) {
		if err := os.WriteFile(filepath.Join(root, readme), []byte(rewritten.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return blocks
}

// runBlock runs the commands of a block, each a line that begins with "$ " and goes on
// after a backslash, and returns the block with what they print.
func runBlock(t *testing.T, root, path, block string) string {
	t.Helper()
	var printed strings.Builder
	lines := strings.SplitAfter(block, "\n")
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			continue
		}
		printed.WriteString(lines[i])
		for strings.HasSuffix(lines[i], "\\\n") && i+1 < len(lines) {
			i++
			command += lines[i]
			printed.WriteString(lines[i])
		}
		shell := exec.Command("bash", "-c", command)
		shell.Dir = root
		shell.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"), "NO_COLOR=1")
		output, err := shell.CombinedOutput()
		if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
			t.Fatalf("%s: %v", command, err)
		}
		printed.Write(output)
	}
	return printed.String()
}
