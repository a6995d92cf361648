package fsm

import (
	"os"
	"strings"
	"testing"
)

// table reads a generated table of SPEC.md: state, event, cell.
func table(t *testing.T, name string) map[[2]string]string {
	t.Helper()
	text, err := os.ReadFile("../../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- generated: "+name+" -->\n")
	if !found {
		t.Fatalf("SPEC.md has no table %s", name)
	}
	rest, _, _ = strings.Cut(rest, "<!-- /generated")
	var events []string
	cells := map[[2]string]string{}
	for i, line := range strings.Split(strings.TrimSpace(rest), "\n") {
		row := strings.Split(strings.Trim(line, "| "), " | ")
		switch {
		case i == 0:
			events = row[1:]
		case i > 1:
			for j, cell := range row[1:] {
				cells[[2]string{row[0], events[j]}] = cell
			}
		}
	}
	if len(cells) != 88 {
		t.Fatalf("%d cells in %s", len(cells), name)
	}
	return cells
}

func stateNamed(name string) string {
	if name == "NEW" {
		return newState
	}
	return name
}

// What was written from the prose of section 10 is what its table of states says.
func TestStatesAreThoseOfTheTable(t *testing.T) {
	for key, cell := range table(t, "reservation-fsm") {
		state := stateNamed(key[0])
		next, code := Next(state, key[1])
		got := "**" + next + "**"
		if code != "" {
			got = "`" + string(code) + "`"
		} else if next == state {
			got = "stays"
		}
		if got != cell {
			t.Errorf("%s, %s: %s here, %s in SPEC.md", key[0], key[1], got, cell)
		}
	}
}

// What was written from the prose of section 10 is what its table of answers says.
func TestAnswersAreThoseOfTheTable(t *testing.T) {
	for key, cell := range table(t, "reservation-answers") {
		var sent []string
		for _, one := range Answers(stateNamed(key[0]), key[1]) {
			sent = append(sent, one.Object+" "+one.Toward[:1])
		}
		got := strings.Join(sent, ", ")
		if got == "" {
			got = "-"
		}
		if got != cell {
			t.Errorf("%s, %s: %s here, %s in SPEC.md", key[0], key[1], got, cell)
		}
	}
}
