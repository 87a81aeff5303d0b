"""Run v2e's own emulator on a drifting grating, on constant light and with leak, and print its event rates.

Usage: python make_v2e_rates.py FOLDER_OF_V2E > v2e_rates.json
"""

import json
import logging
import sys
import types
from collections.abc import Callable

import numpy as np

WIDTH, HEIGHT = 64, 48
UNUSED = ["cv2", "screeninfo", "easygui", "tkinter", "tkinter.filedialog", "engineering_notation"]
UNUSED += [f"v2ecore.output.{name}" for name in ("ae_text_output", "aedat2_output", "aedat4_output")]


class Stand(types.ModuleType):
    """Stands in for a module that v2e imports but does not need to make events."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def grating(contrast: float) -> Callable[[float], np.ndarray]:
    columns = np.arange(WIDTH)
    return lambda t_s: np.tile(127.5 * (1 + contrast * np.sin(2 * np.pi * (columns - 40 * t_s) / 16)), (HEIGHT, 1))


def constant(grey: float) -> Callable[[float], np.ndarray]:
    return lambda _: np.full((HEIGHT, WIDTH), grey)


def rates(picture: Callable[[float], np.ndarray], duration_s: float, frames_per_s: float, **settings: float) -> dict:
    from v2ecore.emulator import EventEmulator

    emulator = EventEmulator(pos_thres=0.2, neg_thres=0.2, sigma_thres=0.03, seed=7, device="cpu", **settings)
    counts = {1: 0, -1: 0}
    for i in range(round(duration_s * frames_per_s) + 1):
        events = emulator.generate_events(picture(i / frames_per_s), i / frames_per_s)
        for sign in counts if events is not None else ():
            counts[sign] += int((events[:, 3] == sign).sum())
    each = WIDTH * HEIGHT * duration_s
    return {"on_hz": counts[1] / each, "off_hz": counts[-1] / each}


def main(folder: str) -> None:
    sys.path.insert(0, folder)
    sys.modules.update({name: Stand(name) for name in UNUSED})
    logging.disable(logging.CRITICAL)
    quiet = {"leak_rate_hz": 0.0, "shot_noise_rate_hz": 0.0}
    noisy = {"cutoff_hz": 300.0, "leak_rate_hz": 0.0, "shot_noise_rate_hz": 5.0}
    table = {
        "contrast": {c: rates(grating(c), 1.0, 1000, cutoff_hz=300.0, **quiet) for c in (0.15, 0.3, 0.6, 0.9)},
        "light": {g: rates(constant(g), 3.0, 1000, **noisy) for g in (0.0, 60.0, 127.0, 255.0)},
        "leak": {r: rates(constant(127.0), 10.0, 100, **{**quiet, "leak_rate_hz": r}) for r in (0.5, 2.0)},
    }
    sys.stdout.write(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
