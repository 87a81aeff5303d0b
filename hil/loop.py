"""The line, top to bottom: windows, substrate, embeddings, gate, codec, mesh, alignment, meaning at the receiver."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hil.blame import blamed_on
from hil.errors import InvalidValueError
from hil.inference import infer, programmed
from hil.network import CaptionSet, TernaryNetwork
from hil.ports import Backend, Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.sep.align import Alignment, choose_alignment
from hil.sep.codec import codec_named, codec_of
from hil.sep.framing import frame
from hil.sep.gate import DistanceGate, GateTrace
from hil.sep.mesh import MemoryMesh
from hil.sep.messages import MAX_TTL, SemanticEvent
from hil.sep.vectors import unit
from hil.types import FeatureBatch, Float32Array, Inference, Int64Array, LayerTrace, Telemetry

__all__ = ["EDGES", "RECEIVER", "SENDER", "LineSettings", "Received", "Trace", "Wire", "run_line"]

SENDER, RECEIVER = "sensor", "receiver"
EDGES = ((SENDER, "relay-1"), ("relay-1", RECEIVER), (SENDER, "relay-2"), ("relay-2", RECEIVER))
ANCHOR_SHARE = 4  # at most one window in four is an anchor, so that most windows can judge the alignment
NO_CAPTION = -1


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What the line does after the substrate.

    Attributes:
        gate_threshold: Cosine distance above which a meaning is sent; None takes the network's own.
        codec: How vectors are written: ``float32``, ``int8``, ``ternary`` or ``base3``.
        ttl: Hops a message may make; the receiver is two away.
        loss: Share of copies that each link loses, 0 to 1.
        anchors: Windows that sender and receiver both encode to align their spaces; 0 aligns nothing.
    """

    gate_threshold: float | None = None
    codec: str = "ternary"
    ttl: int = 3
    loss: float = 0.0
    anchors: int = 16

    def __post_init__(self) -> None:
        """Refuse what no line can do."""
        codec_named(self.codec)
        DistanceGate(0.0 if self.gate_threshold is None else self.gate_threshold)
        if not 0 <= self.ttl <= MAX_TTL:
            raise InvalidValueError(f"a message makes 0 to {MAX_TTL} hops, but ttl is {self.ttl}")
        if self.anchors < 0:
            raise InvalidValueError(f"the number of anchors must be zero or positive, but is {self.anchors}")
        if not 0.0 <= self.loss <= 1.0:
            raise InvalidValueError(f"loss is the share of copies that a link loses, 0 to 1, but is {self.loss}")


