"""The code that one operator reads off a screen and another types in (SPEC section 6.1.1).

Eight characters, the last of which checks the others.  The alphabet has
neither 0 and O nor 1, I and L, and has 31 letters: with a prime number of
them, a check sum whose weights differ finds every single wrong character and
every two neighbours that were swapped, before anything is sent.

Seven free characters are 34.7 bits.  That is enough because a code can be
tried three times and no more (SPEC section 6.1.2), and each try is a
conversation with the box that shows it: nothing that is sent can be searched
offline.
"""

from __future__ import annotations

from typing import Final

from ioe_router.model.errors import UsageError

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH: Final = 8
ENTROPY_BYTES: Final = 16  # so many more than needed that the remainder is as good as uniform
_FREE: Final = CODE_LENGTH - 1
_HALF: Final = CODE_LENGTH // 2
_READ_AGAIN: Final = "read it again from the other box"


def make_code(entropy: bytes) -> str:
    """A code from 16 random bytes. UsageError when there are fewer."""
    if len(entropy) < ENTROPY_BYTES:
        raise UsageError(f"a pairing code needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    number = int.from_bytes(entropy, "big")
    letters: list[str] = []
    for _ in range(_FREE):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters) + _check(letters)


def shown(code: str) -> str:
    """A code as people read it, in two groups of four."""
    return f"{code[:_HALF]}-{code[_HALF:]}"


def parse_code(text: str) -> str:
    """The code that somebody typed; case, spaces and hyphens do not matter. UsageError says what is wrong."""
    code = "".join(text.split()).replace("-", "").upper()
    strange = [letter for letter in code if letter not in ALPHABET]
    if strange:
        raise UsageError(
            f"a pairing code has no {strange[0]!r}; 0, 1, I, L and O do not occur in it, {_READ_AGAIN}"
        )
    if len(code) != CODE_LENGTH:
        raise UsageError(
            f"a pairing code has {CODE_LENGTH} characters, this one has {len(code)}; {_READ_AGAIN}"
        )
    if code[-1] != _check(code[:-1]):
        raise UsageError(f"this pairing code is mistyped (its last character does not fit); {_READ_AGAIN}")
    return code


def _check(letters: str | list[str]) -> str:
    total = sum(weight * ALPHABET.index(letter) for weight, letter in enumerate(letters, start=1))
    return ALPHABET[total % len(ALPHABET)]
