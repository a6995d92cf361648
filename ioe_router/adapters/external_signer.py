"""An operational key that another process holds: a token, a vault, a service (SPEC section 4.2).

The process is started here and spoken to over its standard streams, one line
a request and one line an answer, in ASCII with bytes as hexadecimal:

    keys                            keys <public key> ...       oldest first
    sign <public key> <data>        signature <64 bytes>
    (whatever cannot be done)       error <sentence>

Every signature is verified before it is used.  A process that ends, hangs or
answers nonsense is started once more and asked again - the same bytes give the
same Ed25519 signature, so nothing is said twice.  If that fails, too, SignerLost
ends the node: nothing leaves a router whose call did not come to its end.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ioe_router.model.errors import SignerLost

TIMEOUT_S: Final = 5.0
_ANSWER_BYTES_MAX: Final = 65_536
_KEY_BYTES: Final = 32
_REMEDY: Final = "look at its own messages, mend it and start this node again"


class ExternalSigner:
    """One such process. Not thread-safe: one owner."""

    def __init__(
        self, command: Sequence[str], folder: Path | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """The process starts with the first question, in `folder`."""
        self._command = tuple(command)
        self._folder = folder
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def keys(self) -> tuple[bytes, ...]:
        """The public keys that it can sign with, oldest first. SignerLost when it does not say."""
        try:
            keys = tuple(bytes.fromhex(word) for word in self._ask("keys", "keys"))
        except ValueError as error:
            raise self._lost("it names keys that are no hexadecimal numbers") from error
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise self._lost("it holds no Ed25519 key")
        return keys

    def key(self, public_key: bytes) -> Ed25519PrivateKey:
        """A private key that is used but never seen. SignerLost when the process does not hold it."""
        if public_key not in self.keys():
            raise self._lost(f"it does not hold the key {public_key.hex()[:16]}")
        return _ExternalKey(self, public_key)

    def sign(self, public_key: bytes, data: bytes) -> bytes:
        """The 64-byte signature of `data`. SignerLost when none can be had that verifies."""
        words = self._ask(f"sign {public_key.hex()} {data.hex()}", "signature")
        try:
            signature = bytes.fromhex(words[0]) if words else b""
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
        except (ValueError, InvalidSignature) as error:
            raise self._lost("it gives signatures that do not verify") from error
        return signature

    def close(self) -> None:
        """Let the process end."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    # ------------------------------------------------------------- asking

    def _ask(self, request: str, expected: str) -> list[str]:
        """The words of an answer; a process that fails is started anew once."""
        for again in (True, False):
            try:
                answer = self._exchange(request)
            except OSError as error:
                self._kill()
                if again:
                    continue
                raise self._lost(str(error)) from error
            word, *rest = answer.split(" ")
            if word == expected:
                return rest
            why = " ".join(rest) if word == "error" else "it answers something else than was asked"
            raise self._lost(why)
        raise AssertionError

    def _exchange(self, request: str) -> str:
        """One line there, one line back. OSError when the process ends, hangs or writes no end."""
        process = self._started()
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        until = time.monotonic() + self._timeout_s
        self._write(process.stdin.fileno(), request.encode() + b"\n", until)
        return self._read(process.stdout.fileno(), until)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - the operator names the command
                self._command,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
        return self._process

    def _write(self, descriptor: int, line: bytes, until: float) -> None:
        while line:
            _, ready, _ = select.select((), (descriptor,), (), max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError(f"it takes no request within {self._timeout_s:g} s")
            line = line[os.write(descriptor, line) :]

    def _read(self, descriptor: int, until: float) -> str:
        answer = b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select((descriptor,), (), (), max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError(f"it gives no answer within {self._timeout_s:g} s")
            piece = os.read(descriptor, _ANSWER_BYTES_MAX)
            if not piece:
                raise ConnectionError("it has ended")
            answer += piece
            if len(answer) > _ANSWER_BYTES_MAX:
                raise ConnectionError("its answer has no end")
        return answer.decode("ascii", errors="replace").strip()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _lost(self, why: str) -> SignerLost:
        return SignerLost(f"the external signer {self._command[0]} cannot be used: {why}; {_REMEDY}")


class _ExternalKey(Ed25519PrivateKey):
    """A private key of the library's kind, so that certificates can be signed with it, too."""

    def __init__(self, signer: ExternalSigner, public_key: bytes) -> None:
        self._signer = signer
        self._public_key = public_key

    def public_key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self._public_key)

    def sign(self, data: Any) -> bytes:  # noqa: ANN401 - whatever the library calls a buffer
        return self._signer.sign(self._public_key, bytes(data))

    def private_bytes_raw(self) -> bytes:
        raise TypeError("the private key is not here")

    def private_bytes(self, *_args: object, **_named: object) -> bytes:
        raise TypeError("the private key is not here")

    def __copy__(self) -> _ExternalKey:
        return self

    def __deepcopy__(self, _memo: dict[Any, Any]) -> _ExternalKey:
        return self


def is_external(key: Ed25519PrivateKey) -> bool:
    """Whether a key is held by another process."""
    return isinstance(key, _ExternalKey)
