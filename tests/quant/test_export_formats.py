"""Every export holds the network exactly, is read back by somebody else, and notices damage."""

import dataclasses
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import Patches, stream
from hil.cli import main
from hil.errors import FormatError, InputError, InvalidValueError
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import VerifiableFormat
from hil.registry import load, load_network, names, weight_format_for
from hil.sealed import seal, unseal
from hil.testing import WeightFormatTests, random_features, random_network, reference_layers
from quant.formats.c_header import c_header
from quant.formats.conductance import conductance_csv, conductance_npz
from quant.formats.gguf import tq1_0, tq2_0
from quant.formats.huggingface import huggingface
from quant.formats.nir_graph import nir_graph
from quant.formats.onnx_graph import onnx_qcdq, qonnx
from quant.formats.packed import base3, two_bit
from quant.packing import pack_base3, pack_two_bit, unpack_base3, unpack_two_bit
from quant.verification import verify

DENSE = random_network((41, 23, 17), rng=stream(1, "exports", "dense"))
CONVOLUTION = random_network(
    (0, 13), rng=stream(1, "exports", "conv"), patches=Patches(2, 7, 6, kernel=3, stride=2, padding=1)
)
SINGLE = random_network((7, 3), rng=stream(1, "exports", "single"))


def filled(layer: TernaryLayer, code: int) -> TernaryLayer:
    """Return a layer without a zero, or with nothing else: signs of -1 stay where ``code`` is 1."""
    return dataclasses.replace(layer, weight=np.where(layer.weight < 0, -code, code).astype(np.int8))


def extreme(sizes: tuple[int, ...], patches: Patches | None, code: int) -> TernaryNetwork:
    network = random_network(sizes, rng=stream(3, "exports", str(sizes)), patches=patches)
    return dataclasses.replace(network, layers=tuple(filled(layer, code) for layer in network.layers))


STRIDE_3 = extreme((0, 1), Patches(1, 10, 7, kernel=2, stride=3, padding=2), code=1)  # one output, no weight is zero
ALL_ZERO = extreme((257, 6, 5), None, code=0)  # one column more than a block of ggml

