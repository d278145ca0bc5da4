"""Small files in the format of MNIST."""

from __future__ import annotations

import struct

import numpy as np


def idx(array, magic=None):
    """Return the bytes of an IDX file, written independently of handnn."""
    if magic is None:
        magic = 2048 + array.ndim
    return struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.tobytes()


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 3, 2), np.uint8)


def labels(count):
    return np.arange(count, dtype=np.uint8) % 10


SMALL = {
    "train-images-idx3-ubyte": images(12),
    "train-labels-idx1-ubyte": labels(12),
    "t10k-images-idx3-ubyte": images(5),
    "t10k-labels-idx1-ubyte": labels(5),
}
NAMES = list(SMALL)


def assert_is_small(data):
    for x, name in ((data.x_train, NAMES[0]), (data.x_test, NAMES[2])):
        assert x.dtype == np.float32
        assert x.flags.c_contiguous and x.flags.writeable
        expected = SMALL[name].reshape(-1, 6).astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(x, expected)
    for y, name in ((data.y_train, NAMES[1]), (data.y_test, NAMES[3])):
        assert y.dtype == np.int64
        assert y.flags.writeable
        np.testing.assert_array_equal(y, SMALL[name])
