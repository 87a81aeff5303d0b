"""One reference, any number of targets, one stream: who departs, where, and what it means."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hil.compare.agreement import Agreement, accuracy, agree
from hil.compare.document import comparison_document
from hil.compare.layers import Divergence, LayerError, compare_layers, first_divergence
from hil.compare.requirements import Judgement, Requirement
from hil.compare.table import comparison_table
from hil.errors import VerificationError
from hil.loop import LineSettings, Trace, run_line
from hil.manifest import Manifest, RecordingStamp, make_manifest
from hil.network import TernaryNetwork
from hil.ports import Backend
from hil.progress import OnProgress, ignore_progress
from hil.registry import open_target
from hil.targets import files_of, shown
from hil.types import FeatureBatch, Int64Array
from hil.words import count

__all__ = ["Comparison", "TargetComparison", "compare"]


@dataclass(frozen=True, slots=True, eq=False)
class TargetComparison:
    """One target beside the reference.

    Attributes:
        trace: What the target made of the stream; its layers are gone once they were compared.
        held_to_exactness: Whether a single differing integer fails it: both it and the reference promise the integer
            contract.
        layers: Error of each layer that both traced.
        divergence: Where it first departs; None if nowhere.
        agreement: What the departure means.
        judgements: What became of each requirement.
    """

    trace: Trace
    held_to_exactness: bool
    layers: tuple[LayerError, ...]
    divergence: Divergence | None
    agreement: Agreement
    judgements: tuple[Judgement, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it keeps its promise and meets every requirement."""
        broken = self.held_to_exactness and self.divergence is not None
        return not broken and all(judgement.met for judgement in self.judgements)

    @property
    def verdict(self) -> str:
        """The same in words."""
        met = sum(judgement.met for judgement in self.judgements)
        asked = f"meets {met} of {len(self.judgements)}" if self.judgements else ""
        same = "identical" if self.divergence is None else "differs" if self.held_to_exactness else ""
        return ", ".join(filter(None, (same, asked))) or "not judged"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison:
    """A stream on one reference and any number of targets; printing it prints the table.

    Attributes:
        network: The encoder.
        features: The windows.
        settings: What the line did after the substrates.
        reference: The reference's trace.
        targets: The others beside it.
        requirements: What the caller asked of every target.
        truth: (n,) int64 index of each window's true caption, -1 where nobody knows; None without labels.
        manifest: What the result rests on.
        started: When it ran, in UTC, ISO 8601.
        total_s: Wall seconds it took.
    """

    network: TernaryNetwork
    features: FeatureBatch
    settings: LineSettings
    reference: Trace
    targets: tuple[TargetComparison, ...]
    requirements: tuple[Requirement, ...]
    truth: Int64Array | None
    manifest: Manifest
    started: str
    total_s: float

    @property
    def passed(self) -> bool:
        """Whether every target passed."""
        return all(target.passed for target in self.targets)

    @property
    def gate_threshold(self) -> float:
        """Cosine distance above which a meaning was sent."""
        own = self.settings.gate_threshold
        return self.network.gate_threshold if own is None else own

    @property
    def reference_accuracy(self) -> float | None:
        """Share of labelled windows whose nearest caption on the reference is the true one; None without labels."""
        return accuracy(self.reference, self.truth)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The reference's trace, then the targets'."""
        return self.reference, *(target.trace for target in self.targets)

    @property
    def headline(self) -> str:
        """The verdict on all targets in one line: who failed, how many passed and why, how many nobody judged."""
        failed = [target.trace.target for target in self.targets if not target.passed]
        judged = [target for target in self.targets if target.verdict != "not judged"]
        if not judged:
            return f"{count(len(self.targets), 'target')} shown, none judged"
        passed = [target for target in judged if target.passed]
        identical = sum(target.divergence is None for target in passed)
        counts = {"identical": identical, "as required": len(passed) - identical}
        parts = {
            "failed": ", ".join(failed),
            "passed": ", ".join(f"{number} {what}" for what, number in counts.items() if number),
            "not judged": str(len(self.targets) - len(judged)) if len(judged) < len(self.targets) else "",
        }
        said = "; ".join(f"{verdict}: {who}" for verdict, who in parts.items() if who)
        return said[0].upper() + said[1:]

    @property
    def exit_code(self) -> int:
        """What a script sees: 0 when every target passed, 1 otherwise."""
        return 0 if self.passed else VerificationError.exit_code

    def as_document(self) -> dict[str, Any]:
        """Return the comparison as ``report.json`` holds it; ``docs/report.md`` explains every key."""
        return comparison_document(self)

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{target.trace.target}: {target.verdict}" for target in self.targets)
        return f"<Comparison of {len(self.features)} windows with {self.reference.target}; {verdicts}>"

    def __str__(self) -> str:
        return comparison_table(self)


def compare(  # noqa: PLR0913  (each answers another question, most have an answer already)
    features: FeatureBatch,
    network: TernaryNetwork,
    reference: str | Backend = "ternary",
    targets: Sequence[str | Backend] = ("float",),
    *,
    seed: int = 0,
    settings: LineSettings | None = None,
    requirements: Sequence[Requirement | str] = (),
    truth: Int64Array | None = None,
    recording: RecordingStamp | None = None,
    command: str | None = None,
    on_program: OnProgress = ignore_progress,
    on_progress: OnProgress = ignore_progress,
) -> Comparison:
    """Run one stream on a reference and on targets, and lay the traces side by side.

    Args:
        features: The windows.
        network: The encoder.
        reference: A target's name, or a backend.
        targets: More of them, at least one; a lone name will do.
        seed: Of everything random.
        settings: What the line does after the substrate.
        requirements: What every target must meet, as values or as ``gate_agreement=0.95``.
        truth: (n,) index of each window's true caption, -1 where nobody knows.
        recording: Which recording the windows come from, for the manifest.
        command: The command that repeats the run, for the manifest.
        on_program: Called while a substrate is programmed, if that takes long.
        on_progress: Called with the windows inferred on all substrates and their total.

    Raises:
        VerificationError: There is nothing to compare: no windows, or no targets.
        HilError: A substrate is unknown, missing, or does not fit.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    _require_something(features, targets)
    settings = settings or LineSettings()
    asked = tuple(Requirement.parse(x) if isinstance(x, str) else x for x in requirements)
    named = [(_name(x), open_target(x) if isinstance(x, str) else x) for x in (reference, *targets)]
    steps = _Steps(len(features), len(named), on_progress)
    run = partial(run_line, features, network, seed=seed, settings=settings, on_program=on_program)
    (name, backend), *others = named
    base = run(backend, name=name, on_progress=steps.next())
    compared = []
    for name, backend in others:
        trace = run(backend, name=name, shared=base.embeddings, on_progress=steps.next())
        compared.append(_lay_beside(base, trace, network, asked, truth))
    names = [name for name, _ in named]
    files = _files((reference, *targets))
    return Comparison(
        network=network,
        features=features,
        settings=settings,
        reference=replace(base, layers=()),
        targets=tuple(compared),
        requirements=asked,
        truth=truth,
        manifest=make_manifest(features, network, names, seed=seed, recording=recording, command=command, files=files),
        started=started,
        total_s=time.perf_counter() - clock,
    )


