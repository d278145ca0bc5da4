from __future__ import annotations

import pytest

import handnn


@pytest.fixture(autouse=True)
def same_number_of_threads():
    before = handnn.get_num_threads()
    yield
    handnn.set_num_threads(before)
