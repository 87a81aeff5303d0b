"""Networks that come with the project; beside each ``NAME.safetensors`` a card, ``NAME.md``, says what it is."""

from __future__ import annotations

from pathlib import Path

from hil.registry import ShippedNetwork

__all__ = ["digits"]

FOLDER = Path(__file__).parent

digits = ShippedNetwork(
    about="handwritten digits seen by an event camera: real N-MNIST and emulated recordings",
    path=FOLDER / "digits.safetensors",
)
