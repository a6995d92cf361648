"""The command `ioe`: reads arguments, calls what does the work, turns faults into one sentence."""
