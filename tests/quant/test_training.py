from __future__ import annotations

import math
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from hil.errors import ConfigError, FormatError, InvalidValueError  # noqa: E402
from hil.rng import stream  # noqa: E402
from hil.testing.networks import reference_layers  # noqa: E402
from quant.checkpoints import restore, save  # noqa: E402
from quant.encoder import Encoder  # noqa: E402
from quant.freezing import freeze  # noqa: E402
from quant.measuring import Labelled, embed, score  # noqa: E402
from quant.recipe import LayerPlan, Recipe  # noqa: E402
from quant.training import Training, learning_rate, new_encoder, reproducible, train  # noqa: E402
from tests.quant.toy import D_OUT, SHAPE, Toy, captions  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RECIPE = Recipe((LayerPlan(24),), epochs=8, batch=16, weight_decay=0.01, dropout=0.1, weight_noise=0.1)


def fresh(recipe: Recipe, *, seed: int, teacher: Encoder | None = None) -> Training:
    return Training(recipe, captions(), new_encoder(recipe, D_OUT, SHAPE, seed=seed), seed=seed, teacher=teacher)


def run(recipe: Recipe = RECIPE, *, seed: int = 1, epochs: int | None = None) -> Training:
    with reproducible(1):
        training = fresh(recipe, seed=seed)
        while not training.finished and training.done != epochs:
            training.run_epoch(Toy(), Toy().epoch(99))
    return training


def weights(training: Training) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in training.encoder.state_dict().items()}


def test_training_when_patterns_are_learnable_then_they_are_learned_and_frozen() -> None:
    with reproducible(1):
        training = fresh(RECIPE, seed=1)
        encoder = train(Toy(), None, training)
        encoder.place(None)
        accuracy, cosine = score(encoder, training.captions, Toy().epoch(99))
    assert accuracy > 0.95
    assert cosine > 0.4
    network = freeze(encoder, name="toy", captions=captions())
    held = Toy().epoch(99)
    outputs = network.embed(reference_layers(network, held.features)[-1].activation)
    assert (captions().nearest(outputs) == held.labels).mean() > 0.95


def test_training_when_seed_is_the_same_then_every_bit_is() -> None:
    assert weights(run(epochs=3)) == weights(run(epochs=3))
    assert weights(run(epochs=1)) != weights(run(epochs=1, seed=2))


def test_training_when_saved_and_restored_half_way_then_end_is_the_same(tmp_path: Path) -> None:
    whole = run()
    half = run(epochs=4)
    save(half, tmp_path / "run")
    with reproducible(1):
        resumed = fresh(RECIPE, seed=1)
        restore(resumed, tmp_path / "run")
        while not resumed.finished:
            resumed.run_epoch(Toy(), Toy().epoch(99))
    assert weights(resumed) == weights(whole)
    assert resumed.history == whole.history


def test_restore_when_settings_differ_then_refused(tmp_path: Path) -> None:
    save(run(epochs=1), tmp_path / "run")
    with pytest.raises(ConfigError, match="other settings"):
        restore(fresh(RECIPE, seed=2), tmp_path / "run")


def test_restore_when_file_is_cut_then_refused(tmp_path: Path) -> None:
    save(run(epochs=1), tmp_path / "run")
    (tmp_path / "run").write_bytes((tmp_path / "run").read_bytes()[:-5])
    with pytest.raises(FormatError, match="must hold a training run"):
        restore(fresh(RECIPE, seed=1), tmp_path / "run")


def test_restore_when_one_weight_was_altered_then_refused(tmp_path: Path) -> None:
    training, path = run(epochs=1), tmp_path / "run"
    save(training, path)
    weight = training.encoder.stages[0].linear.weight.detach().numpy().tobytes()[:8]
    altered = path.read_bytes().replace(weight, weight[::-1])
    assert altered != path.read_bytes()
    path.write_bytes(altered)
    with pytest.raises(FormatError, match=r"altered.*delete it to start anew"):
        restore(fresh(RECIPE, seed=1), path)


