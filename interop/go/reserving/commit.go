package reserving

// COMMIT and its outcome, RELEASE, OUTCOME, and time (10.7, 10.8).

import (
	"bytes"

	"ioe.example/interop/arith"
	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

const finalGateS = 120 // before a slot; 45 where it has 300 s (9.1)

func (e *Engine) takeCommit(from *Neighbor, hop *wire.CommitHop) error {
	opened, err := e.open(hop.Commit)
	if err != nil && codec.CodeOf(err) != codec.WrongSigner {
		return err
	}
	if err != nil {
		return codec.Refuse("NOT_OWNER", "a COMMIT that the initiator has not signed")
	}
	commit := opened.Message.(*wire.Commit)
	r := e.find(commit.Reservation, commit.Version)
	switch {
	case r == nil:
		e.fail(nil, from, commit.Reservation, commit.Version, "UNKNOWN_RESERVATION")
		return nil
	case !same(from, r.from) || !bytes.Equal(commit.Initiator, r.core.Initiator):
		return codec.Refuse("NOT_OWNER", "a COMMIT of somebody else")
	case !bytes.Equal(commit.Core, codec.ObjectID(r.coreObject.Signed)):
		return codec.Refuse("CONFLICT", "a COMMIT for another core")
	case r.commit != nil:
		return e.commitAgain(r, opened.ObjectID)
	case r.state == holding:
		return codec.Refuse(codec.Unexpected, "a COMMIT before the GRANT")
	case r.state != held || e.nowMs >= r.deadlineMs:
		e.commitLate(r)
		return nil
	}
	for _, index := range commit.Accepted {
		if p := r.packet(index); p == nil || p.reason != "" {
			return codec.Refuse("GRANT_CHANGED", "packet %d was not granted", index)
		}
	}
	if hop.KeeperEntry != nil && e.keeps(from) { // IOE-ADM-050
		return codec.Refuse(codec.WrongSigner, "an entry from the end that is not the keeper")
	}
	e.accept(r, commit, hop.Commit)
	return nil
}

func (e *Engine) commitAgain(r *record, objectID []byte) error {
	if !bytes.Equal(objectID, codec.ObjectID(r.commit.Signed)) {
		return codec.Refuse("CONFLICT", "another COMMIT was taken")
	}
	if r.committed != nil {
		e.pass(r.from, r.committed)
	} else if r.failed != nil {
		e.pass(r.from, r.failed)
	}
	return nil
}

func (e *Engine) commitLate(r *record) {
	if r.failed != nil {
		e.pass(r.from, r.failed)
		return
	}
	e.fail(r, r.from, r.id, r.version, "HOLD_EXPIRED")
}

// accept is steps 7 to 9 of COMMIT_AT_HOP.
func (e *Engine) accept(r *record, commit *wire.Commit, envelope *wire.SignedEnvelope) {
	for _, p := range r.packets {
		taken := false
		for _, index := range commit.Accepted {
			taken = taken || index == p.index
		}
		if !taken && p.reason == "" {
			e.withdraw(r, p)
			p.reason = "BELOW_MINIMUM"
		}
	}
	r.commit, r.state = envelope, inDoubt
	if r.to != nil {
		r.retryMs = e.nowMs + commitRetryMs
		e.say(r.to, wire.ObjectType_OBJECT_TYPE_COMMIT_HOP, &wire.CommitHop{Commit: r.commit, KeeperEntry: e.farEntry(r, true)})
		return
	}
	r.committed = e.sign(wire.ObjectType_OBJECT_TYPE_COMMITTED, &wire.Committed{Reservation: r.id, Version: r.version,
		Commit: codec.ObjectID(envelope.Signed), Origin: e.Me, AcceptedUtcMs: e.nowMs, BalanceParty: e.BalanceParty})
	e.settle(r)
}

// settle is what COMMITTED changes; the copy to the initiator's side is repeated until its RECEIPT.
func (e *Engine) settle(r *record) {
	r.state, r.retryMs = committed, e.nowMs+commitRetryMs
	for _, p := range r.packets {
		if p.reason == "" {
			p.atCommit[0] = lineOf(p.near.SentJ.Uint64(), p.near.FlowJ.Uint64(), p.near.ReceivedJ.Uint64(), r.demand())
			if p.far != nil {
				p.atCommit[1] = lineOf(p.far.SentJ, p.far.FlowJ, p.far.ReceivedJ, r.demand())
			}
			p.live = p.atCommit
		}
	}
	if r.replaces != nil && r.replaces.state == committed {
		old := r.replaces
		r.replaces = nil
		e.leave(old)
	}
	e.pass(r.from, r.committed)
}

// leave takes a replaced reservation's packets out; its state is ended by its RELEASE.
func (e *Engine) leave(old *record) {
	for _, p := range old.packets {
		e.withdraw(old, p)
	}
}

func lineOf(sent, mid, received uint64, demand bool) arith.Line {
	if demand {
		return arith.Line{NearJ: sent, FarJ: received, FlowJ: mid}
	}
	return arith.Line{NearJ: received, FarJ: sent, FlowJ: mid}
}

func (e *Engine) takeCommitted(from *Neighbor, message *wire.Committed, envelope *wire.SignedEnvelope) error {
	r := e.find(message.Reservation, message.Version)
	switch {
	case r == nil:
		return codec.Refuse("UNKNOWN_RESERVATION", "COMMITTED of no reservation here")
	case !same(from, r.to) || !bytes.Equal(message.Origin, r.core.Origin):
		return codec.Refuse("NOT_OWNER", "COMMITTED of somebody else")
	case r.commit == nil || r.state != inDoubt && r.state != committed:
		return codec.Refuse(codec.Unexpected, "nothing is in doubt")
	case !bytes.Equal(message.Commit, codec.ObjectID(r.commit.Signed)):
		return codec.Refuse("CONFLICT", "COMMITTED of another COMMIT")
	}
	if r.state == inDoubt {
		r.committed = envelope
		e.settle(r)
	}
	e.pass(from, e.sign(wire.ObjectType_OBJECT_TYPE_RECEIPT, &wire.Receipt{Reservation: r.id, Version: r.version,
		Committed: codec.ObjectID(envelope.Signed), Link: linkID(r.to.Link), Node: e.Me}))
	return nil
}

func (e *Engine) takeReceipt(from *Neighbor, receipt *wire.Receipt) error {
	r := e.find(receipt.Reservation, receipt.Version)
	if r == nil {
		return codec.Refuse("UNKNOWN_RESERVATION", "a RECEIPT of no reservation here")
	}
	if !same(from, r.from) {
		return codec.Refuse("NOT_OWNER", "a RECEIPT of somebody else")
	}
	if r.committed != nil && bytes.Equal(receipt.Committed, codec.ObjectID(r.committed.Signed)) {
		r.receipt, r.retryMs = true, 0
	}
	return nil
}

func (e *Engine) takeFailed(from *Neighbor, message *wire.Failed, envelope *wire.SignedEnvelope) error {
	r := e.find(message.Reservation, message.Version)
	switch {
	case r == nil:
		return codec.Refuse("UNKNOWN_RESERVATION", "FAILED of no reservation here")
	case !same(from, r.to):
		return codec.Refuse("NOT_OWNER", "FAILED of somebody else")
	case r.state == committed:
		return codec.Refuse(codec.Unexpected, "it is committed")
	case r.state != holding && r.state != held && r.state != inDoubt:
		return nil
	}
	r.failed = envelope
	e.pass(r.from, envelope)
	e.end(r, failed)
	return nil
}

func (e *Engine) takeRelease(from *Neighbor, release *wire.Release, envelope *wire.SignedEnvelope) error {
	r := e.find(release.Reservation, release.Version)
	if r == nil {
		e.outcome(from, nil, release.Reservation, release.Version)
		return codec.Refuse("UNKNOWN_RESERVATION", "a RELEASE of no reservation here")
	}
	if !same(from, r.from) || !bytes.Equal(release.Initiator, r.core.Initiator) {
		return codec.Refuse("NOT_OWNER", "a RELEASE of somebody else")
	}
	err := e.releaseNow(r, envelope)
	e.outcome(from, r, r.id, r.version)
	return err
}

func (e *Engine) releaseNow(r *record, envelope *wire.SignedEnvelope) error {
	switch {
	case r.state == inDoubt:
		return codec.Refuse(codec.Unexpected, "it is in doubt")
	case r.state == committed && e.gateClosed(r):
		return codec.Refuse("GATE_CLOSED", "the final gate of its first slot has passed")
	case r.state != holding && r.state != held && r.state != committed:
		return nil
	}
	again := r.state == committed && r.to != nil
	e.end(r, released)
	r.release = envelope
	if r.to != nil {
		e.pass(r.to, envelope)
	}
	if again {
		r.openRelease, r.retryMs = true, e.nowMs+commitRetryMs
	}
	return nil
}

// gateClosed says whether the final gate of the first slot has passed.
func (e *Engine) gateClosed(r *record) bool {
	gate := uint64(finalGateS)
	if e.Network.SlotS == 300 {
		gate = 45
	}
	for _, p := range r.packets {
		if e.nowMs/1000+gate >= p.slot {
			return true
		}
	}
	return false
}

func (e *Engine) takeOutcome(from *Neighbor, outcome *wire.Outcome) error {
	r := e.find(outcome.Reservation, outcome.Version)
	if r == nil {
		return codec.Refuse("UNKNOWN_RESERVATION", "an OUTCOME of no reservation here")
	}
	if !same(from, r.to) {
		return codec.Refuse("NOT_OWNER", "an OUTCOME of somebody else")
	}
	if r.openRelease && outcome.State != committed && outcome.State != holding && outcome.State != held && outcome.State != inDoubt {
		r.openRelease, r.retryMs = false, 0
	}
	if outcome.Evidence != nil && outcome.Evidence.Type != wire.ObjectType_OBJECT_TYPE_RELEASE {
		return e.take(from, outcome.Evidence)
	}
	return nil
}

// advance lets everything happen that is due until an instant, in its order.
func (e *Engine) advance(untilMs uint64) {
	for {
		due, at := e.nextDue()
		if due == nil || at > untilMs {
			break
		}
		e.nowMs = max(e.nowMs, at)
		e.fire(due)
	}
	e.nowMs = max(e.nowMs, untilMs)
}

func (e *Engine) nextDue() (*record, uint64) {
	var first *record
	var when uint64
	consider := func(r *record, at uint64) {
		if at > 0 && (first == nil || at < when) {
			first, when = r, at
		}
	}
	for _, r := range e.order {
		if r.state == holding || r.state == held {
			consider(r, r.deadlineMs)
		}
		consider(r, r.retryMs)
		for _, n := range r.notices {
			consider(r, n.atMs)
		}
	}
	return first, when
}

func (e *Engine) fire(r *record) {
	switch {
	case r.state == holding && e.nowMs >= r.deadlineMs:
		e.refuse(r.from, r.core, "HOLD_EXPIRED", wire.Scope_SCOPE_RESERVATION, e.Me, nil, r)
		e.end(r, expired)
		return
	case r.state == held && e.nowMs >= r.deadlineMs:
		e.end(r, expired)
		return
	}
	if len(r.notices) > 0 && e.nowMs >= r.notices[0].atMs {
		n := r.notices[0]
		r.notices = r.notices[1:]
		e.carryOut(r, n.from, n.hop, nil)
		return
	}
	r.retryMs = e.nowMs + commitRetryMs
	switch {
	case r.openRelease:
		e.pass(r.to, r.release)
	case r.state == inDoubt:
		e.say(r.to, wire.ObjectType_OBJECT_TYPE_COMMIT_HOP, &wire.CommitHop{Commit: r.commit, KeeperEntry: e.farEntry(r, true)})
	case r.state == committed && !r.receipt:
		e.pass(r.from, r.committed)
	default:
		r.retryMs = 0
	}
}
