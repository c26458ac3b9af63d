// Command trustcheck verifies the OIDC tokens of CI systems and says what a relying
// party would answer for them, and why.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/trustcheck/trustcheck/internal/report"
)

// Exit codes; contracts other programs script against.
const (
	exitYes       = 0
	exitNo        = 1
	exitMisused   = 2
	exitUndecided = 3
	exitNoInput   = 4
)

// exit ends the program with a code after everything has been printed; anything else that
// a command returns is a message for the user and exit code 2.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// tokenText is what a JWT looks like in a message: somebody put it where a file was wanted.
var tokenText = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{6,}[A-Za-z0-9_.-]*`)

// withoutTokens takes what looks like a token out of a message.
func withoutTokens(message string) string {
	return tokenText.ReplaceAllString(message, "(a token)")
}

func run(ctx context.Context, arguments []string, std streams) int {
	root := rootCommand(std)
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	if code := exit(0); errors.As(err, &code) {
		return int(code)
	}
	if err != nil {
		fmt.Fprintf(std.err, "trustcheck: %s\n", report.Printable(withoutTokens(err.Error())))
		return exitMisused
	}
	return exitYes
}
