package main

// The operation "reserve": a router in the middle of reservations.

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/reserving"
	"ioe.example/interop/routes"
	"ioe.example/interop/wire"
)

type reserveInputs struct {
	Parameters   parameters `json:"parameters"`
	Receiver     string     `json:"receiver"`
	BalanceParty string     `json:"balance_party"`
	Domain       any        `json:"domain"`
	Keys         map[string]struct {
		Seed        hexBytes `json:"operational_seed"`
		Certificate hexBytes `json:"certificate"`
	} `json:"keys"`
	Neighbors []struct {
		Name        string   `json:"name"`
		Attestation hexBytes `json:"attestation"`
	} `json:"neighbors"`
	OwnOffers []struct {
		Number    uint32           `json:"offer_no"`
		Direction wire.Direction   `json:"direction"`
		FirstSlot uint64           `json:"first_slot_utc_s"`
		Runs      []*wire.OfferRun `json:"runs"`
	} `json:"own_offers"`
	Before []toldFrame `json:"before"`
	Begin  uint64      `json:"begin_utc_ms"`
	Steps  []struct {
		At   uint64          `json:"at_utc_ms"`
		Do   string          `json:"do"`
		From string          `json:"from"`
		Say  json.RawMessage `json:"say"`
	} `json:"steps"`
}

// scene is an engine and the stage it stands on.
type scene struct {
	stage
	engine *reserving.Engine
	nodes  map[string][]byte
	paths  []*routes.Path
	heard  map[string]*reserving.Neighbor // who told a path, by its hash
}

func reserve(in reserveInputs) (outputs, error) {
	if in.Domain != nil || in.Parameters.PreemptionGap > 0 {
		return nil, fmt.Errorf("domains and pre-emption are not here")
	}
	s, err := in.scene()
	if err != nil {
		return nil, fmt.Errorf("the scene cannot be set: %v", err)
	}
	s.engine.Wait(in.Begin)
	answers := []any{}
	for _, step := range in.Steps {
		said, err := s.step(step.Do, step.From, step.At, step.Say)
		if err != nil {
			return nil, err
		}
		answers = append(answers, s.answered(said))
	}
	return outputs{"answers": answers}, nil
}

func (s *scene) step(do, from string, at uint64, say json.RawMessage) ([]reserving.Said, error) {
	switch do {
	case "wait":
		return s.engine.Wait(at), nil
	case "lose":
		return s.engine.Lose(from, at), nil
	}
	// what timers say until this instant is not because of the object, but placeholders may name it
	for _, one := range s.engine.Wait(at) {
		s.note(one.Envelope)
	}
	reader := json.NewDecoder(bytes.NewReader(say))
	reader.UseNumber()
	object := &sayable{}
	if err := reader.Decode(object); err != nil {
		return nil, err
	}
	if object.Type == "RELAY" {
		return nil, fmt.Errorf("relays are not here")
	}
	s.label = func(name string) []byte { return s.labelOf(from, name) }
	envelope, err := s.make(object)
	if err != nil {
		return nil, err
	}
	return s.engine.Tell(from, at, envelope), nil
}

