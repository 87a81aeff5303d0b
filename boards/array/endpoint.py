"""The board's end: the array verbs over any cells, with every limit enforced and every pulse counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from boards.array.limits import ArrayLimits, Pulse, PulseKind
from boards.array.programming import Goal, program_cells
from boards.array.strategies import STRATEGIES, Strategy
from boards.array.wire import Floats, WriteOrder, decode_json, decode_pulse, encode_json
from boards.link import Endpoint, Handler, RefusedError, Status, Verb
from hil.errors import InvalidValueError, LinkError
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = ["ArrayEndpoint", "Cells"]

READ_VOLT = 0.2


class Cells(Protocol):
    """What the board drives: an emulated array, or the pins of a real one."""

    rows: int
    columns: int
    device: Any

    def form(self, chosen: BoolArray, *, line_volt: float, gate_volt: float, width_s: float) -> None:
        """Pulse the chosen cells hard enough to make a filament."""
        ...

    def set(self, chosen: BoolArray, *, line_volt: float, gate_volt: float, width_s: float) -> None:
        """Pulse the chosen cells towards high conductance."""
        ...

    def reset(self, chosen: BoolArray, *, line_volt: float, gate_volt: float, width_s: float) -> None:
        """Pulse the chosen cells towards low conductance."""
        ...

    def read(self, *, volt: float) -> Float64Array:
        """Return (rows, columns) siemens."""
        ...

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return (n, columns) amperes of (n, rows) volts, as sensed."""
        ...

    def sense(self, reference_ampere: float) -> Float64Array:
        """Return (columns,) amperes sensed for a known current."""
        ...


class _Account:
    """What one array has been through."""

    def __init__(self, rows: int, columns: int) -> None:
        self.pulses: Int64Array = np.zeros((rows, columns), np.int64)
        self.cycles: Int64Array = np.zeros((rows, columns), np.int64)
        self.was_set = np.zeros((rows, columns), bool)
        self.reads = 0
        self.energy_joule = 0.0
        self.by_kind = {"form": 0, "set": 0, "reset": 0}

    def clear_session(self) -> None:
        """Start the budgets of a selection anew; cycles are for life."""
        self.pulses[:] = 0
        self.reads = 0


