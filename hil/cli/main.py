"""Finds the commands and turns every error into one line and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points, version
from typing import NoReturn

import click

from hil.errors import HilError, MissingDependencyError
from hil.registry import BROKEN

__all__ = ["main"]

INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h: a defect of ours, never of the input


class _Commands(click.Group):
    """Loads a command only when it is asked for or listed."""

    @cached_property
    def _entries(self) -> Mapping[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group="hil.commands")}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._entries:
            return None
        try:
            command: click.Command = self._entries[cmd_name].load()
        except BROKEN as error:
            return _unusable(cmd_name, error)
        return command


def _unusable(name: str, error: Exception) -> click.Command:
    """Return a command that says why it cannot be loaded, so that a broken plugin breaks nothing but itself."""
    message = f"command {name!r} cannot be loaded: {type(error).__name__}: {error}"

    def fail(**_: object) -> NoReturn:
        raise MissingDependencyError(message) from error

    anything = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(
        name, callback=fail, params=[anything], short_help=message, context_settings={"ignore_unknown_options": True}
    )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version=version("neuromorphic-hil"), prog_name="hil")
@click.option("--debug", is_flag=True, help="Log every stage on stderr and show tracebacks.")
def cli(debug: bool) -> None:  # noqa: FBT001  (click passes options by name)
    """Run one event stream on exact software, emulated memristors and boards, and see where they part."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    try:
        result = cli.main(args=arguments, prog_name="hil", standalone_mode=False)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.ctx.get_help())
        return 0
    except (click.Abort, KeyboardInterrupt, Exception) as error:  # noqa: BLE001  (the one place that may)
        return _fail(error, debug="--debug" in arguments)
    return result if isinstance(result, int) else 0


def _fail(error: BaseException, *, debug: bool) -> int:
    if debug:
        logging.getLogger(__name__).debug("traceback", exc_info=error)
    message, exit_code = _verdict(error)
    click.echo("hil: " + " ".join(message.split()), err=True)
    return exit_code


def _verdict(error: BaseException) -> tuple[str, int]:
    match error:
        case HilError():
            return str(error), error.exit_code
        case click.ClickException():
            return f"{error.format_message().rstrip('.')}; see --help", error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return "stopped", 130
        case OSError():
            reason = error.strerror or str(error)
            return (f"{error.filename}: {reason}" if error.filename else reason), HilError.exit_code
        case _:
            return f"internal error: {error!r}; run with --debug for the traceback and report it", INTERNAL_ERROR