// answered are the different objects that were said, as the vectors write them.
func (s *scene) answered(said []reserving.Said) []any {
	var texts []string
	for _, one := range said {
		s.note(one.Envelope)
		text, err := json.Marshal(outputs{"to": one.To, "type": one.Type.String()[len("OBJECT_TYPE_"):],
			"fields": s.written(one.Message.ProtoReflect())})
		if err != nil {
			panic(err) // maps of plain values
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	answers := []any{}
	for _, text := range slices.Compact(texts) {
		answers = append(answers, json.RawMessage(text))
	}
	return answers
}

// labelOf is the label that a neighbour was told for the origin whose id begins so; a made-up one
// where none was told. Which bytes it has is this node's affair.
func (s *scene) labelOf(to, name string) []byte {
	return codec.ObjectID([]byte(to + " " + name))
}

func (in *reserveInputs) scene() (*scene, error) {
	s := &scene{stage: stage{network: in.Parameters.NetworkID, keys: map[string]ed25519.PrivateKey{}, labels: map[string]bool{},
		ids: map[string]string{}, latest: map[string][]byte{}, count: map[string]int{}},
		engine: reserving.New(), nodes: map[string][]byte{}, heard: map[string]*reserving.Neighbor{}}
	for name, key := range in.Keys {
		s.keys[name] = ed25519.NewKeyFromSeed(key.Seed)
		envelope, err := codec.ReadEnvelope(key.Certificate)
		if err != nil {
			return nil, err
		}
		read, err := codec.Read("ioe.v1.OperationalKey", envelope.Signed)
		if err != nil {
			return nil, err
		}
		s.engine.Keys.Add(read.(*wire.OperationalKey))
		s.nodes[name] = names.Node(read.(*wire.OperationalKey).IdentityKey)
	}
	s.engine.Network, s.engine.Me, s.engine.Key = names.Parameters(in.Parameters), s.nodes[in.Receiver], s.keys[in.Receiver]
	s.engine.BalanceParty = s.nodes[in.BalanceParty]
	for _, offer := range in.OwnOffers {
		s.engine.Offers = append(s.engine.Offers, reserving.NewOffer(offer.Number, offer.Direction, offer.FirstSlot, offer.Runs))
	}
	links := map[string]*wire.LinkAttestation{}
	for _, one := range in.Neighbors {
		envelope, err := codec.ReadEnvelope(one.Attestation)
		if err != nil {
			return nil, err
		}
		read, err := codec.Read("ioe.v1.LinkAttestation", envelope.Signed)
		if err != nil {
			return nil, err
		}
		links[hex.EncodeToString(codec.ObjectID(envelope.Signed))] = read.(*wire.LinkAttestation)
		s.engine.Neighbors[one.Name] = &reserving.Neighbor{Name: one.Name, Node: s.nodes[one.Name],
			Link: read.(*wire.LinkAttestation)}
	}
	if err := s.hearPaths(in, links); err != nil {
		return nil, err
	}
	s.tellLabels()
	return s, nil
}

func (s *scene) hearPaths(in *reserveInputs, links map[string]*wire.LinkAttestation) error {
	for _, frame := range in.Before {
		for _, data := range frame.Envelopes {
			envelope, err := codec.ReadEnvelope(data)
			if err != nil {
				return err
			}
			if envelope.Type != wire.ObjectType_OBJECT_TYPE_PATH_ADVERT {
				continue
			}
			read, err := codec.Read("ioe.v1.PathAdvert", envelope.Signed)
			if err != nil {
				return err
			}
			reader := routes.Reader{NetworkID: in.Parameters.NetworkID, Me: s.engine.Me, Neighbor: s.nodes[frame.From],
				Keys: s.engine.Keys, Links: links, NowUtc: frame.AtMs / 1000, Role: wire.Role_ROLE_SIBLING}
			path, err := reader.CheckPath(read.(*wire.PathAdvert))
			if err != nil {
				return err
			}
			s.paths = append(s.paths, path)
			s.heard[hex.EncodeToString(path.Hash)] = s.engine.Neighbors[frame.From]
		}
	}
	return nil
}

// tellLabels gives every neighbour labels of the own offers and of the paths that it is not on.
func (s *scene) tellLabels() {
	for name, neighbor := range s.engine.Neighbors {
		for _, offer := range s.engine.Offers {
			s.tell(name, reserving.Label{To: name, Origin: s.engine.Me, Direction: offer.Direction})
		}
		for _, path := range s.paths {
			toward := s.heard[hex.EncodeToString(path.Hash)]
			if toward == neighbor {
				continue
			}
			s.tell(name, reserving.Label{To: name, Origin: path.Origin, Direction: path.Direction, Toward: toward,
				Before: path.Hash, FarFee: path.Entries[len(path.Entries)-1].FeeMicroPerKwh})
		}
	}
}

func (s *scene) tell(to string, label reserving.Label) {
	name := fmt.Sprintf("%s %d", hex.EncodeToString(label.Origin)[:16], label.Direction)
	text := hex.EncodeToString(s.labelOf(to, name))
	s.labels[text] = true
	s.engine.Labels[text] = label
}
