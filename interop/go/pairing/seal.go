package pairing

// Seals (SPEC 6.1.5) and the records under them (6.1.6).

import (
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"ioe.example/interop/codec"
)

// SealKeys are the keys that seal what A sends and what B sends.
func SealKeys(sid, isk []byte) (keyA, keyB []byte) {
	return sealKey(sid, isk, "IOE1 pair A to B"), sealKey(sid, isk, "IOE1 pair B to A")
}

func sealKey(sid, isk []byte, info string) []byte {
	key, err := hkdf.Key(sha512.New, isk, sid, info, chacha20poly1305.KeySize)
	if err != nil {
		panic(err) // only for lengths that HKDF does not give
	}
	return key
}

func nonce(number uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4), number)
}

func seal(key []byte, number uint64, records []byte) []byte {
	cipher, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err)
	}
	return cipher.Seal(nil, nonce(number), records, nil)
}

func open(key []byte, number uint64, body []byte) ([]byte, error) {
	cipher, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err)
	}
	records, err := cipher.Open(nil, nonce(number), body, nil)
	if err != nil {
		return nil, codec.Refuse(codec.BadSignature, "a seal does not open") // IOE-SES-460
	}
	return records, nil
}

// Types of records.
const (
	recordNetwork = 1
	recordCA      = 2
	recordPort    = 3
	recordLink    = 4
	recordDone    = 5
	firstSkipped  = 128
)

// Card is what a side tells of itself.
type Card struct {
	NetworkID string
	CA        []byte // DER
	Port      uint16
	Link      []byte // LinkAttestation as SignedEnvelope; nil for none
}

func record(kind byte, value []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value))), value...)
}

func (c Card) records() []byte {
	return joined(record(recordNetwork, []byte(c.NetworkID)), record(recordCA, c.CA),
		record(recordPort, binary.BigEndian.AppendUint16(nil, c.Port)))
}

// split reads records of rising types and drops those that may be skipped (IOE-SES-470).
func split(data []byte) (map[byte][]byte, error) {
	found, last := map[byte][]byte{}, -1
	for len(data) > 0 {
		if len(data) < 3 || len(data)-3 < int(binary.BigEndian.Uint16(data[1:])) {
			return nil, codec.Refuse(codec.Malformed, "a record is cut short")
		}
		kind, length := data[0], int(binary.BigEndian.Uint16(data[1:]))
		if int(kind) <= last {
			return nil, codec.Refuse(codec.Malformed, "a record of type %d behind one of %d", kind, last)
		}
		if kind == 0 || kind > recordDone && kind < firstSkipped {
			return nil, codec.Refuse(codec.Malformed, "a record of the unknown type %d", kind)
		}
		if kind < firstSkipped {
			found[kind] = data[3 : 3+length]
		}
		last, data = int(kind), data[3+length:]
	}
	return found, nil
}

// readCard reads the card of A or B; what a card has to hold and does not is MALFORMED.
func readCard(data []byte) (Card, error) {
	found, err := split(data)
	if err != nil {
		return Card{}, err
	}
	network, port := found[recordNetwork], found[recordPort]
	if len(network) < 1 || len(network) > 64 || !printable(network) {
		return Card{}, codec.Refuse(codec.Malformed, "the network is no printable text of 1 to 64 bytes")
	}
	if len(found[recordCA]) == 0 || len(port) != 2 || found[recordDone] != nil {
		return Card{}, codec.Refuse(codec.Malformed, "a card without certificate or port, or one that is done")
	}
	if link, stated := found[recordLink]; stated {
		if _, err := codec.ReadEnvelope(link); err != nil {
			return Card{}, codec.Refuse(codec.Malformed, "the link is no envelope: %v", err)
		}
	}
	return Card{string(network), found[recordCA], binary.BigEndian.Uint16(port), found[recordLink]}, nil
}

func printable(text []byte) bool {
	for _, letter := range text {
		if letter < 0x20 || letter > 0x7e {
			return false
		}
	}
	return true
}
