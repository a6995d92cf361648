"""Bytes to values and back (SPEC sections 4 and 5): wire format, bounds, signatures, envelopes, frames.

The only package that knows protobuf and cryptography.  Everything in it is a
function of its arguments; the instant that keys are judged by is passed in.
"""
