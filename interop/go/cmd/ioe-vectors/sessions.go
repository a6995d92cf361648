package main

// Operations of the handshake, of whole sessions, and of zones.

import (
	"strings"

	"ioe.example/interop/codec"
	"ioe.example/interop/handshake"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
	"ioe.example/interop/zone"
)

// parameters are the network's by their names; the fields stand in the order of names.Parameters.
type parameters struct {
	NetworkID           string  `json:"network_id"`
	Currency            string  `json:"currency"`
	SlotS               uint64  `json:"slot_s"`
	ReferencePriceMicro int64   `json:"reference_price_micro_per_kwh"`
	FloorsMicro         []int64 `json:"floor_micro_per_kwh"`
	LinkStateSteps      uint64  `json:"link_state_steps"`
	VoltageMinMicroPu   uint64  `json:"voltage_min_micro_pu"`
	VoltageMaxMicroPu   uint64  `json:"voltage_max_micro_pu"`
	VoltageGuardMicroPu uint64  `json:"voltage_guard_micro_pu"`
	PreemptionGap       uint64  `json:"preemption_gap"`
	PreemptionGraceS    uint64  `json:"preemption_grace_s"`
}

func helloParameters(in struct {
	Parameters parameters `json:"parameters"`
}) (outputs, error) {
	return outputs{"digest": hexBytes(names.Parameters(in.Parameters).Digest())}, nil
}

// knownFeatures is what hello.check says of the node in question.
const knownFeatures = handshake.Resume

func helloCheck(in struct {
	Parameters   parameters `json:"parameters"`
	OwnNode      hexBytes   `json:"own_node"`
	OwnEpoch     uint64     `json:"own_epoch"`
	SeenEpoch    uint64     `json:"seen_epoch"`
	Neighbor     hexBytes   `json:"neighbor"`
	Role         string     `json:"role"`
	Attestation  hexBytes   `json:"attestation"`
	TransportKey hexBytes   `json:"transport_key"`
	Certificates []hexBytes `json:"certificates"`
	NowMs        uint64     `json:"now_utc_ms"`
	Hello        hexBytes   `json:"hello"`
}) (outputs, error) {
	keys, err := keysOf(in.Parameters.NetworkID, in.Certificates)
	if err != nil {
		return nil, err
	}
	attestation, err := codec.ReadEnvelope(in.Attestation)
	if err != nil {
		return nil, err
	}
	envelope, err := codec.ReadEnvelope(in.Hello)
	if err != nil {
		return nil, err
	}
	opened, err := codec.Open(in.Parameters.NetworkID, in.NowMs/1000, keys, envelope)
	if err != nil {
		return nil, err
	}
	expected := handshake.Expected{NetworkID: in.Parameters.NetworkID, OwnNode: in.OwnNode, OwnEpoch: in.OwnEpoch,
		SeenEpoch: in.SeenEpoch, Neighbor: in.Neighbor, Role: wire.Role(wire.Role_value["ROLE_"+in.Role]),
		Parameters: names.Parameters(in.Parameters).Digest(), Attestation: attestation,
		TransportKey: in.TransportKey, NowMs: in.NowMs}
	if err := expected.CheckHello(opened, envelope.Signatures[0].Key); err != nil {
		return nil, err
	}
	features := opened.Message.(*wire.Hello).Features & knownFeatures
	return outputs{"version": handshake.Version, "features": features}, nil
}

func helloProof(in struct {
	Network      string     `json:"network_id"`
	NowUtcS      uint64     `json:"now_utc_s"`
	Neighbor     hexBytes   `json:"neighbor"`
	HelloKey     hexBytes   `json:"hello_key"`
	Dialer       hexBytes   `json:"dialer_hello"`
	Listener     hexBytes   `json:"listener_hello"`
	Certificates []hexBytes `json:"certificates"`
	Proof        hexBytes   `json:"proof"`
}) (outputs, error) {
	keys, err := keysOf(in.Network, in.Certificates)
	if err != nil {
		return nil, err
	}
	envelope, err := codec.ReadEnvelope(in.Proof)
	if err != nil {
		return nil, err
	}
	opened, err := codec.Open(in.Network, in.NowUtcS, keys, envelope)
	if err != nil {
		return nil, err
	}
	session, err := handshake.CheckProof(opened, envelope.Signatures[0].Key, in.Neighbor, in.HelloKey, in.Dialer, in.Listener)
	if err != nil {
		return nil, err
	}
	return outputs{"session": hexBytes(session)}, nil
}

