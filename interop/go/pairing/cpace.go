package pairing

// CPACE-X25519-SHA512 as SPEC 6.1.4 writes it out.

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha512"
	"math/big"
	"slices"

	"ioe.example/interop/codec"
)

const curveA = 486662

var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// lv puts the length of x in front of it, seven bits a byte, least significant first.
func lv(x []byte) []byte {
	var head []byte
	length := len(x)
	for ; length >= 0x80; length >>= 7 {
		head = append(head, byte(length)|0x80)
	}
	return append(append(head, byte(length)), x...)
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// GeneratorString is what the generator of an exchange is hashed from.
func GeneratorString(secret, channel, sid []byte) []byte {
	tag := lv([]byte("CPace255"))
	pad := make([]byte, max(0, 127-len(lv(secret))-len(tag)))
	return joined(tag, lv(secret), lv(pad), lv(channel), lv(sid))
}

// Generator maps a string to a point by Elligator 2.
func Generator(text []byte) []byte {
	sum := sha512.Sum512(text)
	r := littleEndian(sum[:32])
	r.SetBit(r, 255, 0)
	below := new(big.Int).Mul(r, r)
	below.Lsh(below, 1).Add(below, big.NewInt(1)).Mod(below, prime)
	w := big.NewInt(-curveA)
	w.Mul(w, below.ModInverse(below, prime)).Mod(w, prime)
	g := w
	if !isSquare(curve(w)) {
		g = new(big.Int).Neg(w)
		g.Sub(g, big.NewInt(curveA)).Mod(g, prime)
	}
	bigEndian := g.FillBytes(make([]byte, 32))
	slices.Reverse(bigEndian)
	return bigEndian
}

// curve is w^3 + A*w^2 + w.
func curve(w *big.Int) *big.Int {
	value := new(big.Int).Add(w, big.NewInt(curveA))
	value.Mul(value, w).Add(value, big.NewInt(1)).Mul(value, w)
	return value.Mod(value, prime)
}

func isSquare(value *big.Int) bool {
	half := new(big.Int).Rsh(new(big.Int).Sub(prime, big.NewInt(1)), 1)
	return new(big.Int).Exp(value, half, prime).Cmp(big.NewInt(1)) == 0
}

func littleEndian(data []byte) *big.Int {
	reversed := slices.Clone(data)
	slices.Reverse(reversed)
	return new(big.Int).SetBytes(reversed)
}

// Share multiplies a point by a secret scalar; a result of zero is refused (IOE-SES-450).
func Share(scalar, point []byte) ([]byte, error) {
	private, err := ecdh.X25519().NewPrivateKey(scalar)
	if err != nil {
		return nil, codec.Refuse(codec.Malformed, "a scalar of %d bytes", len(scalar))
	}
	public, err := ecdh.X25519().NewPublicKey(point)
	if err != nil {
		return nil, codec.Refuse(codec.Malformed, "a share of %d bytes", len(point))
	}
	shared, err := private.ECDH(public)
	if err != nil {
		return nil, codec.Refuse(codec.BadSignature, "a share of small order")
	}
	return shared, nil
}

// Agreement is what both sides have once they know both shares.
type Agreement struct{ ISK, MacKey, TagA, TagB []byte }

// Agree derives everything from the shared point.
func Agree(sid, shared, shareA, dataA, shareB, dataB []byte) Agreement {
	isk := sha512.Sum512(joined(lv([]byte("CPace255_ISK")), lv(sid), lv(shared),
		lv(shareA), lv(dataA), lv(shareB), lv(dataB)))
	mac := sha512.Sum512(joined([]byte("CPaceMac"), sid, isk[:]))
	return Agreement{isk[:], mac[:], tag(mac[:], shareA, dataA), tag(mac[:], shareB, dataB)}
}

func tag(key, share, data []byte) []byte {
	mac := hmac.New(sha512.New, key)
	mac.Write(lv(share))
	mac.Write(lv(data))
	return mac.Sum(nil)
}
