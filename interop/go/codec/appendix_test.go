package codec_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

// appendix is the worked session of SPEC.md, Appendix A.
func appendix(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, session, found := strings.Cut(string(text), "<!-- generated: session -->")
	if !found {
		t.Fatal("SPEC.md has no worked session")
	}
	session, _, _ = strings.Cut(session, "<!-- /generated: session -->")
	return session
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// value returns the hexadecimal value behind a label's n-th occurrence, over all its lines.
func values(t *testing.T, text, label string) [][]byte {
	t.Helper()
	var all [][]byte
	expression := regexp.MustCompile(`(?m)^ *` + label + ` {2,}([0-9a-f]+(?:\n {20,}[0-9a-f]+)*)$`)
	for _, match := range expression.FindAllStringSubmatch(text, -1) {
		all = append(all, decode(t, match[1]))
	}
	return all
}

var framed = regexp.MustCompile(`\*\*Frame \d+\*\*, from the (dialler|listener)`)

// Every frame of the worked session is read, its envelopes open, its signature is the session key's,
// and signing it here gives the same bytes.
func TestWorkedSession(t *testing.T) {
	text := appendix(t)
	seeds := values(t, text, "operational seed")
	keys := map[string]ed25519.PrivateKey{"dialler": ed25519.NewKeyFromSeed(seeds[0]), "listener": ed25519.NewKeyFromSeed(seeds[1])}
	senders, frames := framed.FindAllStringSubmatch(text, -1), values(t, text, "frame")
	if len(frames) < 8 || len(frames) != len(senders) {
		t.Fatalf("%d frames, %d senders", len(frames), len(senders))
	}
	ring, hellos := codec.Keyring{}, map[string][]byte{}
	for i, data := range frames {
		sender := senders[i][1]
		frame, err := codec.ReadFrame(data)
		if err != nil {
			t.Fatalf("frame %d: %v", i+1, err)
		}
		if err := codec.VerifyFrame("example", keys[sender].Public().(ed25519.PublicKey), frame); err != nil {
			t.Errorf("frame %d: %v", i+1, err)
		}
		again := codec.SealFrame("example", frame.Session, frame.Seq, frame.Envelopes, keys[sender])
		if !bytes.Equal(codec.Bytes(again), data) {
			t.Errorf("frame %d is written differently here", i+1)
		}
		openAll(t, frame, ring, hellos, sender)
	}
	session := names.Session(hellos["dialler"], hellos["listener"])
	if derived := values(t, text, "session id"); len(derived) != 1 || !bytes.Equal(session, derived[0]) {
		t.Errorf("the session id is %x", session)
	}
}

func openAll(t *testing.T, frame *wire.Frame, ring codec.Keyring, hellos map[string][]byte, sender string) {
	t.Helper()
	for _, envelope := range frame.Envelopes {
		opened, err := codec.Open("example", 1465948800, ring, envelope)
		if err != nil {
			t.Errorf("%s: %v", envelope.Type, err)
			continue
		}
		switch message := opened.Message.(type) {
		case *wire.OperationalKey:
			ring.Add(message)
		case *wire.Hello:
			hellos[sender] = opened.ObjectID
		}
	}
}

// Node ids, their texts and the path hashes of the appendix follow from its keys.
func TestWorkedNames(t *testing.T) {
	text := appendix(t)
	identities, nodes := values(t, text, "identity key"), values(t, text, "node id")
	texts := regexp.MustCompile(`node id, text +(\w+)`).FindAllStringSubmatch(text, -1)
	for i, identity := range identities {
		if node := names.Node(identity); !bytes.Equal(node, nodes[i]) || names.Text("ioe", node) != texts[i][1] {
			t.Errorf("node %d", i)
		}
	}
	if link := values(t, text, "link id"); !bytes.Equal(names.Link(nodes[0], nodes[1], 0), link[0]) {
		t.Errorf("link id")
	}
	entry := regexp.MustCompile(`(?s)Its only entry:.*?signed +([0-9a-f\s]+)object id`).FindStringSubmatch(text)
	hashes := names.Path("example", nodes[1], 1, [][]byte{decode(t, entry[1])})
	for i, label := range []string{`path hash H\(-1\)`, `path hash H\(0\)`} {
		if want := values(t, text, label); !bytes.Equal(hashes[i], want[0]) {
			t.Errorf("%s is %x", label, hashes[i])
		}
	}
}