@dataclass(frozen=True, slots=True)
class Wire:
    """What the messages weighed, in bytes.

    Attributes:
        packets: Messages the gate let through.
        vector_bytes: Their vectors alone.
        message_bytes: Their protobuf messages.
        wire_bytes: Those framed, as the sender puts them on one link.
        mesh_bytes: Every copy on every link.
        copies: Number of those copies.
        anchor_bytes: What telling the receiver about the anchors costs once, as float32; 0 where both nodes run the
            same encoder.
    """

    packets: int
    vector_bytes: int
    message_bytes: int
    wire_bytes: int
    mesh_bytes: int
    copies: int
    anchor_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """What the receiver made of the messages that reached it.

    Attributes:
        windows: (n_arrived,) int64, the window each message is about.
        embeddings: (n_arrived, d_out) float32, decoded and carried into the receiver's space.
        captions: (n_arrived,) int64 nearest caption of each, -1 without captions.
        beliefs: (n,) int64 what the receiver holds true at the end of each window: the caption of the last message
            that reached it, -1 before the first.
    """

    windows: Int64Array
    embeddings: Float32Array
    captions: Int64Array
    beliefs: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Everything one substrate made of a stream.

    Attributes:
        target: The substrate's name.
        capabilities: What it promises.
        outputs: (n, d_out) float32 as the substrate gave them.
        embeddings: (n, d_out) float32 unit vectors.
        layers: What each layer computed, empty when the substrate does not say.
        telemetry: What inference cost.
        captions: (n,) int64 nearest caption of each embedding, -1 without captions or direction.
        gate: What the gate decided.
        wire: What was sent weighed.
        anchors: (n_anchors,) int64 windows that both nodes encoded.
        alignment: From the sender's into the receiver's space.
        received: What arrived.
        program_s: Wall seconds to program the substrate.
        infer_s: Wall seconds to infer every window.
    """

    target: str
    capabilities: Capabilities
    outputs: Float32Array
    embeddings: Float32Array
    layers: tuple[LayerTrace, ...]
    telemetry: Telemetry
    captions: Int64Array
    gate: GateTrace
    wire: Wire
    anchors: Int64Array
    alignment: Alignment
    received: Received
    program_s: float = field(default=0.0)
    infer_s: float = field(default=0.0)


def run_line(  # noqa: PLR0913  (the line has that many ends)
    features: FeatureBatch,
    network: TernaryNetwork,
    backend: Backend,
    *,
    seed: int,
    settings: LineSettings | None = None,
    shared: Float32Array | None = None,
    name: str | None = None,
    on_program: OnProgress = ignore_progress,
    on_progress: OnProgress = ignore_progress,
) -> Trace:
    """Take a stream from its windows to what a distant receiver believes it means.

    Args:
        features: The windows.
        network: The encoder.
        backend: The substrate that runs it.
        seed: Of the substrate, the choice of anchors and the losses of the mesh.
        settings: What happens after the substrate.
        shared: (n, d_out) the receiver's own embeddings of the same windows, of which only the anchors are used;
            None when the receiver runs the same encoder.
        name: What to call the substrate; its own name when not given.
        on_program: Called while the substrate is programmed, if that takes long.
        on_progress: Called with the windows inferred and their total.

    Raises:
        HilError: The windows do not fit, the substrate is missing or answers wrongly.
    """
    settings = settings or LineSettings()
    threshold = network.gate_threshold if settings.gate_threshold is None else settings.gate_threshold
    target = name or backend.name
    with blamed_on(target, "saying what it promises"):
        capabilities = backend.capabilities

    inference, program_s, infer_s = _run(backend, network, features, seed, target, (on_program, on_progress))
    embeddings = unit(inference.outputs)
    gate = DistanceGate(threshold).run(embeddings)
    anchors = _anchors(len(features), settings.anchors, seed)
    alignment = choose_alignment(embeddings[anchors], (embeddings if shared is None else shared)[anchors])
    encoder_id = _encoder_id(network, target)
    sent_windows = np.flatnonzero(gate.sent)
    messages = _write(embeddings, sent_windows, features, encoder_id, settings)
    mesh = MemoryMesh(EDGES, loss=settings.loss, rng=stream(seed, "line", "mesh") if settings.loss else None)
    arrived = _send(mesh, messages)
    heard = _read(arrived, {encoder_id: alignment}, dimensions=network.d_out)
    windows = sent_windows[[event.sequence for event in arrived]].astype(np.int64)
    captions = _nearest(network.captions, heard)

    return Trace(
        target=target,
        capabilities=capabilities,
        outputs=inference.outputs,
        embeddings=embeddings,
        layers=inference.layers,
        telemetry=inference.telemetry,
        captions=_nearest(network.captions, embeddings),
        gate=gate,
        wire=_weigh(messages, mesh, anchor_values=0 if shared is None else embeddings[anchors].size),
        anchors=anchors,
        alignment=alignment,
        received=Received(windows, heard, captions, _beliefs(len(features), windows, captions)),
        program_s=program_s,
        infer_s=infer_s,
    )


def _run(
    backend: Backend,
    network: TernaryNetwork,
    features: FeatureBatch,
    seed: int,
    name: str,
    listeners: tuple[OnProgress, OnProgress],
) -> tuple[Inference, float, float]:
    on_program, on_progress = listeners
    started = time.perf_counter()
    with programmed(backend, network, seed=seed, name=name, on_progress=on_program) as session:
        ready = time.perf_counter()
        inference = infer(session, network, features, trace=True, name=name, on_progress=on_progress)
        return inference, ready - started, time.perf_counter() - ready


def _anchors(n: int, wanted: int, seed: int) -> Int64Array:
    """Return the sorted windows that both nodes encode to align their spaces."""
    drawn = stream(seed, "line", "anchors").choice(n, size=min(wanted, n // ANCHOR_SHARE), replace=False)
    return np.sort(drawn).astype(np.int64)


def _encoder_id(network: TernaryNetwork, target: str) -> str:
    return hashlib.sha256(f"{network.digest} {target}".encode()).hexdigest()[:8]


def _write(
    embeddings: Float32Array, windows: Int64Array, features: FeatureBatch, encoder_id: str, settings: LineSettings
) -> list[SemanticEvent]:
    codec = codec_named(settings.codec)
    return [
        SemanticEvent(
            node_id=SENDER,
            timestamp_ms=int(features.t_end_us[window]) // 1000,
            vector=codec.encode(embeddings[window]),
            dimensions=embeddings.shape[1],
            ttl=settings.ttl,
            packing=codec.packing,
            encoder_id=encoder_id,
            sequence=sequence,
        )
        for sequence, window in enumerate(windows)
    ]


def _send(mesh: MemoryMesh, messages: Sequence[SemanticEvent]) -> list[SemanticEvent]:
    """Return the messages that the receiver hears, in order."""
    return [delivery.event for event in messages for delivery in mesh.publish(event) if delivery.node_id == RECEIVER]


def _read(events: Sequence[SemanticEvent], alignments: dict[str, Alignment], *, dimensions: int) -> Float32Array:
    """Return (n_arrived, dimensions) embeddings, each carried into the receiver's space by its encoder's alignment."""
    heard = np.empty((len(events), dimensions), np.float32)
    for row, event in zip(heard, events, strict=True):
        row[:] = alignments[event.encoder_id].apply(codec_of(event.packing).decode(event.vector, event.dimensions))
    return heard


def _nearest(captions: CaptionSet | None, embeddings: Float32Array) -> Int64Array:
    if captions is None:
        return np.full(len(embeddings), NO_CAPTION, np.int64)
    return np.where(embeddings.any(axis=1), captions.nearest(embeddings), NO_CAPTION)


def _beliefs(n: int, windows: Int64Array, captions: Int64Array) -> Int64Array:
    latest = np.searchsorted(windows, np.arange(n), side="right") - 1
    return np.where(latest >= 0, captions[latest] if len(captions) else NO_CAPTION, NO_CAPTION).astype(np.int64)


def _weigh(messages: Sequence[SemanticEvent], mesh: MemoryMesh, *, anchor_values: int) -> Wire:
    written = [event.to_bytes() for event in messages]
    return Wire(
        packets=len(messages),
        vector_bytes=sum(len(event.vector) for event in messages),
        message_bytes=sum(map(len, written)),
        wire_bytes=sum(len(frame(message)) for message in written),
        mesh_bytes=mesh.bytes_carried,
        copies=mesh.copies,
        anchor_bytes=4 * anchor_values,
    )
