// Package zone is SHARE_OUT of SPEC 11.3: which powers the links of a tree may carry, in either
// direction and in every combination, so that all voltages stay in their band. All of it is exact:
// squared voltages are rational numbers of the nominal one.
package zone

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"slices"
)

// Link is an attested link.
type Link struct {
	ID             []byte // 16 bytes
	Keeper, Other  []byte // node ids
	Radial         bool
	DownVa, UpVa   uint64
	VnMv           uint64
	RMicroOhm      uint64
	XMicroOhm      uint64
	MagnetisingVar uint64
	ChargingVar    uint64
	TapRatioPpm    uint64
}

// Limit is what a node's own devices may take, give and draw: watts, var.
type Limit struct{ ImportW, ExportW, ReactiveVar uint64 }

// Band is the voltage band of the network, millionths of nominal.
type Band struct{ Min, Max, Guard uint64 }

// Line is what a link may carry, watts, with the reactive power assumed on it and how many links lie
// below its other end.
type Line struct {
	Link        []byte
	DownW, UpW  uint64
	ReactiveVar uint64
	Height      uint32
}

// branch is a link of the tree with what it carries at most.
type branch struct {
	*Link
	parent     *branch
	children   []*branch
	tap        *big.Rat // product of the ratios from the root to the other end
	wDown, wUp uint64
	drawn      uint64
	given      uint64
	q          uint64
	downW, upW uint64
	height     uint32
}

const mostLines = 1024

// Share gives every RADIAL link of the root's zone its line, nearest the root first.
func Share(root []byte, rootMicroPu uint64, band Band, links []Link, limits map[string]Limit) []Line {
	top := grow(root, links, limits)
	order := breadth(top)
	for i := len(order) - 1; i >= 0; i-- {
		order[i].sum(links, limits, band)
	}
	fill(order, rootMicroPu, band, true)
	fill(order, rootMicroPu, band, false)
	var lines []Line
	for _, b := range order {
		lines = append(lines, Line{b.ID, b.downW, b.upW, b.q, b.height})
	}
	return lines[:min(len(lines), mostLines)]
}

// grow makes the tree from the root outwards over links whose other end has a limit.
func grow(node []byte, links []Link, limits map[string]Limit) []*branch {
	return growFrom(nil, node, links, limits)
}

func growFrom(parent *branch, node []byte, links []Link, limits map[string]Limit) []*branch {
	var found []*branch
	for i := range links {
		link := &links[i]
		if _, stated := limits[hex.EncodeToString(link.Other)]; !link.Radial || !bytes.Equal(link.Keeper, node) || !stated {
			continue
		}
		tap := big.NewRat(int64(link.TapRatioPpm), 1_000_000)
		if parent != nil {
			tap.Mul(tap, parent.tap)
		}
		one := &branch{Link: link, parent: parent, tap: tap}
		one.children = growFrom(one, link.Other, links, limits)
		found = append(found, one)
	}
	slices.SortFunc(found, func(a, b *branch) int { return bytes.Compare(a.ID, b.ID) })
	return found
}

func breadth(level []*branch) []*branch {
	var order []*branch
	for len(level) > 0 {
		order = append(order, level...)
		var next []*branch
		for _, one := range level {
			next = append(next, one.children...)
		}
		level = next
	}
	return order
}

// sum is steps 2 and 3 at the bus of a link's other end; its children have been summed.
func (b *branch) sum(links []Link, limits map[string]Limit, band Band) {
	own := limits[hex.EncodeToString(b.Other)]
	takes, gives := own.ImportW, own.ExportW
	magnetising, charging := uint64(0), b.ChargingVar
	for _, link := range links {
		switch {
		case link.Radial && bytes.Equal(link.Keeper, b.Other): // energised, whoever is at its end
			magnetising, charging = magnetising+link.MagnetisingVar, charging+link.ChargingVar
		case link.Radial:
		case bytes.Equal(link.Keeper, b.Other): // DOWN leaves this node
			takes, gives = takes+link.DownVa, gives+link.UpVa
		case bytes.Equal(link.Other, b.Other):
			takes, gives = takes+link.UpVa, gives+link.DownVa
		}
	}
	b.drawn, b.given = own.ReactiveVar, own.ReactiveVar
	for _, child := range b.children {
		takes, gives = takes+child.wDown, gives+child.wUp
		b.drawn, b.given = b.drawn+child.drawn, b.given+child.given
		b.height = max(b.height, child.height+1)
	}
	b.drawn += atVoltage(magnetising, band.Max, 1)
	b.given += atVoltage(charging, band.Max, 2)
	larger := max(b.DownVa, b.UpVa)
	b.drawn, b.given = min(b.drawn, larger), min(b.given, larger)
	b.wDown, b.wUp, b.q = min(b.DownVa, takes), min(b.UpVa, gives), max(b.drawn, b.given)
}

// atVoltage is ceil(var * V^2 / parts) with V in millionths of nominal.
func atVoltage(power, microPu, parts uint64) uint64 {
	top := new(big.Int).Mul(whole(power), new(big.Int).Mul(whole(microPu), whole(microPu)))
	bottom := new(big.Int).Mul(whole(1_000_000_000_000), whole(parts))
	quotient, rest := new(big.Int).QuoRem(top, bottom, new(big.Int))
	if rest.Sign() > 0 {
		quotient.Add(quotient, big.NewInt(1))
	}
	return quotient.Uint64()
}

func whole(value uint64) *big.Int { return new(big.Int).SetUint64(value) }
