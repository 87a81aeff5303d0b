"""What compiles does so while a target is programmed, so that the time of its windows is its own."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
from numba.core.registry import CPUDispatcher
from experiments.recordings import shipped
from hil import load_network, open_recording, open_target
from hil.inference import infer, programmed
from sensors.features import encode

def compiled():
    modules = [m for name, m in list(sys.modules.items()) if name.startswith(("emulators.", "quant."))]
    return {id(x): len(x.signatures) for m in modules for x in vars(m).values() if isinstance(x, CPUDispatcher)}

network = load_network("digits")
windows = encode(open_recording(shipped("digits")), network.features)
for target in sys.argv[1:]:
    with programmed(open_target(target), network, seed=0) as session:
        before = compiled()
        infer(session, network, windows, trace=True)
        assert sum(before.values()) > 0, target
        assert compiled() == before, target
"""


@pytest.mark.parametrize(
    "target", ["packed", "crossbar:rram_wan2022", "crossbar:ideal?inputs=bit_serial&dac_noise=0.1"]
)
def test_windows_compile_nothing_that_programming_has_not(target):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, target], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