class ArrayEndpoint(Endpoint):
    """A board with one or more arrays.

    Args:
        arrays: What it drives; all of one shape.
        limits: What it allows; a host may only tighten them.
        clock: Seconds, for the watchdog.
    """

    def __init__(
        self, arrays: list[Cells], *, limits: ArrayLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not arrays:
            raise InvalidValueError("a board needs at least one array")
        self._arrays, self.limits, self._clock = arrays, limits or ArrayLimits(), clock
        self._accounts = [_Account(each.rows, each.columns) for each in arrays]
        self._corrections = [(np.ones(each.columns), np.zeros(each.columns)) for each in arrays]
        self._orders: dict[int, tuple[Goal, Strategy]] = {}
        self._selected: int | None = None
        self._last_heard_s = clock()
        self._refused = 0
        super().__init__({verb: self._guarded(handler) for verb, handler in self._handlers_by_verb().items()})

    def _handlers_by_verb(self) -> dict[int, Handler]:
        return {
            Verb.HELLO: self._info,
            Verb.INFO: self._info,
            Verb.ARRAY_INFO: self._info,
            Verb.ARRAY_LIMITS: self._tighten,
            Verb.ARRAY_SELF_TEST: self._self_test,
            Verb.ARRAY_SELECT: self._select,
            Verb.ARRAY_FORM: lambda payload: self._apply("form", payload),
            Verb.ARRAY_SET: lambda payload: self._apply("set", payload),
            Verb.ARRAY_RESET: lambda payload: self._apply("reset", payload),
            Verb.ARRAY_READ: self._read,
            Verb.ARRAY_READ_ARRAY: self._read,
            Verb.ARRAY_PROGRAM_VERIFY: self._program_verify,
            Verb.ARRAY_REFRESH: self._refresh,
            Verb.ARRAY_VMM: self._vmm,
            Verb.ARRAY_CALIBRATE: self._calibrate,
            Verb.ARRAY_LOG: self._log,
            Verb.ARRAY_SAFE_OFF: self._safe_off,
        }

    def _guarded(self, handler: Handler) -> Handler:
        """Turn what a handler refuses into a status, and watch the clock."""

        def run(payload: bytes) -> bytes:
            self._watch()
            try:
                return handler(payload)
            except InvalidValueError as error:
                self._refused += 1
                raise RefusedError(str(error), status=Status.LIMIT) from error
            except LinkError as error:
                status = error.status if isinstance(error, RefusedError) else Status.BAD_LENGTH
                raise RefusedError(str(error), status=status) from error

        return run

    def _watch(self) -> None:
        now = self._clock()
        if now - self._last_heard_s > self.limits.watchdog_s:
            self._selected = None
        self._last_heard_s = now

    def _active(self) -> tuple[Cells, _Account, int]:
        if self._selected is None:
            raise RefusedError("no array is selected; every line is at 0 V", status=Status.NO_PROGRAM)
        return self._arrays[self._selected], self._accounts[self._selected], self._selected

    def _info(self, _payload: bytes) -> bytes:
        cells = self._arrays[0]
        device = cells.device
        return encode_json(
            {
                "kind": "memristor array",
                "arrays": len(self._arrays),
                "rows": cells.rows,
                "columns": cells.columns,
                "device": device.name,
                "citation": device.citation,
                "g_min_siemens": device.g_min_siemens,
                "g_max_siemens": device.g_max_siemens,
                "off_siemens": device.off_siemens,
                "on_siemens": device.on_siemens,
                "limits": self.limits.as_document(),
            }
        )

    def _tighten(self, payload: bytes) -> bytes:
        asked = decode_json(payload)
        current = self.limits.as_document()
        for name, value in asked.items():
            if name not in current or not isinstance(value, int | float) or value > current[name]:
                raise InvalidValueError(f"limits can only be tightened: {name} is {current.get(name)}, got {value!r}")
        self.limits = ArrayLimits.from_document({**current, **asked})
        return encode_json(self.limits.as_document())

    def _self_test(self, _payload: bytes) -> bytes:
        found = [each.read(volt=READ_VOLT) for each in self._arrays]
        open_cells = sum(int(np.count_nonzero(g < 1e-9)) for g in found)
        shape = {"arrays": len(found), "cells": sum(g.size for g in found)}
        return encode_json({**shape, "open_cells": open_cells, "passed": open_cells == 0})

    def _select(self, payload: bytes) -> bytes:
        index = int.from_bytes(payload, "little")
        if len(payload) != 2 or index >= len(self._arrays):
            raise InvalidValueError(f"array index must lie below {len(self._arrays)}, but is {index}")
        self._selected = index
        self._accounts[index].clear_session()
        return b""

    def _apply(self, kind: PulseKind, payload: bytes) -> bytes:
        cells, _, _ = self._active()
        pulse, chosen = decode_pulse(kind, payload, (cells.rows, cells.columns))
        self.write(pulse, chosen)
        return int(np.count_nonzero(chosen)).to_bytes(4, "little")

    def _check_budget(self, account: _Account, kind: PulseKind, chosen: BoolArray) -> None:
        if int((account.pulses[chosen] + 1).max(initial=0)) > self.limits.pulses_per_cell:
            raise InvalidValueError(f"a cell would meet more than {self.limits.pulses_per_cell} pulses")
        turning = chosen & account.was_set if kind == "reset" else np.zeros_like(chosen)
        if int((account.cycles[turning] + 1).max(initial=0)) > self.limits.cycles:
            raise InvalidValueError(f"a cell would meet more than {self.limits.cycles} cycles")

    @staticmethod
    def _count(account: _Account, kind: PulseKind, chosen: BoolArray) -> None:
        account.pulses += chosen
        account.by_kind[kind] += int(np.count_nonzero(chosen))
        if kind == "reset":
            account.cycles += chosen & account.was_set
        account.was_set = np.where(chosen, kind != "reset", account.was_set)

    def _program_verify(self, payload: bytes) -> bytes:
        """Write the selected array by one of the strategies, on the board, under its own limits."""
        cells, _, index = self._active()
        order = WriteOrder.decode(payload, (cells.rows, cells.columns))
        if order.strategy >= len(STRATEGIES):
            raise InvalidValueError(f"strategy must lie below {len(STRATEGIES)}, but is {order.strategy}")
        target = np.where(order.on, order.on_siemens, order.off_siemens)
        goal = Goal(target, order.tolerance_siemens, order.most_pulses)
        self._orders[index] = (goal, list(STRATEGIES.values())[order.strategy])
        return self._refresh(b"")

    def _refresh(self, _payload: bytes) -> bytes:
        """Write again the cells of the selected array that left the window they were last written to."""
        _, _, index = self._active()
        if index not in self._orders:
            raise InvalidValueError("the selected array was not written by program_verify, so nothing can be refreshed")
        goal, strategy = self._orders[index]
        report = program_cells(_OnBoard(self), goal, strategy)
        return encode_json(
            {
                "strategy": report.strategy,
                "share": report.share,
                "pulses": int(report.pulses.sum()),
                "most_pulses": int(report.pulses.max()),
                "energy_joule": report.energy_joule,
            }
        )

    def write(self, pulse: Pulse, chosen: BoolArray) -> None:
        """Apply one pulse to the selected array, within the limits.

        Raises:
            InvalidValueError: Beyond a limit; nothing was pulsed.
            RefusedError: No array is selected.
        """
        cells, account, _ = self._active()
        self.limits.check(pulse)
        self._check_budget(account, pulse.kind, chosen)
        before = cells.read(volt=READ_VOLT)
        amplitudes = {"line_volt": pulse.line_volt, "gate_volt": pulse.gate_volt, "width_s": pulse.width_s}
        getattr(cells, pulse.kind)(chosen, **amplitudes)
        self._count(account, pulse.kind, chosen)
        account.energy_joule += float(before[chosen].sum()) * pulse.line_volt**2 * pulse.width_s

    def sense(self, volt: float) -> Float64Array:
        """Return the (rows, columns) conductances of the selected array, within the read budget."""
        cells, account, _ = self._active()
        self.limits.check_read(volt)
        self._spend_read(account, 1)
        return cells.read(volt=volt)

    def _read(self, payload: bytes) -> bytes:
        """Take volt, first row, rows (f64, u16, u16); answer (rows, columns) siemens."""
        cells, _, _ = self._active()
        if len(payload) != 12:
            raise LinkError("a read takes a voltage, a first row and a number of rows")
        volt = float(np.frombuffer(payload[:8], "<f8")[0])
        first, count = (int(value) for value in np.frombuffer(payload[8:], "<u2"))
        if first + count > cells.rows:
            raise InvalidValueError(f"rows {first} to {first + count} are not in an array of {cells.rows} rows")
        return Floats.encode(self.sense(volt)[first : first + count])

    def _spend_read(self, account: _Account, reads: int) -> None:
        if account.reads + reads > self.limits.reads:
            raise InvalidValueError(f"the array would be read more than {self.limits.reads} times")
        account.reads += reads

    def _vmm(self, payload: bytes) -> bytes:
        cells, account, index = self._active()
        volts = Floats.decode(payload)
        if volts.shape[1] != cells.rows:
            raise LinkError(f"a product takes {cells.rows} voltages a vector, but got {volts.shape[1]}")
        self.limits.check_read(float(np.abs(volts).max(initial=0.0)))
        self._spend_read(account, len(volts))
        gain, offset = self._corrections[index]
        return Floats.encode(cells.currents(volts) * gain + offset)

    def _calibrate(self, _payload: bytes) -> bytes:
        """Measure each column's sense circuit at two known currents and correct for it from now on."""
        cells, _, index = self._active()
        low, high = (cells.sense(ampere) for ampere in (0.0, 1e-4))
        gain = 1e-4 / (high - low)
        self._corrections[index] = (gain, -low * gain)
        return Floats.encode(np.stack([gain, -low * gain]))

    def _log(self, _payload: bytes) -> bytes:
        kinds = {kind: sum(each.by_kind[kind] for each in self._accounts) for kind in ("form", "set", "reset")}
        return encode_json(
            {
                "pulses": kinds,
                "energy_joule": sum(each.energy_joule for each in self._accounts),
                "most_pulses_on_a_cell": max(int(each.pulses.max()) for each in self._accounts),
                "most_cycles_of_a_cell": max(int(each.cycles.max()) for each in self._accounts),
                "reads": sum(each.reads for each in self._accounts),
                "refused": self._refused,
            }
        )

    def _safe_off(self, _payload: bytes) -> bytes:
        self._selected = None
        return b""


class _OnBoard:
    """The selected array as a strategy sees it from the board itself."""

    def __init__(self, endpoint: ArrayEndpoint) -> None:
        self._endpoint = endpoint

    def pulse(self, pulse: Pulse, chosen: BoolArray) -> None:
        self._endpoint.write(pulse, chosen)

    def read(self, *, volt: float = READ_VOLT) -> Float64Array:
        return self._endpoint.sense(volt)
