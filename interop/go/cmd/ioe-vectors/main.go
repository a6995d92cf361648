// Command ioe-vectors answers the questions of interop/vectors: it reads one question a line from
// standard input and writes one answer a line, as interop/vectors/README.md describes. Everything it
// answers is computed here; it never sees what a vector expects.
//
//	cd interop && python -m ioe_conformance.vector_check -- go/bin/ioe-vectors
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"ioe.example/interop/codec"
)

type question struct {
	ID     string          `json:"id"`
	Op     string          `json:"op"`
	Inputs json.RawMessage `json:"inputs"`
}

type answer struct {
	ID      string         `json:"id"`
	Verdict string         `json:"verdict"`
	Code    codec.Code     `json:"code,omitempty"`
	Outputs map[string]any `json:"outputs,omitempty"`
	Why     string         `json:"why,omitempty"`
}

// outputs are the values of a valid answer by their names in the README.
type outputs = map[string]any

// operation answers one question; a Refusal makes the answer "invalid".
type operation func(inputs json.RawMessage) (outputs, error)

const longestLine = 4 << 20

func main() {
	log.SetFlags(0)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 1<<16), longestLine)
	writer := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatalf("a line on standard input is no question: %v", err)
		}
		if err := writer.Encode(reply(asked)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func reply(asked question) answer {
	run, known := operations[asked.Op]
	if !known {
		return answer{ID: asked.ID, Verdict: "unsupported", Why: "no operation " + asked.Op}
	}
	values, err := run(asked.Inputs)
	var refusal *codec.Refusal
	switch {
	case errors.As(err, &refusal):
		return answer{ID: asked.ID, Verdict: "invalid", Code: refusal.Code, Outputs: values}
	case err != nil:
		return answer{ID: asked.ID, Verdict: "unsupported", Why: err.Error()}
	}
	return answer{ID: asked.ID, Verdict: "valid", Outputs: values}
}

// asking makes an operation of a function with typed inputs.
func asking[T any](run func(T) (outputs, error)) operation {
	return func(raw json.RawMessage) (outputs, error) {
		var inputs T
		if err := json.Unmarshal(raw, &inputs); err != nil {
			return nil, fmt.Errorf("the inputs cannot be read: %w", err)
		}
		return run(inputs)
	}
}

var operations = map[string]operation{
	"identity.node":          asking(identityNode),
	"identity.link":          asking(identityLink),
	"identity.text":          asking(identityText),
	"signature-input":        asking(signatureInput),
	"ed25519-edge":           asking(ed25519Edge),
	"envelope":               asking(envelope),
	"freshness":              asking(freshness),
	"domain.id":              asking(domainID),
	"domain.list":            asking(domainList),
	"domain.member":          asking(domainMember),
	"path-hash":              asking(pathHash),
	"frame":                  asking(frame),
	"malformed":              asking(malformed),
	"receive":                asking(receive),
	"reserve":                asking(reserve),
	"capacity.limit":         asking(capacityLimit),
	"capacity.ledger":        asking(capacityLedger),
	"errors.number":          asking(errorsNumber),
	"hello.parameters":       asking(helloParameters),
	"hello.check":            asking(helloCheck),
	"hello.proof":            asking(helloProof),
	"price.origin":           asking(priceOrigin),
	"route.rank":             asking(routeRank),
	"route.tell":             asking(routeTell),
	"route.offer":            asking(routeOffer),
	"route.choose":           asking(routeChoose),
	"route.state":            asking(routeState),
	"timers.gate":            asking(timersGate),
	"timers.budget":          asking(timersBudget),
	"transcript":             asking(transcript),
	"zone.share":             asking(zoneShare),
	"session-fsm":            asking(sessionFSM),
	"session-id":             asking(sessionID),
	"retained.digests":       asking(retainedDigests),
	"retained.kept":          asking(retainedKept),
	"reservation-fsm":        asking(reservationFSM),
	"pairing-code.draw":      asking(codeDraw),
	"pairing-code.typed":     asking(codeTyped),
	"pairing-cpace.exchange": asking(cpaceExchange),
	"pairing-cpace.share":    asking(cpaceShare),
	"pairing-talk.whole":     asking(talkWhole),
	"pairing-talk.answer":    asking(talkAnswer),
	"cut-arith":              asking(cutArith),
	"loss-arith.entry":       asking(lossEntry),
	"loss-arith.search":      asking(lossSearch),
	"loss-arith.amount":      asking(lossAmount),
}
