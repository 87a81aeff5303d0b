"""A target is programmed, asked and closed, and whatever breaks in its own code names it."""

from contextlib import nullcontext

import numpy as np
import pytest

from hil import registry
from hil.closing import Closing
from hil.compare import compare
from hil.errors import InvalidValueError, LinkError, TargetFailedError
from hil.inference import programmed
from hil.ports import Capabilities
from hil.progress import ignore_progress
from tests.hil.substrates import FakeBackend, small_network, some_windows


class Slow:
    name = "slow"

    def program(self, network, *, seed, on_progress=ignore_progress):
        on_progress(1, 2)
        on_progress(2, 2)
        return nullcontext((network.name, seed))


class Broken(Closing):
    """A stranger's backend, and its session, that raises in one stage."""

    name = "broken"

    def __init__(self, stage, error):
        self.stage, self.error = stage, error

    def _at(self, stage):
        if stage == self.stage:
            raise self.error

    @property
    def capabilities(self):
        self._at("saying what it promises")
        return Capabilities(exact=True)

    def program(self, network, *, seed, on_progress=ignore_progress):
        self._at("programming")
        self.session = FakeBackend().program(network, seed=seed).__enter__()
        return self

    def infer(self, features, *, t_us, trace=False):
        self._at("inferring")
        return self.session.infer(features, t_us=t_us, trace=trace)

    def close(self):
        self._at("closing")


def test_progress_of_a_backend_reaches_the_listener():
    heard = []
    with programmed(Slow(), small_network(), seed=3, on_progress=lambda *where: heard.append(where)) as session:
        assert session == ("small", 3)
    assert heard == [(1, 2), (2, 2)]


@pytest.mark.parametrize("stage", ["saying what it promises", "programming", "inferring", "closing"])
def test_exception_of_a_target_names_the_target_the_stage_and_the_line(stage):
    network = small_network()
    with pytest.raises(TargetFailedError) as failed:
        compare(some_windows(network, 6), network, FakeBackend(), [Broken(stage, ZeroDivisionError("no volts"))])
    message = str(failed.value)
    assert message.startswith(f"target 'broken' failed while {stage}: ZeroDivisionError: no volts (test_program.py:")
    assert isinstance(failed.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "error", [InvalidValueError("volts must be positive"), FileNotFoundError(2, "No such file", "weights.bin")]
)
def test_error_written_for_the_reader_passes_as_it_is(error):
    with pytest.raises(type(error)) as raised, programmed(Broken("programming", error), small_network(), seed=0):
        pass
    assert raised.value is error


def test_backend_without_a_listener_is_told_what_it_lacks():
    class Deaf(FakeBackend):
        def program(self, network, *, seed):
            return nullcontext()

    with (
        pytest.raises(TargetFailedError, match=r"programming: TypeError: .*on_progress"),
        programmed(Deaf(), small_network(), seed=0),
    ):
        pass


@pytest.fixture
def stranger(monkeypatch):
    """Register a factory of our own under ``hil.backends``."""

    def register(factory):
        class Entry:
            name = "stranger"

            def load(self):
                return factory

        sound = registry._group
        monkeypatch.setattr(registry, "_group", lambda kind: {**sound(kind), "stranger": Entry()})
        return "stranger:rig?volts=3"

    return register


def test_factory_that_fails_names_the_target(stranger):
    def factory(argument, options):
        raise KeyError("ohms")

    target = stranger(factory)
    with pytest.raises(TargetFailedError, match=r"target 'stranger:rig\?volts=3' failed while opening: KeyError"):
        registry.open_target(target)


def test_factory_that_makes_no_backend_is_told_what_it_lacks(stranger):
    target = stranger(lambda *_: Slow())
    with pytest.raises(TargetFailedError, match=r"but Slow lacks capabilities; see hil\.ports\.Backend"):
        registry.open_target(target)


@pytest.mark.parametrize("outputs", [np.zeros((1, 2)), np.full((6, 16), np.nan)])
def test_answer_that_cannot_be_names_the_target(outputs):
    network = small_network()
    wrong = FakeBackend(lambda layers, _: (layers, outputs.astype(np.float32)), name="wrong")
    with pytest.raises(LinkError, match=r"but wrong gave (\(1, 2\)|96 that are not)"):
        compare(some_windows(network, 6), network, FakeBackend(), [wrong])
