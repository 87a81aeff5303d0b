"""``hil board serve``: offer a local board to another host until stopped."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

__all__ = ["serve_command"]


@click.command("serve", short_help="Offer a local board to another host.")
@click.argument("target")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port to listen on; 0 takes a free one."
)
@click.option("--token-file", type=click.Path(exists=True, path_type=Path), help="File with a shared secret.")
@click.option("--ca", type=click.Path(exists=True, path_type=Path), help="Authority of both certificates (PEM).")
@click.option("--certificate", type=click.Path(exists=True, path_type=Path), help="Ours (PEM).")
@click.option("--key", type=click.Path(exists=True, path_type=Path), help="Its private key (PEM).")
@click.option(
    "--seconds", type=click.FloatRange(min=0.0), help="Stop after so long; by default serve until interrupted."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def serve_command(
    target: str, host: str, port: int, seconds: float | None, *, as_json: bool, **files: Path | None
) -> None:
    """Serve TARGET over TCP to one host at a time, as tcp://HOST:PORT; prints the address and goes on until stopped.

    Memristor arrays are served too: array:emulated?arrays=64&tile=128 becomes array:tcp://HOST:PORT.

    Anything but this machine's own address needs a token or TLS files on both ends.
    """
    from boards.array.backend import ArrayBackend
    from boards.driver import BoardBackend
    from boards.security import Security
    from boards.server import BoardServer
    from hil.closing import undone_on_error
    from hil.errors import InvalidValueError
    from hil.registry import open_target

    backend = open_target(target)
    if not isinstance(backend, BoardBackend | ArrayBackend):
        raise InvalidValueError(f"target {target!r} is nothing that can be served; see hil board list")
    board = backend.open()
    with undone_on_error(board.close):
        board.connect().close()  # a port that is not there is an error now, not when the first host comes
    with (
        _stopped_by_signals(),
        suppress(KeyboardInterrupt),
        BoardServer(board, host=host, port=port, security=Security(**files)) as server,
    ):
        at, number = server.address
        address = f"tcp://[{at}]:{number}" if ":" in at else f"tcp://{at}:{number}"
        address = f"array:{address}" if backend.name.startswith("array:") else address
        document = {"address": address, "target": backend.name}
        click.echo(json.dumps(document) if as_json else f"{backend.name} is served at {address}")
        server.wait(seconds)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let termination and interrupt end the server in order, so that no emulator is left behind.

    An interrupt is asked for by name, because a process that a shell starts in the background is born deaf to it.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
