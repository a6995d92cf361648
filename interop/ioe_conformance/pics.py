"""The PICS: what the vendor says that the target is and does (protocol implementation conformance statement).

A feature that is declared absent makes its cases NOT_APPLICABLE; what is declared
present is tested. Nothing else is read from it, so a wrong PICS cannot make a case pass.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from ioe_conformance.errors import Exit, KitError

FORMAT: Final = "ioe-pics-1"

FORM: Final = """\
# What is tested. A feature that is false is not applicable and not tested; one that is true has to work.
format = "ioe-pics-1"

[target]
name = "my router"
version = "0"

[supports]
conformance_timers = true   # runs with the column "Conformance profile" of SPEC.md section 14.1
resume = true               # feature RESUME (SPEC.md 6.10, 6.11)
transit = true              # tells siblings the paths of siblings and forwards their reservations
keeper = true               # keeps the ledger of links A and C, as their attestations say
own_offer = true            # offers energy of its own, in every slot: see "own offer" in CONTRACT.md
initiator = false           # buys for itself: see "own need" in CONTRACT.md
dials = false               # dials neighbours whose address it knows
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pics:
    """A form that was filled in."""

    name: str
    version: str
    supports: dict[str, bool]

    def values(self) -> dict[str, object]:
        """As the report shows it."""
        return {"name": self.name, "version": self.version, "supports": dict(self.supports)}


def _known() -> tuple[str, ...]:
    return tuple(tomllib.loads(FORM)["supports"])


def default_pics() -> Pics:
    """The form as `init` writes it."""
    return _of(tomllib.loads(FORM), "the form")


def read_pics(path: Path) -> Pics:
    """The PICS in a file. KitError (5) names the line or field that is wrong."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise KitError(
            Exit.PICS, f"{path} cannot be read ({error}); write one with 'ioe-conformance init'"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise KitError(Exit.PICS, f"{path} is no TOML ({error}); correct that place") from None
    return _of(fields, str(path))


def _of(fields: dict[str, object], where: str) -> Pics:
    if fields.get("format") != FORMAT:
        raise KitError(
            Exit.PICS, f'{where} is no PICS: it lacks format = "{FORMAT}"; fill in the form of init'
        )
    target, supports = fields.get("target"), fields.get("supports")
    if not isinstance(target, dict) or not isinstance(supports, dict):
        raise KitError(
            Exit.PICS, f"{where} needs the tables [target] and [supports]; fill in the form of init"
        )
    for name, value in supports.items():
        if name not in _known():
            near = get_close_matches(name, _known(), 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(_known())}"
            raise KitError(Exit.PICS, f"{where}: [supports] has no feature {name!r}{hint}")
        if not isinstance(value, bool):
            raise KitError(Exit.PICS, f"{where}: {name} is {value!r}; write true or false")
    if missing := [name for name in _known() if name not in supports]:
        raise KitError(Exit.PICS, f"{where}: [supports] does not say {missing[0]}; write true or false")
    for name in ("name", "version"):
        if not isinstance(target.get(name), str) or not target[name]:
            raise KitError(Exit.PICS, f"{where}: [target] needs a {name}; write it as a text")
    return Pics(name=str(target["name"]), version=str(target["version"]), supports=dict(supports))
