"""Stuffing, CRC and frames, in Python and in C: golden vectors of other people's tools, then whatever comes."""

import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boards.link import Frame, FrameDecoder, FrameError, cobs
from boards.link.frames import LARGEST_STUFFED
from hil.errors import InvalidValueError

mostly_zeros = st.lists(st.sampled_from([0, 0, 0, 1, 255]) | st.integers(0, 255), max_size=600).map(bytes)
frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    sequence=st.integers(0, 2**16 - 1),
    nonce=st.integers(0, 2**32 - 1),
    payload=mostly_zeros,
    status=st.integers(0, 255),
)
in_c = pytest.mark.tool("gcc", "make")
shares_library = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_stuffing_is_what_the_cobs_package_makes(vectors):
    for vector in vectors["stuffing"]:
        assert cobs.encode(bytes.fromhex(vector["data"])).hex() == vector["stuffed"]
        assert cobs.decode(bytes.fromhex(vector["stuffed"])).hex() == vector["data"]


def test_frames_are_the_golden_ones(vectors):
    for vector in vectors["frames"]:
        fields = {key: vector[key] for key in ("type", "sequence", "nonce", "status", "version")}
        frame = Frame(payload=bytes.fromhex(vector["payload"]), **fields)
        assert frame.encode().hex() == vector["wire"], vector["about"]
        assert FrameDecoder().feed(bytes.fromhex(vector["wire"])) == [frame], vector["about"]


@in_c
def test_firmware_stuffs_and_sums_the_golden_way(vectors, firmware):
    for vector in vectors["stuffing"]:
        assert firmware.stuff(bytes.fromhex(vector["data"])).hex() == vector["stuffed"]
        assert firmware.unstuff(bytes.fromhex(vector["stuffed"])).hex() == vector["data"]
    for vector in vectors["crcs"]:
        assert f"{firmware.crc32(bytes.fromhex(vector['data'])):08x}" == vector["crc32"]


@in_c
def test_firmware_seals_and_opens_the_golden_frames(vectors, firmware):
    for vector in vectors["frames"]:
        payload = bytes.fromhex(vector["payload"])
        header = firmware.Header(
            vector["version"], vector["type"], vector["status"], vector["sequence"], len(payload), vector["nonce"]
        )
        body = firmware.seal(header, payload)
        assert f"00{firmware.stuff(body).hex()}00" == vector["wire"], vector["about"]
        verdict, opened = firmware.open(body)
        assert verdict == (0 if vector["version"] == 1 else 3)
        assert (opened.type, opened.sequence, opened.nonce) == (vector["type"], vector["sequence"], vector["nonce"])


@given(mostly_zeros)
def test_stuffing_has_no_zero_and_is_undone(data):
    stuffed = cobs.encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert cobs.decode(stuffed) == data


@in_c
@shares_library
@given(mostly_zeros)
def test_firmware_and_host_read_any_bytes_the_same_way(firmware, noise):
    try:
        decoded = cobs.decode(noise)
    except FrameError:
        decoded = None
    assert firmware.unstuff(noise) == decoded
    assert firmware.stuff(noise) == cobs.encode(noise)
    assert firmware.crc32(noise) == zlib.crc32(noise)


@given(st.lists(frames, max_size=4), st.integers(1, 40))
def test_frames_come_back_whatever_pieces_they_arrive_in(sent, size):
    wire = b"".join(frame.encode() for frame in sent)
    decoder = FrameDecoder()
    received = [item for at in range(0, len(wire), size) for item in decoder.feed(wire[at : at + size])]
    assert received == sent


@in_c
@shares_library
@given(frames, st.data())
def test_flipped_bit_is_never_taken_for_a_frame(firmware, frame, data):
    body = bytearray(frame.body())
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError, match="CRC"):
        Frame.decode(cobs.encode(bytes(body)))
    assert firmware.open(bytes(body))[0] == 1


@given(mostly_zeros)
def test_noise_never_breaks_the_decoder_and_the_next_frame_arrives(noise):
    frame = Frame(0x02, 1, 7)
    assert FrameDecoder().feed(noise + frame.encode())[-1] == frame


def test_endless_noise_is_dropped():
    decoder = FrameDecoder()
    decoder.feed(b"\x01" * (LARGEST_STUFFED + 1))
    assert decoder.feed(Frame(0x02, 1, 7).encode()) == [Frame(0x02, 1, 7)]


def test_payload_too_long_for_its_length_field_is_refused():
    with pytest.raises(InvalidValueError, match="at most 65535 bytes, but is 65536"):
        Frame(0x11, 1, 1, bytes(65536))


def test_length_that_contradicts_the_frame_is_refused():
    body = bytearray(Frame(0x02, 1, 7, b"abc").body()[:-4])
    body[10] = 2
    body += zlib.crc32(body).to_bytes(4, "little")
    with pytest.raises(FrameError, match="says 2 bytes of payload, but carries 3"):
        Frame.decode(cobs.encode(bytes(body)))
