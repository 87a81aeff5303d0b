"""The benchmark of the wires: every figure of one run, and a refusal to time what does not agree."""

import numpy as np
import pytest

from experiments.bench import crossbar_wires
from hil.errors import VerificationError


@pytest.mark.slow
def test_rows_when_measured_then_meet_what_does_not_depend_on_a_quiet_machine(monkeypatch):
    pytest.importorskip("badcrossbar")
    monkeypatch.setattr(crossbar_wires, "SIDES", (24, 40))
    monkeypatch.setattr(crossbar_wires, "REFRESHED_SIDE", 24)
    seen = []
    rows = crossbar_wires.run(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(rows), len(rows)) == (crossbar_wires.FIGURES, crossbar_wires.FIGURES)
    for row in rows:
        assert set(row) == {"name", "ours", "peer", "peer_name", "ratio", "target"}
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
        if row["peer_name"] == "limit":
            assert row["ratio"] >= row["target"], row["name"]


def test_agreement_when_currents_differ_then_nothing_is_timed():
    with pytest.raises(VerificationError, match=r"1\.0e-06 apart"):
        crossbar_wires._agree(np.array([1.0 + 1e-6]), np.array([1.0]))
