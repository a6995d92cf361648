"""What the kernel knows of its own clock: whether somebody keeps it right, and how far off it may be.

Linux keeps both for whoever disciplines the clock (NTP, PTP): adjtimex(2),
which anybody may ask.  Elsewhere nothing is known.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from dataclasses import dataclass
from typing import Final

_STRUCT_BYTES: Final = 256
_MAX_ERROR_US: Final = (24, "=q")  # struct timex on 64-bit Linux: offset and type
_STATUS: Final = (40, "=i")
_UNSYNCHRONISED: Final = 0x40
_STATE_ERROR: Final = 5
_POINTER_BYTES: Final = 8
_US_PER_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelClock:
    """`error_ms` bounds the error of UTC; it means nothing while nobody synchronises the clock."""

    synchronised: bool
    error_ms: int


def kernel_clock() -> KernelClock | None:
    """The kernel's word on its clock, None where it cannot be asked."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != _POINTER_BYTES:
        return None
    values = ctypes.create_string_buffer(_STRUCT_BYTES)  # modes = 0: nothing is set, only read
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(values)
    except (OSError, AttributeError):
        return None
    return None if state < 0 else clock_of(values.raw, state)


def clock_of(raw: bytes, state: int) -> KernelClock:
    """What a struct timex and the returned state say."""
    (error_us,) = struct.unpack_from(_MAX_ERROR_US[1], raw, _MAX_ERROR_US[0])
    (status,) = struct.unpack_from(_STATUS[1], raw, _STATUS[0])
    kept = state != _STATE_ERROR and not status & _UNSYNCHRONISED
    return KernelClock(synchronised=kept, error_ms=-(-max(0, error_us) // _US_PER_MS))
