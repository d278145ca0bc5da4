"""Odd arguments: arrays of every shape, dtype and layout, numbers, strings and objects."""

from __future__ import annotations

import numpy as np


class Shape:
    """An object whose conversion to an array fails."""

    def __array__(self, dtype=None, copy=None):
        raise ValueError("not an array")


ODD = [
    np.zeros((2**40, 0)),
    np.zeros((0, 2**40)),
    np.zeros((0, 0)),
    np.broadcast_to(np.float64(1), (5, 5)),
    np.array([[np.nan, np.inf]]),
    np.zeros(3, complex),
    np.array(["a"]),
    np.array([None]),
    np.ma.masked_array([1.0, 2.0], [True, False]),
    [1, 2],
    [[1.0], [2.0, 3.0]],
    None,
    1.5,
    -1,
    0,
    2**70,
    -(2**63),
    float("nan"),
    float("inf"),
    "x",
    "",
    "\ud800",
    True,
    object(),
    Shape(),
    {},
    {"w": 1},
    [],
    int,
    np.float32(0.1),
    np.int8(3),
    b"bytes",
]


def array(rng):
    """Return an array of at most three dimensions."""
    sizes = [0, 1, 2, 3, 5, 17]
    shape = tuple(int(rng.choice(sizes)) for _ in range(rng.integers(0, 4)))
    drawn = rng.normal(size=shape).astype(rng.choice(["f4", "f8", "i8", "?", "f2", ">f8", "u1"]))
    layouts = [
        drawn,
        drawn.T,
        np.asfortranarray(drawn),
        drawn[::-1] if shape else drawn,
        drawn[:0] if shape else drawn,
    ]
    return layouts[rng.integers(len(layouts))]


def argument(rng):
    """Return an array in three of four cases, otherwise another object."""
    return array(rng) if rng.random() < 0.75 else ODD[rng.integers(len(ODD))]
