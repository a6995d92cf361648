package main

// The operation "receive": a router with sessions to its neighbours is told an object.

import (
	"fmt"
	"slices"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/receiver"
	"ioe.example/interop/wire"
)

type toldFrame struct {
	AtMs      uint64     `json:"at_utc_ms"`
	From      string     `json:"from"`
	Envelopes []hexBytes `json:"envelopes"`
}

type receiving struct {
	Parameters struct {
		NetworkID string `json:"network_id"`
		SlotS     uint64 `json:"slot_s"`
	} `json:"parameters"`
	Receiver string `json:"receiver"`
	Keys     map[string]struct {
		Certificate hexBytes `json:"certificate"`
	} `json:"keys"`
	Neighbors []struct {
		Name        string   `json:"name"`
		Attestation hexBytes `json:"attestation"`
		Role        string   `json:"role"`
	} `json:"neighbors"`
	Domain *struct {
		Lists   []hexBytes          `json:"lists"`
		Member  hexBytes            `json:"member"`
		Members map[string]hexBytes `json:"members"`
	} `json:"domain"`
	OwnOffers []any       `json:"own_offers"`
	Before    []toldFrame `json:"before"`
	Object    toldFrame   `json:"object"`
	LookFor   []string    `json:"look_for"`
}

func receive(in receiving) (outputs, error) {
	if len(in.OwnOffers) > 0 {
		return nil, fmt.Errorf("own offers are not here")
	}
	router, err := in.router()
	if err != nil {
		return nil, err
	}
	for _, frame := range in.Before {
		for _, envelope := range frame.Envelopes {
			if _, err := router.Tell(frame.From, frame.AtMs, envelope); err != nil {
				return nil, fmt.Errorf("what came before is refused: %v", err)
			}
		}
	}
	sent, err := router.Tell(in.Object.From, in.Object.AtMs, in.Object.Envelopes[0])
	if err != nil {
		return nil, err
	}
	looked := [][2]string{}
	for _, one := range sent {
		kind := one.Type.String()[len("OBJECT_TYPE_"):]
		if slices.Contains(in.LookFor, kind) {
			looked = append(looked, [2]string{one.To, kind})
		}
	}
	slices.SortFunc(looked, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return outputs{"sent": looked}, nil
}

func (in receiving) router() (*receiver.Router, error) {
	var certificates []*wire.SignedEnvelope
	held := map[string]*wire.OperationalKey{}
	certify := func(name string) error {
		envelope, err := codec.ReadEnvelope(in.Keys[name].Certificate)
		if err != nil {
			return err
		}
		key, err := codec.Read("ioe.v1.OperationalKey", envelope.Signed)
		if err != nil {
			return err
		}
		held[name], certificates = key.(*wire.OperationalKey), append(certificates, envelope)
		return nil
	}
	if err := certify(in.Receiver); err != nil {
		return nil, err
	}
	var neighbors []*receiver.Neighbor
	var attestations []*wire.SignedEnvelope
	for _, one := range in.Neighbors {
		if err := certify(one.Name); err != nil {
			return nil, err
		}
		envelope, err := codec.ReadEnvelope(one.Attestation)
		if err != nil {
			return nil, err
		}
		link, err := codec.Read("ioe.v1.LinkAttestation", envelope.Signed)
		if err != nil {
			return nil, err
		}
		attestations = append(attestations, envelope)
		neighbors = append(neighbors, &receiver.Neighbor{Name: one.Name, Node: names.Node(held[one.Name].IdentityKey),
			Link: link.(*wire.LinkAttestation), Role: wire.Role(wire.Role_value["ROLE_"+one.Role]), Session: held[one.Name]})
	}
	parameters := names.Parameters{NetworkID: in.Parameters.NetworkID, SlotS: in.Parameters.SlotS}
	router, err := receiver.New(names.Node(held[in.Receiver].IdentityKey), parameters, neighbors, certificates)
	if err != nil {
		return nil, err
	}
	if err := in.trust(router); err != nil {
		return nil, err
	}
	for i, envelope := range attestations {
		router.Attest(envelope, neighbors[i].Link)
	}
	return router, nil
}

// trust gives the router its domain: lists, its own certificate, and those of its neighbours.
func (in receiving) trust(router *receiver.Router) error {
	if in.Domain == nil {
		return nil
	}
	var lists []*codec.Opened
	for _, data := range in.Domain.Lists {
		opened, err := openTrust(in.Parameters.NetworkID, 0, data)
		if err != nil {
			return err
		}
		lists = append(lists, opened)
	}
	router.Trust(lists)
	certificates := []hexBytes{in.Domain.Member}
	for _, data := range in.Domain.Members {
		certificates = append(certificates, data)
	}
	for _, data := range certificates {
		opened, err := openTrust(in.Parameters.NetworkID, 0, data)
		if err != nil {
			return err
		}
		router.Admit(opened)
	}
	return nil
}
