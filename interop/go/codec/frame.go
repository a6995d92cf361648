package codec

// Frames (SPEC 5.4): the root over their envelopes, what their signature covers, and accept_frame.

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/wire"
)

const (
	mostFrameBytes    = 1 << 20
	mostEnvelopeBytes = 1 << 16
)

// MerkleRoot is the root over at least one envelope; an element left over goes up unchanged.
func MerkleRoot(envelopes []*wire.SignedEnvelope) []byte {
	level := make([][]byte, 0, len(envelopes))
	for _, envelope := range envelopes {
		leaf := binary.BigEndian.AppendUint32([]byte{0}, uint32(envelope.Type))
		leaf = binary.BigEndian.AppendUint32(leaf, uint32(len(envelope.Signed)))
		level = append(level, hash(leaf, envelope.Signed))
	}
	for len(level) > 1 {
		var next [][]byte
		for i := 0; i+1 < len(level); i += 2 {
			next = append(next, hash([]byte{1}, level[i], level[i+1]))
		}
		if len(level)%2 == 1 {
			next = append(next, level[len(level)-1])
		}
		level = next
	}
	return level[0]
}

func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

// FrameInput is what the signature of a frame covers.
func FrameInput(networkID string, frame *wire.Frame) []byte {
	body := binary.BigEndian.AppendUint64(append([]byte{}, frame.Session...), frame.Seq)
	return SignatureInput(networkID, "ioe.v1.Frame", append(body, MerkleRoot(frame.Envelopes)...))
}

// SealFrame makes a frame of envelopes and signs it exactly when it has a session and holds an
// object under a frame signature only (IOE-TRN-225).
func SealFrame(networkID string, session []byte, seq uint64, envelopes []*wire.SignedEnvelope, key ed25519.PrivateKey) *wire.Frame {
	frame := &wire.Frame{Session: session, Seq: seq, Envelopes: envelopes}
	if needsSignature(frame) {
		frame.Signature = signWith(key, FrameInput(networkID, frame))
	}
	return frame
}

func needsSignature(frame *wire.Frame) bool {
	if len(frame.Session) == 0 {
		return false
	}
	for _, envelope := range frame.Envelopes {
		if NeedsFrame(envelope.Type) {
			return true
		}
	}
	return false
}

// ReadFrame holds steps 1 to 3 of accept_frame.
func ReadFrame(data []byte) (*wire.Frame, error) {
	if len(data) > mostFrameBytes {
		return nil, Refuse(TooLarge, "a frame of %d bytes", len(data))
	}
	frame := &wire.Frame{}
	if err := readInto(frame.ProtoReflect(), data); err != nil {
		return nil, err
	}
	for _, envelope := range frame.Envelopes {
		if len(envelope.Signed) > mostEnvelopeBytes {
			return nil, Refuse(TooLarge, "an envelope of %d signed bytes", len(envelope.Signed))
		}
	}
	if err := Judge(frame); err != nil {
		return nil, err
	}
	return frame, nil
}

// VerifyFrame holds steps 4, 5, 7 and 8 of accept_frame: the signature stands where it has to, early
// objects alone stand without session, and the neighbour's session key has signed.
func VerifyFrame(networkID string, sessionKey []byte, frame *wire.Frame) error {
	if (frame.Signature != nil) != needsSignature(frame) {
		return Refuse(BadSignature, "a signature is missing or superfluous")
	}
	if len(frame.Session) == 0 {
		for _, envelope := range frame.Envelopes {
			if !Early(envelope.Type) {
				return Refuse(Unexpected, "%s without session", envelope.Type)
			}
		}
	}
	if frame.Signature == nil {
		return nil
	}
	if !bytes.Equal(frame.Signature.Key, sessionKey) {
		return Refuse(WrongSigner, "the frame is not signed with the neighbour's session key")
	}
	if !StrictVerify(frame.Signature.Key, frame.Signature.Signature, FrameInput(networkID, frame)) {
		return Refuse(BadSignature, "the frame's signature is wrong")
	}
	return nil
}

// Bytes serialises a message of this package; it cannot fail for messages that were judged.
func Bytes(message proto.Message) []byte {
	data, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	return data
}
