package arith

// Prices across a link, amounts (8.6), and what a cut leaves (10.11).

import "math/big"

const joulesPerKwh = 3_600_000

// PriceSupply is the price at the near end of a SUPPLY packet, where the energy is received.
func PriceSupply(farPrice, fee *big.Int, p Packet) *big.Int {
	top := new(big.Int).Add(product(farPrice, p.SentJ), product(fee, p.FlowJ))
	return ceilDiv(top, p.ReceivedJ)
}

// PriceDemand is the price at the near end of a DEMAND packet, where the energy is sent.
func PriceDemand(farPrice, fee *big.Int, p Packet) *big.Int {
	top := new(big.Int).Sub(product(farPrice, p.ReceivedJ), product(fee, p.FlowJ))
	return floorDiv(top, p.SentJ)
}

// Amount is what an energy is worth at a price, micro-units.
func Amount(price, energyJ *big.Int) *big.Int {
	return floorDiv(product(price, energyJ), num(joulesPerKwh))
}

// Line holds the energies of a packet on a link by the sense of the reservation, joules.
type Line struct{ NearJ, FarJ, FlowJ uint64 }

// Cut is CUT of 10.11: remainsJ is left at the near or at the far end. Nothing left withdraws the
// packet, which a line of zeros stands for.
func Cut(committed, live Line, atNear bool, remainsJ uint64) Line {
	if remainsJ == 0 {
		return Line{}
	}
	left := live
	if atNear {
		other := share(committed.FarJ, remainsJ, committed.NearJ)
		left.NearJ, left.FarJ = min(live.NearJ, remainsJ), min(live.FarJ, other)
	} else {
		other := share(committed.NearJ, remainsJ, committed.FarJ)
		left.FarJ, left.NearJ = min(live.FarJ, remainsJ), min(live.NearJ, other)
	}
	left.FlowJ = share(committed.FlowJ, left.NearJ, committed.NearJ)
	return left
}

func share(whole, part, of uint64) uint64 {
	return max(1, floorDiv(product(num(whole), num(part)), num(of)).Uint64())
}
