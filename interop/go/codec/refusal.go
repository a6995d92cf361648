// Package codec reads, judges, signs and opens what two routers write to each other: the strict
// reading of SPEC section 4.5, the field bounds of its message tables, envelopes and signatures
// (4.3 to 4.7) and frames (5.4). It was written from SPEC.md and proto/ alone.
package codec

import (
	"errors"
	"fmt"
)

// Code is the name of an error code of SPEC section 13.2, such as "MALFORMED".
type Code string

// The codes that this package itself answers with.
const (
	TooLarge        Code = "TOO_LARGE"
	Malformed       Code = "MALFORMED"
	OutOfBounds     Code = "OUT_OF_BOUNDS"
	BadSignature    Code = "BAD_SIGNATURE"
	UnknownKey      Code = "UNKNOWN_KEY"
	KeyExpired      Code = "KEY_EXPIRED"
	WrongSigner     Code = "WRONG_SIGNER"
	UnknownType     Code = "UNKNOWN_TYPE"
	Unexpected      Code = "UNEXPECTED"
	NetworkMismatch Code = "NETWORK_MISMATCH"
	FromFuture      Code = "FROM_FUTURE"
	Expired         Code = "EXPIRED"
	Equivocation    Code = "EQUIVOCATION"
	Stale           Code = "STALE"
	Replayed        Code = "REPLAYED"
	NotAMember      Code = "NOT_A_MEMBER"
	BrokenChain     Code = "BROKEN_CHAIN"
	VersionMismatch Code = "VERSION_MISMATCH"
	WrongCode       Code = "WRONG_CODE"
)

// Refusal is the answer to an object, frame or message that is not taken.
type Refusal struct {
	Code Code
	Why  string // one sentence for people; it decides nothing
}

func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Why }

// Refuse makes a Refusal with a formatted sentence.
func Refuse(code Code, format string, values ...any) error {
	return &Refusal{Code: code, Why: fmt.Sprintf(format, values...)}
}

// CodeOf returns the code of a refusal, or "" when err is nil or of another kind.
func CodeOf(err error) Code {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}
