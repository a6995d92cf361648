package node

// The ledger of the link (SPEC 9.3, 9.5): this node's own entry where it is the keeper, and the
// keeper's entry judged line by line where it is not. One packet at a time on an empty slot.

import (
	"bytes"
	"math/big"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/routes"
	"ioe.example/interop/wire"
)

func (s *Session) keeping() bool { return bytes.Equal(s.Link.Keeper, s.Own.Node) }

// slot is the link in a slot without any packet.
func (s *Session) slot() arith.Link {
	loss := s.Link.Loss
	return arith.Link{SlotS: s.Parameters.SlotS, NetJ: new(big.Int), Loss: arith.Loss{
		PlanningMv: loss.PlanningMv, RMicroOhm: loss.RMicroOhm, BPpm: loss.BPpm, CPicoPerW: loss.CPicoPerW}}
}

func (s *Session) flow(b *Booking) wire.Flow {
	return routes.FlowOf(s.Link, b.Path.Entries[len(b.Path.Entries)-1])
}

func sense(flow wire.Flow) arith.Sense {
	if flow == wire.Flow_FLOW_DOWN {
		return 1
	}
	return -1
}

// admit enters the packet where this node is the keeper: RECEIVED of what is wanted.
func (s *Session) admit(b *Booking) (*wire.SignedEnvelope, error) {
	if !s.keeping() {
		return nil, nil
	}
	packet, found := s.slot().Received(whole(b.Want.EnergyJ), sense(s.flow(b)))
	if !found {
		return nil, codec.Refuse("NO_CAPACITY", "no packet delivers %d J", b.Want.EnergyJ)
	}
	b.line = s.number(b, packet)
	return s.entry(b, false)
}

func (s *Session) number(b *Booking, packet arith.Packet) *wire.LedgerLine {
	s.lines++
	return &wire.LedgerLine{Index: 1, Number: s.lines, SlotUtcS: b.Want.SlotUtc,
		FlowJ: packet.FlowJ.Uint64(), SentJ: packet.SentJ.Uint64(), ReceivedJ: packet.ReceivedJ.Uint64()}
}

func (s *Session) entry(b *Booking, final bool) (*wire.SignedEnvelope, error) {
	return s.seal(wire.ObjectType_OBJECT_TYPE_KEEPER_ENTRY, &wire.KeeperEntry{Link: s.linkID(), Reservation: b.ID,
		Version: 1, Flow: s.flow(b), Final: final, Lines: []*wire.LedgerLine{b.line}})
}

func (s *Session) finalEntry(b *Booking) (*wire.SignedEnvelope, error) {
	if !s.keeping() {
		return nil, nil
	}
	return s.entry(b, true)
}

// settleLine finds the line of what was granted: by TRIM here, or by the keeper's entry in the GRANT.
func (s *Session) settleLine(b *Booking, grant *wire.Grant) error {
	granted := grant.Items[0].EnergyJ
	if !s.keeping() {
		return s.readEntry(b, grant.KeeperEntry, granted)
	}
	if granted > b.line.SentJ {
		return codec.Refuse("GRANT_CHANGED", "%d J are granted, %d were asked", granted, b.line.SentJ)
	}
	if granted == b.line.SentJ {
		return nil
	}
	packet, found := s.slot().Sent(whole(granted), sense(s.flow(b)))
	if !found {
		return codec.Refuse("ZERO_ENERGY", "nothing arrives of %d J", granted)
	}
	b.line = s.number(b, packet)
	return nil
}

// readEntry judges a keeper's entry (IOE-ADM-040, IOE-ADM-050) and computes its line again.
func (s *Session) readEntry(b *Booking, envelope *wire.SignedEnvelope, granted uint64) error {
	if envelope == nil {
		return codec.Refuse("GRANT_CHANGED", "the keeper's entry is missing")
	}
	opened, err := codec.Open(s.Own.NetworkID, s.Clock.Seconds(), s.Keys, envelope)
	if err != nil {
		return err
	}
	entry := opened.Message.(*wire.KeeperEntry)
	if !bytes.Equal(opened.Signers[0], s.Link.Keeper) || !bytes.Equal(entry.Link, s.linkID()) || entry.Flow != s.flow(b) {
		return codec.Refuse(codec.WrongSigner, "an entry of another keeper, link or flow")
	}
	if !bytes.Equal(entry.Reservation, b.ID) || entry.Version != 1 || !entry.Final || len(entry.Lines) != 1 {
		return codec.Refuse("GRANT_CHANGED", "an entry of another reservation, or not the last")
	}
	b.line = entry.Lines[0]
	switch {
	case b.line.Index != 1 || b.line.SlotUtcS != b.Want.SlotUtc:
		return codec.Refuse("GRANT_CHANGED", "a line of another packet")
	case b.line.SentJ != granted || b.line.ReceivedJ > b.Want.EnergyJ:
		return codec.Refuse("GRANT_CHANGED", "a line with other energies than the grant")
	}
	return s.recompute(b, sense(entry.Flow))
}

// recompute holds the keeper's line against RECEIVED of what was asked, or SENT of what was granted.
func (s *Session) recompute(b *Booking, flows arith.Sense) error {
	due, found := s.slot().Received(whole(b.Want.EnergyJ), flows)
	if b.line.ReceivedJ < b.Want.EnergyJ {
		due, found = s.slot().Sent(whole(b.line.SentJ), flows)
	}
	if !found || due.SentJ.Uint64() != b.line.SentJ || due.FlowJ.Uint64() != b.line.FlowJ || due.ReceivedJ.Uint64() != b.line.ReceivedJ {
		return codec.Refuse("GRANT_CHANGED", "section 8.4 gives another line than the keeper's")
	}
	return nil
}
