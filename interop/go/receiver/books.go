package receiver

// Meter records, statements of links and relayed records (SPEC 12).

import (
	"bytes"
	"encoding/hex"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

const settlementWindow = 16 // slots

type books struct {
	records map[string][]byte // object id, by kind, link and slot
	heads   map[string][]byte // object id of the last statement, by link
}

func newBooks() books { return books{map[string][]byte{}, map[string][]byte{}} }

// judgeOwn holds IOE-MTR-030 and IOE-MTR-050 for what concerns the link between the two.
func (r *Router) judgeOwn(from *Neighbor, link, node []byte, slot uint64) error {
	if !bytes.Equal(link, names.Link(from.Link.Keeper, from.Link.Other, uint8(from.Link.Number))) {
		return codec.Refuse("UNKNOWN_LINK", "not the link between the two")
	}
	if !bytes.Equal(node, from.Node) {
		return codec.Refuse(codec.WrongSigner, "not by the neighbour")
	}
	if err := r.aligned(slot); err != nil {
		return err
	}
	present := r.now() / r.Network.SlotS * r.Network.SlotS
	switch {
	case slot+r.Network.SlotS > r.now()+toleranceS:
		return codec.Refuse(codec.FromFuture, "the slot is not over")
	case slot+settlementWindow*r.Network.SlotS < present:
		return codec.Refuse("IN_PAST", "a slot before the last %d", settlementWindow)
	}
	return nil
}

// once keeps the first statement of a kind and refuses another.
func (r *Router) once(kind string, link []byte, slot uint64, objectID []byte) error {
	name := kind + hex.EncodeToString(link) + hex.EncodeToString(uint64Bytes(slot))
	if held, known := r.books.records[name]; known && !bytes.Equal(held, objectID) {
		return codec.Refuse("CONFLICT", "another %s of the slot is held", kind)
	}
	r.books.records[name] = objectID
	return nil
}

func (r *Router) takeMeter(from *Neighbor, record *wire.MeterRecord, opened *codec.Opened) error {
	if err := r.judgeOwn(from, record.Link, record.Node, record.SlotUtcS); err != nil {
		return err
	}
	if !r.meterCounts(record.Node, record.Link) {
		return codec.Refuse(codec.NotAMember, "nobody has certified the meter")
	}
	if record.CounterImportedJ < record.ImportedJ || record.CounterExportedJ < record.ExportedJ {
		return codec.Refuse(codec.OutOfBounds, "a counter below what it counted")
	}
	return r.once("record", record.Link, record.SlotUtcS, opened.ObjectID)
}

func (r *Router) takeStatement(from *Neighbor, statement *wire.LinkStatement, opened *codec.Opened) error {
	if err := r.judgeOwn(from, statement.Link, statement.Node, statement.SlotUtcS); err != nil {
		return err
	}
	link := hex.EncodeToString(statement.Link)
	if err := r.once("statement", statement.Link, statement.SlotUtcS, opened.ObjectID); err != nil {
		return err
	}
	zeros := make([]byte, 32)
	if !bytes.Equal(statement.Previous, zeros) && !bytes.Equal(statement.Previous, r.books.heads[link]) {
		return codec.Refuse(codec.BrokenChain, "it goes on from another statement")
	}
	r.books.heads[link] = opened.ObjectID
	return nil
}

// takeRelay: the party is elsewhere and no record was sent from here, so a label leads nowhere and a
// record on its way back is dropped (12.4).
func (r *Router) takeRelay(relay *wire.Relay) error {
	if _, err := codec.Open(r.Network.NetworkID, r.now(), r.keys.ring, relay.Record); err != nil {
		return err
	}
	outward, signatures := len(relay.Path) > 0, len(relay.Record.Signatures)
	if outward && signatures != 1 || !outward && signatures != 2 {
		return codec.Refuse(codec.WrongSigner, "%d signatures on this way", signatures)
	}
	if outward {
		return codec.Refuse("NO_PATH", "the label was never told")
	}
	return nil
}
