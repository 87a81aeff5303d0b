"""Real recordings read to the numbers that independent decoders agree on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sensors
from hil.types import EventBatch
from tests.sensors.formats.samples import assert_same, totals

RECORDINGS = ["tonic_sample.aedat4", "tonic_sample_nmnist.bin"]


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
