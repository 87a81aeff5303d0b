"""Undistortion against dv-processing's lens model, and against itself."""

import numpy as np
import pytest

from hil.errors import FormatError, InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.kernels.lens import Calibration, undistort, undistorted_coordinates
from sensors.kernels.lens_file import load_calibration

LENSES = {
    "radialTangential": (-0.36, 0.14, 0.001, -0.0005, -0.02),
    "equidistant": (-0.05, 0.01, -0.002, 0.0004),
    "none": (),
}


def calibration_of(model):
    return Calibration(Geometry(86, 64), (75.0, 76.0), (43.0, 32.5), model, LENSES[model])


@pytest.fixture
def dv():
    return pytest.importorskip("dv_processing")


@pytest.mark.parametrize(
    ("model", "theirs"), [("radialTangential", "RADIAL_TANGENTIAL"), ("equidistant", "EQUIDISTANT")]
)
def test_undistorted_coordinates_equal_dv_processing(dv, model, theirs):
    lens = dv.camera.CameraGeometry(
        list(LENSES[model]), 75.0, 76.0, 43.0, 32.5, (86, 64), dv.camera.DistortionModel.__members__[theirs]
    )
    ours = undistorted_coordinates(calibration_of(model))
    for y in range(0, 64, 9):
        for x in range(0, 86, 9):
            theirs_here = np.asarray(lens.undistort(np.array([x, y], np.float32))).ravel()
            near = abs(x - 43) + abs(y - 32) < 50  # theirs stops after a few steps, which the corners feel
            assert ours[y, x] == pytest.approx(theirs_here, abs=0.01 if near else 0.1)


@pytest.mark.parametrize("model", ["radialTangential", "equidistant"])
def test_undistorted_coordinates_seen_through_the_lens_again_are_the_pixels(dv, model):
    theirs = {"radialTangential": "RADIAL_TANGENTIAL", "equidistant": "EQUIDISTANT"}[model]
    lens = dv.camera.CameraGeometry(
        list(LENSES[model]), 75.0, 76.0, 43.0, 32.5, (86, 64), dv.camera.DistortionModel.__members__[theirs]
    )
    coordinates = undistorted_coordinates(calibration_of(model))
    for y, x in ((0, 0), (63, 85), (10, 40), (32, 43), (60, 3)):
        straight = np.append((coordinates[y, x] - (43.0, 32.5)) / (75.0, 76.0), 1.0).astype(np.float32)
        seen = np.asarray(lens.distort(straight)).ravel()
        assert seen[:2] / seen[2] * (75.0, 76.0) + (43.0, 32.5) == pytest.approx((x, y), abs=0.002)


def test_undistort_moves_every_event_to_the_nearest_pixel_and_drops_those_that_leave():
    calibration = calibration_of("radialTangential")
    coordinates = undistorted_coordinates(calibration)
    y, x = (grid.ravel() for grid in np.mgrid[0:64, 0:86])
    events = EventBatch(np.arange(len(x)), x, y, np.ones(len(x), bool))
    moved = undistort(events, calibration)
    assert 0 < len(moved) < len(events)
    where = coordinates[y[moved.t], x[moved.t]]
    assert np.abs(np.column_stack([moved.x, moved.y]) - where).max() <= 0.5
    gone = np.setdiff1d(events.t, moved.t)
    left = coordinates[y[gone], x[gone]]
    assert ((left < -0.5) | (left >= [85.5, 63.5])).any(axis=1).all()


def test_undistort_without_distortion_changes_nothing():
    y, x = (grid.ravel() for grid in np.mgrid[0:64, 0:86])
    events = EventBatch(np.arange(len(x)), x, y, np.ones(len(x), bool))
    moved = undistort(events, calibration_of("none"))
    assert np.array_equal(moved.x, events.x)
    assert np.array_equal(moved.y, events.y)


def test_calibration_is_read_from_a_file_of_dv_processing(dv, tmp_path):
    still = dv.kinematics.Transformationf(0, np.eye(4, dtype=np.float32))
    model, lens = dv.camera.DistortionModel.RADIAL_TANGENTIAL, list(LENSES["radialTangential"])
    made = dv.camera.calibrations.CameraCalibration
    written = made("cam", "left", True, (86, 64), (43.0, 32.5), (75.0, 76.0), lens, model, still, None)
    calibrations = dv.camera.CalibrationSet()
    calibrations.addCameraCalibration(written)
    calibrations.writeToFile(str(tmp_path / "lens.json"))
    ours = load_calibration(tmp_path / "lens.json")
    assert (ours.geometry, ours.model) == (Geometry(86, 64), "radialTangential")
    assert (*ours.focal_pixels, *ours.centre_pixels) == (75.0, 76.0, 43.0, 32.5)
    assert ours.distortion == pytest.approx(LENSES["radialTangential"], rel=1e-6)


