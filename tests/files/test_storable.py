"""What a file cannot hold is said before the training."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("polars", reason="polars is not installed: no tables in files")

from handnn import train_file
from handnn.storage import packing
from handnn.tables import fitting

HEADER = ",".join([*(f"gene{place}" for place in range(300)), "price"])


@pytest.mark.parametrize("stream", [False, True])
def test_too_many_columns(tmp_path, monkeypatch, stream):
    monkeypatch.setattr(packing, "MAX_COST", 1000)
    monkeypatch.setattr(fitting, "train_many", None)
    path = tmp_path / "t.csv"
    rows = np.random.default_rng(0).normal(size=(60, 301))
    np.savetxt(path, rows, delimiter=",", header=HEADER, comments="")
    with pytest.raises(ValueError, match="does not fit into a file: .* too many columns"):
        train_file(path, "price", stream=stream)
