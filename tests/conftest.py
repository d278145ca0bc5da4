"""Which cases run, and fixtures of several folders.

HANDNN_SAMPLE=n runs every n-th case of each parametrized test, and all other tests. It is meant for
runs in which single cases matter little: under sanitizers, and on other versions of Python.
"""

from __future__ import annotations

import os
import zlib
from collections import defaultdict

import numpy as np
import pytest

from tests import ranks

STRIDE = int(os.environ.get("HANDNN_SAMPLE", "1"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    # Each test starts at another case, so that the same brick or dtype is not left out everywhere.
    kept = {
        item.nodeid
        for number, group in enumerate(cases.values())
        for item in group[number % min(STRIDE, len(group)) :: STRIDE]
    }
    left_out = [item for item in items if item.nodeid not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.nodeid in kept]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker of `pytest -n` consecutive tests, so that most fixtures are made once."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture(autouse=True)
def seeded(request):
    """Let ``rng=None`` and the module's RNG draw from a seed of the test's own.

    So a test passes always or never, whatever tests the same process ran before it.
    """
    default_rng = np.random.default_rng
    entropy = np.random.SeedSequence(zlib.crc32(request.node.nodeid.encode()))
    if hasattr(request.module, "RNG"):
        request.module.RNG.bit_generator.state = default_rng(entropy).bit_generator.state

    def seeded_rng(seed=None):
        return default_rng(entropy.spawn(1)[0] if seed is None else seed)

    np.random.default_rng = seeded_rng
    yield
    np.random.default_rng = default_rng


@pytest.fixture(scope="session")
def run_ranks():
    """Run Python as several ranks of MPI; skip the test where that is not possible."""
    reason = ranks.obstacle()
    if reason:
        pytest.skip(f"needs mpi4py and an MPI: {reason}")
    return ranks.run_ranks
