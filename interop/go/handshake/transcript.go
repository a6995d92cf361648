package handshake

// A whole session as somebody reads it who has heard every frame (SPEC 5.4, 6.5).

import (
	"bytes"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

// Read is what one frame holds.
type Read struct {
	Frame   *wire.Frame
	Objects []*codec.Opened
}

// Listener hears both sides of a session.
type Listener struct {
	NetworkID string
	Session   []byte
	keys      codec.Keyring
	hellos    map[string][]byte // object ids, by side
	session   map[string][]byte // session keys, by side
	seen      map[string]uint64 // numbers of the last frames, by side
	proofs    map[string]bool
	nowUtc    uint64
}

// NewListener begins before the first frame.
func NewListener(networkID string) *Listener {
	return &Listener{NetworkID: networkID, keys: codec.Keyring{}, hellos: map[string][]byte{},
		session: map[string][]byte{}, seen: map[string]uint64{}, proofs: map[string]bool{}}
}

func otherSide(side string) string {
	if side == "dialler" {
		return "listener"
	}
	return "dialler"
}

// Hear reads the next frame of a side, "dialler" or "listener".
func (l *Listener) Hear(side string, data []byte) (*Read, error) {
	frame, err := codec.ReadFrame(data)
	if err != nil {
		return nil, err
	}
	if len(frame.Session) > 0 && l.hellos[side] == nil {
		return nil, codec.Refuse(codec.Unexpected, "a session before the HELLO of its sender")
	}
	if err := codec.VerifyFrame(l.NetworkID, l.session[side], frame); err != nil {
		return nil, err
	}
	if err := l.judgeNumber(side, frame); err != nil {
		return nil, err
	}
	read := &Read{Frame: frame}
	for _, envelope := range frame.Envelopes {
		opened, err := codec.Open(l.NetworkID, l.nowUtc, l.keys, envelope)
		if err != nil {
			return nil, err
		}
		if err := l.take(side, opened, envelope); err != nil {
			return nil, err
		}
		read.Objects = append(read.Objects, opened)
	}
	return read, nil
}

// judgeNumber holds step 9 of accept_frame: a sender is ESTABLISHED once it has the other's proof.
func (l *Listener) judgeNumber(side string, frame *wire.Frame) error {
	established := l.proofs[otherSide(side)] && l.proofs[side]
	due := []byte(nil)
	if established && len(frame.Session) > 0 {
		due = l.Session
	}
	if !bytes.Equal(frame.Session, due) || frame.Seq != l.seen[side]+1 {
		return codec.Refuse(codec.Replayed, "frame %d behind frame %d", frame.Seq, l.seen[side])
	}
	l.seen[side] = frame.Seq
	return nil
}

func (l *Listener) take(side string, opened *codec.Opened, envelope *wire.SignedEnvelope) error {
	switch message := opened.Message.(type) {
	case *wire.OperationalKey:
		l.keys.Add(message)
	case *wire.Hello:
		if l.hellos[side] != nil {
			return codec.Refuse(codec.Unexpected, "a second HELLO")
		}
		l.hellos[side], l.session[side] = opened.ObjectID, envelope.Signatures[0].Key
		l.nowUtc = message.ClockUtcMs / 1000
	case *wire.SessionProof:
		if l.proofs[side] || l.hellos[side] == nil || l.hellos[otherSide(side)] == nil {
			return codec.Refuse(codec.Unexpected, "a proof that is not due")
		}
		if !bytes.Equal(message.DialerHello, l.hellos["dialler"]) || !bytes.Equal(message.ListenerHello, l.hellos["listener"]) {
			return codec.Refuse(codec.Replayed, "a proof over other HELLOs")
		}
		l.proofs[side], l.Session = true, names.Session(message.DialerHello, message.ListenerHello)
	}
	return nil
}
