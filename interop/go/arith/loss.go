// Package arith is the integer arithmetic of SPEC section 8 and of CUT (10.11): what a link loses,
// which packet answers which wanted energy, and what that makes of prices. Everything is exact;
// numerators reach 2^207, so the figures are big integers. Energies are joules, prices micro-units
// per kWh.
package arith

import "math/big"

// Loss holds the fields of an attested LossModel that enter L_int.
type Loss struct {
	PlanningMv uint64 // millivolt
	RMicroOhm  uint64
	BPpm       uint64
	CPicoPerW  uint64
}

// Link is a link in one slot: its loss model, the slot length in seconds and the net energy at
// mid-link, positive when it flows DOWN.
type Link struct {
	Loss  Loss
	SlotS uint64
	NetJ  *big.Int
}

// Sense is the sense of a flow: +1 for DOWN, -1 for UP.
type Sense int64

// Packet is one packet on a link: at its sending end, at mid-link, at its receiving end.
type Packet struct{ SentJ, FlowJ, ReceivedJ *big.Int }

// LInt is the loss of a slot with a net energy, rounded up from the exact rational (8.2).
func (l Link) LInt(net *big.Int) *big.Int {
	voltage2 := new(big.Int).Mul(num(l.Loss.PlanningMv), num(l.Loss.PlanningMv))
	a := product(num(l.Loss.BPpm), voltage2, num(1_000_000), num(l.SlotS))
	b := new(big.Int).Mul(num(l.Loss.RMicroOhm), num(1_000_000_000_000))
	b.Add(b, new(big.Int).Mul(num(l.Loss.CPicoPerW), voltage2))
	s := product(num(1_000_000_000_000), voltage2, num(l.SlotS))
	size := new(big.Int).Abs(net)
	top := new(big.Int).Mul(a, size)
	top.Add(top, product(b, size, size))
	return ceilDiv(top, s)
}

// Increment is what a packet of flowJ at mid-link adds to the loss of the link (8.3).
func (l Link) Increment(flowJ *big.Int, sense Sense) *big.Int {
	after := new(big.Int).Mul(flowJ, big.NewInt(int64(sense)))
	after.Add(after, l.NetJ)
	return new(big.Int).Sub(l.LInt(after), l.LInt(l.NetJ))
}

// Ends gives a packet of flowJ at mid-link its two ends; the odd joule is the sending end's.
func (l Link) Ends(flowJ *big.Int, sense Sense) Packet {
	increment := l.Increment(flowJ, sense)
	return Packet{
		SentJ:     new(big.Int).Add(flowJ, ceilDiv(increment, num(2))),
		FlowJ:     flowJ,
		ReceivedJ: new(big.Int).Sub(flowJ, floorDiv(increment, num(2))),
	}
}

// Received is the packet that delivers energyJ (8.4); false when there is none.
func (l Link) Received(energyJ *big.Int, sense Sense) (Packet, bool) {
	top := new(big.Int).Add(new(big.Int).Lsh(energyJ, 1), num(2))
	flow := smallest(num(1), top, func(d *big.Int) bool { return l.Ends(d, sense).ReceivedJ.Cmp(energyJ) >= 0 })
	if flow == nil || energyJ.Sign() == 0 {
		return Packet{}, false
	}
	packet := l.Ends(flow, sense)
	packet.ReceivedJ = energyJ
	return packet, true
}

// Sent is the packet that takes energyJ in (8.4); false when there is none.
func (l Link) Sent(energyJ *big.Int, sense Sense) (Packet, bool) {
	flow := l.largest(energyJ, func(p Packet) bool { return p.SentJ.Cmp(energyJ) <= 0 }, sense)
	if flow == nil {
		return Packet{}, false
	}
	packet := l.Ends(flow, sense)
	packet.SentJ = energyJ
	return packet, true
}

// Largest is the largest packet that fits into roomJ at both ends (8.4); false when there is none.
func (l Link) Largest(roomJ *big.Int, sense Sense) (Packet, bool) {
	fits := func(p Packet) bool { return p.SentJ.Cmp(roomJ) <= 0 && p.ReceivedJ.Cmp(roomJ) <= 0 }
	flow := l.largest(roomJ, fits, sense)
	if flow == nil {
		return Packet{}, false
	}
	return l.Ends(flow, sense), true
}

func (l Link) largest(energyJ *big.Int, fits func(Packet) bool, sense Sense) *big.Int {
	top := new(big.Int).Add(energyJ, l.LInt(l.NetJ))
	top.Add(top, num(1))
	over := smallest(num(1), top, func(d *big.Int) bool { return !fits(l.Ends(d, sense)) })
	if over == nil {
		return top
	}
	if over.Cmp(num(1)) == 0 {
		return nil
	}
	return over.Sub(over, num(1))
}

// smallest is the smallest integer from low to high for which holds is true, where it goes on being
// true once it is; nil when there is none.
func smallest(low, high *big.Int, holds func(*big.Int) bool) *big.Int {
	if high.Cmp(low) < 0 || !holds(high) {
		return nil
	}
	low, high = new(big.Int).Set(low), new(big.Int).Set(high)
	for low.Cmp(high) < 0 {
		middle := floorDiv(new(big.Int).Add(low, high), num(2))
		if holds(middle) {
			high = middle
		} else {
			low = middle.Add(middle, num(1))
		}
	}
	return high
}

func num(value uint64) *big.Int { return new(big.Int).SetUint64(value) }

func product(factors ...*big.Int) *big.Int {
	result := num(1)
	for _, factor := range factors {
		result.Mul(result, factor)
	}
	return result
}

// floorDiv and ceilDiv divide by a positive number, rounding to minus and to plus infinity.
func floorDiv(a, b *big.Int) *big.Int {
	quotient, rest := new(big.Int).QuoRem(a, b, new(big.Int))
	if rest.Sign() < 0 {
		quotient.Sub(quotient, num(1))
	}
	return quotient
}

func ceilDiv(a, b *big.Int) *big.Int {
	quotient, rest := new(big.Int).QuoRem(a, b, new(big.Int))
	if rest.Sign() > 0 {
		quotient.Add(quotient, num(1))
	}
	return quotient
}
