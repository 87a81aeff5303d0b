"""The recording that comes with the project, read by somebody else's reader, and its labels."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.recordings import Labels, labels_beside, shipped, shipped_names
from hil.errors import FormatError, UnknownNameError


def _read(path) -> np.ndarray:
    dv = pytest.importorskip("dv_processing")
    recording = dv.io.MonoCameraRecording(str(path))
    times = []
    while recording.isRunning() and (batch := recording.getNextEventBatch()) is not None:
        times.append(batch.timestamps())
    return np.concatenate(times)


def test_shipped_digits_hold_64_labelled_windows_of_nmnist_size():
    t = _read(shipped("digits"))
    labels = labels_beside(shipped("digits"))
    assert labels is not None
    assert len(labels.names) == 64
    assert set(labels.names) == set("0123456789")
    counts = np.diff(np.searchsorted(t, [*labels.starts_us, labels.starts_us[-1] + labels.window_us]))
    assert counts.sum() == len(t)
    assert counts.min() > 1500
    assert counts.max() < 6500
    assert shipped("digits").stat().st_size < 2_000_000


def test_label_is_that_of_the_middle_of_a_window():
    labels = Labels(100, (0, 100, 300), ("a", "b", "c"))
    starts = np.array([-200, 3, 60, 103, 203, 303], np.int64)
    assert labels.at(starts, starts + 100) == [None, "a", "b", "b", None, "c"]


def test_labels_come_back_from_their_file(tmp_path):
    labels = Labels(315_000, (0, 315_000), ("seven", "a person waving"))
    labels.save(tmp_path / "some.aedat4")
    assert labels_beside(tmp_path / "some.aedat4") == labels
    assert labels_beside(tmp_path / "other.aedat4") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"window_us": 5, "windows": [{"start_us": 0}]}',
        '{"window_us": 0, "windows": [{"start_us": 0, "label": "a"}]}',
        '{"window_us": "x", "windows": [{"start_us": 0, "label": "a"}]}',
        '{"window_us": 1e400, "windows": [{"start_us": 0, "label": "a"}]}',
        '{"window_us": 5, "windows": [{"start_us": -99999999999999999999, "label": "a"}]}',
        '{"window_us": 5, "windows": [{"start_us": 0, "label": "a"}, {"start_us": 4, "label": "b"}]}',
    ],
)
def test_file_that_holds_no_labels_is_refused(tmp_path, text):
    path = tmp_path / "x.labels.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"x\.labels\.json"):
        Labels.load(path)


def test_unknown_recording_is_refused_with_the_known_names():
    assert "digits" in shipped_names()
    with pytest.raises(UnknownNameError, match="digits"):
        shipped("letters")
