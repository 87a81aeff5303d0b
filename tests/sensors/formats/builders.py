"""Writes recordings of formats that the project reads but does not write, byte by byte from their descriptions."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from hil.types import EventBatch, Geometry

__all__ = [
    "aedat2_davis",
    "aedat2_dvs128",
    "aedat3",
    "es_dvs",
    "evt21",
    "hdf5_dsec",
    "hdf5_prophesee",
    "nas",
    "nmnist",
]


def nmnist(path: Path, batch: EventBatch) -> None:
    """Write 40-bit events."""
    records = np.empty((len(batch), 5), np.uint8)
    records[:, 0], records[:, 1] = batch.x, batch.y
    records[:, 2] = (batch.p.astype(np.int64) << 7) | (batch.t >> 16) & 0x7F
    records[:, 3], records[:, 4] = (batch.t >> 8) & 0xFF, batch.t & 0xFF
    path.write_bytes(records.tobytes())


def es_dvs(path: Path, batch: EventBatch, size: Geometry, *, atis: bool = False) -> None:
    """Write an Event Stream, version 2.0; with ``atis`` a threshold crossing follows each event."""
    flag_bits = 2 if atis else 1
    largest = (1 << (8 - flag_bits)) - 1
    out = bytearray(b"Event Stream\2\0\0" + bytes([2 if atis else 1]) + struct.pack("<HH", size.width, size.height))
    last = 0
    for t, x, y, p in zip(batch.t, batch.x, batch.y, batch.p, strict=True):
        passed = int(t) - last
        last = int(t)
        while passed >= largest:
            spans = min(3, passed // largest) if atis else 1
            out.append((largest << 2) | spans if atis else 0xFF)
            passed -= spans * largest
        place = struct.pack("<HH", x, size.height - 1 - y)
        out += bytes([(passed << flag_bits) | (int(p) << (flag_bits - 1))]) + place
        if atis:
            out += bytes([1]) + place
    path.write_bytes(bytes(out))


def evt21(path: Path, batch: EventBatch, size: Geometry, *, legacy: bool = False) -> None:
    """Write EVT 2.1 with one pixel in each vector."""
    words, high = [], -1
    for t, x, y, p in zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True):
        if t >> 6 != high:
            high = t >> 6
            words.append((0x8 << 60) | ((high & 0xFFFFFFF) << 32))
        top = (int(p) << 28) | ((t & 63) << 22) | ((x & ~31) << 11) | y
        words.append((top << 32) | (1 << (x & 31)))
    if legacy:
        words = [(word >> 32) | ((word & 0xFFFFFFFF) << 32) for word in words]
    endianness = "legacy" if legacy else "little"
    header = f"% format EVT21;endianness={endianness};height={size.height};width={size.width}\n% end\n"
    path.write_bytes(header.encode() + np.array(words, "<u8").tobytes())


def nas(path: Path, batch: EventBatch, channels: int, *, address_bytes: int = 2) -> None:
    """Write NAS spikes; times are in ticks, x is the channel, y the ear."""
    code = ">HI" if address_bytes == 2 else ">II"
    records = (
        struct.pack(code, 2 * channels * y + 2 * x + p, t & 0xFFFFFFFF)
        for t, x, y, p in zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True)
    )
    path.write_bytes(b"".join(records))


def aedat2_davis(path: Path, batch: EventBatch, size: Geometry, chip: str = "DAVIS240C") -> None:
    """Write AEDAT 2 of a DAVIS, with a frame sample and a special event in between."""
    x, y = size.width - 1 - batch.x.astype(np.int64), size.height - 1 - batch.y.astype(np.int64)
    address = (y << 22) | (x << 12) | (batch.p.astype(np.int64) << 11)
    records = np.stack([address, batch.t & 0xFFFFFFFF], axis=1)
    others = np.array([[0x80000123, records[0, 1]], [0x00000400, records[0, 1]]])
    header = f"#!AER-DAT2.0\r\n# Timestamps tick: 1 us\r\n# AEChip: eu.seebetter.ini.chips.davis.{chip}\r\n"
    path.write_bytes(header.encode() + np.concatenate([records[:1], others, records[1:]]).astype(">u4").tobytes())


def aedat2_dvs128(path: Path, batch: EventBatch) -> None:
    """Write AEDAT 2 of a DVS128."""
    x, y = 127 - batch.x.astype(np.int64), 127 - batch.y.astype(np.int64)
    address = (y << 8) | (x << 1) | (~batch.p).astype(np.int64)
    header = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n#End Of ASCII Header\r\n"
    path.write_bytes(header + np.stack([address, batch.t & 0xFFFFFFFF], axis=1).astype(">u4").tobytes())


def aedat3(path: Path, batch: EventBatch, *, source: str = "DAVIS240C", packet_events: int = 100) -> list[int]:
    """Write AEDAT 3.1 with an inertia packet in front; return where the packets of events start."""
    out = bytearray(f"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: {source}\r\n#!END-HEADER\r\n".encode())
    out += struct.pack("<hh6i", 3, 1, 36, 4, 0, 1, 1, 1) + bytes(36)
    starts = []
    for first in range(0, len(batch), packet_events):
        part = batch[first : first + packet_events]
        overflow = int(part.t[0]) >> 31
        address = (part.x.astype(np.int64) << 17) | (part.y.astype(np.int64) << 2) | (part.p.astype(np.int64) << 1) | 1
        events = np.stack([address, part.t - (overflow << 31)], axis=1).astype("<u4")
        starts.append(len(out))
        out += struct.pack("<hh6i", 1, 1, 8, 4, overflow, len(part), len(part), len(part)) + events.tobytes()
    path.write_bytes(bytes(out))
    return starts


def hdf5_prophesee(path: Path, batch: EventBatch, size: Geometry) -> None:
    """Write Prophesee's layout, without its own compression."""
    import h5py

    events = np.empty(len(batch), [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    for name in ("x", "y", "p", "t"):
        events[name] = getattr(batch, name)
    with h5py.File(path, "w") as file:
        file.attrs["geometry"] = f"{size.width}x{size.height}"
        file.create_dataset("CD/events", data=events, chunks=(256,), compression="gzip")


def hdf5_dsec(path: Path, batch: EventBatch, t_offset: int) -> None:
    """Write DSEC's layout."""
    import h5py

    with h5py.File(path, "w") as file:
        file["t_offset"] = t_offset
        file["ms_to_idx"] = np.zeros(1, np.uint64)
        for name, dtype in (("t", "<u4"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")):
            values = batch.t - t_offset if name == "t" else getattr(batch, name)
            file.create_dataset(f"events/{name}", data=values.astype(dtype), chunks=(256,), compression="gzip")
