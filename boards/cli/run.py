"""``hil board load`` and ``infer``: put a network on a board, run it, and hold every integer against the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boards.cli.target import facts, open_board
from hil.cli import Answer, command, progress_bar

if TYPE_CHECKING:
    from hil.types import Int8Array, Telemetry

__all__ = ["infer_command", "load_command"]


@command("load", short_help="Put a network on a board.")
@click.argument("target")
@click.argument("network_name", metavar="[NETWORK]", default="digits")
def load_command(target: str, network_name: str) -> Answer:
    """Load NETWORK (a path or the name of a shipped one) on TARGET and have it proven by CRC.

    A board that is started by the command, such as qemu:cortex-m4, loses the network when the command ends; a real or
    served board keeps it.
    """
    from hil.registry import load_network

    network = load_network(network_name)
    backend = open_board(target)
    with progress_bar(f"loading {target}") as tell, backend.program(network, on_progress=tell) as session:
        document = {
            "target": backend.name,
            "network": network.name,
            "program_bytes": session.program_bytes,
            "program_crc": f"{session.program_crc:08x}",
            "already_there": session.already_there,
            "seconds": round(session.load_s, 4),
        }
    return Answer(document, facts(document))


@command("infer", short_help="Run windows on a board and hold every integer against the reference.")
@click.argument("target")
@click.option("--network", "network_name", default="digits", show_default=True, help="A path or a shipped network.")
@click.option("--features", type=click.Path(exists=True, path_type=Path), help="(n, d_in) int8 windows as .npy.")
@click.option(
    "--windows",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How many random windows without --features.",
)
@click.option(
    "--active",
    type=click.FloatRange(0.0, 1.0),
    default=0.05,
    show_default=True,
    help="Share of inputs of random windows that are not zero.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--verify/--no-verify", default=True, show_default=True, help="Compare every layer with exact software.")
@click.option("--record", type=click.Path(path_type=Path), help="Keep every byte as JSON lines, for replay:FILE.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the (n, d_out) float32 outputs as .npy.")
def infer_command(target: str, network_name: str, record: Path | None, out: Path | None, **choices: Any) -> Answer:
    """Run windows on TARGET; with verification, the first integer that differs is exit code 1."""
    import numpy as np

    from hil.registry import load_network

    network = load_network(network_name)
    features = _windows(network.d_in, choices)
    backend = open_board(target, **({"record": str(record)} if record is not None else {}))
    times = np.arange(len(features), dtype=np.int64)
    with progress_bar(f"running {target}") as tell, backend.program(network, on_progress=tell) as session:
        answer = session.infer(features, t_us=times, trace=choices["verify"], on_progress=tell)
    document: dict[str, Any] = {"target": backend.name, "network": network.name, "n": len(features)}
    document |= _cost(answer.telemetry, len(features))
    if out is not None:
        np.save(out, answer.outputs)
    exit_code = 0
    if choices["verify"]:
        from boards.verify import divergence_from_reference

        divergence = divergence_from_reference(network, features, answer, t_us=times)
        document["divergence"] = str(divergence) if divergence is not None else None
        exit_code = 0 if divergence is None else 1
    document["provenance"] = dict(answer.telemetry.provenance)
    return Answer(document, facts(document), exit_code)


def _windows(d_in: int, choices: dict[str, Any]) -> Int8Array:
    import numpy as np

    from hil.rng import stream

    if choices["features"] is not None:
        return _read(choices["features"])
    rng = stream(choices["seed"], "hil board infer")
    features = rng.integers(-128, 128, (choices["windows"], d_in)).astype(np.int8)
    features[rng.random(features.shape) >= choices["active"]] = 0
    return features


def _read(path: Path) -> Int8Array:
    import numpy as np

    from hil.errors import FormatError

    try:
        given = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FormatError(f"{path} must be windows as numpy.save writes them, but is not") from error
    if not isinstance(given, np.ndarray) or given.dtype != np.int8 or given.ndim != 2 or not len(given):
        found = f"{given.shape} {given.dtype}" if isinstance(given, np.ndarray) else "an archive"
        raise FormatError(f"{path} must hold at least one window, (n, d_in) int8, but holds {found}")
    return given


def _cost(telemetry: Telemetry, n: int) -> dict[str, Any]:
    counters = telemetry.counters
    wire = counters["link_wire_bytes"]
    unit = {"wall": "seconds"}.get(telemetry.time_source, telemetry.time_source)
    return {
        f"{unit}_per_inference": telemetry.time / n if n else None,
        "wall_seconds_per_inference": counters["wall_s"] / n if n else None,
        "link_bytes_per_inference": wire / n if n else None,
        "link_overhead": 1.0 - counters["link_payload_bytes"] / wire if wire else None,
        "link_retries": int(counters["link_retries"]),
        "load_seconds": counters["load_wall_s_max"],
    }
