"""Find the fastest OpenBLAS kernels on this machine, which may differ from the default."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np

from benchmarks.worker import environment, settings

CORES = ("SkylakeX", "Cooperlake", "SapphireRapids", "Zen", "Haswell")

MEASURE = """
import math, os, time
import numpy as np
from benchmarks.machine import pin, usable_cpus
pin(usable_cpus()[-1])
total = 0
for N, I, O in ((32, 64, 64), (100, 784, 50), (128, 784, 256), (256, 1024, 1024)):
    x, w = np.ones((N, I), np.float32), np.ones((I, O), np.float32)
    best, end = math.inf, time.perf_counter() + 0.1
    while (start := time.perf_counter()) < end:
        x @ w
        best = min(best, time.perf_counter() - start)
    total += math.log(best)
print(total)
"""


def best_core() -> str | None:
    """Return the OPENBLAS_CORETYPE with the fastest products; None unless OpenBLAS is used."""
    built_with = np.show_config(mode="dicts")
    blas = built_with["Build Dependencies"]["blas"]["name"]
    if "openblas" not in blas or platform.machine() not in ("x86_64", "AMD64"):
        return None
    scores: dict[str, float] = {}
    for core in CORES:
        with environment(settings(1) | {"OPENBLAS_CORETYPE": core}):
            done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True)
        if done.returncode == 0:  # fails where the CPU lacks the instructions
            scores[core] = float(done.stdout)
    return min(scores, key=scores.__getitem__, default=None)
