"""A reference implementation of an energy-routing protocol; SPEC.md is the specification.

What an embedder needs: `Router` and `RouterConfig`; inputs, effects and events
are in `ioe_router.core`, messages and units in `ioe_router.model`.
"""

from ioe_router.config import Limits, NeighborConfig, RouterConfig, Timers, Transit
from ioe_router.router import Router

__all__ = ["Limits", "NeighborConfig", "Router", "RouterConfig", "Timers", "Transit"]
