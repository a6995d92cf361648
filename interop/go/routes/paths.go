package routes

// check_path (SPEC 7.5) at a node without domains.

import (
	"bytes"
	"encoding/hex"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

const mostLinks = 32

// Path is a path that was taken.
type Path struct {
	Origin    []byte
	Direction wire.Direction
	Hash      []byte // H(n), the label at this node
	Before    []byte // H(n-1)
	Entries   []*wire.PathEntry
	NotAfter  uint64 // UTC seconds
}

// Reader is what a path is judged with.
type Reader struct {
	NetworkID string
	Me        []byte
	Neighbor  []byte
	Keys      codec.Keyring
	Links     map[string]*wire.LinkAttestation // by object id in hexadecimal
	NowUtc    uint64
	Role      wire.Role // what the neighbour is to this node
}

// CheckPath takes a path or refuses it with the code of the first step that fails.
func (r *Reader) CheckPath(advert *wire.PathAdvert) (*Path, error) {
	var entries []*wire.PathEntry
	var signed [][]byte
	var hashes [][]byte
	for i, envelope := range advert.Entries {
		opened, err := codec.Open(r.NetworkID, r.NowUtc, r.Keys, envelope)
		if err != nil {
			return nil, err
		}
		entries, signed = append(entries, opened.Message.(*wire.PathEntry)), append(signed, envelope.Signed)
		hashes = names.Path(r.NetworkID, entries[0].Origin, uint8(entries[0].Direction), signed)
		if err := r.checkEntry(entries, i, hashes[i], r.Keys[[32]byte(envelope.Signatures[0].Key)]); err != nil {
			return nil, err
		}
	}
	first, last := entries[0], entries[len(entries)-1]
	path := &Path{first.Origin, first.Direction, hashes[len(entries)], hashes[len(entries)-1], entries, last.NotAfterUtcS}
	for _, entry := range entries {
		path.NotAfter = min(path.NotAfter, entry.NotAfterUtcS)
	}
	switch {
	case !bytes.Equal(last.NextNode, r.Me):
		return nil, codec.Refuse("NOT_FOR_ME", "it goes to another node")
	case !bytes.Equal(last.Node, r.Neighbor):
		return nil, codec.Refuse(codec.BrokenChain, "its last entry is not by the neighbour")
	case path.NotAfter <= r.NowUtc:
		return nil, codec.Refuse(codec.Expired, "it ended at %d", path.NotAfter)
	}
	return path, r.checkRole(path)
}

// checkRole is step 12 as far as roles go.
func (r *Reader) checkRole(path *Path) error {
	marked, before := 0, 0
	for i, entry := range path.Entries {
		if entry.OnlyToCustomers {
			marked++
			if i < len(path.Entries)-1 {
				before++
			}
		}
	}
	switch {
	case r.Role == wire.Role_ROLE_CUSTOMER && marked > 0,
		r.Role == wire.Role_ROLE_PEER && before > 0,
		(r.Role == wire.Role_ROLE_PEER || r.Role == wire.Role_ROLE_PROVIDER) && marked == 0:
		return codec.Refuse("POLICY", "its marks do not go with a neighbour that is %s", r.Role)
	}
	return nil
}

// checkEntry holds steps 4 to 9 for the last entry so far.
func (r *Reader) checkEntry(entries []*wire.PathEntry, i int, previous []byte, signer codec.Certified) error {
	entry, first := entries[i], entries[0]
	follows := bytes.Equal(entry.Node, entry.Origin)
	if i > 0 {
		follows = bytes.Equal(entry.Node, entries[i-1].NextNode)
	}
	if !follows || entry.Position != uint32(i) || !bytes.Equal(entry.Previous, previous) ||
		!bytes.Equal(entry.Origin, first.Origin) || entry.Direction != first.Direction {
		return codec.Refuse(codec.BrokenChain, "entry %d does not go on", i)
	}
	for _, before := range entries[:i+1] {
		if bytes.Equal(entry.NextNode, before.Node) {
			return codec.Refuse("LOOP", "entry %d leads back", i)
		}
	}
	link := r.Links[hex.EncodeToString(entry.Attestation)]
	if link == nil || !joins(link, entry.Node, entry.NextNode) {
		return codec.Refuse("UNKNOWN_LINK", "no attestation of the link of entry %d", i)
	}
	if entry.FeeMicroPerKwh > attestedFee(link, entry) {
		return codec.Refuse("FEE_ABOVE_ATTESTED", "entry %d", i)
	}
	if entry.NotAfterUtcS > link.ExpiresUtcS || entry.NotAfterUtcS > signer.ExpiresUtc {
		return codec.Refuse(codec.OutOfBounds, "entry %d outlives its link or its key", i)
	}
	if bytes.Equal(entry.Node, r.Me) {
		return codec.Refuse("LOOP", "this node is on the path")
	}
	return nil
}

func joins(link *wire.LinkAttestation, one, other []byte) bool {
	return bytes.Equal(link.Keeper, one) && bytes.Equal(link.Other, other) ||
		bytes.Equal(link.Keeper, other) && bytes.Equal(link.Other, one)
}

// FlowOf is the sense of a path's energy on the link of an entry.
func FlowOf(link *wire.LinkAttestation, entry *wire.PathEntry) wire.Flow {
	leaves := entry.Node
	if entry.Direction == wire.Direction_DIRECTION_DEMAND {
		leaves = entry.NextNode
	}
	if bytes.Equal(leaves, link.Keeper) {
		return wire.Flow_FLOW_DOWN
	}
	return wire.Flow_FLOW_UP
}

func attestedFee(link *wire.LinkAttestation, entry *wire.PathEntry) uint64 {
	if FlowOf(link, entry) == wire.Flow_FLOW_DOWN {
		return link.FeeDownMicroPerKwh
	}
	return link.FeeUpMicroPerKwh
}
