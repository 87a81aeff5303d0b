"""A file is whole or as it was: after an error, on a full disk, and when nothing can be written."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hil.files import replacing, write_whole

LIMITED = """
import resource, signal, sys
from pathlib import Path
from hil.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path(sys.argv[1]), bytes(5000))
except OSError as error:
    sys.exit(f"{error.filename}: {error.strerror}")
"""


def test_file_when_written_twice_then_holds_the_second_and_nothing_is_beside_it(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        write_whole(tmp_path / "a", content, durable=True)
    assert (tmp_path / "a").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_file_when_the_block_fails_then_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a") as file:
        file.write(bytes(1 // 0))
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on file sizes here")
def test_file_when_there_is_no_room_then_is_as_it_was_and_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "a")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (1, f"{tmp_path / 'a'}: File too large")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_file_when_its_folder_is_missing_then_the_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        write_whole(tmp_path / "none" / "a", b"")
    assert missing.value.filename == str(tmp_path / "none" / "a")


def test_error_of_something_else_in_the_block_when_raised_then_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing, replacing(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert missing.value.filename == str(tmp_path / "other")
