package codec

// strict_verify of SPEC 4.6. The equation itself is left to crypto/ed25519, which computes
// S*B - k*A without cofactor, refuses S >= L and compares encodings; what it lets pass (encodings
// that are not canonical, points of small order) is refused before it is asked.

import (
	"crypto/ed25519"
	"math/big"
)

var (
	fieldPrime, _ = new(big.Int).SetString("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", 16)
	order8Y, _    = new(big.Int).SetString("7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7", 16)
	smallOrderYs  = []*big.Int{
		big.NewInt(0), big.NewInt(1), new(big.Int).Sub(fieldPrime, big.NewInt(1)),
		order8Y, new(big.Int).Sub(fieldPrime, order8Y),
	}
)

// StrictVerify says whether a signature is one by IOE-SIG-180.
func StrictVerify(key, signature, input []byte) bool {
	if len(key) != ed25519.PublicKeySize || len(signature) != ed25519.SignatureSize {
		return false
	}
	if !SoundPoint(key) || !SoundPoint(signature[:32]) {
		return false
	}
	return ed25519.Verify(ed25519.PublicKey(key), input, signature)
}

// SoundPoint holds steps 1, 3 and 4 of strict_verify: 32 bytes, canonical, not of small order.
// Whether they decode to a point at all is step 5 and not asked here.
func SoundPoint(encoding []byte) bool {
	if len(encoding) != 32 {
		return false
	}
	bigEndian := make([]byte, 32)
	for i, part := range encoding {
		bigEndian[31-i] = part
	}
	bigEndian[0] &= 0x7f
	y := new(big.Int).SetBytes(bigEndian)
	if y.Cmp(fieldPrime) >= 0 {
		return false
	}
	for _, small := range smallOrderYs {
		if y.Cmp(small) == 0 {
			return false
		}
	}
	return true
}
