"""What the ways to store ROS messages share: which topic holds the events, and opening a bag that has one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

from hil.errors import DamagedFileError, FormatError
from hil.registry import refuse_unknown_options
from hil.types import Geometry
from sensors.formats.account import LossAccount
from sensors.formats.evt import REORDER_US
from sensors.formats.packets import PacketWalk
from sensors.formats.recording import FileRecording, Layout, Steps
from sensors.formats.ros_messages import EventMessages, MessageError, is_event_type
from sensors.formats.sink import Sink

__all__ = ["BagFormat", "MakeWalk", "Topic"]


class Topic:
    """Picks the messages of one topic and commits their events.

    Args:
        sink: Takes the events.
        name: Of the topic; nothing for the first that holds events.
        geometry: Size of the sensor; None to learn it from the first message and commit nothing.
    """

    def __init__(self, sink: Sink, name: str, geometry: Geometry | None) -> None:
        self.sink = sink
        self.geometry = geometry
        self.seen: list[str] = []
        self.of_events: list[str] = []
        self._name = name
        self._connection: int | None = None
        self._messages: EventMessages | None = None
        self._learning = geometry is None

    @property
    def learnt(self) -> bool:
        """Whether the geometry was asked for and is known now."""
        return self._learning and self.geometry is not None

    def declare(self, connection: int, name: str, message_type: str, *, cdr: bool) -> None:
        """Take note of a topic.

        Raises:
            FormatError: It is the one that was asked for, but holds no events.
        """
        self.seen.append(f"{name} ({message_type})")
        if is_event_type(message_type) and name not in self.of_events:
            self.of_events.append(name)
        if self._connection is not None or (self._name and name != self._name):
            return
        if is_event_type(message_type):
            self._connection = connection
            self._messages = EventMessages(message_type, cdr=cdr)
        elif self._name:
            message = f"topic {name} holds {message_type}, no events"
            raise FormatError(message)

    def take(self, connection: int, data: bytes, start: int, stop: int) -> None:
        """Commit a message's events if it is of the topic; in salvage, account for one that is broken.

        Args:
            connection: Of the message.
            data: The message.
            start: Where its share of the file starts.
            stop: Where it ends.

        Raises:
            DamagedFileError: It is broken.
        """
        if connection != self._connection or self._messages is None or self.learnt:
            return
        try:
            if self.geometry is None:
                self.geometry = self._messages.geometry(data)
            else:
                self._messages.commit(data, self.geometry, self.sink, start, stop)
        except MessageError as error:
            if not self.sink.salvage:
                raise DamagedFileError(str(error), offset_bytes=start) from error
            self.sink.account.add(start, stop - start, str(error), events=None)


MakeWalk: TypeAlias = Callable[[BinaryIO, int, Topic], PacketWalk]


class BagFormat(ABC):
    """The ``SourceFormat`` of a file of ROS messages; option ``topic``, by default the first that holds events."""

    name: str
    about: str
    signature: bytes

    @abstractmethod
    def steps(self, path: Path, topic: Topic) -> Steps:
        """Read messages from the start of a file and hand them to a topic."""

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the signature."""
        return head.startswith(self.signature)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``topic``."""
        refuse_unknown_options(options, ["topic"], of=self.name)
        with path.open("rb") as file:
            if file.read(len(self.signature)) != self.signature:
                message = f"a file of format {self.name} starts with {self.signature!r}"
                raise FormatError(message)
        name = options.get("topic", "")
        geometry, assumed = self._learn(path, name, salvage=salvage)

        def decode(sink: Sink) -> Steps:
            return self.steps(path, Topic(sink, name, geometry))

        return FileRecording(
            path, Layout(self.name, geometry, reorder_us=REORDER_US, assumed=assumed), decode, salvage=salvage
        )

    def _learn(self, path: Path, name: str, *, salvage: bool) -> tuple[Geometry, str]:
        """Return the size of the sensor, and a sentence where the topic was chosen among several."""
        topic = Topic(Sink(LossAccount(), salvage=salvage, capacity=0), name, None)
        steps = self.steps(path, topic)
        for _ in steps:
            if topic.geometry:
                steps.close()
                first, others = topic.of_events[0], ", ".join(topic.of_events[1:])
                chosen = f"topic {first}, because it is the first; {others} hold events, too; say otherwise with topic"
                return topic.geometry, chosen if others and not name else ""
        wanted = f"on topic {name}" if name else "of events"
        message = f"the file has no messages {wanted}; its topics: {', '.join(topic.seen) or 'none'}"
        raise FormatError(message)
