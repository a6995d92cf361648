// Package trust holds what SPEC 4.10 says of domains: when a trust list replaces the one in force,
// and until when a certificate counts.
package trust

import (
	"bytes"

	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

// Domain is what a node holds of one domain: its list in force and the one before.
type Domain struct {
	InForce *wire.TrustList
	inForce []byte // object id
	before  *wire.TrustList
}

// NewDomain begins with a configured list.
func NewDomain(list *wire.TrustList, objectID []byte) *Domain {
	return &Domain{InForce: list, inForce: objectID}
}

// Offer is check_list: whether a list of this domain whose signatures are good is taken.
func (d *Domain) Offer(list *wire.TrustList, objectID []byte, nowUtc uint64) (taken bool, err error) {
	held := d.InForce
	switch {
	case list.Serial < held.Serial || bytes.Equal(objectID, d.inForce):
		return false, nil
	case list.Serial == held.Serial:
		return false, codec.Refuse(codec.Equivocation, "another list with the serial %d", list.Serial)
	case list.IssuedUtcS > nowUtc+60:
		return false, codec.Refuse(codec.FromFuture, "a list issued %d s ahead", list.IssuedUtcS-nowUtc)
	case list.Serial != held.Serial+1:
		return false, codec.Refuse(codec.Stale, "list %d behind list %d", list.Serial, held.Serial)
	case among(list.Signers, held.Roots) < int(held.Quorum):
		return false, codec.Refuse(codec.NotAMember, "too few roots of the list in force have signed")
	case among(list.Signers, list.Roots) < int(list.Quorum):
		return false, codec.Refuse(codec.NotAMember, "too few of the new roots have signed")
	case list.IssuedUtcS < held.IssuedUtcS:
		return false, codec.Refuse(codec.BrokenChain, "issued before the list that it follows")
	}
	d.before, d.InForce, d.inForce = held, list, objectID
	return true, nil
}

// VouchedUntil is the instant until which a member certificate counts, UTC seconds; 0 for not at all.
func (d *Domain) VouchedUntil(member *wire.MemberCertificate) uint64 {
	if !bytes.Equal(member.Domain, d.InForce.Domain) {
		return 0
	}
	for _, removal := range d.InForce.Removals {
		if bytes.Equal(removal.Node, member.Node) && removal.Serial >= member.Serial {
			return 0
		}
	}
	if among(member.Signers, d.InForce.Roots) >= int(d.InForce.Quorum) {
		return member.ExpiresUtcS
	}
	if d.before != nil && among(member.Signers, d.before.Roots) >= int(d.before.Quorum) {
		return min(member.ExpiresUtcS, d.InForce.IssuedUtcS+uint64(d.InForce.GraceS))
	}
	return 0
}

// among counts the signers that are roots.
func among(signers, roots []*wire.RootKey) int {
	count := 0
	for _, signer := range signers {
		for _, root := range roots {
			if bytes.Equal(signer.Key, root.Key) {
				count++
			}
		}
	}
	return count
}
