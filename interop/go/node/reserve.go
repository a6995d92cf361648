package node

// One reservation as its initiator (SPEC 10.4 to 10.8): HOLD, GRANT, COMMIT, COMMITTED, RECEIPT, and
// RELEASE. One packet of one offer of the neighbour itself, so the path has one link.

import (
	"bytes"
	"context"
	"crypto/rand"
	"math/big"
	"time"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/routes"
	"ioe.example/interop/slots"
	"ioe.example/interop/wire"
)

const (
	holdFor   = 20 * time.Second
	answerFor = 60 * time.Second // the longest hold of any node (IOE-LIM-030)
)

// Want is what to ask for.
type Want struct {
	SlotUtc    uint64
	EnergyJ    uint64 // at this node's port
	PriceLimit int64  // micro-units per kWh at this node's port
}

// Booking is a reservation at its initiator, as far as it has come.
type Booking struct {
	ID          []byte
	Want        Want
	Path        *routes.Path
	Offer       *wire.Offer
	core        *wire.SignedEnvelope
	commit      *wire.SignedEnvelope
	entry       *wire.SignedEnvelope // of this node where it is the keeper
	line        *wire.LedgerLine     // of the keeper, whoever that is
	FarPrice    int64                // at the grantor's port
	NearPrice   int64                // at this node's port, micro-units per kWh
	AmountMicro int64                // what this node owes
	Committed   *wire.SignedEnvelope
}

// Choose finds an offer of the neighbour with energy in a slot, and a path for it.
func (s *Session) Choose(slotUtc uint64) (*routes.Path, *wire.Offer) {
	for _, path := range s.Heard.Paths {
		if !bytes.Equal(path.Origin, s.Neighbor.Node) || path.Direction != wire.Direction_DIRECTION_SUPPLY {
			continue
		}
		for _, told := range s.Heard.Offers {
			if told.Offer.Direction == path.Direction && energyIn(told.Offer, slotUtc, s.Parameters.SlotS) > 0 {
				return path, told.Offer
			}
		}
	}
	return nil, nil
}

func energyIn(offer *wire.Offer, slotUtc, slotS uint64) uint64 {
	at := offer.FirstSlotUtcS
	for _, run := range offer.Runs {
		end := at + uint64(run.Slots)*slotS
		if slotUtc >= at && slotUtc < end {
			return run.EnergyJ
		}
		at = end
	}
	return 0
}

// Hold sends HOLD for a want over a path.
func (s *Session) Hold(want Want, path *routes.Path, offer *wire.Offer) (*Booking, error) {
	booking := &Booking{ID: make([]byte, 16), Want: want, Path: path, Offer: offer}
	if _, err := rand.Read(booking.ID); err != nil {
		return nil, err
	}
	_, band := slots.PhaseOf(want.SlotUtc, s.Parameters.SlotS, uint64(len(s.Parameters.FloorsMicro))+1, s.Clock.Seconds())
	var err error
	booking.core, err = s.seal(wire.ObjectType_OBJECT_TYPE_HOLD_CORE, &wire.HoldCore{
		Reservation: booking.ID, Version: 1, Initiator: s.Own.Node, Origin: path.Origin,
		OfferNo: offer.OfferNo, OfferEpoch: offer.Epoch, OfferSeq: offer.Seq, Direction: path.Direction,
		Path: path.Hash, Band: band, PriceLimitMicroPerKwh: want.PriceLimit, Priority: 4,
		Items:       []*wire.HoldItem{{Index: 1, SlotUtcS: want.SlotUtc, EnergyJ: want.EnergyJ, EnergyMinJ: want.EnergyJ / 2}},
		IssuedUtcMs: s.Clock.Milliseconds(),
	})
	if err != nil {
		return nil, err
	}
	if booking.entry, err = s.admit(booking); err != nil {
		return nil, err
	}
	hold := &wire.Hold{Core: booking.core, Path: path.Hash, HoldMs: uint32(holdFor.Milliseconds()),
		Items: []*wire.PacketEnergy{{Index: 1, EnergyJ: want.EnergyJ}}, KeeperEntry: booking.entry}
	return booking, s.Say(unsigned(wire.ObjectType_OBJECT_TYPE_HOLD, hold))
}

func (s *Session) seal(kind wire.ObjectType, message proto.Message) (*wire.SignedEnvelope, error) {
	return codec.Seal(s.Own.NetworkID, kind, message, s.Own.Operational)
}

// await hears until an object of a kind has come; a REFUSE or FAILED in its place is an error.
func (s *Session) await(ctx context.Context, kind wire.ObjectType) (*codec.Opened, error) {
	limited, cancel := context.WithTimeout(ctx, answerFor)
	defer cancel()
	for {
		heard, err := s.Hear(limited)
		if err != nil {
			return nil, err
		}
		for _, opened := range heard {
			switch message := opened.Message.(type) {
			case *wire.Refuse:
				return nil, codec.Refuse(codeNamed(message.Code), "the HOLD is refused, %s, %s", message.Persistence, message.Scope)
			case *wire.Failed:
				return nil, codec.Refuse(codeNamed(message.Code), "the reservation has failed")
			}
			if opened.Type == kind {
				return opened, nil
			}
		}
	}
}

func codeNamed(code wire.ErrorCode) codec.Code { return codec.Code(code.String()[len("ERROR_CODE_"):]) }

