"""Draws a stretch as a strip of moments over its event rate, or as a raster where the sensor is a cochlea."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.types import Float64Array, Int64Array
from sensors.pictures.colour import OFF, ON, paint
from sensors.pictures.exposure import SHUTTER_US, expose, full_scale
from sensors.pictures.stretch import Stretch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_still", "is_cochlea"]

MOMENTS = 6
WIDTH_INCH = 10.0
MOST_ABOVE_USUAL = 3.0  # how far a burst may stretch the axis of rates before the rest is too flat to see
RATE_BINS = 200
MOST_DOTS = 200_000
MOST_EARS = 2
MOST_PIXELS_OF_LINE = 1024
INK = "#333333"
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds"}
STYLE: Any = {
    "font.size": 9,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.linewidth": 0.8,
}


def draw_still(stretch: Stretch, path: Path, *, title: str) -> None:
    """Write a picture; the suffix of the path chooses the format: png, svg or pdf."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCH, _height_inch(stretch)), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.012, ha="left", fontsize=10, fontweight="bold")
        for x, name, colour in ((0.945, "ON", ON), (0.988, "OFF", OFF)):
            figure.text(x, 0.988, name, color=colour, ha="right", va="top", fontsize=10, fontweight="bold")
        draw = _draw_cochlea if is_cochlea(stretch) else _draw_camera
        draw(figure, stretch)
        figure.savefig(path, metadata={"Software": None} if path.suffix == ".png" else None)


def _columns(stretch: Stretch) -> int:
    return 3 if stretch.geometry.width / stretch.geometry.height < 2.4 else 2


