package main

// Operations of section 8 and of CUT.

import (
	"encoding/json"
	"fmt"
	"math/big"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
)

type integer struct{ big.Int }

func (i *integer) UnmarshalJSON(data []byte) error {
	if _, ok := i.SetString(string(data), 10); !ok {
		return fmt.Errorf("%s is no integer", data)
	}
	return nil
}

func number(value *big.Int) json.Number { return json.Number(value.String()) }

type line struct {
	NearJ uint64 `json:"near_j"`
	FarJ  uint64 `json:"far_j"`
	FlowJ uint64 `json:"flow_j"`
}

func cutArith(in struct {
	Committed line   `json:"committed"`
	Live      line   `json:"live"`
	End       string `json:"end"`
	Remains   uint64 `json:"remains_j"`
}) (outputs, error) {
	left := arith.Cut(arith.Line(in.Committed), arith.Line(in.Live), in.End == "near", in.Remains)
	return outputs{"near_j": left.NearJ, "far_j": left.FarJ, "flow_j": left.FlowJ}, nil
}

// lossFields are those of a LossModel that enter L_int.
type lossFields struct {
	PlanningMv uint64 `json:"planning_mv"`
	RMicroOhm  uint64 `json:"r_micro_ohm"`
	BPpm       uint64 `json:"b_ppm"`
	CPicoPerW  uint64 `json:"c_pico_per_w"`
}

type linkSlot struct {
	Loss  lossFields `json:"loss"`
	SlotS uint64     `json:"slot_s"`
	NetJ  integer    `json:"net_j"`
	Flow  int        `json:"flow"`
}

func (in *linkSlot) link() (arith.Link, arith.Sense) {
	link := arith.Link{Loss: arith.Loss(in.Loss), SlotS: in.SlotS, NetJ: &in.NetJ.Int}
	return link, senseOf(in.Flow)
}

func lossEntry(in struct {
	linkSlot
	FlowJ integer `json:"flow_j"`
	Price integer `json:"price_micro_per_kwh"`
	Fee   integer `json:"fee_micro_per_kwh"`
}) (outputs, error) {
	link, sense := in.link()
	packet := link.Ends(&in.FlowJ.Int, sense)
	return outputs{
		"loss_before_j":              number(link.LInt(link.NetJ)),
		"increment_j":                number(link.Increment(&in.FlowJ.Int, sense)),
		"sent_j":                     number(packet.SentJ),
		"received_j":                 number(packet.ReceivedJ),
		"price_after_micro_per_kwh":  number(arith.PriceSupply(&in.Price.Int, &in.Fee.Int, packet)),
		"price_before_micro_per_kwh": number(arith.PriceDemand(&in.Price.Int, &in.Fee.Int, packet)),
	}, nil
}

func lossSearch(in struct {
	linkSlot
	By      string  `json:"by"`
	EnergyJ integer `json:"energy_j"`
}) (outputs, error) {
	link, sense := in.link()
	find := link.Received
	if in.By == "sent" {
		find = link.Sent
	}
	packet, found := find(&in.EnergyJ.Int, sense)
	if !found {
		return nil, codec.Refuse("ZERO_ENERGY", "no packet") // question 6
	}
	return outputs{"flow_j": number(packet.FlowJ), "sent_j": number(packet.SentJ), "received_j": number(packet.ReceivedJ)}, nil
}

func lossAmount(in struct {
	Price   integer `json:"price_micro_per_kwh"`
	EnergyJ integer `json:"energy_j"`
}) (outputs, error) {
	return outputs{"amount_micro": number(arith.Amount(&in.Price.Int, &in.EnergyJ.Int))}, nil
}
