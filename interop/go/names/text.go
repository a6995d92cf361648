package names

// The text form of 32-byte ids: bech32m (BIP 350), lower case only, 52 characters of id and 6 of
// checksum behind the prefix and a "1".

import (
	"fmt"
	"strings"
)

const (
	alphabet  = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32m   = 0x2bc830a3
	idLetters = 52
	sumLength = 6
)

// Text writes a 32-byte id with a prefix: "ioe" for nodes, "ioed" for domains.
func Text(prefix string, id []byte) string {
	words := toWords(id)
	padded := append(expand(prefix), words...)
	sum := polymod(append(padded, make([]byte, sumLength)...)) ^ bech32m
	for i := range sumLength {
		words = append(words, byte(sum>>(5*(sumLength-1-i)))&31)
	}
	text := []byte(prefix + "1")
	for _, word := range words {
		text = append(text, alphabet[word])
	}
	return string(text)
}

// ParseText reads what Text writes and nothing else (IOE-IDN-020).
func ParseText(prefix, text string) ([]byte, error) {
	body, found := strings.CutPrefix(text, prefix+"1")
	if !found || len(body) != idLetters+sumLength {
		return nil, fmt.Errorf("%q is not %s1 and %d characters", text, prefix, idLetters+sumLength)
	}
	words := make([]byte, 0, len(body))
	for _, letter := range []byte(body) {
		value := strings.IndexByte(alphabet, letter)
		if value < 0 {
			return nil, fmt.Errorf("%q has the character %q", text, letter)
		}
		words = append(words, byte(value))
	}
	if polymod(append(expand(prefix), words...)) != bech32m {
		return nil, fmt.Errorf("the checksum of %q is wrong", text)
	}
	return fromWords(words[:idLetters])
}

func expand(prefix string) []byte {
	var high, low []byte
	for _, letter := range []byte(prefix) {
		high, low = append(high, letter>>5), append(low, letter&31)
	}
	return append(append(high, 0), low...)
}

func polymod(values []byte) uint32 {
	generator := [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	sum := uint32(1)
	for _, value := range values {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(value)
		for i, factor := range generator {
			if top>>i&1 == 1 {
				sum ^= factor
			}
		}
	}
	return sum
}

func toWords(id []byte) []byte {
	var words []byte
	held, bits := uint32(0), 0
	for _, part := range id {
		held, bits = held<<8|uint32(part), bits+8
		for bits >= 5 {
			bits -= 5
			words = append(words, byte(held>>bits)&31)
		}
	}
	return append(words, byte(held<<(5-bits))&31)
}

func fromWords(words []byte) ([]byte, error) {
	var id []byte
	held, bits := uint32(0), 0
	for _, word := range words {
		held, bits = held<<5|uint32(word), bits+5
		if bits >= 8 {
			bits -= 8
			id = append(id, byte(held>>bits))
		}
	}
	if held&(1<<bits-1) != 0 {
		return nil, fmt.Errorf("the padding is not zero")
	}
	return id, nil
}
