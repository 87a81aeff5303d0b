"""Reads what calibrating a camera with DV leaves behind: JSON today, OpenCV's XML from older versions.

After the documentation of dv-processing's ``CalibrationSet`` and the fields that it reads: JSON of version 2.0 names
cameras C0, C1 and so on; XML has one camera, its matrices at the root, or one node per camera, and C0 is the first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hil.errors import FormatError, HilError
from hil.types import Geometry
from sensors.kernels.lens import Calibration

__all__ = ["load_calibration"]

LONGEST_BYTES = 1 << 24


def load_calibration(path: str | Path, *, camera: str = "C0") -> Calibration:
    """Read one camera of a calibration file of DV, JSON or XML.

    Args:
        path: The file.
        camera: C0, C1 and so on, or in XML the name of its node.

    Raises:
        FormatError: The file is of another format, lacks the camera, or describes no lens that we know.
    """
    with Path(path).open("rb") as file:
        data = file.read(LONGEST_BYTES)
    try:
        return _of_xml(data, camera) if data.lstrip().startswith(b"<") else _of_json(data, camera)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, ET.ParseError) as error:
        why = str(error) if isinstance(error, HilError) else repr(error)
        message = f"{path} is no calibration file of DV with a camera {camera!r}: {why}"
        raise FormatError(message) from error


def _of_json(data: bytes, camera: str) -> Calibration:
    entry: dict[str, Any] = json.loads(data)["cameras"][camera]
    width, height = (int(value) for value in entry["resolution"])
    focal, centre = (tuple(float(v) for v in entry[name]) for name in ("focalLength", "principalPoint"))
    return Calibration(
        Geometry(width, height),
        (focal[0], focal[1]),
        (centre[0], centre[1]),
        entry["distortionModel"],
        tuple(float(value) for value in entry["distortionCoefficients"]),
    )


def _of_xml(data: bytes, camera: str) -> Calibration:
    if b"<!" in data:
        raise FormatError("document type declarations are not allowed")
    root = ET.fromstring(data)  # noqa: S314  (no DTD can reach it)
    node = _camera_node(root, camera)
    width, height = (int(_text(node, name)) for name in ("image_width", "image_height"))
    matrix, distortion = _numbers(node, "camera_matrix"), _numbers(node, "distortion_coefficients")
    fisheye = any(each.findtext("use_fisheye_model", "0").strip() == "1" for each in (root, node))
    known = 4 if fisheye else 5
    if any(distortion[known:]):
        message = f"of the lens only the first {known} coefficients are known, but it has {distortion}"
        raise FormatError(message)
    return Calibration(
        Geometry(width, height),
        (matrix[0], matrix[4]),
        (matrix[2], matrix[5]),
        "equidistant" if fisheye else "radialTangential",
        distortion[:known],
    )


def _camera_node(root: ET.Element, camera: str) -> ET.Element:
    nodes = (
        [root] if root.find("camera_matrix") is not None else [n for n in root if n.find("camera_matrix") is not None]
    )
    names = {f"C{i}": node for i, node in enumerate(nodes)} | {node.tag: node for node in nodes}
    if camera not in names:
        message = f"it has the cameras {', '.join(names) or 'none'}"
        raise FormatError(message)
    return names[camera]


def _text(node: ET.Element, name: str) -> str:
    text = node.findtext(name)
    if text is None:
        message = f"it has no {name}"
        raise FormatError(message)
    return text


def _numbers(node: ET.Element, name: str) -> tuple[float, ...]:
    return tuple(float(value) for value in _text(node, f"{name}/data").split())
