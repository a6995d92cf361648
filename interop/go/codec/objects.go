package codec

// The registry of object types (SPEC 4.4): which message an envelope holds, who signs it, and where
// it may stand.

import "ioe.example/interop/wire"

// signers says how the signatures of a type are found.
type signers int

const (
	byFrame    signers = iota // no signature of its own
	byNamed                   // operational keys of the nodes named in fields
	byAny                     // one operational key of whatever node
	byIdentity                // identity keys of the nodes named in fields
	byKeyPair                 // OPERATIONAL_KEY: the two keys that it names
	byRoots                   // the root keys in `signers`
)

// object is one line of the registry.
type object struct {
	message   string
	signers   signers
	fields    []string // fields that name the signing nodes, in order
	early     bool     // H: may stand in a frame without session
	inSession bool     // S: may stand in a frame of an established session
}

var objects = map[wire.ObjectType]object{
	1:  {"ioe.v1.OperationalKey", byKeyPair, nil, true, true},
	2:  {"ioe.v1.LinkAttestation", byIdentity, []string{"keeper", "other"}, true, true},
	3:  {"ioe.v1.Hello", byNamed, []string{"node"}, true, false},
	4:  {"ioe.v1.SessionProof", byAny, nil, true, false},
	5:  {"ioe.v1.Keepalive", byFrame, nil, false, true},
	6:  {"ioe.v1.Close", byFrame, nil, true, true},
	7:  {"ioe.v1.Refresh", byFrame, nil, false, true},
	8:  {"ioe.v1.Fault", byFrame, nil, false, true},
	10: {"ioe.v1.Offer", byNamed, []string{"origin"}, false, true},
	11: {"ioe.v1.OfferWithdrawal", byNamed, []string{"origin"}, false, true},
	12: {"ioe.v1.PathEntry", byNamed, []string{"node"}, false, false},
	13: {"ioe.v1.PathAdvert", byFrame, nil, false, true},
	14: {"ioe.v1.PathWithdrawal", byFrame, nil, false, true},
	15: {"ioe.v1.LinkState", byAny, nil, false, true},
	20: {"ioe.v1.HoldCore", byNamed, []string{"initiator"}, false, false},
	21: {"ioe.v1.Hold", byFrame, nil, false, true},
	22: {"ioe.v1.KeeperEntry", byAny, nil, false, false},
	23: {"ioe.v1.Grant", byNamed, []string{"grantor"}, false, true},
	24: {"ioe.v1.Refuse", byFrame, nil, false, true},
	25: {"ioe.v1.Commit", byNamed, []string{"initiator"}, false, false},
	26: {"ioe.v1.CommitHop", byFrame, nil, false, true},
	27: {"ioe.v1.Committed", byNamed, []string{"origin"}, false, true},
	28: {"ioe.v1.Receipt", byNamed, []string{"node"}, false, true},
	29: {"ioe.v1.Failed", byNamed, []string{"node"}, false, true},
	30: {"ioe.v1.Release", byNamed, []string{"initiator"}, false, true},
	31: {"ioe.v1.Curtail", byNamed, []string{"node"}, false, false},
	32: {"ioe.v1.OutcomeQuery", byFrame, nil, false, true},
	33: {"ioe.v1.Outcome", byFrame, nil, false, true},
	34: {"ioe.v1.CurtailHop", byFrame, nil, false, true},
	40: {"ioe.v1.ConnectionLimit", byNamed, []string{"node"}, false, false},
	41: {"ioe.v1.ZoneReport", byFrame, nil, false, true},
	42: {"ioe.v1.OperatingEnvelope", byNamed, []string{"root"}, false, true},
	43: {"ioe.v1.SweepUp", byFrame, nil, false, true},
	44: {"ioe.v1.SweepDown", byFrame, nil, false, true},
	50: {"ioe.v1.MeterRecord", byNamed, []string{"node"}, false, true},
	51: {"ioe.v1.LinkStatement", byNamed, []string{"node"}, false, true},
	52: {"ioe.v1.ImbalanceRecord", byNamed, []string{"node", "party"}, false, false},
	53: {"ioe.v1.Relay", byFrame, nil, false, true},
	54: {"ioe.v1.Retained", byFrame, nil, false, true},
	55: {"ioe.v1.Revocation", byIdentity, []string{"node"}, true, true},
	56: {"ioe.v1.TrustList", byRoots, nil, true, true},
	57: {"ioe.v1.MemberCertificate", byRoots, nil, true, true},
	58: {"ioe.v1.MeterCertificate", byRoots, nil, true, true},
}

// MessageOf returns the full name of the message that envelopes of a type hold, "" if unregistered.
func MessageOf(kind wire.ObjectType) string { return objects[kind].message }

// Early says whether a type may stand in a frame without session.
func Early(kind wire.ObjectType) bool { return objects[kind].early }

// InSession says whether a type may stand in a frame of an established session.
func InSession(kind wire.ObjectType) bool { return objects[kind].inSession }

// NeedsFrame says whether a type has no signature but that of its frame.
func NeedsFrame(kind wire.ObjectType) bool {
	entry, registered := objects[kind]
	return registered && entry.signers == byFrame
}
