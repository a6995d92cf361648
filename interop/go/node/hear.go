package node

// What comes in (SPEC 3.2, 5.4): frames are accepted or end the session, objects are taken or
// refused one by one.

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"ioe.example/interop/codec"
	"ioe.example/interop/routes"
	"ioe.example/interop/wire"
)

// Told is one offer with the bytes that were signed.
type Told struct {
	Offer    *wire.Offer
	ObjectID []byte
}

// Heard is what the neighbour has told and not taken back.
type Heard struct {
	Links     map[string]*wire.LinkAttestation // by object id in hexadecimal
	Paths     map[string]*routes.Path          // by path hash in hexadecimal
	Offers    map[uint32]Told                  // of the neighbour itself, by number
	Refreshed bool                             // REFRESH END has come
	origin    *routes.Origin
}

func (h *Heard) attested(envelope *wire.SignedEnvelope, link *wire.LinkAttestation) {
	if h.Links == nil {
		h.Links, h.Paths, h.Offers = map[string]*wire.LinkAttestation{}, map[string]*routes.Path{}, map[uint32]Told{}
	}
	h.Links[hex.EncodeToString(codec.ObjectID(envelope.Signed))] = link
}

// Hear waits for one frame, takes what concerns the session and what is advertised, and returns the
// rest. It keeps the session alive while it waits.
func (s *Session) Hear(ctx context.Context) ([]*codec.Opened, error) {
	idle := time.NewTimer(keepaliveAfter)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, codec.Refuse("KEEPALIVE_TIMEOUT", "nothing came in time: %v", ctx.Err())
		case <-idle.C:
			if err := s.keepalive(); err != nil {
				return nil, err
			}
			idle.Reset(keepaliveAfter)
		case data, open := <-s.frames:
			if !open {
				return nil, fmt.Errorf("the neighbour has ended the stream: %w", <-s.ended)
			}
			return s.accept(data)
		}
	}
}

// HearFor hears what comes within a time and returns; it is no error when nothing comes.
func (s *Session) HearFor(ctx context.Context, while time.Duration) error {
	until := time.After(while)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-until:
			return s.keepaliveIfDue()
		case data, open := <-s.frames:
			if !open {
				return fmt.Errorf("the neighbour has ended the stream: %w", <-s.ended)
			}
			if _, err := s.accept(data); err != nil {
				return err
			}
		}
	}
}

func (s *Session) keepaliveIfDue() error {
	if time.Since(s.lastSent) < keepaliveAfter {
		return nil
	}
	return s.keepalive()
}

func (s *Session) keepalive() error {
	if s.ID == nil {
		return nil
	}
	return s.Say(unsigned(wire.ObjectType_OBJECT_TYPE_KEEPALIVE,
		&wire.Keepalive{ReceivedSeq: s.received, ClockUtcMs: s.Clock.Milliseconds()}))
}

// accept is accept_frame.
func (s *Session) accept(data []byte) ([]*codec.Opened, error) {
	frame, err := codec.ReadFrame(data)
	if err != nil {
		return nil, err
	}
	if len(frame.Session) > 0 && s.theirHello == nil {
		return nil, codec.Refuse(codec.Unexpected, "a session before its HELLO")
	}
	if err := codec.VerifyFrame(s.Own.NetworkID, s.sessionKey, frame); err != nil {
		return nil, err
	}
	if !s.allowed(frame.Session) || frame.Seq != s.received+1 {
		return nil, codec.Refuse(codec.Replayed, "frame %d behind frame %d", frame.Seq, s.received)
	}
	s.received = frame.Seq
	var left []*codec.Opened
	for _, envelope := range frame.Envelopes {
		opened, err := s.take(envelope)
		if err != nil && (s.ID == nil || codec.CodeOf(err) == "") {
			return nil, err
		}
		if err != nil {
			s.Log("refused %s: %v", kindName(envelope.Type), err)
			s.fault(envelope, err)
		} else if opened != nil {
			left = append(left, opened)
		}
	}
	return left, nil
}

