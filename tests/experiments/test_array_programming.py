"""The experiment writes one pattern in every way and draws what it cost."""

from boards.array.strategies import STRATEGIES
from experiments.array_programming import Config, plot, run


def test_every_strategy_is_run_on_the_same_pattern_and_drawn(tmp_path):
    written = run(Config(size=16))
    assert set(written) == set(STRATEGIES)
    assert all(each.later > 0.95 for each in written.values())
    assert len({each.target_siemens.tobytes() for each in written.values()}) == 1
    plot(written, tmp_path / "arrays.png")
    assert (tmp_path / "arrays.png").read_bytes().startswith(b"\x89PNG")
