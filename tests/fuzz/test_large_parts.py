"""Loading a file takes at most 16 MiB more memory than the file has, whichever part is large."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MAX_MIB = 16

N_PARTS = int(os.environ.get("HANDNN_FUZZ_PARTS", "3"))
"""The number of random models, and of random long lists in random places; 0 for all of them."""

SEED = os.environ.get("HANDNN_FUZZ_SEED", "0")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer keeps freed memory")
def test_large_parts_take_little_memory(tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.large_parts"]
    command += [str(tmp_path / "file"), str(N_PARTS), SEED]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    printed = json.loads(result.stdout)
    found = {name: grown - size for name, (size, grown) in printed["found"].items()}
    worst = max(found, key=lambda name: found[name])
    print(f"{len(found)} files with a large part: at most their size + {found[worst]:.1f} MiB")
    assert printed["n_parts"] > 4000
    assert {name: over for name, over in found.items() if over > MAX_MIB} == {}
