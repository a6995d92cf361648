"""`--hook CMD`: deeper control of the target by a command of the vendor, never by a door in the router.

The command gets one JSON object on stdin, `{"do": ACTION, ...}`, and answers with one on
stdout, `{"done": true}`, or `{"done": false, "why": TEXT}` when it cannot do that.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import Any, Final

from ioe_conformance.errors import Exit, KitError, NotTestable

ACTIONS: Final = {
    "restart": "stop the target and start it again with the same keys and store",
    "stop": "stop the target in good order",
    "start": "start the target again",
    "kill": "kill the target as a power cut would",
}
_WITHIN_S: Final = 60.0


class Hook:
    """The vendor's command."""

    def __init__(self, command: str) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise KitError(Exit.USAGE, f"--hook {command!r} cannot be read ({error}); quote it") from None
        if not self._command:
            raise KitError(Exit.USAGE, "--hook names no command; name one, or leave the option out")

    async def do(self, action: str, **fields: Any) -> dict[str, Any]:
        """Ask for an action. NotTestable: the hook says that it cannot; KitError (12): it does not work."""
        question = json.dumps({"do": action, **fields}).encode()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise KitError(Exit.HOOK, f"the hook {self._command[0]} cannot be run ({error})") from None
        try:
            out, _ = await asyncio.wait_for(process.communicate(question), _WITHIN_S)
        except TimeoutError:
            process.kill()
            raise KitError(
                Exit.HOOK, f"the hook has not answered {action!r} within {_WITHIN_S:.0f} s; make it end"
            ) from None
        return self._answer(action, out)

    def _answer(self, action: str, out: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(out)
            done = answer["done"]
        except (ValueError, KeyError, TypeError):
            raise KitError(
                Exit.HOOK,
                f"the hook answered {action!r} with {out[:60]!r}; it has to print a JSON object with done",
            ) from None
        if done is not True:
            raise NotTestable(f"the hook cannot do {action!r}: {answer.get('why', 'no reason given')}")
        return dict(answer)
