// Command spec-tables copies the field tables of SPEC.md ("No., Field, Type, Bounds, Meaning and
// unit") into codec/fields.tsv: one line per field with message, field and bounds. The codec judges
// by that file, so its bounds are those of the text and not somebody's reading of it.
//
//	go run ./cmd/spec-tables ../../SPEC.md > codec/fields.tsv
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"regexp"
	"strings"
)

var (
	generated = regexp.MustCompile(`^<!-- generated: fields (\w+) -->$`)
	named     = regexp.MustCompile(`^(SignedEnvelope):$`)
	row       = regexp.MustCompile("^\\| \\d+ \\| `(\\w+)` \\| ([^|]+) \\| ([^|]+) \\|")
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: spec-tables SPEC.md")
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	message := ""
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		if match := generated.FindStringSubmatch(line); match != nil {
			message = match[1]
		} else if match := named.FindStringSubmatch(line); match != nil {
			message = match[1]
		} else if strings.HasPrefix(line, "<!-- /generated") || strings.HasPrefix(line, "#") {
			message = ""
		}
		if match := row.FindStringSubmatch(line); match != nil && message != "" {
			fmt.Printf("%s\t%s\t%s\n", message, match[1], strings.TrimSpace(match[3]))
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