class Few:
    """As many windows as asked for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def epoch(self, index: int) -> Labelled:
        whole = Toy().epoch(index)
        return Labelled(whole.features[: self.count], whole.labels[: self.count])


def test_training_when_there_is_one_window_then_says_that_it_needs_two() -> None:
    with pytest.raises(InvalidValueError, match="at least 2 windows to learn from, but got 1"):
        train(Few(1), None, fresh(RECIPE, seed=1))


def test_training_when_a_batch_would_end_with_one_window_then_it_is_left_for_another_epoch() -> None:
    train(Few(RECIPE.batch + 1), None, training := fresh(RECIPE, seed=1))
    assert all(math.isfinite(epoch.loss) for epoch in training.history)


def test_training_when_it_diverges_then_stops_and_says_what_to_lower() -> None:
    wild = Recipe((LayerPlan(24),), epochs=3, batch=16, learning_rate=1e30)
    with pytest.raises(InvalidValueError, match=r"loss must stay a number, .*lower learning_rate \(it is 1e\+30\)"):
        train(Toy(), None, fresh(wild, seed=1))


@pytest.mark.parametrize("device", ["toaster", "meta"])
def test_training_when_device_is_not_here_then_says_so(device: str) -> None:
    encoder = new_encoder(RECIPE, D_OUT, SHAPE, seed=1)
    with pytest.raises(InvalidValueError, match=f"device that torch finds here.*got '{device}'"):
        Training(RECIPE, captions(), encoder, seed=1, device=device)


def test_training_when_there_is_no_thread_then_refused() -> None:
    with pytest.raises(InvalidValueError, match="at least 1 thread, but got 0"), reproducible(0):
        pass


def test_training_when_validation_stops_rising_then_best_epoch_is_kept() -> None:
    impatient = Recipe((LayerPlan(24),), epochs=60, batch=16, patience=2)
    with reproducible(1):
        training = fresh(impatient, seed=1)
        train(Toy(), Toy().epoch(99), training)
    best = max(epoch.cosine for epoch in training.history)
    assert training.done < 60
    assert training.history[-3].cosine == best
    assert training.best is not None


def test_learning_rate_when_half_is_done_then_second_stage_begins() -> None:
    recipe = Recipe((), learning_rate=4.0, second_learning_rate=1.0)
    assert learning_rate(recipe, 0.0) == 0.0
    assert math.isclose(learning_rate(recipe, 0.25), 2.5)
    assert math.isclose(learning_rate(recipe, 0.5), 1.0)
    assert learning_rate(recipe, 1.0) == 0.0
    assert learning_rate(recipe, 0.499) < learning_rate(recipe, 0.05)


def test_teacher_when_it_weighs_then_student_moves_towards_it() -> None:
    twin = Recipe((LayerPlan(24),), epochs=3, batch=16, precision="float")
    with reproducible(1):
        teacher = train(Toy(), None, fresh(twin, seed=5))
        data = Toy().epoch(99)
        agreement = []
        for weight in (0.0, 10.0):
            recipe = Recipe((LayerPlan(24),), epochs=3, batch=16, teacher_weight=weight)
            student = train(Toy(), None, fresh(recipe, seed=1, teacher=teacher))
            directions = [
                torch.nn.functional.normalize(embed(each, data.features), dim=1) for each in (student, teacher)
            ]
            agreement.append(float((directions[0] * directions[1]).sum(1).mean()))
    assert agreement[1] > agreement[0] + 0.01


def save_every_epoch(path: Path, pipe: Connection) -> None:
    with reproducible(1):
        training = fresh(RECIPE, seed=1)
        if path.exists():
            restore(training, path)
        while not training.finished:
            training.run_epoch(Toy(), Toy().epoch(99))
            save(training, path)
            pipe.send(training.done)


@pytest.mark.slow
def test_training_when_killed_at_random_moments_and_resumed_then_weights_are_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "run"
    rng = stream(7, "kill")
    processes = multiprocessing.get_context("fork")
    seen = 0
    for _ in range(4):
        ours, theirs = processes.Pipe(duplex=False)
        process = processes.Process(target=save_every_epoch, args=(path, theirs))
        process.start()
        theirs.close()
        assert ours.poll(60)
        seen = ours.recv()
        time.sleep(float(rng.uniform(0, 0.08)))  # somewhere inside the next epoch or its save
        process.kill()
        process.join(60)
        assert process.exitcode in (-signal.SIGKILL, 0)
    assert seen >= 4
    with reproducible(1):
        resumed = fresh(RECIPE, seed=1)
        restore(resumed, path)
        while not resumed.finished:
            resumed.run_epoch(Toy(), Toy().epoch(99))
    assert weights(resumed) == weights(run())
