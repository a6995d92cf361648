package reserving

// HOLD toward the origin and the origin's decision (10.4, 10.5, 10.12).

import (
	"bytes"
	"encoding/hex"
	"math/big"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/slots"
	"ioe.example/interop/wire"
)

const toleranceMs = 60_000

func (e *Engine) takeHold(from *Neighbor, hold *wire.Hold) error {
	opened, err := e.open(hold.Core)
	if err != nil {
		return err
	}
	core := opened.Message.(*wire.HoldCore)
	if known := e.find(core.Reservation, core.Version); known != nil {
		e.holdAgain(from, known, core, opened.ObjectID)
		return nil
	}
	label, code, scope := e.judgeHold(from, hold, core)
	var replaced *record
	if code == "" && len(core.Replaces) > 0 {
		replaced, code = e.replaceCheck(core, label)
		scope = wire.Scope_SCOPE_RESERVATION
	}
	if code != "" {
		e.refuse(from, core, code, scope, e.Me, nil, nil)
		return nil
	}
	r := &record{id: core.Reservation, version: core.Version, state: holding, core: core, coreObject: hold.Core,
		from: from, to: label.Toward, label: label, deadlineMs: e.nowMs + min(uint64(hold.HoldMs), holdMs), replaces: replaced}
	e.records[key(r.id, r.version)] = r
	e.order = append(e.order, r)
	if hold.KeeperEntry != nil && e.keeps(from) { // IOE-ADM-050
		e.refuse(from, core, codec.WrongSigner, wire.Scope_SCOPE_RESERVATION, e.Me, nil, r)
		e.end(r, failed)
		return nil
	}
	e.admit(r, hold)
	switch {
	case r.granted() == 0:
		e.refuse(from, core, r.firstReason(), scopeOf(r.firstReason()), e.Me, r.items(), r)
		e.end(r, failed)
	case r.to == nil:
		e.decide(r)
	case uint64(hold.HoldMs) <= holdStepMs:
		e.refuse(from, core, "HOLD_EXPIRED", wire.Scope_SCOPE_RESERVATION, e.Me, nil, r)
		e.end(r, failed)
	default:
		e.admitFar(r)
		if r.granted() == 0 {
			e.refuse(from, core, r.firstReason(), scopeOf(r.firstReason()), e.Me, r.items(), r)
			e.end(r, failed)
			return nil
		}
		e.forward(r, hold.HoldMs-holdStepMs)
	}
	return nil
}

// scopeOf is the scope of a packet's reason that the keeper of the near link has (10.4).
func scopeOf(reason codec.Code) wire.Scope {
	switch reason {
	case "NO_CAPACITY", "NOT_BOOKABLE":
		return wire.Scope_SCOPE_LINK
	case "QUOTA":
		return wire.Scope_SCOPE_NODE
	}
	return wire.Scope_SCOPE_RESERVATION
}

func (e *Engine) holdAgain(from *Neighbor, known *record, core *wire.HoldCore, objectID []byte) {
	if !bytes.Equal(objectID, codec.ObjectID(known.coreObject.Signed)) {
		e.refuse(from, core, "CONFLICT", wire.Scope_SCOPE_RESERVATION, e.Me, nil, nil)
	} else if known.answer != nil {
		e.pass(from, known.answer)
	}
}

