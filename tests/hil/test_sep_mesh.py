"""The mesh: everyone within the hops hears each message once, whatever the topology and whichever copy is faster."""

import threading
from contextlib import contextmanager

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import DeadlineError, InvalidValueError, LinkError, TargetUnavailableError, UnknownNameError
from hil.registry import catalogue, load
from hil.rng import stream
from hil.sep.links import INBOX_FRAMES, MemoryBus, memory_links
from hil.sep.mesh import GossipNode, MemoryMesh
from hil.sep.messages import SemanticEvent
from hil.testing import LinkTests


def event(node_id="0", ttl=3, sequence=0):
    return SemanticEvent(node_id, 0, b"\x01", 4, ttl, 3, sequence=sequence)


@st.composite
def topologies(draw):
    n = draw(st.integers(2, 8))
    pairs = [(str(i), str(j)) for i in range(n) for j in range(i)]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=14, unique=True))
    origin = draw(st.sampled_from(sorted({name for pair in chosen for name in pair})))
    return chosen, origin


@given(topologies(), st.integers(0, 6), st.none() | st.integers(0, 1000))
def test_message_reaches_exactly_the_nodes_within_its_hops(topology, ttl, order_seed):
    """In order of sending and in 1000 random orders: reach is that of a breadth-first search."""
    edges, origin = topology
    mesh = MemoryMesh(edges, rng=None if order_seed is None else stream(order_seed, "arrival"))
    heard = [delivery.node_id for delivery in mesh.publish(event(origin, ttl))]
    within = networkx.single_source_shortest_path_length(networkx.Graph(edges), origin, cutoff=ttl)
    assert len(heard) == len(set(heard))
    assert set(heard) == set(within) - {origin}


@given(topologies(), st.integers(0, 6), st.integers(0, 1000))
def test_message_is_carried_a_bounded_number_of_times(topology, ttl, order_seed):
    edges, origin = topology
    mesh = MemoryMesh(edges, rng=stream(order_seed, "arrival"))
    mesh.publish(event(origin, ttl))
    assert mesh.copies <= 2 * len(edges) * ttl


@given(topologies())
def test_second_message_is_not_taken_for_the_first(topology):
    edges, origin = topology
    mesh = MemoryMesh(edges)
    first, second = (mesh.publish(event(origin, 3, sequence=n)) for n in range(2))
    assert {x.node_id for x in first} == {x.node_id for x in second}


def test_message_published_twice_is_heard_once():
    mesh = MemoryMesh([("a", "b")])
    assert [len(mesh.publish(event("a"))) for _ in range(2)] == [1, 0]
    assert mesh.nodes["b"].duplicates == 1


def test_copy_on_a_shorter_way_that_arrives_late_still_reaches_the_last_node():
    """a-b-c-d-e beside a-d: the long copy reaches d first with one hop left, the short one with three."""
    node_links = [MemoryBus().join() for _ in range(3)]
    node = GossipNode("d", node_links)
    ends = [link._bus.join() for link in node_links]
    assert node.accept(event("a", ttl=1).to_bytes(), node_links[0]) is not None
    with pytest.raises(DeadlineError):
        ends[2].receive(timeout_s=0)
    assert node.accept(event("a", ttl=3).to_bytes(), node_links[1]) is None
    assert SemanticEvent.from_bytes(ends[2].receive(timeout_s=0)).ttl == 2
    assert node.accept(event("a", ttl=2).to_bytes(), node_links[0]) is None
    with pytest.raises(DeadlineError):
        ends[2].receive(timeout_s=0)


def test_copy_is_not_sent_back_where_it_came_from():
    mesh = MemoryMesh([("a", "b")])
    mesh.publish(event("a", ttl=9))
    assert mesh.copies == 1


def test_message_with_no_hops_left_is_not_heard():
    link = MemoryBus().join()
    assert GossipNode("b", [link]).accept(event("a", ttl=0).to_bytes(), link) is None


def test_bytes_that_are_no_message_are_counted_and_change_nothing():
    link = MemoryBus().join()
    node = GossipNode("b", [link])
    assert node.accept(b"\xff\xff", link) is None
    assert node.refused == 1
    assert node.accept(event("a").to_bytes(), link) is not None


def test_node_forgets_the_oldest_message_first():
    link = MemoryBus().join()
    node = GossipNode("b", [link], remembered=2)
    for n in range(3):
        node.accept(event("a", sequence=n).to_bytes(), link)
    assert node.accept(event("a", sequence=2).to_bytes(), link) is None
    assert node.accept(event("a", sequence=0).to_bytes(), link) is not None


