"""HANDNN_ISA: all instruction sets of this CPU are correct; those with FMA give equal bits."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import handnn
from handnn.reference.calls import CALLS

ROOT = Path(__file__).parents[1]
SUPPORTED = handnn.cpu_info()["supported"]
LENGTHS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 70, 129]


def digests():
    """Return a hash of the bits of all calls over many sizes, and the active instruction set."""
    made = {"isa": handnn.cpu_info()["isa"]}
    for call in CALLS:
        for dtype in (np.float32, np.float64):
            digest = hashlib.sha256()
            for length in LENGTHS:
                for sizes in call.sweep(length, {"N": 19, "I": 23, "O": 37}):
                    arrays = call.arrays(dtype, sizes, seed=length)
                    results = call.run(arrays)
                    call.assert_matches_reference(arrays, dtype, results, f"{made['isa']} {sizes}")
                    for result in results:
                        digest.update(np.asarray(result).tobytes())
            made[f"{call} {np.dtype(dtype)}"] = digest.hexdigest()
    return made


def run(arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def made_by():
    made = {}
    for isa in SUPPORTED:
        result = run(["-m", "tests.test_instruction_sets"], HANDNN_ISA=isa)
        assert result.returncode == 0, f"{isa}: {result.stderr}"
        made[isa] = json.loads(result.stdout)
    return made


@pytest.mark.parametrize("isa", SUPPORTED)
def test_environment_selects_the_instruction_set(made_by, isa):
    assert made_by[isa]["isa"] == isa


def test_instruction_sets_with_fma_have_the_same_bits(made_by):
    with_fma = [made for isa, made in made_by.items() if isa != "v2"]
    if len(with_fma) < 2:
        pytest.skip(f"this CPU has {SUPPORTED}")
    first, *others = ({**made, "isa": None} for made in with_fma)
    for other in others:
        assert other == first


def test_the_default_is_the_best_supported_set():
    environment = {name: value for name, value in os.environ.items() if name != "HANDNN_ISA"}
    script = "import handnn; print(handnn.cpu_info()['isa'])"
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == SUPPORTED[-1]


@pytest.mark.parametrize("isa", ["v5", "V3", "avx2", "v3 ", "neon,v3", "3", "x" * 5000])
def test_an_unknown_set_is_an_import_error_that_lists_the_known(isa):
    result = run(["-c", "import handnn"], HANDNN_ISA=isa)
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1, result.stderr
    assert last.startswith(("ImportError: ", "ValueError: "))
    assert "HANDNN_ISA" in last and all(name in last for name in SUPPORTED)


def test_an_unsupported_set_is_an_import_error():
    missing = [isa for isa in ("v2", "v3", "v4", "neon") if isa not in SUPPORTED]
    for isa in missing:
        result = run(["-c", "import handnn"], HANDNN_ISA=isa)
        assert result.returncode == 1 and "HANDNN_ISA" in result.stderr
        assert all(name in result.stderr for name in SUPPORTED)


if __name__ == "__main__":
    print(json.dumps(digests()))
