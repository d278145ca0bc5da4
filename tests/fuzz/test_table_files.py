"""Mutated CSV, gzip and Parquet files through the command: a result or one line, exit 0 to 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("polars")

N_FILES = int(os.environ.get("HANDNN_FUZZ_TABLES", "60"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))
PER_PROCESS = 5000


def test_mutated_tables_give_a_result_or_one_line(tmp_path):
    """Each process runs commands on up to 5,000 files; a crash of the process is also a fault."""
    codes, faults = [0, 0, 0], []
    root = Path(__file__).parents[2]
    for first in range(0, N_FILES, PER_PROCESS):
        count = min(PER_PROCESS, N_FILES - first)
        arguments = [str(SEED * 1_000_003 + first), str(count), str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.table_files", *arguments],
            capture_output=True,
            text=True,
            cwd=root,
        )
        for line in done.stdout.splitlines():
            if line.startswith("FAULT"):
                faults.append(line)
            elif line.startswith("CODES"):
                codes = [a + b for a, b in zip(codes, map(int, line.split()[1:]), strict=True)]
        if done.returncode != 0:
            words = (tmp_path / "words").read_text()
            faults.append(f"the process ended with {done.returncode} at {words}: {done.stderr}")
    shares = ", ".join(f"{n} with {code}" for code, n in enumerate(codes))
    print(f"tables: {N_FILES} mutated files, exit codes: {shares}; {len(faults)} faults")
    assert faults == []
    assert codes[0] > N_FILES // 20


def test_some_commands_as_processes(tmp_path):
    from tests.fuzz.table_files import Mutator, fault_of, originals

    mutator = Mutator(originals(), SEED)
    for number in range(max(1, N_FILES // 1000)):
        _, data = mutator.draw()
        (tmp_path / "table").write_bytes(data)
        words = ["train", tmp_path / "table", "--target", "y", "--networks", "1", "--epochs", "1"]
        done = subprocess.run(
            [sys.executable, "-m", "handnn", *words, "--quiet", "--out", tmp_path / "out"],
            capture_output=True,
            text=True,
        )
        assert fault_of(done.returncode, done.stdout, done.stderr) == "", (number, done.stderr)
