"""A transcript that a conversation must follow byte for byte, so that a driver is tested without its hardware."""

from __future__ import annotations

from collections.abc import Sequence

from hil.errors import DeadlineError, TargetUnavailableError, VerificationError

__all__ = ["ScriptedTransport"]


class ScriptedTransport:
    """Expects what a host sends and answers as written; ``finish`` proves that all of it happened.

    Args:
        script: Pairs of (bytes the host must send, bytes the board answers), in order. An empty answer is silence.
    """

    def __init__(self, script: Sequence[tuple[bytes, bytes]]) -> None:
        self._script = list(script)
        self._sent = b""
        self._answers = b""
        self._closed = False

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Compare with the script.

        Raises:
            VerificationError: The host departs from it.
        """
        self._refuse_closed()
        self._sent += data
        while self._script and self._sent.startswith(self._script[0][0]):
            expected, answer = self._script.pop(0)
            self._sent = self._sent[len(expected) :]
            self._answers += answer
            if not self._sent:
                return
        if self._sent and not (self._script and self._script[0][0].startswith(self._sent)):
            expected_hex = self._script[0][0].hex() if self._script else "nothing more"
            message = f"the script expects {expected_hex}, but the host sent {self._sent.hex()}"
            raise VerificationError(message)

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return the next scripted bytes; where the script is silent, time is up at once."""
        self._refuse_closed()
        if not self._answers:
            message = "the script has no answer here"
            raise DeadlineError(message)
        data, self._answers = self._answers[:n_bytes], self._answers[n_bytes:]
        return data

    def finish(self) -> None:
        """Check that the whole script was played.

        Raises:
            VerificationError: Something was left over.
        """
        if self._script or self._sent or self._answers:
            message = f"the script ended early: {len(self._script)} exchanges and {len(self._answers)} bytes are left"
            raise VerificationError(message)

    def close(self) -> None:
        """End the conversation; may be called twice."""
        self._closed = True

    def _refuse_closed(self) -> None:
        if self._closed:
            message = "the script is closed"
            raise TargetUnavailableError(message)