// judgeHold is what is judged before a record is made: step 12 of 3.2 for the core, the label, the
// packets, the timetable.
func (e *Engine) judgeHold(from *Neighbor, hold *wire.Hold, core *wire.HoldCore) (Label, codec.Code, wire.Scope) {
	reservation := wire.Scope_SCOPE_RESERVATION
	if core.IssuedUtcMs > e.nowMs+toleranceMs {
		return Label{}, codec.FromFuture, reservation
	}
	for _, item := range core.Items {
		if item.SlotUtcS%e.Network.SlotS != 0 {
			return Label{}, codec.OutOfBounds, reservation
		}
	}
	label, told := e.Labels[hex.EncodeToString(hold.Path)]
	if !told || label.To != from.Name || !bytes.Equal(label.Origin, core.Origin) || label.Direction != core.Direction ||
		label.Toward != nil && label.Toward.lost {
		return label, "NO_PATH", wire.Scope_SCOPE_NODE
	}
	for _, item := range hold.Items {
		if int(item.Index) > len(core.Items) {
			return label, codec.Malformed, reservation
		}
	}
	for _, item := range core.Items {
		bands := uint64(len(e.Network.FloorsMicro)) + 1
		if _, err := slots.Gate(item.SlotUtcS, e.Network.SlotS, bands, core.Band, e.nowMs/1000); err != nil {
			return label, codec.CodeOf(err), reservation
		}
	}
	return label, "", reservation
}

// replaceCheck is REPLACE_CHECK of 10.12.
func (e *Engine) replaceCheck(core *wire.HoldCore, label Label) (*record, codec.Code) {
	var old *record
	for _, r := range e.order {
		if bytes.Equal(r.id, core.Replaces) && (old == nil || r.state == committed) {
			old = r
		}
	}
	switch {
	case old == nil && label.Toward == nil:
		return nil, "UNKNOWN_RESERVATION"
	case old == nil:
		return nil, ""
	case !bytes.Equal(old.core.Initiator, core.Initiator):
		return nil, "NOT_OWNER"
	case old.state != committed:
		return nil, codec.Unexpected
	case !bytes.Equal(old.core.Origin, core.Origin) || old.core.Direction != core.Direction:
		return nil, "CONFLICT"
	}
	for _, r := range e.order {
		if r.replaces == old {
			return nil, "CONFLICT"
		}
	}
	if e.gateClosed(old) {
		return nil, "GATE_CLOSED"
	}
	return old, ""
}

// admit enters the packets on the near link in the order of their indexes. What is replaced makes
// room for them: the larger of both counts.
func (e *Engine) admit(r *record, hold *wire.Hold) {
	if r.replaces != nil {
		for _, p := range r.replaces.packets {
			e.ledger(r.replaces.from, p.slot).Leave(p.name)
		}
	}
	for _, asked := range hold.Items {
		item := r.core.Items[asked.Index-1]
		p := &packet{owner: r, index: asked.Index, slot: item.SlotUtcS, name: len(e.order)*128 + int(asked.Index), asked: asked.EnergyJ}
		r.packets = append(r.packets, p)
		on := sense(flow(r.from.Link, r.from.Node, r.core.Direction))
		entry, err := e.ledger(r.from, p.slot).Admit(p.name, r.demand(), on, whole(asked.EnergyJ), e.quota(r, p.slot, on))
		if err != nil {
			p.reason = codec.CodeOf(err)
			continue
		}
		p.onNear = true
		p.set(entry, r.demand())
	}
}

// heldSharePpm is held_share_ppm (14.2).
const heldSharePpm = 750_000

// quota is what held_share_ppm leaves to an initiator on the near link; nil where it does not apply
// (IOE-RSV-740).
func (e *Engine) quota(r *record, slot uint64, on arith.Sense) *big.Int {
	if r.from.Link.Access || int(r.core.Band) >= len(e.Network.FloorsMicro) {
		return nil
	}
	share := new(big.Int).Mul(e.ledger(r.from, slot).Limits[on], big.NewInt(heldSharePpm))
	share.Quo(share, big.NewInt(1_000_000))
	for _, other := range e.order {
		if (other.state != holding && other.state != held) || other.from != r.from || !bytes.Equal(other.core.Initiator, r.core.Initiator) {
			continue
		}
		for _, p := range other.packets {
			if p.onNear && p.slot == slot && other.core.Direction == r.core.Direction {
				share.Sub(share, p.near.Larger())
			}
		}
	}
	if share.Sign() < 0 {
		return new(big.Int)
	}
	return share
}

