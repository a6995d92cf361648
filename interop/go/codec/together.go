package codec

// What several fields of one message have to keep together. The rules stand all over SPEC.md, not
// in the tables; each has its requirement beside it.

import (
	"bytes"

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
	case *wire.HoldCore: // IOE-RSV-040, IOE-RSV-050
		return judgeHoldCore(m)
	case *wire.Commit: // guessed, question 4
		return rising(m.Accepted)
	case *wire.Close:
		return registeredCode(m.Code, true)
	case *wire.Fault:
		return registeredCode(m.Code, false)
	case *wire.PathWithdrawal:
		return registeredCode(m.Code, true)
	case *wire.ConnectionLimit: // its longest validity binds the sender alone, question 24
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
	return validity(offer.IssuedUtcS, offer.ExpiresUtcS, 0) // its length is of step 12, question 3
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

// registeredCode judges an error code that is declared as a plain number: one that the registry of
// 13.2 lacks is like an enum number that it lacks (guessed, question 2).
func registeredCode(code uint32, mayBeZero bool) error {
	if code == 0 && mayBeZero {
		return nil
	}
	if _, registered := wire.ErrorCode_name[int32(code)]; !registered {
		return Refuse(Malformed, "error code %d", code)
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