def _require_something(features: FeatureBatch, targets: Sequence[str | Backend]) -> None:
    if not len(features):
        raise VerificationError("nothing was compared: the recording gives no windows")
    if not targets:
        raise VerificationError("nothing was compared: there is a reference, but no target to compare with it")


def _name(target: str | Backend) -> str:
    return shown(target) if isinstance(target, str) else target.name


def _files(targets: Sequence[str | Backend]) -> dict[str, str]:
    return {name: found for x in targets if isinstance(x, str) for name, found in files_of(x).items()}


def _lay_beside(
    reference: Trace,
    trace: Trace,
    network: TernaryNetwork,
    requirements: tuple[Requirement, ...],
    truth: Int64Array | None,
) -> TargetComparison:
    n_captions = len(network.captions.texts) if network.captions is not None else 0
    result = TargetComparison(
        trace=replace(trace, layers=()),
        held_to_exactness=reference.capabilities.exact and trace.capabilities.exact,
        layers=compare_layers(reference, trace),
        divergence=first_divergence(reference, trace, network),
        agreement=agree(reference, trace, n_captions=n_captions, truth=truth),
    )
    return replace(result, judgements=tuple(requirement.judge(result) for requirement in requirements))


class _Steps:
    """Adds the progress of several substrates up to one."""

    def __init__(self, n_windows: int, n_substrates: int, on_progress: OnProgress) -> None:
        self._n_windows = n_windows
        self._total = n_windows * n_substrates
        self._done = -n_windows
        self._on_progress = on_progress

    def next(self) -> OnProgress:
        """Return the listener of the next substrate."""
        self._done += self._n_windows
        done = self._done
        return lambda windows, _: self._on_progress(done + windows, self._total)
