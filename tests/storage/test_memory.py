"""Loading a file takes at most 16 MiB more memory than the file has, whatever its header is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from handnn import FormatError, Network, ReLU, Trainer, load
from handnn.storage import write_arrays
from tests.storage.hostile_headers import save_two_descriptions

MAX_MIB = 16


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer keeps freed memory")
def test_hostile_headers_take_little_memory(path):
    command = [sys.executable, "-m", "tests.storage.hostile_headers", path]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(result.stdout)
    worst = max(found, key=lambda name: found[name][1])
    print(f"{len(found)} hostile headers: at most +{found[worst][1]:.1f} MiB ({worst})")
    assert {name: one for name, one in found.items() if one[1] > one[0] + MAX_MIB} == {}
    assert len(found) > 40


def test_saves_only_what_can_be_loaded(path):
    bricks = [ReLU() for _ in range(22_000)]
    Network(bricks[:20_000]).save(path)
    assert len(load(path)) == 20_000
    before = path.read_bytes()
    with pytest.raises(ValueError, match="takes more than 8 MiB when it is parsed"):
        Network(bricks).save(path)
    assert path.read_bytes() == before


def test_both_descriptions_of_a_checkpoint_take_8_mib_together(path):
    save_two_descriptions(path, 8_000, 80_000)
    Trainer.resume(path)
    save_two_descriptions(path, 18_000, 180_000)
    with pytest.raises(FormatError, match="takes more than 8 MiB when it is parsed"):
        Trainer.resume(path)


@pytest.mark.parametrize("text", ['"', '"\\', "[" * 10**6, '"' * 10**6, '\\"' * 10**6])
def test_rejects_unfinished_descriptions(path, text):
    for size in (len(text), 10**6):
        write_arrays(path, {}, {"handnn": ""})
        raw = json.dumps({"__metadata__": {"handnn": text[:size].ljust(size)}}).encode()
        path.write_bytes(len(raw).to_bytes(8, "little") + raw)
        with pytest.raises(FormatError):
            load(path)
