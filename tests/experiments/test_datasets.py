from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from experiments.datasets import LabelledRecordings, class_indices, features_of, load_dataset
from experiments.recordings import shipped
from experiments.splits import held_out_split
from hil.errors import ConfigError, FormatError
from hil.network import FeatureSpec
from hil.rng import stream
from hil.types import EventBatch, Geometry
from sensors.features import encode_window

SPEC = FeatureSpec(width=17, height=17, time_bins=3, window_us=315_000, pixels_per_cell=4)


def nmnist_bytes(events: EventBatch) -> bytes:
    """Write the 40-bit records of N-MNIST: x, y, polarity and 23 bits of time, most significant first."""
    t = events.t.astype(np.int64)
    columns = [events.x, events.y, (events.p.astype(np.int64) << 7) | (t >> 16), (t >> 8) & 255, t & 255]
    return np.stack([np.asarray(column, np.uint8) for column in columns], axis=1).tobytes()


def some_events(seed: int, n: int = 200) -> EventBatch:
    rng = stream(seed, "data set")
    t = np.sort(rng.integers(0, 300_000, n))
    x, y = (rng.integers(0, 34, n).astype(np.uint16) for _ in range(2))
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.bool_))


def write_samples(folder: Path, names: list[str]) -> list[EventBatch]:
    batches = [some_events(i) for i in range(len(names))]
    for name, batch in zip(names, batches, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(nmnist_bytes(batch))
    return batches


def assert_same(dataset: LabelledRecordings, batches: list[EventBatch], labels: tuple[str, ...]) -> None:
    assert dataset.labels == labels
    for ours, theirs in zip(dataset.samples, batches, strict=True):
        for axis in "txyp":
            np.testing.assert_array_equal(getattr(ours, axis), getattr(theirs, axis))


def test_load_when_folder_has_a_list_then_samples_come_in_its_order(tmp_path: Path) -> None:
    batches = write_samples(tmp_path, ["1.bs2", "2.bs2", "10.bs2"])
    (tmp_path / "train1K.txt").write_text("#sample #class\n10 7\n1\t0\n2 3\n")
    dataset = load_dataset(tmp_path)
    assert dataset.geometry == Geometry(34, 34)
    assert_same(dataset, [batches[2], batches[0], batches[1]], ("7", "0", "3"))


def test_load_when_folder_has_two_lists_then_one_of_them_must_be_given(tmp_path: Path) -> None:
    batches = write_samples(tmp_path, ["1.bs2", "2.bs2", "3.bs2"])
    (tmp_path / "train.txt").write_text("1 a\n2 b\n")
    (tmp_path / "test.txt").write_text("3 b\n")
    with pytest.raises(FormatError, match=r"holds 2: test\.txt, train\.txt; give the one you mean"):
        load_dataset(tmp_path)
    assert_same(load_dataset(tmp_path / "test.txt"), batches[2:], ("b",))


def test_load_when_same_files_are_zipped_then_same_data_set(tmp_path: Path) -> None:
    batches = write_samples(tmp_path, ["a.bin", "b.bin"])
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("a.bin", "b.bin"):
            archive.write(tmp_path / name, f"inner/{name}")
        archive.writestr("inner/labels.txt", "a 1\nb 2\n")
    assert_same(load_dataset(tmp_path / "set.zip"), batches, ("1", "2"))


def test_load_when_classes_are_folders_then_their_names_are_labels(tmp_path: Path) -> None:
    batches = write_samples(tmp_path, ["3/00002.bin", "3/00004.bin", "9/00001.bin"])
    assert_same(load_dataset(tmp_path), batches, ("3", "3", "9"))


def test_load_when_recording_has_labels_beside_then_every_stretch_is_a_sample() -> None:
    dataset = load_dataset(shipped("digits"))
    assert len(dataset) == 64
    assert set(dataset.labels) == set("0123456789")
    assert all(sample.t[-1] - sample.t[0] < 315_000 for sample in dataset.samples)


@pytest.mark.parametrize(
    ("listing", "why"),
    [
        ("7 1\n", "matches 0 files"),
        ("[12] 1\n", "matches 0 files"),
        ("/etc/hosts 1\n", "outside the data set"),
        ("../1 1\n", "outside the data set"),
        ("1 0\n2\n", "must hold a list"),
        ("", "must hold a list"),
    ],
)
def test_load_when_list_does_not_fit_then_one_clear_error(tmp_path: Path, listing: str, why: str) -> None:
    write_samples(tmp_path, ["1.bs2", "2.bs2"])
    (tmp_path / "labels.txt").write_text(listing)
    with pytest.raises(FormatError, match=why):
        load_dataset(tmp_path)


def test_load_when_a_sample_is_damaged_then_error_names_it(tmp_path: Path) -> None:
    write_samples(tmp_path, ["1.bs2", "2.bs2"])
    (tmp_path / "2.bs2").write_bytes((tmp_path / "2.bs2").read_bytes()[:-2])
    (tmp_path / "labels.txt").write_text("1 0\n2 1\n")
    with pytest.raises(FormatError, match=r"2\.bs2"):
        load_dataset(tmp_path)


def test_load_when_path_is_no_data_set_then_error_says_what_is(tmp_path: Path) -> None:
    (tmp_path / "alone.bs2").write_bytes(nmnist_bytes(some_events(0)))
    with pytest.raises(FormatError, match=r"folder, a zip, or a recording with its labels .* in alone\.labels\.json"):
        load_dataset(tmp_path / "alone.bs2")


def test_load_when_there_is_no_such_path_then_recordings_that_ship_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"nothing is there; .*digits"):
        load_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("offset", "change"),
    [(6, b"\x01"), (8, b"\x63"), (60, b"\xff" * 40)],
    ids=["encrypted", "unknown compression", "damaged data"],
)
def test_load_when_zip_cannot_be_unpacked_then_one_clear_error(tmp_path: Path, offset: int, change: bytes) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "".join(f"{i} {i * i}\n" for i in range(200)))
    blob = bytearray(path.read_bytes())
    blob[offset : offset + len(change)] = change
    directory = blob.index(b"PK\x01\x02")
    if offset < 10:  # flags and method stand in the directory too, two bytes further on
        blob[directory + offset + 2 : directory + offset + 2 + len(change)] = change
    path.write_bytes(bytes(blob))
    with pytest.raises(FormatError, match="cannot be unpacked"):
        load_dataset(path)


