package slots

// Whether a HOLD passes (SPEC 9.1), and budgets (14.5).

import "ioe.example/interop/codec"

// Gate judges a packet by its slot: the phase, or the code that refuses the HOLD.
func Gate(slotUtc, slotS, bands uint64, band uint32, nowUtc uint64) (Phase, error) {
	phase, open := PhaseOf(slotUtc, slotS, bands, nowUtc)
	outside := band == OutsideBands
	switch phase {
	case Before:
		return phase, codec.Refuse("TOO_EARLY", "the bands are not open")
	case Bands:
		if outside || band > open {
			return phase, codec.Refuse("TOO_EARLY", "band %d is not open", band)
		}
	case Correction:
		if !outside {
			return phase, codec.Refuse("GATE_CLOSED", "the bands are over")
		}
	case Sweeps, Closed:
		return phase, codec.Refuse("GATE_CLOSED", "the gate is closed")
	case Running, Over:
		return phase, codec.Refuse("IN_PAST", "the slot has begun")
	}
	return phase, nil
}

// Budget is a rate and a burst. Instants are milliseconds; used is scaled by the rate, so that no
// charge is rounded.
type Budget struct {
	RatePerS, Burst uint64
	used            uint64 // milliseconds times rate
}

// Charge is how long a charge of units has to wait, milliseconds rounded up; 0 when it is taken.
func (b *Budget) Charge(units, bursts, atMs uint64) uint64 {
	now := atMs * b.RatePerS
	used := max(b.used, now) + units*1000
	allowed := now + bursts*b.Burst*1000
	if used > allowed {
		return (used - allowed + b.RatePerS - 1) / b.RatePerS
	}
	b.used = used
	return 0
}
