package codec

// What several fields of one message have to keep together. The rules stand all over SPEC.md, not
// in the tables; each has its requirement beside it.

import (
	"bytes"
	"errors"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/wire"
)

// Longest validities that no configuration changes, seconds (IOE-IDN-080, IOE-IDN-300).
const (
	longestKeyS   = 7_776_000
	longestTrustS = 34_560_000
)

const mostSlots = 192

func judgeTogether(message proto.Message) error {
	switch m := message.(type) {
	case *wire.OperationalKey: // IOE-IDN-140
		return validity(m.IssuedUtcS, m.ExpiresUtcS, longestKeyS)
	case *wire.LinkAttestation: // IOE-LNK-040, IOE-SIG-270
		if bytes.Equal(m.Keeper, m.Other) {
			return Refuse(OutOfBounds, "both ends of the link are one node")
		}
		return validity(m.IssuedUtcS, m.ExpiresUtcS, 0)
	case *wire.Offer: // IOE-ADV-040
		return judgeOffer(m)
	case *wire.HoldCore: // IOE-RSV-035, IOE-RSV-050
		return judgeHoldCore(m)
	case *wire.Hello: // IOE-SES-055
		return judgeHello(m)
	case *wire.Commit:
		return rising(m.Accepted)
	case *wire.Hold:
		return rising(indexes(m.Items))
	case *wire.KeeperEntry:
		return rising(indexes(m.Lines))
	case *wire.Grant:
		return rising(indexes(m.Items))
	case *wire.Refuse:
		return rising(indexes(m.Items))
	case *wire.Curtail:
		return rising(indexes(m.Items))
	case *wire.CurtailHop:
		return rising(indexes(m.Items))
	case *wire.PathAdvert: // IOE-SIG-085
		return allOf(m.Entries, wire.ObjectType_OBJECT_TYPE_PATH_ENTRY)
	case *wire.ZoneReport:
		return errors.Join(allOf(m.Attestations, wire.ObjectType_OBJECT_TYPE_LINK_ATTESTATION),
			allOf(m.Limits, wire.ObjectType_OBJECT_TYPE_CONNECTION_LIMIT))
	case *wire.ConnectionLimit: // its longest validity binds the sender alone
		return validity(m.IssuedUtcS, m.ExpiresUtcS, 0)
	case *wire.SweepUp: // IOE-GRD-210
		return judgeSweepUp(m)
	case *wire.TrustList: // IOE-IDN-300
		return judgeTrustList(m)
	case *wire.MemberCertificate:
		return judgeCertified(m.Signers, m.IssuedUtcS, m.ExpiresUtcS)
	case *wire.MeterCertificate:
		return judgeCertified(m.Signers, m.IssuedUtcS, m.ExpiresUtcS)
	}
	return nil
}

// validity holds IOE-SIG-270 and, where longest is not 0, a longest validity in seconds.
func validity(issued, expires, longest uint64) error {
	if expires <= issued {
		return Refuse(OutOfBounds, "it ends at %d and is issued at %d", expires, issued)
	}
	if longest > 0 && expires-issued > longest {
		return Refuse(OutOfBounds, "it is valid for %d s, at most %d", expires-issued, longest)
	}
	return nil
}

func judgeOffer(offer *wire.Offer) error {
	slots := uint64(0)
	for _, run := range offer.Runs {
		slots += uint64(run.Slots)
	}
	if slots > mostSlots {
		return Refuse(OutOfBounds, "%d slots in an offer", slots)
	}
	return validity(offer.IssuedUtcS, offer.ExpiresUtcS, 0) // its length is of step 12
}

func judgeHoldCore(core *wire.HoldCore) error {
	if core.Band >= 12 && core.Band != 255 {
		return Refuse(OutOfBounds, "band %d", core.Band)
	}
	for i, item := range core.Items {
		if item.Index != uint32(i+1) {
			return Refuse(OutOfBounds, "packet %d has the index %d", i+1, item.Index)
		}
	}
	return nil
}

func judgeHello(hello *wire.Hello) error {
	if hello.VersionMin > hello.VersionMax {
		return Refuse(OutOfBounds, "versions %d to %d", hello.VersionMin, hello.VersionMax)
	}
	if bytes.Equal(hello.Node, hello.Neighbor) {
		return Refuse(OutOfBounds, "a HELLO of a node to itself")
	}
	return nil
}

func allOf(envelopes []*wire.SignedEnvelope, kind wire.ObjectType) error {
	for _, envelope := range envelopes {
		if envelope.Type != kind {
			return Refuse(OutOfBounds, "a %s where a %s belongs", envelope.Type, kind)
		}
	}
	return nil
}

func indexes[T interface{ GetIndex() uint32 }](items []T) []uint32 {
	all := make([]uint32, 0, len(items))
	for _, item := range items {
		all = append(all, item.GetIndex())
	}
	return all
}

// rising holds IOE-RSV-035.
func rising(indexes []uint32) error {
	last := uint32(0)
	for _, index := range indexes {
		if index <= last || index > 96 {
			return Refuse(OutOfBounds, "packet %d behind packet %d", index, last)
		}
		last = index
	}
	return nil
}

func judgeSweepUp(sweep *wire.SweepUp) error {
	if sweep.ActiveJ > 0 && sweep.Active == 0 || sweep.ReactiveVars > 0 && sweep.Reactive == 0 {
		return Refuse(OutOfBounds, "an energy without direction")
	}
	return nil
}

func judgeTrustList(list *wire.TrustList) error {
	if int(list.Quorum) > len(list.Roots) {
		return Refuse(OutOfBounds, "a quorum of %d among %d roots", list.Quorum, len(list.Roots))
	}
	if !ascending(list.Roots) {
		return Refuse(OutOfBounds, "the roots do not rise")
	}
	for i := 1; i < len(list.Removals); i++ {
		if bytes.Compare(list.Removals[i-1].Node, list.Removals[i].Node) >= 0 {
			return Refuse(OutOfBounds, "the removals do not rise")
		}
	}
	return judgeCertified(list.Signers, list.IssuedUtcS, list.ExpiresUtcS)
}

func judgeCertified(signers []*wire.RootKey, issued, expires uint64) error {
	if !ascending(signers) {
		return Refuse(OutOfBounds, "the signers do not rise")
	}
	return validity(issued, expires, longestTrustS)
}

func ascending(keys []*wire.RootKey) bool {
	for i := 1; i < len(keys); i++ {
		if bytes.Compare(keys[i-1].Key, keys[i].Key) >= 0 {
			return false
		}
	}
	return true
}
