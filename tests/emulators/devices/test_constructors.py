"""Every number that a published device is made of is either refused or leads to finite conductances."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from hil.errors import InvalidValueError
from hil.registry import load, names
from hil.rng import stream

ODD = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e-300, 1e300)


def changed(value, odd):
    """Yield a value with each of its numbers in turn replaced by an odd one, or what refuses that."""
    if isinstance(value, float):
        yield "", lambda: odd
    elif isinstance(value, tuple):
        for k, part in enumerate(value):
            for where, make in changed(part, odd):
                yield f"[{k}]{where}", lambda k=k, make=make: (*value[:k], make(), *value[k + 1 :])
    elif is_dataclass(value):
        for each in fields(value):
            for where, make in changed(getattr(value, each.name), odd):
                yield f".{each.name}{where}", lambda name=each.name, make=make: replace(value, **{name: make()})


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", names("presets"))
def test_an_odd_number_anywhere_in_a_device_is_refused_or_harmless(name, odd):
    refused = 0
    for where, make in changed(load("presets", name), odd):
        try:
            device = make()
        except InvalidValueError:
            refused += 1
            continue
        target = np.linspace(device.off_siemens, device.on_siemens, 12).reshape(3, 4)
        cells = device.program(target, rng=stream(1))
        for t_s in (0.0, 1.0, 86400.0):
            g_siemens = device.read(cells, t_s=t_s, rng=stream(2))
            assert np.isfinite(g_siemens).all(), where
            assert (g_siemens >= 0).all(), where
    if not np.isfinite(odd):
        assert refused
