"""`handnn export`: what ONNX Runtime and a C compiler make of it predicts the same."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

import handnn
from tests.files.tables import as_csv, rooms

pl = pytest.importorskip("polars", reason="polars is not installed: pip install 'handnn[data]'")


def small(count=1_500):
    columns = rooms(count)
    columns["size"] = ["large" if price > 1000 else "small" for price in columns["price"]]
    return columns


TARGETS = ["price", "town", "size"]


@pytest.fixture
def exported(handnn_command, table, tmp_path):
    """Trains on a target and exports; returns the file, rows for it, and what is expected."""

    def run(target, form, count=1_500, networks=2):
        columns = small(count)
        out = tmp_path / "model.safetensors"
        data = table(as_csv(columns))
        options = ["--epochs", 2, "--networks", networks, "--hidden", "16,8", "--out", out]
        assert handnn_command("train", data, "--target", target, *options).code == 0
        result = handnn_command("export", out, "--to", form)
        assert (result.code, result.out) == (0, "")
        model = handnn.TableModel.load(out)
        frame = pl.DataFrame(columns).drop(target)
        if target == "price":
            expected = model.predict(frame)[:, None]
        else:
            expected = model.predict_proba(frame)
        return out.with_suffix({"onnx": ".onnx", "c": ".c", "header": ".h"}[form]), frame, expected

    return run


def rows_of(frame, numbers, categories):
    """The rows of a frame as an export takes them: numbers, NaN in gaps, then codes."""
    parts = [frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in numbers]
    for name, labels in categories.items():
        parts.append(np.array([labels.index(value) for value in frame[name]], np.float64))
    return np.column_stack(parts)


def layout(frame):
    numbers = [name for name in frame.columns if frame[name].dtype != pl.String]
    texts = [name for name in frame.columns if frame[name].dtype == pl.String]
    return numbers, {name: sorted(set(frame[name])) for name in texts}


@pytest.mark.parametrize("count", [300, 1_500])  # a model of float64, and one of float32
@pytest.mark.parametrize("target", TARGETS)
def test_onnx(exported, target, count):
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path, frame, expected = exported(target, "onnx", count)
    session = runtime.InferenceSession(path)
    told = session.get_modelmeta().custom_metadata_map
    numbers, categories = json.loads(told["numbers"]), json.loads(told["categories"])
    assert (numbers, categories) == layout(frame)
    (got,) = session.run(None, {"x": rows_of(frame, numbers, categories)})
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
@pytest.mark.parametrize(
    ("target", "networks", "count"),
    [("price", 1, 1_500), ("town", 2, 1_500), ("size", 3, 1_500), ("price", 2, 300)],
)
def test_a_c_program(exported, target, networks, count, tmp_path):
    path, frame, expected = exported(target, "c", count, networks)
    program = tmp_path / "program"
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    for compiler in filter(shutil.which, ("clang", "cc")):
        subprocess.run([compiler, *flags, path, "-lm", "-o", program], check=True)
    rows = rows_of(frame, *layout(frame))
    assert np.isnan(rows).any()
    text = "\n".join(",".join(map(repr, row)) for row in rows.tolist())
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    got = np.array([[float(cell) for cell in line.split(",")] for line in done.stdout.split()])
    tolerance = 1e-13 if expected.dtype == np.float64 else 1e-4
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance / 10)
    for bad, words in (("1,2\n", "line 1 has no number 3"), (text[:60] + "x", "line")):
        refused = subprocess.run([program], input=bad, capture_output=True, text=True)
        assert refused.returncode == 1 and words in refused.stderr


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_a_header_stands_beside_others_and_names_its_columns(exported, tmp_path):
    path, _, _ = exported("price", "header")
    text = path.read_text("ascii")
    for words in ("x[0]  area", "x[1]  floor", "x[2]  town: 0 Bonn, 1 K?ln, 2 Ulm; 3 when missing"):
        assert words in text
    main = tmp_path / "main.c"
    main.write_text(
        '#include "model.h"\n#include "model.h"\n#include <stdio.h>\n'
        "int main(void) { double x[MODEL_INPUTS] = {50, 2, 1, 0}; (void)x;\n"
        "  float f[MODEL_INPUTS] = {50, 2, 1, 0}, y[MODEL_OUTPUTS];\n"
        '  model_predict(f, y); printf("%g\\n", y[0]); return 0; }\n'
    )
    program = tmp_path / "program"
    subprocess.run(["cc", "-std=c99", main, "-lm", "-o", program], check=True)
    assert np.isfinite(float(subprocess.check_output([program])))


def test_what_cannot_be_exported(handnn_command, tmp_path):
    network = tmp_path / "n.safetensors"
    handnn.mlp([2, 1], rng=0).save(network)
    result = handnn_command("export", network, "--to", "c")
    assert result.code == 1 and "is not a model of a table" in result.err
    assert handnn_command("export", network, "--to", "pdf").code == 2
    assert handnn_command("export", network).code == 2
