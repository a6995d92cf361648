"""From what both sides know to the keys between them (SPEC sections 6.1.4 and 6.1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ioe_router.codec.pairing import cpace
from ioe_router.codec.pairing.messages import MAGIC
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.pairing import VERSION, Role

_KEY_BYTES: Final = 32
_COUNTER_BYTES: Final = 12
_DIRECTION: Final = {Role.A: b"IOE1 pair A to B", Role.B: b"IOE1 pair B to A"}


def associated(role: Role) -> bytes:
    """What a side's share is bound to: its role and the version it speaks, so that neither can be turned."""
    return bytes([role, VERSION])


def point_of(code: str, sid: bytes) -> bytes:
    """The generator of one conversation."""
    return cpace.generator(code.encode("ascii"), MAGIC, sid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Both shares of one conversation."""

    a: bytes
    b: bytes

    def refuse_reflection(self) -> None:
        """PeerError (BAD_SIGNATURE) when one side has sent back the other's share."""
        if self.a == self.b:
            raise PeerError(ErrorCode.BAD_SIGNATURE, "the share came back unchanged")


class Keys:
    """Confirmation tags and seals of one conversation, seen from one side."""

    def __init__(self, role: Role, *, sid: bytes, shared: bytes, shares: Shares) -> None:
        data_a, data_b = associated(Role.A), associated(Role.B)
        self.isk = cpace.session_key(sid, shared, shares.a, data_a, shares.b, data_b)
        self.mac_key = cpace.mac_key(sid, self.isk)
        tags = {
            Role.A: cpace.tag(self.mac_key, shares.a, data_a),
            Role.B: cpace.tag(self.mac_key, shares.b, data_b),
        }
        other = Role.B if role is Role.A else Role.A
        self.own_tag, self.expected_tag = tags[role], tags[other]
        self._sealing = Seal(seal_key(self.isk, sid, role))
        self._opening = Seal(seal_key(self.isk, sid, other))

    def judge(self, tag: bytes) -> None:
        """PeerError (WRONG_CODE) unless the other side has the same key."""
        if not cpace.tags_equal(tag, self.expected_tag):
            raise PeerError(ErrorCode.WRONG_CODE, "the two boxes do not have the same code")

    def seal(self, plain: bytes) -> bytes:
        """What the other side alone can open."""
        return self._sealing.close(plain)

    def open(self, sealed: bytes) -> bytes:
        """What the other side has sealed. PeerError (BAD_SIGNATURE) when it is not that, or out of order."""
        return self._opening.open(sealed)


def seal_key(isk: bytes, sid: bytes, sender: Role) -> bytes:
    """The key of what one side seals, 32 bytes."""
    return HKDF(algorithm=SHA512(), length=_KEY_BYTES, salt=sid, info=_DIRECTION[sender]).derive(isk)


class Seal:
    """ChaCha20-Poly1305 (RFC 8439) in one direction; the nonce counts the messages."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._count = 0

    def _nonce(self) -> bytes:
        nonce = self._count.to_bytes(_COUNTER_BYTES, "big")
        self._count += 1
        return nonce

    def close(self, plain: bytes) -> bytes:
        """Encrypt the next message."""
        return self._cipher.encrypt(self._nonce(), plain, None)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt the next message. PeerError (BAD_SIGNATURE)."""
        try:
            return self._cipher.decrypt(self._nonce(), sealed, None)
        except InvalidTag as error:
            raise PeerError(ErrorCode.BAD_SIGNATURE, "a sealed message was changed on its way") from error
