package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/bundles"
	"github.com/trustcheck/trustcheck/gate/server"
)

// processVariable names the configuration of a process that is a gate and no
// test.
const processVariable = "GATE_PROCESS"

func TestMain(m *testing.M) {
	if path := os.Getenv(processVariable); path != "" {
		if err := gateProcess(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	os.Exit(m.Run())
}

// gateProcess serves until its standard input ends.
func gateProcess(path string) error {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	server.SetProcess(log)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config, err := server.ReadConfig(path)
	if err != nil {
		return err
	}
	bundle, err := bundles.Open(ctx, bundles.Options{})
	if err != nil {
		return err
	}
	s, err := server.Open(ctx, config, server.Environment{Bundle: bundle, Documents: documents,
		Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	fmt.Println(s.Addresses()[0], s.AdminAddress())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return s.Serve(ctx)
}

// process is a gate in a process of its own.
type process struct {
	URL, Admin string
	pid        int
}

// spawn starts a process; the test's end ends it.
func spawn(t testing.TB, path string) *process {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), processVariable+"="+path)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("the gate ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the gate does not start: %v", err)
	}
	addresses := strings.Fields(line)
	return &process{URL: addresses[0], Admin: addresses[1], pid: command.Process.Pid}
}

// cpu is the processor time that the process has used: fields 14 and 15 of
// proc(5)'s stat, in hundredths of a second.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		t.Skipf("processor time is read from /proc: %v", err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory is how many bytes of the process are in memory.
func (p *process) memory(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		t.Skipf("resident memory is read from /proc: %v", err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}
