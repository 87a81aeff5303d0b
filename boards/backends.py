"""The targets this package offers: ``qemu``, ``host``, ``serial``, ``tcp`` and ``replay``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, cast, get_args

from boards.board import Board
from boards.board_session import DriverSettings, Recovery
from boards.driver import BoardBackend
from boards.firmware import missing_tools
from boards.host import HostBoard
from boards.link import RetryPolicy
from boards.program import Kernel
from boards.qemu import MACHINES, QemuBoard, missing_for
from boards.replay_board import ReplayBoard
from boards.security import SECURITY_OPTIONS, Security
from boards.serial_board import SerialBoard
from boards.tcp_board import TcpBoard, parse_address
from hil.errors import InvalidValueError, UnknownNameError
from hil.ports import Capabilities
from hil.registry import refuse_unknown_options
from hil.types import TimeSource

__all__ = ["host", "qemu", "replay", "serial", "tcp"]

COMMON = ["attempt_timeout_s", "kernel", "read_back", "record", "recover", "timeout_s"]
VECTOR_BYTES, CHANNELS = 65536, 4096
"""What the firmware is built for where memory is plenty."""


def _exact(time_source: TimeSource) -> Capabilities:
    return Capabilities(exact=True, time_source=time_source, max_fan_in=VECTOR_BYTES, max_channels=CHANNELS)


def _one_of(options: Mapping[str, str], key: str, allowed: tuple[str, ...], default: str) -> str:
    value = options.get(key, default)
    if value not in allowed:
        raise UnknownNameError.of(f"{key} of a board", value, list(allowed))
    return value


def _number(options: Mapping[str, str], key: str, default: float) -> float:
    try:
        return float(options.get(key, default))
    except ValueError as error:
        message = f"{key} must be a number, but is {options[key]!r}"
        raise InvalidValueError(message) from error


def _settings(options: Mapping[str, str]) -> DriverSettings:
    default = RetryPolicy()
    policy = RetryPolicy(
        timeout_s=_number(options, "timeout_s", default.timeout_s),
        attempt_timeout_s=_number(options, "attempt_timeout_s", default.attempt_timeout_s),
    )
    return DriverSettings(
        policy=policy,
        recover=cast("Recovery", _one_of(options, "recover", get_args(Recovery), "raise")),
        kernel=cast("Kernel", _one_of(options, "kernel", get_args(Kernel), "auto")),
        read_back=_one_of(options, "read_back", ("yes", "no"), "yes") == "yes",
        record=Path(options["record"]) if "record" in options else None,
    )


class _Scheme:
    """What the factories share: options every board has, and how the target is spelled."""

    scheme: ClassVar[str]
    about: ClassVar[str]
    own_options: ClassVar[list[str]] = []

    def __call__(self, argument: str, options: Mapping[str, str]) -> BoardBackend:
        """Make a backend of what follows the target's first colon."""
        refuse_unknown_options(options, COMMON + self.own_options, of=self.scheme)
        name = f"{self.scheme}:{argument}" if argument else self.scheme
        opener = self._opener(argument, options)
        capabilities = self._capabilities(argument)
        return BoardBackend(name, opener, settings=_settings(options), capabilities=capabilities)

    def missing(self) -> str | None:
        """Say what must be installed before this can be used, or None."""
        return None

    def _opener(self, argument: str, options: Mapping[str, str]) -> Callable[[], Board]:
        raise NotImplementedError

    def _capabilities(self, argument: str) -> Capabilities | None:
        return None


class _Qemu(_Scheme):
    scheme = "qemu"
    about = f"the firmware on an emulated microcontroller: {', '.join(MACHINES)}; counts instructions"

    def missing(self) -> str | None:
        return missing_for("cortex-m4") or missing_for("riscv32")

    def _opener(self, argument: str, options: Mapping[str, str]) -> Callable[[], Board]:
        if argument not in MACHINES:
            raise UnknownNameError.of("emulated CPU", argument, list(MACHINES))
        return lambda: QemuBoard(argument)

    def _capabilities(self, argument: str) -> Capabilities | None:
        return None if argument == "stm32f4" else _exact("instructions")


class _Host(_Scheme):
    scheme = "host"
    about = "the firmware compiled for this machine: the same C as on a board, at full speed"

    def missing(self) -> str | None:
        return missing_tools("host")

    def _opener(self, argument: str, options: Mapping[str, str]) -> Callable[[], Board]:
        if argument:
            message = f"host takes no argument, but got {argument!r}"
            raise InvalidValueError(message)
        return HostBoard

    def _capabilities(self, argument: str) -> Capabilities | None:
        return _exact("wall")


class _Serial(_Scheme):
    scheme = "serial"
    about = (
        "a board on a UART: serial:///dev/ttyACM0?baud=115200, serial:rfc2217://host:port, serial:socket://host:port"
    )
    own_options: ClassVar[list[str]] = ["baud", "reset"]

    def missing(self) -> str | None:
        found = importlib.util.find_spec("serial") is not None
        return None if found else "pyserial (pip install 'neuromorphic-hil[boards]')"

    def _opener(self, argument: str, options: Mapping[str, str]) -> Callable[[], Board]:
        url = argument.removeprefix("//")
        if not url:
            message = "a serial target names a port, such as serial:///dev/ttyACM0"
            raise InvalidValueError(message)
        baud = int(_number(options, "baud", 115200))
        reset_by_dtr = _one_of(options, "reset", ("no", "dtr"), "no") == "dtr"
        return lambda: SerialBoard(url, baud=baud, reset_by_dtr=reset_by_dtr)


class _Tcp(_Scheme):
    scheme = "tcp"
    about = "a board that somebody serves: tcp://host:port, with token_file=F or ca=F&certificate=F&key=F"
    own_options: ClassVar[list[str]] = [*SECURITY_OPTIONS]

    def _opener(self, argument: str, options: Mapping[str, str]) -> Callable[[], Board]:
        host, port = parse_address(argument.removeprefix("//"))
        security = Security.from_options(options)
        return lambda: TcpBoard(host, port, security=security)


class _Replay(_Scheme):
    scheme = "replay"
    about = "a recorded session in place of the board: replay:session.jsonl, written with ?record=session.jsonl"

    def _opener(self, argument: str, options: Mapping[str, str]) -> Callable[[], Board]:
        path = Path(argument)
        if not path.is_file():
            message = f"there is no recorded session {argument!r}"
            raise InvalidValueError(message)
        return lambda: ReplayBoard(path)

    def _capabilities(self, argument: str) -> Capabilities | None:
        info = ReplayBoard(Path(argument)).info
        return Capabilities(
            exact=True,
            time_source=info.time_source,
            max_fan_in=info.vector_capacity,
            max_channels=info.channel_capacity,
        )


qemu = _Qemu()
host = _Host()
serial = _Serial()
tcp = _Tcp()
replay = _Replay()
