"""``hil replay``: a recording at its own pace, with an exact account of every event."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar
from hil.closing import undone_on_error
from hil.errors import InputError
from sensors.cli.account import account_document, account_text
from sensors.cli.options import reading_options

if TYPE_CHECKING:
    from hil.ports import Recording
    from hil.replay import Pace, Replay
    from sensors.live.server import EventServer
    from sensors.windows import Window

__all__ = ["replay_command"]

INTERRUPTED = 130  # what shells report for Ctrl-C
SEND_TIMEOUT_S = 5.0
FAREWELL_S = 0.3  # dv-processing's reader forgets what it has not handed out yet when the server hangs up


class _Speed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    name = "X|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Return stream seconds per second, or None for as fast as possible."""
        if value is None or value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"expected a positive number or max, but got {value!r}", param, ctx)
        return speed


@command("replay", short_help="Play a recording at its own pace.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--speed", type=_Speed(), default="1", show_default=True, help="Stream seconds per second, or max.")
@click.option(
    "--policy",
    type=click.Choice(["block", "drop-oldest", "drop-newest"]),
    default="block",
    show_default=True,
    help="What happens to a packet that is due while the queue is full.",
)
@click.option(
    "--to", metavar="tcp://HOST:PORT", help="Serve the events there to DV clients, dv-processing's among them."
)
@click.option("--wait", "wait_s", type=float, default=30.0, show_default=True, help="Seconds to wait for a client.")
@click.option("--packet-us", type=click.IntRange(min=1), default=10_000, show_default=True, help="Length of a packet.")
@click.option(
    "--queue", "capacity", type=click.IntRange(min=1), default=64, show_default=True, help="Packets that wait."
)
@click.option("--realtime", is_flag=True, help="Go before other programs, as far as the system allows.")
@click.option("--step-locked", is_flag=True, help="Let the stream stand still while the receiver works.")
@click.option("--loop", type=click.IntRange(min=0), default=1, show_default=True, help="Rounds; 0 plays for ever.")
@click.option("--from-us", type=click.IntRange(min=0), default=0, help="Start this long after the first event.")
@click.option("--target", help="Let this target answer in time and score what its lateness costs, as STARE does.")
@click.option("--network", default="digits", show_default=True, help="What --target runs: a path or a shipped name.")
@click.option("--service-us", type=click.IntRange(min=0), help="Take --target to need this long, on a virtual clock.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the target's devices.")
@reading_options
def replay_command(source: Path, **chosen: Any) -> Answer:
    """Play SOURCE packet by packet when each is due and say what became of every event.

    in = delivered + dropped + queued, whatever happens; Ctrl-C ends the replay and prints the account.
    With --speed max time is virtual: nothing waits, nothing is late, and every run is the same.

    With --target a network answers window after window while the stream goes on, always the newest unless --policy or
    --queue is given; at each moment its last finished answer counts, against exact software that answers at once.
    """
    from hil.registry import open_recording
    from hil.replay import Pace

    pace = Pace(chosen["speed"] or 1.0, chosen["policy"], chosen["capacity"], chosen["step_locked"])
    reading = {key: chosen[key] for key in ("format_name", "options", "salvage")}
    with closing(open_recording(source, **reading)) as recording:
        if chosen["target"]:
            return _in_time(recording, pace, chosen)
        return _play(recording, pace, source.name, chosen)


def _in_time(recording: Recording, pace: Pace, chosen: dict[str, Any]) -> Answer:
    from hil.precedence import precedence
    from sensors.cli.in_time import answer_in_time

    if chosen["to"] is not None or (chosen["speed"] is None and chosen["service_us"] is None):
        message = "--target goes without --to, and with --speed max only if --service-us says how long it needs"
        raise InputError(message)
    asked = {name: chosen[name] for name in ("network", "target", "service_us", "seed")}
    with precedence(realtime=chosen["realtime"]):
        return answer_in_time(recording, pace, **asked)


def _play(recording: Recording, pace: Pace, name: str, chosen: dict[str, Any]) -> Answer:
    replay = _replay(recording, pace, chosen)
    with _serving(recording, name, chosen) as server, _stopped_by_signals(replay) as signals:
        duration_s = _run(recording, replay, server, name, realtime=chosen["realtime"])
        document = account_document(
            replay, speed=chosen["speed"], packet_us=chosen["packet_us"], virtual=chosen["speed"] is None
        )
        document |= {
            "duration_s": round(duration_s, 6),
            "interrupted": bool(signals),
            "to": str(server.address) if server else None,
            "clients_lost": server.lost_clients if server else 0,
            "lost": recording.lost.as_document() if recording.lost else None,
        }
    return Answer(document, _text(document), INTERRUPTED if signals else 0)


def _serving(recording: Recording, name: str, chosen: dict[str, Any]) -> EventServer | nullcontext[None]:
    """Return a server with at least one client, or nothing."""
    if chosen["to"] is None:
        return nullcontext()
    from sensors.live.server import EventServer
    from sensors.live.wire import parse_address

    server = EventServer(recording.geometry, parse_address(chosen["to"]), source=name)
    click.echo(f"hil: serving {server.address}", err=True)
    with undone_on_error(server.close):
        server.wait_for_client(timeout_s=chosen["wait_s"])
    return server


def _replay(recording: Recording, pace: Pace, chosen: dict[str, Any]) -> Replay[Window]:
    from hil.replay import Looped, Replay, VirtualClock, WallClock
    from sensors.windows import TimeWindows

    rounds = chosen["loop"] or None
    packets = TimeWindows(Looped(recording, rounds), chosen["packet_us"], last="keep", empty="skip")
    replay = Replay(packets, pace, clock=VirtualClock() if chosen["speed"] is None else WallClock())
    if chosen["from_us"]:
        first = next(iter(recording), None)
        if first is None:
            message = "the recording has no events, so there is nothing to start from"
            raise InputError(message)
        replay.seek(int(first.t[0]) + chosen["from_us"])
    return replay


@contextmanager
def _stopped_by_signals(replay: Replay[Window]) -> Iterator[list[int]]:
    """Let Ctrl-C and a polite kill stop the replay between two packets; yields the signals that came.

    The handler leaves the stopping to a thread: it may have interrupted the replay while that holds its lock. A second
    Ctrl-C does what it always does.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def stop(number: int, _frame: object) -> None:
        came.append(number)
        signal.signal(number, previous[signal.Signals(number)])
        threading.Thread(target=replay.stop).start()

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _run(
    recording: Recording, replay: Replay[Window], server: EventServer | None, name: str, *, realtime: bool
) -> float:
    """Hand every packet to the clients, or to nobody; return how many seconds that took."""
    from hil.precedence import precedence

    started_s = time.monotonic()
    with progress_bar(name) as on_progress, precedence(realtime=realtime):
        for packet in replay:
            if server is not None and not server.send(packet.events, timeout_s=SEND_TIMEOUT_S):
                replay.refuse(packet)
            on_progress(getattr(recording, "bytes_read", 0), getattr(recording, "file_bytes", 0))
    duration_s = time.monotonic() - started_s
    if server is not None and server.clients:
        time.sleep(FAREWELL_S)
    return duration_s


def _text(document: dict[str, Any]) -> str:
    pace = "as fast as possible, on a virtual clock" if document["speed"] is None else f"at {document['speed']:g}x"
    stopped = ", interrupted" if document["interrupted"] else ""
    lines = [f"replayed {pace} in {document['duration_s']:.3f} s{stopped}", *account_text(document)]
    if document["to"]:
        lines.append(f"served at {document['to']}; clients lost: {document['clients_lost']}")
    return "\n".join(lines)
