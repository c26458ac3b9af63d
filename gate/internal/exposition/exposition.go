// Package exposition writes Prometheus' text format, version 0.0.4.
package exposition

import (
	"fmt"
	"strconv"
	"strings"
)

// Describe writes the two lines before a metric's samples.
func Describe(b *strings.Builder, name, kind, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// Sample writes one sample; labels are names and values in turn.
func Sample(b *strings.Builder, name string, value float64, labels ...string) {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	b.WriteString(name)
	before := "{"
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteString(before + labels[i] + `="` + escape.Replace(labels[i+1]) + `"`)
		before = ","
	}
	if len(labels) > 0 {
		b.WriteString("}")
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}