func transcript(in struct {
	Network string `json:"network_id"`
	Frames  []struct {
		From  string   `json:"from"`
		Frame hexBytes `json:"frame"`
	} `json:"frames"`
}) (outputs, error) {
	listener, frames := handshake.NewListener(in.Network), []outputs{}
	for _, frame := range in.Frames {
		read, err := listener.Hear(frame.From, frame.Frame)
		if err != nil {
			return nil, err
		}
		objects := [][2]any{}
		for _, object := range read.Objects {
			objects = append(objects, [2]any{strings.TrimPrefix(object.Type.String(), "OBJECT_TYPE_"), hexBytes(object.ObjectID)})
		}
		frames = append(frames, outputs{"seq": read.Frame.Seq, "session": hexBytes(read.Frame.Session),
			"signed": read.Frame.Signature != nil, "objects": objects})
	}
	return outputs{"session": hexBytes(listener.Session), "frames": frames}, nil
}

func zoneShare(in struct {
	Parameters parameters `json:"parameters"`
	Root       hexBytes   `json:"root"`
	RootPu     uint64     `json:"root_micro_pu"`
	Links      []struct {
		Keeper hexBytes `json:"keeper"`
		Other  hexBytes `json:"other"`
		Kind   int      `json:"kind"`
		Number uint8    `json:"number"`
		Down   uint64   `json:"rating_down_va"`
		Up     uint64   `json:"rating_up_va"`
		Loss   struct {
			VnMv        uint64 `json:"vn_mv"`
			R           uint64 `json:"r_micro_ohm"`
			X           uint64 `json:"x_micro_ohm"`
			Magnetising uint64 `json:"magnetising_var"`
			Charging    uint64 `json:"charging_var"`
			Tap         uint64 `json:"tap_ratio_ppm"`
		} `json:"loss"`
	} `json:"links"`
	Limits []struct {
		Node     string `json:"node"`
		ImportW  uint64 `json:"import_w"`
		ExportW  uint64 `json:"export_w"`
		Reactive uint64 `json:"reactive_var"`
	} `json:"limits"`
}) (outputs, error) {
	var links []zone.Link
	for _, l := range in.Links {
		links = append(links, zone.Link{ID: names.Link(l.Keeper, l.Other, l.Number), Keeper: l.Keeper, Other: l.Other,
			Radial: l.Kind == 1, DownVa: l.Down, UpVa: l.Up, VnMv: l.Loss.VnMv, RMicroOhm: l.Loss.R, XMicroOhm: l.Loss.X,
			MagnetisingVar: l.Loss.Magnetising, ChargingVar: l.Loss.Charging, TapRatioPpm: l.Loss.Tap})
	}
	limits := map[string]zone.Limit{}
	for _, l := range in.Limits {
		limits[l.Node] = zone.Limit{ImportW: l.ImportW, ExportW: l.ExportW, ReactiveVar: l.Reactive}
	}
	band := zone.Band{Min: in.Parameters.VoltageMinMicroPu, Max: in.Parameters.VoltageMaxMicroPu, Guard: in.Parameters.VoltageGuardMicroPu}
	lines := []outputs{}
	for _, line := range zone.Share(in.Root, in.RootPu, band, links, limits) {
		lines = append(lines, outputs{"link": hexBytes(line.Link), "down_w": line.DownW, "up_w": line.UpW,
			"reactive_var": line.ReactiveVar, "height": line.Height})
	}
	return outputs{"lines": lines}, nil
}