codes = st.tuples(st.integers(1, 6), st.integers(1, 23)).flatmap(
    lambda shape: st.lists(
        st.lists(st.sampled_from([-1, 0, 1]), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


class TestTwoBit(WeightFormatTests):
    def weight_format(self):
        return two_bit


class TestBase3(WeightFormatTests):
    def weight_format(self):
        return base3


class TestGgufTq1(WeightFormatTests):
    def weight_format(self):
        return tq1_0


class TestGgufTq2(WeightFormatTests):
    def weight_format(self):
        return tq2_0


class TestHuggingFace(WeightFormatTests):
    def weight_format(self):
        return huggingface


class TestConductanceCsv(WeightFormatTests):
    def weight_format(self):
        return conductance_csv


class TestConductanceNpz(WeightFormatTests):
    def weight_format(self):
        return conductance_npz


class TestCHeader(WeightFormatTests):
    def weight_format(self):
        return c_header


class TestOnnxQcdq(WeightFormatTests):
    def weight_format(self):
        return onnx_qcdq


class TestQonnx(WeightFormatTests):
    def weight_format(self):
        return qonnx


class TestNir(WeightFormatTests):
    def weight_format(self):
        return nir_graph


@given(codes)
def test_packed_codes_come_back_and_pad_with_zeros(rows):
    weights = np.array(rows, np.int8)
    columns = weights.shape[1]
    np.testing.assert_array_equal(unpack_two_bit(pack_two_bit(weights), columns), weights)
    np.testing.assert_array_equal(unpack_base3(pack_base3(weights), columns), weights)
    assert pack_two_bit(weights).shape[1] == -(-columns // 4)
    assert pack_base3(weights).shape[1] == -(-columns // 5)


def test_code_that_means_nothing_is_refused():
    with pytest.raises(FormatError, match="code 10"):
        unpack_two_bit(np.array([[0b10]], np.uint8), 4)
    with pytest.raises(FormatError, match="243"):
        unpack_base3(np.array([[243]], np.uint8), 5)


def test_padding_that_is_not_zero_is_refused():
    with pytest.raises(FormatError, match="zeros"):
        unpack_two_bit(np.array([[0b01000000]], np.uint8), 3)


@pytest.mark.tool("gcc", "iverilog", "vvp")
@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [DENSE, CONVOLUTION, SINGLE, STRIDE_3, ALL_ZERO],
    ids=["dense", "convolution", "single", "stride 3", "all zero"],
)
@pytest.mark.parametrize("name", names("formats"))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_registered_format_is_verified_by_its_independent_reader(name, network):
    weight_format = load("formats", name)
    assert isinstance(weight_format, VerifiableFormat)
    found = verify(weight_format.encode(network), weight_format, network)
    assert found.problems == ()
    assert found.codes_compared == sum(layer.weight.size for layer in network.layers)
    assert found.outputs_compared == 16 * network.d_out


FLIPS = {name: 150 for name in ("gguf-tq1_0", "gguf-tq2_0", "onnx-qcdq", "qonnx")}  # read as a whole each time: 4 ms


@pytest.mark.parametrize("network", [DENSE, CONVOLUTION, SINGLE], ids=["dense", "convolution", "single"])
@pytest.mark.parametrize("name", names("formats"))
def test_any_flipped_byte_makes_verification_fail(name, network):
    weight_format = load("formats", name)
    blob = weight_format.encode(network)
    rng = stream(4, "flip", name)
    positions = rng.choice(len(blob), min(len(blob), FLIPS.get(name, 2000)), replace=False)
    for position, change in zip(positions, rng.integers(1, 256, len(positions)), strict=True):
        damaged = bytearray(blob)
        damaged[position] ^= change
        found = verify(bytes(damaged), weight_format, network)
        assert not found.verified, f"byte {position} ^ {change} went unnoticed"
        assert found.problems


SEALED = ("base3", "conductance-csv", "conductance-npz", "packed2", "readmemh")


@pytest.mark.tool("iverilog", "vvp")
@pytest.mark.parametrize("name", SEALED)
def test_changed_payload_under_a_renewed_seal_still_fails(name):
    """A file that was altered by somebody who also renewed its hash is told by what it holds."""
    weight_format = load("formats", name)
    files = unseal(weight_format.encode(SINGLE))
    rng = stream(5, "resealed", name)
    for inner in files:
        if inner == "network.json":
            continue
        values = _payload(inner, files[inner])
        for position in rng.choice(values, min(len(values), 12), replace=False):
            damaged = bytearray(files[inner])
            damaged[position] = ord("7") if chr(damaged[position]) in "0123456789abcdef" else damaged[position] ^ 0x11
            if bytes(damaged) != files[inner]:
                found = verify(seal({**files, inner: bytes(damaged)}), weight_format, SINGLE)
                assert not found.verified, f"byte {position} of {inner} went unnoticed"


def _payload(inner: str, content: bytes) -> np.ndarray:
    """Return where the values of an inner file are: past the headers of arrays and the labels of tables."""
    if inner.endswith(".npy"):
        return np.arange(128, len(content))
    if inner.endswith(".csv"):
        lines = np.cumsum([0, *(len(line) + 1 for line in content.split(b"\n"))])
        cells = [range(start + content[start:end].index(b",") + 1, end - 1) for start, end in pairwise(lines[1:-1])]
        return np.concatenate([np.array(each) for each in cells])
    return np.arange(len(content))


def test_cell_beyond_the_edge_that_is_on_is_refused_under_a_renewed_seal():
    files = unseal(conductance_npz.encode(SINGLE))
    table = np.load(io.BytesIO(files["layer0.tile0x0.npy"]))
    table[-1, -1] = conductance_npz.g_on_siemens
    files["layer0.tile0x0.npy"] = conductance_npz.write(table)
    found = verify(seal(files), conductance_npz, SINGLE)
    assert "beyond" in found.problems[0]


def test_sound_file_of_another_network_is_not_verified_and_the_first_weight_is_named():
    weight = SINGLE.layers[0].weight.copy()
    weight[1, 2] = 0 if weight[1, 2] else 1
    other = dataclasses.replace(SINGLE, layers=(dataclasses.replace(SINGLE.layers[0], weight=weight),))
    found = verify(two_bit.encode(other), two_bit, SINGLE)
    assert not found.verified
    assert "1 of 21 weights of layer 0 differ in our reader, the first at row 1, column 2" in found.problems[0]


def test_sound_file_of_a_network_of_another_name_says_so():
    found = verify(two_bit.encode(dataclasses.replace(DENSE, name="other")), two_bit, SINGLE)
    assert "holds network 'other', but was held against 'random'" in found.problems[0]


def test_sound_file_with_another_bias_is_not_verified():
    bias = SINGLE.layers[0].bias + 1
    other = dataclasses.replace(SINGLE, layers=(dataclasses.replace(SINGLE.layers[0], bias=bias),))
    assert "bias" in verify(two_bit.encode(other), two_bit, SINGLE).problems[0]


def test_format_that_nobody_else_reads_is_not_called_verified():
    class Ours:
        name = "ours"
        encode = staticmethod(two_bit.encode)
        decode = staticmethod(two_bit.decode)

    found = verify(two_bit.encode(SINGLE), Ours(), SINGLE)
    assert not found.verified
    assert "no independent reader" in found.problems[0]


@pytest.mark.parametrize("network", [DENSE, CONVOLUTION], ids=["dense", "convolution"])
@pytest.mark.parametrize("weight_format", [onnx_qcdq, qonnx, c_header], ids=lambda each: each.name)
@pytest.mark.tool("gcc")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_independent_run_equals_the_contract_on_every_output(weight_format, network):
    reading = weight_format.read_independently(weight_format.encode(network), network)
    features = random_features(network, 5, rng=stream(2, "exports"), active=1.0)
    np.testing.assert_array_equal(reading.run(features), reference_layers(network, features)[-1].activation)


def test_conductance_table_says_what_each_cell_of_a_pair_holds():
    network = TernaryNetwork(
        "tiny", (TernaryLayer(np.array([[1, -1, 0]], np.int8), np.zeros(1, np.int32), 1.0),), np.ones(1, np.float32)
    )
    ((_, _, table),) = dataclasses.replace(conductance_csv, rows=3, columns=2)._tiles(network.layers[0].weight)
    on, off = conductance_csv.g_on_siemens, conductance_csv.g_off_siemens
    assert table.tolist() == [[on, off], [off, on], [off, off]]


def test_conductance_table_of_another_device_and_tile_is_verified_without_options():
    asked = conductance_csv.having({"on": "225", "off": "50", "tile": "16x10"})
    blob = asked.encode(DENSE)
    assert verify(blob, conductance_csv, DENSE).verified
    tables = [name for name in unseal(blob) if name.startswith("layer0")]
    assert len(tables) == 3 * 5  # 41 inputs on 16 rows, 23 outputs on 5 pairs of columns
    table = np.loadtxt(io.BytesIO(unseal(blob)["layer0.tile0x0.csv"]), delimiter=",", skiprows=1)[:, 1:]
    assert set(np.unique(table)) == {225e-6, 50e-6}


@pytest.mark.parametrize(
    "options",
    [
        {"on": "much"},
        {"on": "inf"},
        {"tile": "3x3"},
        {"tile": "0"},
        {"tile": "9998x2"},
        {"tile": "2x2x2"},
        {"colour": "red"},
        {"on": "0.5"},
    ],
)
def test_impossible_options_of_conductance_tables_are_refused(options):
    with pytest.raises(InputError):
        conductance_csv.having(options)


@pytest.mark.parametrize("settings", [{"g_off_siemens": 1.0}, {"columns": 3}, {"rows": 0}])
def test_impossible_conductance_settings_are_refused(settings):
    with pytest.raises(InvalidValueError):
        dataclasses.replace(conductance_csv, **settings)


def test_longest_suffix_decides_the_format(tmp_path):
    assert weight_format_for(tmp_path / "a.hf.safetensors").name == "hf-packed"
    assert weight_format_for(tmp_path / "a.safetensors").name == "safetensors"


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code, capsys.readouterr()


def test_export_and_verify_from_the_command_line_agree_and_damage_is_exit_code_1(capsys, tmp_path):
    checkpoint = tmp_path / "net.safetensors"
    checkpoint.write_bytes(load("formats", "safetensors").encode(DENSE))
    out = tmp_path / "net.base3.zip"
    code, printed = run(capsys, "export", checkpoint, "--format", "base3", "--out", out, "--json")
    assert code == 0
    assert json.loads(printed.out)["bytes"] == out.stat().st_size
    code, printed = run(capsys, "verify", out, "--network", checkpoint, "--json")
    assert (code, json.loads(printed.out)["verified"]) == (0, True)
    damaged = bytearray(out.read_bytes())
    damaged[100] ^= 1
    out.write_bytes(bytes(damaged))
    code, printed = run(capsys, "verify", out, "--network", checkpoint, "--json")
    assert (code, json.loads(printed.out)["verified"]) == (1, False)


def test_export_takes_options_of_a_format_and_refuses_them_elsewhere(capsys, tmp_path):
    checkpoint = tmp_path / "net.safetensors"
    checkpoint.write_bytes(load("formats", "safetensors").encode(DENSE))
    for name, suffix, option in (
        ("readmemh", ".memh.zip", "lanes=16"),
        ("conductance-npz", ".conductance.npz", "tile=8"),
    ):
        out = tmp_path / f"net{suffix}"
        assert run(capsys, "export", checkpoint, "--format", name, "--out", out, "--option", option)[0] == 0
        assert load("formats", name).decode(out.read_bytes()).digest == DENSE.digest
    arguments = ("export", checkpoint, "--format", "base3", "--out", tmp_path / "net.base3.zip", "--option", "tile=8")
    code, printed = run(capsys, *arguments)
    assert (code, "takes no options" in printed.err) == (2, True)
    for option in ("tile", "tile=8.5"):
        arguments = ("export", checkpoint, "--format", "conductance-npz", "--out", tmp_path / "a.conductance.npz")
        assert run(capsys, *arguments, "--option", option)[0] == 2


@pytest.mark.parametrize("name", [name for name in names("formats") if name not in {"readmemh", "hf-packed"}])
@pytest.mark.parametrize("file", ["net.bin", "net.safetensors", "net.gguf"])
@pytest.mark.tool("gcc")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_file_of_any_name_is_told_by_its_content(capsys, tmp_path, name, file):
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(load("formats", "safetensors").encode(SINGLE))
    out = tmp_path / file
    assert run(capsys, "export", checkpoint, "--format", name, "--out", out)[0] == 0
    code, printed = run(capsys, "verify", out, "--network", checkpoint, "--json")
    assert (code, json.loads(printed.out)["format"]) == (0, name)
    assert load_network(out).digest == SINGLE.digest


@pytest.mark.parametrize(("file", "expected"), [("net.base3.zip", 1), ("net.zip", 1), ("net.bin", 2), ("net", 2)])
def test_damaged_file_of_any_name_is_never_verified(capsys, tmp_path, file, expected):
    damaged = bytearray(base3.encode(SINGLE))
    damaged[100] ^= 1
    (tmp_path / file).write_bytes(bytes(damaged))
    code, printed = run(capsys, "verify", tmp_path / file, "--network", "digits")
    assert code == expected
    assert "altered" in printed.out or "damaged" in printed.err


@pytest.mark.parametrize(
    ("change", "network", "says"),
    [
        (slice(0, -1), "net.safetensors", "to write it anew: hil export"),
        (slice(None), "other.safetensors", "if it should hold 'mine', say so: --network NETWORK"),
    ],
    ids=["cut", "held against another network"],
)
def test_file_that_is_not_verified_comes_with_what_to_do(capsys, tmp_path, monkeypatch, change, network, says):
    monkeypatch.chdir(tmp_path)
    for name, held in (("mine", SINGLE), ("theirs", DENSE)):
        checkpoint = load("formats", "safetensors").encode(dataclasses.replace(held, name=name))
        (tmp_path / {"mine": "net", "theirs": "other"}[name]).with_suffix(".safetensors").write_bytes(checkpoint)
    assert run(capsys, "export", "net.safetensors", "--format", "c", "--out", "net.h")[0] == 0
    (tmp_path / "net.h").write_bytes((tmp_path / "net.h").read_bytes()[change])
    code, printed = run(capsys, "verify", "net.h", "--network", network)
    assert (code, says in printed.out.splitlines()[-1]) == (1, True)


def test_network_too_wide_for_exact_float_products_is_refused():
    wide = TernaryLayer(np.ones((1, 2**17), np.int8), np.zeros(1, np.int32), 1.0)
    with pytest.raises(InputError, match=r"2\*\*24"):
        onnx_qcdq.encode(TernaryNetwork("wide", (wide,), np.ones(1, np.float32)))
