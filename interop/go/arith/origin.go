package arith

// PRICE_AT_ORIGIN (SPEC 9.2) and how much may flow on a link (9.4).

import (
	"math/big"

	"ioe.example/interop/codec"
)

// Ask is an offer's price of a slot and what a HOLD says to it, micro-units per kWh.
type Ask struct {
	Price   int64
	Demand  bool
	Default bool
	Band    uint32
	Limit   int64
}

// AtOrigin is the price of a packet at its origin and how much of it is scarcity.
func AtOrigin(floors []int64, ask Ask) (price, scarcity int64, err error) {
	price = ask.Price
	if int(ask.Band) < len(floors) {
		floor := floors[ask.Band]
		switch {
		case ask.Demand && ask.Price < floor:
			return 0, 0, codec.Refuse("TOO_EARLY", "a bid below the floor %d", floor)
		case !ask.Demand && ask.Limit < floor:
			return 0, 0, codec.Refuse("PRICE_LIMIT", "a limit below the floor %d", floor)
		case !ask.Demand && !ask.Default:
			price = max(ask.Price, floor)
		}
	}
	if !ask.Demand && price > ask.Limit || ask.Demand && price < ask.Limit {
		return 0, 0, codec.Refuse("PRICE_LIMIT", "%d is beyond the limit %d", price, ask.Limit)
	}
	return price, max(0, price-ask.Price), nil
}

// Envelope is the line of an operating envelope for one direction.
type Envelope struct{ PowerW, ReactiveVar uint64 }

// MayFlow is P_r in watts and the limit of a slot and direction in joules; without an envelope the
// link is CONTROLLED.
func MayFlow(ratingVa uint64, envelope *Envelope, voltageMinMicroPu, marginPpm, slotS uint64) (usableW, limitJ *big.Int) {
	apparent := floorDiv(product(num(ratingVa), num(voltageMinMicroPu)), num(1_000_000))
	square := product(apparent, apparent)
	if envelope != nil {
		square.Sub(square, product(num(envelope.ReactiveVar), num(envelope.ReactiveVar)))
	}
	usable := new(big.Int)
	if square.Sign() > 0 {
		usable.Sqrt(square)
	}
	most := num(ratingVa)
	if envelope != nil {
		most = num(envelope.PowerW)
	}
	if usable.Cmp(most) < 0 {
		most = usable
	}
	limit := product(most, num(slotS), num(1_000_000-marginPpm))
	return usable, floorDiv(limit, num(1_000_000))
}