def _height_inch(stretch: Stretch) -> float:
    """Return a height at which the pictures fill their places, within what a screen shows."""
    if is_cochlea(stretch):
        return 6.0
    columns = _columns(stretch)
    picture_inch = (WIDTH_INCH - 0.7) / columns * stretch.geometry.height / stretch.geometry.width
    return min(10.0, MOMENTS // columns * (picture_inch + 0.25) + 1.8)


def is_cochlea(stretch: Stretch) -> bool:
    """Say whether the sensor looks like channels by ears rather than like pixels."""
    size = stretch.geometry
    return size.height <= MOST_EARS and size.width <= MOST_PIXELS_OF_LINE


def _draw_camera(figure: Figure, stretch: Stretch) -> None:
    size, columns = stretch.geometry, _columns(stretch)
    rows = [[f"m{row * columns + column}" for column in range(columns)] for row in range(MOMENTS // columns)]
    mosaic: list[Any] = [*rows, ["rate"] * columns]
    axes: dict[Any, Axes] = figure.subplot_mosaic(mosaic, height_ratios=[*[3.0] * len(rows), 1.0])
    starts_us = _moments(stretch)
    shutter_us = min(SHUTTER_US, max(1, (stretch.end_us - stretch.start_us) // MOMENTS))
    pictures = [expose(stretch, int(start), int(start) + shutter_us) for start in starts_us]
    full = full_scale(pictures)
    for i, (start_us, counts) in enumerate(zip(starts_us, pictures, strict=True)):
        at = axes[f"m{i}"]
        at.imshow(paint(counts, full=full), interpolation="nearest" if size.width < 200 else "antialiased")
        at.set_title(_clock(stretch, int(start_us)), loc="left", fontsize=8, pad=3)
        at.set_xticks([])
        at.set_yticks([])
    _draw_rate(axes["rate"], stretch, starts_us, shutter_us)


def _moments(stretch: Stretch) -> Int64Array:
    span_us = stretch.end_us - stretch.start_us
    return stretch.start_us + span_us * np.arange(MOMENTS, dtype=np.int64) // MOMENTS


def _unit_us(stretch: Stretch) -> tuple[str, float]:
    """Return the unit of time that suits the stretch, and how many microseconds it has."""
    return ("s", 1e6) if stretch.end_us - stretch.start_us >= 200_000 else ("ms", 1e3)


def _clock(stretch: Stretch, t_us: int) -> str:
    unit, scale = _unit_us(stretch)
    return f"{(t_us - stretch.first_us) / scale:.3f} {unit}"


def _draw_rate(at: Axes, stretch: Stretch, starts_us: Int64Array, shutter_us: int) -> None:
    edges, rates = _rates(stretch)
    highest = float(rates.max(initial=0.0))
    limit = min(highest, MOST_ABOVE_USUAL * float(np.percentile(rates, 98))) or highest or 1.0
    unit, scale = _rate_unit(limit)
    time_unit, time_scale = _unit_us(stretch)
    times = edges / time_scale
    for start_us in starts_us:
        begin = (int(start_us) - stretch.first_us) / time_scale
        at.axvspan(begin, begin + shutter_us / time_scale, color="#dddddd", linewidth=0)
    for rate, colour, sign in zip(rates, (ON, OFF), (1, -1), strict=True):
        at.stairs(sign * rate / scale, times, color=colour, fill=True)
    at.set_xlim(times[0], times[-1])
    at.set_ylim(-1.05 * limit / scale, 1.05 * limit / scale)
    if limit < highest:
        peak_unit, peak_scale = _rate_unit(highest)
        at.set_title(f"up to {highest / peak_scale:.3g} {peak_unit}, beyond the axis", loc="right", fontsize=7, pad=2)
    at.axhline(0, color="#999999", linewidth=0.8)
    at.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    at.set_xlabel(
        f"{UNIT_NAMES[time_unit]} after the first event; each picture shows {shutter_us / 1e3:g} ms, shaded here"
    )
    at.set_ylabel(unit)
    for side in ("top", "right"):
        at.spines[side].set_visible(False)


def _rates(stretch: Stretch) -> tuple[Float64Array, Float64Array]:
    """Return (bins + 1,) edges in microseconds after the first event and (2, bins) events per second, ON first."""
    span_us = stretch.end_us - stretch.start_us
    edges = np.linspace(0, span_us, RATE_BINS + 1)  # from the start: floats do not tell today's microseconds apart
    times = stretch.events.t - stretch.start_us
    counts = [np.histogram(times[stretch.events.p == on], edges)[0] for on in (True, False)]
    return edges + (stretch.start_us - stretch.first_us), np.stack(counts) * (1e6 * RATE_BINS / span_us)


def _rate_unit(highest: float) -> tuple[str, float]:
    for unit, scale in (("Mev/s", 1e6), ("kev/s", 1e3)):
        if highest >= scale:
            return unit, scale
    return "events/s", 1.0


def _draw_cochlea(figure: Figure, stretch: Stretch) -> None:
    raster, rate = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    events = stretch.events
    step = -(-len(events) // MOST_DOTS)
    time_unit, time_scale = _unit_us(stretch)
    times = (events.t[::step] - stretch.first_us) / time_scale
    rows = events.x[::step] + events.y[::step] * (stretch.geometry.width + 2.0)
    on = events.p[::step]
    n_rows = stretch.geometry.height * (stretch.geometry.width + 2) - 2
    tick = max(1.0, 120 / n_rows)  # two ticks fill a row of the raster, which is about 270 points high
    for polarity, colour, shift in ((True, ON, 0.22), (False, OFF, -0.22)):
        dots = on == polarity
        raster.plot(times[dots], rows[dots] + shift, "|", color=colour, markersize=tick, markeredgewidth=0.5, alpha=0.6)
    raster.set_ylabel("channel" if stretch.geometry.height == 1 else "channel, second ear above the first")
    raster.set_ylim(-1, n_rows)
    if step > 1:
        raster.set_title(f"one spike in {step} drawn", loc="right", fontsize=8)
    _draw_rate(rate, stretch, np.empty(0, np.int64), 1)
    rate.set_xlabel(f"{UNIT_NAMES[time_unit]} after the first spike")
