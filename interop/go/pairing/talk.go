package pairing

// The conversation (SPEC 6.1.3): side A dials, side B shows the code. B is a machine that is given
// one message after another; what both say together is written by Whole.

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"strings"

	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

const version = 1

// Kinds of messages.
const (
	kindGreeting = 1
	kindShareA   = 2
	kindShareB   = 3
	kindConfirmA = 4
	kindConfirmB = 5
	kindSealed   = 6
	kindRefused  = 7
)

// bodyLength of every kind but SEALED, whose length is free.
var bodyLength = map[byte]int{
	kindGreeting: 26, kindShareA: 49, kindShareB: 32, kindConfirmA: 64, kindConfirmB: 64, kindRefused: 2,
}

const (
	longestUnproved = 65
	longestProved   = 8192
)

var (
	channel = []byte("IOE1 pair")
	dataA   = []byte{1, version}
	dataB   = []byte{2, version}
)

// Side is the secret part of one side of a conversation.
type Side struct {
	Nonce  []byte // 16 bytes
	Scalar []byte // 32 bytes
	Card   Card
}

func message(kind byte, body []byte) []byte {
	return append(append(binary.BigEndian.AppendUint16(nil, uint16(1+len(body))), kind), body...)
}

// Listener is side B.
type Listener struct {
	code         string
	own          Side
	due          byte // kind of the message that is awaited
	shareB, tagA []byte
	agreement    Agreement
	keyA, keyB   []byte
	sid          []byte
	ends         bool
}

// NewListener is a B that has sent its GREETING and shows a code.
func NewListener(code string, own Side) *Listener {
	return &Listener{code: code, own: own, due: kindShareA}
}

// Greeting is B's first message.
func (b *Listener) Greeting() []byte {
	return message(kindGreeting, joined(channel, []byte{version}, b.own.Nonce))
}

// Take is what B answers to one message with its length in front. A refusal ends the conversation.
func (b *Listener) Take(framed []byte) ([][]byte, error) {
	if b.ends {
		return nil, codec.Refuse(codec.Unexpected, "the conversation is over")
	}
	answers, err := b.take(framed)
	b.ends = b.ends || err != nil
	return answers, err
}

func (b *Listener) take(framed []byte) ([][]byte, error) {
	kind, body, err := b.parse(framed)
	if err != nil {
		return nil, err
	}
	if kind == kindRefused { // it ends the conversation and is not answered
		number := binary.BigEndian.Uint16(body)
		name := wire.ErrorCode(number).String()
		return nil, codec.Refuse(codec.Code(strings.TrimPrefix(name, "ERROR_CODE_")), "the other side has refused")
	}
	if kind != b.due {
		return nil, codec.Refuse(codec.Unexpected, "a message of kind %d instead of %d", kind, b.due)
	}
	switch kind {
	case kindShareA:
		return b.takeShare(body)
	case kindConfirmA:
		return b.takeConfirm(body)
	}
	return b.takeCard(body)
}

func (b *Listener) parse(framed []byte) (byte, []byte, error) {
	if len(framed) < 2 || len(framed)-2 != int(binary.BigEndian.Uint16(framed)) {
		return 0, nil, codec.Refuse(codec.Malformed, "the length in front is another")
	}
	content, longest := framed[2:], longestUnproved
	if b.due == kindSealed {
		longest = longestProved
	}
	if len(content) > longest {
		return 0, nil, codec.Refuse(codec.TooLarge, "a message of %d bytes", len(content))
	}
	if len(content) == 0 {
		return 0, nil, codec.Refuse(codec.Malformed, "a message without kind")
	}
	kind, body := content[0], content[1:]
	length, fixed := bodyLength[kind]
	if !fixed && kind != kindSealed || fixed && len(body) != length {
		return 0, nil, codec.Refuse(codec.Malformed, "kind %d with %d bytes", kind, len(body))
	}
	return kind, body, nil
}

func (b *Listener) takeShare(body []byte) ([][]byte, error) {
	if body[0] != version {
		return nil, codec.Refuse(codec.VersionMismatch, "version %d", body[0])
	}
	nonceA, shareA := body[1:17], body[17:]
	b.sid = joined(nonceA, b.own.Nonce)
	generator := Generator(GeneratorString([]byte(b.code), channel, b.sid))
	var err error
	if b.shareB, err = Share(b.own.Scalar, generator); err != nil {
		return nil, err
	}
	if bytes.Equal(shareA, b.shareB) {
		return nil, codec.Refuse(codec.BadSignature, "the own share came back")
	}
	shared, err := Share(b.own.Scalar, shareA)
	if err != nil {
		return nil, err
	}
	b.agreement = Agree(b.sid, shared, shareA, dataA, b.shareB, dataB)
	b.keyA, b.keyB = SealKeys(b.sid, b.agreement.ISK)
	b.due = kindConfirmA
	return [][]byte{message(kindShareB, b.shareB)}, nil
}

func (b *Listener) takeConfirm(body []byte) ([][]byte, error) {
	if !hmac.Equal(body, b.agreement.TagA) {
		return nil, codec.Refuse(codec.WrongCode, "the two ends do not have the same code")
	}
	b.due = kindSealed
	return [][]byte{message(kindConfirmB, b.agreement.TagB), message(kindSealed, seal(b.keyB, 0, b.own.Card.records()))}, nil
}

func (b *Listener) takeCard(body []byte) ([][]byte, error) {
	records, err := open(b.keyA, 0, body)
	if err != nil {
		return nil, err
	}
	card, err := readCard(records)
	if err != nil {
		return nil, err
	}
	if card.NetworkID != b.own.Card.NetworkID {
		return nil, codec.Refuse(codec.NetworkMismatch, "a card of the network %q", card.NetworkID)
	}
	b.ends = true
	return [][]byte{message(kindSealed, seal(b.keyB, 1, record(recordDone, nil)))}, nil
}

// Said is one message of a whole conversation and who sends it, "A" or "B".
type Said struct {
	Side    string
	Message []byte
}

// Whole is a conversation in which nothing goes wrong and no link is stated.
func Whole(code string, a, b Side) ([]Said, error) {
	listener := NewListener(code, b)
	sid := joined(a.Nonce, b.Nonce)
	shareA, err := Share(a.Scalar, Generator(GeneratorString([]byte(code), channel, sid)))
	if err != nil {
		return nil, err
	}
	said := []Said{{"B", listener.Greeting()}}
	exchange := func(own []byte) error {
		said = append(said, Said{"A", own})
		answers, err := listener.Take(own)
		for _, answer := range answers {
			said = append(said, Said{"B", answer})
		}
		return err
	}
	if err := exchange(message(kindShareA, joined([]byte{version}, a.Nonce, shareA))); err != nil {
		return nil, err
	}
	shared, err := Share(a.Scalar, listener.shareB)
	if err != nil {
		return nil, err
	}
	agreement := Agree(sid, shared, shareA, dataA, listener.shareB, dataB)
	if err := exchange(message(kindConfirmA, agreement.TagA)); err != nil {
		return nil, err
	}
	keyA, _ := SealKeys(sid, agreement.ISK)
	return said, exchange(message(kindSealed, seal(keyA, 0, a.Card.records())))
}
