package zone

// Steps 4 to 6 of SHARE_OUT: one factor rises for all links together, and whoever reaches a limit
// stops there.

import "math/big"

// bus is the other end of a branch and what its voltage leaves.
type bus struct {
	path  []*branch
	slack *big.Rat // squared voltage that active power may still change
}

func fill(order []*branch, rootMicroPu uint64, band Band, down bool) {
	factors := map[*branch]*big.Rat{}
	var buses []bus
	for _, b := range order {
		buses = append(buses, newBus(b, rootMicroPu, band, down))
	}
	for len(factors) < len(order) {
		level, stops := nextStop(buses, factors, down)
		if stops == nil {
			for _, b := range order {
				if factors[b] == nil {
					factors[b] = big.NewRat(1, 1)
				}
			}
			break
		}
		for _, b := range stops {
			if factors[b] == nil {
				factors[b] = level
			}
		}
	}
	for _, b := range order {
		b.grant(factors[b], down)
	}
}

func newBus(b *branch, rootMicroPu uint64, band Band, down bool) bus {
	root := square(big.NewRat(int64(rootMicroPu), 1_000_000))
	limit := big.NewRat(int64(band.Min+band.Guard), 1_000_000)
	if !down {
		limit = big.NewRat(int64(band.Max-band.Guard), 1_000_000)
	}
	limit.Quo(limit, b.tap)
	slack := new(big.Rat).Sub(root, square(limit))
	if !down {
		slack.Neg(slack)
	}
	found := bus{slack: slack}
	for at := b; at != nil; at = at.parent {
		found.path = append(found.path, at)
		slack.Sub(slack, at.change(at.XMicroOhm, at.q))
	}
	return found
}

func square(value *big.Rat) *big.Rat { return new(big.Rat).Mul(value, value) }

// change is 2 * z * s / (Vn^2 t^2) of a link: micro-ohm times watt over square millivolt.
func (b *branch) change(microOhm, power uint64) *big.Rat {
	top := new(big.Int).Mul(whole(2*microOhm), whole(power))
	value := new(big.Rat).SetFrac(top, new(big.Int).Mul(whole(b.VnMv), whole(b.VnMv)))
	return value.Quo(value, square(b.tap))
}

func (b *branch) active(down bool) *big.Rat {
	if down {
		return b.change(b.RMicroOhm, b.wDown)
	}
	return b.change(b.RMicroOhm, b.wUp)
}

// nextStop is the lowest factor at which a bus reaches its limit, and the links that stop there; none
// when all may rise to 1.
func nextStop(buses []bus, factors map[*branch]*big.Rat, down bool) (*big.Rat, []*branch) {
	lowest := big.NewRat(1, 1)
	var stops []*branch
	for _, one := range buses {
		fixed, rising := new(big.Rat), new(big.Rat)
		for _, b := range one.path {
			if factor := factors[b]; factor != nil {
				fixed.Add(fixed, new(big.Rat).Mul(factor, b.active(down)))
			} else {
				rising.Add(rising, b.active(down))
			}
		}
		left := new(big.Rat).Sub(one.slack, fixed)
		level := new(big.Rat)
		switch {
		case left.Sign() <= 0 && unfilled(one.path, factors):
		case rising.Sign() == 0:
			continue
		default:
			level.Quo(left, rising)
		}
		switch level.Cmp(lowest) {
		case -1:
			lowest, stops = level, append([]*branch{}, one.path...)
		case 0:
			if stops != nil {
				stops = append(stops, one.path...)
			}
		}
	}
	return lowest, stops
}

func unfilled(path []*branch, factors map[*branch]*big.Rat) bool {
	for _, b := range path {
		if factors[b] == nil {
			return true
		}
	}
	return false
}

// grant rounds a factor down to a millionth and its power to whole watts.
func (b *branch) grant(factor *big.Rat, down bool) {
	millionths := new(big.Int).Mul(factor.Num(), big.NewInt(1_000_000))
	millionths.Quo(millionths, factor.Denom())
	watts := func(power uint64) uint64 {
		value := new(big.Int).Mul(millionths, whole(power))
		return value.Quo(value, big.NewInt(1_000_000)).Uint64()
	}
	if down {
		b.downW = watts(b.wDown)
	} else {
		b.upW = watts(b.wUp)
	}
}
