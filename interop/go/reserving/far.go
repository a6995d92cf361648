package reserving

// The link toward the origin where this node is its keeper: ADMIT before the HOLD goes on, TRIM to
// what is granted, and the entries that travel in HOLD and COMMIT_HOP (10.4 to 10.7).

import (
	"bytes"

	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

func (e *Engine) keeps(n *Neighbor) bool { return bytes.Equal(n.Link.Keeper, e.Me) }

// admitFar enters what is asked of this node as near energy of the link toward the origin.
func (e *Engine) admitFar(r *record) {
	if !e.keeps(r.to) {
		return
	}
	on := sense(flow(r.to.Link, e.Me, r.core.Direction))
	for _, p := range r.packets {
		if p.reason != "" {
			continue
		}
		entry, err := e.ledger(r.to, p.slot).Admit(p.name, r.demand(), on, whole(p.busbar), nil)
		if err != nil {
			e.withdraw(r, p)
			p.reason = codec.CodeOf(err)
			continue
		}
		p.far = ledgerLine(p.index, p.slot, entry)
	}
}

// farEntry is the keeper's entry of the link toward the origin; nil when its other end keeps it.
func (e *Engine) farEntry(r *record, final bool) *wire.SignedEnvelope {
	if !e.keeps(r.to) {
		return nil
	}
	var lines []*wire.LedgerLine
	for _, p := range r.packets {
		if p.reason == "" {
			lines = append(lines, p.far)
		}
	}
	return e.sign(wire.ObjectType_OBJECT_TYPE_KEEPER_ENTRY, &wire.KeeperEntry{Link: linkID(r.to.Link), Reservation: r.id,
		Version: r.version, Flow: flow(r.to.Link, e.Me, r.core.Direction), Final: final, Lines: lines})
}

// trimFar is step 2 of GRANT_AT_HOP for a far link that is kept here: all is judged before anything
// is trimmed.
func (e *Engine) trimFar(r *record, grant *wire.Grant) (map[uint32]*wire.LedgerLine, error) {
	for _, p := range r.packets {
		if p.reason == "" && item(grant, p.index).EnergyJ > r.farEnergy(p) {
			return nil, codec.Refuse("GRANT_CHANGED", "packet %d is granted above what was asked", p.index)
		}
	}
	lines := map[uint32]*wire.LedgerLine{}
	for _, p := range r.packets {
		granted := item(grant, p.index).EnergyJ
		if p.reason != "" || granted == 0 {
			continue
		}
		if granted < r.farEnergy(p) {
			entry, left := e.ledger(r.to, p.slot).Trim(p.name, whole(granted))
			if !left {
				p.far = nil
				e.withdraw(r, p)
				p.reason = "ZERO_ENERGY"
				continue
			}
			p.far = ledgerLine(p.index, p.slot, entry)
		}
		lines[p.index] = p.far
	}
	return lines, nil
}

// farEnergy is the energy of a packet at the far end of the link toward the origin.
func (r *record) farEnergy(p *packet) uint64 {
	if r.demand() {
		return p.far.ReceivedJ
	}
	return p.far.SentJ
}
