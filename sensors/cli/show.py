"""``hil show``: a picture or short animation of a stretch of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar
from hil.errors import InputError
from sensors.cli.options import reading_options

if TYPE_CHECKING:
    from hil.ports import Recording
    from sensors.pictures.stretch import Stretch

__all__ = ["show_command"]

STILLS = (".png", ".svg", ".pdf")
ANIMATIONS = (".gif", ".apng")


@command("show", short_help="Draw a stretch of a recording.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The picture.  [default: FILE's name.png]")
@click.option("--from-us", type=int, help="Where the stretch begins.  [default: the first event]")
@click.option("--to-us", type=int, help="Where it ends.  [default: the end, at most 10 s on]")
@reading_options
def show_command(file: Path, out: Path | None, from_us: int | None, to_us: int | None, **reading: Any) -> Answer:
    """Draw FILE: six moments over the event rate as .png, .svg or .pdf, or an animation as .gif or .apng.

    ON events are blue, OFF events red; a cochlea is drawn as a raster of its channels. Times are those hil info shows;
    a time before the first event counts from the first event, so that 0 is the start, unless that lies before 0.
    """
    from hil.registry import open_recording
    from sensors.pictures.stretch import read_stretch

    path = out or Path(f"{file.stem}.png")
    if path.suffix.lower() not in (*STILLS, *ANIMATIONS):
        message = f"the picture's suffix must be one of {', '.join((*STILLS, *ANIMATIONS))}, but is {path.suffix!r}"
        raise InputError(message)
    if file.exists() and path.exists() and path.samefile(file):
        message = f"the picture would overwrite the recording {file}; choose another --out"
        raise InputError(message)
    recording = open_recording(
        file, format_name=reading["format_name"], options=reading["options"], salvage=reading["salvage"]
    )
    try:
        with progress_bar(f"reading {file.name}") as on_progress:
            stretch = read_stretch(recording, from_us=from_us, to_us=to_us, on_progress=on_progress)
    finally:
        recording.close()
    frames = _draw(stretch, recording, path, file.name)
    document = _document(stretch, recording, path, frames)
    return Answer(document, _text(document, stretch))


def _draw(stretch: Stretch, recording: Recording, path: Path, name: str) -> int:
    """Draw and return the number of frames, 1 for a still."""
    if path.suffix.lower() in ANIMATIONS:
        from sensors.pictures.animation import draw_animation

        with progress_bar(f"drawing {path.name}") as on_progress:
            return draw_animation(stretch, path, on_progress=on_progress)
    from sensors.pictures.still import draw_still

    size, span_s = stretch.geometry, (stretch.end_us - stretch.start_us) * 1e-6
    what = f"{recording.format}, {size.width} x {size.height}, {len(stretch.events):,} events in {span_s:.3f} s"
    draw_still(stretch, path, title=f"{name}   {what}")
    return 1


def _document(stretch: Stretch, recording: Recording, path: Path, frames: int) -> dict[str, Any]:
    on = int(stretch.events.p.sum())
    return {
        "out": str(path),
        "bytes": path.stat().st_size,
        "frames": frames,
        "format": recording.format,
        "width": stretch.geometry.width,
        "height": stretch.geometry.height,
        "events": len(stretch.events),
        "on": on,
        "off": len(stretch.events) - on,
        "from_us": stretch.start_us,
        "to_us": stretch.end_us,
        "cut": bool(stretch.cut),
    }


def _text(document: dict[str, Any], stretch: Stretch) -> str:
    what = f"{document['frames']} frames" if document["frames"] > 1 else "a picture"
    lines = [
        f"{document['out']}: {what} of {document['events']:,} events, {document['on']:,} on, {document['off']:,} off",
        f"from {document['from_us']:,} us to {document['to_us']:,} us",
    ]
    if stretch.cut:
        lines.append("the recording goes on; choose the stretch with --from-us and --to-us")
    return "\n".join(lines)
