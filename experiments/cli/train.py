"""``hil train``: from recordings to a frozen ternary network, reproducible from one command."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar
from hil.errors import InvalidValueError

if TYPE_CHECKING:
    from experiments.training import Trained
    from experiments.training_config import TrainingConfig

__all__ = ["train_command"]


@command("train", short_help="Train a ternary encoder from recordings.")
@click.argument("config")
@click.option("--dataset", type=click.Path(path_type=Path), help="Learn from these recordings instead of the config's.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the network [default: NAME.safetensors].")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the config's.")
@click.option("--device", help="A torch device such as cuda, instead of the config's.")
@click.option("--checkpoints", type=click.Path(path_type=Path), help="Keep the state here after every epoch; go on.")
@click.option("--report", type=click.Path(path_type=Path), help="Write a page with the curves of the training.")
@click.option("--card", type=click.Path(path_type=Path), help="Write a model card, scored on every preset.")
@click.option(
    "--text-model", help="Recompute the captions with this local or named sentence-transformers model, beside OUT."
)
def train_command(
    config: str,
    dataset: Path | None,
    out: Path | None,
    seed: int | None,
    device: str | None,
    checkpoints: Path | None,
    text_model: str | None,
    **pages: Path | None,
) -> Answer:
    """Train the encoder that CONFIG describes: a path, or the name of a shipped configuration."""
    from experiments.training import Run, train
    from experiments.training_config import load_config, recompute_captions
    from experiments.training_report import page
    from hil.files import write_whole
    from hil.registry import weight_format_for

    settings = load_config(config).changed(recordings=dataset, seed=seed, device=device)
    out = out or Path(f"{settings.name}.safetensors")
    weight_format = weight_format_for(out)
    for path in filter(None, (out, *pages.values())):
        _make_ready(path)
    if text_model:
        settings = recompute_captions(settings, text_model, out.with_name(f"{out.name.split('.')[0]}.captions.npz"))
    with progress_bar("reading recordings") as on_data, progress_bar("learning") as on_epoch:
        trained = train(settings, Run(checkpoints, on_data, on_epoch))
    write_whole(out, weight_format.encode(trained.network))
    if pages["report"]:
        pages["report"].write_text(page(settings, trained), encoding="utf-8")
    if pages["card"]:
        _write_card(pages["card"], settings, trained, command=f"hil train {config}")
    return Answer(_document(trained, out), _text(trained, out))


def _write_card(path: Path, settings: TrainingConfig, trained: Trained, *, command: str) -> None:
    from experiments import model_card

    with progress_bar("scoring on every preset") as on_target:
        lines = model_card.scores(settings, trained, on_progress=on_target)
    path.write_text(model_card.card(settings, trained, lines, command=command), encoding="utf-8")


def _make_ready(path: Path) -> None:
    """Refuse a file that cannot be written before minutes are spent on what goes into it."""
    with suppress(FileExistsError, NotADirectoryError):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidValueError(f"{path} must be a file in a folder that can be written to, but is not; name another")


def _document(trained: Trained, out: Path) -> dict[str, Any]:
    score, emulated = trained.score, trained.emulated_score
    return {
        "network": str(out),
        "name": trained.network.name,
        "digest": trained.network.digest,
        "accuracy": score.accuracy if score else None,
        "n": score.n if score else 0,
        "cosine_to_caption": score.cosine_to_caption if score else None,
        "emulated": emulated.as_document() if emulated else None,
    }


def _text(trained: Trained, out: Path) -> str:
    lines = [f"{trained.network.name} -> {out}, digest {trained.network.digest[:12]}"]
    for what, score in (("recordings", trained.score), ("emulated samples", trained.emulated_score)):
        if score:
            lines.append(
                f"held-out {what}: {score.accuracy:.1%} of {score.n}, cosine to caption {score.cosine_to_caption:.3f}"
            )
    return "\n".join(lines)
