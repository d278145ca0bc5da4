"""Writing: the bytes of the safetensors library, without a copy of the arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest

import handnn
from handnn.storage import write_arrays

DTYPES = ["?", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "f8", "i8", "u8"]
NAMES = ["0.w", "10.b", "2.w", "é", '"', "\\", "\x01\x7f\n\t", "\u2028", "名", "", "\U0001f600"]


def library_bytes(arrays, metadata):
    return pytest.importorskip("safetensors.numpy").save(arrays, metadata)


@pytest.mark.parametrize("seed", range(30))
def test_writes_the_bytes_of_the_library(path, seed):
    rng = np.random.default_rng(seed)
    arrays = {}
    for name in rng.permutation(NAMES)[: rng.integers(1, len(NAMES) + 1)]:
        shape = tuple(rng.integers(0, 4, rng.integers(0, 4)))
        values = rng.integers(0, 2, shape)
        arrays[str(name)] = np.asarray(values, rng.choice(DTYPES))
    metadata = {str(rng.choice(NAMES)): "".join(rng.choice(NAMES, 5))}
    write_arrays(path, arrays, metadata)
    assert path.read_bytes() == library_bytes(arrays, metadata)


@pytest.mark.parametrize("arrays", [{}, {"a": np.zeros((0, 3))}], ids=["none", "empty"])
def test_writes_the_bytes_of_the_library_for_files_without_data(path, arrays):
    write_arrays(path, arrays, {})
    assert path.read_bytes() == library_bytes(arrays, None)


def test_writes_the_same_header_up_to_the_order_of_the_metadata(path):
    arrays, metadata = {"a": np.zeros(3)}, {"handnn": "{}", "training": "é"}
    write_arrays(path, arrays, metadata)
    ours, theirs = path.read_bytes(), library_bytes(arrays, metadata)
    assert len(ours) == len(theirs)
    assert json.loads(ours[8:-24]) == json.loads(theirs[8:-24])


@pytest.mark.parametrize("order", ["<", ">"])
def test_writes_little_endian(path, order):
    write_arrays(path, {"a": np.array([1.0, 2.0], f"{order}f8")}, {})
    assert path.read_bytes()[-16:] == np.array([1.0, 2.0], "<f8").tobytes()


def test_rejects_a_name_that_is_not_unicode(path):
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="surrogates"):
        write_arrays(path, {"\ud800": np.zeros(1)}, {})
    assert path.read_bytes() == b"old"


def test_saving_does_not_copy_the_arrays(path):
    import tracemalloc

    network = handnn.Network([handnn.Affine(np.ones((1000, 2000), "f4"), np.zeros(2000, "f4"))])
    network.save(path)
    tracemalloc.start()
    try:
        network.save(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e6, "the array alone has 8e6 bytes"
