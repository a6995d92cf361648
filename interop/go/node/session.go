package node

// A session as its dialler (SPEC 6.4, 6.5, 6.7 to 6.9): the handshake, frames both ways, signs of
// life, and its end. The one who uses it is the only one who calls it.

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/codec"
	"ioe.example/interop/handshake"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

const (
	handshakeFor   = 10 * time.Second
	keepaliveAfter = 15 * time.Second // keepalive_ms of 20 s times 0.75
)

// Config is what both ends of a session were configured with.
type Config struct {
	Own         *Identity
	Neighbor    Neighbor
	Parameters  names.Parameters
	Attestation *wire.SignedEnvelope // of the link, signed by both ends
	Role        wire.Role            // what the neighbour is to this node
	Epoch       uint64
	Clock       Clock
	Log         func(format string, values ...any)
}

// Session is an established session.
type Session struct {
	Config
	ID         []byte
	Link       *wire.LinkAttestation
	Keys       codec.Keyring
	Heard      Heard
	stream     *Stream
	sessionKey []byte // of the neighbour
	hello      []byte // object id of the own HELLO
	theirHello []byte
	sent       uint64 // number of the last frame
	lastSent   time.Time
	received   uint64
	lines      uint64 // number of the last ledger line
	frames     chan []byte
	ended      chan error
}

// Establish dials a neighbour and returns when the session stands.
func Establish(ctx context.Context, address string, config Config) (*Session, error) {
	link, err := OpenAttestation(config.Own.NetworkID, config.Clock.Seconds(), config.Attestation)
	if err != nil {
		return nil, fmt.Errorf("the attestation does not open: %w", err)
	}
	stream, err := Dial(ctx, address, config.Own, config.Neighbor)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be dialled: %w", address, err)
	}
	s := &Session{Config: config, Link: link, Keys: codec.Keyring{}, stream: stream,
		frames: make(chan []byte, 64), ended: make(chan error, 1)}
	s.Heard.attested(config.Attestation, link)
	go s.read()
	limited, cancel := context.WithTimeout(ctx, handshakeFor)
	defer cancel()
	if err := s.handshake(limited); err != nil {
		return nil, errors.Join(err, s.Close(codec.CodeOf(err)))
	}
	return s, nil
}

func (s *Session) read() {
	for {
		frame, err := s.stream.Receive()
		if err != nil {
			s.ended <- err
			close(s.frames)
			return
		}
		s.frames <- frame
	}
}

func (s *Session) handshake(ctx context.Context) error {
	hello, err := s.makeHello()
	if err != nil {
		return err
	}
	s.hello = codec.ObjectID(hello.Signed)
	if err := s.send(s.Own.Certificate, hello); err != nil {
		return err
	}
	for s.ID == nil {
		if _, err := s.Hear(ctx); err != nil {
			return err
		}
	}
	s.Log("session %s is ESTABLISHED", hex.EncodeToString(s.ID[:8]))
	return s.refresh()
}

func (s *Session) makeHello() (*wire.SignedEnvelope, error) {
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return codec.Seal(s.Own.NetworkID, wire.ObjectType_OBJECT_TYPE_HELLO, &wire.Hello{
		NetworkId: s.Own.NetworkID, Node: s.Own.Node, Neighbor: s.Neighbor.Node,
		VersionMin: handshake.Version, VersionMax: handshake.Version, Nonce: nonce, Role: handshake.Counterpart(s.Role), Epoch: s.Epoch,
		Attestation: codec.ObjectID(s.Attestation.Signed), Parameters: s.Parameters.Digest(),
		ClockUtcMs: s.Clock.Milliseconds(),
	}, s.Own.Operational)
}

// takeHello is check_hello and what follows from it.
func (s *Session) takeHello(opened *codec.Opened) error {
	if s.theirHello != nil {
		return codec.Refuse(codec.Unexpected, "a second HELLO")
	}
	expected := handshake.Expected{NetworkID: s.Own.NetworkID, OwnNode: s.Own.Node, OwnEpoch: s.Epoch, Neighbor: s.Neighbor.Node,
		Role: s.Role, Parameters: s.Parameters.Digest(), Attestation: s.Attestation,
		TransportKey: s.stream.OperationalKey(), NowMs: s.Clock.Milliseconds()}
	if err := expected.CheckHello(opened, s.sessionKey); err != nil {
		return err
	}
	s.theirHello = opened.ObjectID
	proof, err := codec.Seal(s.Own.NetworkID, wire.ObjectType_OBJECT_TYPE_SESSION_PROOF,
		&wire.SessionProof{DialerHello: s.hello, ListenerHello: s.theirHello}, s.Own.Operational)
	if err != nil {
		return err
	}
	return s.send(proof)
}

func (s *Session) takeProof(opened *codec.Opened, key []byte) error {
	if s.theirHello == nil || s.ID != nil {
		return codec.Refuse(codec.Unexpected, "a proof that is not due")
	}
	var err error
	s.ID, err = handshake.CheckProof(opened, key, s.Neighbor.Node, s.sessionKey, s.hello, s.theirHello)
	return err
}

// refresh tells all that this node advertises, which is nothing.
func (s *Session) refresh() error {
	begin := &wire.Refresh{Phase: wire.RefreshPhase_REFRESH_PHASE_BEGIN}
	end := &wire.Refresh{Phase: wire.RefreshPhase_REFRESH_PHASE_END}
	return s.Say(unsigned(wire.ObjectType_OBJECT_TYPE_REFRESH, begin), unsigned(wire.ObjectType_OBJECT_TYPE_REFRESH, end))
}

// unsigned makes an envelope of an object that stands under its frame's signature.
func unsigned(kind wire.ObjectType, message proto.Message) *wire.SignedEnvelope {
	envelope, err := codec.Seal("", kind, message)
	if err != nil {
		panic(err) // a message of this program outside its bounds
	}
	return envelope
}

// Say sends envelopes in one frame.
func (s *Session) Say(envelopes ...*wire.SignedEnvelope) error { return s.send(envelopes...) }

func (s *Session) send(envelopes ...*wire.SignedEnvelope) error {
	s.sent++
	s.lastSent = time.Now()
	frame := codec.SealFrame(s.Own.NetworkID, s.ID, s.sent, envelopes, s.Own.Operational)
	for _, envelope := range envelopes {
		s.Log("-> %s", kindName(envelope.Type))
	}
	return s.stream.Send(codec.Bytes(frame))
}

// Close says why and ends the session.
func (s *Session) Close(code codec.Code) error {
	number := wire.ErrorCode_value["ERROR_CODE_"+string(code)]
	said := s.send(unsigned(wire.ObjectType_OBJECT_TYPE_CLOSE, &wire.Close{Code: uint32(number)}))
	return errors.Join(said, s.stream.Close())
}

func kindName(kind wire.ObjectType) string { return strings.TrimPrefix(kind.String(), "OBJECT_TYPE_") }
