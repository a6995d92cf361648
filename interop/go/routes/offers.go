// Package routes holds what a receiver remembers of the offers of an origin, so that nothing old
// replaces something new (SPEC 4.9, 7.2, 7.3).
package routes

import (
	"bytes"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

const toleranceS = 60

// Version orders the statements of one offer.
type Version struct{ Epoch, Seq uint64 }

// Above says whether a version replaces another.
func (v Version) Above(other Version) bool {
	return v.Epoch > other.Epoch || v.Epoch == other.Epoch && v.Seq > other.Seq
}

// remembered is the highest statement of one offer, and until when it has to be remembered.
type remembered struct {
	version  Version
	objectID []byte
	until    uint64
}

// Origin is what is remembered of one origin.
type Origin struct {
	SlotS            uint64
	OfferLifetimeMax uint64
	offers           map[uint32]remembered
	equivocatedEpoch uint64 // highest epoch in which it signed two contents; 0 for none
}

// NewOrigin begins without memory.
func NewOrigin(slotS, offerLifetimeMaxS uint64) *Origin {
	return &Origin{SlotS: slotS, OfferLifetimeMax: offerLifetimeMaxS, offers: map[uint32]remembered{}}
}

// Take judges an OFFER or OFFER_WITHDRAWAL whose signature is good: taken, without effect, or
// refused.
func (o *Origin) Take(message proto.Message, objectID []byte, nowUtc uint64) (taken bool, err error) {
	switch m := message.(type) {
	case *wire.Offer:
		if err := o.JudgeOffer(m, nowUtc); err != nil {
			return false, err
		}
		return o.replace(m.OfferNo, Version{m.Epoch, m.Seq}, objectID, m.IssuedUtcS, nowUtc)
	case *wire.OfferWithdrawal:
		if m.IssuedUtcS > nowUtc+toleranceS {
			return false, codec.Refuse(codec.FromFuture, "issued %d s ahead", m.IssuedUtcS-nowUtc)
		}
		return o.replace(m.OfferNo, Version{m.Epoch, m.Seq}, objectID, m.IssuedUtcS, nowUtc)
	}
	return false, codec.Refuse(codec.Unexpected, "neither an offer nor its withdrawal")
}

// JudgeOffer holds what an offer says of time against the clock.
func (o *Origin) JudgeOffer(offer *wire.Offer, nowUtc uint64) error {
	switch {
	case offer.FirstSlotUtcS%o.SlotS != 0: // IOE-CNV-090
		return codec.Refuse(codec.OutOfBounds, "slot %d is not aligned", offer.FirstSlotUtcS)
	case offer.ExpiresUtcS-offer.IssuedUtcS > o.OfferLifetimeMax: // IOE-ADV-040
		return codec.Refuse(codec.OutOfBounds, "valid for more than %d s", o.OfferLifetimeMax)
	case offer.IssuedUtcS > nowUtc+toleranceS: // IOE-SIG-250
		return codec.Refuse(codec.FromFuture, "issued %d s ahead", offer.IssuedUtcS-nowUtc)
	case offer.ExpiresUtcS <= nowUtc: // IOE-SIG-260
		return codec.Refuse(codec.Expired, "it ended at %d", offer.ExpiresUtcS)
	}
	return nil
}

func (o *Origin) replace(number uint32, version Version, objectID []byte, issuedUtc, nowUtc uint64) (bool, error) {
	held, known := o.offers[number]
	if known && held.until <= nowUtc {
		known = false
	}
	if known && version == held.version && !bytes.Equal(objectID, held.objectID) {
		o.equivocatedEpoch = max(o.equivocatedEpoch, version.Epoch)
	}
	if version.Epoch <= o.equivocatedEpoch { // IOE-ADV-080
		return false, codec.Refuse(codec.Equivocation, "the origin has signed two contents in epoch %d", o.equivocatedEpoch)
	}
	if known && !version.Above(held.version) { // IOE-ADV-070
		return false, nil
	}
	o.offers[number] = remembered{version, objectID, issuedUtc + o.OfferLifetimeMax}
	return true, nil
}
