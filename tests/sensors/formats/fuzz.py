"""Coverage-guided fuzzing of the readers, for hours rather than for a test run.

``python tests/sensors/formats/fuzz.py aedat4 -max_total_time=600`` (needs ``pip install atheris``) makes a corpus of
sound recordings of one format, mutates them under libFuzzer and stops at the first input that does not end, in time, in
our error or in events and an account that fit the file.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
sys.modules["tests"] = ModuleType("tests")  # some dependency installs a package of that name, too
sys.modules["tests"].__path__ = [str(ROOT / "tests")]
LONGEST_S = 5.0


def check(path: Path, format_name: str) -> None:
    """Read one file as one format, both ways, and check what comes of it."""
    import sensors
    from hil.errors import HilError
    from hil.types import EventBatch

    options = {"channels": "16"} if format_name == "nas" else {}
    for salvage in (False, True):
        started = time.process_time()
        try:
            recording = sensors.open(path, format_name=format_name, options=options, salvage=salvage)
            batch = EventBatch.concatenate(list(recording))
        except HilError:
            continue
        finally:
            if time.process_time() - started > LONGEST_S:
                raise TimeoutError(format_name)
        _check_result(recording, batch, path, salvage=salvage)


def _check_result(recording: Any, batch: Any, path: Path, *, salvage: bool) -> None:
    if len(batch) and (batch.x.max() >= recording.geometry.width or batch.y.max() >= recording.geometry.height):
        raise AssertionError("an event lies outside the sensor")
    lost = recording.lost
    if lost and not salvage:
        raise AssertionError("strict reading lost something")
    if lost and not 0 <= lost.as_document()["bytes"] <= path.stat().st_size:
        raise AssertionError("the account does not fit the file")


def _seeds(format_name: str, folder: Path) -> None:
    from tests.sensors.formats.test_damage import FORMATS

    for name, (suffix, make) in FORMATS.items():
        if name.split()[0] == format_name:
            make(folder / f"{name}{suffix}")


def main() -> None:
    """Fuzz the format named first; the other arguments are libFuzzer's."""
    import atheris

    format_name = sys.argv[1]
    with atheris.instrument_imports(include=["sensors", "hil"]):
        import sensors.formats.recording  # noqa: F401
        from hil.registry import load

        load("sources", format_name)
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{format_name}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    _seeds(format_name, corpus)
    path = folder / "input"

    def one_input(data: bytes) -> None:
        path.write_bytes(data)
        check(path, format_name)

    atheris.Setup([sys.argv[0], str(corpus), "-max_len=65536", "-timeout=30", *sys.argv[2:]], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
