package names

import (
	"encoding/hex"
	"os"
	"regexp"
	"testing"
)

// The example of SPEC 2.7 has the digest that stands beside it.
func TestParameterDigest(t *testing.T) {
	text, err := os.ReadFile("../../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile("(?s)Example: `village`.*?and the digest\n`([0-9a-f]{64})`").FindSubmatch(text)
	if match == nil {
		t.Fatal("SPEC.md has no example of a parameter digest")
	}
	village := Parameters{"village", "EUR", 900, 300000, []int64{500000, 300000}, 16, 900000, 1100000, 5000, 0, 30}
	if got := hex.EncodeToString(village.Digest()); got != string(match[1]) {
		t.Errorf("the digest is %s, SPEC.md has %s", got, match[1])
	}
}

// The text form comes back as the id, and no other text is read.
func TestTextForm(t *testing.T) {
	id := Node([]byte("some key"))
	text := Text("ioe", id)
	if back, err := ParseText("ioe", text); err != nil || string(back) != string(id) {
		t.Errorf("%s comes back as %x (%v)", text, back, err)
	}
	for i := range text {
		spoilt := []byte(text)
		spoilt[i] = "qp"[b2i(spoilt[i] == 'q')]
		if string(spoilt) == text {
			continue
		}
		if _, err := ParseText("ioe", string(spoilt)); err == nil {
			t.Errorf("%s is read", spoilt)
		}
	}
}

func b2i(truth bool) int {
	if truth {
		return 1
	}
	return 0
}
