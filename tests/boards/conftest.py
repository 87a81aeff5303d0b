"""What the board tests share: the golden vectors, and the firmware's C as a library."""

import ctypes
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from boards.firmware.build import SOURCES

GOLDEN = Path(__file__).parents[1] / "golden" / "board_protocol" / "vectors.json"


@pytest.fixture(scope="session")
def vectors():
    return json.loads(GOLDEN.read_text())


class Firmware:
    """The parts of the firmware that are plain functions, called from Python."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))
        self._library.hil_cobs_encode.restype = ctypes.c_size_t
        self._library.hil_cobs_decode.restype = ctypes.c_size_t
        self._library.hil_crc32.restype = ctypes.c_uint32
        self._library.hil_frame_seal.restype = ctypes.c_size_t

    class Header(ctypes.Structure):
        _fields_ = (
            ("version", ctypes.c_uint8),
            ("type", ctypes.c_uint8),
            ("status", ctypes.c_uint8),
            ("sequence", ctypes.c_uint16),
            ("length", ctypes.c_uint16),
            ("nonce", ctypes.c_uint32),
        )

    def stuff(self, data):
        out = ctypes.create_string_buffer(len(data) + len(data) // 254 + 1)
        length = self._library.hil_cobs_encode(data, ctypes.c_size_t(len(data)), out)
        return out.raw[:length]

    def unstuff(self, data):
        out = ctypes.create_string_buffer(len(data) + 1)
        length = self._library.hil_cobs_decode(data, ctypes.c_size_t(len(data)), out)
        return None if length == ctypes.c_size_t(-1).value else out.raw[:length]

    def crc32(self, data):
        return self._library.hil_crc32(data, ctypes.c_size_t(len(data)))

    def seal(self, header, payload):
        body = ctypes.create_string_buffer(12 + len(payload) + 4)
        body[12 : 12 + len(payload)] = payload
        length = self._library.hil_frame_seal(body, ctypes.byref(header))
        return body.raw[:length]

    def open(self, body):
        header = self.Header()
        return self._library.hil_frame_open(body, ctypes.c_size_t(len(body)), ctypes.byref(header)), header

    def multiply(self, kernel, words, channels, inputs):
        accumulators = np.zeros(channels + 16, np.int32)
        arrays = (np.ascontiguousarray(words), np.ascontiguousarray(inputs), accumulators)
        weights, values, sums = (array.ctypes.data_as(ctypes.c_void_p) for array in arrays)
        getattr(self._library, f"hil_multiply_{kernel}")(weights, channels, len(inputs), values, sums)
        return accumulators[:channels]


@pytest.fixture(scope="session")
def firmware(tmp_path_factory):
    folder = tmp_path_factory.mktemp("firmware")
    subprocess.run(["make", "-s", "library", f"OUT={folder}"], cwd=SOURCES, check=True, timeout=60)
    return Firmware(folder / "libhil.so")
