// Package reserving is section 10 of SPEC.md at a node in transit or at the origin: HOLD, GRANT,
// COMMIT and their outcomes, RELEASE, cuts, and time. It is a machine: it is told objects and
// instants, and answers with objects. It keeps the ledgers of the links toward initiators; links
// toward origins are kept at the other end. Operating envelopes, quotas and pre-emption are not here.
package reserving

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"math/big"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

// Timers, milliseconds (14.1).
const (
	holdMs        = 45_000
	holdStepMs    = 1_000
	commitRetryMs = 2_000
)

// Neighbor is the other end of a link.
type Neighbor struct {
	Name string
	Node []byte
	Link *wire.LinkAttestation
	lost bool
}

// Label is a path that a neighbour was told.
type Label struct {
	To        string
	Origin    []byte
	Direction wire.Direction
	Toward    *Neighbor // nil when this node is the origin
	Before    []byte    // label at the next node
	FarFee    uint64    // of the entry on the link toward the origin
}

// Offer is an own offer.
type Offer struct {
	Number     uint32
	Direction  wire.Direction
	Epoch, Seq uint64
	FirstSlot  uint64
	Runs       []*wire.OfferRun
	taken      map[uint64]map[*packet]uint64 // joules by slot and packet
}

// Said is an object that leaves the node.
type Said struct {
	To       string
	Type     wire.ObjectType
	Message  proto.Message
	Envelope *wire.SignedEnvelope
}

// Engine is the node.
type Engine struct {
	Network      names.Parameters
	Me           []byte
	Key          ed25519.PrivateKey
	BalanceParty []byte
	Keys         codec.Keyring
	Neighbors    map[string]*Neighbor
	Labels       map[string]Label // by label in hexadecimal
	Offers       []*Offer
	nowMs        uint64
	records      map[string]*record
	order        []*record
	ledgers      map[string]*arith.Ledger // by neighbour and slot
	said         []Said
}

// NewOffer is an own offer of which nothing is taken.
func NewOffer(number uint32, direction wire.Direction, firstSlot uint64, runs []*wire.OfferRun) *Offer {
	return &Offer{Number: number, Direction: direction, Epoch: 1, FirstSlot: firstSlot, Runs: runs, taken: map[uint64]map[*packet]uint64{}}
}

// New is a node without reservations.
func New() *Engine {
	return &Engine{Keys: codec.Keyring{}, Neighbors: map[string]*Neighbor{}, Labels: map[string]Label{},
		records: map[string]*record{}, ledgers: map[string]*arith.Ledger{}}
}

// Tell gives the node an object of a neighbour. What is refused is answered as 13.1 says.
func (e *Engine) Tell(from string, atMs uint64, envelope *wire.SignedEnvelope) []Said {
	e.advance(atMs)
	neighbor := e.Neighbors[from]
	if err := e.take(neighbor, envelope); err != nil {
		fault := &wire.Fault{Code: number(codec.CodeOf(err)), Object: codec.ObjectID(envelope.Signed)}
		e.say(neighbor, wire.ObjectType_OBJECT_TYPE_FAULT, fault)
	}
	return e.drain()
}

// Wait lets time pass.
func (e *Engine) Wait(atMs uint64) []Said {
	e.advance(atMs)
	return e.drain()
}

// Lose ends the session with a neighbour (IOE-RSV-430).
func (e *Engine) Lose(name string, atMs uint64) []Said {
	e.advance(atMs)
	lost := e.Neighbors[name]
	lost.lost = true
	for _, r := range e.order {
		if r.to != lost {
			continue
		}
		switch r.state {
		case holding:
			e.refuse(r.from, r.core, "NEIGHBOR_LOST", wire.Scope_SCOPE_NODE, e.Me, nil, r)
			e.end(r, failed)
		case held:
			e.fail(r, r.from, r.id, r.version, "NEIGHBOR_LOST")
			e.end(r, failed)
		}
	}
	return e.drain()
}

func (e *Engine) drain() []Said {
	said := e.said
	e.said = nil
	return said
}

func number(code codec.Code) uint32 { return uint32(wire.ErrorCode_value["ERROR_CODE_"+string(code)]) }

// say sends an object under the frame's signature.
func (e *Engine) say(to *Neighbor, kind wire.ObjectType, message proto.Message) {
	e.pass(to, &wire.SignedEnvelope{Type: kind, Signed: codec.Bytes(message)})
}

