"""The experiment writes one pattern in every way and draws what it cost."""

from boards.array.strategies import STRATEGIES
from experiments.array_programming import Config, plot, run, table


def test_every_strategy_is_run_on_the_same_pattern_and_drawn(tmp_path):
    written = run(Config(size=16))
    assert [each.strategy for each in written] == list(STRATEGIES)
    assert all(each.later > 0.95 for each in written)
    assert len({each.target_siemens.tobytes() for each in written}) == 1
    assert all(each.strategy in table(written) for each in written)
    plot(written, tmp_path / "arrays.png")
    assert (tmp_path / "arrays.png").read_bytes().startswith(b"\x89PNG")
