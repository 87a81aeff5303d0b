"""Tells whoever waits how far long work is: a bar on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from hil.words import duration_text

if TYPE_CHECKING:
    from hil.progress import OnProgress

__all__ = ["progress_bar"]

FIRST_S = 5.0
"""Seconds after which the first line is written where there is no terminal."""
EVERY_S = 30.0
"""Seconds between two lines."""


@contextmanager
def progress_bar(label: str) -> Iterator[OnProgress]:
    """Show on stderr how far the block is; yields the listener to hand down.

    On a terminal it is a bar. Elsewhere it is a line after ``FIRST_S`` and then every ``EVERY_S``, of whichever of the
    bars that are open is at work.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        with TELLER.told(label) as on_progress:
            yield on_progress
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


class _Work:
    """How far one piece of work is, and since when."""

    def __init__(self, label: str, since_s: float) -> None:
        self.label = label
        self.done = self.total = 0
        self.since_s = self.heard_s = since_s

    @property
    def is_finished(self) -> bool:
        return 0 < self.total <= self.done

    def line(self, now_s: float) -> str:
        """Return the step, the total, and the time it took and will take, as far as they are known."""
        parts = [f"{duration_text(now_s - self.since_s)} so far"]
        if self.total:
            parts.insert(0, f"{self.done:,} of {self.total:,}")
        elif self.done:
            parts.insert(0, f"{self.done:,}")
        if self.total and self.done:
            whole_s = (self.heard_s - self.since_s) / self.done * self.total
            parts.append(f"about {duration_text(max(whole_s - (now_s - self.since_s), 0.0))} left")
        return f"hil: {self.label}: {', '.join(parts)}"


class _Teller:
    """Writes a line about the open work from a thread of its own, so that one long step is no silence either."""

    def __init__(self) -> None:
        self._open: list[_Work] = []
        self._latest: _Work | None = None
        self._lock = threading.Lock()

    @contextmanager
    def told(self, label: str) -> Iterator[OnProgress]:
        """Hear of one piece of work while the block runs."""
        work = _Work(label, time.monotonic())
        stop = threading.Event()
        with self._lock:
            self._open.append(work)
            thread = threading.Thread(target=self._tell, args=(stop,), daemon=True) if len(self._open) == 1 else None
        if thread is not None:
            thread.start()
        try:
            yield lambda done, total: self._hear(work, done, total)
        finally:
            stop.set()
            if thread is not None:
                thread.join()
            with self._lock:
                self._open.remove(work)
                self._latest = None if self._latest is work else self._latest

    def _hear(self, work: _Work, done: int, total: int) -> None:
        with self._lock:
            if self._latest is not work and self._latest is not None and not work.done:
                work.since_s = self._latest.heard_s  # it began when the work before it was done, not when it was opened
            self._latest, work.heard_s = work, time.monotonic()
            work.done, work.total = done, total

    def _tell(self, stop: threading.Event) -> None:
        pause_s = FIRST_S
        while not stop.wait(pause_s):
            pause_s = EVERY_S
            with self._lock:
                line = self._at_work().line(time.monotonic())
            with suppress(OSError, ValueError):  # whoever listened is gone, or the stream is closed
                click.echo(line, err=True)

    def _at_work(self) -> _Work:
        """Return the work that was heard of last, or where that is finished the next one after it."""
        if self._latest is None:
            return self._open[0]
        following = self._open[self._open.index(self._latest) :]
        return next((work for work in following if not work.is_finished), self._latest)


TELLER = _Teller()
