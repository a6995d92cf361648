// Package pairing is the exchange of SPEC 6.1: codes that people read to each other, CPace over
// X25519, seals, records, and the conversation on the pairing port.
package pairing

import (
	"math/big"
	"strings"
	"unicode"

	"ioe.example/interop/codec"
)

const (
	codeAlphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
	codeLength   = 8
)

// Draw makes a code of 16 random bytes: as one number, most significant byte first, whose digits to
// the base 31, the lowest first, are the seven characters.
func Draw(entropy []byte) string {
	left, base := new(big.Int).SetBytes(entropy), big.NewInt(int64(len(codeAlphabet)))
	var letters []byte
	for range codeLength - 1 {
		digit := new(big.Int)
		left.DivMod(left, base, digit)
		letters = append(letters, codeAlphabet[digit.Int64()])
	}
	return string(append(letters, checkCharacter(letters)))
}

// checkCharacter is the eighth character for seven valid ones.
func checkCharacter(letters []byte) byte {
	sum := 0
	for i, letter := range letters {
		sum += (i + 1) * strings.IndexByte(codeAlphabet, letter)
	}
	return codeAlphabet[sum%len(codeAlphabet)]
}

// Shown is a code as people see it.
func Shown(code string) string { return code[:4] + "-" + code[4:] }

// Typed reads a code that somebody typed (IOE-SES-410).
func Typed(text string) (string, error) {
	var letters []byte
	for _, letter := range strings.ToUpper(text) {
		if letter == '-' || unicode.IsSpace(letter) {
			continue
		}
		if letter > unicode.MaxASCII || strings.IndexByte(codeAlphabet, byte(letter)) < 0 {
			return "", codec.Refuse(codec.Malformed, "a code has no character %q", letter)
		}
		letters = append(letters, byte(letter))
	}
	if len(letters) != codeLength {
		return "", codec.Refuse(codec.Malformed, "a code has %d characters, not %d", codeLength, len(letters))
	}
	if checkCharacter(letters[:codeLength-1]) != letters[codeLength-1] {
		return "", codec.Refuse(codec.Malformed, "its check character is wrong")
	}
	return string(letters), nil
}
