"""The version of the control service, as both sides state it in the metadata of every call."""

from __future__ import annotations

from typing import Final

CONTROL_VERSION: Final = "1.0"  # major.minor; a caller of the same major is served
OTHER_VERSION: Final = "this daemon speaks version"  # how the refusal of another major version begins
VERSION_KEY: Final = "ioe-control-version"
