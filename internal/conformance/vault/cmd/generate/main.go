// Generate writes cases for the platform vault, one a line, as `trustcheck check
// --batch` reads them, with the real plugin's answer as the member "want".
//
//	go run ./cmd/generate -seed 7 -n 10000
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/trustcheck/trustcheck/internal/conformance/vault"
)

func main() {
	seed := flag.Uint64("seed", 1, "the `seed`; the same one makes the same cases")
	n := flag.Uint64("n", 1000, "how many cases")
	flag.Parse()
	vault.Main(func(o *vault.Oracle) error { return generate(o, *seed, *n) })
}

func generate(o *vault.Oracle, seed, n uint64) error {
	out := bufio.NewWriter(os.Stdout)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for i := range n {
		c := vault.Generate(seed, i)
		want, err := o.Answer(c)
		if err != nil {
			return fmt.Errorf("case %s: %w", c.ID, err)
		}
		c.Want = &want
		if err := enc.Encode(c); err != nil {
			return err
		}
	}
	return out.Flush()
}
