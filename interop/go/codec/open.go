package codec

// Opening an envelope (SPEC 3.2, steps 8 to 10): the body strictly and within bounds, the network,
// the number of signatures, who signed, and last, because it costs most, the signatures.

import (
	"bytes"
	"crypto/sha256"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"ioe.example/interop/wire"
)

// Opened is an object whose signatures are good.
type Opened struct {
	Type     wire.ObjectType
	Message  proto.Message
	ObjectID []byte
	Signers  [][]byte // node ids in the order of the signatures; none for root keys
}

// Certified is what a keyring knows of an operational key.
type Certified struct {
	Node       []byte
	ExpiresUtc uint64
	Serial     uint64
}

// Keyring holds the operational keys of which an OperationalKey object is held.
type Keyring map[[32]byte]Certified

// Add takes an OPERATIONAL_KEY envelope that has been opened.
func (k Keyring) Add(key *wire.OperationalKey) {
	node := sha256.Sum256(key.IdentityKey)
	k[[32]byte(key.OperationalKey)] = Certified{node[:], key.ExpiresUtcS, key.Serial}
}

// ReadEnvelope reads the bytes of a SignedEnvelope strictly.
func ReadEnvelope(data []byte) (*wire.SignedEnvelope, error) {
	message, err := Read("ioe.v1.SignedEnvelope", data)
	if err != nil {
		return nil, err
	}
	return message.(*wire.SignedEnvelope), nil
}

// Open judges an envelope at an instant of UTC seconds. What the meaning of the object says about
// time is left to the section of the object (step 12).
func Open(networkID string, nowUtc uint64, keys Keyring, envelope *wire.SignedEnvelope) (*Opened, error) {
	entry, registered := objects[envelope.Type]
	if !registered {
		return nil, Refuse(UnknownType, "object type %d", envelope.Type)
	}
	message, err := Read(entry.message, envelope.Signed)
	if err != nil {
		return nil, err
	}
	if named := networkOf(message); named != nil && *named != networkID {
		return nil, Refuse(NetworkMismatch, "it is of the network %q", *named)
	}
	if err := countSignatures(entry, message, envelope); err != nil {
		return nil, err
	}
	who, err := judgeSigners(entry, message, envelope, keys, nowUtc)
	if err != nil {
		return nil, err
	}
	input := SignatureInput(networkID, entry.message, envelope.Signed)
	for _, signature := range envelope.Signatures {
		if !StrictVerify(signature.Key, signature.Signature, input) {
			return nil, Refuse(BadSignature, "a signature is wrong")
		}
	}
	return &Opened{envelope.Type, message, ObjectID(envelope.Signed), who}, nil
}

// networkOf returns the network that an object of IOE-IDN-110 names, nil for all others.
func networkOf(message proto.Message) *string {
	fields := message.ProtoReflect()
	field := fields.Descriptor().Fields().ByName("network_id")
	if field == nil {
		return nil
	}
	network := fields.Get(field).String()
	return &network
}

func countSignatures(entry object, message proto.Message, envelope *wire.SignedEnvelope) error {
	due := len(entry.fields)
	switch entry.signers {
	case byAny:
		due = 1
	case byKeyPair:
		due = 2
	case byRoots:
		due = len(rootsOf(message))
	}
	count := len(envelope.Signatures)
	if _, imbalance := message.(*wire.ImbalanceRecord); imbalance && count == 1 {
		due = 1 // before the party has agreed
	}
	if count != due {
		return Refuse(BadSignature, "%d signatures instead of %d", count, due)
	}
	return nil
}

func judgeSigners(entry object, message proto.Message, envelope *wire.SignedEnvelope, keys Keyring, nowUtc uint64) ([][]byte, error) {
	switch entry.signers {
	case byKeyPair:
		return judgeKeyPair(message.(*wire.OperationalKey), envelope)
	case byRoots:
		return nil, judgeRoots(message, envelope)
	case byIdentity:
		return judgeIdentities(entry, message, envelope)
	}
	var who [][]byte
	for i, signature := range envelope.Signatures {
		held, known := keys[[32]byte(signature.Key)]
		if !known {
			return nil, Refuse(UnknownKey, "no certificate of a signing key is held")
		}
		if held.ExpiresUtc <= nowUtc {
			return nil, Refuse(KeyExpired, "a signing key ended at %d", held.ExpiresUtc)
		}
		if entry.signers == byNamed && !bytes.Equal(held.Node, nodeIn(message, entry.fields[i])) {
			return nil, Refuse(WrongSigner, "signature %d is not by its %s", i+1, entry.fields[i])
		}
		who = append(who, held.Node)
	}
	return who, nil
}

// judgeKeyPair holds IOE-IDN-090 and IOE-IDN-100.
func judgeKeyPair(key *wire.OperationalKey, envelope *wire.SignedEnvelope) ([][]byte, error) {
	if !SoundPoint(key.IdentityKey) || !SoundPoint(key.OperationalKey) || bytes.Equal(key.IdentityKey, key.OperationalKey) {
		return nil, Refuse(BadSignature, "it names an unsound key, or one twice")
	}
	if !bytes.Equal(envelope.Signatures[0].Key, key.IdentityKey) || !bytes.Equal(envelope.Signatures[1].Key, key.OperationalKey) {
		return nil, Refuse(WrongSigner, "it is not signed by the two keys that it names, in their order")
	}
	node := sha256.Sum256(key.IdentityKey)
	return [][]byte{node[:]}, nil
}

// judgeIdentities holds IOE-SIG-075.
func judgeIdentities(entry object, message proto.Message, envelope *wire.SignedEnvelope) ([][]byte, error) {
	var who [][]byte
	for i, signature := range envelope.Signatures {
		node := sha256.Sum256(signature.Key)
		if !bytes.Equal(node[:], nodeIn(message, entry.fields[i])) {
			return nil, Refuse(WrongSigner, "signature %d is not by the identity key of its %s", i+1, entry.fields[i])
		}
		who = append(who, node[:])
	}
	return who, nil
}

// judgeRoots holds IOE-IDN-310.
func judgeRoots(message proto.Message, envelope *wire.SignedEnvelope) error {
	for i, root := range rootsOf(message) {
		if !bytes.Equal(envelope.Signatures[i].Key, root.Key) {
			return Refuse(BadSignature, "signature %d is not by its signer", i+1)
		}
	}
	if list, isList := message.(*wire.TrustList); isList {
		for _, root := range list.Roots {
			if !SoundPoint(root.Key) {
				return Refuse(BadSignature, "it names an unsound root")
			}
		}
	}
	return nil
}

func rootsOf(message proto.Message) []*wire.RootKey {
	if certified, ok := message.(interface{ GetSigners() []*wire.RootKey }); ok {
		return certified.GetSigners()
	}
	return nil
}

func nodeIn(message proto.Message, field string) []byte {
	fields := message.ProtoReflect()
	return fields.Get(fields.Descriptor().Fields().ByName(protoreflect.Name(field))).Bytes()
}

// JudgeKeyTimes holds IOE-IDN-120 and IOE-IDN-130.
func JudgeKeyTimes(key *wire.OperationalKey, nowUtc uint64) error {
	if key.IssuedUtcS > nowUtc+60 {
		return Refuse(FromFuture, "it is issued %d s ahead", key.IssuedUtcS-nowUtc)
	}
	if key.ExpiresUtcS <= nowUtc {
		return Refuse(KeyExpired, "it ended at %d", key.ExpiresUtcS)
	}
	return nil
}
