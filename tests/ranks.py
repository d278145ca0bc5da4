"""Run programs with mpiexec, where MPI is installed."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.engine.fits import ROOT


@functools.cache
def obstacle():
    """Return the reason why programs cannot run over MPI here, or None."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        return "MPI is not sanitized"
    if mpiexec() is None:
        return "there is no mpiexec"
    try:
        done = run_ranks(2, "-c", "from mpi4py import MPI; print(MPI.COMM_WORLD.size)")
    except subprocess.TimeoutExpired:
        return "mpiexec hangs"
    return None if done.stdout.count("2") == 2 else f"mpi4py does not run: {done.stderr[-80:]}"


def mpiexec():
    """Return the path of mpiexec, beside Python or on the PATH."""
    folders = [str(Path(sys.executable).parent), sys.prefix + "/bin", os.environ.get("PATH", "")]
    return shutil.which("mpiexec", path=os.pathsep.join(folders))


def run_ranks(n_ranks, *arguments, timeout=120, options=(), **environment):
    """Run Python with these arguments as `n_ranks` ranks, in the root of the repository."""
    return subprocess.run(
        [mpiexec(), *options, "-n", str(n_ranks), sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
