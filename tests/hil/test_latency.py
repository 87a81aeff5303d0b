"""Latency-aware scores on streams small enough to work out by hand."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InvalidValueError
from hil.latency import Answers, follow, last_finished_before, score
from hil.replay import Pace, Replay, VirtualClock
from hil.types import EventBatch

WINDOW_US = 10_000


def meanings(letters):
    """Return (n, 3) embeddings: one axis per letter."""
    return np.eye(3, dtype=np.float32)[["abc".index(letter) for letter in letters]]


def reference_of(letters):
    about = WINDOW_US * np.arange(1, len(letters) + 1)
    return Answers.at_once(about, meanings(letters), threshold=0.35)


def delayed(letters, delay_us):
    reference = reference_of(letters)
    return Answers(reference.about_us, reference.about_us + delay_us, reference.embeddings, reference.sent)


def judged(reference, actual, **settings):
    return score(reference, actual, same_meaning=0.35, tolerance_us=WINDOW_US, **settings)


def test_last_answer_must_be_finished_strictly_before():
    assert last_finished_before(np.array([5, 9, 9, 20]), np.array([5, 6, 9, 10, 99])).tolist() == [-1, 0, 0, 2, 3]


@given(st.lists(st.integers(0, 50), max_size=20).map(sorted), st.lists(st.integers(0, 60), max_size=20))
def test_last_answer_equals_a_slow_search(finished, at):
    expected = [max((i for i, f in enumerate(finished) if f < t), default=-1) for t in at]
    assert last_finished_before(np.array(finished, np.int64), np.array(at, np.int64)).tolist() == expected


def test_target_without_delay_scores_as_the_reference():
    reference = reference_of("aabbc")
    result = judged(reference, reference)
    assert result.cosine == result.cosine_without_delay == pytest.approx(1)
    assert (result.sends, result.sends_late, result.sends_missed, result.sends_extra) == (3, 0, 0, 0)
    assert (result.unanswered, result.send_delay_max_us) == (0, 0)


def test_delay_costs_meaning_for_as_long_as_it_lasts():
    result = judged(reference_of("abab"), delayed("abab", 2_000), sample_us=1)
    # of the 30,001 times from the first answer on, 2,000 are unanswered and 2 x 2,000 + 1 still show the last letter
    assert result.samples == 30_001
    assert result.unanswered == pytest.approx(2_000 / 30_001)
    assert result.cosine == pytest.approx(1 - (3 * 2_000 + 1) / 30_001)
    assert result.cosine_without_delay == pytest.approx(1)
    assert (result.sends_late, result.sends_missed, result.send_delay_p50_us) == (0, 0, 2_000)


def test_send_is_late_beyond_the_tolerance_and_missed_once_the_next_is_due():
    late = judged(reference_of("aaab"), delayed("aaab", 12_000))
    assert (late.sends, late.sends_late, late.sends_missed, late.sends_extra) == (2, 2, 0, 0)
    missed = judged(reference_of("abab"), delayed("abab", 12_000))
    assert (missed.sends, missed.sends_late, missed.sends_missed, missed.sends_extra) == (4, 1, 3, 3)


def test_send_of_another_meaning_answers_nothing():
    result = judged(reference_of("ab"), delayed("ac", 0))
    assert (result.sends_missed, result.sends_extra) == (1, 1)


def test_target_that_never_answers_misses_everything():
    nothing = Answers(np.empty(0, int), np.empty(0, int), np.empty((0, 3), np.float32), np.empty(0, bool))
    result = judged(reference_of("ab"), nothing)
    assert (result.unanswered, result.cosine, result.sends_missed, result.age_max_us) == (1, 0, 2, None)
    assert result.as_document()["send_delay_max_us"] is None


@dataclass(frozen=True, eq=False)
class Packet:
    letter: str
    end_us: int
    events: EventBatch

    @property
    def start_us(self):
        return self.end_us - WINDOW_US


def test_following_a_stream_with_the_newest_window_only_skips_what_a_slow_target_cannot_take():
    letters = "aaabbbccc"
    packets = [Packet(c, WINDOW_US * (i + 1), EventBatch.empty()) for i, c in enumerate(letters)]
    clock = VirtualClock()
    replay = Replay(packets, Pace(policy="drop-oldest", capacity=1), clock=clock)

    def answer(packet):
        clock.advance(0.025)
        return meanings(packet.letter)[0]

    answers = follow(replay, answer, threshold=0.35)
    assert answers.about_us.tolist() == [10_000, 30_000, 60_000, 80_000, 90_000]
    assert answers.finished_us.tolist() == [35_000, 60_000, 85_000, 110_000, 135_000]
    assert answers.sent.tolist() == [True, False, True, True, False]
    result = judged(reference_of(letters), answers)
    assert result.cosine < result.cosine_without_delay < 1
    assert result.sends_missed + result.sends_late == 3


def test_answers_from_the_future_and_misfits_are_refused():
    row = np.ones((1, 3), np.float32)
    with pytest.raises(InvalidValueError, match="before their windows"):
        Answers(np.array([5]), np.array([4]), row, np.array([True]))
    with pytest.raises(InvalidValueError, match="one row"):
        Answers(np.array([5]), np.array([5]), row[0], np.array([True]))
    wide = Answers(np.array([5]), np.array([5]), np.ones((1, 4), np.float32), np.array([True]))
    with pytest.raises(InvalidValueError, match="dimensions"):
        judged(reference_of("ab"), wide)
