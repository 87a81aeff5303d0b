"""Real recordings read to the numbers that independent decoders agree on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sensors
from hil.types import EventBatch
from tests.sensors.formats.samples import assert_same, totals

RECORDINGS = [
    "faery_evt2.raw",
    "expelliarmus_evt3_sample.raw",
    "tonic_sample.aedat4",
    "tonic_sample_ncars.dat",
    "tonic_sample_nmnist.bin",
    "faery_dvs.es",
]
COCHLEAE = [
    ("130Hz_mono_64ch_ONOFF_addr2b_ts02.aedat", 64, 331_949, 496_680, (166_021, 165_928)),
    ("sound_mono_32ch_ONOFF_addr2b_ts02.aedat", 32, 49_864, 1_144_739, (24_841, 25_023)),
]


@pytest.mark.parametrize("name", RECORDINGS)
def test_recording_when_read_gives_the_agreed_numbers(shared_data: Path, name: str) -> None:
    truth = json.loads((shared_data / "events" / "MANIFEST.json").read_text())[name]["truth"]
    recording = sensors.open(shared_data / "events" / name)
    batches = list(recording)
    assert totals(EventBatch.concatenate(batches)) == truth
    assert recording.lost is None


@pytest.mark.parametrize("name", RECORDINGS)
def test_recording_when_salvaged_though_sound_is_the_same_and_loses_nothing(shared_data: Path, name: str) -> None:
    path = shared_data / "events" / name
    recording = sensors.open(path, salvage=True)
    assert_same(EventBatch.concatenate(list(recording)), sensors.open(path).read())
    assert recording.lost is None


@pytest.mark.parametrize(("name", "channels", "spikes", "span_us", "on_off"), COCHLEAE)
def test_cochlea_recording_when_read_gives_the_stated_numbers(
    shared_data: Path, name: str, channels: int, spikes: int, span_us: int, on_off: tuple[int, int]
) -> None:
    options = {"address_bytes": "2", "tick_us": "0.2", "channels": str(channels), "ears": "1"}
    recording = sensors.open(shared_data / "cochlea" / name, format_name="nas", options=options)
    batch = recording.read()
    assert (recording.geometry.width, recording.geometry.height) == (channels, 1)
    assert (len(batch), int(batch.t[-1] - batch.t[0])) == (spikes, span_us)
    assert (int(batch.p.sum()), int((~batch.p).sum())) == on_off
