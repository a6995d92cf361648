package main

// Operations of capacity, prices, routes, timers and registered numbers.

import (
	"math/big"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/routes"
	"ioe.example/interop/slots"
	"ioe.example/interop/wire"
)

func capacityLimit(in struct {
	Rating   uint64 `json:"rating_va"`
	Envelope *struct {
		PowerW   *uint64 `json:"power_w"`
		Reactive uint64  `json:"reactive_var"`
	} `json:"envelope"`
	VoltageMin uint64 `json:"voltage_min_micro_pu"`
	MarginPpm  uint64 `json:"margin_ppm"`
	SlotS      uint64 `json:"slot_s"`
}) (outputs, error) {
	var envelope *arith.Envelope
	if in.Envelope != nil {
		if in.Envelope.PowerW == nil {
			return nil, codec.Refuse("NOT_BOOKABLE", "no operating envelope")
		}
		envelope = &arith.Envelope{PowerW: *in.Envelope.PowerW, ReactiveVar: in.Envelope.Reactive}
	}
	usable, limit := arith.MayFlow(in.Rating, envelope, in.VoltageMin, in.MarginPpm, in.SlotS)
	return outputs{"usable_w": number(usable), "limit_j": number(limit)}, nil
}

type ledgerStep struct {
	Do        string  `json:"do"`
	Packet    int     `json:"packet"`
	Direction int     `json:"direction"`
	Flow      int     `json:"flow"`
	EnergyJ   integer `json:"energy_j"`
}

func senseOf(flow int) arith.Sense {
	if flow == 2 {
		return -1
	}
	return 1
}

func capacityLedger(in struct {
	Loss  lossFields   `json:"loss"`
	SlotS uint64       `json:"slot_s"`
	Down  integer      `json:"limit_down_j"`
	Up    integer      `json:"limit_up_j"`
	Steps []ledgerStep `json:"steps"`
}) (outputs, error) {
	ledger := arith.NewLedger(arith.Loss(in.Loss), in.SlotS, &in.Down.Int, &in.Up.Int)
	answers := []any{}
	for i := range in.Steps {
		answers = append(answers, ledgerAnswer(ledger, &in.Steps[i]))
	}
	return outputs{"answers": answers, "net_j": number(ledger.Link.NetJ),
		"used_down_j": number(ledger.Used(1)), "used_up_j": number(ledger.Used(-1))}, nil
}

func ledgerAnswer(ledger *arith.Ledger, step *ledgerStep) any {
	line := func(entry arith.Entry) any {
		return outputs{"number": entry.Number, "flow_j": number(entry.FlowJ), "sent_j": number(entry.SentJ), "received_j": number(entry.ReceivedJ)}
	}
	switch step.Do {
	case "admit":
		entry, err := ledger.Admit(step.Packet, step.Direction == 2, senseOf(step.Flow), &step.EnergyJ.Int, nil)
		if err != nil {
			return string(codec.CodeOf(err))
		}
		return line(entry)
	case "limit":
		ledger.Limits[senseOf(step.Flow)] = new(big.Int).Set(&step.EnergyJ.Int)
		return "done"
	case "leave":
		if _, there := ledger.Leave(step.Packet); there {
			return "done"
		}
		return "not there"
	}
	if !ledger.Holds(step.Packet) {
		return "not there"
	}
	if entry, left := ledger.Trim(step.Packet, &step.EnergyJ.Int); left {
		return line(entry)
	}
	if step.EnergyJ.Sign() == 0 {
		return "gone"
	}
	return "ZERO_ENERGY"
}

func errorsNumber(in struct {
	Registry string `json:"registry"`
	Number   uint64 `json:"number"`
}) (outputs, error) {
	if in.Registry == "code" {
		message, err := codec.Read("ioe.v1.Close", codec.Bytes(&wire.Close{Code: uint32(in.Number)}))
		if err != nil {
			return nil, err
		}
		return outputs{"name": wire.ErrorCode(message.(*wire.Close).Code).String()[len("ERROR_CODE_"):]}, nil
	}
	frame := &wire.Frame{Seq: 1, Envelopes: []*wire.SignedEnvelope{{Type: wire.ObjectType(in.Number)}}}
	if _, err := codec.ReadFrame(codec.Bytes(frame)); err != nil {
		return nil, err
	}
	return outputs{"name": wire.ObjectType(in.Number).String()[len("OBJECT_TYPE_"):]}, nil
}

