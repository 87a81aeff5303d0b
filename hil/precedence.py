"""Lets the thread that keeps a pace go first, so that neither the garbage collector nor other programs make it late."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hil.errors import InputError

__all__ = ["precedence"]

LOWEST_REALTIME = 1


@contextmanager
def precedence(*, realtime: bool = False) -> Iterator[None]:
    """Keep the pace undisturbed while the block runs.

    What the program has loaded so far is taken out of the garbage collector's sight (``gc.freeze``), because one look
    at everything takes tens of milliseconds. With ``realtime`` this thread also goes before every ordinary program
    (``SCHED_RR``, see sched(7)): a thread that mostly sleeps disturbs the others little, and wakes when it is due
    however busy the machine is.

    Args:
        realtime: Whether to ask the system for real-time scheduling.

    Raises:
        InputError: The system does not grant it, or has none.
    """
    before = _enter_realtime() if realtime else None
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if before is not None:
            os.sched_setscheduler(0, *before)


def _enter_realtime() -> tuple[int, os.sched_param]:
    """Return the scheduling of before, to go back to."""
    try:
        before = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(LOWEST_REALTIME))
    except (AttributeError, OSError) as error:
        message = (
            f"this system does not grant real-time scheduling ({error}); run as root, or let the user have it with a "
            "line 'NAME - rtprio 1' in /etc/security/limits.conf"
        )
        raise InputError(message) from error
    return before
