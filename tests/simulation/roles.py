"""Changing what a node takes a neighbour for, behind the back of both."""

from __future__ import annotations

from dataclasses import replace

from ioe_router.model.discovery import Role
from ioe_router.model.ids import NodeId
from ioe_router.router import Router


def mistake(router: Router, neighbor: NodeId, role: Role) -> None:
    """From now on the router judges what the neighbour tells as if it had another role."""
    known = router.inspect().evidence.neighborhood
    known.replace(tuple(replace(one, role=role) if one.node == neighbor else one for one in known))
