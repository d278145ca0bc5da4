"""Importing handnn in a subinterpreter raises ImportError, and ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
if "before" in __import__("sys").argv:
    import handnn
code = '''
try:
    import handnn
except ImportError as error:
    print(error, flush=True)
'''
run = getattr(interpreters, "exec", None) or interpreters.run_string
run(interpreters.create(), code)
"""


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="of CPython")
@pytest.mark.parametrize("when", ["before", "only"])
def test_import_in_a_subinterpreter(when):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, when], capture_output=True, text=True, timeout=120
    )
    assert "cannot be imported in a subinterpreter" in result.stdout, result.stderr
    assert result.returncode == 0