// set takes a line of the near link over; the busbar is at its far end.
func (p *packet) set(entry arith.Entry, demand bool) {
	p.near, p.busbar = entry, entry.SentJ.Uint64()
	if demand {
		p.busbar = entry.ReceivedJ.Uint64()
	}
}

func (e *Engine) forward(r *record, hold uint32) {
	var items []*wire.PacketEnergy
	for _, p := range r.packets {
		if p.reason == "" {
			items = append(items, &wire.PacketEnergy{Index: p.index, EnergyJ: p.busbar})
		}
	}
	e.say(r.to, wire.ObjectType_OBJECT_TYPE_HOLD, &wire.Hold{Core: r.coreObject, Path: r.label.Before, HoldMs: hold, Items: items,
		KeeperEntry: e.farEntry(r, false)})
}

func (e *Engine) offer(r *record) *Offer {
	for _, offer := range e.Offers {
		if r.to == nil && offer.Number == r.core.OfferNo && offer.Direction == r.core.Direction {
			return offer
		}
	}
	return nil
}

func (o *Offer) stated(slot, slotS uint64) *wire.OfferRun {
	at := o.FirstSlot
	for _, run := range o.Runs {
		if end := at + uint64(run.Slots)*slotS; slot >= at && slot < end {
			return run
		} else {
			at = end
		}
	}
	return nil
}

// free is what is left of an offer in a slot to a reservation; what it replaces does not count.
func (o *Offer) free(slot, stated uint64, r *record) uint64 {
	for other, energy := range o.taken[slot] {
		if other.owner != r.replaces {
			stated -= min(stated, energy)
		}
	}
	return stated
}

// decide is GRANT_AT_ORIGIN.
func (e *Engine) decide(r *record) {
	for _, p := range r.packets {
		if p.reason == "" {
			e.decidePacket(r, p)
		}
	}
	e.allOrNothing(r)
	if r.granted() == 0 {
		e.refuse(r.from, r.core, r.firstReason(), wire.Scope_SCOPE_OFFER, e.Me, r.items(), r)
		e.end(r, failed)
		return
	}
	e.grant(r)
}

func (e *Engine) decidePacket(r *record, p *packet) {
	drop := func(reason codec.Code, counter uint64) {
		e.withdraw(r, p)
		p.reason, p.counter = reason, counter
	}
	offer := e.offer(r)
	if offer == nil || offer.stated(p.slot, e.Network.SlotS) == nil {
		drop("NO_OFFER", 0)
		return
	}
	run := offer.stated(p.slot, e.Network.SlotS)
	free := offer.free(p.slot, run.EnergyJ, r)
	if r.core.OfferEpoch > offer.Epoch || r.core.OfferEpoch == offer.Epoch && r.core.OfferSeq > offer.Seq {
		drop("OFFER_CHANGED", free)
		return
	}
	price, scarcity, err := arith.AtOrigin(e.Network.FloorsMicro, arith.Ask{Price: run.PriceMicroPerKwh,
		Demand: r.demand(), Band: r.core.Band, Limit: r.core.PriceLimitMicroPerKwh})
	if err != nil {
		drop(codec.CodeOf(err), free)
		return
	}
	take := min(p.busbar, free)
	if take == 0 {
		drop("NO_ENERGY", 0)
		return
	}
	p.price, p.scarcity = price, scarcity
	if !e.trim(r, p, take) {
		drop("ZERO_ENERGY", free)
		return
	}
	if offer.taken[p.slot] == nil {
		offer.taken[p.slot] = map[*packet]uint64{}
	}
	offer.taken[p.slot][p] = p.busbar
}

// trim is TRIM of the near link to an energy at its far end.
func (e *Engine) trim(r *record, p *packet, far uint64) bool {
	if far == p.busbar {
		return true
	}
	entry, left := e.ledger(r.from, p.slot).Trim(p.name, whole(far))
	p.onNear = left
	if left {
		p.set(entry, r.demand())
	}
	return left
}
