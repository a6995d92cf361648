package main

// Operations on names and states.

import (
	"ioe.example/interop/codec"
	"ioe.example/interop/fsm"
	"ioe.example/interop/names"
)

func identityNode(in struct {
	Key hexBytes `json:"identity_key"`
}) (outputs, error) {
	node := names.Node(in.Key)
	return outputs{"node": hexBytes(node), "text": names.Text("ioe", node)}, nil
}

func identityLink(in struct {
	Ends   [2]hexBytes `json:"ends"`
	Number uint8       `json:"number"`
}) (outputs, error) {
	return outputs{"link": hexBytes(names.Link(in.Ends[0], in.Ends[1], in.Number))}, nil
}

func identityText(in struct {
	Text string `json:"text"`
}) (outputs, error) {
	node, err := names.ParseText("ioe", in.Text)
	if err != nil {
		return nil, codec.Refuse(codec.Malformed, "%v", err)
	}
	return outputs{"node": hexBytes(node)}, nil
}

func domainID(in struct {
	Network string     `json:"network_id"`
	Quorum  uint8      `json:"quorum"`
	Roots   []hexBytes `json:"roots"`
}) (outputs, error) {
	domain := names.Domain(in.Network, in.Quorum, plain(in.Roots))
	return outputs{"domain": hexBytes(domain), "text": names.Text("ioed", domain)}, nil
}

func pathHash(in struct {
	Network   string     `json:"network_id"`
	Origin    hexBytes   `json:"origin"`
	Direction uint8      `json:"direction"`
	Entries   []hexBytes `json:"entries"`
}) (outputs, error) {
	return outputs{"hashes": hexAll(names.Path(in.Network, in.Origin, in.Direction, plain(in.Entries)))}, nil
}

func sessionID(in struct {
	Dialer   hexBytes `json:"dialer_hello"`
	Listener hexBytes `json:"listener_hello"`
}) (outputs, error) {
	return outputs{"session": hexBytes(names.Session(in.Dialer, in.Listener))}, nil
}

func retainedDigests(in struct {
	Paths []struct {
		Origin hexBytes `json:"origin"`
		Path   hexBytes `json:"path"`
	} `json:"paths"`
	Offers []struct {
		Origin hexBytes `json:"origin"`
		Offer  hexBytes `json:"offer"`
	} `json:"offers"`
}) (outputs, error) {
	var items []names.Item
	for _, path := range in.Paths {
		items = append(items, names.Item{Origin: path.Origin, Name: append([]byte{0}, path.Path...)})
	}
	for _, offer := range in.Offers {
		items = append(items, names.Item{Origin: offer.Origin, Name: append([]byte{1}, offer.Offer...)})
	}
	return outputs{"digests": hexBytes(names.Digests(items))}, nil
}

func retainedKept(in struct {
	Mine   hexBytes `json:"mine"`
	Theirs hexBytes `json:"theirs"`
}) (outputs, error) {
	return outputs{"kept": names.Kept(in.Mine, in.Theirs)}, nil
}

type stateAndEvent struct {
	State string `json:"state"`
	Event string `json:"event"`
}

func sessionFSM(in stateAndEvent) (outputs, error) {
	next, code := fsm.Session(in.State, in.Event)
	if code != "" {
		return nil, codec.Refuse(code, "%s in %s", in.Event, in.State)
	}
	return outputs{"next_state": next}, nil
}

func reservationFSM(in stateAndEvent) (outputs, error) {
	next, code, sent := fsm.Reservation(in.State, in.Event)
	values := outputs{"next_state": next, "sent": sent}
	if code != "" {
		return values, codec.Refuse(code, "%s in %s", in.Event, in.State)
	}
	return values, nil
}
