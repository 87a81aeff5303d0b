"""``hil export`` and ``hil verify``: write for hardware, and prove what was written."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from hil.cli import Answer, command, key_values, progress_bar

if TYPE_CHECKING:
    from hil.ports import WeightFormat
    from quant.verification import Verification

__all__ = ["export_command", "verify_command"]


@command("export", short_help="Write a network for hardware.")
@click.argument("network")
@click.option("--format", "format_name", required=True, help="One of hil list formats.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    callback=key_values,
    help="A setting of the format, such as tile=64; may be repeated.",
)
def export_command(network: str, format_name: str, out: Path, options: dict[str, str]) -> Answer:
    """Write NETWORK (a path or a shipped name) in a format for hardware, and read it back before saying so."""
    from hil.errors import VerificationError
    from hil.files import write_whole
    from hil.registry import load, load_network

    weight_format = _having(cast("WeightFormat", load("formats", format_name)), options)
    loaded = load_network(network)
    blob = weight_format.encode(loaded)
    if weight_format.decode(blob).digest != loaded.digest:
        raise VerificationError(f"format {format_name} does not hold this network exactly; nothing was written")
    write_whole(out, blob)
    document = {
        "format": format_name,
        "path": str(out),
        "bytes": len(blob),
        "network": loaded.name,
        "digest": loaded.digest,
    }
    following = shlex.join(["hil", "verify", str(out), "--network", network])
    return Answer(document, f"{out}: {loaded.name} as {format_name}, {len(blob):,} bytes; next: {following}")


def _having(weight_format: WeightFormat, options: dict[str, str]) -> WeightFormat:
    from hil.errors import InvalidValueError
    from hil.ports import ConfigurableFormat

    if not options:
        return weight_format
    if not isinstance(weight_format, ConfigurableFormat):
        raise InvalidValueError(f"format {weight_format.name} takes no options, but got {', '.join(options)}")
    return weight_format.having(options)


@command("verify", short_help="Read an exported file back with an independent reader, and run it where one can.")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--network", default="digits", show_default=True, help="The network the file should hold.")
def verify_command(path: Path, network: str) -> Answer:
    """Compare the file at PATH with a network, code by code and output by output; exit code 1 where they differ."""
    from hil.registry import load_network
    from quant.verification import format_of, verify

    expected = load_network(network)
    with progress_bar("reading back and running"):
        found = verify(path.read_bytes(), format_of(path), expected)
    return Answer(found.as_document(), _text(path, network, expected.name, found), 0 if found.verified else 1)


def _text(path: Path, network: str, expected: str, found: Verification) -> str:
    if found.verified:
        ran = f", {found.outputs_compared:,} outputs equal" if found.outputs_compared else ""
        return f"{path}: verified by {found.reader}: {found.codes_compared:,} codes equal{ran}"
    if found.holds in {None, expected}:
        anew = shlex.join(["hil", "export", network, "--format", found.format, "--out", str(path)])
        remedy = f"to write it anew: {anew}"
    else:
        remedy = f"if it should hold {found.holds!r}, say so: --network NETWORK, its file or shipped name"
    problems = "\n".join(f"  {problem}" for problem in found.problems)
    return f"{path}: NOT verified\n{problems}\n{remedy}"
