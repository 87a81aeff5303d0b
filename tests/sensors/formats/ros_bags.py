"""Writes bags of event messages with the rosbags library, which nobody here wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hil.types import EventBatch, Geometry

__all__ = ["PACKET", "mono_payload", "write_mcap", "write_ros1", "write_ros2"]

PACKET = """std_msgs/Header header
uint32 height
uint32 width
uint64 seq
uint64 time_base
string encoding
bool is_bigendian
uint8[] events
"""
PACKET_TYPE = "event_camera_msgs/msg/EventPacket"
TOPIC = "/event_camera/events"


def _store(*, ros1: bool) -> Any:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg(PACKET, PACKET_TYPE))
    return store


def _message(store: Any, number: int, payload: bytes, size: Geometry, encoding: str, time_base: int) -> Any:
    header_type = store.types["std_msgs/msg/Header"]
    stamp = store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    names = header_type.__dataclass_fields__
    header = header_type(**({"seq": number} if "seq" in names else {}), stamp=stamp, frame_id="camera")
    return store.types[PACKET_TYPE](
        header=header,
        height=size.height,
        width=size.width,
        seq=number,
        time_base=time_base,
        encoding=encoding,
        is_bigendian=sys.byteorder == "big",
        events=np.frombuffer(payload, np.uint8),
    )


def mono_payload(batch: EventBatch) -> bytes:
    """Return events packed as ``mono``, in nanoseconds from 0."""
    word = (
        (batch.t * 1000)
        | (batch.x.astype(np.int64) << 32)
        | (batch.y.astype(np.int64) << 48)
        | (batch.p.astype(np.int64) << 63)
    )
    return word.astype("<i8").tobytes()


def write_ros1(
    path: Path,
    payloads: list[bytes],
    size: Geometry,
    *,
    encoding: str = "evt3",
    compression: Literal["none", "bz2", "lz4"] = "none",
    time_base: int = 0,
) -> None:
    """Write a ROS 1 bag with a message for each payload and a topic that is none of ours."""
    from rosbags.rosbag1 import Writer

    store = _store(ros1=True)
    writer = Writer(path)
    if compression != "none":
        writer.set_compression(Writer.CompressionFormat[compression.upper()])
    writer.chunk_threshold = 2048
    with writer:
        text = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        connection = writer.add_connection(TOPIC, PACKET_TYPE, typestore=store)
        for number, payload in enumerate(payloads):
            hello = store.types["std_msgs/msg/String"](data="hello")
            writer.write(text, number, store.serialize_ros1(hello, "std_msgs/msg/String"))
            message = _message(store, number, payload, size, encoding, time_base)
            writer.write(connection, number, store.serialize_ros1(message, PACKET_TYPE))


def write_ros2(path: Path, payloads: list[bytes], size: Geometry, *, encoding: str = "evt3") -> None:
    """Write a ROS 2 SQLite bag and put its database at ``path``."""
    _write_rosbag2(path, payloads, size, encoding, "SQLITE3", ".db3")


def write_mcap(
    path: Path, payloads: list[bytes], size: Geometry, *, encoding: str = "evt3", time_base: int = 0
) -> None:
    """Write a ROS 2 MCAP bag and put its file at ``path``."""
    _write_rosbag2(path, payloads, size, encoding, "MCAP", ".mcap", time_base)


def _write_rosbag2(
    path: Path, payloads: list[bytes], size: Geometry, encoding: str, plugin: str, suffix: str, time_base: int = 0
) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer

    store = _store(ros1=False)
    folder = path.with_suffix(".folder")
    with Writer(folder, version=9, storage_plugin=StoragePlugin[plugin]) as writer:
        text = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        connection = writer.add_connection(TOPIC, PACKET_TYPE, typestore=store)
        for number, payload in enumerate(payloads):
            hello = store.types["std_msgs/msg/String"](data="hello")
            writer.write(text, number, store.serialize_cdr(hello, "std_msgs/msg/String"))
            message = _message(store, number, payload, size, encoding, time_base)
            writer.write(connection, number, store.serialize_cdr(message, PACKET_TYPE))
    next(folder.glob(f"*{suffix}")).rename(path)
