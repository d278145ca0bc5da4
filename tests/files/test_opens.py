"""Commands open, parse and write their files as few times as possible."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading

import pytest

from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")

COUNT = """
import json, os, sys
from handnn.files.reading.csv_file import CsvFile

opened, parsed = [], []

def audit(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(os.path.basename(arguments[0]))

def counting(parse):
    def run(self, text, *rest):
        parsed.append(text)
        return parse(self, text, *rest)
    return run

CsvFile._parse_plain = counting(CsvFile._parse_plain)
CsvFile._parse_quoted = counting(CsvFile._parse_quoted)
sys.addaudithook(audit)
from handnn.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, opened, len(parsed)]), file=sys.stderr)
"""


def counted(*arguments):
    """Run a command in a new process; return the names it opened and the blocks it parsed."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, *map(str, arguments), "--quiet"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, opened, n_parsed = json.loads(done.stderr)
    assert code == 0
    return opened, n_parsed


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(
    ("options", "n_passes"),
    [([], 1), (["--stream", "--epochs", 1], 2), (["--stream", "--epochs", 3], 4)],
)
def test_train_opens_its_file_once_and_parses_it_once_per_pass(
    tmp_path, pack, quote, options, n_passes
):
    """Counts opens of the file in the process, and blocks parsed; a small file is one block.

    In memory there is one pass. When streaming, one pass infers the kinds of the columns, and each
    epoch is another pass.
    """
    text = as_csv(flats()).replace("Ulm", f"{quote}Ulm{quote}")
    path = tmp_path / "table.csv"
    path.write_bytes(pack(text.encode()))
    arguments = ["train", path, "--target", "price", "--epochs", 2, "--hidden", 4, *options]
    opened, n_parsed = counted(*arguments, "--out", tmp_path / "m", "--report", tmp_path / "r")
    assert (opened.count("table.csv"), n_parsed) == (1, n_passes)
    temporary = {name.rsplit("-", 1)[0] for name in opened if name.startswith(".handnn-")}
    assert len(temporary) == 2  # model and report


def test_predict_opens_model_and_rows_once(handnn_command, table, tmp_path):
    path, model = table(as_csv(flats())), tmp_path / "m"
    arguments = ["train", path, "--target", "price", "--epochs", 1, "--hidden", 4]
    assert handnn_command(*arguments, "--out", model).code == 0
    for command in ("predict", "evaluate"):
        opened, n_parsed = counted(command, model, path)
        assert (opened.count("m"), opened.count("table.csv"), n_parsed) == (1, 1, 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_train_and_predict_read_pipes(handnn_command, table, tmp_path):
    text, pipe = as_csv(flats()), tmp_path / "pipe"
    os.mkfifo(pipe)

    def piped(content, *arguments):
        writer = threading.Thread(target=pipe.write_bytes, args=[content])
        writer.start()
        result = handnn_command(*arguments)
        writer.join()
        return result

    def run(*arguments):
        result = piped(text.encode(), *arguments)
        assert result.code == 0, result.err
        return result.out

    options = ["--target", "price", "--epochs", 2, "--hidden", 4, "--json", "--out"]
    printed = json.loads(run("train", pipe, *options, tmp_path / "piped"))
    expected = json.loads(handnn_command("train", table(text), *options, tmp_path / "m").out)
    assert all(printed[key] == expected[key] for key in ("bytes", "sha256", "scores"))
    assert run("predict", tmp_path / "m", pipe) == run("predict", tmp_path / "piped", pipe)
    train = ["train", pipe, *options, tmp_path / "m"]
    assert "is not UTF-8; specify" in piped(text.encode("latin-1"), *train).err
    assert piped(text.encode(), *train, "--stream").code == 0
