// Package names computes the identifiers that SPEC.md derives by hashing: node ids and their text
// form (4.1), domains (4.10), links (6.2), sessions (6.5), paths (7.4), groups of what is retained
// (6.10), and the digest of the network parameters (2.7).
package names

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
)

// Node is the id of the node with this identity public key.
func Node(identityKey []byte) []byte { return hash(identityKey) }

// Link is the 16-byte id of the link number between two nodes, whichever comes first.
func Link(one, other []byte, number uint8) []byte {
	if bytes.Compare(one, other) > 0 {
		one, other = other, one
	}
	return hash([]byte("IOE1 link"), one, other, []byte{number})[:16]
}

// Session is the id of a session from the object ids of both HELLOs.
func Session(dialerHello, listenerHello []byte) []byte {
	return hash([]byte("IOE1 session"), dialerHello, listenerHello)
}

// Path returns H(-1), H(0) ... H(n) of a path from the signed bytes of its entries.
func Path(networkID string, origin []byte, direction uint8, entries [][]byte) [][]byte {
	hashes := [][]byte{hash([]byte("IOE1 path"), counted(networkID), origin, []byte{direction})}
	for _, signed := range entries {
		hashes = append(hashes, hash(hashes[len(hashes)-1], signed))
	}
	return hashes
}

// Domain is the id that the trust list with serial 1 gives a domain; roots stand in their order.
func Domain(networkID string, quorum uint8, roots [][]byte) []byte {
	return hash([]byte("IOE1 domain"), counted(networkID), []byte{quorum}, bytes.Join(roots, nil))
}

// Parameters are what all nodes of a network agree on (2.7), in the order of the table.
type Parameters struct {
	NetworkID           string
	Currency            string
	SlotS               uint64
	ReferencePriceMicro int64 // micro-units per kWh
	FloorsMicro         []int64
	LinkStateSteps      uint64
	VoltageMinMicroPu   uint64
	VoltageMaxMicroPu   uint64
	VoltageGuardMicroPu uint64
	PreemptionGap       uint64
	PreemptionGraceS    uint64
}

// Digest is the parameter digest of IOE-CNV-190.
func (p Parameters) Digest() []byte {
	floors := make([]string, 0, len(p.FloorsMicro))
	for _, floor := range p.FloorsMicro {
		floors = append(floors, strconv.FormatInt(floor, 10))
	}
	fields := []string{p.NetworkID, p.Currency, decimal(p.SlotS), strconv.FormatInt(p.ReferencePriceMicro, 10),
		strings.Join(floors, ","), decimal(p.LinkStateSteps), decimal(p.VoltageMinMicroPu),
		decimal(p.VoltageMaxMicroPu), decimal(p.VoltageGuardMicroPu),
		decimal(p.PreemptionGap), decimal(p.PreemptionGraceS)}
	return hash([]byte(strings.Join(fields, "\n")))
}

func decimal(value uint64) string { return strconv.FormatUint(value, 10) }

func counted(networkID string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(networkID))), networkID...)
}

func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}
