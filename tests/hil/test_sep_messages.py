"""Messages: bytes that protoc made, an independent reader of the wire, and nothing taken on trust."""

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from grpc_tools import protoc
from hypothesis import given
from hypothesis import strategies as st

import hil.sep
from hil.errors import FormatError, InvalidValueError, LinkError
from hil.sep import events_pb2
from hil.sep.framing import MAX_MESSAGE_BYTES, Deframer, frame
from hil.sep.messages import SemanticEvent, with_ttl

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "messages"
PROTO = Path(hil.sep.__file__).parent / "events.proto"

EVENTS = {
    "plain": SemanticEvent("camera", 1500, b"\x01\x02\x09\x00", 16, 3, 3, "digits", 7),
    "full": SemanticEvent(
        "küche", -1, b"\x00\xff\x80", 3, 255, 2, "cochlea", 2**64 - 1, "seven", {"unit": "3", "ear": "left"}
    ),
    "sep_v2": SemanticEvent("node-01", 1764500000000, b"\x05\x00", 4096, 5, 0, label="fire"),
}

texts = st.text(max_size=20)
events = st.builds(
    SemanticEvent,
    node_id=st.text(min_size=1, max_size=20),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1),
    vector=st.binary(max_size=100),
    dimensions=st.integers(1, 65536),
    ttl=st.integers(0, 255),
    packing=st.integers(0, 2**31 - 1),
    encoder_id=texts,
    sequence=st.integers(0, 2**64 - 1),
    label=texts,
    meta=st.dictionaries(texts, texts, max_size=3),
)


def varint(data, at):
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def wire_fields(data):
    """Read a message by the wire format's own rules: a list of (field number, integer or bytes)."""
    fields, at = [], 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        fields.append((key >> 3, value))
    return fields


@pytest.mark.parametrize("name", EVENTS)
def test_message_equals_the_bytes_of_protoc(name):
    blob = (GOLDEN / f"{name}.bin").read_bytes()
    assert EVENTS[name].to_bytes() == blob
    assert SemanticEvent.from_bytes(blob) == EVENTS[name]


@given(events)
def test_message_read_by_the_rules_of_the_wire_carries_every_field(event):
    fields = wire_fields(event.to_bytes())
    found = dict(fields)
    assert found.get(1) == event.node_id.encode()
    assert found.get(2, 0) == event.timestamp_ms % 2**64
    assert found.get(3, b"") == event.vector
    assert [found.get(n, 0) for n in (4, 5, 8, 10)] == [event.dimensions, event.ttl, event.packing, event.sequence]
    assert [found.get(n, b"").decode() for n in (6, 9)] == [event.label, event.encoder_id]
    entries = [dict(wire_fields(value)) for number, value in fields if number == 7]
    assert {entry.get(1, b"").decode(): entry.get(2, b"").decode() for entry in entries} == event.meta


@given(events)
def test_message_comes_back_whole(event):
    assert SemanticEvent.from_bytes(event.to_bytes()) == event


@given(st.binary(max_size=60))
def test_message_of_any_bytes_is_an_event_or_an_error(data):
    try:
        event = SemanticEvent.from_bytes(data)
    except FormatError:
        return
    assert SemanticEvent.from_bytes(event.to_bytes()) == event


@given(events, st.integers(0, 255))
def test_hops_left_change_alone(event, ttl):
    changed = SemanticEvent.from_bytes(with_ttl(event.to_bytes(), ttl))
    assert changed.ttl == ttl
    assert SemanticEvent.from_bytes(with_ttl(changed.to_bytes(), event.ttl)) == event


def test_fields_of_a_newer_version_survive_a_relay():
    newer = EVENTS["plain"].to_bytes() + bytes([15 << 3 | 2, 3]) + b"sig"
    assert wire_fields(with_ttl(newer, 2))[-1] == (15, b"sig")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"node_id": ""}, "node_id is empty"),
        ({"node_id": "x" * 1025}, "1024 characters"),
        ({"ttl": 256}, "ttl must be 0 to 255"),
        ({"dimensions": 0}, "dimensions must be 1 to 65536"),
        ({"sequence": -1}, "sequence must be 0"),
        ({"packing": -1}, "packing must be 0"),
        ({"vector": bytes(262145)}, "262144 vector bytes"),
        ({"meta": {str(i): "" for i in range(65)}}, "64 meta entries"),
    ],
)
def test_event_that_no_message_carries_is_refused(change, said):
    settings = {"node_id": "a", "timestamp_ms": 0, "vector": b"", "dimensions": 1, "ttl": 1, "packing": 1, **change}
    with pytest.raises(InvalidValueError, match=said):
        SemanticEvent(**settings)


def test_message_that_says_the_impossible_is_refused_by_name():
    huge_ttl = events_pb2.SemanticEvent(node_id="a", dimensions=1, ttl=2**32 - 1).SerializeToString()
    for blob, said in ((b"", "node_id is empty"), (huge_ttl, "ttl must be"), (b"\x0a\xff\x01", "no semantic event")):
        with pytest.raises(FormatError, match=said):
            SemanticEvent.from_bytes(blob)


def test_generated_module_is_what_the_compiler_makes_of_the_proto_file(tmp_path):
    arguments = [f"--proto_path={ROOT}", f"--python_out={tmp_path}", str(PROTO.relative_to(ROOT))]
    assert protoc.main(["protoc", *arguments]) == 0
    made, kept = (
        [line for line in (folder / "events_pb2.py").read_text().splitlines() if line.startswith("DESCRIPTOR = ")]
        for folder in (tmp_path / "hil" / "sep", PROTO.parent)
    )
    assert made == kept, "run the command at the top of events.proto"


def test_descriptor_has_the_fields_that_the_proto_file_names():
    pattern = r"^\s+(string|int64|bytes|uint32|uint64|Packing|map<string, string>) (\w+) = (\d+);"
    written = {(name, int(number), kind) for kind, name, number in re.findall(pattern, PROTO.read_text(), re.MULTILINE)}
    fields = events_pb2.SemanticEvent.DESCRIPTOR.fields
    kinds = {
        getattr(FieldDescriptor, f"TYPE_{kind.upper()}"): kind
        for kind in ("string", "int64", "bytes", "uint32", "uint64", "enum", "message")
    }
    names = {"enum": "Packing", "message": "map<string, string>"}
    assert written == {(x.name, x.number, names.get(kinds[x.type], kinds[x.type])) for x in fields}
    assert len(written) == 10


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_frames_in_any_pieces_come_back_whole(messages, data):
    whole = b"".join(map(frame, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    deframer, got = Deframer(), []
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += deframer.feed(whole[start:stop])
    deframer.finish()
    assert got == messages


def test_frame_has_its_length_in_front_in_big_endian():
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


def test_frame_that_claims_too_much_ends_the_stream():
    with pytest.raises(LinkError, match="claims 4294967295 bytes"):
        Deframer().feed(b"\xff\xff\xff\xff")
    with pytest.raises(InvalidValueError, match="at most"):
        frame(bytes(MAX_MESSAGE_BYTES + 1))


def test_stream_that_ends_inside_a_frame_is_told():
    deframer = Deframer()
    assert deframer.feed(b"\x00\x00\x00\x03ab") == []
    with pytest.raises(LinkError, match="inside a message"):
        deframer.finish()
