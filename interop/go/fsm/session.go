// Package fsm holds the two state machines of SPEC.md as code: sessions (6.5) and reservations
// (10.9). They were written from the prose and tables of those sections; a test compares the second
// with the table again, cell by cell.
package fsm

import "ioe.example/interop/codec"

// Session is the next state of a session, or the code that refuses the event.
func Session(state, event string) (string, codec.Code) {
	switch {
	case event == "DOWN":
		return "IDLE", ""
	case state == "IDLE":
		if event == "UP" {
			return "HELLO_SENT", ""
		}
		return "", codec.Unexpected
	case event == "CLOSE", state == "CLOSING":
		return "CLOSING", ""
	case event == "TIMEOUT" && state != "ESTABLISHED":
		return "CLOSING", ""
	case state == "HELLO_SENT" && event == "HELLO":
		return "PROOF_SENT", ""
	case state == "PROOF_SENT" && event == "PROOF":
		return "ESTABLISHED", ""
	}
	return "", codec.Unexpected
}
