"""Our server against dv-processing's reader, our client against its writer, and both against peers that misbehave."""

import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.errors import DeadlineError, InvalidValueError, LinkError, TargetUnavailableError
from hil.types import EventBatch, Geometry
from sensors.live.client import NetworkSource
from sensors.live.server import EventServer
from sensors.live.wire import Address, parse_address, write_header, write_packets


def take(next_batch, n_events, *, timeout_s=20.0):
    """Call until that many events came; return them."""
    batches, n, deadline_s = [], 0, time.monotonic() + timeout_s
    while n < n_events and time.monotonic() < deadline_s:
        batch = next_batch()
        if batch is None or not len(batch):
            time.sleep(0.001)
            continue
        batches.append(batch)
        n += len(batch)
    return EventBatch.concatenate(batches)


@contextmanager
def scripted_server(*messages, hold_s=0.0):
    """Serve one client a script of bytes, then hang up after a while."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve():
        client, _ = listener.accept()
        with client:
            for message in messages:
                client.sendall(message)
            over.wait(hold_s)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Address(*listener.getsockname())
    finally:
        over.set()
        thread.join(timeout=10)
        listener.close()


DV_READER = """
import sys, time
import dv_processing as dv
import numpy as np

reader = dv.io.NetworkReader("127.0.0.1", int(sys.argv[1]))
stores, n, give_up = [], 0, time.monotonic() + 60
while n < int(sys.argv[2]) and time.monotonic() < give_up:
    store = reader.getNextEventBatch()
    if store is not None:
        stores.append((store.timestamps().ravel(), store.coordinates(), store.polarities().ravel()))
        n += store.size()
t, xy, p = (np.concatenate(columns) for columns in zip(*stores))
np.savez(sys.argv[3], t=t, x=xy[:, 0], y=xy[:, 1], p=p, size=reader.getEventResolution())
"""


def test_dv_processing_reads_what_the_server_sends(events, geometry, dv, assert_same, tmp_path):
    """In a process of its own, because its reader keeps the interpreter to itself while it waits."""
    with EventServer(geometry) as server:
        command = [sys.executable, "-c", DV_READER, str(server.address.port), str(len(events)), tmp_path / "read.npz"]
        with subprocess.Popen(command) as reader:
            server.wait_for_client(timeout_s=60)
            assert server.send(events, timeout_s=30) == 1
            assert reader.wait(timeout=60) == 0
    with np.load(tmp_path / "read.npz") as read:
        assert read["size"].tolist() == [320, 240]
        assert_same(EventBatch(read["t"], read["x"], read["y"], read["p"] != 0), events)


DV_WRITER = """
import sys, time
import dv_processing as dv
import numpy as np

events = np.load(sys.argv[2])
store = dv.EventStore()
for event in zip(*(events[name].tolist() for name in "txyp")):
    store.push_back(*event)
stream = dv.io.Stream.EventStream(0, "events", "HIL", (320, 240))
writer = dv.io.NetworkWriter("127.0.0.1", int(sys.argv[1]), stream)
print("listening", flush=True)
while not writer.getClientCount():
    time.sleep(0.001)
