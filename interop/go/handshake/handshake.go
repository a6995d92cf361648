// Package handshake holds check_hello and check_proof (SPEC 6.4, 6.5) at a node without a domain.
package handshake

import (
	"bytes"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

const (
	// Version is the protocol version that is spoken.
	Version = 1
	// Resume is the bit of the feature RESUME.
	Resume           = 1 << 1
	evenBits         = 0x5555555555555555
	clockToleranceMs = 60_000
)

// Expected is what a node holds a neighbour's HELLO against.
type Expected struct {
	NetworkID     string
	OwnNode       []byte
	OwnEpoch      uint64
	SeenEpoch     uint64 // of the neighbour
	Neighbor      []byte
	Role          wire.Role // what the neighbour is to this node
	Parameters    []byte
	Attestation   *wire.SignedEnvelope
	TransportKey  []byte // of the operational certificate that was shown; empty when none was
	NowMs         uint64
	KnownFeatures uint64
}

// counterpart is the role that a node states whose neighbour states the given one (6.3): each says
// what it is itself.
var counterpart = map[wire.Role]wire.Role{
	wire.Role_ROLE_SIBLING: wire.Role_ROLE_SIBLING, wire.Role_ROLE_PEER: wire.Role_ROLE_PEER,
	wire.Role_ROLE_CUSTOMER: wire.Role_ROLE_PROVIDER, wire.Role_ROLE_PROVIDER: wire.Role_ROLE_CUSTOMER,
}

// Counterpart is the role of this node towards a neighbour of a role.
func Counterpart(role wire.Role) wire.Role { return counterpart[role] }

// CheckHello is check_hello; key is the one that has signed the HELLO.
func (e Expected) CheckHello(opened *codec.Opened, key []byte) error {
	hello := opened.Message.(*wire.Hello)
	apart := int64(hello.ClockUtcMs) - int64(e.NowMs)
	switch {
	case !bytes.Equal(opened.Signers[0], hello.Node) || !bytes.Equal(hello.Node, e.Neighbor):
		return codec.Refuse("IDENTITY_MISMATCH", "a HELLO of another node")
	case len(e.TransportKey) > 0 && !bytes.Equal(key, e.TransportKey):
		return codec.Refuse("IDENTITY_MISMATCH", "a HELLO with another key than the transport has shown")
	case !bytes.Equal(hello.Neighbor, e.OwnNode):
		return codec.Refuse("IDENTITY_MISMATCH", "a HELLO for another node")
	case hello.NetworkId != e.NetworkID:
		return codec.Refuse(codec.NetworkMismatch, "it is of the network %q", hello.NetworkId)
	case hello.VersionMin > Version || hello.VersionMax < Version:
		return codec.Refuse(codec.VersionMismatch, "versions %d to %d", hello.VersionMin, hello.VersionMax)
	case hello.Features&evenBits != 0:
		return codec.Refuse("FEATURE_REQUIRED", "features %#x", hello.Features)
	case !bytes.Equal(hello.Parameters, e.Parameters):
		return codec.Refuse("PARAMETER_MISMATCH", "the network parameters are others")
	case !bytes.Equal(hello.Attestation, codec.ObjectID(e.Attestation.Signed)):
		return codec.Refuse("UNKNOWN_LINK", "another attestation of the link")
	case hello.Role != e.Role:
		return codec.Refuse("POLICY", "it says that it is %s", hello.Role)
	case len(hello.Domain) != 0:
		return codec.Refuse("DOMAIN_MISMATCH", "it is in a domain")
	case apart > clockToleranceMs || apart < -clockToleranceMs:
		return codec.Refuse("CLOCK_UNSYNCED", "the clocks are %d ms apart", apart)
	case hello.Epoch < e.SeenEpoch:
		return codec.Refuse(codec.Stale, "epoch %d behind epoch %d", hello.Epoch, e.SeenEpoch)
	case hello.LastSeenEpoch > e.OwnEpoch:
		return codec.Refuse(codec.Stale, "it has seen epoch %d", hello.LastSeenEpoch)
	}
	return e.checkLink()
}

// checkLink is step 12.
func (e Expected) checkLink() error {
	opened, err := codec.Open(e.NetworkID, e.NowMs/1000, nil, e.Attestation)
	if err != nil {
		return err
	}
	link := opened.Message.(*wire.LinkAttestation)
	ends := bytes.Equal(link.Keeper, e.OwnNode) && bytes.Equal(link.Other, e.Neighbor) ||
		bytes.Equal(link.Keeper, e.Neighbor) && bytes.Equal(link.Other, e.OwnNode)
	if !ends || link.ExpiresUtcS <= e.NowMs/1000 {
		return codec.Refuse("UNKNOWN_LINK", "the attestation names other ends or has ended")
	}
	return nil
}

// CheckProof is check_proof and gives the session id; key has signed the proof, helloKey the
// neighbour's HELLO.
func CheckProof(opened *codec.Opened, key, neighbor, helloKey, dialerHello, listenerHello []byte) ([]byte, error) {
	proof := opened.Message.(*wire.SessionProof)
	switch {
	case !bytes.Equal(opened.Signers[0], neighbor):
		return nil, codec.Refuse("IDENTITY_MISMATCH", "a proof of another node")
	case !bytes.Equal(key, helloKey):
		return nil, codec.Refuse(codec.WrongSigner, "a proof with another key than the HELLO")
	case !bytes.Equal(proof.DialerHello, dialerHello) || !bytes.Equal(proof.ListenerHello, listenerHello):
		return nil, codec.Refuse(codec.Replayed, "a proof over other HELLOs")
	}
	return names.Session(proof.DialerHello, proof.ListenerHello), nil
}
