"""The replay engine against a slow simulation, its account under any sequence of calls, and its clocks."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hil.errors import DeadlineError, InvalidValueError
from hil.replay import Looped, Pace, Replay, VirtualClock
from hil.types import EventBatch, Geometry

POLICIES = ("block", "drop-oldest", "drop-newest")


def events_at(times_us):
    column = np.zeros(len(times_us), np.uint16)
    return EventBatch(np.array(times_us, np.int64), column, column, np.ones(len(times_us), bool))


@dataclass(frozen=True, eq=False)
class Packet:
    start_us: int
    end_us: int
    events: EventBatch


def packets_every(period_us, sizes, *, start_us=0):
    return [
        Packet(start, start + period_us, events_at([start] * n))
        for n, start in ((n, start_us + i * period_us) for i, n in enumerate(sizes))
    ]


def conserved(account):
    return (
        account.received == account.delivered + account.dropped + account.queued
        and account.packets_received == account.packets_delivered + account.packets_dropped + account.packets_queued
    )


def played(packets, pace, services_s):
    """Return the packets a consumer with these service times gets, when it gets them, and the replay."""
    clock = VirtualClock()
    replay = Replay(packets, pace, clock=clock)
    got = []
    for packet, service_s in zip(replay, services_s, strict=False):
        got.append((packet.start_us, round(clock.now_s() * 1e6)))
        clock.advance(service_s)
    return got, replay


def simulate(period_us, n_packets, policy, capacity, services_us):
    """Return what a queue fed by a perfect producer delivers, one microsecond tick after the other."""
    waiting, delivered, blocked, now, free_at, arrived = [], [], [], 0, 0, 0
    services = iter(services_us)
    while len(delivered) < len(services_us) and (arrived < n_packets or waiting or blocked):
        if arrived < n_packets and now == (arrived + 1) * period_us:
            blocked.append(arrived)
            arrived += 1
        while blocked and (len(waiting) < capacity or policy != "block"):
            packet = blocked.pop(0)
            if len(waiting) < capacity:
                waiting.append(packet)
            elif policy == "drop-oldest":
                waiting = [*waiting[1:], packet]
            if now >= free_at:
                break
        if waiting and now >= free_at:
            delivered.append((waiting.pop(0) * period_us, now))
            free_at = now + next(services)
            continue
        now += 1
    return delivered


@given(
    st.integers(1, 12),
    st.integers(1, 4),
    st.sampled_from(POLICIES),
    st.lists(st.integers(0, 25), min_size=1, max_size=15),
)
def test_replay_delivers_what_a_tick_by_tick_simulation_delivers(n_packets, capacity, policy, services_us):
    packets = packets_every(7, [1] * n_packets)
    pace = Pace(policy=policy, capacity=capacity)
    got, _ = played(packets, pace, [s * 1e-6 + 1e-10 for s in services_us])
    expected = simulate(7, n_packets, policy, capacity, services_us)
    assert got == expected[: len(got)]
    assert len(got) == min(len(expected), len(services_us))


class AnyCalls(RuleBasedStateMachine):
    """Whatever is called, in whatever order, every event is accounted for."""

    def __init__(self):
        super().__init__()
        self.clock = VirtualClock()
        self.replay = None
        self.paused = False

    @precondition(lambda self: self.replay is None)
    @rule(
        sizes=st.lists(st.integers(0, 5), max_size=20),
        policy=st.sampled_from(POLICIES),
        capacity=st.integers(1, 3),
        step_locked=st.booleans(),
        speed=st.sampled_from([0.5, 1.0, 1000.0]),
    )
    def start(self, sizes, policy, capacity, step_locked, speed):
        pace = Pace(speed, policy, capacity, step_locked)
        self.replay = Replay(packets_every(10, sizes, start_us=100), pace, clock=self.clock)

    @precondition(lambda self: self.replay and not self.paused)
    @rule(refuse=st.booleans())
    def take(self, refuse):
        packet = self.replay.next_packet()
        if packet is not None and refuse:
            self.replay.refuse(packet)

    @precondition(lambda self: self.replay)
    @rule(work_us=st.integers(0, 80))
    def work(self, work_us):
        self.clock.advance(work_us * 1e-6)

    @precondition(lambda self: self.replay)
    @rule()
    def pause(self):
        self.replay.pause()
        self.paused = True

    @precondition(lambda self: self.replay)
    @rule()
    def resume(self):
        self.replay.resume()
        self.paused = False

    @precondition(lambda self: self.replay)
    @rule(t_us=st.integers(50, 350))
    def seek(self, t_us):
        self.replay.seek(t_us)

    @invariant()
    def every_event_is_accounted_for(self):
        if self.replay is not None:
            account = self.replay.account
            assert conserved(account)
            assert min(account.delivered, account.dropped, account.queued) >= 0
            assert len(self.replay.lateness) >= account.packets_delivered


TestAnyCalls = AnyCalls.TestCase


@given(st.lists(st.integers(0, 4), max_size=30), st.sampled_from(POLICIES))
def test_virtual_clock_delivers_everything_on_time_and_the_same_twice(sizes, policy):
    packets = packets_every(1000, sizes)
    first, replay = played(packets, Pace(policy=policy, capacity=1), [0.0] * 99)
    assert first == played(packets, Pace(policy=policy, capacity=1), [0.0] * 99)[0]
    assert [start for start, _ in first] == [packet.start_us for packet in packets]
    assert [at for _, at in first] == [packet.end_us for packet in packets]
    assert replay.account.delivered == sum(sizes)
    assert replay.lateness.max_us < 1e-3


@pytest.mark.parametrize("policy", POLICIES)
def test_packets_are_on_time_although_reading_one_takes_nearly_as_long_as_it_lasts(policy):
    clock = VirtualClock()

    def read_slowly():
        for packet in packets_every(10_000, [1] * 30):
            clock.advance(0.009)
            yield packet

    replay = Replay(read_slowly(), Pace(policy=policy, capacity=1), clock=clock)
    assert [packet.start_us for packet in replay] == list(range(0, 300_000, 10_000))
    assert replay.lateness.max_us < 1


def test_block_holds_the_stream_back_and_loses_nothing():
    _, replay = played(packets_every(1000, [2] * 50), Pace(capacity=3), [0.005] * 99)
    assert (replay.account.delivered, replay.account.dropped) == (100, 0)
    assert replay.lateness.max_us == pytest.approx(49 * 4000, rel=1e-6)


def test_newest_window_only_is_a_queue_of_one_that_drops_the_oldest():
    got, replay = played(packets_every(1000, [1] * 40), Pace(policy="drop-oldest", capacity=1), [0.00333] * 99)
    assert all(start_us + 1000 <= at_us < start_us + 2000 for start_us, at_us in got[:-1])
    assert got[-1][0] == 39_000
    assert replay.account.dropped == 40 - len(got) - replay.account.queued


def test_step_locked_replay_lets_the_stream_wait_for_a_slow_board():
    got, replay = played(packets_every(1000, [1] * 10), Pace(step_locked=True), [0.004] * 99)
    assert [at for _, at in got] == [1000 + 4000 * i for i in range(10)]
    assert (replay.account.delivered, replay.account.dropped, replay.lateness.max_us) == (10, 0, 0)
    assert replay.held_s == pytest.approx(9 * 0.003)
    assert replay.stream_time_us() == pytest.approx(10_000 + 4000)


def test_step_locked_replay_is_no_faster_than_the_pace():
    got, replay = played(packets_every(1000, [1] * 5), Pace(step_locked=True), [0.0] * 99)
    assert [at for _, at in got] == [1000, 2000, 3000, 4000, 5000]
    assert replay.held_s == pytest.approx(0)


def test_speed_scales_when_packets_are_due():
    got, _ = played(packets_every(1000, [1] * 3, start_us=10**15), Pace(speed=4), [0.0] * 9)
    assert [at for _, at in got] == [250, 500, 750]


def test_pause_makes_nothing_late_and_loses_nothing():
    clock = VirtualClock()
    replay = Replay(packets_every(1000, [1] * 6), Pace(policy="drop-oldest", capacity=1), clock=clock)
    replay.next_packet()
    replay.pause()
    before_us = replay.stream_time_us()
    clock.advance(10.0)
    assert replay.stream_time_us() == before_us
    with pytest.raises(DeadlineError, match="paused"):
        replay.next_packet(timeout_s=0.01)
    replay.resume()
    assert [packet.start_us for packet in replay] == [1000, 2000, 3000, 4000, 5000]
    assert replay.lateness.max_us < 1


def test_resume_from_another_thread_wakes_a_waiting_consumer():
    replay = Replay(packets_every(100, [1] * 2), clock=VirtualClock())
    replay.pause()
    thread = threading.Timer(0.05, replay.resume)
    thread.start()
    assert replay.next_packet(timeout_s=20) is not None
    thread.join()


@pytest.mark.parametrize(
    ("t_us", "starts"), [(0, [0, 1000, 2000, 3000]), (2500, [2000, 3000]), (1000, [1000, 2000, 3000])]
)
def test_seek_goes_on_with_the_packet_that_holds_the_time(t_us, starts):
    clock = VirtualClock()
    replay = Replay(packets_every(1000, [1] * 4), clock=clock)
    replay.next_packet()
    clock.advance(0.002)
    replay.seek(t_us)
    assert replay.stream_time_us() == t_us
    assert [packet.start_us for packet in replay] == starts
    assert conserved(replay.account)


def test_seek_needs_packets_that_can_be_read_again():
    replay = Replay(iter(packets_every(1000, [1])), clock=VirtualClock())
    with pytest.raises(InvalidValueError, match="again"):
        replay.seek(0)


def test_stop_ends_the_replay_with_a_sound_account():
    replay = Replay(packets_every(1000, [3] * 4), clock=VirtualClock())
    replay.next_packet()
    replay.stop()
    assert replay.next_packet() is None
    assert (replay.account.delivered, replay.account.received) == (3, 3)


def test_deadline_passes_when_the_next_packet_is_due_later():
    replay = Replay(packets_every(1_000_000, [1]), clock=VirtualClock())
    with pytest.raises(DeadlineError, match="after the deadline"):
        replay.next_packet(timeout_s=0.25)
    assert replay.next_packet(timeout_s=0.75) is not None


def test_wall_clock_replay_takes_as_long_as_the_recording():
    replay = Replay(packets_every(5_000, [1] * 20))
    started_s = time.monotonic()
    n = sum(1 for _ in replay)
    assert n == 20
    assert 0.1 <= time.monotonic() - started_s < 5
    assert replay.account.delivered == 20


def test_stop_from_another_thread_wakes_a_sleeping_consumer():
    replay = Replay(packets_every(3_600_000_000, [1]))
    thread = threading.Timer(0.05, replay.stop)
    thread.start()
    assert replay.next_packet(timeout_s=60) is None
    thread.join()


@dataclass(frozen=True)
class Source:
    batches: list
    geometry = Geometry(1, 1)

    def __iter__(self):
        return iter(self.batches)


def test_looped_source_goes_on_in_time():
    source = Source([events_at([100, 150]), events_at([150, 199])])
    looped = Looped(source, times=3)
    assert looped.geometry == source.geometry
    times_us = [t for batch in looped for t in batch.t.tolist()]
    assert times_us == [100, 150, 150, 199, 200, 250, 250, 299, 300, 350, 350, 399]


def test_source_looped_for_ever_goes_on_and_an_empty_one_ends():
    endless = iter(Looped(Source([events_at([0])])))
    assert [int(next(endless).t[0]) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert list(Looped(Source([]))) == []
    with pytest.raises(InvalidValueError, match="at least once"):
        Looped(Source([]), times=0)


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"speed": float("inf")}, {"policy": "maybe"}, {"capacity": 0}])
def test_impossible_pace_is_refused(wrong):
    with pytest.raises(InvalidValueError):
        Pace(**wrong)


def test_time_does_not_go_back():
    with pytest.raises(InvalidValueError, match="forwards"):
        VirtualClock().advance(-1)