func priceOrigin(in struct {
	Floors    []int64 `json:"floor_micro_per_kwh"`
	Direction int     `json:"direction"`
	Default   bool    `json:"is_default"`
	Ask       int64   `json:"ask_micro_per_kwh"`
	Band      uint32  `json:"band"`
	Limit     int64   `json:"price_limit_micro_per_kwh"`
}) (outputs, error) {
	price, scarcity, err := arith.AtOrigin(in.Floors,
		arith.Ask{Price: in.Ask, Demand: in.Direction == 2, Default: in.Default, Band: in.Band, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	return outputs{"price_micro_per_kwh": price, "scarcity_micro_per_kwh": scarcity}, nil
}

func routeRank(in struct {
	Loss      lossFields `json:"loss"`
	Down      uint64     `json:"rating_down_va"`
	Up        uint64     `json:"rating_up_va"`
	Flow      int        `json:"flow"`
	Fee       uint64     `json:"fee_micro_per_kwh"`
	Reference int64      `json:"reference_price_micro_per_kwh"`
	SlotS     uint64     `json:"slot_s"`
}) (outputs, error) {
	rating := in.Down
	if in.Flow == 2 {
		rating = in.Up
	}
	return outputs{"rank": number(routes.LinkRank(arith.Loss(in.Loss), rating, in.SlotS, in.Fee, in.Reference))}, nil
}

func may(allowed bool) (outputs, error) {
	if !allowed {
		return outputs{"may": false}, codec.Refuse("POLICY", "it may not be told")
	}
	return outputs{"may": true}, nil
}

func routeTell(in struct {
	From    string `json:"learned_from"`
	To      string `json:"to"`
	Transit string `json:"transit"`
	Marked  bool   `json:"only_to_customers"`
	OnPath  bool   `json:"on_path"`
	Links   int    `json:"links"`
}) (outputs, error) {
	return may(routes.Telling{From: in.From, To: in.To, Transit: in.Transit, Marked: in.Marked, OnPath: in.OnPath, Links: in.Links}.May())
}

func routeOffer(in struct {
	To     string `json:"to"`
	Marked bool   `json:"only_to_customers"`
}) (outputs, error) {
	return may(routes.MayTellOffer(in.To, in.Marked))
}

func routeChoose(in struct {
	Most  int `json:"told_paths_per_origin"`
	Paths []struct {
		Hash     hexBytes `json:"hash"`
		Rank     uint64   `json:"rank"`
		Links    int      `json:"links"`
		Neighbor string   `json:"neighbor"`
		Width    uint64   `json:"width_va"`
	} `json:"paths"`
}) (outputs, error) {
	var usable []routes.Candidate
	for _, path := range in.Paths {
		usable = append(usable, routes.Candidate{Hash: path.Hash, Rank: path.Rank, Links: path.Links, Neighbor: path.Neighbor, WidthVa: path.Width})
	}
	chosen := []hexBytes{}
	for _, one := range routes.Choose(usable, in.Most) {
		chosen = append(chosen, one.Hash)
	}
	return outputs{"chosen": chosen}, nil
}

func routeState(in struct {
	Down     uint64 `json:"rating_down_va"`
	Up       uint64 `json:"rating_up_va"`
	SlotS    uint64 `json:"slot_s"`
	Steps    uint64 `json:"link_state_steps"`
	Flow     uint32 `json:"net_flow"`
	NetJ     uint64 `json:"net_energy_j"`
	FreeDown int64  `json:"free_down_j"`
	FreeUp   int64  `json:"free_up_j"`
}) (outputs, error) {
	load := routes.Load{NetFlow: in.Flow, NetJ: in.NetJ, FreeDownJ: in.FreeDown, FreeUpJ: in.FreeUp}
	flow, net, down, up := routes.Quantise(load, in.Down, in.Up, in.SlotS, in.Steps)
	return outputs{"net_flow": flow, "net_energy_j": net, "residual_down_j": down, "residual_up_j": up}, nil
}

func timersGate(in struct {
	SlotS  uint64  `json:"slot_s"`
	Floors []int64 `json:"floor_micro_per_kwh"`
	Before int64   `json:"before_slot_s"`
	Band   uint32  `json:"band"`
}) (outputs, error) {
	const slot = 1 << 30 // any slot: instants count from its start
	phase, err := slots.Gate(slot, in.SlotS, uint64(len(in.Floors))+1, in.Band, uint64(slot-in.Before))
	return outputs{"phase": phase}, err
}

func timersBudget(in struct {
	Rate    uint64 `json:"rate_per_s"`
	Burst   uint64 `json:"burst"`
	Bursts  uint64 `json:"bursts"`
	Charges []struct {
		AtMs  uint64 `json:"at_ms"`
		Units uint64 `json:"units"`
	} `json:"charges"`
}) (outputs, error) {
	budget, waits := slots.Budget{RatePerS: in.Rate, Burst: in.Burst}, []uint64{}
	for _, charge := range in.Charges {
		waits = append(waits, budget.Charge(charge.Units, in.Bursts, charge.AtMs))
	}
	return outputs{"waits_ms": waits}, nil
}
