package routes

// Rank of a link (SPEC 7.7), what is told to whom (7.9), and how coarsely a link's load is published
// (7.10).

import (
	"bytes"
	"math/big"
	"slices"

	"ioe.example/interop/arith"
)

// LinkRank is link_rank, micro-units per kWh; ratingVa is that of the path's sense.
func LinkRank(loss arith.Loss, ratingVa, slotS, fee uint64, referencePrice int64) *big.Int {
	million := big.NewInt(1_000_000)
	half := new(big.Int).Rsh(new(big.Int).Mul(whole(ratingVa), whole(slotS)), 1)
	share := million
	if half.Sign() > 0 {
		link := arith.Link{Loss: loss, SlotS: slotS, NetJ: new(big.Int)}
		share = ceil(new(big.Int).Mul(link.LInt(half), million), half)
	}
	worth := ceil(new(big.Int).Mul(share, big.NewInt(referencePrice)), million)
	rank := new(big.Int).Add(whole(fee), worth)
	return rank.Add(rank, big.NewInt(1))
}

func whole(value uint64) *big.Int { return new(big.Int).SetUint64(value) }

func ceil(a, b *big.Int) *big.Int {
	quotient, rest := new(big.Int).QuoRem(a, b, new(big.Int))
	if rest.Sign() > 0 {
		quotient.Add(quotient, big.NewInt(1))
	}
	return quotient
}

// Telling is a path that may or may not be told to Y.
type Telling struct {
	From, To, Transit string // roles of X and Y; NONE, CUSTOMERS or PAID
	Marked            bool   // an entry has only_to_customers
	OnPath            bool   // Y is a node of the path
	Links             int
}

// May is may_tell.
func (t Telling) May() bool {
	near := func(role string) bool { return role == "SIBLING" || role == "CUSTOMER" }
	switch {
	case t.OnPath || t.Links >= mostLinks, t.Transit == "NONE":
		return false
	case t.Transit == "CUSTOMERS" && t.From != "CUSTOMER":
		return false
	case !near(t.From) && !near(t.To):
		return false
	}
	return !t.Marked || near(t.To)
}

// MayTellOffer is may_tell_offer.
func MayTellOffer(to string, onlyToCustomers bool) bool {
	return !onlyToCustomers || to == "CUSTOMER" || to == "SIBLING"
}

// Candidate is a path that may be told.
type Candidate struct {
	Hash     []byte
	Rank     uint64
	Links    int
	Neighbor string
	WidthVa  uint64
}

func better(a, b Candidate) int {
	switch {
	case a.Rank != b.Rank:
		return compare(a.Rank < b.Rank)
	case a.Links != b.Links:
		return compare(a.Links < b.Links)
	}
	return bytes.Compare(a.Hash, b.Hash)
}

func compare(less bool) int {
	if less {
		return -1
	}
	return 1
}

// Choose is choose_paths among paths that may all be told.
func Choose(usable []Candidate, most int) []Candidate {
	usable = slices.Clone(usable)
	slices.SortFunc(usable, better)
	if len(usable) <= most {
		return usable
	}
	chosen := firstPerNeighbor(usable, most)
	for _, one := range usable {
		if len(chosen) < most && !holds(chosen, one) {
			chosen = append(chosen, one)
		}
	}
	return widened(chosen, usable, most)
}

func firstPerNeighbor(usable []Candidate, most int) []Candidate {
	near := usable[0].Rank + usable[0].Rank/4
	heard := map[string]bool{}
	var chosen []Candidate
	for _, one := range usable {
		if one.Rank <= near && !heard[one.Neighbor] && len(chosen) < most {
			heard[one.Neighbor] = true
			chosen = append(chosen, one)
		}
	}
	return chosen
}

// widened puts the best of the widest paths into the last place where none of the chosen is as wide.
func widened(chosen, usable []Candidate, most int) []Candidate {
	widest := slices.MaxFunc(usable, func(a, b Candidate) int { return compare(a.WidthVa < b.WidthVa) }).WidthVa
	if most > 1 && !slices.ContainsFunc(chosen, func(c Candidate) bool { return c.WidthVa == widest }) {
		best := slices.IndexFunc(usable, func(c Candidate) bool { return c.WidthVa == widest })
		chosen[len(chosen)-1] = usable[best]
	}
	slices.SortFunc(chosen, better)
	return chosen
}

func holds(chosen []Candidate, one Candidate) bool {
	return slices.ContainsFunc(chosen, func(c Candidate) bool { return bytes.Equal(c.Hash, one.Hash) })
}

// Load is what a keeper knows of its link in a slot; Flow 0 is none, 1 DOWN, 2 UP.
type Load struct {
	NetFlow            uint32
	NetJ               uint64
	FreeDownJ, FreeUpJ int64
}

// Quantise is what is published of a load.
func Quantise(load Load, ratingDownVa, ratingUpVa, slotS, steps uint64) (flow uint32, net, down, up uint64) {
	stepDown := max(1, ratingDownVa*slotS/steps)
	stepUp := max(1, ratingUpVa*slotS/steps)
	step := stepDown
	if load.NetFlow == 2 && load.NetJ > 0 {
		step = stepUp
	}
	net = (load.NetJ + step/2) / step * step
	if net > 0 {
		flow = load.NetFlow
	}
	return flow, net, rounded(load.FreeDownJ, stepDown), rounded(load.FreeUpJ, stepUp)
}

func rounded(free int64, step uint64) uint64 {
	if free < 0 {
		return 0
	}
	return uint64(free) / step * step
}
