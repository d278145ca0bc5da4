"""SIGTERM and SIGHUP end a command by the signal, without temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("polars", reason="polars is not installed: no tables in files")

from handnn.cli import main
from tests.files.tables import as_csv, flats

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process here")

PROGRAM = """
import os, signal, sys
import polars
from handnn.cli import main

def receive(*arguments):
    print(*(name for name in os.listdir() if name.startswith(".handnn-")), flush=True)
    if sys.argv[-1].isdigit():
        os.kill(os.getpid(), int(sys.argv.pop()))

os.fsync = polars.LazyFrame.sink_parquet = receive
sys.exit(main(sys.argv[1:-1]))
"""
"""Runs a command, which receives a signal when its output is complete but not yet in place."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table and a model."""
    folder = tmp_path_factory.mktemp("termination")
    (folder / "t.csv").write_text(as_csv(flats()))
    options = ["--networks", "1", "--epochs", "1", "--out", str(folder / "m.safetensors")]
    assert main(["train", str(folder / "t.csv"), "--target", "price", "--quiet", *options]) == 0
    return folder


@pytest.mark.parametrize(
    ("name", "suffix"), [("SIGTERM", "csv"), ("SIGHUP", "csv.gz"), ("SIGTERM", "parquet")]
)
def test_no_temporary_file_is_left(folder, name, suffix):
    """The tests themselves may run under nohup."""
    number = getattr(signal, name)
    command = ["predict", "m.safetensors", "t.csv", "--out", f"o.{suffix}", str(int(number))]
    heeding = f"import signal; signal.signal({int(number)}, signal.SIG_DFL)\n" + PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", heeding, *command], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == -number, done.stderr
    assert done.stdout.count(".handnn-") == 1 + (suffix == "parquet")
    assert {*os.listdir(folder)} == {"t.csv", "m.safetensors"}
    assert not done.stderr


def test_an_ignored_signal_stays_ignored(folder):
    """The process runs as under nohup."""
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + PROGRAM
    command = ["predict", "m.safetensors", "t.csv", "--out", "o.csv", str(int(signal.SIGHUP))]
    done = subprocess.run([sys.executable, "-c", ignoring, *command], cwd=folder)
    assert done.returncode == 0
    os.remove(folder / "o.csv")
