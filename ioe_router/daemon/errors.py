"""The two ways in which a daemon refuses to run; the command line has an exit code for each."""

from __future__ import annotations

from ioe_router.model.errors import UsageError


class ConfigRefused(UsageError):
    """The configuration, or a file it names, is wrong; the text says where and what to write instead."""


class StartRefused(UsageError):
    """The configuration is right, but the node cannot run here and now: port, identity, keys or clock."""


class InUse(StartRefused):
    """Another daemon has what this one needs for itself alone: its store, or its control socket."""
