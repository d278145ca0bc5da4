from __future__ import annotations

import gzip
import hashlib

import pytest

from handnn.datasets import mnist
from handnn.datasets.idx import IdxFile
from tests.datasets.digits import SMALL, idx


@pytest.fixture
def small(monkeypatch):
    """Expect files of a few digits instead of 70,000."""
    files = tuple(
        IdxFile(name, array.shape, hashlib.sha256(idx(array)).hexdigest())
        for name, array in SMALL.items()
    )
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.delenv("HANDNN_MNIST", raising=False)


@pytest.fixture
def folder(small, tmp_path):
    """Return a folder with the four small files."""
    for name, array in SMALL.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return tmp_path
