"""`handnn export`: ONNX Runtime and compiled C programs return the predictions of the model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import handnn
from handnn import cpu_info
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")


def small(count=1_500):
    columns = flats(count)
    columns["size"] = ["large" if price > 1000 else "small" for price in columns["price"]]
    return columns


TARGETS = ["price", "town", "size"]


@pytest.fixture
def exported(handnn_command, table, tmp_path):
    """Trains and exports a model; returns the file, rows for it, and the expected answers."""

    def run(target, form, *options, count=1_500, networks=2):
        columns = small(count)
        out = tmp_path / "model.safetensors"
        data = table(as_csv(columns))
        chosen = ["--epochs", 2, "--networks", networks, "--hidden", "16,8", "--out", out]
        assert handnn_command("train", data, "--target", target, "--gap", "-", *chosen).code == 0
        result = handnn_command("export", out, "--to", form, *options)
        assert (result.code, result.out) == (0, "")
        path = out.with_suffix({"onnx": ".onnx", "c": ".c", "header": ".h"}[form])
        assert f"{path} written, {path.stat().st_size:,} bytes" in result.err
        assert (" bytes of constants and " in result.err) == (form != "onnx")
        model = handnn.TableModel.load(out)
        frame = pl.DataFrame(columns).drop(target)
        return path, frame, lambda rows: answers(model, rows)

    return run


def answers(model, rows):
    is_regression = model.target.task == "regression"
    return model.predict(rows)[:, None] if is_regression else model.predict_proba(rows)


def unseen(frame):
    """Return the rows with gaps and new categories in the text."""
    texts = [name for name in frame.columns if frame[name].dtype == pl.String]
    odd = pl.Series(['new, "1"', None, "Ulme", "x\\y", "日本"] * len(frame))[: len(frame)]
    every = pl.int_range(pl.len()) % 3 == 0
    return frame.with_columns(pl.when(every).then(odd).otherwise(pl.col(n)).alias(n) for n in texts)


def feed_of(frame, numbers, texts):
    """Return the input of an ONNX model for some rows: NaN and "" for gaps."""
    feed = {"x": frame.select(pl.col(numbers).cast(pl.Float64).fill_null(np.nan)).to_numpy()}
    if texts:
        feed["text"] = frame.select(pl.col(texts).fill_null("")).to_numpy().astype(object)
    return feed


@pytest.mark.parametrize("count", [300, 1_500])  # a float64 model and a float32 model
@pytest.mark.parametrize("target", TARGETS)
def test_onnx(exported, target, count):
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path, frame, expected_of = exported(target, "onnx", count=count)
    session = runtime.InferenceSession(path)
    printed = session.get_modelmeta().custom_metadata_map
    numbers, categories = json.loads(printed["numbers"]), json.loads(printed["categories"])
    assert numbers == [name for name in frame.columns if frame[name].dtype != pl.String]
    assert categories == {
        name: sorted(set(frame[name])) for name in frame.columns if name not in numbers
    }
    for rows in (frame, unseen(frame)):
        feed = feed_of(rows, numbers, list(categories))
        expected = expected_of(rows)
        (got,) = session.run(None, feed)
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)
    if "text" in feed:  # the model includes the gap words
        feed["text"][:] = "-"
        (got,) = session.run(None, feed)
        gaps = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in categories)
        np.testing.assert_allclose(got, expected_of(gaps), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "file"), [("pump", "pump.h"), ("a1", "other.h")])
def test_the_compile_line_of_a_header_works(exported, handnn_command, tmp_path, name, file):
    if not shutil.which("cc"):
        pytest.skip("cc is not installed")
    path, _, _ = exported("price", "header", networks=1)
    options = ["--to", "header", "--name", name, "--out", path.with_name(file)]
    assert handnn_command("export", path.with_suffix(".safetensors"), *options).code == 0
    (line,) = re.findall(r"^ *(cc .*)$", path.with_name(file).read_text(), re.MULTILINE)
    subprocess.run(line.split(), check=True, cwd=path.parent)
    printed = subprocess.run([path.parent / "a.out"], check=True, capture_output=True).stdout
    assert b"largest error of 8 rows: 0 ulp" in printed or not cpu_info()["fma"]


WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


@pytest.fixture(params=["gcc", "clang"])
def compiled(request, tmp_path):
    """Compiles a file, and returns a function that runs the program."""
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")

    def compile_it(path, *options):
        program = tmp_path / "program"
        command = [request.param, "-std=c99", "-O1", *WARNINGS, *options, "-x", "c", path]
        subprocess.run([*command, "-lm", "-o", program], check=True)

        def run(*arguments, text=""):
            given = text if isinstance(text, bytes) else text.encode()
            return subprocess.run([program, *arguments], input=given, capture_output=True)

        return run

    return compile_it


@pytest.mark.parametrize(("target", "networks"), [("price", 1), ("town", 2), ("size", 3)])
def test_a_c_program(exported, compiled, target, networks):
    path, frame, expected_of = exported(target, "c", networks=networks)
    run = compiled(path)
    check = run("--check")
    assert check.returncode == 0 and b"largest error of 8 rows: 0 ulp" in check.stdout
    for rows in (frame, unseen(frame)):
        texts = [rows.write_csv(include_header=True), rows.write_csv(include_header=False)]
        texts.append("\ufeff" + texts[1].replace("\n", "\r\n\r\n"))
        for text in texts:
            done = run(text=text)
            assert done.returncode == 0, done.stderr
            lines = done.stdout.decode().split()
            got = np.array([[float(cell) for cell in line.split(",")] for line in lines])
            expected = expected_of(rows)
            if cpu_info()["fma"]:  # the bits of predict, though it is a float32 model
                assert np.array_equal(got.astype(expected.dtype), expected)
            else:
                np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_the_program_rejects_malformed_rows(exported, compiled):
    path, frame, expected_of = exported("price", "c", "--dtype", "float64")
    run = compiled(path, "-fsanitize=undefined")
    assert frame.columns == ["area", "floor", "town", "size"]
    good = '50.5,2, Ulm ,"large"\n'
    assert run(text=good).returncode == 0
    bad = {
        "50.5,2,Ulm\n": "line 1 lacks column 'size', number 4 of 4",
        good + "\n50.5,2,Ulm,large,1\n": "line 3 has more than 4 columns",
        "x,2,Ulm,large\n": "line 1, column 'area': 'x' is not a number",
        "0x10,2,Ulm,large\n": "'0x10' is not a number",
        "1e400,2,Ulm,large\n": "'1e400' is not a number",
        "inf,2,Ulm,large\n": "'inf' is not a number",
        "1 2,2,Ulm,large\n": "'1 2' is not a number",
        '50.5,2,"Ulm,large\n': "line 1 lacks column 'town', number 3 of 4",
        '50.5,2,"U"lm,large\n': "line 1 lacks column 'town', number 3 of 4",
        "50.5,2,Ulm\0,large\n": "line 1 is too long or contains NUL",
        "5" * 70_000 + ",2,Ulm,large\n": "line 1 is too long or contains NUL",
    }
    for text, words in bad.items():
        done = run(text=text)
        assert done.returncode == 1 and words in done.stderr.decode(), (text[:50], done)
    assert run("rows.csv").returncode == 2
    same = ["-,-,NA,null", ",,,", ' nan , "" ,N/A,NULL\r']
    outputs = run(text="\n".join(same)).stdout.split()
    gaps = pl.DataFrame({name: [None] for name in frame.columns}, frame.schema)
    assert len(set(outputs)) == 1 and len(outputs) == 3
    np.testing.assert_allclose(float(outputs[0]), expected_of(gaps)[0, 0], rtol=1e-5)


def test_the_header_checks_itself_and_names_its_columns(exported, compiled):
    path, _, _ = exported("price", "header", "--name", "rent", "--dtype", "float64")
    text = path.read_text("ascii")
    for words in (
        "Predicts price.", "x[0]  area", "x[1]  floor", "y[0]  price",
        "x[2]  town, the code that rent_code(2, text) returns: 0 Bonn, 1 K\\xf6ln, 2 Ulm; 4 for",
        "void rent_predict(const double *x, double *y)",
    ):  # fmt: skip
        assert words in text
    done = compiled(path, "-DRENT_MAIN")()
    assert done.returncode == 0
    printed = done.stdout.decode()
    for words in ("rent: 4 -> 1, double", "largest error of 8 rows: 0 ulp", "constants: ", "a row"):
        assert words in printed


def test_rejects_models_that_cannot_be_exported(handnn_command, exported, tmp_path):
    network = tmp_path / "n.safetensors"
    handnn.mlp([2, 1], rng=0).save(network)
    result = handnn_command("export", network, "--to", "c")
    assert result.code == 1 and "is not a model of a table" in result.err
    assert handnn_command("export", network, "--to", "pdf").code == 2
    assert handnn_command("export", network).code == 2
    path, _, _ = exported("price", "c")
    model = path.with_suffix(".safetensors")
    for name in ("2x", "a b", "a-b", "é", "", "_x"):
        result = handnn_command("export", model, "--to", "header", "--name", name)
        assert result.code == 2 and "is not a C identifier" in result.err
    assert handnn_command("export", model, "--to", "c", "--dtype", "float16").code == 2
    result = handnn_command("export", model, "--to", "c", "--out", model)
    assert result.code == 1 and "it is also the input" in result.err
    assert not model.with_suffix(".h").exists()


def test_the_command_has_every_exporter():
    from handnn.cli.export import SUFFIXES
    from handnn.files.export import EXPORTERS

    assert list(SUFFIXES) == list(EXPORTERS)
