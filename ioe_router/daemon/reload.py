"""Taking up a changed configuration without a restart (SIGHUP, `ioe config apply`, peer files).

    file --> read and checked whole --> what is live of it --> router and transport, in one step
                     |                        |
                     v                        v
             refused: nothing changes    the rest is named and waits for a restart

What was in force before is kept: `undo` goes back to it, and an apply that nobody confirms in
time goes back by itself, because the operator may have cut the branch that they sit on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ioe_router.adapters.node import Node
from ioe_router.config import RouterConfig
from ioe_router.core.inputs import Input
from ioe_router.core.reconfiguration import refuse, session_ends, taken_up
from ioe_router.daemon.assembly import Plan, plan_of, router_config
from ioe_router.daemon.changes import Difference, differences
from ioe_router.daemon.changes import taken_up as settings_taken_up
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.reporting import Log
from ioe_router.daemon.settings import Settings, read_settings
from ioe_router.model.bech32m import node_short
from ioe_router.model.errors import UsageError
from ioe_router.router import Router

CONFIRM_MAX_S: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an apply has done, and what of the file waits for a restart."""

    applied: tuple[Difference, ...]
    waiting: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A configuration that can be taken up."""

    plan: Plan
    config: RouterConfig
    outcome: Outcome


# Is told every plan that comes into force, and answers with what the agent then says.
Follow = Callable[[Plan], Iterable[Input]]


class Reloader:
    """The configuration in force of one running node."""

    def __init__(self, plan: Plan, path: Path, router: Router, node: Node, log: Log, follow: Follow) -> None:
        """Take up what is different from `plan`, which is in force."""
        self.plan = plan
        self._path = path
        self._router = router
        self._node = node
        self._log = log
        self._follow = follow
        self._config = router.inspect().config  # as stated last; the router may not have had its turn yet
        self._before: Plan | None = None  # what `undo` goes back to
        self._rollback: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------- what an operator asks

    def diff(self, settings: Settings | None = None) -> tuple[Difference, ...]:
        """What is different in the file, or in these settings. ConfigRefused: it is no good."""
        return differences(self.plan, self._read(settings))

    def apply(self, *, soft: bool = False, confirm_within_s: int = 0) -> Outcome:
        """Take the file up. ConfigRefused: nothing has changed.

        `soft` refuses what would end a session; unless confirmed in time the former configuration returns.
        """
        if not 0 <= confirm_within_s <= CONFIRM_MAX_S:
            raise ConfigRefused(f"confirm within {confirm_within_s} s: give 1 to {CONFIRM_MAX_S} s or none")
        prepared = self._prepare(self._read(None))
        if soft:
            self._refuse_hard(prepared.config)
        before = self.plan
        self._take(prepared)
        self._before = before
        self._cancel_rollback()
        if confirm_within_s:
            loop = asyncio.get_running_loop()
            self._rollback = loop.call_later(confirm_within_s, self._roll_back)
        return prepared.outcome

    def confirm(self) -> bool:
        """The operator is still there: what was applied stays. False when nothing waited for that."""
        waited = self._rollback is not None
        self._cancel_rollback()
        return waited

    def confirm_within_s(self) -> int:
        """Seconds until what was applied is taken back; 0 when nothing waits."""
        if self._rollback is None:
            return 0
        return max(1, round(self._rollback.when() - asyncio.get_running_loop().time()))

    def undo(self) -> Outcome:
        """Go back to what was in force before the last apply; the file is left as it is. ConfigRefused."""
        if self._before is None:
            raise ConfigRefused("there is nothing to undo: no configuration was applied since the start")
        before = self.plan
        prepared = self._prepare(self._before)
        self._take(prepared)
        self._before = before
        self._cancel_rollback()
        return prepared.outcome

    def reload(self) -> None:
        """Take the file up and say so in the log; refused, nothing changes."""
        self._logged(self.apply)

    def take_peers(self) -> None:
        """Neighbours were paired or removed: take them up with the settings in force.

        Whoever was removed is let go even if a file of somebody else is no good.
        """
        self._logged(self._take_gone, quiet=True)
        self._logged(lambda: self._take_plan(plan_of(self.plan.settings, self._path)), quiet=True)

    # ------------------------------------------------------------- inside

    def _take_gone(self) -> Outcome:
        """Those of the neighbours in force whose files are still there."""
        folder = self.plan.peer_folder
        kept = (n for n in self.plan.neighbors if n.paired is None or (folder / f"{n.paired}.toml").exists())
        return self._take_plan(replace(self.plan, neighbors=tuple(kept)))

    def _take_plan(self, plan: Plan) -> Outcome:
        prepared = self._prepared(plan, plan)
        self._take(prepared)
        return prepared.outcome

    def _logged(self, work: Callable[[], Outcome], *, quiet: bool = False) -> None:
        """Do it and say what came of it; `quiet` says nothing of nothing."""
        try:
            outcome = work()
        except UsageError as error:
            self._log.warn("ReloadRefused", cause=str(error), remedy="correct it; nothing has changed")
            return
        waiting = [one.option for one in outcome.waiting]
        if outcome.applied or waiting or not quiet:
            self._log.say("Reloaded", changed=[one.option for one in outcome.applied], waiting=waiting)

    def _read(self, settings: Settings | None) -> Plan:
        return plan_of(read_settings(self._path) if settings is None else settings, self._path)

    def _prepare(self, stated: Plan) -> _Prepared:
        """What of a plan a running node can take up. ConfigRefused when that does not hold together."""
        settings = settings_taken_up(self.plan.settings, stated.settings)
        return self._prepared(plan_of(settings, self._path), stated)

    def _prepared(self, plan: Plan, stated: Plan) -> _Prepared:
        config, _ = taken_up(self._config, router_config(plan, plan.clock.now()))
        try:
            refuse(self._router.inspect(), config)
        except UsageError as error:
            raise ConfigRefused(f"{self._path}: {error}") from error
        outcome = Outcome(applied=differences(self.plan, plan), waiting=differences(plan, stated))
        return _Prepared(plan=plan, config=config, outcome=outcome)

    def _take(self, prepared: _Prepared) -> None:
        before, self.plan = self.plan, prepared.plan
        peers = prepared.plan.peers()
        if prepared.config != self._config or peers != before.peers():
            self._config = prepared.config
            self._node.reconfigure(prepared.config, peers)
        for command in self._follow(prepared.plan):
            self._node.submit(command)

    def _refuse_hard(self, config: RouterConfig) -> None:
        ends = session_ends(self._config, config)
        if ends:
            names = ", ".join(map(node_short, ends))
            raise ConfigRefused(f"this would end the session with {names}; leave --soft out to do it")

    def _roll_back(self) -> None:
        self._rollback = None
        self._log.warn("RolledBack", cause="the applied configuration was not confirmed in time")
        self._logged(self.undo)

    def _cancel_rollback(self) -> None:
        if self._rollback is not None:
            self._rollback.cancel()
            self._rollback = None
