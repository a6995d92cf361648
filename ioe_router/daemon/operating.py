"""What an operator asks of a running daemon beside reading: configuration, draining, stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from ioe_router.adapters.node import Node
from ioe_router.control.operation import Changed
from ioe_router.core.draining import Part, Remaining, remaining
from ioe_router.core.inputs import Drain, ReleaseReservation
from ioe_router.core.what_if import PolicyEffect, what_if
from ioe_router.daemon.changes import Difference
from ioe_router.daemon.policy_settings import policy_of
from ioe_router.daemon.reload import Reloader
from ioe_router.daemon.settings import PolicySection, parse_settings
from ioe_router.daemon.toml_text import Section, Source, convert
from ioe_router.router import Router


class PolicyFile(Section, frozen=True, kw_only=True):
    """A file with a policy and nothing else."""

    policy: PolicySection


class OperatorDesk:
    """One daemon's."""

    def __init__(self, reloader: Reloader, router: Router, node: Node, stop: Callable[[], None]) -> None:
        """`stop` ends the daemon without announcing a restart."""
        self._reloader = reloader
        self._router = router
        self._node = node
        self._stop = stop

    def differences(self) -> tuple[Changed, ...]:
        """What is different in the file. ConfigRefused: it is no good."""
        return _changed(self._reloader.diff())

    def confirm_within_s(self) -> int:
        """Seconds until what was applied is taken back; 0 when nothing waits."""
        return self._reloader.confirm_within_s()

    def apply(self, *, soft: bool, confirm_within_s: int) -> tuple[tuple[Changed, ...], tuple[Changed, ...]]:
        """Take the file up. ConfigRefused: nothing has changed."""
        outcome = self._reloader.apply(soft=soft, confirm_within_s=confirm_within_s)
        return _changed(outcome.applied), _changed(outcome.waiting)

    def confirm(self) -> bool:
        """What was applied stays; False when nothing waited."""
        return self._reloader.confirm()

    def undo(self) -> tuple[Changed, ...]:
        """Go back. ConfigRefused: there is nothing to go back to."""
        return _changed(self._reloader.undo().applied)

    def what_if(self, text: str, name: str) -> tuple[PolicyEffect, ...]:
        """What another policy would do. ConfigRefused: the text is no good."""
        source = Source(text, name)
        if set(source.raw) <= {"policy"}:
            section = convert(source, PolicyFile).policy
        else:
            section = parse_settings(text, name).policy
        return what_if(self._router.inspect(), policy_of(section, self._reloader.plan.named()))

    def drain(self, *, draining: bool, release: bool) -> tuple[Remaining, ...]:
        """Take on nothing new, or do again; give own reservations back if asked to. What is not over."""
        self._node.submit(Drain(draining=draining))
        left = remaining(self._router.inspect(), self._reloader.plan.clock.now())
        for one in left if draining and release else ():
            if one.part is Part.INITIATOR:
                self._node.submit(ReleaseReservation(reservation=one.reservation))
        return left

    def stop(self) -> None:
        """End the daemon for good."""
        self._stop()


def _changed(differences: tuple[Difference, ...]) -> tuple[Changed, ...]:
    return tuple(Changed(**asdict(one)) for one in differences)
