"""``hil bench``: performance figures as ratios against a stated baseline, all measured in one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["bench_command"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@command("bench", short_help="Performance as ratios against stated baselines.")
@click.argument("name", required=False)
@click.option("--check", is_flag=True, help="Exit with 1 if a ratio is below its target.")
def bench_command(name: str | None, check: bool) -> Answer:  # noqa: FBT001
    """Measure NAME, such as crossbar or events, or everything, on one thread.

    Each row is one figure: ours, the peer's, and how many times better ours is (for times, peer / ours). A target is
    the least ratio we mean to have.
    """
    with one_thread():
        from experiments.benches import benches, measure

        rows: list[dict[str, Any]] = []
        for bench in benches(name):
            with progress_bar(f"measuring {bench}") as on_progress:
                rows += measure(bench, on_progress, required=name is not None)
    failed = check and any(row["meets"] is False for row in rows)
    return Answer(rows, _table(rows), exit_code=1 if failed else 0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold numerical libraries to one thread while the block runs, those not yet loaded for good."""
    import os

    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        limits: Any = nullcontext()
    else:
        import numpy.linalg  # noqa: F401  (only libraries that are loaded can be limited)

        limits = threadpool_limits(1)
    with limits:
        yield


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("figure", "ours", "peer", "ratio", "target", ""):
        table.add_column(heading, justify="left" if heading in {"figure", ""} else "right")
    for row in rows:
        if row["ratio"] is None:
            table.add_row(f"{row['bench']}: {row['missing']}", "", "", "", "", "missing")
            continue
        target = "" if row["target"] is None else f"{row['target']:g}"
        verdict = {True: "met", False: "below", None: ""}[row["meets"]]
        figure = f"{row['name']}, against {row['peer_name']}"
        table.add_row(figure, f"{row['ours']:.3g}", f"{row['peer']:.3g}", f"{row['ratio']:.3g}", target, verdict)
    return table