def matrix(name, rows, columns, values):
    head = f"<rows>{rows}</rows><cols>{columns}</cols><dt>d</dt>"
    return f'<{name} type_id="opencv-matrix">{head}<data>{" ".join(map(str, values))}</data></{name}>'


def old_calibration(lenses, *, fisheye, named):
    """Return the XML that DV wrote before 2021."""
    cameras = [
        matrix("camera_matrix", 3, 3, [75.5 + i, 0, 43.25, 0, 76, 32.5, 0, 0, 1])
        + matrix("distortion_coefficients", 1, len(lens), lens)
        + "<image_width>86</image_width><image_height>64</image_height>"
        for i, lens in enumerate(lenses)
    ]
    nodes = [f"<DVX_{i}>{camera}</DVX_{i}>" for i, camera in enumerate(cameras)] if named else cameras
    kind = "<type>camera</type>" if named else ""
    model = f"<use_fisheye_model>{int(fisheye)}</use_fisheye_model>"
    return f'<?xml version="1.0"?>\n<opencv_storage>{"".join(nodes)}{model}{kind}</opencv_storage>\n'


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("model", ["radialTangential", "equidistant"])
def test_old_calibration_in_xml_is_read_as_dv_processing_reads_it(dv, tmp_path, model, named):
    path = tmp_path / "lens.xml"
    path.write_text(old_calibration([LENSES[model]], fisheye=model == "equidistant", named=named))
    theirs = dv.camera.CalibrationSet.LoadFromFile(str(path)).getCameraCalibration("C0")
    ours = load_calibration(path)
    assert (ours.geometry.width, ours.geometry.height) == tuple(theirs.resolution)
    assert (*ours.focal_pixels, *ours.centre_pixels) == (*theirs.focalLength, *theirs.principalPoint)
    assert ours.model == dv.camera.distortionModelToString(theirs.distortionModel)
    assert ours.distortion == pytest.approx(theirs.distortion[: len(ours.distortion)], rel=1e-6)
    assert ours == load_calibration(path, camera="DVX_0" if named else "opencv_storage")


def test_second_camera_of_an_old_calibration_is_read_by_its_number(tmp_path):
    path = tmp_path / "lens.xml"
    path.write_text(old_calibration([LENSES["radialTangential"]] * 2, fisheye=False, named=True))
    assert load_calibration(path, camera="C1").focal_pixels[0] == 76.5
    with pytest.raises(FormatError, match="it has the cameras C0, C1, DVX_0, DVX_1"):
        load_calibration(path, camera="C2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!DOCTYPE a><opencv_storage/>", "document type"),
        ("<opencv_storage/>", "the cameras none"),
        ("<opencv_storage>", "no calibration file"),
        (old_calibration([(0.1, 0, 0, 0, 0, 0.5)], fisheye=False, named=True), "first 5 coefficients"),
        (old_calibration([(0.1, 0)], fisheye=False, named=True), "coefficients"),
    ],
)
def test_calibration_in_xml_that_says_too_little_or_too_much_is_refused(tmp_path, text, said):
    (tmp_path / "lens.xml").write_text(text)
    with pytest.raises(FormatError, match=said):
        load_calibration(tmp_path / "lens.xml")


@pytest.mark.parametrize("text", ["", "{}", '{"cameras": {"C0": {"resolution": [1]}}}', "[1, 2]"])
def test_foreign_calibration_file_is_refused(tmp_path, text):
    (tmp_path / "lens.json").write_text(text)
    with pytest.raises(FormatError, match="no calibration file"):
        load_calibration(tmp_path / "lens.json")


def test_calibration_refuses_the_wrong_number_of_coefficients():
    with pytest.raises(InvalidValueError, match="coefficients"):
        Calibration(Geometry(4, 4), (1.0, 1.0), (2.0, 2.0), "equidistant", (0.1,))
    with pytest.raises(InvalidValueError, match="focal"):
        Calibration(Geometry(4, 4), (0.0, 1.0), (2.0, 2.0))
