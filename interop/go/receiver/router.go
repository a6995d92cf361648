// Package receiver is what a router makes of the objects that its neighbours tell it in established
// sessions: taken or refused, and what goes on to others at once (SPEC 3.2, 4, 6 to 8, 11, 12). It
// holds what it was told and nothing else: it has no devices, no transport and no clock of its own.
package receiver

import (
	"bytes"
	"encoding/hex"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/routes"
	"ioe.example/interop/wire"
)

// Neighbor is the other end of an established session.
type Neighbor struct {
	Name       string
	Node       []byte
	Link       *wire.LinkAttestation
	Role       wire.Role // what it is to this router
	Session    *wire.OperationalKey
	framesSent uint64
	refreshing bool
}

// Sent is an object that leaves the router.
type Sent struct {
	To   string
	Type wire.ObjectType
}

// Router is what one router has been told.
type Router struct {
	Me        []byte
	Network   names.Parameters
	Neighbors []*Neighbor
	nowMs     uint64
	known     map[string]bool // signed objects that were taken, byte for byte
	keys      keys
	links     map[string]*wire.LinkAttestation // by object id in hexadecimal
	revoked   map[string]uint64                // up to which serial, by node id in hexadecimal
	routing   routing
	grid      grid
	books     books
	domains   *domains
	sent      []Sent
}

// framesOfHandshake are sent before anything else: HELLO, proof, and a refresh without paths.
const framesOfHandshake = 3

// New is a router whose sessions have become ESTABLISHED; own are the certificates of both ends.
func New(me []byte, network names.Parameters, neighbors []*Neighbor, own []*wire.SignedEnvelope) (*Router, error) {
	r := &Router{Me: me, Network: network, Neighbors: neighbors, known: map[string]bool{},
		keys: newKeys(), links: map[string]*wire.LinkAttestation{}, revoked: map[string]uint64{},
		routing: newRouting(), grid: newGrid(), books: newBooks()}
	for _, neighbor := range neighbors {
		neighbor.framesSent = framesOfHandshake
	}
	for _, envelope := range own {
		read, err := codec.Read("ioe.v1.OperationalKey", envelope.Signed)
		if err != nil {
			return nil, err
		}
		r.keys.hold(read.(*wire.OperationalKey), codec.ObjectID(envelope.Signed))
	}
	return r, nil
}

// Attest gives the router the attestation of one of its own links.
func (r *Router) Attest(envelope *wire.SignedEnvelope, link *wire.LinkAttestation) {
	r.links[hex.EncodeToString(codec.ObjectID(envelope.Signed))] = link
}

// Tell gives the router one object of a neighbour at an instant; it returns what leaves the router
// for it.
func (r *Router) Tell(from string, atMs uint64, data []byte) ([]Sent, error) {
	r.nowMs, r.sent = atMs, nil
	envelope, err := codec.ReadEnvelope(data)
	if err != nil {
		return nil, err
	}
	if !codec.InSession(envelope.Type) {
		return nil, codec.Refuse(codec.Unexpected, "%s in a session", envelope.Type)
	}
	own := !codec.NeedsFrame(envelope.Type)
	if own && r.known[string(codec.Bytes(envelope))] {
		return nil, r.stillValid(envelope)
	}
	opened, err := codec.Open(r.Network.NetworkID, r.now(), r.keys.ring, envelope)
	if err != nil {
		return nil, r.revokedFirst(envelope, err)
	}
	if err := r.judgeRevoked(envelope); err != nil {
		return nil, err
	}
	if err := r.take(r.neighbor(from), envelope, opened); err != nil {
		return nil, err
	}
	if own {
		r.known[string(codec.Bytes(envelope))] = true
	}
	return r.sent, nil
}

func (r *Router) now() uint64 { return r.nowMs / 1000 }

func (r *Router) neighbor(name string) *Neighbor {
	for _, neighbor := range r.Neighbors {
		if neighbor.Name == name {
			return neighbor
		}
	}
	return nil
}

func (r *Router) say(to *Neighbor, kind wire.ObjectType) {
	r.sent = append(r.sent, Sent{to.Name, kind})
}

// take is step 12: what the object means.
func (r *Router) take(from *Neighbor, envelope *wire.SignedEnvelope, opened *codec.Opened) error {
	switch m := opened.Message.(type) {
	case *wire.OperationalKey:
		return r.takeKey(m, opened.ObjectID)
	case *wire.LinkAttestation:
		return r.takeLink(m, envelope)
	case *wire.TrustList:
		return r.takeTrustList(m, opened.ObjectID)
	case *wire.MemberCertificate:
		return r.takeMember(m, opened.ObjectID)
	case *wire.MeterCertificate:
		return r.takeMeterCertificate(m, opened.ObjectID)
	case *wire.Revocation:
		return r.takeRevocation(from, m)
	case *wire.Keepalive:
		return r.takeKeepalive(from, m)
	case *wire.Refresh:
		return from.takeRefresh(m)
	case *wire.Retained:
		return codec.Refuse(codec.Unexpected, "RESUME is not in effect")
	case *wire.PathAdvert:
		return r.takePath(from, m)
	case *wire.PathWithdrawal:
		return r.dropPath(from, m.Path)
	case *wire.Offer, *wire.OfferWithdrawal:
		return r.takeOffer(from, opened)
	case *wire.LinkState:
		return r.takeLinkState(m, opened)
	case *wire.ZoneReport:
		return r.takeReport(from, m)
	case *wire.OperatingEnvelope:
		return r.takeEnvelope(from, m, opened.ObjectID)
	case *wire.SweepUp:
		return r.takeSweepUp(from, m)
	case *wire.SweepDown:
		return r.takeSweepDown(from, m)
	case *wire.MeterRecord:
		return r.takeMeter(from, m, opened)
	case *wire.LinkStatement:
		return r.takeStatement(from, m, opened)
	case *wire.Relay:
		return r.takeRelay(m)
	case *wire.Fault, *wire.Close:
		return nil
	}
	return &Unsupported{opened.Type}
}

// Unsupported is an object whose meaning this router does not have.
type Unsupported struct{ Type wire.ObjectType }

func (u *Unsupported) Error() string { return "no meaning of " + u.Type.String() + " here" }

// aligned holds IOE-CNV-090.
func (r *Router) aligned(slot uint64) error {
	if slot%r.Network.SlotS != 0 {
		return codec.Refuse(codec.OutOfBounds, "slot %d is not aligned", slot)
	}
	return nil
}

const toleranceS = 60

// issued holds IOE-SIG-250.
func (r *Router) issued(at uint64) error {
	if at > r.now()+toleranceS {
		return codec.Refuse(codec.FromFuture, "issued %d s ahead", at-r.now())
	}
	return nil
}

// linkNamed is an attestation that is held of the link with an id, nil for none.
func (r *Router) linkNamed(id []byte) *wire.LinkAttestation {
	for _, link := range r.links {
		if bytes.Equal(names.Link(link.Keeper, link.Other, uint8(link.Number)), id) {
			return link
		}
	}
	return nil
}

func (r *Router) reader(from *Neighbor) *routes.Reader {
	return &routes.Reader{NetworkID: r.Network.NetworkID, Me: r.Me, Neighbor: from.Node, Keys: r.keys.ring,
		Links: r.links, NowUtc: r.now(), Role: from.Role}
}
