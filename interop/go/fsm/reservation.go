package fsm

// Reservations at a node in transit (10.9): the next state, and what is sent whither.

import "ioe.example/interop/codec"

// States of a reservation. UNSPECIFIED is NEW of 10.9: not known here.
const (
	newState  = "UNSPECIFIED"
	holding   = "HOLDING"
	held      = "HELD"
	inDoubt   = "IN_DOUBT"
	committed = "COMMITTED"
	failed    = "FAILED"
	released  = "RELEASED"
	expired   = "EXPIRED"
)

// Sending is one message and the side that it goes to: initiator, origin or sender.
type Sending struct {
	Object string `json:"object"`
	Toward string `json:"toward"`
}

var (
	fault       = Sending{"FAULT", "sender"}
	refuseBack  = Sending{"REFUSE", "initiator"}
	failedBack  = Sending{"FAILED", "initiator"}
	outcomeBack = Sending{"OUTCOME", "initiator"}
	releaseOn   = Sending{"RELEASE", "origin"}
)

// Reservation is the answer of a reservation's record to an event. The state stays when a code is
// returned.
func Reservation(state, event string) (next string, code codec.Code, sent []Sending) {
	next, code = Next(state, event)
	if code != "" {
		next = state
	}
	return next, code, Answers(state, event)
}

// Next is the table of states: the next state, or the code that refuses the event.
func Next(state, event string) (string, codec.Code) {
	if state == newState {
		if event == "HOLD" {
			return holding, ""
		}
		return "", "UNKNOWN_RESERVATION"
	}
	if event == "HOLD" { // another HOLD_CORE under a known id (IOE-RSV-130)
		return "", "CONFLICT"
	}
	switch state {
	case holding:
		return nextHolding(event)
	case held:
		if event == "COMMIT" {
			return inDoubt, ""
		}
		if event == "GRANT" {
			return "", codec.Unexpected
		}
		return nextHolding(event)
	case inDoubt:
		return nextInDoubt(event)
	case committed:
		return nextCommitted(event)
	}
	return nextEnded(state, event)
}

func nextHolding(event string) (string, codec.Code) {
	switch event {
	case "GRANT":
		return held, ""
	case "REFUSE", "FAILED", "LOST":
		return failed, ""
	case "RELEASE":
		return released, ""
	case "EXPIRE", "SLOT_END":
		return expired, ""
	}
	return "", codec.Unexpected
}

// nextInDoubt: only a signed outcome or the end of the last slot ends it (IOE-RSV-320).
func nextInDoubt(event string) (string, codec.Code) {
	switch event {
	case "COMMIT", "EXPIRE", "LOST":
		return inDoubt, ""
	case "COMMITTED":
		return committed, ""
	case "FAILED", "SLOT_END":
		return failed, ""
	}
	return "", codec.Unexpected
}

func nextCommitted(event string) (string, codec.Code) {
	switch event {
	case "RELEASE":
		return released, ""
	case "GRANT", "REFUSE", "FAILED":
		return "", codec.Unexpected
	}
	return committed, ""
}

func nextEnded(state, event string) (string, codec.Code) {
	switch event {
	case "GRANT", "COMMIT":
		return "", "HOLD_EXPIRED"
	case "COMMITTED":
		return "", codec.Unexpected
	case "CURTAIL":
		if state != released { // RELEASED still cuts what is booked toward the origin (10.11)
			return "", codec.Unexpected
		}
	}
	return state, ""
}

// Answers is what is sent when an event meets a state.
func Answers(state, event string) []Sending {
	_, code := Next(state, event)
	switch event {
	case "HOLD":
		if state == newState {
			return []Sending{{"HOLD", "origin"}}
		}
		return []Sending{refuseBack}
	case "COMMIT":
		return answersCommit(state)
	case "RELEASE":
		return answersRelease(state)
	case "EXPIRE", "LOST", "SLOT_END":
		return answersTime(state, event)
	}
	if code != "" {
		return []Sending{fault}
	}
	switch {
	case event == "GRANT":
		return []Sending{{"GRANT", "initiator"}}
	case event == "REFUSE" && (state == holding || state == held):
		return []Sending{refuseBack}
	case event == "FAILED" && (state == holding || state == held || state == inDoubt):
		return []Sending{failedBack}
	case event == "COMMITTED" && state == inDoubt:
		return []Sending{{"COMMITTED", "initiator"}, {"RECEIPT", "origin"}}
	case event == "COMMITTED":
		return []Sending{{"RECEIPT", "origin"}}
	case event == "CURTAIL" && state == committed:
		return []Sending{{"CURTAIL_HOP", "initiator"}}
	}
	return []Sending{}
}

func answersCommit(state string) []Sending {
	switch state {
	case holding:
		return []Sending{fault}
	case held:
		return []Sending{{"COMMIT_HOP", "origin"}}
	case inDoubt:
		return []Sending{}
	case committed:
		return []Sending{{"COMMITTED", "initiator"}}
	}
	return []Sending{failedBack}
}

// answersRelease: every RELEASE has an OUTCOME (IOE-RSV-455).
func answersRelease(state string) []Sending {
	switch state {
	case newState, inDoubt:
		return []Sending{outcomeBack, fault}
	case holding, held, committed:
		return []Sending{outcomeBack, releaseOn}
	}
	return []Sending{outcomeBack}
}

// answersTime: what waits for GRANT says so toward the initiator, what waits for COMMIT ends
// silently, but a lost way to the origin is told (IOE-RSV-420, IOE-RSV-430).
func answersTime(state, event string) []Sending {
	switch {
	case state == holding:
		return []Sending{refuseBack}
	case state == held && event == "LOST", state == inDoubt && event == "SLOT_END":
		return []Sending{failedBack}
	}
	return []Sending{}
}
