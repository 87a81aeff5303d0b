"""ONNX graphs that compute the integer contract exactly, in any runtime that follows the standard.

Two dialects share everything but how a weight is written. ``QCDQ`` stores int8 codes behind a ``DequantizeLinear`` of
scale 1; ``QONNX`` stores float codes behind a two-bit ``Quant`` node, its output annotated TERNARY (the type inferred
for two bits would be INT2). Products are float32 and exact, because every partial sum stays below 2**24; a network
where one could not is refused. Requantisation is int64 arithmetic: ONNX shifts only unsigned numbers, so
``x >> s`` is written ``(x - x mod 2**s) / 2**s`` with the modulus of floor division.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError, InvalidValueError
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import IndependentReading
from hil.types import Int8Array
from quant.formats.verifiable import Integers, exact_codes, need, refuse_altered

__all__ = ["OnnxFormat", "onnx_qcdq", "qonnx"]

OPSET = 17
IR_VERSION = 9
QONNX_DOMAIN = "qonnx.custom_op.general"
DESCRIPTION_KEY = "description"
EXACT_FLOAT32 = 2**24


@dataclass
class _Graph:
    """Nodes and constants of a graph under construction."""

    helper: Any
    numpy_helper: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, name: str, values: Integers) -> str:
        """Add an initializer and return its name."""
        self.constants.append(self.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node and return its output's name."""
        self.nodes.append(self.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output


def _shape(layer: TernaryLayer) -> tuple[int, ...]:
    p = layer.patches
    return layer.weight.shape if p is None else (layer.channels, p.in_channels, p.kernel, p.kernel)


def _product(graph: _Graph, i: int, layer: TernaryLayer, x: str, weight: str) -> str:
    value = graph.node("Cast", [x], f"float{i}", to=1)
    p = layer.patches
    if p is None:
        return graph.node("Gemm", [value, weight], f"product{i}", transB=1)
    image = graph.constant(f"image{i}", np.array([-1, p.in_channels, p.height, p.width], np.int64))
    shaped = graph.node("Reshape", [value, image], f"shaped{i}")
    pads, strides = [p.padding] * 4, [p.stride] * 2
    product = graph.node("Conv", [shaped, weight], f"convolved{i}", pads=pads, strides=strides)
    flat = graph.constant(f"flat{i}", np.array([-1, layer.d_out], np.int64))
    return graph.node("Reshape", [product, flat], f"product{i}")


def _per_output(layer: TernaryLayer, values: Integers) -> Integers:
    return np.repeat(values.astype(np.int64), layer.positions)


def _requantise(graph: _Graph, i: int, layer: TernaryLayer, biased: str) -> str:
    step = layer.requantisation
    if step is None:
        return graph.node("Cast", [biased], "output", to=6)
    shift = _per_output(layer, step.shift)
    size = graph.constant(f"size{i}", np.int64(1) << shift)
    scaled = graph.node(
        "Mul", [biased, graph.constant(f"factor{i}", _per_output(layer, step.multiplier))], f"scaled{i}"
    )
    moved = graph.node("Add", [scaled, graph.constant(f"half{i}", np.int64(1) << (shift - 1))], f"moved{i}")
    rest = graph.node("Mod", [moved, size], f"rest{i}")
    whole = graph.node("Sub", [moved, rest], f"whole{i}")
    shifted = graph.node("Div", [whole, size], f"shifted{i}")
    low = graph.constant(f"low{i}", np.array(0 if step.relu else -128, np.int64))
    high = graph.constant(f"high{i}", np.array(127, np.int64))
    clipped = graph.node("Clip", [shifted, low, high], f"clipped{i}")
    return graph.node("Cast", [clipped], f"activation{i}", to=3)


def _check_exact(network: TernaryNetwork) -> None:
    for i, layer in enumerate(network.layers):
        if int(np.count_nonzero(layer.weight, axis=1).max(initial=0)) * 128 >= EXACT_FLOAT32:
            raise InvalidValueError(f"layer {i} could sum beyond 2**24, where float32 products are no longer exact")


@dataclass(frozen=True, slots=True)
class OnnxFormat:
    """One ONNX file in one of two dialects."""

    name: str
    about: str
    suffix: str
    ternary: bool

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the network as an ONNX model: int8 ``input`` (n, d_in), int32 ``output`` (n, d_out).

        Raises:
            InvalidValueError: A layer is too wide for exact float32 products.
            MissingDependencyError: The package ``onnx`` is not installed.
        """
        onnx = need("onnx", "writing ONNX")
        _check_exact(network)
        helper = onnx.helper
        graph = _Graph(helper, onnx.numpy_helper)
        x = "input"
        for i, layer in enumerate(network.layers):
            product = _product(graph, i, layer, x, self._weight(graph, i, layer))
            integer = graph.node("Cast", [product], f"integer{i}", to=7)
            bias = graph.constant(f"bias{i}", _per_output(layer, layer.bias))
            x = _requantise(graph, i, layer, graph.node("Add", [integer, bias], f"biased{i}"))
        model = self._model(onnx, helper, graph, network)
        written: bytes = model.SerializeToString(deterministic=True)
        return written

    def _weight(self, graph: _Graph, i: int, layer: TernaryLayer) -> str:
        codes = layer.weight.reshape(_shape(layer))
        if not self.ternary:
            scale = graph.constant(f"weight_scale{i}", np.array(1.0, np.float32))
            zero = graph.constant(f"weight_zero{i}", np.array(0, np.int8))
            return graph.node("DequantizeLinear", [graph.constant(f"codes{i}", codes), scale, zero], f"weight{i}")
        floats = graph.constant(f"codes{i}", codes.astype(np.float32))
        settings = [
            graph.constant(f"{name}{i}", np.array(value, np.float32))
            for name, value in (("weight_scale", 1.0), ("weight_zero", 0.0), ("weight_bits", 2.0))
        ]
        quant = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
        return graph.node("Quant", [floats, *settings], f"weight{i}", domain=QONNX_DOMAIN, **quant)

    def _model(self, onnx: Any, helper: Any, graph: _Graph, network: TernaryNetwork) -> Any:
        tensor, kinds = helper.make_tensor_value_info, onnx.TensorProto
        inputs = [tensor("input", kinds.INT8, ["n", network.d_in])]
        outputs = [tensor("output", kinds.INT32, ["n", network.d_out])]
        made = helper.make_graph(graph.nodes, "ternary_network", inputs, outputs, graph.constants)
        if self.ternary:
            made.quantization_annotation.extend(_annotations(onnx, network))
        opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(QONNX_DOMAIN, 1)] if self.ternary else [])
        model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
        helper.set_model_props(model, {DESCRIPTION_KEY: json.dumps(describe(network), sort_keys=True)})
        return model

    def _load(self, blob: bytes) -> tuple[Any, Any]:
        onnx = need("onnx", "reading ONNX")
        from google.protobuf.message import DecodeError

        try:
            model = onnx.load_model_from_string(blob)
            onnx.checker.check_model(model)
        except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError) as error:
            raise FormatError(f"file is not a sound ONNX model: {str(error)[:120]}") from error
        return onnx, model

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network of a model that this class wrote.

        Raises:
            FormatError: Foreign, truncated or altered.
        """
        onnx, model = self._load(blob)
        try:
            constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
            described = json.loads({p.key: p.value for p in model.metadata_props}[DESCRIPTION_KEY])
            layers = [_layer(constants, i, each) for i, each in enumerate(described["layers"])]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"ONNX model lacks a part or holds a wrong one: {error!r}") from error
        return refuse_altered(blob, rebuild(described, layers), self.encode)

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read codes with onnx's numpy helper and run the model: QCDQ in onnxruntime, QONNX in qonnx."""
        onnx, model = self._load(blob)
        constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
        weights = [
            exact_codes(constants[f"codes{i}"].reshape(x.weight.shape), "onnx") for i, x in enumerate(network.layers)
        ]
        reader, run = (_qonnx_runner if self.ternary else _onnxruntime_runner)(blob)
        return IndependentReading(reader, weights, run)


