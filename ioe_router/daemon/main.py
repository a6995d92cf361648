"""The daemon: one node from node.toml, until a signal, a defect or a twin ends it.

    SIGTERM, SIGINT  a restart is announced (node.restart_s), port freed, exit code 0
    SIGHUP           the configuration is read again, and what is live of it taken up
    a twin           a neighbour keeps refusing us as a duplicate: stop, and say so
    a defect         whatever the router raises ends the process; the journal has all before

Stopping has a fixed order; what hangs in it is named (stopping.py).
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Final

from ioe_router.adapters.dialler import Patience, Transport, Trouble
from ioe_router.adapters.external_signer import ExternalSigner
from ioe_router.adapters.keystore import Operational
from ioe_router.adapters.node import Host, Node, lasting_duplicate, wall_utc_s
from ioe_router.adapters.recorder import FileSink, RecordedRouter
from ioe_router.adapters.store import Store
from ioe_router.config import RouterConfig
from ioe_router.core.events import Event, KeysRevoked
from ioe_router.core.inputs import Input
from ioe_router.daemon.announcing import keep_announced
from ioe_router.daemon.assembly import Plan, own_key, read_plan, refuse_revoked, router_config
from ioe_router.daemon.clock_watch import watch_clock
from ioe_router.daemon.control import Control
from ioe_router.daemon.domain import DomainWatch
from ioe_router.daemon.errors import StartRefused
from ioe_router.daemon.health import Health
from ioe_router.daemon.key_keeper import KeyKeeper, Secret
from ioe_router.daemon.operating import OperatorDesk
from ioe_router.daemon.peer_watch import PeerWatch
from ioe_router.daemon.reload import Reloader
from ioe_router.daemon.reporting import Log
from ioe_router.daemon.stopping import Step, Stopping
from ioe_router.daemon.store import open_store
from ioe_router.daemon.systemd import ServiceManager
from ioe_router.daemon.telemetry import Telemetry
from ioe_router.daemon.trading import needs_of, offers_of
from ioe_router.daemon.transport_log import TransportLog
from ioe_router.model.bech32m import node_short, node_text
from ioe_router.model.clock import Now
from ioe_router.model.errors import SignerLost, UsageError
from ioe_router.router import Router

_OWN_REVOKED: Final = (
    "the operational key of this node has been revoked;"
    " make another with 'ioe identity rotate' and start it again"
)


class SystemEntropy:
    """Bytes from the operating system."""

    def token(self, size: int) -> bytes:
        """`size` fresh bytes."""
        return secrets.token_bytes(size)


def run(config: Path, record: Path | None = None) -> None:
    """Run the node of a configuration until it is told to stop, recording its inputs if asked to.

    ConfigRefused or StartRefused, one sentence each, when it cannot run.
    """
    plan = read_plan(config)
    store = open_store(plan.store, plan.node, plan.parameters.network_id)
    transport_log = TransportLog()
    transport_log.start()
    daemon = _Daemon(plan, store, record, config)
    transport_log.told = daemon.on_caller_refused
    try:
        asyncio.run(daemon.run())
    except SignerLost as error:
        raise StartRefused(str(error)) from error
    finally:
        daemon.close()
        store.close()
        transport_log.stop()


class _Daemon:
    def __init__(self, plan: Plan, store: Store, record: Path | None, config: Path) -> None:
        self._plan = plan
        self._record = record
        self._recording: FileSink | None = None
        self._store = store
        self._log = Log(plan.settings.node.log_level)
        self._path = config
        self._manager = ServiceManager()
        self._reloader: Reloader | None = None
        self._for_good = False  # stopped by its operator, not to come back
        self._control = Control(plan, config, self._log)
        self._telemetry = Telemetry(plan, store, self._log)
        self._agent = plan.agent()
        self._transport = Transport(keepalive_ms=plan.settings.node.keepalive_ms, patience=Patience())
        self._ended: asyncio.Future[None] | None = None
        command = plan.settings.node.signer
        self._external = ExternalSigner(command, plan.folder) if command else None
        self._keeper: KeyKeeper | None = None
        self._router: Router | None = None
        self._tasks: list[asyncio.Task[None]] = []  # beside the node: the watch of peers, announcing

    async def run(self) -> None:
        """Start, wait for an end, stop."""
        self._ended = asyncio.get_running_loop().create_future()
        node, now = self._node()
        health = Health(self._plan.settings.node.health) if self._plan.settings.node.health else None
        try:
            await self._start(node, health, now)
            waiting = asyncio.ensure_future(node.wait())
            await asyncio.wait((waiting, self._ended), return_when=asyncio.FIRST_COMPLETED)
            for done in (waiting, self._ended):
                if done.done():
                    done.result()
        finally:
            await self._stop(node, health)

    def _node(self) -> tuple[Node, Now]:
        plan, clock = self._plan, self._plan.clock
        now = clock.now()
        secret = Secret(plan)
        operational = own_key(plan, now, wall_utc_s(), secret.read, self._external)
        for peer in plan.unlinked:
            self._log.warn(
                "PeerWithoutLink",
                neighbor=node_text(peer.node),
                remedy=f"pair again with --terms, or put {peer.section.attestation} into {peer.folder}",
            )
        router = self._router = self._make_router(router_config(plan, now), operational, now)
        self._take_up(router, now)
        self._telemetry.attach(router)
        self._keeper = KeyKeeper(plan, router, operational, self._log, secret, self._external)
        host = Host(
            on_event=self._on_event,
            on_trouble=self._on_trouble,
            journal=self._telemetry.journal,
            transport=self._transport,
        )
        node = Node(
            router,
            operational=operational,
            listen=plan.settings.node.listen,
            peers=plan.peers(),
            clock=clock,
            host=host,
        )
        self._keeper.node = node
        return node, now

    def _make_router(self, config: RouterConfig, operational: Operational, now: Now) -> Router:
        """The router, one that records if it was asked for. StartRefused: its file cannot be made."""
        key, signer, entropy = operational.statement, operational.signer, SystemEntropy()
        if self._record is None:
            return Router(config, own_key=key, signer=signer, entropy=entropy, now=now)
        try:
            self._recording = FileSink(self._record, self._on_recording_failed)
        except UsageError as error:
            raise StartRefused(str(error)) from error
        sink = self._recording
        return RecordedRouter(config, own_key=key, signer=signer, entropy=entropy, now=now, sink=sink)

    def _take_up(self, router: Router, now: Now) -> None:
        """Give the router what earlier lives have promised. StartRefused when a record cannot be used."""
        try:
            rows = self._store.rows()
            if rows:
                router.restore(rows, now)
                self._log.say("Restored", rows=len(rows))
            evidence = router.inspect().evidence
            refuse_revoked(evidence.is_void(evidence.own_key.body.operational_key))
        except UsageError as error:
            raise StartRefused(str(error)) from error

    def on_caller_refused(self, cause: str, count: int) -> None:
        """Somebody was turned away from the peer port before it could say a word."""
        self._log.warn("CallerRefused", cause=cause, count=count)

    def _on_recording_failed(self, sentence: str) -> None:
        self._log.warn("RecordingEnded", cause=sentence)

    def close(self) -> None:
        """Finish the recording, let the external signer go."""
        if self._recording is not None:
            self._recording.close()
        if self._external is not None:
            self._external.close()

    async def _start(self, node: Node, health: Health | None, now: Now) -> None:
        try:
            last_epoch = self._store.last_epoch()
            port = await node.start(self._store.next_epoch(now.utc_s), last_epoch)
        except UsageError as error:
            raise StartRefused(str(error)) from error
        if self._router is not None:
            self._reloader = Reloader(self._plan, self._path, self._router, node, self._log, self._follow)
            self._beside(PeerWatch(self._plan.peer_folder, self._reloader.take_peers).run())
            desk = OperatorDesk(self._reloader, self._router, node, self._stop_for_good)
            await self._control.start(self._router, node, now, desk)
        for command in self._agent.start(now):
            node.submit(command)
        node.dial()
        obey = self._plan.settings.node.clock == "kernel"
        self._beside(watch_clock(node, self._log, obey=obey))
        if self._keeper is not None:
            self._beside(self._keeper.run())
        if self._plan.settings.domain is not None:
            section, folder = self._plan.settings.domain, self._plan.folder
            self._beside(DomainWatch(section, folder, node, self._log).run())
        if self._plan.settings.pairing.announce:
            listen = self._plan.settings.node.listen
            self._beside(keep_announced(node.node, listen, port, pairing=False, told=self._on_announced))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, None)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        metrics_port = self._telemetry.start(node)
        health_port = await health.start() if health is not None else None
        ports = {"port": port, "health_port": health_port, "metrics_port": metrics_port}
        self._log.say("Started", node=node_text(node.node), **ports)
        self._beside(self._manager.watch())
        self._manager.ready(f"node {node_short(node.node)} on port {port}")

    async def _stop(self, node: Node, health: Health | None) -> None:
        self._log.say("Stopping")
        self._manager.stopping("parting from the neighbours")
        comes_back = self._told_to_stop() and not self._for_good
        restart_s = self._plan.settings.node.restart_s if comes_back else 0
        steps: tuple[Step, ...] = (
            ("watches", self._stop_watches),
            *((("health", health.leave),) if health is not None else ()),
            ("control", self._control.stop),
            ("neighbours", lambda: node.stop(restart_s=restart_s)),
            ("telemetry", self._telemetry.stop),
            *((("ports", health.stop),) if health is not None else ()),
        )
        await Stopping(lambda step: self._log.warn("StopHangs", step=step)).run(steps)
        sys.stderr.flush()

    async def _stop_watches(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop_for_good(self) -> None:
        self._for_good = True
        self._end(None)

    def _reload(self) -> None:
        if self._reloader is not None:
            self._manager.reloading()
            self._reloader.reload()
            self._manager.ready("configuration read again")

    def _follow(self, plan: Plan) -> Iterable[Input]:
        """Another plan is in force: what of it is no matter of the router."""
        if self._log.level != plan.settings.node.log_level != self._plan.settings.node.log_level:
            self._log.level = plan.settings.node.log_level
        self._plan = plan
        self._control.follow(plan)
        trading = plan.settings.agent
        return self._agent.restate(offers_of(trading), needs_of(trading), plan.clock.now())

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def _on_announced(self, what: str, words: str) -> None:
        if what == "name":
            self._log.say("Announced", name=words)
        else:
            self._log.warn("NotAnnounced", cause=words)

    def _told_to_stop(self) -> bool:
        """Whether a signal ended the node, and not a twin or a defect: then it may come back."""
        ended = self._ended
        return ended is not None and ended.done() and not ended.cancelled() and ended.exception() is None

    def _on_event(self, event: Event, now: Now) -> Iterable[Input]:
        self._log.event(event)
        self._control.witness.hear(event, now)
        self._telemetry.event(event, now)
        if self._keeper is not None:
            self._keeper.on_event(event)
        if isinstance(event, KeysRevoked) and event.own:
            self._end(StartRefused(_OWN_REVOKED))
        return self._agent.on_event(event, now)

    def _on_trouble(self, trouble: Trouble) -> None:
        self._log.trouble(trouble)
        self._control.witness.trouble(trouble)
        self._telemetry.trouble(trouble)
        if lasting_duplicate(trouble, self._transport):
            self._end(
                StartRefused(
                    f"another node with this identity is connected to {node_short(trouble.neighbor)};"
                    " stop it, or make this one an identity of its own"
                )
            )

    def _end(self, error: StartRefused | None) -> None:
        if self._ended is not None and not self._ended.done():
            if error is None:
                self._ended.set_result(None)
            else:
                self._ended.set_exception(error)
