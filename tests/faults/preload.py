"""Shared objects that make calls of the C library fail, and processes that load them first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.fits import ROOT


def build(name, folder):
    """Compile a C file of this folder to a shared object, and return its path."""
    if not sys.platform.startswith("linux") or os.environ.get("LD_PRELOAD"):
        pytest.skip("needs the loader of Linux, without a sanitizer")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or "musl" in os.fspath(next(Path("/lib").glob("ld-*"), "")):
        pytest.skip("needs a C compiler and glibc")
    made = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
    return os.fspath(made)


def output_of(module, work, shim):
    """Return the output of ``python -m module work``, with the shared object loaded first."""
    result = subprocess.run(
        [sys.executable, "-m", module, work],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": shim},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