def _annotations(onnx: Any, network: TernaryNetwork) -> list[Any]:
    made = []
    for i in range(len(network.layers)):
        for name in (f"weight{i}", f"codes{i}"):
            entry = onnx.StringStringEntryProto(key="finn_datatype", value="TERNARY")
            made.append(onnx.TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[entry]))
    return made


def _layer(constants: dict[str, Any], i: int, described: dict[str, Any]) -> LayerIntegers:
    channels, fan_in = int(described["channels"]), int(described["fan_in"])
    bias = constants[f"bias{i}"].reshape(channels, -1)[:, 0].astype(np.int32)
    factors: dict[str, Any] = {}
    if described["relu"] is not None:
        sizes = constants[f"size{i}"].reshape(channels, -1)[:, 0]
        factors["multiplier"] = constants[f"factor{i}"].reshape(channels, -1)[:, 0].astype(np.int32)
        factors["shift"] = np.log2(sizes.astype(np.float64)).astype(np.uint8)
    return LayerIntegers(exact_codes(constants[f"codes{i}"].reshape(channels, fan_in), "ONNX model"), bias, **factors)


def _onnxruntime_runner(blob: bytes) -> tuple[str, Any]:
    runtime = need("onnxruntime", "running ONNX models")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # otherwise DequantizeLinear + MatMul is fused into a product with 8-bit activations, and is off by 1e-3
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    session = runtime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])

    def run(features: Int8Array) -> Integers:
        found: Integers = session.run(["output"], {"input": features})[0]
        return found

    return f"onnxruntime {version('onnxruntime')}", run


def _qonnx_runner(blob: bytes) -> tuple[str, Any]:
    need("qonnx", "running QONNX models")
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    model = ModelWrapper(blob)
    for name in ("input", "output"):
        model.set_tensor_shape(name, [1, model.get_tensor_shape(name)[1]])
    model = model.transform(InferShapes())
    for each in model.graph.initializer:
        if each.name.startswith("codes") and model.get_tensor_datatype(each.name) != DataType["TERNARY"]:
            raise FormatError(f"qonnx reads {each.name} as {model.get_tensor_datatype(each.name).name}, not TERNARY")

    def run(features: Int8Array) -> Integers:
        rows = [execute_onnx(model, {"input": row[None]})["output"] for row in features]
        return np.concatenate(rows).astype(np.int32)

    return f"qonnx {version('qonnx')}", run


onnx_qcdq = OnnxFormat("onnx-qcdq", "ONNX with int8 codes behind DequantizeLinear", ".qcdq.onnx", ternary=False)
qonnx = OnnxFormat("qonnx", "QONNX with weights of type TERNARY", ".qonnx.onnx", ternary=True)
