"""Every format passes the suite that any stranger's format must pass."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from hil.ports import SourceFormat
from hil.testing.sources import SourceFormatTests
from hil.types import EventBatch, Geometry
from tests.sensors.formats import builders, ros_bags
from tests.sensors.formats.samples import SIZE, events

Write = Callable[[Path, EventBatch], object]


class FormatTests(SourceFormatTests):
    module: str
    suffix: str = ""
    size: Geometry = SIZE
    writer: Write

    def source_format(self) -> SourceFormat:
        made: SourceFormat = import_module(f"sensors.formats.{self.module}").FORMAT
        return made

    def write(self, folder: Path) -> tuple[Path, EventBatch]:
        batch = events(3000, size=self.size)
        path = folder / f"recording{self.suffix}"
        type(self).writer(path, batch)
        return path, batch


def written(module: str) -> Write:
    """Return the project's own writer of a format."""
    write = import_module(f"sensors.formats.{module}").write
    return lambda path, batch: write(path, [batch[:1000], batch[1000:]], SIZE)


def evt3_payloads(batch: EventBatch) -> list[bytes]:
    """Return the events as EVT3 words, a few hundred to a message."""
    from sensors.formats.kernels.evt3 import encode

    payloads, state = [], np.full(3, -1, np.int64)
    for start in range(0, len(batch), 300):
        part, words = batch[start : start + 300], np.empty(2000, np.uint16)
        taken, count = encode(part.t, part.x, part.y, part.p, SIZE.width, 5, state, words)
        assert taken == len(part)
        payloads.append(words[:count].tobytes())
    return payloads


class TestEvt2(FormatTests):
    module = "evt2"
    writer = staticmethod(written("evt2"))


class TestEvt21(FormatTests):
    module = "evt21"
    writer = staticmethod(lambda path, batch: builders.evt21(path, batch, SIZE))


class TestEvt3(FormatTests):
    module = "evt3"
    writer = staticmethod(written("evt3"))


class TestDat(FormatTests):
    module = "dat"
    writer = staticmethod(written("dat"))


class TestText(FormatTests):
    module = "text"
    writer = staticmethod(written("text"))


class TestNpz(FormatTests):
    module = "npz"
    writer = staticmethod(written("npz"))


class TestNmnist(FormatTests):
    module = "nmnist"
    suffix = ".bs2"
    writer = staticmethod(builders.nmnist)


class TestEs(FormatTests):
    module = "es"
    writer = staticmethod(lambda path, batch: builders.es_dvs(path, batch, SIZE))


class TestAedat2(FormatTests):
    module = "aedat2"
    size = Geometry(240, 180)
    writer = staticmethod(lambda path, batch: builders.aedat2_davis(path, batch, Geometry(240, 180)))


class TestAedat3(FormatTests):
    module = "aedat3"
    size = Geometry(240, 180)
    writer = staticmethod(builders.aedat3)


class TestHdf5Prophesee(FormatTests):
    module = "hdf5"
    writer = staticmethod(lambda path, batch: builders.hdf5_prophesee(path, batch, SIZE))


class TestRos1(FormatTests):
    module = "ros1"
    writer = staticmethod(lambda path, batch: ros_bags.write_ros1(path, evt3_payloads(batch), SIZE))


class TestRos2(FormatTests):
    module = "ros2"
    writer = staticmethod(lambda path, batch: ros_bags.write_ros2(path, evt3_payloads(batch), SIZE))


class TestMcap(FormatTests):
    module = "mcap"
    writer = staticmethod(lambda path, batch: ros_bags.write_mcap(path, evt3_payloads(batch), SIZE))
