"""Figures of experiments show every series they were given."""

from __future__ import annotations

import pytest

from experiments import device_noise


@pytest.mark.parametrize("count", [1, 3, 6])
def test_every_resistance_of_the_wires_is_drawn(tmp_path, count):
    points = tuple(
        device_noise.Point(spread, float(ohm), 0.1 + spread, 0.9, 0.95) for ohm in range(count) for spread in (0.0, 0.2)
    )
    path = tmp_path / "noise.svg"
    device_noise.plot(points, path)
    drawn = path.read_text(encoding="utf-8")
    assert "<!-- no wires -->" in drawn
    assert all(f"<!-- {ohm} ohm a cell -->" in drawn for ohm in range(1, count))
