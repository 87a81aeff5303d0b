"""``hil convert``: the same events in another format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar
from hil.errors import InputError, UnknownNameError
from hil.registry import open_recording
from sensors.cli.options import reading_options

if TYPE_CHECKING:
    from hil.ports import Recording
    from hil.progress import OnProgress
    from hil.types import EventBatch

__all__ = ["WRITERS", "convert_command"]


@dataclass(frozen=True, slots=True)
class Writer:
    """Where a format's ``write`` is, and which suffixes mean it."""

    module: str
    suffixes: tuple[str, ...]


WRITERS = {
    "aedat4": Writer("sensors.formats.aedat4", (".aedat4",)),
    "evt2": Writer("sensors.formats.evt2", ()),
    "evt3": Writer("sensors.formats.evt3", (".raw",)),
    "dat": Writer("sensors.formats.dat", (".dat",)),
    "csv": Writer("sensors.formats.text", (".csv", ".txt")),
    "npz": Writer("sensors.formats.npz", (".npz",)),
}


@command("convert", short_help="Write a recording in another format.")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", "to_format", help=f"Format of OUT where its suffix does not say: {', '.join(WRITERS)}.")
@click.option("--from-zero", is_flag=True, help="Shift times so that the first event is at 0 us.")
@reading_options
def convert_command(
    source: Path,
    target: Path,
    to_format: str | None,
    format_name: str | None,
    options: dict[str, str],
    *,
    from_zero: bool,
    salvage: bool,
) -> Answer:
    """Write the events of IN to OUT, in the format of OUT's suffix; .raw is EVT3 unless IN is EVT2 or --to says evt2.

    Nothing is lost on the way: what the target cannot hold is refused.
    """
    if target.exists() and source.exists() and target.samefile(source):
        message = f"IN and OUT are the same file, {source}; write to another one"
        raise InputError(message)
    recording = open_recording(source, format_name=format_name, options=options, salvage=salvage)
    try:
        writer_name = to_format or _by_suffix(target, recording.format)
        if writer_name not in WRITERS:
            raise UnknownNameError.of("format to write", writer_name, list(WRITERS))
        with progress_bar(source.name) as on_progress:
            batches = _shifted(_reported(recording, on_progress), from_zero=from_zero)
            write = import_module(WRITERS[writer_name].module).write
            events = write(target, batches, recording.geometry)
        lost = recording.lost
        assumed = getattr(recording, "assumed", "")
    finally:
        recording.close()
    document = {
        "from": recording.format,
        "to": writer_name,
        "events": events,
        "bytes_in": source.stat().st_size,
        "bytes_out": target.stat().st_size,
        "lost": lost.as_document() if lost else None,
    }
    return Answer(document, _text(document, target, assumed))


def _by_suffix(target: Path, source_format: str) -> str:
    if target.suffix.lower() == ".raw" and source_format in ("evt2", "evt21"):
        return "evt2"
    for name, writer in WRITERS.items():
        if target.suffix.lower() in writer.suffixes:
            return name
    suffixes = ", ".join(suffix for writer in WRITERS.values() for suffix in writer.suffixes)
    message = f"{target} has no suffix that says its format; use one of {suffixes}, or --to"
    raise InputError(message)


def _reported(recording: Recording, on_progress: OnProgress) -> Iterator[EventBatch]:
    for batch in recording:
        on_progress(getattr(recording, "bytes_read", 0), getattr(recording, "file_bytes", 0))
        yield batch


def _shifted(batches: Iterable[EventBatch], *, from_zero: bool) -> Iterator[EventBatch]:
    from hil.types import EventBatch

    start_us: int | None = None
    for batch in batches:
        if start_us is None:
            start_us = int(batch.t[0]) if from_zero else 0
        yield EventBatch.unchecked(batch.t - start_us, batch.x, batch.y, batch.p) if start_us else batch


def _text(document: dict[str, Any], target: Path, assumed: str) -> str:
    size = f"{document['bytes_in']:,} bytes of {document['from']} to {document['bytes_out']:,} of {document['to']}"
    lost = "" if document["lost"] is None else f"\nlost: {document['lost']['bytes']:,} bytes; see hil info --salvage"
    taken = "".join(f"\nassumed: {each}" for each in assumed.splitlines())
    return f"{document['events']:,} events written to {target}\n{size}{taken}{lost}"
