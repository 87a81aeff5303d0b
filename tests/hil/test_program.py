"""Programming reports how far it is where a backend can say."""

from contextlib import nullcontext

from hil.inference import program
from tests.hil.substrates import FakeBackend, small_network


class Slow:
    name = "slow"

    def program(self, network, *, seed, on_progress):
        on_progress(1, 2)
        on_progress(2, 2)
        return nullcontext((network.name, seed))


def test_progress_of_a_backend_that_can_say_reaches_the_listener():
    heard = []
    with program(Slow(), small_network(), seed=3, on_progress=lambda *where: heard.append(where)) as session:
        assert session == ("small", 3)
    assert heard == [(1, 2), (2, 2)]


def test_a_backend_that_cannot_say_is_programmed_all_the_same():
    with program(FakeBackend(), small_network(), seed=0) as session:
        assert session.backend.name == "fake"
