package reserving

// Curtailment (10.11) at a node in transit.

import (
	"bytes"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

const (
	atOnceMs     = 1_000
	clockAheadMs = 60_000
	mostNotices  = 8
)

func (e *Engine) takeCurtail(from *Neighbor, hop *wire.CurtailHop) error {
	opened, err := e.open(hop.Curtail)
	if err != nil {
		return err
	}
	curtail := opened.Message.(*wire.Curtail)
	r := e.find(curtail.Reservation, curtail.Version)
	switch {
	case r == nil:
		return codec.Refuse("UNKNOWN_RESERVATION", "a cut of no reservation here")
	case !same(from, r.from) && !same(from, r.to) || bytes.Equal(curtail.Node, e.Me) ||
		same(from, r.from) && bytes.Equal(curtail.Node, r.core.Origin) || same(from, r.to) && bytes.Equal(curtail.Node, r.core.Initiator):
		return codec.Refuse("NOT_OWNER", "a cut from a side that cannot make it")
	case r.state != committed:
		return codec.Refuse(codec.Unexpected, "nothing is committed")
	}
	side := 0 // of the link that it came over: 0 near, 1 far
	if same(from, r.to) {
		side = 1
	}
	atOnce := e.atOnce(r, curtail)
	for _, left := range hop.Items {
		p := r.packet(left.Index)
		if p == nil || p.reason != "" || left.EnergyJ > theirs(p.atCommit[side], side) {
			return codec.Refuse("GRANT_CHANGED", "packet %d was not committed so", left.Index)
		}
		if p.slot+e.Network.SlotS <= e.nowMs/1000 {
			return codec.Refuse("IN_PAST", "the slot is over")
		}
		if !atOnce && curtail.EffectiveUtcMs >= (p.slot-finalGateS)*1000 {
			return codec.Refuse("GATE_CLOSED", "a notice for an instant behind the final gate")
		}
	}
	if !atOnce && len(r.notices) >= mostNotices { // IOE-RSV-680
		return codec.Refuse("LIMIT_REACHED", "%d notices wait", mostNotices)
	}
	if !atOnce {
		r.notices = append(r.notices, notice{curtail.EffectiveUtcMs, from, hop, curtail})
		e.passOn(r, side, hop)
		return nil
	}
	e.carryOut(r, from, hop, hop.Curtail)
	return nil
}

// theirs is the energy at the neighbour's end of a link: the far end of the far link, the near end of
// the near one.
func theirs(line arith.Line, side int) uint64 {
	if side == 1 {
		return line.FarJ
	}
	return line.NearJ
}

func (e *Engine) atOnce(r *record, curtail *wire.Curtail) bool {
	if curtail.EffectiveUtcMs <= e.nowMs+atOnceMs {
		return true
	}
	if curtail.EffectiveUtcMs > e.nowMs+clockAheadMs {
		return false
	}
	for _, left := range curtail.Items {
		if p := r.packet(left.Index); p != nil && curtail.EffectiveUtcMs >= (p.slot-finalGateS)*1000 {
			return true
		}
	}
	return false
}

// atBusbar is step 5: what CUT makes of the neighbour's energy at this node's end.
func atBusbar(p *packet, side int, theirs uint64) uint64 {
	if theirs == 0 {
		return 0
	}
	cut := arith.Cut(p.atCommit[side], p.atCommit[side], side == 0, theirs)
	if side == 1 {
		return cut.NearJ
	}
	return cut.FarJ
}

// carryOut is step 7; what changes on the other leg goes on.
func (e *Engine) carryOut(r *record, from *Neighbor, hop *wire.CurtailHop, pass *wire.SignedEnvelope) {
	side := 0
	if same(from, r.to) {
		side = 1
	}
	changed := false
	for _, left := range hop.Items {
		p := r.packet(left.Index)
		busbar := atBusbar(p, side, left.EnergyJ)
		p.live[side] = arith.Cut(p.atCommit[side], p.live[side], side == 0, left.EnergyJ)
		before := p.live[1-side]
		// this node's end of the other link: the near end of the far one, the far end of the near one
		p.live[1-side] = arith.Cut(p.atCommit[1-side], p.live[1-side], side == 0, busbar)
		changed = changed || p.live[1-side] != before
	}
	if changed && pass != nil {
		e.passOn(r, side, hop)
	}
}

// passOn sends a cut over the other leg with the energies at this node's port there.
func (e *Engine) passOn(r *record, side int, hop *wire.CurtailHop) {
	other := r.to
	if side == 1 {
		other = r.from
	}
	if other == nil {
		return
	}
	var items []*wire.PacketEnergy
	for _, left := range hop.Items {
		items = append(items, &wire.PacketEnergy{Index: left.Index, EnergyJ: atBusbar(r.packet(left.Index), side, left.EnergyJ)})
	}
	e.say(other, wire.ObjectType_OBJECT_TYPE_CURTAIL_HOP, &wire.CurtailHop{Curtail: hop.Curtail, Items: items})
}
