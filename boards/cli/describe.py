"""``hil board list``, ``identify`` and ``health``: which boards there are, what they are, how they are doing."""

from __future__ import annotations

import click

from boards.cli.target import facts, open_board
from hil.cli import Answer, command, listing

__all__ = ["health_command", "identify_command", "list_command"]

ECHOES = 50


@command("list", short_help="Show the boards that can be reached from here.")
def list_command() -> Answer:
    """Show emulated boards, serial ports with something on them, and how to name the others."""
    documents = [{"name": name, "about": about, "missing": missing} for name, about, missing in _known_boards()]
    rows = [[document["name"] or "", document["about"] or "", document["missing"] or ""] for document in documents]
    return Answer(documents, listing(("name", "about", "missing"), rows))


def _known_boards() -> list[tuple[str, str, str | None]]:
    from boards import backends
    from boards.array.target import array
    from boards.qemu import MACHINES, missing_for

    emulated = [
        (f"qemu:{cpu}", f"QEMU machine {machine.machine}", missing_for(cpu)) for cpu, machine in MACHINES.items()
    ]
    host = [("host", backends.host.about, backends.host.missing())]
    open_ended = [
        ("serial:///dev/...", backends.serial.about, backends.serial.missing()),
        ("tcp://host:port", backends.tcp.about, None),
        ("array:emulated", array.about, array.missing()),
        ("replay:FILE", backends.replay.about, None),
    ]
    return emulated + host + _serial_ports() + open_ended


def _serial_ports() -> list[tuple[str, str, str | None]]:
    try:
        from serial.tools.list_ports import comports
    except ImportError:
        return []
    return [(f"serial://{port.device}", str(port.description), None) for port in sorted(comports())]


@command("identify", short_help="Ask a board what it is.")
@click.argument("target")
def identify_command(target: str) -> Answer:
    """Greet TARGET and show its limits, its clock, its firmware and the program it holds."""
    from boards.firmware import source_hash

    backend = open_board(target)
    info = backend.identify()
    document = {"target": backend.name, **info.as_document(), "firmware_is_ours": info.firmware_hash == source_hash()}
    return Answer(document, facts(document))


@command("health", short_help="Ask a board how it and its link are doing.")
@click.argument("target")
@click.option("--echoes", type=click.IntRange(min=1), default=ECHOES, show_default=True, help="Requests to time.")
def health_command(target: str, echoes: int) -> Answer:
    """Time requests to TARGET, read its counters, and read its program memory back."""
    from boards.health import examine

    health = examine(open_board(target), echoes=echoes)
    document = health.as_document()
    return Answer(document, facts(document), 0 if health.good else 1)
