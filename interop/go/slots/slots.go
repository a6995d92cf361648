// Package slots is the timetable of a slot (SPEC 9.1): which phase it is in, and which band of the
// descending clock is open. Instants are UTC seconds.
package slots

// OutsideBands is what initiators write into `band` outside the bands.
const OutsideBands = 255

// offsets are seconds before the slot; BandS is the length of a band.
type offsets struct{ open, band, provisional, correction, final uint64 }

var timetable = map[uint64]offsets{
	300:  {240, 5, 150, 80, 45},
	900:  {600, 10, 420, 240, 120},
	1800: {600, 10, 420, 240, 120},
	3600: {600, 10, 420, 240, 120},
}

// Phase is a phase of a slot.
type Phase string

// The phases in their order.
const (
	Before     Phase = "BEFORE"
	Bands      Phase = "BANDS"
	Repair     Phase = "REPAIR"
	Sweeps     Phase = "SWEEPS"
	Correction Phase = "CORRECTION"
	Closed     Phase = "CLOSED"
	Running    Phase = "RUNNING"
	Over       Phase = "OVER"
)

// PhaseOf is the phase of a slot at an instant, and the band that is open in it: OutsideBands in all
// phases but Bands. bands is the number of bands, one more than that of floor prices.
func PhaseOf(slotUtc, slotS, bands, nowUtc uint64) (Phase, uint32) {
	at := timetable[slotS]
	before := func(offset uint64) bool { return nowUtc+offset < slotUtc }
	lastBandEnds := at.open - at.band*bands
	switch {
	case before(at.open):
		return Before, OutsideBands
	case before(lastBandEnds):
		return Bands, uint32((nowUtc + at.open - slotUtc) / at.band)
	case before(at.provisional):
		return Repair, OutsideBands
	case before(at.correction):
		return Sweeps, OutsideBands
	case before(at.final):
		return Correction, OutsideBands
	case before(0):
		return Closed, OutsideBands
	case nowUtc < slotUtc+slotS:
		return Running, OutsideBands
	}
	return Over, OutsideBands
}

// MayHold says whether an initiator may send a HOLD for a slot in a phase.
func MayHold(phase Phase) bool { return phase == Bands || phase == Repair || phase == Correction }
