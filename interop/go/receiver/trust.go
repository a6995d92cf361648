package receiver

// Keys, attestations and revocations (SPEC 4.7, 4.11, 6.2), and what belongs to the session itself
// (6.7 to 6.10).

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

const (
	mostKeysOfNode   = 4
	longestKeyS      = 7_776_000
	voidsIdentity    = 1<<63 - 1
	clockToleranceMs = 60_000
)

type heldKey struct {
	key      *wire.OperationalKey
	objectID []byte
}

// keys are the operational keys that are held, by node.
type keys struct {
	ring   codec.Keyring
	byNode map[string][]heldKey
}

func newKeys() keys { return keys{codec.Keyring{}, map[string][]heldKey{}} }

func nodeOf(key *wire.OperationalKey) string {
	node := sha256.Sum256(key.IdentityKey)
	return hex.EncodeToString(node[:])
}

func (k keys) hold(key *wire.OperationalKey, objectID []byte) {
	k.ring.Add(key)
	k.byNode[nodeOf(key)] = append(k.byNode[nodeOf(key)], heldKey{key, objectID})
}

func (r *Router) takeKey(key *wire.OperationalKey, objectID []byte) error {
	if err := codec.JudgeKeyTimes(key, r.now()); err != nil {
		return err
	}
	node := nodeOf(key)
	highest, unexpired := uint64(0), 0
	for _, held := range r.keys.byNode[node] {
		if bytes.Equal(held.objectID, objectID) {
			return nil
		}
		highest = max(highest, held.key.Serial)
		if held.key.ExpiresUtcS > r.now() {
			unexpired++
		}
	}
	holder, held := r.keys.ring[[32]byte(key.OperationalKey)]
	switch {
	case key.Serial <= r.revoked[node]:
		return codec.Refuse("KEY_REVOKED", "keys up to %d are void", r.revoked[node])
	case key.Serial < highest:
		return codec.Refuse(codec.Stale, "serial %d behind serial %d", key.Serial, highest)
	case key.Serial == highest:
		return codec.Refuse(codec.Equivocation, "another key with the serial %d", highest)
	case held && hex.EncodeToString(holder.Node) != node:
		return codec.Refuse("CONFLICT", "the key is another node's")
	case unexpired >= mostKeysOfNode:
		return codec.Refuse("LIMIT_REACHED", "%d keys of the node are held", unexpired)
	}
	r.keys.hold(key, objectID)
	return nil
}

func (r *Router) takeLink(link *wire.LinkAttestation, envelope *wire.SignedEnvelope) error {
	if err := r.issued(link.IssuedUtcS); err != nil {
		return err
	}
	if link.ExpiresUtcS <= r.now() {
		return codec.Refuse(codec.Expired, "it ended at %d", link.ExpiresUtcS)
	}
	r.Attest(envelope, link)
	return nil
}

// takeRevocation holds 4.11: only a number that rises is news.
func (r *Router) takeRevocation(from *Neighbor, revocation *wire.Revocation) error {
	node := hex.EncodeToString(revocation.Node)
	if revocation.UpToSerial != voidsIdentity && revocation.IssuedUtcS+longestKeyS <= r.now() {
		return codec.Refuse(codec.Expired, "no key that it covers can be valid")
	}
	if revocation.UpToSerial <= r.revoked[node] {
		return nil
	}
	r.revoked[node] = revocation.UpToSerial
	for _, neighbor := range r.Neighbors {
		if neighbor != from {
			r.say(neighbor, wire.ObjectType_OBJECT_TYPE_REVOCATION)
		}
	}
	r.dropRevoked(revocation)
	for _, neighbor := range r.Neighbors {
		if !bytes.Equal(neighbor.Node, revocation.Node) || neighbor.Session.Serial > revocation.UpToSerial {
			continue
		}
		if neighbor == from {
			return codec.Refuse("KEY_REVOKED", "the session's own key is void")
		}
		r.say(neighbor, wire.ObjectType_OBJECT_TYPE_CLOSE)
	}
	return nil
}

// judgeRevoked holds IOE-IDN-220 for keys that have signed, and for links of revoked identities.
func (r *Router) judgeRevoked(envelope *wire.SignedEnvelope) error {
	for _, signature := range envelope.Signatures {
		if held, known := r.keys.ring[[32]byte(signature.Key)]; known && held.Serial <= r.revoked[hex.EncodeToString(held.Node)] {
			return codec.Refuse("KEY_REVOKED", "signed with a revoked key")
		}
		identity := sha256.Sum256(signature.Key)
		if envelope.Type == wire.ObjectType_OBJECT_TYPE_LINK_ATTESTATION && r.revoked[hex.EncodeToString(identity[:])] == voidsIdentity {
			return codec.Refuse("KEY_REVOKED", "a link of a revoked identity")
		}
	}
	return nil
}

// revokedFirst tells of a revoked key rather than of its expiry.
func (r *Router) revokedFirst(envelope *wire.SignedEnvelope, refused error) error {
	if codec.CodeOf(refused) == codec.KeyExpired {
		if err := r.judgeRevoked(envelope); err != nil {
			return err
		}
	}
	return refused
}

// stillValid is step 7: of a known object only its keys are judged again.
func (r *Router) stillValid(envelope *wire.SignedEnvelope) error {
	for _, signature := range envelope.Signatures {
		if held, known := r.keys.ring[[32]byte(signature.Key)]; known && held.ExpiresUtc <= r.now() {
			return codec.Refuse(codec.KeyExpired, "a signing key ended at %d", held.ExpiresUtc)
		}
	}
	return r.judgeRevoked(envelope)
}

func (r *Router) takeKeepalive(from *Neighbor, keepalive *wire.Keepalive) error {
	apart := int64(keepalive.ClockUtcMs) - int64(r.nowMs)
	if apart > clockToleranceMs || apart < -clockToleranceMs {
		return codec.Refuse("CLOCK_UNSYNCED", "the clocks are %d ms apart", apart)
	}
	if keepalive.ReceivedSeq > from.framesSent {
		return codec.Refuse(codec.OutOfBounds, "frame %d was never sent", keepalive.ReceivedSeq)
	}
	return nil
}

func (n *Neighbor) takeRefresh(refresh *wire.Refresh) error {
	if refresh.Kept != 0 {
		return codec.Refuse(codec.Unexpected, "kept without RESUME")
	}
	if refresh.Phase == wire.RefreshPhase_REFRESH_PHASE_BEGIN {
		n.refreshing = true
		return nil
	}
	if !n.refreshing {
		return codec.Refuse(codec.Unexpected, "END without BEGIN")
	}
	n.refreshing = false
	return nil
}
