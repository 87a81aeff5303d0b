"""Going first: nothing is left changed behind the block, and a system that refuses says so."""

import gc
import os

import pytest

from hil.errors import InputError
from hil.precedence import precedence


def test_precedence_hides_what_is_loaded_from_the_collector_and_gives_it_back():
    with precedence():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_realtime_when_granted_is_asked_for_and_given_back(monkeypatch):
    asked = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *given: asked.append(given[:2]))
    before = os.sched_getscheduler(0)
    with pytest.raises(KeyError), precedence(realtime=True):
        raise KeyError
    assert asked == [(0, os.SCHED_RR), (0, before)]


@pytest.mark.parametrize("refusal", [PermissionError(1, "not permitted"), AttributeError("no such function")])
def test_realtime_when_refused_says_how_to_get_it(monkeypatch, refusal):
    def refuse(*_):
        raise refusal

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with pytest.raises(InputError, match="rtprio"), precedence(realtime=True):
        pass
