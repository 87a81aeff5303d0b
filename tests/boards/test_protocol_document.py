"""The specification, the Python and the C name the same numbers."""

import re
from pathlib import Path

from boards.firmware.build import SOURCES
from boards.link import Status, Verb
from boards.link.frames import HEADER
from boards.link.verbs import VERSION

DOCUMENT = (Path(__file__).parents[2] / "docs" / "board-protocol.md").read_text()
HEADER_FILE = (SOURCES / "src" / "link.h").read_text()


def test_document_and_code_list_the_same_verbs():
    listed = {name: int(number, 16) for number, name in re.findall(r"^\| `(\w\w)` \| (\w+) \|", DOCUMENT, re.MULTILINE)}
    assert listed == {verb.name: verb.value for verb in Verb if verb < Verb.ARRAY_INFO}
    arrays = re.search(r"`40`-`4E` \| memristor arrays: ([\w, ]+), in this order", DOCUMENT).group(1).split(", ")
    assert [f"ARRAY_{name}" for name in arrays] == [verb.name for verb in Verb if verb >= Verb.ARRAY_INFO]


def test_document_and_code_list_the_same_statuses():
    table = DOCUMENT.partition("| status | |")[2].partition("**Description**")[0]
    listed = {int(number): name for number, name in re.findall(r"\| (\d+) \| ([A-Z_]+)", table)}
    assert listed == {status.value: status.name for status in Status}


def test_firmware_and_host_number_verbs_and_statuses_alike():
    verbs = {name: int(value, 16) for name, value in re.findall(r"HIL_(\w+) = (0x\w\w)", HEADER_FILE)}
    assert {name: verbs[name] for name in verbs if name not in ("REPLY", "NAK")} == {
        verb.name: verb.value for verb in Verb if verb < Verb.ARRAY_INFO
    }
    statuses = {name: int(value) for name, value in re.findall(r"HIL_(\w+) = (\d+)\b(?!x)", HEADER_FILE)}
    assert {name: statuses[name] for name in Status.__members__} == {status.name: status.value for status in Status}
    assert f"HIL_PROTOCOL_VERSION {VERSION}\n" in HEADER_FILE
    assert f"HIL_HEADER_BYTES {HEADER.size}u\n" in HEADER_FILE