func (s *Session) allowed(session []byte) bool {
	if len(session) == 0 {
		return s.ID == nil
	}
	return s.ID != nil && bytes.Equal(session, s.ID)
}

func (s *Session) fault(envelope *wire.SignedEnvelope, refused error) {
	code := uint32(wire.ErrorCode_value["ERROR_CODE_"+string(codec.CodeOf(refused))])
	err := s.Say(unsigned(wire.ObjectType_OBJECT_TYPE_FAULT, &wire.Fault{Code: code, Object: codec.ObjectID(envelope.Signed)}))
	if err != nil {
		s.Log("the Fault could not be sent: %v", err)
	}
}

// take opens one object and returns it when it is nothing that the session itself takes.
func (s *Session) take(envelope *wire.SignedEnvelope) (*codec.Opened, error) {
	if s.ID == nil && !codec.Early(envelope.Type) {
		return nil, codec.Refuse(codec.Unexpected, "%s before the session stands", envelope.Type)
	}
	opened, err := codec.Open(s.Own.NetworkID, s.Clock.Seconds(), s.Keys, envelope)
	if err != nil {
		return nil, err
	}
	s.Log("<- %s", kindName(envelope.Type))
	switch message := opened.Message.(type) {
	case *wire.OperationalKey:
		if err := codec.JudgeKeyTimes(message, s.Clock.Seconds()); err != nil {
			return nil, err
		}
		s.Keys.Add(message)
	case *wire.LinkAttestation:
		s.Heard.attested(envelope, message)
	case *wire.Hello:
		s.sessionKey = envelope.Signatures[0].Key
		return nil, s.takeHello(opened)
	case *wire.SessionProof:
		return nil, s.takeProof(opened, envelope.Signatures[0].Key)
	case *wire.Close:
		return nil, fmt.Errorf("the neighbour has closed the session with %s: %s", wire.ErrorCode(message.Code), message.Text)
	case *wire.Fault:
		return nil, fmt.Errorf("the neighbour refuses %x with %s: %s", message.Object, wire.ErrorCode(message.Code), message.Text)
	case *wire.Refresh:
		s.Heard.Refreshed = s.Heard.Refreshed || message.Phase == wire.RefreshPhase_REFRESH_PHASE_END
	case *wire.PathAdvert:
		return nil, s.takePath(message)
	case *wire.Offer, *wire.OfferWithdrawal:
		return nil, s.takeOffer(opened)
	default:
		return opened, nil
	}
	return nil, nil
}

func (s *Session) takePath(advert *wire.PathAdvert) error {
	reader := routes.Reader{NetworkID: s.Own.NetworkID, Me: s.Own.Node, Neighbor: s.Neighbor.Node,
		Keys: s.Keys, Links: s.Heard.Links, NowUtc: s.Clock.Seconds(), Role: s.Role}
	path, err := reader.CheckPath(advert)
	if err != nil {
		return err
	}
	s.Heard.Paths[hex.EncodeToString(path.Hash)] = path
	return nil
}

const offerLifetimeMaxS = 86_400

// takeOffer keeps the offers of the neighbour itself; those of others are read and left.
func (s *Session) takeOffer(opened *codec.Opened) error {
	if !bytes.Equal(opened.Signers[0], s.Neighbor.Node) {
		return nil
	}
	if s.Heard.origin == nil {
		s.Heard.origin = routes.NewOrigin(s.Parameters.SlotS, offerLifetimeMaxS)
	}
	taken, err := s.Heard.origin.Take(opened.Message, opened.ObjectID, s.Clock.Seconds())
	if err != nil || !taken {
		return err
	}
	switch message := opened.Message.(type) {
	case *wire.Offer:
		s.Heard.Offers[message.OfferNo] = Told{message, opened.ObjectID}
	case *wire.OfferWithdrawal:
		delete(s.Heard.Offers, message.OfferNo)
	}
	return nil
}
