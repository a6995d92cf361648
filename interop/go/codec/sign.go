package codec

// What is signed, and signing it (SPEC 4.3, 4.6).

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/wire"
)

// SignatureInput is the bytes under every signature: tag, network, message name and body, each
// framed by its length.
func SignatureInput(networkID, message string, signed []byte) []byte {
	input := []byte("IOE1")
	input = binary.BigEndian.AppendUint16(input, uint16(len(networkID)))
	input = append(input, networkID...)
	input = binary.BigEndian.AppendUint16(input, uint16(len(message)))
	input = append(input, message...)
	input = binary.BigEndian.AppendUint32(input, uint32(len(signed)))
	return append(input, signed...)
}

// ObjectID names an object by what is signed, 32 bytes.
func ObjectID(signed []byte) []byte {
	sum := sha256.Sum256(signed)
	return sum[:]
}

// Seal serialises a message into an envelope with one signature per key, in the order given; none
// for a type that stands under its frame's signature.
func Seal(networkID string, kind wire.ObjectType, message proto.Message, keys ...ed25519.PrivateKey) (*wire.SignedEnvelope, error) {
	if err := Judge(message); err != nil {
		return nil, err
	}
	signed, err := proto.Marshal(message)
	if err != nil {
		return nil, err
	}
	envelope := &wire.SignedEnvelope{Type: kind, Signed: signed}
	input := SignatureInput(networkID, MessageOf(kind), signed)
	for _, key := range keys {
		envelope.Signatures = append(envelope.Signatures, signWith(key, input))
	}
	return envelope, nil
}

func signWith(key ed25519.PrivateKey, input []byte) *wire.Signature {
	return &wire.Signature{Key: key.Public().(ed25519.PublicKey), Signature: ed25519.Sign(key, input)}
}
