"""Who may talk to a served board: mutual TLS, or a shared token proven by challenge and answer.

A board behind a token is protected from strangers who can reach the port, not from those who can read the wire; TLS is
for that.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hil.errors import InvalidValueError, LinkError

__all__ = ["GREETING", "SECURITY_OPTIONS", "Security", "is_loopback"]

GREETING = b"HIL-TOKEN 1 "
CHALLENGE_BYTES = 32
LONGEST_LINE = 256
SHORTEST_WAIT_S, LONGEST_WAIT_S = 1e-3, 60.0
SHORTEST_TOKEN = 16

SECURITY_OPTIONS = ("ca", "certificate", "key", "token_file")
"""Options of a target that say how both ends prove themselves."""


def is_loopback(host: str) -> bool:
    """Say whether a host name means this machine and nobody else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name; only one of them is sure to stay here
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Security:
    """How the two ends prove themselves.

    Attributes:
        token_file: File with the shared secret, at least 16 characters.
        ca: Certificate authority that signed both ends' certificates (PEM).
        certificate: Our certificate (PEM).
        key: Its private key (PEM).
    """

    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse half of a TLS configuration, and TLS and token together."""
        tls = (self.ca, self.certificate, self.key)
        if any(tls) and not all(tls):
            message = "mutual TLS needs ca, certificate and key, but only some are given"
            raise InvalidValueError(message)
        if any(tls) and self.token_file:
            message = "give either TLS files or a token file, not both"
            raise InvalidValueError(message)

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Security:
        """Take the keys token_file, ca, certificate and key out of a target's options."""
        given = {key: Path(options[key]) for key in SECURITY_OPTIONS if key in options}
        return cls(**given)

    @property
    def is_open(self) -> bool:
        """Whether anybody may connect."""
        return self.token_file is None and self.ca is None

    def as_client(self, plain: socket.socket, *, host: str, timeout_s: float) -> socket.socket:
        """Prove ourselves to a server and have it prove itself; returns the socket to go on with.

        Raises:
            LinkError: The server is not what it should be, or does not accept us.
        """
        plain.settimeout(timeout_s)
        if self.ca is not None:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca)
            return self._wrap(context, plain, host=host)
        if self.token_file is not None:
            self._answer_challenge(plain)
        return plain

    def as_server(self, plain: socket.socket, *, timeout_s: float) -> socket.socket:
        """Have a client prove itself; returns the socket to go on with.

        Raises:
            LinkError: The client is not what it should be.
        """
        plain.settimeout(timeout_s)
        if self.ca is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
            return self._wrap(context, plain, host=None)
        if self.token_file is not None:
            self._challenge(plain)
        return plain

    def check(self) -> None:
        """Read every file once, so that a mistake shows before anybody connects.

        Raises:
            InvalidValueError: A token that is too short, or files that are not what they should be.
        """
        if self.token_file is not None:
            self._token()
        if self.ca is not None:
            try:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
                context.load_cert_chain(str(self.certificate), str(self.key))
            except ssl.SSLError as error:
                message = f"TLS files must be PEM and belong together: {error}"
                raise InvalidValueError(message) from error

    def _wrap(self, context: ssl.SSLContext, plain: socket.socket, *, host: str | None) -> socket.socket:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(self.certificate), str(self.key))
        try:
            return context.wrap_socket(plain, server_side=host is None, server_hostname=host)
        except (ssl.SSLError, OSError) as error:
            message = f"mutual TLS failed: {error}"
            raise LinkError(message) from error

    def _token(self) -> bytes:
        token = Path(str(self.token_file)).read_bytes().strip()
        if len(token) < SHORTEST_TOKEN:
            message = f"a token must have at least {SHORTEST_TOKEN} characters, but {self.token_file} has {len(token)}"
            raise InvalidValueError(message)
        return token

    def _proof(self, who: bytes, challenges: bytes) -> bytes:
        return hmac.new(self._token(), who + challenges, "sha256").hexdigest().encode()

    def _challenge(self, client: socket.socket) -> None:
        ours = secrets.token_bytes(CHALLENGE_BYTES)
        client.sendall(GREETING + ours.hex().encode() + b"\n")
        theirs, _, proof = _read_line(client).partition(b" ")
        challenges = ours + _from_hex(theirs)
        if not hmac.compare_digest(proof, self._proof(b"client", challenges)):
            message = "the client does not know the token"
            raise LinkError(message)
        client.sendall(self._proof(b"server", challenges) + b"\n")

    def _answer_challenge(self, server: socket.socket) -> None:
        greeting = _read_line(server)
        if not greeting.startswith(GREETING):
            message = "the server asks for no token; is it served with --token-file?"
            raise LinkError(message)
        ours = secrets.token_bytes(CHALLENGE_BYTES)
        challenges = _from_hex(greeting[len(GREETING) :]) + ours
        server.sendall(ours.hex().encode() + b" " + self._proof(b"client", challenges) + b"\n")
        if not hmac.compare_digest(_read_line(server), self._proof(b"server", challenges)):
            message = "the server does not know the token"
            raise LinkError(message)


def _from_hex(text: bytes) -> bytes:
    try:
        challenge = bytes.fromhex(text.decode("ascii"))
    except ValueError as error:
        message = "a challenge must be hexadecimal"
        raise LinkError(message) from error
    if len(challenge) != CHALLENGE_BYTES:
        message = f"a challenge has {CHALLENGE_BYTES} bytes, but got {len(challenge)}"
        raise LinkError(message)
    return challenge


def _read_line(peer: socket.socket) -> bytes:
    """Return a line without its end; the peer's time-out holds for the whole line, not for every byte of it."""
    timeout_s = peer.gettimeout() or LONGEST_WAIT_S
    deadline = time.monotonic() + timeout_s
    line = b""
    try:
        while not line.endswith(b"\n"):
            peer.settimeout(max(deadline - time.monotonic(), SHORTEST_WAIT_S))
            byte = peer.recv(1)
            if not byte or len(line) >= LONGEST_LINE:
                message = "the other side does not accept us, or speaks no token handshake"
                raise LinkError(message)
            line += byte
            if time.monotonic() > deadline:
                message = f"the other side did not prove itself within {timeout_s:g} s"
                raise LinkError(message)
        peer.settimeout(timeout_s)
    except OSError as error:
        message = f"the other side went silent while proving itself: {error}"
        raise LinkError(message) from error
    return line[:-1]
