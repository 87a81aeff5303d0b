"""One page with the curves of a training, that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from hil.report.svg import Frame, join, polyline, svg

if TYPE_CHECKING:
    from experiments.scoring import Score
    from experiments.training import Trained
    from experiments.training_config import TrainingConfig
    from quant.training import Epoch

__all__ = ["page"]

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#222, #ddd); --faint: light-dark(#e4e4e4, #383838); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 860px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { padding: .15em 1em .15em 0; text-align: left; }
pre { overflow-x: auto; background: var(--faint); padding: .8em; font-size: 13px; }
.axis { stroke: var(--ink); } .grid { stroke: var(--faint); }
.tick, .label { font-size: 12px; fill: var(--ink); }
polyline { fill: none; stroke-width: 1.8; } .s0 { stroke: #2a78d6; } .ref { stroke: #999; stroke-dasharray: 5 4; }
"""
CURVES: Sequence[tuple[str, Callable[[Epoch], float]]] = (
    ("Loss", lambda epoch: epoch.loss),
    ("Accuracy on validation windows", lambda epoch: epoch.accuracy),
    ("Cosine to the caption on validation windows", lambda epoch: epoch.cosine),
    ("Share of ternary codes that changed", lambda epoch: epoch.flipped),
    ("Learning rate", lambda epoch: epoch.learning_rate),
)


def page(config: TrainingConfig, trained: Trained) -> str:
    """Return the page: scores, curves of the encoder and, dashed, of its teacher, and the configuration."""
    curves = [_figure(name, of, trained) for name, of in CURVES]
    return Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Training of {name}</title><style>{style}</style>'
        "<h1>Training of {name}</h1><p>{about}; digest {digest}.</p><table>{rows}</table>{curves}"
        "<h2>Configuration</h2><pre>{config}</pre></html>\n"
    ).format(
        name=config.name,
        style=Markup(STYLE),  # noqa: S704  (a constant of ours)
        about=config.about,
        digest=trained.network.digest[:12],
        rows=join([_row("held-out recordings", trained.score), _row("held-out emulated", trained.emulated_score)]),
        curves=join([curve for curve in curves if curve]),
        config=repr(config).replace(", ", ",\n  "),
    )


def _row(name: str, score: Score | None) -> Markup:
    if score is None:
        return Markup("")
    return Markup("<tr><th>{}</th><td>{} of {}</td><td>cosine to caption {}</td></tr>").format(
        name, f"{score.accuracy:.1%}", score.n, f"{score.cosine_to_caption:.3f}"
    )


def _figure(name: str, of: Callable[[Epoch], float], trained: Trained) -> Markup | None:
    lines = {"ref": trained.teacher_history, "s0": trained.history}
    values = {css: [of(epoch) for epoch in history] for css, history in lines.items()}
    shown = [value for line in values.values() for value in line if not math.isnan(value)]
    if not shown:
        return None
    frame = Frame(820, 220)
    x = frame.x(0, max(len(line) for line in values.values()))
    y = frame.y(min(0.0, *shown), max(shown))
    parts = [frame.x_axis(x, "epoch"), frame.y_axis(y)]
    for css, line in values.items():
        points = [(x(i + 1), y(value)) for i, value in enumerate(line) if not math.isnan(value)]
        parts.append(polyline(points, css) if points else Markup(""))
    return Markup("<h2>{}</h2>{}").format(name, svg(frame, parts, label=f"{name} over epochs"))