def test_features_when_made_for_a_data_set_then_they_are_those_of_each_window(tmp_path: Path) -> None:
    batches = write_samples(tmp_path, ["1.bs2", "2.bs2"])
    dataset = LabelledRecordings(tuple(batches), ("0", "1"), Geometry(34, 34))
    expected = [encode_window(batch, dataset.geometry, SPEC) for batch in batches]
    np.testing.assert_array_equal(features_of(dataset, SPEC), expected)


def test_class_indices_when_label_is_unknown_then_error_lists_the_known() -> None:
    assert class_indices(("b", "a"), ("a", "b")).tolist() == [1, 0]
    with pytest.raises(FormatError, match=r"'c'.*a, b"):
        class_indices(("c",), ("a", "b"))


def test_split_when_asked_twice_then_it_is_the_same_and_complete() -> None:
    learned, held = held_out_split(50, 12, seed=3)
    again, held_again = held_out_split(50, 12, seed=3)
    np.testing.assert_array_equal(learned, again)
    np.testing.assert_array_equal(held, held_again)
    assert sorted([*learned, *held]) == list(range(50))
    assert len(held) == 12


def test_split_when_nothing_is_left_to_learn_from_then_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be held out"):
        held_out_split(10, 10, seed=0)


def test_load_when_nmnist_sample_set_is_read_then_labels_are_those_of_its_list(shared_data: Path) -> None:
    path = shared_data / "events" / "nmnist_1000.zip"
    with zipfile.ZipFile(path) as archive:
        rows = [line.split() for line in archive.read("train1K.txt").decode().splitlines()[1:] if line.strip()]
        size_bytes = archive.getinfo("17.bs2").file_size
    dataset = load_dataset(path)
    assert list(dataset.labels) == [label for _, label in rows]
    assert len(dataset.samples[16]) == size_bytes // 5
