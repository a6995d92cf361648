package codec

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"testing"

	"filippo.io/edwards25519"
)

// The eight encodings of points of small order, as RFC 8032 writes points.
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
}

// strangersSignature makes a signature under a key of small order, without any private key, whose R
// is of large order: R = S*B - k*A with S drawn until it fits.
func strangersSignature(t *testing.T, key, input []byte) []byte {
	t.Helper()
	point, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		t.Fatal(err)
	}
	for try := range 64 {
		seed := sha512.Sum512([]byte{byte(try)})
		s, _ := edwards25519.NewScalar().SetUniformBytes(seed[:])
		for order := range 8 {
			multiple := edwards25519.NewIdentityPoint()
			for range order {
				multiple.Add(multiple, point)
			}
			r := new(edwards25519.Point).Subtract(new(edwards25519.Point).ScalarBaseMult(s), multiple)
			signature := append(r.Bytes(), s.Bytes()...)
			if ed25519.Verify(key, input, signature) {
				return signature
			}
		}
	}
	t.Fatal("no signature found")
	return nil
}

// A key of small order is refused even where the equation holds and R is sound.
func TestKeysOfSmallOrder(t *testing.T) {
	for _, text := range smallOrder {
		key, _ := hex.DecodeString(text)
		input := []byte("anything")
		signature := strangersSignature(t, key, input)
		if !SoundPoint(signature[:32]) {
			t.Fatalf("%s: R is of small order, too: this would show nothing", text)
		}
		if StrictVerify(key, signature, input) {
			t.Errorf("%s is taken for a key", text)
		}
	}
}

// What one signs, the other verifies; a bit of anything spoils it.
func TestOrdinarySignatures(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	input := []byte("IOE1 and so on")
	signature := signWith(key, input)
	if !StrictVerify(signature.Key, signature.Signature, input) {
		t.Fatal("an ordinary signature is refused")
	}
	for i := range signature.Signature {
		signature.Signature[i] ^= 1
		if StrictVerify(signature.Key, signature.Signature, input) {
			t.Errorf("byte %d may be another", i)
		}
		signature.Signature[i] ^= 1
	}
}
