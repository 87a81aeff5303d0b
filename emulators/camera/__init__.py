"""A model of an event camera: pictures in, events out, each pixel at its own microsecond."""

from emulators.camera.frames import Frame, FunctionScene, Luminance, Scene
from emulators.camera.parameters import CameraParameters
from emulators.camera.pixels import Camera, CameraSource, Exposure

__all__ = ["Camera", "CameraParameters", "CameraSource", "Exposure", "Frame", "FunctionScene", "Luminance", "Scene"]
