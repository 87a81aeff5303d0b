"""The few abstractions everything hangs on; each has a conformance suite in ``hil.testing``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from hil.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hil.network import TernaryNetwork
    from hil.types import (
        EnergySource,
        EventBatch,
        Float64Array,
        Geometry,
        Inference,
        Int8Array,
        Int64Array,
        Loss,
        TimeSource,
    )

__all__ = [
    "Backend",
    "BackendFactory",
    "Capabilities",
    "ConfigurableFormat",
    "DeviceModel",
    "EventSource",
    "IndependentReading",
    "Link",
    "Recording",
    "Session",
    "SourceFormat",
    "Transport",
    "VerifiableFormat",
    "WeightFormat",
]


@runtime_checkable
class EventSource(Protocol):
    """Anything that yields events in time order: a file, a camera, a model of one."""

    @property
    def geometry(self) -> Geometry:
        """Size of the sensor."""
        ...

    def __iter__(self) -> Iterator[EventBatch]:
        """Yield time-ordered, non-empty batches; no batch starts before the previous one ends."""
        ...


class Recording(EventSource, Protocol):
    """An event source that is a file: it can be read again from the start, and closed."""

    format: str

    @property
    def lost(self) -> Loss | None:
        """What salvage could not read so far; None for a sound file."""
        ...

    def close(self) -> None:
        """Release the file; may be called twice."""
        ...


class SourceFormat(Protocol):
    """One way to store events, found by content; registered under ``hil.sources``."""

    name: str
    about: str

    def recognises(self, head: bytes, path: Path) -> bool:
        """Say whether a file starting with ``head`` (up to 4096 bytes) is of this format; never raises."""
        ...

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> Recording:
        """Open a recording.

        Args:
            path: The file.
            options: Format-specific settings as text; an unknown key is an error.
            salvage: Whether to step over damage and account for it instead of raising.

        Raises:
            DamagedFileError: The file is broken and ``salvage`` is False.
            FormatError: The file is of another format.
        """
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend promises.

    Attributes:
        exact: Whether it must reproduce the integer contract bit for bit. A difference of an exact backend is a
            failed comparison; an analog one is judged by what the caller requires.
        time_source: What its telemetry's time counts.
        energy_source: Where its telemetry's energy comes from.
        max_fan_in: Longest weight row it can hold, or None for no limit.
        max_channels: Most weight rows in a layer, or None for no limit.
        convolution: Whether layers with patches run.
    """

    exact: bool
    time_source: TimeSource = "wall"
    energy_source: EnergySource = "none"
    max_fan_in: int | None = None
    max_channels: int | None = None
    convolution: bool = True


class Session(Protocol):
    """A programmed substrate, ready to infer; a context manager, for one thread at a time.

    Inherit ``hil.closing.Closing`` to be a context manager with ``close`` alone.
    """

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        """Run windows through the network.

        Args:
            features: (n, d_in) int8.
            t_us: (n,) int64 stream time of each window, never decreasing; drift and correlated noise follow it.
            trace: Whether to return what each layer computed.
        """
        ...

    def close(self) -> None:
        """Release the substrate; may be called twice."""
        ...

    def __enter__(self) -> Self:
        """Return the session."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the session."""
        ...


class Backend(Protocol):
    """A substrate that runs ternary networks: exact software, an emulator, a board."""

    name: str

    @property
    def capabilities(self) -> Capabilities:
        """What this backend promises."""
        ...

    def program(self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress) -> Session:
        """Put a network on the substrate, ready to answer.

        What compiles or loads when it is first used is used here, so that the time of ``infer`` is the substrate's.

        Args:
            network: What to program.
            seed: Of everything random in the substrate.
            on_progress: Called with (done, total) by whoever takes long; others may leave it alone.

        Raises:
            InvalidValueError: The network does not fit.
            TargetUnavailableError: The substrate cannot be reached.
        """
        ...


class BackendFactory(Protocol):
    """Makes a backend from a target such as ``crossbar:rram_wan2022?tile=64``; registered under ``hil.backends``."""

    about: str

    def __call__(self, argument: str, options: Mapping[str, str]) -> Backend:
        """Make a backend.

        Args:
            argument: What follows the first colon of the target, without the options; may be empty.
            options: What follows ``?``, as text; an unknown key is an error.
        """
        ...

    def missing(self) -> str | None:
        """Say what must be installed before this can be used, or None."""
        ...


class WeightFormat(Protocol):
    """One way to write a network for hardware; registered under ``hil.weight_formats``."""

    name: str
    about: str
    suffix: str

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the network as bytes."""
        ...

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network that ``encode`` was given.

        Raises:
            FormatError: The bytes are foreign, truncated, altered or of a newer version.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class IndependentReading:
    """What somebody else's reader found in an exported file.

    Attributes:
        reader: Its name and version.
        weights: Codes per layer, (channels, fan_in) int8.
        run: Runs (n, d_in) int8 features in the reader's own way and returns the (n, d_out) accumulators plus bias of
            the last layer; None where the reader only reads.
        most_windows: How many windows are worth running, where each takes a simulator seconds; None for no limit.
    """

    reader: str
    weights: Sequence[Int8Array]
    run: Callable[[Int8Array], NDArray[Any]] | None = None
    most_windows: int | None = None


@runtime_checkable
class VerifiableFormat(Protocol):
    """A weight format that another program can read back."""

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read a file with a reader we did not write.

        Args:
            blob: The file.
            network: Tells the shapes to expect; its codes are not looked at.

        Raises:
            MissingError: The reader is not installed.
            FormatError: The reader refuses the file.
        """
        ...


@runtime_checkable
class ConfigurableFormat(Protocol):
    """A weight format that is written for a certain device; a file says for which, so reading it needs no options."""

    def having(self, options: Mapping[str, str]) -> WeightFormat:
        """Return the format with other settings.

        Args:
            options: As text; an unknown key is an error.
        """
        ...


class DeviceModel(Protocol):
    """What a memristive cell does with a conductance it is told to hold."""

    name: str

    def program(self, target_siemens: Float64Array, *, rng: np.random.Generator) -> Any:
        """Return the state of (rows, columns) devices after programming towards their targets."""
        ...

    def read(self, state: Any, *, t_s: float, rng: np.random.Generator) -> Float64Array:
        """Return (rows, columns) conductances in siemens, ``t_s`` seconds after programming."""
        ...


class Transport(Protocol):
    """A stream of bytes to a board."""

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Send every byte.

        Raises:
            DeadlineError: Not all bytes were taken in time.
            TargetUnavailableError: The other side is gone.
        """
        ...

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return between 1 and ``n_bytes`` bytes, as soon as there are any.

        Raises:
            DeadlineError: Nothing arrived in time.
            TargetUnavailableError: The other side is gone.
        """
        ...

    def close(self) -> None:
        """Release the transport; may be called twice."""
        ...


class Link(Protocol):
    """Carries whole messages between neighbouring mesh nodes; registered under ``hil.links``."""

    def send(self, message: bytes, *, timeout_s: float) -> None:
        """Send one message to every neighbour on this link."""
        ...

    def receive(self, *, timeout_s: float) -> bytes:
        """Return the next message.

        Raises:
            DeadlineError: Nothing arrived in time.
        """
        ...

    def close(self) -> None:
        """Release the link; may be called twice."""
        ...
