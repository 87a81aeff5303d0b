"""The firmware is built once per change, never beside its sources, and says which sources it was built from."""

import shutil
import subprocess
import sys

import pytest

from boards.firmware import TARGETS, firmware_elf, missing_tools, source_hash
from boards.firmware.build import SOURCES
from boards.info import BoardInfo
from hil.errors import MissingToolError, UnknownNameError
from hil.registry import open_target


@pytest.mark.tool("gcc", "make")
def test_firmware_is_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    firmware_elf.cache_clear()
    before = {path for path in SOURCES.rglob("*") if "__pycache__" not in path.parts}
    elf = firmware_elf("host")
    firmware_elf.cache_clear()
    built = elf.stat().st_mtime_ns
    assert elf.is_relative_to(tmp_path)
    assert firmware_elf("host").stat().st_mtime_ns == built
    assert {path for path in SOURCES.rglob("*") if "__pycache__" not in path.parts} == before
    firmware_elf.cache_clear()


@pytest.mark.tool("make")
def test_make_and_the_driver_agree_on_what_the_sources_are():
    done = subprocess.run(["make", "-s", "hash"], cwd=SOURCES, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == source_hash()


@pytest.mark.tool("gcc", "make")
def test_board_reports_the_sources_it_was_built_from():
    info = open_target("host").identify()
    assert isinstance(info, BoardInfo)
    assert info.firmware_hash == source_hash()


@pytest.mark.tool("arm-none-eabi-gcc", "make")
@pytest.mark.parametrize("target", ["stm32f4", "cortex-m4"])
def test_image_for_a_board_links_no_heap_and_no_library(target):
    elf = firmware_elf(target)
    symbols = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True, timeout=60).stdout
    assert " hil_reset" in symbols
    for forbidden in ("malloc", "_sbrk", "free", "printf"):
        assert f" {forbidden}\n" not in symbols


def test_every_target_has_a_make_fragment():
    assert {path.stem for path in (SOURCES / "targets").glob("*.mk")} == set(TARGETS)


def test_missing_compiler_is_named_with_its_package(monkeypatch):
    firmware_elf.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for target, (compiler, package) in TARGETS.items():
        assert missing_tools(target) == f"{compiler} (apt-get install {package})"
        with pytest.raises(MissingToolError, match=f"{compiler}.*apt-get install {package}"):
            firmware_elf(target)


def test_unknown_target_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="cortex-m4"):
        firmware_elf("z80")


@pytest.mark.tool("gcc", "make")
@pytest.mark.slow
def test_conformance_suite_runs_against_a_board_by_name(tmp_path):
    command = [sys.executable, "-m", "pytest", "--board", "host", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "42 passed" in done.stdout


@pytest.mark.tool("make")
@pytest.mark.parametrize(
    ("arguments", "said"), [((), "say which board: make TARGET=NAME"), (("TARGET=bogus",), "but is bogus")]
)
def test_make_without_a_board_says_which_there_are(tmp_path, arguments, said):
    run = subprocess.run(
        ["make", "-s", *arguments, f"OUT={tmp_path}"],
        cwd=SOURCES,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode
    assert said in run.stderr
    assert "cortex-m4" in run.stderr
    assert not list(tmp_path.iterdir())
