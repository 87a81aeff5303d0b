"""``hil emulate``: events from the camera model, of a scene by name or of pictures from a file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar
from hil.errors import InvalidValueError

if TYPE_CHECKING:
    from emulators.scenes.catalogue import Show
    from hil.progress import OnProgress
    from hil.types import EventBatch

__all__ = ["emulate_command"]


PACKET_EVENTS = 10_000
"""Events are written in packets of about this many: each costs a reader a step."""


class _Tally:
    """Counts events on their way to the file, and gathers them into packets."""

    def __init__(self, show: Show, on_progress: OnProgress) -> None:
        self.events = self.on = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._show = show
        self._on_progress = on_progress

    def __iter__(self) -> Iterator[EventBatch]:
        from hil.types import EventBatch

        held: list[EventBatch] = []
        for batch in self._show.source:
            self._count(batch)
            held.append(batch)
            if sum(map(len, held)) >= PACKET_EVENTS:
                yield EventBatch.concatenate(held)
                held = []
        if held:
            yield EventBatch.concatenate(held)

    def _count(self, batch: EventBatch) -> None:
        self.events += len(batch)
        self.on += int(batch.p.sum())
        self.first_us = int(batch.t[0]) if self.first_us is None else self.first_us
        self.last_us = int(batch.t[-1])
        self._on_progress(self.last_us, self._show.duration_us or 0)


@command("emulate", short_help="Make a recording with the camera model.")
@click.argument("scene")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The recording to write.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the scene and the camera.")
@click.option("--duration-s", type=float, help="How long; labelled scenes last a whole number of takes.")
@click.option("--width", type=click.IntRange(1, 32768), help="Of the sensor, with --height.")
@click.option("--height", type=click.IntRange(1, 32768), help="Of the sensor, with --width.")
@click.option("--frames-per-s", type=float, help="Of pictures from a file, instead of its own (of an .npy: 1000).")
@click.option("--camera", multiple=True, metavar="NAME=VALUE", help="Change a camera parameter, as threshold_on=0.15.")
def emulate_command(
    scene: str,
    out: Path,
    seed: int,
    duration_s: float | None,
    width: int | None,
    height: int | None,
    frames_per_s: float | None,
    camera: tuple[str, ...],
) -> Answer:
    """Show SCENE to the camera model and write the events to a file, in the format of its suffix.

    SCENE is digits, gestures, shapes, gratings or panorama; or a picture, a film, or an array of pictures (.npy, or
    .npz with frames and t_us). Labels go to NAME.labels.json beside the recording.
    """
    from emulators.scenes.catalogue import open_scene
    from experiments.recordings import Labels

    write = _writer(out)
    show = open_scene(
        scene,
        seed=seed,
        duration_s=duration_s,
        geometry=_geometry(width, height),
        frames_per_s=frames_per_s,
        camera=_changes(camera),
    )
    with progress_bar(scene) as on_progress:
        tally = _Tally(show, on_progress)
        write(out, tally, show.source.geometry)
    labels_path = None
    if show.labels:
        starts_us = tuple(range(0, len(show.labels) * show.take_us, show.take_us))
        labels_path = Labels(show.take_us, starts_us, show.labels).save(out)
    document = _document(scene, out, show, tally, seed, labels_path)
    return Answer(document, _text(document))


def _writer(out: Path) -> Any:
    from sensors.cli.convert import WRITERS

    for writer in WRITERS.values():
        if out.suffix.lower() in writer.suffixes:
            return import_module(writer.module).write
    suffixes = ", ".join(suffix for writer in WRITERS.values() for suffix in writer.suffixes)
    raise InvalidValueError(f"{out} has no suffix that says its format; use one of {suffixes}")


def _geometry(width: int | None, height: int | None) -> Any:
    from hil.types import Geometry

    if (width is None) != (height is None):
        raise InvalidValueError("a sensor has two sides; give --width and --height together")
    return None if width is None or height is None else Geometry(width, height)


def _changes(camera: tuple[str, ...]) -> dict[str, float]:
    changes = {}
    for change in camera:
        name, _, value = change.partition("=")
        try:
            changes[name] = float(value)
        except ValueError as error:
            raise InvalidValueError(f"--camera takes NAME=VALUE with a number, but got {change!r}") from error
    return changes


def _document(scene: str, out: Path, show: Show, tally: _Tally, seed: int, labels_path: Path | None) -> dict[str, Any]:
    return {
        "scene": scene,
        "out": str(out),
        "seed": seed,
        "width": show.source.geometry.width,
        "height": show.source.geometry.height,
        "events": tally.events,
        "on": tally.on,
        "off": tally.events - tally.on,
        "t_first_us": tally.first_us,
        "t_last_us": tally.last_us,
        "labels": str(labels_path) if labels_path else None,
        "assumed_frames_per_s": show.assumed_frames_per_s,
    }


def _text(document: dict[str, Any]) -> str:
    lines = [_written(document)]
    if document["labels"]:
        lines.append(f"labels in {document['labels']}")
    if rate := document["assumed_frames_per_s"]:
        lines.append(f"{document['scene']} has no times: {rate:g} frames a second assumed; --frames-per-s sets it")
    return "\n".join(lines)


def _written(document: dict[str, Any]) -> str:
    size = f"{document['width']} x {document['height']} pixels"
    if not document["events"]:
        return f"no events of {size} written to {document['out']}: nothing changed by more than a threshold"
    lasted_s = (document["t_last_us"] - document["t_first_us"]) * 1e-6
    return (
        f"{document['events']:,} events ({document['on']:,} on, {document['off']:,} off) of {size} "
        f"in {lasted_s:.3f} s written to {document['out']}"
    )
