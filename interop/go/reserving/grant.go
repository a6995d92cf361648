package reserving

// GRANT and REFUSE toward the initiator (10.6).

import (
	"bytes"
	"math/big"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

// takeGrant is GRANT_AT_HOP. Nothing changes before the whole of it has been judged.
func (e *Engine) takeGrant(from *Neighbor, grant *wire.Grant) error {
	r := e.find(grant.Reservation, grant.Version)
	switch {
	case r == nil:
		return codec.Refuse("UNKNOWN_RESERVATION", "a GRANT of no reservation here")
	case !same(from, r.to):
		return codec.Refuse("NOT_OWNER", "a GRANT of a neighbour that was not asked")
	case !bytes.Equal(grant.Grantor, from.Node) || !bytes.Equal(grant.Core, codec.ObjectID(r.coreObject.Signed)):
		return codec.Refuse(codec.WrongSigner, "a GRANT by another node or for another core")
	case r.state == failed || r.state == released || r.state == expired:
		return codec.Refuse("HOLD_EXPIRED", "the reservation has ended")
	case r.state != holding:
		return codec.Refuse(codec.Unexpected, "a second GRANT")
	}
	lines, err := e.judgeGrant(r, grant)
	if err != nil {
		return err
	}
	for _, p := range r.packets {
		if p.reason == "" {
			e.granted(r, p, item(grant, p.index), lines[p.index])
		}
	}
	e.allOrNothing(r)
	if r.granted() == 0 {
		e.refuse(r.from, r.core, r.firstReason(), wire.Scope_SCOPE_OFFER, e.Me, r.items(), r)
		e.end(r, failed)
		return nil
	}
	e.grant(r)
	return nil
}

func item(grant *wire.Grant, index uint32) *wire.GrantItem {
	for _, one := range grant.Items {
		if one.Index == index {
			return one
		}
	}
	return &wire.GrantItem{Index: index} // missing: NO_ENERGY (IOE-RSV-195)
}

// judgeGrant holds IOE-ADM-040, IOE-ADM-050 and IOE-RSV-240; the lines are the keeper's, by index.
func (e *Engine) judgeGrant(r *record, grant *wire.Grant) (map[uint32]*wire.LedgerLine, error) {
	if e.keeps(r.to) {
		if grant.KeeperEntry != nil {
			return nil, codec.Refuse(codec.WrongSigner, "an entry from the end that is not the keeper")
		}
		return e.trimFar(r, grant)
	}
	lines := map[uint32]*wire.LedgerLine{}
	if grant.KeeperEntry != nil {
		if err := e.readEntry(r, grant.KeeperEntry, lines); err != nil {
			return nil, err
		}
	}
	rating := max(r.to.Link.RatingDownVa, r.to.Link.RatingUpVa) * e.Network.SlotS
	for _, p := range r.packets {
		one := item(grant, p.index)
		if p.reason != "" || one.EnergyJ == 0 {
			continue
		}
		line := lines[p.index]
		if line == nil || line.SlotUtcS != p.slot || max(line.SentJ, line.ReceivedJ) > rating {
			return nil, codec.Refuse("GRANT_CHANGED", "packet %d has no fitting line", p.index)
		}
		far, near := line.SentJ, line.ReceivedJ
		if r.demand() {
			far, near = near, far
		}
		if far != one.EnergyJ || near > p.busbar {
			return nil, codec.Refuse("GRANT_CHANGED", "packet %d has other energies", p.index)
		}
	}
	return lines, nil
}

func (e *Engine) readEntry(r *record, envelope *wire.SignedEnvelope, lines map[uint32]*wire.LedgerLine) error {
	opened, err := e.open(envelope)
	if err != nil {
		return err
	}
	entry := opened.Message.(*wire.KeeperEntry)
	if !bytes.Equal(opened.Signers[0], r.to.Link.Keeper) || !bytes.Equal(entry.Link, linkID(r.to.Link)) ||
		entry.Flow != flow(r.to.Link, e.Me, r.core.Direction) {
		return codec.Refuse(codec.WrongSigner, "an entry of another keeper, link or flow")
	}
	if !bytes.Equal(entry.Reservation, r.id) || entry.Version != r.version {
		return codec.Refuse("GRANT_CHANGED", "an entry of another reservation")
	}
	for _, line := range entry.Lines {
		lines[line.Index] = line
	}
	return nil
}

// granted takes one granted packet over: price, and TRIM of the near link.
func (e *Engine) granted(r *record, p *packet, one *wire.GrantItem, line *wire.LedgerLine) {
	if one.EnergyJ == 0 {
		e.withdraw(r, p)
		p.reason, p.counter = "NO_ENERGY", one.CounterOfferJ
		if one.Reason != 0 {
			p.reason = codec.Code(one.Reason.String()[len("ERROR_CODE_"):])
		}
		return
	}
	body := arith.Packet{SentJ: whole(line.SentJ), FlowJ: whole(line.FlowJ), ReceivedJ: whole(line.ReceivedJ)}
	far, fee := big.NewInt(one.PriceMicroPerKwh), whole(r.label.FarFee)
	near, busbar := arith.PriceSupply(far, fee, body), line.ReceivedJ
	beyond := near.Cmp(big.NewInt(r.core.PriceLimitMicroPerKwh)) > 0
	if r.demand() {
		near, busbar = arith.PriceDemand(far, fee, body), line.SentJ
		beyond = near.Cmp(big.NewInt(r.core.PriceLimitMicroPerKwh)) < 0
	}
	if beyond || !e.trim(r, p, busbar) {
		e.withdraw(r, p)
		p.reason = "PRICE_LIMIT"
		if !beyond {
			p.reason = "ZERO_ENERGY"
		}
		return
	}
	p.far, p.price, p.scarcity = line, near.Int64(), int64(one.ScarcityMicroPerKwh)
}

func (e *Engine) takeRefuse(from *Neighbor, refuse *wire.Refuse) error {
	r := e.find(refuse.Reservation, refuse.Version)
	switch {
	case r == nil:
		return codec.Refuse("UNKNOWN_RESERVATION", "a REFUSE of no reservation here")
	case !same(from, r.to):
		return codec.Refuse("NOT_OWNER", "a REFUSE of a neighbour that was not asked")
	case r.state == inDoubt || r.state == committed:
		return codec.Refuse(codec.Unexpected, "it was granted")
	case r.state != holding && r.state != held:
		return nil
	}
	r.answer = &wire.SignedEnvelope{Type: wire.ObjectType_OBJECT_TYPE_REFUSE, Signed: codec.Bytes(refuse)}
	e.pass(r.from, r.answer)
	e.end(r, failed)
	return nil
}
