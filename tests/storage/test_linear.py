"""The work of loading a file grows linearly with the number of its bricks and networks."""

from __future__ import annotations

import json
import sys

import pytest

import handnn
from handnn import Ensemble
from tests.storage.files import write

RELU = {"brick": "ReLU"}


def bricks(n):
    return {"bricks": [RELU] * n}


def nested(n):
    block = [RELU] * n
    for _ in range(9):
        block = [{"brick": "Residual", "block": block}]
    return {"bricks": block}


def networks(n):
    return {"model": "ensemble", "networks": [[RELU]] * n, "activation": None}


def calls_during(function):
    """Return the number of Python and C calls that a function makes."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += 1

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("architecture", "load"),
    [(bricks, handnn.load), (nested, handnn.load), (networks, Ensemble.load)],
)
def test_calls_grow_linearly(architecture, load, path):
    counts = []
    for n in (200, 400, 800):
        entry = {"format": 1, **architecture(n)}
        write(path, {"__metadata__": {"handnn": json.dumps(entry)}}, b"")
        load(path)
        counts.append(calls_during(lambda: load(path)))
    first, second, third = counts
    assert third - second < 2.1 * (second - first)


def test_calls_do_not_grow_with_the_depth(path):
    counts = []
    for depth in (1, 31):
        block = [RELU] * 800
        for _ in range(depth):
            block = [{"brick": "Residual", "block": block}]
        write(path, {"__metadata__": {"handnn": json.dumps({"format": 1, "bricks": block})}}, b"")
        handnn.load(path)
        counts.append(calls_during(lambda: handnn.load(path)))
    assert counts[1] < 3 * counts[0], "32 times as many if each block looks at all inner bricks"
