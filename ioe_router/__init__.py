"""A reference implementation of an energy-routing protocol; SPEC.md is the specification.

What an embedder needs: `Router` and `RouterConfig`; inputs, effects and events
are in `ioe_router.core`, messages and units in `ioe_router.model`.

The names below are imported when they are first used: a command that only asks
a daemon need not load a router.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ioe_router.config import Limits, NeighborConfig, RouterConfig, Timers, Transit
    from ioe_router.router import Router

__all__ = ["Limits", "NeighborConfig", "Router", "RouterConfig", "Timers", "Transit"]

_HOMES: Final = {"Router": "ioe_router.router"}


def __getattr__(name: str) -> object:
    """Import what is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "ioe_router.config")), name)
