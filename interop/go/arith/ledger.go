package arith

// A keeper's ledger of one slot (SPEC 9.5): ADMIT, TRIM, and packets that leave.

import (
	"math/big"

	"ioe.example/interop/codec"
)

// Entry is a live packet and its number.
type Entry struct {
	Number uint64
	Packet
	demand bool
	sense  Sense
}

// Ledger is the ledger of a slot; limits are joules by sense.
type Ledger struct {
	Link   Link
	Limits map[Sense]*big.Int
	live   map[int]Entry
	number uint64
}

// NewLedger is the ledger of an empty slot.
func NewLedger(loss Loss, slotS uint64, limitDown, limitUp *big.Int) *Ledger {
	return &Ledger{Link: Link{Loss: loss, SlotS: slotS, NetJ: new(big.Int)},
		Limits: map[Sense]*big.Int{1: limitDown, -1: limitUp}, live: map[int]Entry{}}
}

// Larger is max(s, y).
func (p Packet) Larger() *big.Int {
	if p.SentJ.Cmp(p.ReceivedJ) > 0 {
		return p.SentJ
	}
	return p.ReceivedJ
}

// Holds says whether a packet is live.
func (l *Ledger) Holds(name int) bool {
	_, there := l.live[name]
	return there
}

// Used is the gross use of a sense.
func (l *Ledger) Used(sense Sense) *big.Int {
	used := new(big.Int)
	for _, entry := range l.live {
		if entry.sense == sense {
			used.Add(used, entry.Larger())
		}
	}
	return used
}

func (l *Ledger) free(sense Sense) *big.Int {
	free := new(big.Int).Sub(l.Limits[sense], l.Used(sense))
	if free.Sign() < 0 {
		return new(big.Int)
	}
	return free
}

// sound holds IOE-LSS-040.
func (p Packet) sound() bool {
	return p.SentJ.Sign() > 0 && p.FlowJ.Sign() > 0 && p.ReceivedJ.Sign() > 0
}

// Admit enters a packet with an energy at the near end. A quota, where there is one, bounds what is
// free to it (10.13).
func (l *Ledger) Admit(name int, demand bool, sense Sense, nearJ, quota *big.Int) (Entry, error) {
	if nearJ.Sign() == 0 {
		return Entry{}, codec.Refuse("ZERO_ENERGY", "nothing is asked")
	}
	free, none := l.free(sense), codec.Code("NO_CAPACITY")
	if quota != nil && quota.Cmp(free) < 0 {
		free, none = quota, "QUOTA"
	}
	find, room := l.Link.Received, free
	if demand {
		find = l.Link.Sent
		if nearJ.Cmp(free) < 0 {
			room = nearJ
		}
	}
	packet, found := find(nearJ, sense)
	if !found || packet.Larger().Cmp(free) > 0 {
		packet, found = l.Link.Largest(room, sense)
	}
	if !found || !packet.sound() {
		return Entry{}, codec.Refuse(none, "no packet fits")
	}
	return l.enter(name, packet, demand, sense), nil
}

func (l *Ledger) enter(name int, packet Packet, demand bool, sense Sense) Entry {
	l.number++
	entry := Entry{l.number, packet, demand, sense}
	l.live[name] = entry
	l.Link.NetJ = new(big.Int).Add(l.Link.NetJ, new(big.Int).Mul(packet.FlowJ, big.NewInt(int64(sense))))
	return entry
}

// Leave takes a packet out; false when it is not there.
func (l *Ledger) Leave(name int) (Entry, bool) {
	entry, there := l.live[name]
	if there {
		delete(l.live, name)
		l.Link.NetJ = new(big.Int).Sub(l.Link.NetJ, new(big.Int).Mul(entry.FlowJ, big.NewInt(int64(entry.sense))))
	}
	return entry, there
}

// Trim replaces a packet by one with an energy at the far end; false when nothing of it is left.
func (l *Ledger) Trim(name int, farJ *big.Int) (Entry, bool) {
	was, there := l.Leave(name)
	if !there || farJ.Sign() == 0 {
		return Entry{}, false
	}
	near := was.ReceivedJ
	find := l.Link.Sent
	if was.demand {
		near, find = was.SentJ, l.Link.Received
	}
	packet, found := find(farJ, was.sense)
	if found && !was.demand && packet.ReceivedJ.Cmp(near) > 0 {
		packet.ReceivedJ = near
	}
	if !found || !packet.sound() || was.demand && packet.SentJ.Cmp(near) > 0 || packet.Larger().Cmp(l.free(was.sense)) > 0 {
		return Entry{}, false
	}
	return l.enter(name, packet, was.demand, was.sense), true
}
