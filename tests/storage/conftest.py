"""A path for a network, and a network saved there."""

from __future__ import annotations

import pytest

from handnn import mlp


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.safetensors"


@pytest.fixture
def saved(path):
    mlp([2, 3, 1], rng=0).save(path)
    return path
