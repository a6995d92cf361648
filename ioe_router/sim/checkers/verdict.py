"""How a checker says no."""

from __future__ import annotations

from ioe_router.sim.host import Host


class CheckFailed(Exception):
    """Something that must hold does not; the sentence says what, where and when. `command` reproduces it."""

    def __init__(self, sentence: str, command: str = "") -> None:
        """The sentence goes first; the command is added by whoever knows the run."""
        super().__init__(f"{sentence}; reproduce: {command}" if command else sentence)
        self.sentence, self.command = sentence, command


def require(holds: bool, host: Host, sentence: str) -> None:
    """Raise CheckFailed about a host unless it holds."""
    if not holds:
        raise CheckFailed(f"{host.name}: {sentence}")
