# mypy: disable-error-code="import-not-found, import-untyped"
"""Predictions of one row of a table, by `TableModel.predict`, the exported C, and ONNX Runtime."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np

from benchmarks import report
from benchmarks.timing import Effort, Timed, interleave
from handnn import TableModel, set_num_threads, to_c, to_onnx
from handnn.datasets import load_concrete
from handnn.tables.category import CategoryColumn
from handnn.tables.fitting import fit_table
from handnn.tables.recipe import default_recipe

Cells = Mapping[str, float | str]

OURS = "dict"
EPOCHS = 3
N_NUMBERS, N_CATEGORIES, N_ROWS = 38, 43, 1000
"""The sizes of the wide table, which is drawn."""

LOOP = """
#include "model.h"
void repeat(const {real} *x, {real} *y, long n) {{ while (n--) model_predict(x, y); }}
"""


@dataclass(frozen=True)
class Row:
    """Seconds per prediction of one row of a table, by interface."""

    table: str
    networks: int
    seconds: dict[str, float]


def concrete() -> tuple[dict[str, list[float | str]], list[float]]:
    """Return the columns and the targets of `load_concrete`: 8 columns of numbers."""
    data = load_concrete()
    columns: dict[str, list[float | str]] = {
        name: list(column.tolist())
        for name, column in zip(data.feature_names, data.x.T, strict=True)
    }
    return columns, data.y.tolist()


def wide() -> tuple[dict[str, list[float | str]], list[float]]:
    """Return a table with as many columns of numbers and of text as that of houses in Ames."""
    rng = np.random.default_rng(0)
    numbers = rng.lognormal(3, 1, (N_NUMBERS, N_ROWS)).round(1)
    codes = [rng.integers(0, 3 + k % 9, N_ROWS) for k in range(N_CATEGORIES)]
    table: dict[str, list[float | str]] = {f"n{k}": list(x.tolist()) for k, x in enumerate(numbers)}
    table |= {f"c{k}": [f"kind {c}" for c in column] for k, column in enumerate(codes)}
    y = numbers[:5].sum(axis=0) + 10 * codes[0] + rng.normal(size=N_ROWS)
    return table, list(y.tolist())


def fitted(table: dict[str, list[float | str]], y: list[float]) -> TableModel:
    """Return a model with as many networks as the default recipe has, briefly trained."""
    recipe = replace(default_recipe(len(y), len(table)), epochs=EPOCHS)
    return fit_table(table, y, recipe, rng=0).model


def tables_of(row: Cells) -> dict[str, object]:
    """Return the row as each kind of table that can hold it."""
    found: dict[str, object] = {OURS: dict(row), "list of a dict": [dict(row)]}
    if find_spec("pandas"):
        import pandas as pd

        found["pandas"] = pd.DataFrame([row])
    if find_spec("polars"):
        import polars as pl

        found["polars"] = pl.DataFrame([row])
    if not any(isinstance(cell, str) for cell in row.values()):
        found["array"] = np.array([[*row.values()]])
    return found


def inputs_of(model: TableModel, row: Cells) -> tuple[list[float | str], list[str], list[float]]:
    """Return the numbers, the texts, and the row that the header takes: the codes come last."""
    cells = list(zip(model.columns.columns, row.values(), strict=True))
    numbers = [cell for column, cell in cells if not isinstance(column, CategoryColumn)]
    pairs = [(column, cell) for column, cell in cells if isinstance(column, CategoryColumn)]
    codes = [float(column.labels.index(str(cell))) for column, cell in pairs]
    return numbers, [str(cell) for _, cell in pairs], [*map(float, numbers), *codes]


def exported_c(model: TableModel, row: Cells, folder: Path) -> tuple[float, Timed] | None:
    """Return the prediction of the exported header, compiled by cc, and its timing."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    real, kind = ("float", np.float32) if model.dtype == np.float32 else ("double", np.float64)
    to_c(model, folder / "model.h")
    (folder / "loop.c").write_text(LOOP.format(real=real), "ascii")
    flags = ["-std=c99", "-O2", "-march=native", "-fPIC", "-shared", "-lm"]
    library = folder / "loop.so"
    subprocess.run([compiler, "loop.c", *flags, "-o", library.name], cwd=folder, check=True)
    repeat = ctypes.CDLL(str(library)).repeat
    x, y = np.array(inputs_of(model, row)[2], kind), np.zeros(1, kind)

    addresses = [ctypes.c_void_p(array.ctypes.data) for array in (x, y)]

    def run(repeats: int) -> float:
        start = process_time()
        repeat(*addresses, ctypes.c_long(repeats))
        return process_time() - start

    run(1)
    return float(y[0]), run


def onnx_runtime(model: TableModel, row: Cells) -> tuple[float, Timed] | None:
    """Return the prediction of ONNX Runtime and its timing."""
    if not (find_spec("onnx") and find_spec("onnxruntime")):
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    numbers, texts, _ = inputs_of(model, row)
    inputs = {"x": np.array([numbers], np.float64)}
    inputs |= {"text": np.array([texts], object)} if texts else {}

    def predict() -> float:
        return float(session.run(["y"], inputs)[0][0, 0])

    return predict(), timed(predict)


def timed(call: Callable[[], object]) -> Timed:
    """Return a function that repeats a call and returns its CPU time."""

    def run(repeats: int) -> float:
        start = process_time()
        for _ in range(repeats):
            call()
        return process_time() - start

    return run


def compared(name: str, model: TableModel, row: Cells, effort: Effort) -> Row:
    """Verify all predictions of one row, then time them alternately."""
    expected = float(model.predict({k: [cell, cell] for k, cell in row.items()})[0])
    runs: dict[str, Timed] = {}
    for kind, table in tables_of(row).items():
        assert float(model.predict(table)[0]) == expected, kind
        runs[kind] = timed(partial(model.predict, table))
    with tempfile.TemporaryDirectory() as folder:
        peers = {
            "exported C": exported_c(model, row, Path(folder)),
            "ONNX Runtime": onnx_runtime(model, row),
        }
        for kind, peer in peers.items():
            if peer is None:
                report.progress(f"{kind}: skipped")
                continue
            answer, runs[kind] = peer
            assert abs(answer - expected) <= 1e-3 * abs(expected), (kind, answer, expected)
        return Row(name, len(model.networks), interleave(runs, effort))


def measure(effort: Effort) -> list[Row]:
    """Train both models and time the first row of their tables, on one thread."""
    set_num_threads(1)
    rows = []
    for name, (table, y) in (("concrete", concrete()), ("wide", wide())):
        report.progress(f"one row of a table: {name}")
        row = {key: column[0] for key, column in table.items()}
        rows.append(compared(f"{name}, {len(table)} columns", fitted(table, y), row, effort))
    return rows


def show(rows: list[Row]) -> None:
    """Print the times."""
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.seconds))
    report.table(
        "One row of TableModel.predict: µs of CPU time",
        ["table", "networks", *kinds],
        [
            [row.table, str(row.networks), *(report.micro(row.seconds.get(k)) for k in kinds)]
            for row in rows
        ],
    )


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
    return [{"table": r.table, "networks": r.networks, "seconds": r.seconds} for r in rows]
