"""Arrays that hypothesis draws: any rectangle, conductances over nine decades and zero, any wire zero or not."""

import numpy as np
from hypothesis import strategies as st

from emulators.wires import Wires

OHM = st.one_of(st.just(0.0), st.floats(1e-3, 1e3))


@st.composite
def conductances(draw, max_rows=9, max_columns=9, zeros=True):
    rows, columns = draw(st.integers(1, max_rows)), draw(st.integers(1, max_columns))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    decades = draw(st.sampled_from([1, 3, 9]))
    g = 10 ** rng.uniform(-3 - decades, -3, (rows, columns))
    if zeros and draw(st.booleans()):
        g[rng.random(g.shape) < draw(st.sampled_from([0.2, 0.9]))] = 0
    return g


@st.composite
def wires(draw, topology="passive2d"):
    if topology == "gated1t1r":
        return Wires(0.0, draw(OHM), 0.0, draw(OHM), topology)
    return Wires(draw(OHM), draw(OHM), draw(OHM), draw(OHM))


def voltages(n, rows, seed):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, rows))
