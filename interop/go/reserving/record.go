package reserving

// What a node keeps of a reservation, and what it says of it.

import (
	"bytes"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

// The states of OUTCOME (10.3).
const (
	holding   = wire.ReservationState_RESERVATION_STATE_HOLDING
	held      = wire.ReservationState_RESERVATION_STATE_HELD
	inDoubt   = wire.ReservationState_RESERVATION_STATE_IN_DOUBT
	committed = wire.ReservationState_RESERVATION_STATE_COMMITTED
	failed    = wire.ReservationState_RESERVATION_STATE_FAILED
	released  = wire.ReservationState_RESERVATION_STATE_RELEASED
	expired   = wire.ReservationState_RESERVATION_STATE_EXPIRED
)

// packet is one packet of a reservation at this node.
type packet struct {
	owner    *record
	index    uint32
	slot     uint64
	name     int    // in the ledger
	asked    uint64 // near energy of the HOLD
	near     arith.Entry
	onNear   bool
	busbar   uint64 // energy at this node: far end of the near link
	far      *wire.LedgerLine
	price    int64 // at this node's port on the near link
	scarcity int64
	reason   codec.Code
	counter  uint64
	atCommit [2]arith.Line // near and far link as COMMITTED found them
	live     [2]arith.Line
}

type record struct {
	id          []byte
	version     uint32
	state       wire.ReservationState
	core        *wire.HoldCore
	coreObject  *wire.SignedEnvelope
	from, to    *Neighbor // toward the initiator, toward the origin; to is nil at the origin
	label       Label
	deadlineMs  uint64
	packets     []*packet
	answer      *wire.SignedEnvelope // to the HOLD
	commit      *wire.SignedEnvelope
	committed   *wire.SignedEnvelope
	failed      *wire.SignedEnvelope
	release     *wire.SignedEnvelope
	receipt     bool
	openRelease bool
	retryMs     uint64 // when something is said again; 0 for never
	replaces    *record
	notices     []notice
}

type notice struct {
	atMs    uint64
	from    *Neighbor
	hop     *wire.CurtailHop
	curtail *wire.Curtail
}

func (r *record) packet(index uint32) *packet {
	for _, p := range r.packets {
		if p.index == index {
			return p
		}
	}
	return nil
}

func (r *record) demand() bool { return r.core.Direction == wire.Direction_DIRECTION_DEMAND }

// withdraw takes a packet off the near link and gives its energy back.
func (e *Engine) withdraw(r *record, p *packet) {
	if p.onNear {
		e.ledger(r.from, p.slot).Leave(p.name)
		p.onNear = false
	}
	if p.far != nil && r.to != nil && e.keeps(r.to) {
		e.ledger(r.to, p.slot).Leave(p.name)
	}
	p.far = nil
	if offer := e.offer(r); offer != nil {
		delete(offer.taken[p.slot], p)
	}
}

// end is the end of a reservation: its packets leave.
func (e *Engine) end(r *record, state wire.ReservationState) {
	for _, p := range r.packets {
		e.withdraw(r, p)
	}
	r.state, r.retryMs, r.replaces = state, 0, nil
}

// persistence is the list of 10.3.
func persistence(code codec.Code) wire.Persistence {
	switch code {
	case "TOO_EARLY", "GATE_CLOSED", "NOT_BOOKABLE", "QUOTA", "NEIGHBOR_LOST", "TRUST_STALE":
		return wire.Persistence_PERSISTENCE_TEMPORARY
	case "NO_CAPACITY", "NO_ENERGY", "PRICE_LIMIT", "BELOW_MINIMUM":
		return wire.Persistence_PERSISTENCE_RELATIVE
	}
	return wire.Persistence_PERSISTENCE_PERMANENT
}

// refuse says REFUSE; the record, where there is one, repeats it.
func (e *Engine) refuse(to *Neighbor, core *wire.HoldCore, code codec.Code, scope wire.Scope, who []byte, items []*wire.GrantItem, r *record) {
	message := &wire.Refuse{Reservation: core.Reservation, Version: core.Version, Code: wire.ErrorCode(number(code)),
		Persistence: persistence(code), Scope: scope, FailingNode: who, Items: items}
	envelope := &wire.SignedEnvelope{Type: wire.ObjectType_OBJECT_TYPE_REFUSE, Signed: codec.Bytes(message)}
	if r != nil {
		r.answer = envelope
	}
	e.pass(to, envelope)
}

// fail signs FAILED in this node's name.
func (e *Engine) fail(r *record, to *Neighbor, id []byte, version uint32, code codec.Code) {
	envelope := e.sign(wire.ObjectType_OBJECT_TYPE_FAILED,
		&wire.Failed{Reservation: id, Version: version, Code: wire.ErrorCode(number(code)), Node: e.Me})
	if r != nil && r.failed == nil {
		r.failed = envelope
	}
	e.pass(to, envelope)
}

// outcome says where a reservation stands.
func (e *Engine) outcome(to *Neighbor, r *record, id []byte, version uint32) {
	message := &wire.Outcome{Reservation: id, Version: version}
	if r != nil {
		message.State = r.state
		switch r.state {
		case committed:
			message.Evidence = r.committed
		case released:
			message.Evidence = r.release
		case failed:
			message.Evidence = r.failed
		}
	}
	e.say(to, wire.ObjectType_OBJECT_TYPE_OUTCOME, message)
}

// items are those of a GRANT or REFUSE, one a packet.
func (r *record) items() []*wire.GrantItem {
	var items []*wire.GrantItem
	for _, p := range r.packets {
		item := &wire.GrantItem{Index: p.index}
		if p.reason == "" {
			item.EnergyJ, item.PriceMicroPerKwh, item.ScarcityMicroPerKwh = p.busbar, p.price, uint64(p.scarcity)
		} else {
			item.Reason, item.CounterOfferJ = wire.ErrorCode(number(p.reason)), p.counter
		}
		items = append(items, item)
	}
	return items
}

// grant says GRANT with the keeper's final entry (10.6).
func (e *Engine) grant(r *record) {
	var lines []*wire.LedgerLine
	for _, p := range r.packets {
		if p.reason == "" {
			lines = append(lines, ledgerLine(p.index, p.slot, p.near))
		}
	}
	link := r.from.Link
	entry := e.sign(wire.ObjectType_OBJECT_TYPE_KEEPER_ENTRY, &wire.KeeperEntry{Link: linkID(link), Reservation: r.id,
		Version: r.version, Flow: flow(link, r.from.Node, r.core.Direction), Final: true, Lines: lines})
	r.answer = e.sign(wire.ObjectType_OBJECT_TYPE_GRANT, &wire.Grant{Reservation: r.id, Version: r.version,
		Core: codec.ObjectID(r.coreObject.Signed), Link: linkID(link), Grantor: e.Me, Items: r.items(),
		HoldMs: uint32(r.deadlineMs - e.nowMs), KeeperEntry: entry})
	r.state = held
	e.pass(r.from, r.answer)
}

func ledgerLine(index uint32, slot uint64, entry arith.Entry) *wire.LedgerLine {
	return &wire.LedgerLine{Index: index, Number: entry.Number, SlotUtcS: slot,
		FlowJ: entry.FlowJ.Uint64(), SentJ: entry.SentJ.Uint64(), ReceivedJ: entry.ReceivedJ.Uint64()}
}

// firstReason is why the first packet that was refused by itself was refused.
func (r *record) firstReason() codec.Code {
	for _, p := range r.packets {
		if p.reason != "" && p.reason != "BELOW_MINIMUM" {
			return p.reason
		}
	}
	return "BELOW_MINIMUM"
}

// granted counts the packets that were not refused.
func (r *record) granted() int {
	count := 0
	for _, p := range r.packets {
		if p.reason == "" {
			count++
		}
	}
	return count
}

// allOrNothing gives everything back when a packet is gone and a part is worthless.
func (e *Engine) allOrNothing(r *record) {
	if !r.core.AllOrNothing || r.granted() == len(r.packets) {
		return
	}
	for _, p := range r.packets {
		if p.reason == "" {
			e.withdraw(r, p)
			p.reason = "BELOW_MINIMUM"
		}
	}
}

func same(a, b *Neighbor) bool { return a != nil && b != nil && bytes.Equal(a.Node, b.Node) }
