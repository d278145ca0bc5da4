from __future__ import annotations

from typing import NamedTuple

import pytest

from handnn.cli import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def handnn_command(capsys):
    """Runs `handnn` with some arguments in this process, and returns its output."""

    def run(*args):
        return Result(main([str(arg) for arg in args]), *capsys.readouterr())

    return run


@pytest.fixture
def table(tmp_path):
    """Writes text or bytes to a file, and returns its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
