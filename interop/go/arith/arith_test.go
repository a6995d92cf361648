package arith

import (
	"math/big"
	"testing"
)

var cable = Link{Loss: Loss{PlanningMv: 396000, RMicroOhm: 80000}, SlotS: 900, NetJ: big.NewInt(3600000)}

func is(t *testing.T, what string, got *big.Int, want int64) {
	t.Helper()
	if got.Cmp(big.NewInt(want)) != 0 {
		t.Errorf("%s is %s, not %d", what, got, want)
	}
}

// The figures of the worked example of SPEC 8.8.
func TestWorkedExample(t *testing.T) {
	two := Link{Loss: Loss{PlanningMv: 396000, RMicroOhm: 120000}, SlotS: 900, NetJ: big.NewInt(1800000)}
	is(t, "L_int of link 2", two.LInt(two.NetJ), 2755)
	packet, _ := two.Received(big.NewInt(1800000), 1)
	is(t, "d", packet.FlowJ, 1804145)
	is(t, "s", packet.SentJ, 1808290)
	against, _ := cable.Received(packet.SentJ, -1)
	is(t, "d on link 1", against.FlowJ, 1805529)
	is(t, "s on link 1", against.SentJ, 1802769)
	trimmed, _ := cable.Sent(big.NewInt(1700000), -1)
	is(t, "y after the trim", trimmed.ReceivedJ, 1705306)
	is(t, "price at H", PriceSupply(big.NewInt(200000), big.NewInt(3000), trimmed), 202374)
	is(t, "amount", Amount(big.NewInt(202374), trimmed.ReceivedJ), 95863)
}

// The largest packet fits its room, and one joule more at mid-link does not.
func TestLargest(t *testing.T) {
	for _, room := range []int64{1, 2, 1000, 5000000} {
		packet, found := cable.Largest(big.NewInt(room), 1)
		if !found {
			continue
		}
		larger := cable.Ends(new(big.Int).Add(packet.FlowJ, big.NewInt(1)), 1)
		if packet.SentJ.Int64() > room || larger.SentJ.Int64() <= room {
			t.Errorf("room %d: %s fits, %s would, too", room, packet.SentJ, larger.SentJ)
		}
	}
}

// Amounts are rounded to minus infinity, also those of negative prices.
func TestAmountsOfNegativePrices(t *testing.T) {
	is(t, "a joule at -1", Amount(big.NewInt(-1), big.NewInt(1)), -1)
	is(t, "a kWh at -7", Amount(big.NewInt(-7), big.NewInt(joulesPerKwh)), -7)
}
