"""The little drawing a report needs: scales, axes and marks as inline SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["Frame", "Scale", "join", "nice_ticks", "polyline", "series", "svg"]

N_COLOURS = 6
NARROWEST = 820  # pixels; a narrower page scrolls the drawing, so that its words stay readable


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight map from values to pixels.

    Attributes:
        low: Value at the first pixel.
        high: Value at the last pixel.
        first: First pixel.
        last: Last pixel.
    """

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, to a tenth."""
        span = self.high - self.low or 1.0
        return round(self.first + (value - self.low) / span * (self.last - self.first), 1)


def nice_ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Return round values between two bounds: steps of 1, 2 or 5 times a power of ten.

    Example:
        >>> nice_ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not span > 0:
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Frame:
    """Room for a plot inside its axes, in pixels.

    Attributes:
        width: Of the whole drawing.
        height: Of the whole drawing.
        left: Room for the vertical axis, or for row names.
        right: Margin.
        top: Margin.
        bottom: Room for the horizontal axis.
    """

    width: int
    height: int
    left: int = 56
    right: int = 14
    top: int = 12
    bottom: int = 34

    def x(self, low: float, high: float) -> Scale:
        """Return the horizontal scale."""
        return Scale(low, high, self.left, self.width - self.right)

    def y(self, low: float, high: float) -> Scale:
        """Return the vertical scale, growing upwards."""
        return Scale(low, high, self.height - self.bottom, self.top)

    def x_axis(self, scale: Scale, label: str) -> Markup:
        """Return ticks and the name of the horizontal axis."""
        base = self.height - self.bottom
        marks = [
            Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                scale(value), base + 16, f"{value:g}"
            )
            for value in nice_ticks(scale.low, scale.high, about=10)
        ]
        line = Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            self.left, self.width - self.right, base, base
        )
        name = Markup('<text class="label" x="{}" y="{}" text-anchor="end">{}</text>').format(
            self.width - self.right, self.height - 3, label
        )
        return join([line, *marks, name])

    def y_axis(self, scale: Scale) -> Markup:
        """Return ticks and faint lines of the vertical axis."""
        marks = [
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
                '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
            ).format(
                self.left,
                self.width - self.right,
                scale(value),
                scale(value),
                self.left - 7,
                scale(value) + 4,
                f"{value:g}",
            )
            for value in nice_ticks(scale.low, scale.high, about=4)
        ]
        return join(marks)


def series(k: int) -> str:
    """Return the page's class for the k-th target's colour; -1 is the reference."""
    return "ref" if k < 0 else f"s{k % N_COLOURS}"


def join(parts: Sequence[Markup]) -> Markup:
    """Return pieces of markup one after the other."""
    return Markup("").join(parts)


def polyline(points: Sequence[tuple[float, float]], css: str) -> Markup:
    """Return a line through points."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(css, path)


def svg(frame: Frame, parts: Sequence[Markup], *, label: str) -> Markup:
    """Return the drawing, with a description for those who hear the page."""
    return Markup(
        '<div class="scroll"><svg viewBox="0 0 {} {}" style="min-width:{}px" role="img" aria-label="{}">{}</svg></div>'
    ).format(frame.width, frame.height, min(frame.width, NARROWEST), label, join(parts))
