from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")

from experiments.training_config import CONFIGS, load_config
from hil.cli import main
from hil.errors import ConfigError, UnknownNameError
from hil.registry import load_network
from hil.rng import stream

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def two_classes(folder: Path, count: int = 24) -> Path:
    """Write recordings of a bar on the left or on the right of an N-MNIST sensor."""
    folder.mkdir()
    lines = []
    for i in range(count):
        rng, side = stream(i, "bars"), i % 2
        n = 400
        t = np.sort(rng.integers(0, 300_000, n))
        x, y, p = 6 + 16 * side + rng.integers(0, 5, n), rng.integers(4, 30, n), rng.integers(0, 2, n)
        columns = [x, y, (p << 7) | (t >> 16), (t >> 8) & 255, t & 255]
        (folder / f"{i}.bs2").write_bytes(np.stack(columns, axis=1).astype(np.uint8).tobytes())
        lines.append(f"{i} {side}")
    (folder / "labels.txt").write_text("\n".join(lines))
    return folder


CONFIG = """
name = "bars"
about = "a bar on the left or on the right"
seed = 3
[features]
width = 17
height = 17
time_bins = 3
window_us = 315_000
pixels_per_cell = 4
[captions]
vectors = "captions.npz"
classes = ["0", "1"]
texts = ["left", "right"]
[data]
held_out = 6
validation = 4
[augmentation]
shift_px = 1.0
[recipe]
epochs = 4
batch = 8
teacher_weight = 1.0
[[recipe.layers]]
channels = 16
"""


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an empty folder, and leave nothing there that nobody asked for."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    from hil.network import CaptionSet
    from quant.captions import save

    save(CaptionSet(("left", "right"), np.eye(2, 8, dtype=np.float32), "none", ""), tmp_path / "captions.npz")
    path = tmp_path / "bars.toml"
    path.write_text(CONFIG)
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, out, err


def test_train_when_config_is_good_then_network_document_and_report_are_written(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = two_classes(tmp_path / "bars")
    out, page, card = (tmp_path / name for name in ("a.safetensors", "report.html", "card.md"))
    common = ("train", config, "--dataset", data, "--json")
    code, text, _ = call(
        capsys, *common, "--out", out, "--report", page, "--card", card, "--checkpoints", tmp_path / "kept"
    )
    document = json.loads(text)
    assert code == 0
    assert document["n"] == 6
    assert document["accuracy"] == 1.0
    network = load_network(out)
    assert document["digest"] == network.digest
    assert network.metadata["held_out"] == "6"
    assert page.read_text().count("<svg") == 5
    assert card.read_text().startswith("# bars")
    assert "| `ternary` | 100.0% |" in card.read_text()
    assert "crossbar:ideal" in card.read_text()

    # from scratch, and from the finished checkpoints: the same integers
    for extra in ((), ("--checkpoints", tmp_path / "kept")):
        code, text, _ = call(capsys, *common, "--out", tmp_path / "b.safetensors", *extra)
        assert json.loads(text)["digest"] == network.digest
    assert (tmp_path / "b.safetensors").read_bytes() == out.read_bytes()

    # the network scores what was held out of the same data set
    code, text, _ = call(capsys, "evaluate", out, data, "--held-out", "--json")
    scored = json.loads(text)
    assert (code, scored["n"], scored["accuracy"], scored["gate_flips"]) == (0, 6, 1.0, 0)


def test_float_gap_when_problem_is_easy_then_neither_twin_errs(config: Path, tmp_path: Path) -> None:
    from experiments.float_gap import Config, run, table

    pairs = run(Config(str(config), str(two_classes(tmp_path / "bars")), seeds=(1,), epochs=3))
    assert [(pair.seed, pair.float_accuracy, pair.ternary_accuracy) for pair in pairs] == [(1, 1.0, 1.0)]
    assert "gap 0.00 points" in table(pairs)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("epochs = 4", "epocks = 4", "epocks"),
        ("epochs = 4", "epochs = 0", "epochs must be positive"),
        ("width = 17", 'width = "wide"', "width"),
        ("seed = 3", "seed = ", "not TOML"),
        ('texts = ["left", "right"]', 'texts = ["left"]', "one text per class"),
    ],
)
def test_config_when_something_is_wrong_then_error_says_what(config: Path, old: str, new: str, why: str) -> None:
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=why):
        load_config(config)


def test_train_when_there_is_nothing_to_learn_from_then_one_line_and_exit_two(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("held_out = 6", "held_out = 0").replace("validation = 4", ""))
    code, _, err = call(capsys, "train", config)
    assert code == 2
    assert err.count("\n") == 1
    assert "nothing" in err or "none" in err
    assert list(Path().iterdir()) == []


def test_train_when_output_cannot_be_written_then_nothing_is_trained(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.training.train", lambda *_: pytest.fail("the training was begun"))
    (tmp_path / "taken.safetensors").mkdir()
    code, _, err = call(capsys, "train", config, "--out", tmp_path / "taken.safetensors")
    assert (code, err.count("\n")) == (2, 1)


def test_train_when_training_fails_then_no_empty_network_is_left(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = call(capsys, "train", config, "--dataset", tmp_path / "nowhere", "--out", tmp_path / "new.safetensors")
    assert code == 2
    assert not (tmp_path / "new.safetensors").exists()


def test_train_when_dataset_is_missing_then_one_line_says_what_to_do_before_torch_is_loaded(
    config: Path, tmp_path: Path
) -> None:
    script = (
        "import sys; from hil.cli.main import _run; "
        f"code = _run(['train', {str(config)!r}, '--dataset', 'nowhere.zip']); "
        "sys.exit(99 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nowhere.zip" in done.stderr
    assert "--dataset" in done.stderr
    assert list((tmp_path / "here").iterdir()) == []


def test_train_when_captions_are_recomputed_then_they_lie_beside_the_network_and_the_old_ones_are_untouched(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hil.network import CaptionSet

    turned = CaptionSet(("left", "right"), np.eye(2, 8, k=3, dtype=np.float32), "other", "")
    monkeypatch.setattr("quant.captions.compute", lambda *_, **__: turned)
    before = (tmp_path / "captions.npz").read_bytes()
    data, out = two_classes(tmp_path / "bars"), tmp_path / "new" / "a.safetensors"
    code, _, _ = call(capsys, "train", config, "--dataset", data, "--out", out, "--text-model", "any")
    assert code == 0
    assert (tmp_path / "captions.npz").read_bytes() == before
    assert sorted(path.name for path in out.parent.iterdir()) == ["a.captions.npz", "a.safetensors"]
    captions = load_network(out).captions
    assert captions is not None
    np.testing.assert_array_equal(captions.vectors, turned.vectors)


def test_shipped_configs_when_loaded_then_their_captions_are_there() -> None:
    names = sorted(path.stem for path in CONFIGS.glob("*.toml"))
    assert "digits" in names
    for name in names:
        assert Path(load_config(name).captions.vectors).is_file()


def test_unknown_config_when_named_then_the_shipped_ones_are_listed() -> None:
    with pytest.raises(UnknownNameError, match=r"neither a file nor shipped; shipped: digits, "):
        load_config("digit")
