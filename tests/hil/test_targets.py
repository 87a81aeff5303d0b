"""What others see of a target: names of files and their hashes, never folders."""

import hashlib
import json

import pytest

from hil.compare import compare
from hil.targets import files_of, shown
from tests.hil.substrates import FakeBackend, small_network, some_windows

TABLE = "g,t,mean,std\n1e-6,1,1e-6,1e-8\n40e-6,1,40e-6,1e-7\n"


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("ternary", "ternary"),
        ("crossbar:rram_wan2022?tile=64&wires=1", "crossbar:rram_wan2022?tile=64&wires=1"),
        ("replay:/home/someone/session.jsonl?timeout_s=2", "replay:session.jsonl?timeout_s=2"),
        ("replay:session.jsonl", "replay:session.jsonl"),
        ("crossbar:ideal?calibration=/data/windows.npy", "crossbar:ideal?calibration=windows.npy"),
        ("serial:///dev/ttyACM0?baud=9600", "serial:///dev/ttyACM0?baud=9600"),
        ("serial:/dev/ttyACM0", "serial:/dev/ttyACM0"),
        ("tcp://lab:5000?token_file=/etc/secret", "tcp://lab:5000?token_file=secret"),
        ("replay:a b.jsonl?record=/tmp/a%26b%2Bc.jsonl", "replay:a b.jsonl?record=a%26b%2Bc.jsonl"),
        ("array:tcp://lab:5000?tile=16", "array:tcp://lab:5000?tile=16"),
    ],
)
def test_folders_are_cut_from_files_and_nothing_else_changes(target, seen):
    assert shown(target) == seen
    assert shown(seen) == seen


def test_report_holds_the_hash_of_a_file_that_a_target_names_and_no_folder(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text(TABLE)
    network = small_network()
    found = compare(some_windows(network, 8), network, FakeBackend(), [f"crossbar:{table}?energy=off"], seed=3)
    document = json.dumps(found.as_document())
    assert str(tmp_path) not in document
    assert found.targets[0].trace.target == "crossbar:mine.csv?energy=off"
    assert found.manifest.files == {"mine.csv": hashlib.sha256(TABLE.encode()).hexdigest()}


def test_value_that_cannot_be_a_path_names_no_file():
    assert files_of("crossbar:" + "x" * 5000) == {}
    assert files_of("crossbar:a\0b") == {}
