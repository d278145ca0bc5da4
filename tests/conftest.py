"""Fixtures of several folders."""

from __future__ import annotations

import pytest

from tests import ranks


@pytest.fixture(scope="session")
def run_ranks():
    """Run Python as several ranks of MPI; skip the test where that is not possible."""
    reason = ranks.obstacle()
    if reason:
        pytest.skip(f"needs mpi4py and an MPI: {reason}")
    return ranks.run_ranks