// pass sends an envelope as it is; to nobody while the session is lost.
func (e *Engine) pass(to *Neighbor, envelope *wire.SignedEnvelope) {
	if to == nil || to.lost {
		return
	}
	message, err := codec.Read(codec.MessageOf(envelope.Type), envelope.Signed)
	if err != nil {
		panic(err) // an own object outside its bounds
	}
	e.said = append(e.said, Said{to.Name, envelope.Type, message, envelope})
}

func (e *Engine) sign(kind wire.ObjectType, message proto.Message) *wire.SignedEnvelope {
	envelope, err := codec.Seal(e.Network.NetworkID, kind, message, e.Key)
	if err != nil {
		panic(err) // an own object outside its bounds
	}
	return envelope
}

func (e *Engine) open(envelope *wire.SignedEnvelope) (*codec.Opened, error) {
	return codec.Open(e.Network.NetworkID, e.nowMs/1000, e.Keys, envelope)
}

// take reads an object, with what is nested in it, and gives it to its procedure.
func (e *Engine) take(from *Neighbor, envelope *wire.SignedEnvelope) error {
	opened, err := e.open(envelope)
	if err != nil {
		if codec.CodeOf(err) == codec.WrongSigner && envelope.Type == wire.ObjectType_OBJECT_TYPE_RELEASE {
			return codec.Refuse("NOT_OWNER", "a RELEASE that the initiator has not signed") // IOE-RSV-440
		}
		return err
	}
	switch m := opened.Message.(type) {
	case *wire.Hold:
		return e.takeHold(from, m)
	case *wire.Grant:
		return e.takeGrant(from, m)
	case *wire.Refuse:
		return e.takeRefuse(from, m)
	case *wire.CommitHop:
		return e.takeCommit(from, m)
	case *wire.Committed:
		return e.takeCommitted(from, m, envelope)
	case *wire.Receipt:
		return e.takeReceipt(from, m)
	case *wire.Failed:
		return e.takeFailed(from, m, envelope)
	case *wire.Release:
		return e.takeRelease(from, m, envelope)
	case *wire.CurtailHop:
		return e.takeCurtail(from, m)
	case *wire.OutcomeQuery:
		e.outcome(from, e.find(m.Reservation, m.Version), m.Reservation, m.Version)
		return nil
	case *wire.Outcome:
		return e.takeOutcome(from, m)
	}
	return codec.Refuse(codec.Unexpected, "%s is no object of section 10", envelope.Type)
}

func (e *Engine) find(id []byte, version uint32) *record {
	return e.records[key(id, version)]
}

func key(id []byte, version uint32) string {
	return hex.EncodeToString(id) + "/" + hex.EncodeToString([]byte{byte(version >> 8), byte(version)})
}

func linkID(link *wire.LinkAttestation) []byte {
	return names.Link(link.Keeper, link.Other, uint8(link.Number))
}

// flow is the sense of a reservation's energy on a link of which near is the end on the initiator's
// side.
func flow(link *wire.LinkAttestation, near []byte, direction wire.Direction) wire.Flow {
	nearKeeps := bytes.Equal(link.Keeper, near)
	if nearKeeps == (direction == wire.Direction_DIRECTION_DEMAND) {
		return wire.Flow_FLOW_DOWN
	}
	return wire.Flow_FLOW_UP
}

func sense(f wire.Flow) arith.Sense {
	if f == wire.Flow_FLOW_UP {
		return -1
	}
	return 1
}

func whole(value uint64) *big.Int { return new(big.Int).SetUint64(value) }

// ledger is that of a link toward initiators, kept here, in a slot.
func (e *Engine) ledger(near *Neighbor, slot uint64) *arith.Ledger {
	name := near.Name + "/" + hex.EncodeToString([]byte{byte(slot >> 24), byte(slot >> 16), byte(slot >> 8), byte(slot)})
	if e.ledgers[name] == nil {
		model := near.Link.Loss
		loss := arith.Loss{PlanningMv: model.PlanningMv, RMicroOhm: model.RMicroOhm, BPpm: model.BPpm, CPicoPerW: model.CPicoPerW}
		_, down := arith.MayFlow(near.Link.RatingDownVa, nil, e.Network.VoltageMinMicroPu, 0, e.Network.SlotS)
		_, up := arith.MayFlow(near.Link.RatingUpVa, nil, e.Network.VoltageMinMicroPu, 0, e.Network.SlotS)
		e.ledgers[name] = arith.NewLedger(loss, e.Network.SlotS, down, up)
	}
	return e.ledgers[name]
}
