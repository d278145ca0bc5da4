"""Thousands of broken files: each gives a result or a one-line error, never a traceback."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.files.tables import as_csv, flats
from tests.slow import SLOW

pl = pytest.importorskip("polars")

COUNT = 10_000 if SLOW else 300
QUICK = ("--epochs", 1, "--networks", 1, "--hidden", 4)

PIECES = [
    b"", b",", b";", b"\t", b"|", b'"', b'""', b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\xff",
    b"\xe9", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"PAR1", b"PK\x03\x04", b"nan", b"NA",
    b"inf", b"-1e999", b"1e308", b"-1e308", b"1,5", b"1.234,5", b"1_000", b"0x10", b" ", b"'", b"#",
    b"=", b"sep=;", b"true", b"False", b"2024-01-01", b"x" * 200_000, "ä€𝄞".encode(),
    "\u2028\x85".encode(), b"\x0c", b"9" * 400, b"a,a", b"price", b"\\", b"\\n", b"--",
    b"\x1b[31m", b"1e-400", b"9223372036854775808",
]  # fmt: skip
ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"]


def cells_of(lines):
    return [line.split(b",") for line in lines]


def mutant(rng, base):
    """Return a file with one to three mutations."""
    data = base
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        data = MUTATIONS[rng.integers(len(MUTATIONS))](rng, data)
    return data


def insert(rng, data):
    place = rng.integers(len(data) + 1)
    return data[:place] + PIECES[rng.integers(len(PIECES))] + data[place:]


def overwrite(rng, data):
    place = rng.integers(len(data) + 1)
    piece = PIECES[rng.integers(len(PIECES))]
    return data[:place] + piece + data[place + len(piece) :]


def any_byte(rng, data):
    place = rng.integers(len(data) + 1)
    return data[:place] + bytes([rng.integers(256)]) + data[place + 1 :]


def cut(rng, data):
    first, last = sorted(rng.integers(len(data) + 1, size=2))
    return data[:first] + data[last:] if rng.random() < 0.3 else data[:last]


def change_cell(rng, data):
    lines = data.split(b"\n")
    row = rng.integers(len(lines)) if rng.random() < 0.8 else 0
    cells = lines[row].split(b",")
    cells[rng.integers(len(cells))] = PIECES[rng.integers(len(PIECES))]
    lines[row] = b",".join(cells)
    return b"\n".join(lines)


def change_column(rng, data):
    lines = cells_of(data.split(b"\n"))
    place, piece = rng.integers(4), PIECES[rng.integers(len(PIECES))]
    for cells in lines[1:]:
        if place < len(cells) and rng.random() < 0.9:
            cells[place] = piece if rng.random() < 0.5 else cells[place] + piece
    return b"\n".join(map(b",".join, lines))


def drop_or_double_lines(rng, data):
    lines = data.split(b"\n")
    rows = rng.integers(len(lines), size=rng.integers(0, len(lines) + 1))
    return b"\n".join(lines[row] for row in rows)


def no_header(rng, data):
    return data.partition(b"\n")[2]


def only_header(rng, data):
    return data.partition(b"\n")[0] + (b"\n" if rng.random() < 0.5 else b"")


def other_delimiter(rng, data):
    return data.replace(b",", [b";", b"\t", b"|", b" ", b":"][rng.integers(5)])


def other_encoding(rng, data):
    text = data.decode("utf-8", "replace")
    return text.encode(
        ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"][rng.integers(5)], "replace"
    )


def repeat(rng, data):
    return data * int(rng.integers(0, 4))


MUTATIONS = [
    insert, insert, overwrite, overwrite, any_byte, cut, change_cell, change_cell, change_column,
    drop_or_double_lines, no_header, only_header, other_delimiter, other_encoding, repeat,
]  # fmt: skip


def check(result, left):
    """Check that there is a result, or else no output and one line on stderr."""
    assert result.code in (0, 1, 2), result
    if result.code:
        assert result.out == ""
        assert result.err.startswith("handnn"), result.err
        assert result.err.endswith("\n") and "\n\n" not in result.err, result.err
        assert "Traceback" not in result.err
        assert 20 < len(result.err) < 3_000, len(result.err)
    assert not [name for name in left if name.startswith(".handnn")]


def test_train_on_broken_files(handnn_command, tmp_path):
    base = as_csv(flats(40)).encode()
    codes = np.zeros(3, int)
    model = tmp_path / "m.safetensors"
    for seed in range(COUNT):
        rng = np.random.default_rng(seed)
        path = tmp_path / "broken.csv"
        path.write_bytes(mutant(rng, base))
        options = [*QUICK, "--out", model, "--quiet"]
        options += ["--stream"] * (seed % 4 == 0) + ["--report", tmp_path / "r.html"] * (
            seed % 16 == 1
        )
        options += ["--drop-gaps"] * (seed % 3 == 0) + ["--decimal", ","] * (seed % 7 == 0)
        result = handnn_command("train", path, "--target", "price", *options)
        check(result, os.listdir(tmp_path))
        assert model.exists() == (result.code == 0), seed
        model.unlink(missing_ok=True)
        codes[result.code] += 1
    assert (codes[:2] > COUNT // 20).all(), codes  # both must happen


@pytest.fixture
def model(handnn_command, table, tmp_path):
    path = tmp_path / "model.safetensors"
    data = table(as_csv(flats()), "train.csv")
    assert handnn_command("train", data, "--target", "price", *QUICK, "--out", path).code == 0
    return path


def test_predict_and_evaluate_broken_files(handnn_command, tmp_path, model):
    base = as_csv(flats(20)).encode()
    codes = np.zeros(3, int)
    out = tmp_path / "p.csv"
    for seed in range(COUNT // 3):
        path = tmp_path / "broken.csv"
        path.write_bytes(mutant(np.random.default_rng([1, seed]), base))
        result = handnn_command("predict", model, path, "--out", out, "--keep", "--quiet")
        check(result, os.listdir(tmp_path))
        assert out.exists() == (result.code == 0), seed
        out.unlink(missing_ok=True)
        codes[result.code] += 1
        check(handnn_command("evaluate", model, path, "--quiet"), os.listdir(tmp_path))
    assert (codes[:2] > 3).all(), codes


def test_predict_with_broken_models_and_parquet_files(handnn_command, tmp_path, model):
    import polars as pl

    parquet = tmp_path / "table.parquet"
    pl.DataFrame(flats(20)).write_parquet(parquet)
    whole = {path: path.read_bytes() for path in (model, parquet)}
    for seed in range(COUNT // 3):
        rng = np.random.default_rng([2, seed])
        path = (model, parquet)[seed % 2]
        path.write_bytes([any_byte, cut, overwrite][seed % 3](rng, whole[path]))
        result = handnn_command("predict", model, parquet)
        path.write_bytes(whole[path])
        if result.code:
            check(result, os.listdir(tmp_path))
        else:
            assert len(result.out.splitlines()) > 1


def test_dates_that_python_does_not_have_are_an_error(handnn_command, tmp_path):
    days = pl.Series([0, 3_000_000] * 20, dtype=pl.Int32)
    frame = pl.DataFrame({"d": days.cast(pl.Date), "y": [0.1 * n for n in range(40)]})
    frame.write_parquet(tmp_path / "t.parquet")
    done = handnn_command("train", tmp_path / "t.parquet", "--target", "y")
    assert done.code == 1
    assert "row 2, column 'd': a date outside the years 1 to 9999" in done.err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_are_not_patterns(handnn_command, tmp_path, suffix):
    names = ["^x$", "*", "^.*$", "a b", "x", "y"]
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.choice(["u", "v", "w"], 60) for name in names})
    frame = frame.with_columns(y=pl.Series(rng.normal(size=60)))
    path = tmp_path / f"t.{suffix}"
    getattr(frame, f"write_{suffix}")(path)
    quick = ["--networks", 1, "--epochs", 1, "--out", tmp_path / "m"]
    assert handnn_command("train", path, "--target", "y", *quick).code == 0
    done = handnn_command("predict", tmp_path / "m", path, "--keep")
    assert done.code == 0 and done.out.startswith("^x$,*,^.*$,a b,x,y,prediction")


def test_a_parquet_file_that_ends_the_process_of_its_reader():
    """polars aborts with this file, a damaged one; it must be read in another process."""
    path = Path(__file__).with_name("aborts_the_reader.parquet")
    command = [sys.executable, "-m", "handnn", "train", path, "--target", "rent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"handnn: {path} ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_names_with_spaces_around_them(handnn_command, tmp_path, stream):
    rng = np.random.default_rng(0)
    names = [" size", "b ", " ", "size", "\tb", "y"]
    path = tmp_path / "t.parquet"
    pl.DataFrame({name: rng.normal(size=60) for name in names}).write_parquet(path)
    quick = ["--networks", 1, "--epochs", 1, "--out", tmp_path / "m"]
    assert handnn_command("train", path, "--target", "y", stream, *quick).code == 0
    done = handnn_command("predict", tmp_path / "m", path, "--keep")
    assert done.code == 0 and done.out.startswith(" size,b , ,size,\tb,y,prediction")


@pytest.mark.parametrize("task", ["regression", "multiclass"])
@pytest.mark.parametrize("values", [[2**63 - 1, 2**62], [9.3e18, 1e19], [-(2**63), 2**63 - 2]])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_targets_at_the_end_of_int64(handnn_command, tmp_path, suffix, values, task):
    frame = pl.DataFrame({"a": np.linspace(-1, 1, 60), "y": values * 30})
    path = tmp_path / f"t.{suffix}"
    getattr(frame, f"write_{suffix}")(path)
    quick = ["--networks", 1, "--epochs", 1, "--out", tmp_path / "m"]
    done = handnn_command("train", path, "--target", "y", "--task", task, *quick)
    assert done.code == 0, done.err
    assert handnn_command("predict", tmp_path / "m", path).code == 0


def test_gzip_files_cut_anywhere(handnn_command, tmp_path):
    """EOFError, which gzip raises for some of them, is not the end of an input from a terminal."""
    whole = gzip.compress(as_csv(flats(40)).encode(), mtime=0)
    path = tmp_path / "t.gz"
    for length in [*range(1, 40), *range(40, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        done = handnn_command("train", path, "--target", "price", *QUICK, "--out", tmp_path / "m")
        assert (done.code, done.out) == (1, ""), length
        assert done.err.startswith(f"handnn: {path}") and done.err.count("\n") == 1, done.err
