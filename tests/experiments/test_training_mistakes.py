"""What people get wrong when they train on recordings and captions of their own is one line that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")

from experiments.training import train
from experiments.training_config import TrainingConfig, load_config
from hil.cli import main
from hil.errors import ConfigError, InputError
from hil.network import CaptionSet
from hil.rng import stream
from quant.captions import save

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CONFIG = """
name = "sides"
about = "events on the left or on the right"
[features]
width = 5
height = 3
time_bins = 1
window_us = 1000
[captions]
vectors = "captions.npz"
classes = ["l", "r"]
texts = ["left", "right"]
[data]
recordings = "DATA"
[recipe]
epochs = 2
batch = 4
layers = []
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder of text recordings of a sensor of 10 x 6 pixels, with a list of their classes."""
    folder, lines = tmp_path / "data", []
    folder.mkdir()
    for i in range(8):
        rng, side = stream(i, "sides"), i % 2
        t, x, y, p = np.sort(rng.integers(0, 1000, 40)), rng.integers(0, 5, 40), rng.integers(0, 6, 40), np.ones(40)
        rows = np.stack([t, x + 5 * side, y, p], axis=1).astype(int)
        corner = "0,9,5,1\n"  # every recording shows how large the sensor is
        (folder / f"{i}.csv").write_text(
            "t,x,y,p\n" + corner + "\n".join(",".join(map(str, row)) for row in rows) + "\n"
        )
        lines.append(f"{i} {'lr'[side]}")
    (folder / "labels.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def config(tmp_path: Path, data: Path) -> Path:
    save(CaptionSet(("left", "right"), np.eye(2, 7, dtype=np.float32), "none", ""), tmp_path / "captions.npz")
    path = tmp_path / "sides.toml"
    path.write_text(CONFIG.replace("DATA", str(data)))
    return path


def changed(config: Path, old: str, new: str) -> TrainingConfig:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return load_config(config)


def test_train_when_data_and_captions_are_ones_own_then_a_network_of_one_layer_comes_out(config: Path) -> None:
    network = train(load_config(config)).network
    assert [layer.weight.shape for layer in network.layers] == [(7, 30)]


def test_train_when_there_is_one_class_then_it_is_always_right(config: Path, data: Path, tmp_path: Path) -> None:
    save(CaptionSet(("left",), np.eye(1, 7, dtype=np.float32), "none", ""), tmp_path / "captions.npz")
    (data / "labels.txt").write_text("0 l\n2 l\n4 l\n6 l\n")
    settings = changed(config, 'classes = ["l", "r"]\ntexts = ["left", "right"]', 'classes = ["l"]\ntexts = ["left"]')
    score = train(changed(config, "[recipe]", "held_out = 1\n[recipe]")).score
    assert settings.captions.classes == ("l",)
    assert score is not None
    assert (score.n, score.accuracy) == (1, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"captions.npz"', '"none.npz"', r"none\.npz.*--text-model"),
        (
            'texts = ["left", "right"]',
            'texts = ["left", "up"]',
            r"where those say 'up' it holds 'right'; .*--text-model",
        ),
        (
            'classes = ["l", "r"]\ntexts = ["left", "right"]',
            'classes = ["l"]\ntexts = ["left"]',
            "'nothing' it holds 'right'",
        ),
        ("[recipe]", "held_out = 8\n[recipe]", "8 of 8 recordings cannot be held out: held_out"),
        ("[recipe]", "held_out = 4\nvalidation = 4\n[recipe]", "4 of 4 recordings"),
        ("[recipe]", "held_out = 7\n[recipe]", "at least 2 windows"),
        ("epochs = 2", 'epochs = 2\nprecision = "float"', "must be 'ternary' .*hil experiment float_gap"),
        ("layers = []", "[[recipe.layers]]\nchannels = 3\nkernel = 9", "kernel 9 must fit"),
    ],
)
def test_train_when_the_config_does_not_fit_then_says_what_and_what_to_do(
    config: Path, old: str, new: str, says: str
) -> None:
    settings = changed(config, old, new)
    with pytest.raises(InputError, match=says):
        train(settings)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('classes = ["l", "r"]', 'classes = ["l", "l"]', "classes that differ, but 'l' is there twice"),
        ('classes = ["l", "r"]\ntexts = ["left", "right"]', "classes = []\ntexts = []", "but there are none"),
        ("[recipe]", "held_out = -1\n[recipe]", "held_out must not be negative, but is -1"),
        ("[recipe]", "emulated_count = 3\n[recipe]", "emulated must say which kind"),
        ("[recipe]", "[hardware]\nredraw_every = 0\n[recipe]", "redraw_every must be at least 1, but is 0"),
        ("[recipe]", "[augmentation]\nshift_px = -1.0\n[recipe]", "shift_px must be between 0 and 10000, but is -1"),
        ("[recipe]", "[augmentation]\nscale = nan\n[recipe]", "scale must be between 0 and 5, but is nan"),
        ("[recipe]", "[augmentation]\nnoise = inf\n[recipe]", "noise must be between 0 and 100, but is inf"),
        ("[recipe]", "[augmentation]\ndrop = 1.0\n[recipe]", "drop must be at least 0 and below 1"),
    ],
)
def test_config_when_a_value_is_impossible_then_refused_before_anything_is_read(
    config: Path, old: str, new: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        changed(config, old, new)


@pytest.mark.parametrize(("target", "says"), [("nope", "unknown backend 'nope'"), ("ternary", "'ternary' is none")])
def test_train_when_the_target_is_no_crossbar_then_told_before_recordings_are_read(
    config: Path, monkeypatch: pytest.MonkeyPatch, target: str, says: str
) -> None:
    monkeypatch.setattr("experiments.training.gather", lambda *_: pytest.fail("recordings were read"))
    settings = changed(config, "[recipe]", f'[hardware]\ntarget = "{target}"\n[recipe]')
    with pytest.raises(InputError, match=says):
        train(settings)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("0 l\n1 r\n2\n", r"labels\.txt is no list, because line 3 says '2'"),
        ("# sample and class\n0 on the left\n", "line 2 says '0 on the left'"),
    ],
)
def test_train_when_a_line_of_the_list_is_wrong_then_it_is_named(
    config: Path, data: Path, content: str, says: str
) -> None:
    (data / "labels.txt").write_text(content)
    with pytest.raises(InputError, match=says):
        train(load_config(config))


def test_train_when_checkpoints_are_a_file_then_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", str(config), "--out", str(config.parent / "a.safetensors"), "--checkpoints", str(config)])
    assert stop.value.code == ConfigError.exit_code
    assert "kept in a folder, but" in capsys.readouterr().err


FULL_DISK = """
import resource, signal, sys
from hil.cli import main
import quant.checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
save = quant.checkpoints.save
def full_after_the_first(training, path):
    save(training, path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
quant.checkpoints.save = full_after_the_first
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_train_when_the_disk_is_full_after_an_epoch_then_goes_on_from_it_once_there_is_room(
    config: Path, tmp_path: Path
) -> None:
    arguments = ["train", str(config), "--checkpoints", str(tmp_path / "kept"), "--out"]
    straight, resumed = tmp_path / "straight.safetensors", tmp_path / "resumed.safetensors"
    command = [sys.executable, "-W", "ignore", "-c", FULL_DISK, *arguments, str(resumed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert f"{tmp_path / 'kept' / 'encoder.safetensors'}: File too large" in done.stderr
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["encoder.safetensors"]
    assert not resumed.exists()
    for extra in (arguments, ["train", str(config), "--out"]):
        out = resumed if extra is arguments else straight
        with pytest.raises(SystemExit) as stop:
            main([*extra, str(out)])
        assert stop.value.code == 0
    assert resumed.read_bytes() == straight.read_bytes()
