package receiver

// Zone reports, operating envelopes and sweeps (SPEC 11.2 to 11.4).

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/codec"
	"ioe.example/interop/routes"
	"ioe.example/interop/wire"
)

const (
	sweepHorizon  = 4 // slots
	lowestVoltage = 500_000
	sweepTimes    = 8 // what the larger rating carries
)

type grid struct {
	serials  map[string]uint64 // of limits and attestations, by what they are about
	envelope *wire.OperatingEnvelope
	objectID []byte
}

func newGrid() grid { return grid{serials: map[string]uint64{}} }

func uint64Bytes(value uint64) []byte { return binary.BigEndian.AppendUint64(nil, value) }

// radial says whether a neighbour is the parent or a child on a RADIAL link.
func (r *Router) radial(n *Neighbor) (parent, child bool) {
	if n.Link.Kind != wire.LinkKind_LINK_KIND_RADIAL {
		return false, false
	}
	keeping := bytes.Equal(n.Link.Keeper, r.Me)
	return !keeping, keeping
}

func (r *Router) takeReport(from *Neighbor, report *wire.ZoneReport) error {
	if _, child := r.radial(from); !child {
		return codec.Refuse(codec.Unexpected, "a report that does not come from a child")
	}
	news := false
	for _, envelope := range append(report.Attestations, report.Limits...) {
		newer, err := r.takeReported(envelope)
		if err != nil {
			return err
		}
		news = news || newer
	}
	for _, neighbor := range r.Neighbors {
		if parent, _ := r.radial(neighbor); parent && news {
			r.say(neighbor, wire.ObjectType_OBJECT_TYPE_ZONE_REPORT)
		}
	}
	return nil
}

// takeReported judges one nested statement as if it had come by itself (IOE-GRD-070, 080).
func (r *Router) takeReported(envelope *wire.SignedEnvelope) (newer bool, err error) {
	opened, err := codec.Open(r.Network.NetworkID, r.now(), r.keys.ring, envelope)
	if err != nil {
		return false, err
	}
	about, serial, err := r.judgeReported(opened.Message)
	if err != nil {
		return false, err
	}
	newer = serial > r.grid.serials[about]
	r.grid.serials[about] = max(serial, r.grid.serials[about])
	return newer, nil
}

func (r *Router) judgeReported(message proto.Message) (about string, serial uint64, err error) {
	issued, expires := uint64(0), uint64(0)
	switch m := message.(type) {
	case *wire.ConnectionLimit:
		about, serial, issued, expires = hex.EncodeToString(m.Node), m.Serial, m.IssuedUtcS, m.ExpiresUtcS
	case *wire.LinkAttestation:
		about, serial, issued, expires = hex.EncodeToString(m.Keeper)+hex.EncodeToString(m.Other), m.Serial, m.IssuedUtcS, m.ExpiresUtcS
	}
	if err := r.issued(issued); err != nil {
		return "", 0, err
	}
	if expires <= r.now() {
		return "", 0, codec.Refuse(codec.Expired, "it ended at %d", expires)
	}
	return about, serial, nil
}

func (r *Router) takeEnvelope(from *Neighbor, envelope *wire.OperatingEnvelope, objectID []byte) error {
	if parent, _ := r.radial(from); !parent {
		return codec.Refuse(codec.Unexpected, "an envelope that does not come from the parent")
	}
	if err := r.aligned(envelope.FirstSlotUtcS); err != nil {
		return err
	}
	if err := r.issued(envelope.IssuedUtcS); err != nil {
		return err
	}
	held := r.grid.envelope
	version := routes.Version{Epoch: envelope.Epoch, Seq: envelope.Seq}
	switch {
	case bytes.Equal(envelope.Root, r.Me):
		return codec.Refuse(codec.WrongSigner, "this node is no root of its parent")
	case !r.mayForm(envelope.Root):
		return codec.Refuse(codec.NotAMember, "its root may not form the grid")
	case r.ends(envelope) <= r.now():
		return codec.Refuse(codec.Expired, "its last slot is over")
	case held == nil || !bytes.Equal(held.Root, envelope.Root) && r.ends(held) <= r.now():
	case !bytes.Equal(held.Root, envelope.Root):
		return codec.Refuse(codec.WrongSigner, "another root while the first one's envelope holds")
	case version == routes.Version{Epoch: held.Epoch, Seq: held.Seq} && !bytes.Equal(objectID, r.grid.objectID):
		return codec.Refuse(codec.Equivocation, "two contents under one number")
	case !version.Above(routes.Version{Epoch: held.Epoch, Seq: held.Seq}):
		return codec.Refuse(codec.Stale, "a newer envelope is held")
	}
	r.grid.envelope, r.grid.objectID = envelope, objectID
	for _, neighbor := range r.Neighbors {
		if _, child := r.radial(neighbor); child {
			r.say(neighbor, wire.ObjectType_OBJECT_TYPE_OPERATING_ENVELOPE)
		}
	}
	return nil
}

func (r *Router) ends(envelope *wire.OperatingEnvelope) uint64 {
	return envelope.FirstSlotUtcS + uint64(envelope.Slots)*r.Network.SlotS
}

func (r *Router) takeSweepUp(from *Neighbor, sweep *wire.SweepUp) error {
	if _, child := r.radial(from); !child {
		return codec.Refuse(codec.Unexpected, "SWEEP_UP that does not come from a child")
	}
	most := sweepTimes * max(from.Link.RatingDownVa, from.Link.RatingUpVa) * r.Network.SlotS
	if sweep.ActiveJ > most || sweep.ReactiveVars > most {
		return codec.Refuse(codec.OutOfBounds, "more than %d times what the link carries", sweepTimes)
	}
	return r.judgeSweepSlot(sweep.SlotUtcS)
}

func (r *Router) takeSweepDown(from *Neighbor, sweep *wire.SweepDown) error {
	if parent, _ := r.radial(from); !parent {
		return codec.Refuse(codec.Unexpected, "SWEEP_DOWN that does not come from the parent")
	}
	if sweep.VoltageMicroPu < lowestVoltage { // above twice nominal the table refuses
		return codec.Refuse(codec.OutOfBounds, "a voltage of %d", sweep.VoltageMicroPu)
	}
	return r.judgeSweepSlot(sweep.SlotUtcS)
}

// judgeSweepSlot holds IOE-GRD-210 for slots.
func (r *Router) judgeSweepSlot(slot uint64) error {
	if err := r.aligned(slot); err != nil {
		return err
	}
	present := r.now() / r.Network.SlotS * r.Network.SlotS
	if slot < present || slot > present+sweepHorizon*r.Network.SlotS {
		return codec.Refuse(codec.OutOfBounds, "slot %d is over or too far ahead", slot)
	}
	return nil
}
