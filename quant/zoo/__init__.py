"""Networks that come with the project; beside each ``NAME.safetensors`` a card, ``NAME.md``, says what it is."""

from __future__ import annotations

from pathlib import Path

from hil.registry import ShippedNetwork

__all__ = ["digits", "digits_robust", "gestures", "shapes"]

FOLDER = Path(__file__).parent

digits = ShippedNetwork(
    about="handwritten digits seen by an event camera: real N-MNIST and emulated recordings",
    path=FOLDER / "digits.safetensors",
)

digits_robust = ShippedNetwork(
    about="the same digits by wide dense layers trained with noise, for arrays noisier than published ones",
    path=FOLDER / "digits_robust.safetensors",
)

gestures = ShippedNetwork(
    about="people who gesture in front of an event camera, emulated",
    path=FOLDER / "gestures.safetensors",
)

shapes = ShippedNetwork(
    about="simple shapes that drift and turn in front of an event camera, emulated",
    path=FOLDER / "shapes.safetensors",
)
