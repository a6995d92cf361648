package slots

import "testing"

// Every instant belongs to the phase that begins at it; a slot of five minutes with three bands.
func TestPhases(t *testing.T) {
	const slot = 300_000
	for _, one := range []struct {
		before int64
		phase  Phase
		band   uint32
	}{
		{241, Before, 255}, {240, Bands, 0}, {236, Bands, 0}, {235, Bands, 1}, {226, Bands, 2}, {225, Repair, 255},
		{151, Repair, 255}, {150, Sweeps, 255}, {80, Correction, 255}, {46, Correction, 255}, {45, Closed, 255},
		{1, Closed, 255}, {0, Running, 255}, {-299, Running, 255}, {-300, Over, 255},
	} {
		phase, band := PhaseOf(slot, 300, 3, uint64(slot-one.before))
		if phase != one.phase || band != one.band {
			t.Errorf("%d s before: %s, band %d", one.before, phase, band)
		}
	}
}
