"""``hil evaluate``: how well a network says what labelled recordings show, on any target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar

if TYPE_CHECKING:
    from experiments.scoring import Score
    from hil.network import TernaryNetwork

__all__ = ["evaluate_command"]


@command("evaluate", short_help="Score a network on labelled recordings.")
@click.argument("network")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--target", default="ternary", show_default=True, help="Where to run it, such as crossbar:rram_wan2022.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the target's devices.")
@click.option("--held-out", is_flag=True, help="Only the recordings that training held out of this data set.")
def evaluate_command(network: str, dataset: Path, target: str, seed: int, held_out: bool) -> Answer:  # noqa: FBT001
    """Score NETWORK, a path or a shipped name, on DATASET: a folder or zip of recordings with a label file.

    DATASET may be a recording with labels beside it, too, or the name of a shipped one.
    """
    from experiments.evaluation import evaluate, trained_on
    from hil.registry import load_network, open_target

    encoder = load_network(network)
    backend = open_target(target)
    with (
        progress_bar("reading recordings") as on_data,
        progress_bar(f"programming {target}") as on_program,
        progress_bar(f"inferring on {target}") as on_window,
    ):
        score = evaluate(
            encoder,
            dataset,
            backend=backend,
            seed=seed,
            held_out=held_out,
            on_data=on_data,
            on_program=on_program,
            on_window=on_window,
        )
    learned = 0 if held_out else trained_on(encoder, dataset, score.n)
    document = {**_document(encoder, score, target=target, seed=seed), "trained_on": learned}
    return Answer(document, _text(encoder, score, target, learned))


def _document(network: TernaryNetwork, score: Score, *, target: str, seed: int) -> dict[str, Any]:
    return {
        **score.as_document(),
        "network": network.name,
        "digest": network.digest,
        "target": target,
        "seed": seed,
        "gate_threshold": network.gate_threshold,
    }


def _text(network: TernaryNetwork, score: Score, target: str, learned: int) -> str:
    captions = network.captions.texts if network.captions else ()
    lines = [
        f"{network.name} on {target}: {score.accuracy:.1%} of {score.n} windows nearest to their caption",
        f"cosine to caption {score.cosine_to_caption:.3f}; gate sends {score.gate_sent}, "
        f"{score.gate_flips} decisions differ from the reference",
    ]
    if learned:
        lines.append(f"{learned} of them were trained on; --held-out scores the other {score.n - learned}")
    lines += [
        f"  {accuracy:6.1%}  {text}"
        for text, accuracy in zip(captions, score.accuracy_by_class, strict=True)
        if accuracy is not None
    ]
    if score.neurobench and score.arrays:
        nb, arrays = score.neurobench, score.arrays
        lines += [
            f"NeuroBench: {nb.footprint_bytes:,} B, connection sparsity {nb.connection_sparsity:.1%}, activation "
            f"sparsity {nb.activation_sparsity:.1%}; a window takes {nb.effective_macs:,.0f} MACs and "
            f"{nb.effective_acs:,.0f} ACs of {nb.dense_operations:,.0f} dense operations",
            f"packed: {arrays.packed_bytes:,} B; on 128x128 arrays a window drives {arrays.driven_rows:,.0f} rows, "
            f"reads {arrays.cell_reads:,.0f} of {arrays.cells:,} cells and converts {arrays.adc_conversions:,} times",
        ]
    return "\n".join(lines)
