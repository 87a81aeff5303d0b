"""Pictures from files: arrays, images that move, and films, as the camera's scenes."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emulators.camera.frames import Frame, Luminance, resampled
from hil.errors import FormatError, InvalidValueError, MissingDependencyError
from hil.types import Float32Array, Geometry, Int64Array

__all__ = ["Footage", "still"]

UInt8Array: TypeAlias = npt.NDArray[np.uint8]

ARRAYS = (".npy", ".npz")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".apng")
ARRAY_FRAMES_PER_S = 1000.0
"""Of an array that has no times: fast enough that little moves from picture to picture."""
ANIMATION_FRAMES_PER_S = 25.0
"""Of an animation that does not say how long a picture lasts."""
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, as television weighs them (ITU-R BT.601)


@dataclass(frozen=True, slots=True)
class Footage:
    """A file of pictures as a scene.

    Between two pictures log intensity is taken to change evenly, so footage should be shot or rendered fast enough
    that nothing moves by much more than a pixel. Eight-bit grey levels count as light, as v2e takes them. A file is:

    * ``.npy``: (n, height, width) uint8 or floating point, or (n, height, width, 3) in colour;
    * ``.npz``: the same as ``frames``, with an optional (n,) int64 ``t_us``;
    * an animated GIF, WebP, PNG or TIFF, with its own times unless a frame rate is given;
    * anything else: a film, through PyAV (the extra ``video``).

    Attributes:
        path: The file.
        size: Size of the sensor; None for that of the pictures.
        frames_per_s: Instead of the file's own; None for the file's, or what is assumed where it has none.
        duration_s: Stop after this long; None for all of it.
    """

    path: Path
    size: Geometry | None = None
    frames_per_s: float | None = None
    duration_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a frame rate or a duration that is not positive."""
        for name in ("frames_per_s", "duration_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidValueError(f"footage needs a positive {name}, but got {value}")

    @property
    def geometry(self) -> Geometry:
        """Size of the sensor.

        Raises:
            FormatError: The file holds no pictures.
            MissingDependencyError: It is a film, and PyAV is not installed.
        """
        if self.size is not None:
            return self.size
        height, width = next(iter(self._pictures())).luminance.shape
        return Geometry(width, height)

    @property
    def assumed_frames_per_s(self) -> float | None:
        """The rate that is taken because neither the caller nor the file says one; None where one of them does.

        Raises:
            FormatError: The file holds no pictures.
        """
        suffix = self.path.suffix.lower()
        if self.frames_per_s is not None or suffix not in (*ARRAYS, *PICTURES):
            return None
        if suffix in PICTURES:
            return None if _has_durations(self.path) else ANIMATION_FRAMES_PER_S
        return ARRAY_FRAMES_PER_S if _load(self.path)[1] is None else None

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures, in grey and in the sensor's size."""
        geometry = self.geometry
        stop_us = np.inf if self.duration_s is None else self.duration_s * 1e6
        for k, frame in enumerate(self._pictures()):
            t_us = frame.t_us if self.frames_per_s is None else round(k * 1e6 / self.frames_per_s)
            if t_us > stop_us:
                return
            luminance = frame.luminance
            if luminance.shape != (geometry.height, geometry.width):
                luminance = resampled(luminance, geometry.height, geometry.width)
            yield Frame(t_us, luminance)

    def _pictures(self) -> Iterable[Frame]:
        suffix = self.path.suffix.lower()
        if suffix in ARRAYS:
            return _from_array(self.path)
        if suffix in PICTURES:
            return _from_animation(self.path)
        return _from_film(self.path)


def still(path: Path) -> Luminance | None:
    """Return the (height, width) picture of an image file that holds just one; None of any other file.

    Raises:
        FormatError: The file has the name of an image, but is none.
    """
    if path.suffix.lower() not in PICTURES:
        return None
    frames = list(itertools.islice(_from_animation(path), 2))
    return frames[0].luminance if len(frames) == 1 else None


def _load(path: Path) -> tuple[np.ndarray[Any, np.dtype[Any]], Int64Array | None]:
    """Return the pictures of an array file and their times, None where it has none."""
    try:
        stored = np.load(path, allow_pickle=False)
        frames = stored["frames"] if path.suffix.lower() == ".npz" else stored
        t_us = stored["t_us"] if path.suffix.lower() == ".npz" and "t_us" in stored else None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} must hold an array of pictures, named frames in an .npz: {error}") from error
    if frames.ndim not in (3, 4) or not len(frames) or 0 in frames.shape:
        raise FormatError(f"{path} must hold pictures (n, height, width) or (n, height, width, 3), not {frames.shape}")
    if t_us is not None and np.shape(t_us) != (len(frames),):
        raise FormatError(f"{path} must hold a time per picture, but has {np.shape(t_us)} for {len(frames)}")
    return frames, t_us


def _from_array(path: Path) -> Iterator[Frame]:
    frames, t_us = _load(path)
    times_us = np.round(np.arange(len(frames)) * (1e6 / ARRAY_FRAMES_PER_S)) if t_us is None else t_us
    return (Frame(int(t), _grey(frame)) for t, frame in zip(times_us, frames, strict=True))


def _from_animation(path: Path) -> Iterator[Frame]:
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            t_us = 0
            for picture in ImageSequence.Iterator(image):
                yield Frame(t_us, np.asarray(picture.convert("L")))
                t_us += round(1000 * picture.info["duration"] if _lasts(picture) else 1e6 / ANIMATION_FRAMES_PER_S)
    except UnidentifiedImageError as error:
        raise FormatError(f"{path} is no picture that Pillow knows") from error


def _lasts(picture: Any) -> bool:
    return bool(picture.info.get("duration"))


def _has_durations(path: Path) -> bool:
    from PIL import Image, ImageSequence

    with Image.open(path) as image:
        return all(_lasts(picture) for picture in ImageSequence.Iterator(image))


def _from_film(path: Path) -> Iterator[Frame]:
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise MissingDependencyError.of("av", extra="video", purpose=f"reading {path.name}") from error
    try:
        with av.open(str(path)) as film:
            for picture in film.decode(video=0):
                grey: UInt8Array = picture.to_ndarray(format="gray").astype(np.uint8, copy=False)
                yield Frame(round(float(picture.time or 0.0) * 1e6), grey)
    except (FFmpegError, IndexError) as error:
        raise FormatError(f"{path} is no film that FFmpeg can decode: {error}") from error


def _grey(picture: np.ndarray[Any, np.dtype[Any]]) -> Luminance:
    if picture.ndim == 2:
        return picture
    grey: Float32Array = (picture[..., :3] @ np.array(LUMA)).astype(np.float32)
    return grey / np.float32(255.0) if picture.dtype == np.uint8 else grey
