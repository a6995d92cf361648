package node

import "time"

// Clock is UTC as this node takes it: the machine's, and what is added to it in a laboratory.
type Clock struct{ Offset time.Duration }

// Seconds is UTC in whole seconds, rounded down.
func (c Clock) Seconds() uint64 { return uint64(time.Now().Add(c.Offset).Unix()) }

// Milliseconds is UTC in whole milliseconds, rounded down.
func (c Clock) Milliseconds() uint64 { return uint64(time.Now().Add(c.Offset).UnixMilli()) }
