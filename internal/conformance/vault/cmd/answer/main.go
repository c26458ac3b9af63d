// Answer reads lines of `trustcheck check --batch` from standard input and
// writes, for each, what the real Vault plugin says to it.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"

	"github.com/trustcheck/trustcheck/internal/conformance/vault"
)

func main() {
	vault.Main(func(o *vault.Oracle) error { return answer(o, os.Stdin, os.Stdout) })
}

// answer writes one object a line, in the order of the lines read: the answer
// with the line's id, or an error where the line cannot be asked.
func answer(o *vault.Oracle, r io.Reader, w io.Writer) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for lines.Scan() {
		out := struct {
			ID string `json:"id"`
			vault.Answer
			Error string `json:"error,omitempty"`
		}{}
		c, err := vault.ReadCase(lines.Bytes())
		if err == nil {
			out.ID = c.ID
			out.Answer, err = o.Answer(c)
		}
		if err != nil {
			out.Error = err.Error()
		}
		if err := enc.Encode(out); err != nil {
			return err
		}
	}
	return lines.Err()
}
