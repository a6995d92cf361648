package receiver

// Paths, offers and link states (SPEC 7).

import (
	"bytes"
	"encoding/hex"

	"ioe.example/interop/codec"
	"ioe.example/interop/routes"
	"ioe.example/interop/wire"
)

const (
	offerLifetimeMaxS = 86_400
	offersPerOrigin   = 8
	slotsAhead        = 192
)

// heardPath is a path and who told it; wherefrom it was signed lies in its entries' envelopes.
type heardPath struct {
	*routes.Path
	from    *Neighbor
	signers []string // node ids in hexadecimal
	serials []uint64 // of the keys that signed the entries
}

type linkState struct {
	version  routes.Version
	objectID []byte
}

type routing struct {
	paths  map[string]heardPath // by path hash in hexadecimal
	offers map[string]*origin   // by node id in hexadecimal
	states map[string]linkState // by link id and slot
}

// origin is what is remembered of an origin and which of its offers are alive.
type origin struct {
	memory *routes.Origin
	alive  map[uint32]wire.Direction
}

func newRouting() routing {
	return routing{map[string]heardPath{}, map[string]*origin{}, map[string]linkState{}}
}

func (r *Router) takePath(from *Neighbor, advert *wire.PathAdvert) error {
	for _, envelope := range advert.Entries {
		if err := r.judgeRevoked(envelope); err != nil {
			return err
		}
	}
	path, err := r.reader(from).CheckPath(advert)
	if err != nil {
		return err
	}
	for _, entry := range path.Entries {
		if err := r.takesUp(entry.Node, "a stranger is on the path"); err != nil {
			return err
		}
	}
	heard := heardPath{Path: path, from: from}
	for i, entry := range path.Entries {
		held := r.keys.ring[[32]byte(advert.Entries[i].Signatures[0].Key)]
		heard.signers = append(heard.signers, hex.EncodeToString(entry.Node))
		heard.serials = append(heard.serials, held.Serial)
	}
	r.routing.paths[hex.EncodeToString(path.Hash)] = heard
	return nil
}

func (r *Router) dropPath(from *Neighbor, hash []byte) error {
	name := hex.EncodeToString(hash)
	if path, held := r.routing.paths[name]; held && path.from == from {
		r.forget(name, path)
	}
	return nil
}

// forget drops a path and withdraws it from the neighbours that it was told to: siblings that are
// not on it, once there is an offer over it (7.9).
func (r *Router) forget(name string, path heardPath) {
	delete(r.routing.paths, name)
	if !r.offered(path.Origin, path.Direction) {
		return
	}
	for _, neighbor := range r.Neighbors {
		onPath := bytes.Equal(neighbor.Node, path.Origin)
		for _, entry := range path.Entries {
			onPath = onPath || bytes.Equal(neighbor.Node, entry.Node)
		}
		if !onPath && neighbor != path.from && neighbor.Role == wire.Role_ROLE_SIBLING {
			r.say(neighbor, wire.ObjectType_OBJECT_TYPE_PATH_WITHDRAWAL)
		}
	}
}

func (r *Router) offered(node []byte, direction wire.Direction) bool {
	held := r.routing.offers[hex.EncodeToString(node)]
	if held == nil {
		return false
	}
	for _, alive := range held.alive {
		if alive == direction {
			return true
		}
	}
	return false
}

// dropRevoked takes back every path of which a revoked key has signed an entry (IOE-IDN-230).
func (r *Router) dropRevoked(revocation *wire.Revocation) {
	node := hex.EncodeToString(revocation.Node)
	for name, path := range r.routing.paths {
		for i, signer := range path.signers {
			if signer == node && path.serials[i] <= revocation.UpToSerial {
				r.forget(name, path)
				break
			}
		}
	}
}

func (r *Router) takeOffer(from *Neighbor, opened *codec.Opened) error {
	node := hex.EncodeToString(opened.Signers[0])
	held := r.routing.offers[node]
	if held == nil {
		held = &origin{routes.NewOrigin(r.Network.SlotS, offerLifetimeMaxS), map[uint32]wire.Direction{}}
	}
	if offer, isOffer := opened.Message.(*wire.Offer); isOffer {
		if err := held.memory.JudgeOffer(offer, r.now()); err != nil {
			return err
		}
		if err := r.takesUp(offer.Origin, "an offer of a stranger"); err != nil {
			return err
		}
		if !r.hasPath(from, offer) {
			return codec.Refuse("NO_PATH", "no path to the origin was told")
		}
		if _, renewed := held.alive[offer.OfferNo]; !renewed && len(held.alive) >= offersPerOrigin {
			return codec.Refuse("LIMIT_REACHED", "%d offers of the origin are held", len(held.alive))
		}
	}
	taken, err := held.memory.Take(opened.Message, opened.ObjectID, r.now())
	if err != nil || !taken {
		return err
	}
	r.routing.offers[node] = held
	switch message := opened.Message.(type) {
	case *wire.Offer:
		held.alive[message.OfferNo] = message.Direction
	case *wire.OfferWithdrawal:
		delete(held.alive, message.OfferNo)
	}
	return nil
}

// hasPath holds IOE-ADV-095.
func (r *Router) hasPath(from *Neighbor, offer *wire.Offer) bool {
	for _, path := range r.routing.paths {
		if path.from == from && bytes.Equal(path.Origin, offer.Origin) && path.Direction == offer.Direction && path.NotAfter > r.now() {
			return true
		}
	}
	return false
}

func (r *Router) takeLinkState(state *wire.LinkState, opened *codec.Opened) error {
	if err := r.aligned(state.SlotUtcS); err != nil {
		return err
	}
	if err := r.issued(state.IssuedUtcS); err != nil {
		return err
	}
	link := r.linkNamed(state.Link)
	switch {
	case link == nil:
		return codec.Refuse("UNKNOWN_LINK", "no attestation of the link")
	case !bytes.Equal(opened.Signers[0], link.Keeper) || bytes.Equal(link.Keeper, r.Me):
		return codec.Refuse(codec.WrongSigner, "not by the link's keeper, or of an own link")
	case link.Access:
		return codec.Refuse("POLICY", "the link of a single customer")
	case state.SlotUtcS > r.now()+slotsAhead*r.Network.SlotS:
		return codec.Refuse(codec.OutOfBounds, "a slot more than %d slots ahead", slotsAhead)
	case state.SlotUtcS+r.Network.SlotS <= r.now():
		return nil
	}
	name := hex.EncodeToString(state.Link) + hex.EncodeToString(uint64Bytes(state.SlotUtcS))
	held, known := r.routing.states[name]
	version := routes.Version{Epoch: state.Epoch, Seq: state.Seq}
	if known && version == held.version && !bytes.Equal(opened.ObjectID, held.objectID) {
		return codec.Refuse(codec.Equivocation, "two contents under one number")
	}
	if !known || version.Above(held.version) {
		r.routing.states[name] = linkState{version, opened.ObjectID}
	}
	return nil
}