writer.writeEvents(store)
sys.stdin.read()
"""


def test_client_reads_what_dv_processing_sends(events, dv, assert_same, tmp_path):
    few = events[:5_000]
    np.savez(tmp_path / "events.npz", **{name: getattr(few, name) for name in "txyp"})
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", DV_WRITER, str(port), tmp_path / "events.npz"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"listening\n"
        with NetworkSource(Address(port=port), silence_s=20) as source:
            assert source.geometry == Geometry(320, 240)
            batches = iter(source)
            assert_same(take(lambda: next(batches), len(few)), few)
        writer.kill()


def test_every_client_gets_the_events_from_when_it_came(events, geometry, assert_same):
    server = EventServer(geometry)
    with NetworkSource(server.address) as early:
        server.wait_for_client(timeout_s=10)
        server.send(events[:10_000], timeout_s=10)
        with NetworkSource(server.address) as late:
            while server.clients < 2:
                time.sleep(0.001)
            assert server.send(events[10_000:], timeout_s=10) == 2
            server.close()
            assert_same(EventBatch.concatenate(list(early)), events)
            assert_same(EventBatch.concatenate(list(late)), events[10_000:])


def test_client_that_leaves_is_let_go_and_counted(events, geometry):
    with EventServer(geometry) as server:
        source = NetworkSource(server.address)
        server.wait_for_client(timeout_s=10)
        source.close()
        deadline_s = time.monotonic() + 10
        while server.send(events, timeout_s=5) and time.monotonic() < deadline_s:
            pass
        assert (server.clients, server.lost_clients) == (0, 1)
        assert server.send(events, timeout_s=5) == 0


def test_client_that_does_not_read_is_let_go_when_the_time_is_up(geometry):
    many = 400_000
    events = EventBatch(np.arange(many), np.zeros(many, int), np.zeros(many, int), np.ones(many, bool))
    with EventServer(geometry) as server, NetworkSource(server.address):
        server.wait_for_client(timeout_s=10)
        started_s = time.monotonic()
        while server.send(events, timeout_s=0.3):
            assert time.monotonic() - started_s < 30
        assert server.lost_clients == 1


def test_nobody_comes_and_the_wait_ends(geometry):
    with EventServer(geometry) as server, pytest.raises(DeadlineError, match="no client"):
        server.wait_for_client(timeout_s=0.05)


def test_server_turns_further_clients_away_and_closes_twice(geometry):
    server = EventServer(geometry, max_clients=1)
    with NetworkSource(server.address):
        server.wait_for_client(timeout_s=10)
        with NetworkSource(server.address) as second:
            assert list(second) == []
    server.close()
    server.close()
    with pytest.raises(TargetUnavailableError, match="no server answers"):
        NetworkSource(server.address)


def test_address_in_use_is_unavailable(geometry):
    with EventServer(geometry) as server, pytest.raises(TargetUnavailableError, match="cannot listen"):
        EventServer(geometry, server.address)


def test_server_listens_on_this_machine_only_by_default(geometry):
    with EventServer(geometry) as server:
        assert server.address.host == "127.0.0.1"


HEADER = write_header(Geometry(8, 8), "test")
PACKET = next(write_packets(EventBatch(np.array([5, 9]), np.array([1, 2]), np.array([3, 4]), np.array([True, False]))))


@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", struct.pack("<I", 0), struct.pack("<I", 40) + bytes(40), HEADER[:50]],
)
def test_foreign_server_is_a_link_error(greeting):
    with scripted_server(greeting) as address, pytest.raises(LinkError):
        NetworkSource(address)


def test_mute_server_is_a_deadline_error():
    with scripted_server(hold_s=10) as address, pytest.raises(DeadlineError, match="in time"):
        NetworkSource(address, timeout_s=0.1)


def test_server_that_falls_silent_is_a_deadline_error():
    with scripted_server(HEADER, PACKET, hold_s=10) as address, NetworkSource(address, silence_s=0.1) as source:
        batches = iter(source)
        assert next(batches).t.tolist() == [5, 9]
        with pytest.raises(DeadlineError):
            next(batches)


def test_server_that_stops_inside_a_packet_is_a_deadline_error_even_without_a_limit_on_silence():
    with scripted_server(HEADER, PACKET[:-3], hold_s=10) as address, NetworkSource(address, timeout_s=0.2) as source:
        batches = iter(source)
        with pytest.raises(DeadlineError):
            next(batches)


@pytest.mark.parametrize(
    ("bytes_sent", "message"),
    [
        (PACKET[:-3], "before the end"),
        (PACKET[:5], "before the end"),
        (struct.pack("<ii", 0, 2**31 - 1), "expected a known stream"),
        (struct.pack("<ii", 0, -5), "expected a known stream"),
        (struct.pack("<ii", 7, 20), "expected a known stream"),
        (struct.pack("<ii", 0, 20) + bytes(20), "broken packet"),
        (PACKET + PACKET, "in order"),
    ],
)
def test_broken_packets_are_link_errors(bytes_sent, message):
    with scripted_server(HEADER, bytes_sent) as address, NetworkSource(address) as source:
        batches = iter(source)
        with pytest.raises(LinkError, match=message):
            list(batches)


def test_event_outside_the_sensor_is_a_link_error():
    outside = next(write_packets(EventBatch(np.array([5]), np.array([8]), np.array([0]), np.array([True]))))
    with scripted_server(HEADER, outside) as address, NetworkSource(address) as source:
        batches = iter(source)
        with pytest.raises(LinkError, match="outside the 8x8 sensor"):
            next(batches)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.data())
def test_flipped_bytes_are_an_error_or_sound_events_and_never_a_hang(data):
    whole = bytearray(HEADER + PACKET)
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with scripted_server(bytes(whole)) as address:
        try:
            with NetworkSource(address, timeout_s=2, silence_s=2) as source:
                for batch in source:
                    assert int(batch.x.max()) < source.geometry.width
        except (LinkError, DeadlineError):
            pass


@pytest.mark.parametrize("text", ["", "tcp:", "tcp://host", "tcp://host:x", "udp://h:1", "tcp://h:99999", "7777"])
def test_address_that_is_none_is_refused(text):
    with pytest.raises(InvalidValueError, match="tcp://127"):
        parse_address(text)


def test_address_is_this_machine_unless_it_says_otherwise():
    assert parse_address("tcp://:7777") == Address("127.0.0.1", 7777)
    assert parse_address("tcp://[::1]:5") == Address("::1", 5)
    assert str(parse_address("tcp://lab:5")) == "tcp://lab:5"
    assert str(parse_address("tcp://[::1]:5")) == "tcp://[::1]:5"