// Granted waits for the GRANT and judges it (GRANT_AT_HOP, steps 1 and 2).
func (s *Session) Granted(ctx context.Context, b *Booking) error {
	opened, err := s.await(ctx, wire.ObjectType_OBJECT_TYPE_GRANT)
	if err != nil {
		return err
	}
	grant := opened.Message.(*wire.Grant)
	switch {
	case !bytes.Equal(grant.Reservation, b.ID) || grant.Version != 1:
		return codec.Refuse("UNKNOWN_RESERVATION", "a GRANT of another reservation")
	case !bytes.Equal(grant.Grantor, s.Neighbor.Node):
		return codec.Refuse("NOT_OWNER", "a GRANT of another node")
	case !bytes.Equal(grant.Core, codec.ObjectID(b.core.Signed)):
		return codec.Refuse(codec.WrongSigner, "a GRANT for another HOLD_CORE")
	case !bytes.Equal(grant.Link, s.linkID()):
		return codec.Refuse(codec.WrongSigner, "a GRANT on another link")
	case len(grant.Items) != 1 || grant.Items[0].Index != 1:
		return codec.Refuse("GRANT_CHANGED", "a GRANT without item 1")
	case grant.Items[0].EnergyJ == 0:
		return codec.Refuse(codeNamed(grant.Items[0].Reason), "nothing is granted")
	}
	if err := s.settleLine(b, grant); err != nil {
		return err
	}
	return s.price(b, grant.Items[0])
}

// price carries the price of the far end to this port (8.6) and holds it against the limit.
func (s *Session) price(b *Booking, item *wire.GrantItem) error {
	packet := arith.Packet{SentJ: whole(b.line.SentJ), FlowJ: whole(b.line.FlowJ), ReceivedJ: whole(b.line.ReceivedJ)}
	fee := b.Path.Entries[len(b.Path.Entries)-1].FeeMicroPerKwh
	near := arith.PriceSupply(big.NewInt(item.PriceMicroPerKwh), whole(fee), packet)
	if !near.IsInt64() || near.Int64() > b.Want.PriceLimit {
		return codec.Refuse("PRICE_LIMIT", "%s micro-units per kWh, at most %d", near, b.Want.PriceLimit)
	}
	b.FarPrice, b.NearPrice = item.PriceMicroPerKwh, near.Int64()
	b.AmountMicro = arith.Amount(near, packet.ReceivedJ).Int64()
	return nil
}

func whole(value uint64) *big.Int { return new(big.Int).SetUint64(value) }

func (s *Session) linkID() []byte {
	return names.Link(s.Link.Keeper, s.Link.Other, uint8(s.Link.Number))
}

// Commit takes what was granted, waits for the origin's COMMITTED, and confirms it.
func (s *Session) Commit(ctx context.Context, b *Booking) error {
	var err error
	b.commit, err = s.seal(wire.ObjectType_OBJECT_TYPE_COMMIT, &wire.Commit{Reservation: b.ID, Version: 1,
		Core: codec.ObjectID(b.core.Signed), Initiator: s.Own.Node, Accepted: []uint32{1}})
	if err != nil {
		return err
	}
	final, err := s.finalEntry(b)
	if err != nil {
		return err
	}
	hop := &wire.CommitHop{Commit: b.commit, KeeperEntry: final}
	if err := s.Say(unsigned(wire.ObjectType_OBJECT_TYPE_COMMIT_HOP, hop)); err != nil {
		return err
	}
	opened, err := s.await(ctx, wire.ObjectType_OBJECT_TYPE_COMMITTED)
	if err != nil {
		return err
	}
	committed := opened.Message.(*wire.Committed)
	switch {
	case !bytes.Equal(committed.Origin, b.Path.Origin):
		return codec.Refuse("NOT_OWNER", "COMMITTED by another node than the origin")
	case !bytes.Equal(committed.Reservation, b.ID) || !bytes.Equal(committed.Commit, codec.ObjectID(b.commit.Signed)):
		return codec.Refuse("CONFLICT", "COMMITTED of another COMMIT")
	}
	receipt, err := s.seal(wire.ObjectType_OBJECT_TYPE_RECEIPT, &wire.Receipt{Reservation: b.ID, Version: 1,
		Committed: opened.ObjectID, Link: s.linkID(), Node: s.Own.Node})
	if err != nil {
		return err
	}
	return s.Say(receipt)
}

// Outcome asks for the state of a reservation at the neighbour.
func (s *Session) Outcome(ctx context.Context, b *Booking) (*wire.Outcome, error) {
	query := &wire.OutcomeQuery{Reservation: b.ID, Version: 1}
	if err := s.Say(unsigned(wire.ObjectType_OBJECT_TYPE_OUTCOME_QUERY, query)); err != nil {
		return nil, err
	}
	return s.outcome(ctx)
}

// Release gives a reservation back and returns the neighbour's OUTCOME.
func (s *Session) Release(ctx context.Context, b *Booking) (*wire.Outcome, error) {
	release, err := s.seal(wire.ObjectType_OBJECT_TYPE_RELEASE,
		&wire.Release{Reservation: b.ID, Version: 1, Initiator: s.Own.Node})
	if err != nil {
		return nil, err
	}
	if err := s.Say(release); err != nil {
		return nil, err
	}
	return s.outcome(ctx)
}

func (s *Session) outcome(ctx context.Context) (*wire.Outcome, error) {
	opened, err := s.await(ctx, wire.ObjectType_OBJECT_TYPE_OUTCOME)
	if err != nil {
		return nil, err
	}
	outcome := opened.Message.(*wire.Outcome)
	if outcome.Evidence != nil {
		if _, err := codec.Open(s.Own.NetworkID, s.Clock.Seconds(), s.Keys, outcome.Evidence); err != nil {
			return nil, err
		}
	}
	return outcome, nil
}