def test_node_cannot_speak_for_another():
    with pytest.raises(InvalidValueError, match="cannot publish as"):
        GossipNode("a", []).publish(event("b"))
    with pytest.raises(UnknownNameError, match="known: a, b"):
        MemoryMesh([("a", "b")]).publish(event("c"))


def test_loss_takes_its_share_of_copies():
    """2000 messages over one link that loses 30 %: within 5 standard deviations of 1400."""
    mesh = MemoryMesh([("a", "b")], loss=0.3, rng=stream(4, "loss"))
    heard = sum(len(mesh.publish(event("a", sequence=n))) for n in range(2000))
    assert abs(heard - 1400) < 5 * (2000 * 0.3 * 0.7) ** 0.5


def test_bytes_carried_count_every_copy_with_its_frame():
    mesh = MemoryMesh([("a", "b"), ("a", "c")])
    mesh.publish(event("a", ttl=1))
    assert mesh.bytes_carried == 2 * (4 + len(event("a", ttl=1).to_bytes()))


class TestMemoryLink(LinkTests):
    @contextmanager
    def pair(self):
        first, second = (memory_links("conformance", {}) for _ in range(2))
        yield first, second
        first.close()
        second.close()


def test_memory_link_is_found_by_name():
    entry = next(entry for entry in catalogue("links") if entry.name == "memory")
    assert entry.missing is None
    first, second, elsewhere = (load("links", "memory")(bus, {}) for bus in ("room", "room", "hall"))
    first.send(b"hello", timeout_s=1)
    assert second.receive(timeout_s=1) == b"hello"
    with pytest.raises(DeadlineError):
        elsewhere.receive(timeout_s=0)


def test_memory_link_that_loses_everything_delivers_nothing():
    first, second = (memory_links("lossy", {"loss": "1", "seed": "3"}) for _ in range(2))
    first.send(b"hello", timeout_s=1)
    with pytest.raises(DeadlineError):
        second.receive(timeout_s=0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"los": "1"}, UnknownNameError),
        ({"loss": "much"}, InvalidValueError),
        ({"loss": "1.5"}, InvalidValueError),
        ({"seed": "-1"}, InvalidValueError),
    ],
)
def test_memory_link_with_a_bad_option_is_refused(options, error):
    with pytest.raises(error):
        memory_links("bad", options)


def test_memory_link_that_is_closed_hears_nothing_and_says_so():
    bus = MemoryBus()
    first, second = bus.join(), bus.join()
    second.close()
    first.send(b"x", timeout_s=1)
    with pytest.raises(TargetUnavailableError):
        second.receive(timeout_s=0)
    with pytest.raises(TargetUnavailableError):
        second.send(b"x", timeout_s=0)


def test_memory_link_whose_neighbour_does_not_read_gives_up_in_time():
    bus = MemoryBus()
    first, _ = bus.join(), bus.join()
    for _ in range(INBOX_FRAMES):
        first.send(b"x", timeout_s=1)
    with pytest.raises(DeadlineError, match="unread"):
        first.send(b"x", timeout_s=0.01)


def test_memory_link_that_is_fed_garbage_refuses_it():
    bus = MemoryBus()
    _, listener = bus.join(), bus.join()
    listener.deliver(b"\xff\xff\xff\xff", timeout_s=0)
    with pytest.raises(LinkError, match="claims"):
        listener.receive(timeout_s=0)


class _Counts:
    """A link that counts what is sent on it."""

    def __init__(self):
        self.sent = 0
        self._lock = threading.Lock()

    def send(self, message, *, timeout_s):
        with self._lock:
            self.sent += 1

    def receive(self, *, timeout_s):
        raise DeadlineError("nothing")

    def close(self):
        pass


def test_message_that_many_threads_hear_at_once_is_delivered_once():
    links = [_Counts() for _ in range(8)]
    node = GossipNode("here", links)
    messages = [event("there", sequence=i).to_bytes() for i in range(300)]
    heard, together = [], threading.Barrier(len(links))

    def listen(link):
        together.wait()
        heard.extend(found for message in messages if (found := node.accept(message, link)) is not None)

    threads = [threading.Thread(target=listen, args=(link,)) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found.sequence for found in heard) == list(range(300))
    assert node.duplicates == 300 * 7
    assert sum(link.sent for link in links) == 300 * 7
