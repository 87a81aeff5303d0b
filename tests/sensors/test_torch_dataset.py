"""The data set works in torch's own loader, and can be sent to another process."""

import pickle

import numpy as np
import pytest

from hil.errors import FormatError, InvalidValueError
from hil.network import FeatureSpec
from hil.types import EventBatch, Geometry
from sensors.features import encode_window
from sensors.formats import npz
from sensors.torch_dataset import EventDataset, ToFeatures, ToFrames, ToVoxelGrid

GEOMETRY = Geometry(12, 10)
SPEC = FeatureSpec(6, 5, time_bins=2, window_us=1_000, pixels_per_cell=4)


@pytest.fixture
def recordings(tmp_path):
    batches = []
    for i in range(5):
        rng = np.random.default_rng(i)
        n = 50 + i
        x, y = rng.integers(0, 12, n).astype(np.uint16), rng.integers(0, 10, n).astype(np.uint16)
        batches.append(EventBatch(np.sort(rng.integers(0, 900, n)), x, y, rng.random(n) < 0.5))
        npz.write(tmp_path / f"{i}.npz", [batches[-1]], GEOMETRY)
    return [tmp_path / f"{i}.npz" for i in range(5)], batches


def test_item_is_the_transform_of_the_recording_and_its_label(recordings):
    paths, batches = recordings
    dataset = EventDataset(paths, [3, 1, 4, 1, 5], ToFeatures(SPEC))
    sample, label = dataset[2]
    assert (len(dataset), label) == (5, 4)
    assert np.array_equal(sample, encode_window(batches[2], GEOMETRY, SPEC))


@pytest.mark.parametrize(
    ("transform", "shape"),
    [(ToFeatures(SPEC), (SPEC.d_in,)), (ToFrames(3), (3, 2, 10, 12)), (ToVoxelGrid(4), (4, 1, 10, 12))],
)
def test_torch_loader_batches_the_data_set(recordings, transform, shape):
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    loader = data.DataLoader(EventDataset(recordings[0], range(5), transform), batch_size=5)
    ((samples, labels),) = list(loader)
    assert tuple(samples.shape) == (5, *shape)
    assert labels.tolist() == [0, 1, 2, 3, 4]


def test_data_set_can_be_sent_to_a_worker(recordings):
    dataset = pickle.loads(pickle.dumps(EventDataset(recordings[0], (0, 1, 2, 3, 4), ToFrames(2))))
    assert dataset[4][0].sum() == len(recordings[1][4])


def test_data_set_refuses_labels_that_do_not_match(recordings):
    with pytest.raises(InvalidValueError, match="label"):
        EventDataset(recordings[0], [1], ToFrames(2))


def test_torch_loader_with_workers_gives_what_it_gives_without(recordings):
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    dataset = EventDataset(recordings[0], range(5), ToFrames(3))
    alone, shared = (list(data.DataLoader(dataset, batch_size=2, num_workers=n)) for n in (0, 2))
    assert len(alone) == len(shared) == 3
    for (samples, labels), (theirs, their_labels) in zip(alone, shared, strict=True):
        assert (samples == theirs).all()
        assert (labels == their_labels).all()


def test_index_names_recordings_with_and_without_their_suffix(recordings, tmp_path):
    (tmp_path / "train.txt").write_text("# recording class\n3.npz 7\n\n1\t2\n")
    dataset = EventDataset.from_index(tmp_path / "train.txt", ToFrames(1))
    assert [label for _, label in (dataset[i] for i in range(len(dataset)))] == [7, 2]
    assert [int(dataset[i][0].sum()) for i in range(2)] == [len(recordings[1][3]), len(recordings[1][1])]
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    ((samples, labels),) = data.DataLoader(dataset, batch_size=2, num_workers=2)
    assert (tuple(samples.shape), labels.tolist()) == ((2, 1, 2, 10, 12), [7, 2])


@pytest.mark.parametrize(
    ("line", "said"), [("1", "line 1"), ("1 seven", "class"), ("9 1", "none"), ("4 1", "4.npz, 4.txt")]
)
def test_index_that_names_no_single_recording_is_refused(recordings, tmp_path, line, said):
    (tmp_path / "4.txt").write_text("not a recording")
    (tmp_path / "train.txt").write_text(line)
    with pytest.raises(FormatError, match=said):
        EventDataset.from_index(tmp_path / "train.txt", ToFrames(1))
