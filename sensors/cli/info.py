"""``hil info``: what is in a recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar
from hil.progress import OnProgress, ignore_progress
from hil.registry import open_recording
from sensors.cli.options import reading_options

if TYPE_CHECKING:
    from hil.ports import Recording

__all__ = ["info_command", "summary"]


@command("info", short_help="Say what is in a recording.")
@click.argument("file", type=click.Path(path_type=Path))
@reading_options
def info_command(file: Path, format_name: str | None, options: dict[str, str], *, salvage: bool) -> Answer:
    """Read FILE to its end and say its size, events and times, and what damage cost.

    A damaged file is an error unless --salvage is given; then "lost" says what is missing and where.
    """
    with _opened(file, format_name, options, salvage=salvage) as recording, progress_bar(file.name) as on_progress:
        document = summary(recording, on_progress)
        return Answer(document, _text(document, getattr(recording, "assumed", "")))


@contextmanager
def _opened(file: Path, format_name: str | None, options: dict[str, str], *, salvage: bool) -> Iterator[Recording]:
    recording = open_recording(file, format_name=format_name, options=options, salvage=salvage)
    try:
        yield recording
    finally:
        recording.close()


def summary(recording: Recording, on_progress: OnProgress = ignore_progress) -> dict[str, Any]:
    """Read a recording to its end and return the document of ``hil info``."""
    events = on = 0
    first_us = last_us = None
    for batch in recording:
        first_us = int(batch.t[0]) if first_us is None else first_us
        last_us = int(batch.t[-1])
        events += len(batch)
        on += int(batch.p.sum())
        on_progress(getattr(recording, "bytes_read", 0), getattr(recording, "file_bytes", 0))
    lost = recording.lost
    return {
        "format": recording.format,
        "width": recording.geometry.width,
        "height": recording.geometry.height,
        "events": events,
        "on": on,
        "off": events - on,
        "t_first_us": first_us,
        "t_last_us": last_us,
        "lost": lost.as_document() if lost else None,
    }


def _text(document: dict[str, Any], assumed: str) -> str:
    lines = [
        f"{document['format']}, {document['width']} x {document['height']}",
        f"{document['events']:,} events: {document['on']:,} on, {document['off']:,} off",
    ]
    if document["events"]:
        first_us, last_us = document["t_first_us"], document["t_last_us"]
        lines.append(f"from {first_us:,} us to {last_us:,} us, {(last_us - first_us) / 1e6:.3f} s")
    lines += [f"assumed: {each}" for each in assumed.splitlines()]
    return "\n".join(lines + _loss_lines(document["lost"]))


def _loss_lines(lost: dict[str, Any] | None) -> list[str]:
    if lost is None:
        return []
    events = "an unknown number of" if lost["events"] is None else f"{lost['events']:,}"
    lines = [f"lost: {events} events, {lost['bytes']:,} bytes"]
    spans = lost["spans"]
    lines += [
        f"  at byte {span['offset_bytes']:,}, {span['length_bytes']:,} bytes: {span['reason']}" for span in spans[:20]
    ]
    if len(spans) > 20:
        lines.append(f"  and {len(spans) - 20:,} more; --json lists them")
    return lines
